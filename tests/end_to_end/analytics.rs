//! Counts of orders and money: exact, and the same when they are made anew.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use orderflow_tests::{Shop, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::order;

/// Currency that no other test pays in: of the counts of all orders these are ours.
const CURRENCY: &str = "ISK";

/// An order in that currency; of so many pieces at 1990 each.
fn ours(quantity: u32, payment_method: &str) -> Value {
    let mut order = order("counted", quantity, payment_method);
    order["lines"][0]["unitPrice"] = json!({ "amount": 1990, "currency": CURRENCY });
    order
}

/// Sums of the counts of our currency on the board.
async fn counted(shop: &Shop, list: &str, names: &[&str]) -> Vec<i64> {
    let board = shop.operations(Method::GET, "/operations/board", None, 200).await;
    let list = board[list].as_array().expect("a list");
    let ours = list.iter().filter(|tally| tally["currency"] == CURRENCY);
    let ours: Vec<&Value> = ours.collect();
    names.iter().map(|name| ours.iter().map(|tally| tally[*name].as_i64().expect("a number")).sum()).collect()
}

/// Entries that are ours, by the ids of their events: each with the minute that it is counted in.
async fn entries(shop: &Shop) -> BTreeMap<String, String> {
    let mut ours = BTreeMap::new();
    for item in shop.scan(shop.output("CountTableName")).await {
        let (pk, minute) = (text(&item["pk"]), text(&item["sk"]).chars().take(2).collect::<String>());
        let Some(hour) = pk.strip_prefix("facts ").and_then(|hour| hour.split(' ').next()) else { continue };
        let entries: Vec<Value> = serde_json::from_str(&text(&item["counted"])).expect("entries");
        for entry in entries.into_iter().filter(|entry| entry["currency"] == CURRENCY) {
            let id = entry["id"].as_str().expect("an id").to_owned();
            ours.insert(id, format!("{hour}:{minute} {entry}"));
        }
    }
    ours
}

fn text(value: &AttributeValue) -> String {
    value.as_s().expect("a text").clone()
}

pub(crate) async fn what_is_counted_is_exact_and_the_same_when_it_is_made_anew(shop: &Shop) {
    const STEPS: [&str; 6] = ["created", "reserved", "paid", "paidAmount", "shipped", "cancelled"];
    shop.stock("counted", 50).await;
    let mut orders = Vec::new();
    for quantity in [1, 2, 3] {
        orders.push(shop.order(&ours(quantity, "pm_card_visa")).await);
    }
    let declined = shop.order(&ours(4, "pm_card_visa_chargeDeclined")).await;
    for id in &orders {
        shop.wait_for(id, "shipped").await;
    }
    shop.wait_for(&declined, "cancelled").await;
    orders.push(declined);
    let expected = vec![4, 4, 3, 6 * 1990, 3, 1];
    let is_counted = async || {
        let counts = counted(shop, "minutes", &STEPS).await;
        let released = counted(shop, "minutes", &["setAside", "released"]).await;
        if counts == expected && released == [10, 4] { Ok(()) } else { Err(json!([counts, released])) }
    };
    eventually("all is counted", is_counted).await;
    assert_eq!(counted(shop, "hours", &["paid", "paidAmount"]).await, [3, 6 * 1990]);
    assert_eq!(counted(shop, "skus", &["pieces", "amount"]).await, [6, 6 * 1990]);
    let before = entries(shop).await;

    // Each event comes once more, and in another order.
    for id in &orders {
        for event in shop.journal(id).await.iter().rev() {
            shop.send("Analytics", &event.to_string()).await;
        }
    }
    eventually("all is handled", async || {
        let waiting = shop.waiting(shop.output("AnalyticsQueueUrl")).await;
        if waiting == 0 { Ok(()) } else { Err(json!(waiting)) }
    })
    .await;
    assert_eq!(entries(shop).await, before);
    assert_eq!(is_counted().await, Ok(()), "what comes again counts once");

    // As if nothing had ever been counted, and then by a replay of the journal.
    forget(shop, &orders).await;
    assert_eq!(entries(shop).await, BTreeMap::new());
    for id in &orders {
        let told = shop.run_job("/operations/replays", &json!({ "service": "analytics", "order": id })).await;
        assert_eq!((told["state"].as_str(), told["left"].as_u64()), (Some("done"), Some(0)), "{told}");
    }
    eventually("all is counted anew", is_counted).await;
    assert_eq!(entries(shop).await, before, "to the byte");
}

/// Deletes the rows of those orders, and the counts of all.
async fn forget(shop: &Shop, orders: &[String]) {
    let counts = shop.output("CountTableName");
    for item in shop.scan(counts).await {
        let delete = shop.dynamodb.delete_item().table_name(counts);
        let delete = delete.key("pk", item["pk"].clone()).key("sk", item["sk"].clone());
        delete.send().await.expect("it is deleted");
    }
    let rows = shop.output("AnalyticsTableName");
    for item in shop.scan(rows).await {
        let is_ours = item["pk"].as_s().is_ok_and(|pk| orders.contains(pk));
        if is_ours {
            let delete = shop.dynamodb.delete_item().table_name(rows);
            let delete = delete.key("pk", item["pk"].clone()).key("sk", item["sk"].clone());
            delete.send().await.expect("it is deleted");
        }
    }
}
