//! A consumer that was not there when its events were.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use orderflow_tests::{Datum, Item, eventually};
use serde_json::{Value, json};

use crate::scene::Scene;

/// Number of orders that are placed while it is off, and as many while it catches up.
const ORDERS: usize = 20;

/// Events of an order that shipping consumes.
const EVENTS: u64 = 2;

pub(crate) async fn a_consumer_that_was_off_for_longer_than_its_queue_keeps_messages(scene: &Scene<'_>) {
    let shipping = scene.function("Shipping");
    scene.shop.switch(&shipping, false).await;
    let missed = scene.orders("missed", ORDERS).await;
    let queue = scene.shop.queue("Shipping");
    eventually("all events wait", async || match scene.shop.waiting(queue).await {
        waiting if waiting == ORDERS as u64 * EVENTS => Ok(()),
        waiting => Err(json!(waiting)),
    })
    .await;
    // A reconciliation goes by the journal, which gathers for longer than a relay does.
    scene.has_paid(&missed).await;
    // What SQS tells of its age once they have waited for six minutes.
    let name = [("QueueName", queue.rsplit('/').next().expect("a name"))];
    let age = Datum::new("AWS/SQS", "ApproximateAgeOfOldestMessage", &name, 360.0);
    scene.shop.rings("shipping-lag", &age).await;
    // As SQS does once they are too old.
    scene.shop.sqs.purge_queue().queue_url(queue).send().await.expect("it is purged");
    scene.shop.switch(&shipping, true).await;

    let found = scene.reconcile(&["--late-after", "1s"]).await;
    let expected = [("late", ORDERS), ("unhandled", 2 * ORDERS)].map(|(kind, count)| (kind.to_owned(), count));
    assert_eq!(found, expected.into());
    let which = ["replay", "shipping", "--from", &scene.since];
    let told = scene.ctl(0, &[&which[..], &["--dry-run"]].concat()).await;
    assert_eq!(told.stdout, "40 events would be sent to shipping.\n");
    let which = [&which[..], &["--rate", "20", "--yes"]].concat();
    let (replayed, live) = tokio::join!(scene.job(&which), scene.orders("live", ORDERS));
    assert_eq!(replayed.code, Some(0), "{replayed:?}");
    assert!(replayed.stdout.contains(" 0 parked again, 0 left."), "{replayed:?}");
    scene.ends(&[missed.clone(), live.clone()].concat()).await;
    let rows = scene.shop.scan(scene.shop.output("ShippingTableName")).await;
    let expected = history(&rows, &live[0]);
    assert!(expected.len() > 2, "{expected:?}");
    for order in missed.iter().chain(&live) {
        assert_eq!(history(&rows, order), expected, "{order}");
    }
}

/// Rows of an order: the number of each, its change or the types of its events, and the type of the event that has caused it.
fn history(rows: &[Item], order: &str) -> BTreeMap<String, (String, String)> {
    let of_it = rows.iter().filter(|row| text(&row["pk"]) == order);
    let row = |row: &Item| {
        let change = match row.get("change") {
            Some(AttributeValue::M(change)) => change.keys().cloned().collect(),
            Some(change) => text(change).to_owned(),
            None => types(text(&row["events"])),
        };
        let cause = row["cause"].as_m().expect("a cause");
        (row["sk"].as_n().expect("a number").clone(), (change, text(&cause["type"]).to_owned()))
    };
    of_it.map(row).collect()
}

fn types(events: &str) -> String {
    let events: Value = serde_json::from_str(events).expect("JSON");
    events.as_array().expect("events").iter().map(|event| event["type"].as_str().expect("a type")).collect()
}

fn text(value: &AttributeValue) -> &str {
    value.as_s().expect("a text")
}

/// Rows of a table without the time at which each was put on record.
async fn rows(scene: &Scene<'_>, table: &str) -> BTreeMap<(String, String), Item> {
    let rows = scene.shop.scan(table).await.into_iter().map(|mut row| {
        row.remove("at");
        (key(&row), row)
    });
    rows.collect()
}

fn key(row: &Item) -> (String, String) {
    (text(&row["pk"]).to_owned(), format!("{:?}", row["sk"]))
}

pub(crate) async fn a_new_consumer_that_catches_up_while_orders_come_in(scene: &Scene<'_>) {
    let earlier = scene.orders("earlier", ORDERS).await;
    scene.ends(&earlier).await;
    let (ledger, sightings) = (scene.shop.output("ScreeningTableName"), scene.shop.tables("Sightings").await);
    let of_old = rows(scene, ledger).await;
    // Without a row it is as new as any.
    for table in sightings.iter().map(String::as_str).chain([ledger]) {
        scene.forget(table, |_| true).await;
    }

    let which = ["replay", "screening", "--from", "1d", "--rate", "50", "--yes"];
    let (replayed, live) = tokio::join!(scene.job(&which), scene.orders("meanwhile", ORDERS));
    assert_eq!(replayed.code, Some(0), "{replayed:?}");
    scene.ends(&[earlier, live.clone()].concat()).await;
    let mut caught_up = rows(scene, ledger).await;
    caught_up.retain(|(order, _), _| !live.contains(order));
    assert!(of_old.len() >= ORDERS, "{of_old:?}");
    assert!(caught_up == of_old, "{caught_up:?}\n{of_old:?}");
}
