//! Every place at which something can go wrong while one order is under way, one after the other.
//!
//! A place is a call of any function to any neighbour: a new call in a handler is a new place by itself. At each of them
//! each fault happens in a run of its own, and in the end all must be well.

use std::collections::BTreeSet;

use onewrite::Decider;
use orderflow_events::{EventType, OrderId};
use orderflow_inventory::Inventory;
use orderflow_notification::Notification;
use orderflow_orders::Orders;
use orderflow_payment::Payment;
use orderflow_screening::Screening;
use orderflow_shipping::Shipping;
use orderflow_simulation::customers::Script;
use orderflow_simulation::episode::{Plan, run, tell};
use orderflow_simulation::faults::{Kind, Planned};

/// What can become of an order, with cancellations at many moments of its way.
const SCRIPTS: &[(&str, Script)] = &[
    ("shipped", Script::SHIPPED),
    ("declined", Script { method: "pm_card_visa_chargeDeclined", ..Script::SHIPPED }),
    ("charged at the third attempt", Script { method: "pm_sim_unavailable_2", ..Script::SHIPPED }),
    ("out of stock", Script { sku: Script::SOLD_OUT, ..Script::SHIPPED }),
    ("published by another producer", Script { is_foreign: true, ..Script::SHIPPED }),
    ("cancelled at once", cancelled_after(0)),
    ("cancelled when it is reserved", cancelled_after(40)),
    ("cancelled while it is charged", cancelled_after(65)),
    ("cancelled when it is paid", cancelled_after(80)),
    ("cancelled while it is booked", cancelled_after(105)),
    ("cancelled when it is shipped, and nobody knows yet", cancelled_after(120)),
    ("cancelled too late", cancelled_after(1_000)),
];

const fn cancelled_after(millis: u64) -> Script {
    Script { cancel_after_ms: Some(millis), ..Script::SHIPPED }
}

const KINDS: &[Kind] = &[Kind::CrashBefore, Kind::CrashAfter, Kind::Refused, Kind::Lost, Kind::Late];

#[test]
fn whatever_goes_wrong_at_any_call_all_is_well_in_the_end() {
    let mut runs = 0;
    for (name, script) in SCRIPTS {
        let well = run(&Plan::scripted(*script, None));
        assert_eq!(well.violation, None, "{name}");
        println!("{name}: {} calls", well.calls);
        for kind in KINDS.iter().copied() {
            for call in 0..well.calls {
                let plan = Plan::scripted(*script, Some(Planned { call, kind }));
                let report = run(&plan);
                assert_eq!(report.happened, 1, "{name}, {kind} at call {call}");
                if let Some(violation) = report.violation {
                    let story = tell(&plan, violation.order.as_ref()).story;
                    panic!("{name}, {kind} at call {call}: {}\n{story}", violation.what);
                }
                runs += 1;
            }
        }
    }
    println!("{runs} places and faults");
    assert!(runs > 3_000, "there were {runs} places and faults only");
}

/// The scripts lead every event to every function that consumes it: a new type needs a script that shows it.
#[test]
fn every_event_is_handled_by_every_function_that_consumes_it() {
    let nobody = OrderId::new("-").unwrap();
    let delivered =
        SCRIPTS.iter().flat_map(|(_, script)| tell(&Plan::scripted(*script, None), Some(&nobody)).delivered);
    let delivered: BTreeSet<(&str, String)> = delivered.collect();
    let consumed = [
        ("orders", Orders::CONSUMES),
        ("inventory", Inventory::CONSUMES),
        ("payment", Payment::CONSUMES),
        ("shipping", Shipping::CONSUMES),
        ("screening", Screening::CONSUMES),
        ("notification", Notification::CONSUMES),
        ("journal", &EventType::ALL),
    ];
    for (function, types) in consumed {
        // Screening needs several orders to find one suspicious: the runs by seed have them.
        for kind in types.iter().filter(|kind| **kind != EventType::OrderFlagged) {
            assert!(delivered.contains(&(function, kind.to_string())), "{function} is never handed {kind}");
        }
    }
}
