//! A relay that is broken: the rows are there, and nobody hears of them.

use std::collections::BTreeMap;

use orderflow_tests::{AwsService, Call, Datum, eventually};
use serde_json::json;

use crate::scene::Scene;

/// Number of orders.
const ORDERS: usize = 12;

/// Begins a fault by which the orders' relay is refused each publication.
fn refuse(scene: &Scene<'_>, refusal: (u16, &'static str)) {
    let is_publication = |call: &Call| call.service == AwsService::Sns;
    scene.faults.refuse(scene.function("OrdersRelay"), refusal, is_publication);
}

/// Waits until a reconciliation has found that the events of all these orders were never published.
async fn found(scene: &Scene<'_>, orders: &[String]) {
    eventually("all rows are found", async || {
        let found = scene.reconcile(&[]).await;
        if found == BTreeMap::from([("unpublished".to_owned(), orders.len())]) { Ok(()) } else { Err(json!(found)) }
    })
    .await;
}

pub(crate) async fn a_relay_that_may_not_publish(scene: &Scene<'_>) {
    refuse(scene, (403, "AuthorizationError"));
    let orders = scene.own_orders("denied", ORDERS).await;
    found(scene, &orders).await;
    // What Lambda tells once they have waited for a quarter of an hour: milliseconds.
    let relay = scene.function("OrdersRelay");
    let age = Datum::new("AWS/Lambda", "IteratorAge", &[("FunctionName", &relay)], 900_000.0);
    scene.shop.rings("orders-relay-age", &age).await;
    scene.faults.end();
    scene.ends(&orders).await;
}

pub(crate) async fn a_relay_whose_rows_are_refused(scene: &Scene<'_>) {
    refuse(scene, (400, "InvalidParameter"));
    let orders = scene.own_orders("refused", ORDERS).await;
    scene.group("orders", "permanent", |count| count == ORDERS as u64).await;
    scene.letters_ring("orders", "permanent", ORDERS).await;
    found(scene, &orders).await;

    scene.faults.end();
    let healed = scene.reconcile(&["--heal", "--yes"]).await;
    assert_eq!(healed, BTreeMap::from([("unpublished".to_owned(), ORDERS)]));
    scene.shipped(&orders).await;
    scene.drop_all("orders", "its row is published").await;
    scene.ends(&orders).await;
}
