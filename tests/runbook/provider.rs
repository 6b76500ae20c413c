//! A neighbour that is down.

use orderflow_tests::{AwsService, Call, eventually};
use serde_json::json;

use crate::scene::Scene;

/// Number of orders.
const ORDERS: usize = 24;

/// Receives after which a message is parked: as many as pass in seconds, where else an hour would.
const RECEIVES: &str = "3";

/// Tells a call to the payment provider, whose register is a table.
fn is_to_provider(call: &Call) -> bool {
    call.service == AwsService::DynamoDb
        && call.json()["TableName"].as_str().is_some_and(|table| table.contains("PaymentProvider"))
}

pub(crate) async fn a_provider_that_is_down(scene: &Scene<'_>) {
    let payment = scene.function("Payment");
    let receives = scene.shop.deploy(&payment, "MAX_RECEIVE_COUNT", RECEIVES).await;
    scene.faults.refuse(payment.clone(), (503, "ServiceUnavailable"), is_to_provider);
    let orders = scene.orders("provider", ORDERS).await;
    let reason = scene.group("payment", "exhausted", |count| count > 1).await;
    assert!(reason.contains("ServiceUnavailable"), "{reason}");
    scene.letters_ring("payment", "exhausted", 1).await;

    scene.faults.end();
    eventually("what was not parked is handled", async || {
        let waiting = scene.shop.waiting(scene.shop.queue("Payment")).await;
        let letters = scene.shop.letters("Payment").await;
        if waiting + letters == 0 { Ok(()) } else { Err(json!([waiting, letters])) }
    })
    .await;
    let which = ["dlq", "redrive", "--service", "payment", "--reason", &reason, "--ramp", "--yes"];
    let redriven = scene.job(&which).await;
    assert_eq!(redriven.code, Some(0), "{redriven:?}");
    scene.ends(&orders).await;
    // Not before: an emulator that deploys ends what is at work, and its messages stay hidden for a while.
    scene.shop.deploy(&payment, "MAX_RECEIVE_COUNT", &receives).await;
}
