//! Events, pulled by others.

use std::collections::BTreeSet;

use futures::future::{join, join_all};
use orderflow_tests::{Shop, eventually};
use serde_json::{Value, json};

use crate::{FULFILLED, order};

/// Types of the events of an order, of those of its way.
fn types_of<'a>(seen: &'a [Value], id: &str) -> Vec<&'a str> {
    let of_order = seen.iter().filter(|event| event["subject"] == id);
    let mut types: Vec<&str> = of_order.filter_map(|event| event["type"].as_str()).collect();
    types.retain(|known| FULFILLED.contains(known));
    types.sort_unstable();
    types
}

/// Reads the feed from its beginning on, in pages of so many, until the orders are fulfilled: all that it has shown.
async fn follow(shop: &Shop, limit: usize, ids: &[String]) -> Vec<Value> {
    let read = tokio::sync::Mutex::new((Vec::new(), String::new()));
    eventually("all of the orders is in the feed", async || {
        let mut read = read.lock().await;
        let (events, after) = shop.feed_after(std::mem::take(&mut read.1), limit, &Value::Null).await;
        read.0.extend(events);
        read.1 = after;
        let open: Vec<_> = ids.iter().filter(|id| types_of(&read.0, id) != FULFILLED).collect();
        if open.is_empty() { Ok(()) } else { Err(json!(open)) }
    })
    .await;
    read.into_inner().0
}

pub(crate) async fn readers_of_any_pace_see_each_event_once(shop: &Shop) {
    shop.stock("feed", 20).await;
    let order = order("feed", 1, "pm_card_visa");
    let ids = join_all((0..4).map(|_| shop.order(&order))).await;
    // They begin while nothing has become of the orders yet, but that they are placed.
    let (fast, slow) = join(follow(shop, 500, &ids), follow(shop, 7, &ids)).await;
    for seen in [&fast, &slow] {
        let unique: BTreeSet<String> = seen.iter().map(|event| format!("{}{}", event["source"], event["id"])).collect();
        assert_eq!(unique.len(), seen.len(), "each is there once");
    }
    let pattern = json!({ "subject": [ids[0]], "type": [{ "prefix": "Order" }] });
    let (matching, _) = shop.feed_after(String::new(), 100, &pattern).await;
    let created = matching.iter().find(|event| event["type"] == "OrderCreated").expect("it is there");
    assert!(matching.iter().all(|event| event["subject"] == ids[0]), "{matching:?}");
    // It is as it was published, and names nobody.
    assert!(shop.journal(&ids[0]).await.contains(created));
    assert_eq!((&created["data"]["customer"]["email"], created["data"]["personal"].is_string()), (&Value::Null, true));
}
