//! Some seconds of the simulation, as every test run has them.

use orderflow_simulation::episode::{Plan, Report, run};
use orderflow_simulation::faults::Kind;
use orderflow_simulation::shrink::shrink;

/// Runs episodes from `seed` on. A run that breaks is shown as its shortest form, with the command that repeats it.
fn check(seed: u64, episodes: u64, orders: u64) -> Report {
    let mut total = Report::default();
    for seed in seed..seed + episodes {
        let plan = Plan::new(seed, orders);
        let report = run(&plan);
        if let Some(violation) = &report.violation {
            let shrunk = shrink(&plan).map(|shrunk| format!("{}\n{:?}", shrunk.story, shrunk.plan));
            panic!("{}\n{}", violation.what, shrunk.unwrap_or_default());
        }
        total.add(&report);
    }
    total
}

#[test]
fn known_seeds_keep_every_invariant_under_every_fault() {
    let total = check(1, 16, 25);
    for (kind, count) in Kind::ALL.iter().zip(total.faults) {
        assert!(count > 0, "{kind} never happened");
    }
    assert!(total.shipped > 100 && total.letters > 0 && total.redrives > 0, "{total:?}");
}

#[test]
fn fresh_seeds_keep_every_invariant_under_every_fault() {
    let seed = fastrand::u64(0..1_000_000_000);
    println!("seed {seed}");
    check(seed, 8, 25);
}

#[test]
fn the_same_plan_gives_the_same_run() {
    let plan = Plan::new(42, 40);
    let (one, other) = (run(&plan), run(&plan));
    assert_eq!((one.steps, one.calls, one.passed, one.faults), (other.steps, other.calls, other.passed, other.faults));
    assert_ne!(run(&Plan::new(43, 40)).steps, one.steps);
}
