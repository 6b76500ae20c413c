//! A bug in one consumer: it writes what its table does not take.

use orderflow_tests::{AwsService, Call};

use crate::faults::Treatment;
use crate::scene::Scene;

/// Number of orders, of which half meet the bug.
const ORDERS: usize = 60;

/// Tells an order that meets the bug.
fn is_met(order: &str) -> bool {
    order.bytes().last().is_some_and(|digit| digit % 2 == 1)
}

/// Tells a write of the second row of an order's shipment: that of its payment.
fn is_second_row(call: &Call) -> bool {
    let body = call.json();
    let order = body["Item"]["pk"]["S"].as_str().unwrap_or_default();
    (call.service, call.operation.as_str()) == (AwsService::DynamoDb, "PutItem")
        && body["Item"]["sk"]["N"] == "2"
        && is_met(order)
}

pub(crate) async fn a_bug_in_one_consumer_that_parks_half_of_500(scene: &Scene<'_>) {
    let shipping = scene.function("Shipping");
    scene.faults.begin(move |function, call| {
        if function == shipping && is_second_row(call) {
            return Treatment::Refused(400, "ValidationException");
        }
        Treatment::Passed
    });
    let orders = scene.orders("bug", ORDERS).await;
    let reason = scene.group("shipping", "permanent", |count| count == ORDERS as u64 / 2).await;

    let status = scene.ctl(0, &["status"]).await.stdout;
    assert!(status.contains("30"), "{status}");
    let listed = scene.json(&["dlq", "list", "--service", "shipping", "--state", "waiting", "--limit", "1000"]).await;
    assert_eq!(listed.len(), ORDERS / 2);
    let letter = scene.ctl(0, &["dlq", "show", listed[0]["id"].as_str().expect("an id")]).await.stdout;
    assert!(letter.contains("ValidationException") && letter.contains("PaymentProcessed"), "{letter}");
    let order = listed[0]["orderId"].as_str().unwrap_or_default();
    let told = scene.ctl(0, &["order", order]).await.stdout;
    assert!(told.contains("shipping"), "{told}");

    scene.faults.end();
    let which = ["dlq", "redrive", "--service", "shipping", "--reason", &reason];
    let told = scene.ctl(0, &[&which[..], &["--dry-run"]].concat()).await;
    assert_eq!(told.stdout, "30 letters of shipping would be sent back.\n");
    let redriven = scene.job(&[&which[..], &["--ramp", "--rate", "20", "--yes"]].concat()).await;
    assert_eq!(redriven.code, Some(0), "{redriven:?}");
    assert!(redriven.stdout.contains("30 of 30 sent, 30 handled, 0 parked again, 0 left."), "{redriven:?}");
    scene.ends(&orders).await;
}
