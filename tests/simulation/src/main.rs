//! `cargo simulate`: millions of orders under faults that would take years to meet.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use orderflow_simulation::episode::{Plan, Report, run};
use orderflow_simulation::faults::{Kind, Kinds};
use orderflow_simulation::sabotage::Sabotage;
use orderflow_simulation::shrink::shrink;

/// A quarter of the time goes into small pieces of memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the whole system in virtual time, with everything going wrong, and checks every invariant.
///
/// The orders come in episodes, each with a system of its own. An episode depends on its seed alone: what is found is
/// found again with the command that is printed.
#[derive(Parser)]
struct Arguments {
    /// How many orders
    #[arg(long, default_value_t = 10_000)]
    orders: u64,
    /// Seed of the first episode; those after it count up [default: drawn]
    #[arg(long)]
    seed: Option<u64>,
    /// What goes wrong: all, none, or names with commas between them
    #[arg(long, default_value = "all")]
    faults: Kinds,
    /// How much more often than usual each of it happens [default: drawn for each kind and episode]
    #[arg(long)]
    weather: Option<u32>,
    /// After so many faults an episode goes well
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    budget: u64,
    /// A safeguard to take away, to see what breaks
    #[arg(long, value_name = "SAFEGUARD")]
    without: Option<Sabotage>,
    /// How many orders an episode has
    #[arg(long, default_value_t = 200)]
    episode: u64,
    /// How many episodes are run side by side, each on one core
    #[arg(long, default_value_t = 1)]
    jobs: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(0..1_000_000_000));
    let episodes = arguments.orders.div_ceil(arguments.episode.max(1));
    let plan = |number: u64| {
        let orders = arguments.episode.min(arguments.orders - number * arguments.episode);
        let Arguments { faults: kinds, weather, budget, without: sabotage, .. } = arguments;
        Plan { kinds, weather, budget, sabotage, ..Plan::new(seed.wrapping_add(number), orders) }
    };
    println!("{} orders in {episodes} episodes from seed {seed}, faults: {}", arguments.orders, arguments.faults);
    let bar = ProgressBar::new(arguments.orders);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {human_pos} orders, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    #[expect(clippy::disallowed_methods, reason = "the time that a run takes is no part of it")]
    let begin = Instant::now();
    let (total, broken) = (Mutex::new(Report::default()), Mutex::new(None::<Plan>));
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
                    let report = run(&plan);
                    bar.inc(plan.orders);
                    if report.violation.is_some() {
                        stop.store(true, Ordering::Relaxed);
                        if let Ok(mut broken) = broken.lock() {
                            broken.get_or_insert(plan);
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
        Some(plan) => {
            explain(&plan);
            ExitCode::FAILURE
        }
    }
}

fn summarize(total: &Report, seconds: f64) {
    let row = |name: &str, value: u64| println!("  {name:<28}{:>14}", HumanCount(value).to_string());
    println!();
    row("orders", total.orders);
    row("of these shipped", total.shipped);
    row("deliveries", total.deliveries);
    row("of these to come again", total.retries);
    row("dead letters", total.letters);
    row("redrives", total.redrives);
    row("mails and short messages", total.messages);
    row("of these again", total.repeated_messages);
    row("faults", total.happened);
    for (kind, count) in Kind::ALL.iter().zip(total.faults) {
        row(&format!("  {kind}"), count);
    }
    row("violations", u64::from(total.violation.is_some()));
    println!();
    #[expect(clippy::cast_precision_loss, reason = "it is shown to one digit")]
    let a_minute = total.orders as f64 / seconds * 60.0;
    println!(
        "  {seconds:.1} s, {a_minute:.0} orders a minute, {:.1} days in the run",
        total.passed.as_secs_f64() / 86_400.0
    );
}

fn explain(plan: &Plan) {
    println!("\nAn invariant was broken. Looking for the shortest run that still breaks one …");
    let Some(shrunk) = shrink(plan) else { return };
    println!("\n{}", shrunk.violation.what);
    println!("\n{}", shrunk.story);
    let Plan { seed, orders, kinds, weather, budget, sabotage, .. } = shrunk.plan;
    let mut command = format!("cargo simulate --seed {seed} --orders {orders} --episode {orders} --faults {kinds}");
    let more = [
        weather.map(|weather| format!(" --weather {weather}")),
        (budget < u64::MAX).then(|| format!(" --budget {budget}")),
        sabotage.map(|sabotage| format!(" --without {}", sabotage.name())),
    ];
    command.extend(more.into_iter().flatten());
    println!("{command}");
}
