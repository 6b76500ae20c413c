//! Somebody who tries cards, and honest customers beside them.

use orderflow_simulation::safeguards::DECLINE_LIMIT;
use orderflow_simulation::simulation::simulate_trier;
use simulator::{FaultKinds, Plan, Trace};

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
fn whatever_goes_wrong_the_provider_is_asked_for_few_of_them() {
    let report = simulate_trier(&Plan::new(1, ORDERS), Trace::default());
    assert_eq!(report.run.violation, None);
    assert_eq!(report.orders, 2 * ORDERS);
}

#[test]
fn without_the_limit_the_provider_is_asked_for_each() {
    let plan = Plan { kinds: FaultKinds::NONE, without: Some(DECLINE_LIMIT), ..Plan::new(1, ORDERS) };
    let violation = simulate_trier(&plan, Trace::default()).run.violation.expect("a violation");
    assert!(violation.what.contains("that it declined, by one method"), "{}", violation.what);
}
