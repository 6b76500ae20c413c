//! Somebody who tries a card, and has others told of it, and honest customers beside them.

#![expect(clippy::expect_used, reason = "all of it is tests")]

use orderflow_simulation::safeguards::{DECLINE_LIMIT, RECIPIENT_LIMIT};
use orderflow_simulation::simulation::simulate_trier;
use simulator::{FaultKinds, Plan, Safeguard, Trace};

/// Orders of each side, in a minute.
const ORDERS: u64 = 200;

#[test]
fn the_provider_is_asked_for_few_of_them_and_no_honest_order_is_refused() {
    let plan = Plan { kinds: FaultKinds::NONE, ..Plan::new(1, ORDERS) };
    let report = simulate_trier(&plan, Trace::default());
    assert_eq!(report.run.violation, None);
    assert_eq!((report.orders, report.shipped), (2 * ORDERS, ORDERS));
}

#[test]
fn whatever_goes_wrong_the_provider_is_asked_for_few_of_them_and_nobody_is_told_too_much() {
    let mut placed = 0;
    for seed in 0..6 {
        let report = simulate_trier(&Plan::new(seed, ORDERS), Trace::default());
        assert_eq!(report.run.violation, None, "seed {seed}");
        placed += report.orders;
    }
    // While the API is down some give up.
    assert!(placed > 3 * ORDERS, "{placed} orders");
}

#[test]
fn without_the_limit_of_declines_the_provider_is_asked_for_each() {
    breaks(DECLINE_LIMIT, "payments that it declined, by one method");
}

/// All of them have one number.
#[test]
fn without_the_limit_of_messages_one_number_gets_all() {
    breaks(RECIPIENT_LIMIT, "messages in a day");
}

fn breaks(safeguard: Safeguard, what: &str) {
    let plan = Plan { kinds: FaultKinds::NONE, without: Some(safeguard), ..Plan::new(1, ORDERS) };
    let violation = simulate_trier(&plan, Trace::default()).run.violation.expect("a violation");
    assert!(violation.what.contains(what), "{}", violation.what);
}
