//! The body of `POST /orders`: any bytes are an order, or are refused with their faults; and an order is read again as
//! the same from what it becomes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderflow_contracts::{NewOrder, OrderDetails, parse};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = serde_json::from_slice::<Value>(bytes) else { return };
    match parse::<NewOrder>(&document) {
        Ok(order) => {
            let details = OrderDetails::from(order);
            assert!(details.total().is_some(), "an order has a sum");
            let written = serde_json::to_value(&details).expect("an order is JSON");
            assert_eq!(parse::<NewOrder>(&written).map(OrderDetails::from), Ok(details.clone()));
            assert_eq!(serde_json::from_value::<OrderDetails>(written).expect("a row keeps it"), details);
        }
        Err(faults) => assert!(!faults.is_empty()),
    }
});
