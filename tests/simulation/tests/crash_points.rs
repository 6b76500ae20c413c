//! Every place at which something can go wrong while one order is under way, one after the other.
//!
//! A place is a call of any function to any neighbour: a new call in a handler is a new place by itself. At each of them
//! each fault happens in a run of its own, and in the end all must be well.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::thread;

use orderflow_events::{EventType, HoldFlagged};
use orderflow_simulation::customers::{Entry, Script};
use orderflow_simulation::services::System;
use orderflow_simulation::shop::Shop;
use orderflow_simulation::simulation::simulate_script;
use simulator::{FaultKind, PlannedFault, Run, Trace};

/// Ways of an order, with cancellations at many moments of it.
const SCRIPTS: &[(&str, Script)] = &[
    ("shipped", Script::SHIPPED),
    ("declined", Script { method: "pm_card_visa_chargeDeclined", ..Script::SHIPPED }),
    ("charged at the third attempt", Script { method: "pm_sim_unavailable_2", ..Script::SHIPPED }),
    ("out of stock", Script { sku: Script::SOLD_OUT, ..Script::SHIPPED }),
    ("placed at the price of the table", Script { entry: Entry::Page, ..Script::SHIPPED }),
    ("published by another producer", Script { entry: Entry::Foreign, ..Script::SHIPPED }),
    ("free", Script { is_free: true, ..Script::SHIPPED }),
    ("free, and cancelled when it is paid", Script { is_free: true, ..cancelled_after(80) }),
    ("to an address that is none", Script { email: Script::NOWHERE, ..Script::SHIPPED }),
    (
        "to an address that is none, and declined",
        Script { email: Script::NOWHERE, method: "pm_card_visa_chargeDeclined", ..Script::SHIPPED },
    ),
    ("cleared at once, where flagged orders are held", Script { rule: HoldFlagged::Yes, ..Script::SHIPPED }),
    ("flagged, where nothing is held", Script { is_doubtful: true, ..Script::SHIPPED }),
    ("held, and cleared or cancelled by an operator", HELD),
    ("held, and cancelled by the customer", Script { cancel_after_ms: Some(3_000), ..HELD }),
    ("of a guest, by its link", Script { entry: Entry::Guest, ..Script::SHIPPED }),
    ("of a guest, and cancelled by its link", Script { entry: Entry::Guest, ..cancelled_after(80) }),
    (
        "of a guest, and withdrawn from by its link",
        Script { entry: Entry::Guest, withdraw_after_ms: Some(1_000), ..Script::SHIPPED },
    ),
    ("never paid", Script { is_never_paid: true, ..Script::SHIPPED }),
    ("cancelled at once", cancelled_after(0)),
    ("cancelled when it is reserved", cancelled_after(40)),
    ("cancelled while it is charged", cancelled_after(65)),
    ("cancelled when it is paid", cancelled_after(80)),
    ("cancelled while it is booked", cancelled_after(105)),
    ("cancelled when it is shipped, and nobody knows yet", cancelled_after(120)),
    ("cancelled too late", cancelled_after(1_000)),
    ("withdrawn from when it is shipped, and sent back", Script { withdraw_after_ms: Some(1_000), ..Script::SHIPPED }),
    ("erased at once", Script { erase_after_ms: Some(0), ..Script::SHIPPED }),
    ("erased when it is paid", Script { erase_after_ms: Some(80), ..Script::SHIPPED }),
    ("erased while it is booked", Script { erase_after_ms: Some(105), ..Script::SHIPPED }),
    ("erased when it is shipped", Script { erase_after_ms: Some(1_000), ..Script::SHIPPED }),
];

const HELD: Script = Script { is_doubtful: true, rule: HoldFlagged::Yes, ..Script::SHIPPED };

const fn cancelled_after(millis: u64) -> Script {
    Script { cancel_after_ms: Some(millis), ..Script::SHIPPED }
}

const KINDS: &[FaultKind] =
    &[FaultKind::CrashBefore, FaultKind::CrashAfter, FaultKind::Refused, FaultKind::Lost, FaultKind::Late];

#[test]
fn whatever_goes_wrong_at_any_call_all_is_well_in_the_end() {
    // Runs are of one thread each, and know nothing of each other.
    let runs: usize = thread::scope(|scope| {
        let scripts = SCRIPTS.iter().map(|(name, script)| scope.spawn(|| try_every_fault(name, *script)));
        let scripts: Vec<_> = scripts.collect();
        scripts.into_iter().map(|script| script.join().unwrap_or_else(|panic| resume_unwind(panic))).sum()
    });
    println!("{runs} places and faults");
    assert!(runs > 3_000, "there were {runs} places and faults only");
}

/// Tries each fault at each call of a script. Answers the number of runs.
fn try_every_fault(name: &str, script: Script) -> usize {
    let well = simulate_script(script, None, Trace::default()).run;
    assert_eq!(well.violation, None, "{name}");
    println!("{name}: {} calls", well.calls);
    for kind in KINDS.iter().copied() {
        for call in 0..well.calls {
            let planned = Some(PlannedFault { call, kind });
            let report = simulate_script(script, planned, Trace::default()).run;
            assert_eq!(report.happened, 1, "{name}, {kind} at call {call}");
            if let Some(violation) = report.violation {
                let trace = violation.subject.as_deref().map_or_else(Trace::of_none, Trace::of);
                let trace = simulate_script(script, planned, trace).run.trace;
                panic!("{name}, {kind} at call {call}: {}\n{trace}", violation.what);
            }
        }
    }
    KINDS.len() * usize::try_from(well.calls).unwrap_or_default()
}

/// The scripts lead every event to every function that consumes it: a new type needs a script that shows it.
#[test]
fn every_event_is_handled_by_every_function_that_consumes_it() {
    let delivered =
        SCRIPTS.iter().flat_map(|(_, script)| simulate_script(*script, None, Trace::of_none()).run.delivered);
    let delivered: BTreeSet<(&str, String)> = delivered.collect();
    let system = System::start(&Run::calm(), Rc::<Shop>::default());
    for subscription in system.stack.topic.fanout.subscriptions() {
        let types = subscription.filter.unwrap_or_else(|| EventType::ALL.map(EventType::as_str).into());
        let service = subscription.service;
        for kind in types {
            assert!(delivered.contains(&(service, kind.to_owned())), "{service} is never handed {kind}");
        }
    }
}
