//! Metrics, as CloudWatch makes them of the functions' logs.

use std::collections::{BTreeMap, BTreeSet};

use onewrite::memory::Series;
use orderflow_tests::{Shop, eventually};
use serde_json::{Value, json};

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
    for line in lines(shop, function).await {
        for (series, values) in Series::of_line(&line).unwrap_or_else(|error| panic!("{error}: {line}")) {
            let names: Vec<&str> = series.dimensions.keys().map(String::as_str).collect();
            assert!(names.iter().all(|name| ["Class", "Service", "Type"].contains(name)), "{line}");
            assert!(!series.namespace.is_empty());
            metrics.entry((series.name, series.dimensions.into_values().collect())).or_default().extend(values);
        }
    }
    metrics
}

/// Names of the log groups of all functions, as [`lines`] takes them.
pub(crate) async fn functions(shop: &Shop) -> BTreeSet<String> {
    let functions = shop.ask_lambda("functions/").await;
    let functions = functions["Functions"].as_array().into_iter().flatten();
    let groups = functions.filter_map(|function| function["LoggingConfig"]["LogGroup"].as_str()?.rsplit('/').next());
    groups.map(str::to_owned).collect()
}

/// Lines that a function has written, by the name of its log group: to that which the template gives it or, on LocalStack, to
/// one that is named after the function.
pub(crate) async fn lines(shop: &Shop, function: &str) -> Vec<String> {
    let functions = shop.ask_lambda("functions/").await;
    let of = |deployed: &&Value| {
        let group = deployed["LoggingConfig"]["LogGroup"].as_str().unwrap_or_default();
        group.ends_with(&format!("/{function}"))
    };
    let functions = functions["Functions"].as_array().cloned().unwrap_or_default();
    let deployed = functions.iter().find(of).unwrap_or_else(|| panic!("there is no function {function}"));
    let own = format!("/aws/lambda/{}", deployed["FunctionName"].as_str().unwrap_or_default());
    let given = deployed["LoggingConfig"]["LogGroup"].as_str().unwrap_or_default().to_owned();
    let groups = shop.ask_logs("DescribeLogGroups", &json!({})).await;
    let mut lines = Vec::new();
    for group in [given, own] {
        if !groups["logGroups"].as_array().into_iter().flatten().any(|there| there["logGroupName"] == *group) {
            continue;
        }
        let mut request = json!({ "logGroupName": group });
        loop {
            let page = shop.ask_logs("FilterLogEvents", &request).await;
            let events = page["events"].as_array().into_iter().flatten();
            lines.extend(events.filter_map(|event| event["message"].as_str()).map(str::to_owned));
            // An emulator may repeat the last token for ever.
            if page["nextToken"].is_null() || page["nextToken"] == request["nextToken"] {
                break;
            }
            request["nextToken"] = page["nextToken"].clone();
        }
    }
    lines
}
