//! Metrics, as CloudWatch makes them of the functions' logs.

use std::collections::BTreeMap;

use onewrite::memory::Series;
use orderflow_tests::{Shop, eventually};
use serde_json::json;

use crate::{FULFILLED, order};

/// Values by name of the metric and by the values of its dimensions.
type Metrics = BTreeMap<(String, Vec<String>), Vec<f64>>;

pub(crate) async fn what_becomes_of_orders_is_in_the_metrics_of_the_stack(shop: &Shop) {
    shop.stock("metered", 5).await;
    let id = shop.order(&order("metered", 1, "pm_card_visa")).await;
    shop.wait_for_types(&id, &FULFILLED).await;
    shop.run_jobs().await;
    shop.run_clock("OpenOrdersFunctionName").await;
    for (function, expected) in [
        ("orders-api", &[("ColdStarts", &["orders-api"][..])][..]),
        (
            "orders",
            &[
                ("Handled", &["orders"]),
                ("Handled", &["orders", "ShipmentCreated"]),
                ("Age", &["orders", "ShipmentCreated"]),
                ("SinceCreated", &["orders", "InventoryReserved"]),
                ("SinceCreated", &["orders", "PaymentProcessed"]),
                ("SinceCreated", &["orders", "ShipmentCreated"]),
                ("ColdStarts", &["orders"]),
            ],
        ),
        ("orders-relay", &[("Published", &["orders"]), ("PublishDelay", &["orders"]), ("ColdStarts", &["orders"])]),
        ("payment", &[("Handled", &["payment", "InventoryReserved"]), ("ColdStarts", &["payment"])]),
        ("journal", &[("Handled", &["journal", "ShipmentCreated"]), ("Age", &["journal"])]),
        ("open-orders", &[("OpenOrders", &[]), ("LateOrders", &[]), ("OldestOpenOrderSeconds", &[])]),
        ("jobs", &[("LettersWaiting", &[]), ("OldestLetterSeconds", &[]), ("OldestLetterShare", &[])]),
    ] {
        eventually(&format!("the metrics of {function}"), async || {
            let found = metrics(shop, function).await;
            let is_there = |(name, dimensions): &&(&str, &[&str])| {
                let dimensions = dimensions.iter().map(|value| (*value).to_owned()).collect();
                found
                    .get(&((*name).to_owned(), dimensions))
                    .is_some_and(|values| values.iter().all(|value| *value >= 0.0))
            };
            let missing: Vec<_> = expected.iter().filter(|expected| !is_there(expected)).collect();
            if missing.is_empty() { Ok(()) } else { Err(json!(missing)) }
        })
        .await;
    }
    let found = metrics(shop, "orders").await;
    let whole = &found[&("SinceCreated".to_owned(), vec!["orders".to_owned(), "ShipmentCreated".to_owned()])];
    assert!(
        whole.iter().all(|milliseconds| *milliseconds > 0.0),
        "an order that is shipped before it is placed: {whole:?}"
    );
}

/// All metrics in the log of a function. Each line that is one of metrics is one that CloudWatch understands.
async fn metrics(shop: &Shop, function: &str) -> Metrics {
    let mut metrics = Metrics::new();
    for line in shop.log_of(function).await {
        for (series, values) in Series::of_line(&line).unwrap_or_else(|error| panic!("{error}: {line}")) {
            let names: Vec<&str> = series.dimensions.keys().map(String::as_str).collect();
            assert!(names.iter().all(|name| ["Class", "Service", "Type"].contains(name)), "{line}");
            assert!(!series.namespace.is_empty());
            metrics.entry((series.name, series.dimensions.into_values().collect())).or_default().extend(values);
        }
    }
    metrics
}
