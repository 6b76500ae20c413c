//! Some seconds of the simulation, as every test run has them.

use orderflow_simulation::simulation::{Report, simulate};
use simulator::{FaultKind, Plan, Trace, search};

/// Runs episodes from `seed` on. A run that breaks is shown as its shortest form.
fn check(seed: u64, episodes: u64, orders: u64) -> simulator::Report {
    let found = search(&Plan::new(seed, orders), episodes, |plan, trace| simulate(plan, trace).run);
    found.unwrap_or_else(|shrunk| panic!("{shrunk}"))
}

#[test]
fn known_seeds_keep_every_invariant_under_every_fault() {
    let total = check(60, 16, 25);
    for (kind, count) in FaultKind::ALL.iter().zip(total.faults) {
        assert!(count > 0, "{kind} never happened");
    }
    assert!(total.letters > 0 && total.redrives > 0 && total.poisoned > 0, "{total:?}");
    for observation in
        ["changed", "duplicate", "lost race", "the transaction collided", "put back", "parked", "published"]
    {
        assert!(
            total.observed.contains_key(observation),
            "nobody has observed: {observation}, of {:?}",
            total.observed
        );
    }
}

#[test]
fn fresh_seeds_keep_every_invariant_under_every_fault() {
    let seed = fastrand::u64(0..1_000_000_000);
    println!("seed {seed}");
    check(seed, 8, 25);
}

#[test]
fn many_orders_are_shipped_and_their_customers_told() {
    // Of one run alone a dry shelf may be half of the story.
    let reports = (42..50).map(|seed| simulate(&Plan::new(seed, 40), Trace::default()));
    let (mut all, mut shipped_of_all) = (0, 0);
    for Report { run, orders, shipped, messages, .. } in reports {
        assert_eq!(run.violation, None);
        // Some customers give up before they have ordered.
        assert!(orders >= 36 && shipped > 0 && messages > orders, "{shipped} of {orders}, and {messages} messages");
        (all, shipped_of_all) = (all + orders, shipped_of_all + shipped);
    }
    assert!(shipped_of_all * 4 > all, "{shipped_of_all} of {all}");
}

#[test]
fn the_same_plan_gives_the_same_run() {
    let run = |seed| simulate(&Plan::new(seed, 40), Trace::default()).run;
    let (one, other) = (run(42), run(42));
    assert_eq!((one.steps, one.calls, one.passed, one.faults), (other.steps, other.calls, other.passed, other.faults));
    assert_ne!(run(43).steps, one.steps);
}
