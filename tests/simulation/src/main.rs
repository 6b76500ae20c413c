//! `cargo simulate`: millions of orders under faults that would take years to meet.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use orderflow_simulation::safeguards;
use orderflow_simulation::simulation::{Presence, Report, simulate_where};
use simulator::{FaultKind, FaultKinds, Plan, Safeguard, Shrunk, Trace, Violation, shrink};

/// A quarter of the time goes into small pieces of memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the whole system in virtual time, with everything going wrong, and checks every invariant.
///
/// The orders come in episodes, each with a system of its own. An episode depends on its seed alone: what is found is
/// found again with the command that is printed.
#[derive(Parser)]
struct Arguments {
    /// Number of orders
    #[arg(long, default_value_t = 10_000)]
    orders: u64,
    /// Seed of the first episode; those after it count up [default: drawn]
    #[arg(long)]
    seed: Option<u64>,
    /// Kinds of faults: all, none, or names with commas between them
    #[arg(long, default_value = "all")]
    faults: FaultKinds,
    /// Number of times that each of them is as frequent as usual [default: drawn for each kind and episode]
    #[arg(long)]
    intensity: Option<u32>,
    /// Number of faults after which an episode goes well
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    budget: u64,
    /// Safeguard to take away, to see what breaks
    #[arg(long, value_name = "SAFEGUARD", value_parser = safeguards::parse)]
    without: Option<Safeguard>,
    /// Presence of the service for operators: by-seed, always, or never
    #[arg(long, default_value = "by-seed")]
    operations: Presence,
    /// Number of orders of an episode
    #[arg(long, default_value_t = 200)]
    episode: u64,
    /// Number of episodes that are run side by side, each on one core
    #[arg(long, default_value_t = 1)]
    jobs: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(0..1_000_000_000));
    let episodes = arguments.orders.div_ceil(arguments.episode.max(1));
    let plan = |number: u64| {
        let orders = arguments.episode.min(arguments.orders - number * arguments.episode);
        let Arguments { faults: kinds, intensity, budget, without, .. } = arguments;
        Plan { kinds, intensity, budget, without, ..Plan::new(seed.wrapping_add(number), orders) }
    };
    println!("{} orders in {episodes} episodes from seed {seed}, faults: {}", arguments.orders, arguments.faults);
    let bar = ProgressBar::new(arguments.orders);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {human_pos} orders, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    #[expect(clippy::disallowed_methods, reason = "the time that a run takes is no part of it")]
    let begin = Instant::now();
    let (total, broken) = (Mutex::new(Report::default()), Mutex::new(None::<(Plan, Violation)>));
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= episodes {
                        return;
                    }
                    let plan = plan(number);
                    let report = simulate_where(arguments.operations, &plan, Trace::default());
                    bar.inc(plan.subjects);
                    if let Some(violation) = report.run.violation.clone() {
                        stop.store(true, Ordering::Relaxed);
                        if let Ok(mut broken) = broken.lock() {
                            broken.get_or_insert((plan, violation));
                        }
                    }
                    if let Ok(mut total) = total.lock() {
                        total.add(&report);
                    }
                }
            });
        }
    });
    bar.finish_and_clear();
    let total = total.into_inner().unwrap_or_default();
    summarize(&total, begin.elapsed().as_secs_f64());
    match broken.into_inner().ok().flatten() {
        None => ExitCode::SUCCESS,
        Some((plan, violation)) => {
            explain(arguments.operations, &plan, violation);
            ExitCode::FAILURE
        }
    }
}

fn summarize(total: &Report, seconds: f64) {
    let row = |name: &str, value: u64| println!("  {name:<28}{:>14}", HumanCount(value).to_string());
    println!();
    row("orders", total.orders);
    row("of these shipped", total.shipped);
    row("deliveries", total.run.deliveries);
    row("of these to come again", total.run.retries);
    row("dead letters", total.run.letters);
    row("redrives", total.run.redrives);
    row("messages nobody can read", total.run.poisoned);
    row("findings that a letter tells", total.findings);
    row("mails and short messages", total.messages);
    row("of these again", total.repeated_messages);
    row("observations", total.run.observed.values().sum());
    for (observation, count) in &total.run.observed {
        row(&format!("  {observation}"), *count);
    }
    row("faults", total.run.happened);
    for (kind, count) in FaultKind::ALL.iter().zip(total.run.faults) {
        row(&format!("  {kind}"), count);
    }
    row("violations", u64::from(total.run.violation.is_some()));
    println!();
    #[expect(clippy::cast_precision_loss, reason = "it is shown to one digit")]
    let a_minute = total.orders as f64 / seconds * 60.0;
    println!(
        "  {seconds:.1} s, {a_minute:.0} orders a minute, {:.1} days in the run",
        total.run.passed.as_secs_f64() / 86_400.0
    );
}

fn explain(operations: Presence, plan: &Plan, violation: Violation) {
    println!("\nAn invariant was broken. Looking for the shortest run that still breaks one …");
    let Shrunk { plan, violation, trace } =
        shrink(plan, violation, |plan, trace| simulate_where(operations, plan, trace).run);
    println!("\n{}\n\n{trace}", violation.what);
    let Plan { seed, subjects: orders, kinds, intensity, budget, without, .. } = plan;
    let mut command = format!("cargo simulate --seed {seed} --orders {orders} --episode {orders} --faults {kinds}");
    let more = [
        intensity.map(|intensity| format!(" --intensity {intensity}")),
        (budget < u64::MAX).then(|| format!(" --budget {budget}")),
        without.map(|safeguard| format!(" --without {safeguard}")),
        (operations != Presence::BySeed).then(|| format!(" --operations {operations}")),
    ];
    command.extend(more.into_iter().flatten());
    println!("{command}");
}
