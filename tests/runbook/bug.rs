//! A bug in one consumer: it writes what its table does not take.

use crate::faults::is_second_row;
use crate::scene::Scene;

/// Number of orders: two messages each to shipping, of which the second meets the bug.
const ORDERS: usize = 250;

pub(crate) async fn a_bug_in_one_consumer_that_parks_half_of_500(scene: &Scene<'_>) {
    scene.faults.refuse(scene.function("Shipping"), (400, "ValidationException"), is_second_row);
    let orders = scene.orders("bug", ORDERS).await;
    let reason = scene.group("shipping", "permanent", |count| count == ORDERS as u64).await;

    let status = scene.ctl(0, &["status"]).await.stdout;
    assert!(status.contains("250"), "{status}");
    let listed = scene.json(&["dlq", "list", "--service", "shipping", "--state", "waiting", "--limit", "1000"]).await;
    assert_eq!(listed.len(), ORDERS);
    let letter = scene.ctl(0, &["dlq", "show", listed[0]["id"].as_str().expect("an id")]).await.stdout;
    assert!(letter.contains("ValidationException") && letter.contains("PaymentProcessed"), "{letter}");
    let order = listed[0]["orderId"].as_str().expect("an order");
    let told = scene.ctl(0, &["order", order]).await.stdout;
    assert!(told.starts_with(&format!("{order}  stuck: 1 letter is waiting\n")), "{told}");

    scene.faults.end();
    let which = ["dlq", "redrive", "--service", "shipping", "--reason", &reason];
    let told = scene.ctl(0, &[&which[..], &["--dry-run"]].concat()).await;
    assert_eq!(told.stdout, "250 letters of shipping would be sent back.\n");
    let redriven = scene.job(&[&which[..], &["--ramp", "--rate", "20", "--yes"]].concat()).await;
    assert_eq!(redriven.code, Some(0), "{redriven:?}");
    assert!(redriven.stdout.contains("250 of 250 sent, 250 handled, 0 parked again, 0 left."), "{redriven:?}");
    scene.ends(&orders).await;
}
