//! The service for operators: what it has on record of dead letters is the truth, whatever goes wrong, a comparison of all records
//! finds what is lost and nothing else, and a process that dies at any call of its jobs loses and doubles nothing.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::thread;

use orderflow_events::EventType;
use orderflow_simulation::chores::Chore;
use orderflow_simulation::customers::Script;
use orderflow_simulation::damage::{Damage, Found};
use orderflow_simulation::simulation::{Presence, simulate_chore, simulate_damage, simulate_where};
use simulator::{FaultKind, FaultKinds, Plan, PlannedFault, Report, Trace, search};

fn check(plan: &Plan, episodes: u64) -> Report {
    let found = search(plan, episodes, |plan, trace| simulate_where(Presence::Always, plan, trace).run);
    found.unwrap_or_else(|shrunk| panic!("{shrunk}"))
}

#[test]
fn whatever_goes_wrong_the_fate_of_every_letter_is_told() {
    let total = check(&Plan::new(300, 25), 12);
    assert!(total.letters > 0 && total.redrives > 0 && total.poisoned > 0, "{total:?}");
}

#[test]
fn of_fresh_seeds_too() {
    let seed = fastrand::u64(0..1_000_000_000);
    println!("seed {seed}");
    check(&Plan::new(seed, 25), 6);
}

/// The whole of it is `cargo simulate --operations always --faults none`, with 10,000 orders.
#[test]
fn where_nothing_goes_wrong_a_comparison_of_all_records_finds_nothing() {
    for seed in 0..6 {
        let plan = Plan { kinds: FaultKinds::NONE, ..Plan::new(seed, 40) };
        let report = simulate_where(Presence::Always, &plan, Trace::default());
        assert_eq!((report.run.violation, report.findings), (None, 0), "seed {seed}");
    }
}

/// Cancelled when it is paid, and when it is shipped and nobody knows yet.
const PAID: Script = Script { cancel_after_ms: Some(80), ..Script::SHIPPED };
const BOOKED: Script = Script { cancel_after_ms: Some(120), ..Script::SHIPPED };

/// Damage, the kind of finding that tells of it, and whether it can be healed.
const DAMAGE: [(Script, Damage, &str, bool); 8] = [
    (Script::SHIPPED, Damage::Row("orders", 2), "gap", false),
    (Script::SHIPPED, Damage::Entry(EventType::PaymentProcessed), "unpublished", true),
    (Script::SHIPPED, Damage::LastRow("orders"), "unhandled", true),
    (Script::SHIPPED, Damage::Entry(EventType::ShipmentCreated), "late", true),
    (Script::SHIPPED, Damage::LastRow("payment"), "charge", false),
    (PAID, Damage::LastRow("payment"), "refund", false),
    (Script::SHIPPED, Damage::LastRow("shipping"), "label", false),
    (BOOKED, Damage::LastRow("shipping"), "void", false),
];

#[test]
fn whatever_is_lost_is_found_and_what_can_be_is_healed() {
    for (script, damage, kind, can_be_healed) in DAMAGE {
        let Found { at_first, then } = simulate_damage(script, damage);
        assert!(at_first.iter().any(|finding| finding.kind == kind), "{damage:?}: {at_first:?}");
        let orders: BTreeSet<&str> = at_first.iter().map(|finding| finding.order_id.as_str()).collect();
        assert_eq!(orders.len(), 1, "{damage:?}: {at_first:?}");
        if can_be_healed {
            assert_eq!(then, [], "{damage:?}");
        }
    }
}

const KINDS: [FaultKind; 5] =
    [FaultKind::CrashBefore, FaultKind::CrashAfter, FaultKind::Refused, FaultKind::Lost, FaultKind::Late];

#[test]
fn wherever_a_process_dies_no_letter_is_lost_and_no_effect_is_doubled() {
    // Runs are of one thread each, and know nothing of each other.
    let runs: u64 = thread::scope(|scope| {
        let all = Chore::ALL.into_iter().flat_map(|chore| KINDS.map(|kind| (chore, kind)));
        let threads: Vec<_> = all.map(|(chore, kind)| scope.spawn(move || try_at_every_call(chore, kind))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).sum()
    });
    println!("{runs} places and faults");
    assert!(runs > 500, "there were {runs} places and faults only");
}

/// Tries a fault at each call that a chore makes. Answers the number of runs.
fn try_at_every_call(chore: Chore, kind: FaultKind) -> u64 {
    let (well, begins_at) = simulate_chore(chore, None, Trace::default());
    assert_eq!((well.run.violation, well.shipped), (None, 1), "{chore:?}");
    println!("{chore:?}: calls {begins_at} to {}", well.run.calls);
    assert!(begins_at > 0 && begins_at + 5 < well.run.calls, "{chore:?} makes no calls");
    for call in begins_at..well.run.calls {
        let planned = Some(PlannedFault { call, kind });
        let (report, _) = simulate_chore(chore, planned, Trace::default());
        assert_eq!(report.run.happened, 1, "{chore:?}, {kind} at call {call}");
        if let Some(violation) = report.run.violation {
            let trace = violation.subject.as_deref().map_or_else(Trace::of_none, Trace::of);
            let (report, _) = simulate_chore(chore, planned, trace);
            panic!("{chore:?}, {kind} at call {call}: {}\n{}", violation.what, report.run.trace);
        }
        assert_eq!(report.shipped, 1, "{chore:?}, {kind} at call {call}");
    }
    well.run.calls - begins_at
}
