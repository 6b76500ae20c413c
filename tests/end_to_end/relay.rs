//! The door by which all facts leave.

use orderflow_tests::Shop;
use serde_json::{Value, json};

use crate::{FULFILLED, event, foreign_order, order};

/// Source of the events of the service in whose table the rows are put.
const ORDERS: &str = "orderflow/orders";

pub(crate) async fn a_row_that_cannot_be_published_is_copied_whole_and_holds_nothing_up(shop: &Shop) {
    shop.stock("relay", 5).await;
    let large = event("OrderDreamt", ORDERS, "row.large", json!({ "x": "x".repeat(300_000) }));
    let of_another = event("OrderDreamt", "https://shop.example/web", "row.source", json!({}));
    let elsewhere = event("OrderDreamt", ORDERS, "row.other", json!({}));
    let rows = [
        ("row.text", "no events at all \u{ffff}".to_owned(), "its events are not understood"),
        ("row.one", foreign_order("row.one", "relay").to_string(), "its events are not understood"),
        ("row.number", "[1]".to_owned(), "an event is not understood"),
        ("row.subject", r#"[{"id":"019aa9d0-7c00-7b1e-9f00-5a0000000017"}]"#.to_owned(), "an event is not understood"),
        ("row.large", json!([large]).to_string(), "an event has 300"),
        ("row.source", json!([of_another]).to_string(), "an event is from https://shop.example/web, and this relay"),
        ("row.elsewhere", json!([elsewhere]).to_string(), "an event is about another subject than its row"),
    ];
    for (pk, events, _) in &rows {
        shop.put_row("Orders", &json!({ "pk": pk, "sk": 7, "events": events })).await;
    }
    let id = shop.order(&order("relay", 1, "pm_card_visa")).await;
    shop.wait_for(&id, "shipped").await;
    shop.wait_for_types(&id, &FULFILLED).await;
    for (pk, events, reason) in rows {
        let letter = shop.take_relay_letter("Orders", pk).await;
        let body: Value = serde_json::from_str(letter.body()).unwrap();
        assert_eq!(body["row"], json!({ "pk": pk, "sk": 7, "events": events }), "{pk}");
        let table = shop.output("OrdersTableName");
        assert!(body["stream"].as_str().is_some_and(|stream| stream.contains(table)), "{pk}: {}", body["stream"]);
        assert_eq!(letter.field("class"), "permanent", "{pk}");
        assert!(letter.field("reason").starts_with(reason), "{pk}: {letter:?}");
        assert!(letter.field("failedAt").ends_with('Z'), "{pk}: {letter:?}");
        assert_eq!(letter.field("function"), shop.output("OrdersRelayFunctionName"), "{pk}");
    }
}

pub(crate) async fn ten_events_of_200_kb_are_published(shop: &Shop) {
    let orders: Vec<String> = (0..10).map(|number| format!("heavy-{number}")).collect();
    let heavy = |order: &String| event("OrderDreamt", ORDERS, order, json!({ "x": "x".repeat(199_500) }));
    let events: Vec<Value> = orders.iter().map(heavy).collect();
    for (order, event) in orders.iter().zip(&events) {
        shop.put_row("Orders", &json!({ "pk": order, "sk": 7, "events": json!([event]).to_string() })).await;
    }
    for (order, event) in orders.iter().zip(&events) {
        shop.wait_for_types(order, &["OrderDreamt"]).await;
        assert!(shop.journal(order).await == [event.clone()], "{order} is kept to the letter");
    }
}
