//! Those who watch an order, whatever goes wrong at any call: each is told each update once and in order.

use orderflow_simulation::customers::Script;
use orderflow_simulation::simulation::{simulate_watched, simulate_watched_script};
use simulator::{FaultKind, Plan, PlannedFault, Trace};

const KINDS: [FaultKind; 5] =
    [FaultKind::CrashBefore, FaultKind::CrashAfter, FaultKind::Refused, FaultKind::Lost, FaultKind::Late];

const SCRIPTS: [(&str, Script); 2] = [
    ("shipped", Script::SHIPPED),
    ("cancelled when it is paid", Script { cancel_after_ms: Some(80), ..Script::SHIPPED }),
];

#[test]
fn nobody_misses_or_hears_twice_what_happens_wherever_a_function_dies() {
    let (mut runs, mut returns) = (0, 0);
    for (name, script) in SCRIPTS {
        let (well, _) = simulate_watched_script(script, None, Trace::default());
        assert_eq!(well.run.violation, None, "{name}");
        println!("{name}: {} calls", well.run.calls);
        for kind in KINDS {
            for call in 0..well.run.calls {
                let planned = Some(PlannedFault { call, kind });
                let (report, returned) = simulate_watched_script(script, planned, Trace::default());
                assert_eq!(report.run.violation, None, "{name}, {kind} at call {call}");
                runs += 1;
                returns += returned;
            }
        }
    }
    println!("{runs} places and faults, {returns} clients that came back");
    assert!(runs > 1_000 && returns > runs, "{runs} places and faults only, {returns} came back");
}

#[test]
fn nobody_misses_or_hears_twice_what_happens_to_any_order_of_many_under_all_faults() {
    let (mut orders, mut returns) = (0, 0);
    for seed in 0..8 {
        let (report, returned) = simulate_watched(&Plan::new(seed, 20), Trace::default());
        if let Some(violation) = report.run.violation {
            let trace = violation.subject.as_deref().map_or_else(Trace::of_none, Trace::of);
            let (again, _) = simulate_watched(&Plan::new(seed, 20), trace);
            panic!("seed {seed}: {}\n{}", violation.what, again.run.trace);
        }
        orders += report.orders;
        returns += returned;
    }
    println!("{orders} orders, {returns} clients that came back");
    assert!(orders > 80 && returns > orders, "{orders} orders, {returns} came back");
}
