//! A bug in one consumer: it writes what its table does not take.

use crate::faults::is_second_row;
use crate::scene::Scene;

/// Number of orders, unless `ORDERFLOW_RUNBOOK_ORDERS` says another, such as 250 for 500 messages.
const ORDERS: usize = 25;

/// Number of orders: two messages each to shipping, of which the second meets the bug.
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment how much to do")]
fn orders() -> usize {
    std::env::var("ORDERFLOW_RUNBOOK_ORDERS").map_or(ORDERS, |orders| orders.parse().expect("a number of orders"))
}

pub(crate) async fn a_bug_in_one_consumer_that_parks_half_of_its_messages(scene: &Scene<'_>) {
    scene.faults.refuse(scene.function("Shipping"), (400, "ValidationException"), is_second_row);
    let count = orders();
    let orders = scene.orders("bug", count).await;
    let reason = scene.group("shipping", "permanent", |parked| parked == count as u64).await;
    scene.letters_ring("shipping", "permanent", count).await;

    let status = scene.ctl(0, &["status"]).await.stdout;
    assert!(status.contains(&count.to_string()), "{status}");
    let listed = scene.json(&["dlq", "list", "--service", "shipping", "--state", "waiting", "--limit", "1000"]).await;
    assert_eq!(listed.len(), count);
    let letter = scene.ctl(0, &["dlq", "show", listed[0]["id"].as_str().expect("an id")]).await.stdout;
    assert!(letter.contains("ValidationException") && letter.contains("PaymentProcessed"), "{letter}");
    let order = listed[0]["orderId"].as_str().expect("an order");
    let told = scene.ctl(0, &["order", order]).await.stdout;
    assert!(told.starts_with(&format!("{order}  stuck: 1 letter is waiting\n")), "{told}");

    scene.faults.end();
    let which = ["dlq", "redrive", "--service", "shipping", "--reason", &reason];
    let told = scene.ctl(0, &[&which[..], &["--dry-run"]].concat()).await;
    assert_eq!(told.stdout, format!("{count} letters of shipping would be sent back.\n"));
    let redriven = scene.job(&[&which[..], &["--ramp", "--rate", "20", "--yes"]].concat()).await;
    assert_eq!(redriven.code, Some(0), "{redriven:?}");
    let all = format!("{count} of {count} sent, {count} handled, 0 parked again, 0 left.");
    assert!(redriven.stdout.contains(&all), "{redriven:?}");
    scene.ends(&orders).await;
}
