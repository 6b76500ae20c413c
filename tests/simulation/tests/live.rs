//! Those who watch an order, all events or the board, whatever goes wrong at any call: each is told each update once and in order, and the
//! board as it is.

use std::time::Duration;

use orderflow_simulation::customers::Script;
use orderflow_simulation::live::{Audience, Limits, Watched};
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
        let (well, _) = simulate_watched_script(script, None, Audience::Orders, Limits::FAR, Trace::default());
        assert_eq!(well.run.violation, None, "{name}");
        println!("{name}: {} calls", well.run.calls);
        for kind in KINDS {
            for call in 0..well.run.calls {
                let planned = Some(PlannedFault { call, kind });
                let (report, watched) =
                    simulate_watched_script(script, planned, Audience::Orders, Limits::FAR, Trace::default());
                assert_eq!(report.run.violation, None, "{name}, {kind} at call {call}");
                runs += 1;
                returns += watched.returns;
            }
        }
    }
    println!("{runs} places and faults, {returns} clients that came back");
    assert!(runs > 1_000 && returns > runs, "{runs} places and faults only, {returns} came back");
}

/// At each call there is one kind of fault: they take turns.
#[test]
fn nobody_misses_or_hears_twice_what_happens_to_all_orders_wherever_a_function_dies() {
    let run =
        |planned, trace| simulate_watched_script(Script::SHIPPED, planned, Audience::Everything, Limits::FAR, trace);
    let (well, watched) = run(None, Trace::default());
    assert_eq!(well.run.violation, None);
    println!("{} calls, {watched:?}", well.run.calls);
    // Of the four events of an order that is shipped one client wants all, and the other two.
    assert!(watched.events >= 6 && watched.boards >= 2, "{watched:?}");
    let mut returns = 0;
    for (call, kind) in (0..well.run.calls).zip(KINDS.into_iter().cycle()) {
        let planned = Some(PlannedFault { call, kind });
        let (report, watched) = run(planned, Trace::default());
        if let Some(violation) = report.run.violation {
            let trace = violation.subject.as_deref().map_or_else(Trace::of_none, Trace::of);
            panic!("{kind} at call {call}: {}\n{}", violation.what, run(planned, trace).0.run.trace);
        }
        returns += watched.returns;
    }
    println!("{returns} clients that came back");
    assert!(returns > well.run.calls, "{returns} came back");
}

#[test]
fn nobody_misses_or_hears_twice_what_happens_to_any_order_of_many_under_all_faults() {
    let (mut orders, mut returns, mut events, mut boards) = (0, 0, 0, 0);
    for seed in 0..8 {
        let run = |trace| simulate_watched(&Plan::new(seed, 20), Audience::of(seed), Limits::FAR, trace);
        let (report, watched) = run(Trace::default());
        if let Some(violation) = report.run.violation {
            let trace = violation.subject.as_deref().map_or_else(Trace::of_none, Trace::of);
            let (again, _) = run(trace);
            panic!("seed {seed}: {}\n{}", violation.what, again.run.trace);
        }
        orders += report.orders;
        returns += watched.returns;
        events += watched.events;
        boards += watched.boards;
    }
    println!("{orders} orders, {returns} clients that came back, {events} events and {boards} boards told");
    assert!(orders > 80 && returns > orders, "{orders} orders, {returns} came back");
    assert!(events > 200 && boards > 20, "{events} events and {boards} boards");
}

/// An order is shipped within seconds, and hours later its customer withdraws.
#[test]
fn nothing_is_missed_where_connections_grow_old_or_are_silent_for_too_long() {
    let hours = |hours: u64| Duration::from_hours(hours);
    let later_ms = u64::try_from(hours(7).as_millis()).unwrap();
    let script = Script { withdraw_after_ms: Some(later_ms), ..Script::SHIPPED };
    let limits = Limits { ends_for: hours(6), ..Limits::FAR };
    let (report, watched) = simulate_watched_script(script, None, Audience::Orders, limits, Trace::default());
    assert_eq!(report.run.violation, None);
    println!("{watched:?}");
    // One client sends pings, and the other none: six hours have three connections of two hours, and some 36 of ten minutes.
    let Watched { too_old, silent, .. } = watched;
    assert!((2..=3).contains(&too_old) && (34..=38).contains(&silent), "{watched:?}");
}

/// AWS opens 500 connections of an account within a second: here a few, and so many clients at once that most are refused at first.
#[test]
fn nothing_is_missed_where_more_connect_at_once_than_may() {
    let mut refused = 0;
    for seed in 0..4 {
        let limits = Limits { opened_per_second: 3, ..Limits::FAR };
        let (report, watched) = simulate_watched(&Plan::new(seed, 20), Audience::Orders, limits, Trace::default());
        assert_eq!(report.run.violation, None, "seed {seed}");
        refused += watched.refused;
    }
    println!("{refused} connections were refused");
    assert!(refused > 100, "{refused} only");
}
