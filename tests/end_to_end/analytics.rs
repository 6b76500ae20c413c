//! Counts of orders and money: exact, and the same when they are made anew, in the place of those that are shown or beside them.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, BillingMode};
use orderflow_analytics::{Counts, DynamoCounts};
use orderflow_events::Time;
use orderflow_tests::{ApiDouble, LASTING, Shop, Twin, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::operations::now;
use crate::{FULFILLED, order};

/// A SKU and a currency that no other test sells and is paid in: of the counts of all orders these are a test's own.
type Own = (&'static str, &'static str);

const COUNTED: Own = ("counted", "ISK");
const BESIDE: Own = ("beside", "SEK");

/// Lock of the counts: whoever forgets them forgets those of all. Others look at what happens from then on.
pub(crate) static COUNTS: Mutex<()> = Mutex::const_new(());

const BOARD: &str = "/operations/board";

/// An order of our own; of so many pieces at 1990 each.
fn ours((sku, currency): Own, quantity: u32, payment_method: &str) -> Value {
    let mut order = order(sku, quantity, payment_method);
    order["lines"][0]["unitPrice"] = json!({ "amount": 1990, "currency": currency });
    order
}

/// The part of a board that is our own.
fn part(board: &Value, (_, currency): Own) -> Value {
    let of = |list: &str| {
        let list = board[list].as_array().expect("a list");
        list.iter().filter(|tally| tally["currency"] == currency).cloned().collect::<Vec<Value>>()
    };
    json!({ "minutes": of("minutes"), "hours": of("hours"), "skus": of("skus") })
}

/// Our own part of the shop's board.
async fn shown(shop: &Shop, own: Own) -> Value {
    part(&shop.operations(Method::GET, BOARD, None, 200).await, own)
}

/// Sums of our own counts on the board.
async fn counted(shop: &Shop, own: Own, list: &str, names: &[&str]) -> Vec<i64> {
    let shown = shown(shop, own).await;
    let ours = shown[list].as_array().expect("a list");
    names.iter().map(|name| ours.iter().map(|tally| tally[*name].as_i64().expect("a number")).sum()).collect()
}

/// Entries of a table that are our own, by the ids of their events: each with the minute that it is counted in.
async fn entries(shop: &Shop, table: &str, (_, currency): Own) -> BTreeMap<String, String> {
    let mut ours = BTreeMap::new();
    for item in shop.scan(table).await {
        let (pk, minute) = (text(&item["pk"]), text(&item["sk"]).chars().take(2).collect::<String>());
        let Some(hour) = pk.strip_prefix("facts ").and_then(|hour| hour.split(' ').next()) else { continue };
        let entries: Vec<Value> = serde_json::from_str(&text(&item["counted"])).expect("entries");
        for entry in entries.into_iter().filter(|entry| entry["currency"] == currency) {
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
    let _alone = COUNTS.lock().await;
    let counts = shop.output("CountTableName");
    shop.stock("counted", 50).await;
    let mut orders = Vec::new();
    for quantity in [1, 2, 3] {
        orders.push(shop.order(&ours(COUNTED, quantity, "pm_card_visa")).await);
    }
    let declined = shop.order(&ours(COUNTED, 4, "pm_card_visa_chargeDeclined")).await;
    for id in &orders {
        shop.wait_for(id, "shipped").await;
    }
    shop.wait_for(&declined, "cancelled").await;
    orders.push(declined);
    let expected = vec![4, 4, 3, 6 * 1990, 3, 1];
    let is_counted = async || {
        let steps = counted(shop, COUNTED, "minutes", &STEPS).await;
        let released = counted(shop, COUNTED, "minutes", &["setAside", "released"]).await;
        if steps == expected && released == [10, 4] { Ok(()) } else { Err(json!([steps, released])) }
    };
    eventually("all is counted", is_counted).await;
    assert_eq!(counted(shop, COUNTED, "hours", &["paid", "paidAmount"]).await, [3, 6 * 1990]);
    assert_eq!(counted(shop, COUNTED, "skus", &["pieces", "amount"]).await, [6, 6 * 1990]);
    let before = entries(shop, counts, COUNTED).await;

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
    assert_eq!(entries(shop, counts, COUNTED).await, before);
    assert_eq!(is_counted().await, Ok(()), "what comes again counts once");

    // As if nothing had ever been counted, and then by a replay of the journal.
    forget(shop, &orders).await;
    assert_eq!(entries(shop, counts, COUNTED).await, BTreeMap::new());
    for id in &orders {
        let told = shop.run_job("/operations/replays", &json!({ "service": "analytics", "order": id })).await;
        assert_eq!((told["state"].as_str(), told["left"].as_u64()), (Some("done"), Some(0)), "{told}");
    }
    eventually("all is counted anew", is_counted).await;
    assert_eq!(entries(shop, counts, COUNTED).await, before, "to the byte");
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

/// Table beside one of the stack's.
struct Beside {
    name: String,
    arn: String,
}

impl Beside {
    /// An empty table with the keys of that of an output.
    async fn of(shop: &Shop, output: &str) -> Self {
        let describe = shop.dynamodb.describe_table().table_name(shop.output(output));
        let original = describe.send().await.expect("an answer").table.expect("a table");
        let name = format!("beside-{}", uuid::Uuid::now_v7());
        let create = shop.dynamodb.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
        let create = create.set_key_schema(original.key_schema);
        let create = create.set_attribute_definitions(original.attribute_definitions);
        let created = create.send().await.expect("it is created").table_description.expect("what it is");
        Self { name, arn: created.table_arn.expect("its ARN") }
    }

    async fn remove(self, shop: &Shop) {
        shop.dynamodb.delete_table().table_name(self.name).send().await.expect("it is deleted");
    }
}

/// The variable that says which counts a function of analytics writes or reads.
fn on(counts: &str) -> (&'static str, String) {
    ("SETTINGS", json!({ "countTableName": counts }).to_string())
}

/// Orders of so many pieces each that are shipped, and all that the journal has of their way.
async fn placed(shop: &Shop, quantities: [u32; 2]) -> Vec<Value> {
    let (mut orders, mut events) = (Vec::new(), Vec::new());
    for quantity in quantities {
        orders.push(shop.order(&ours(BESIDE, quantity, "pm_card_visa")).await);
    }
    for id in &orders {
        shop.wait_for(id, "shipped").await;
        shop.wait_for_types(id, &FULFILLED).await;
        events.extend(shop.way(id).await);
    }
    events
}

/// Hands events to a consumer as its queue does, until it has taken all.
async fn hand(shop: &Shop, consumer: &Twin, events: &[Value]) {
    for batch in events.chunks(10) {
        let message = |(number, event): (usize, &Value)| {
            json!({
                "messageId": number.to_string(), "receiptHandle": "none", "body": event.to_string(),
                "attributes": { "ApproximateReceiveCount": "1" }, "messageAttributes": {},
                "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:beside",
            })
        };
        let records: Vec<Value> = batch.iter().enumerate().map(message).collect();
        let batch = json!({ "Records": records });
        eventually("the events are taken", async || {
            let told = consumer.invoke(shop, &batch).await;
            if told["batchItemFailures"] == json!([]) { Ok(()) } else { Err(told) }
        })
        .await;
    }
}

/// Waits until so many orders are on the shop's own board with all their steps.
async fn are_shown(shop: &Shop, orders: i64) {
    eventually("all are on the board", async || {
        let steps = counted(shop, BESIDE, "minutes", &["created", "reserved", "paid", "shipped"]).await;
        if steps == [orders; 4] { Ok(()) } else { Err(json!(steps)) }
    })
    .await;
}

/// Waits until the double of the board shows that of our own.
async fn shows(shop: &Shop, board: &ApiDouble, expected: &Value) {
    let token = shop.tokens.token("operator", "operations", LASTING).expect("a token");
    eventually("the board shows it", async || {
        let (status, _, told) = board.ask(shop, ("GET", BOARD, BOARD), &token, &Value::Null).await;
        let told = if status == 200 { part(&told, BESIDE) } else { told };
        if told == *expected { Ok(()) } else { Err(json!({ "told": told, "expected": expected })) }
    })
    .await;
}

/// Sums the minutes that are over at that time. Whoever counts does so once a minute; nobody has to wait for it here.
async fn sum_up(shop: &Shop, table: &str, at: Time) {
    let counts = Counts::new(DynamoCounts::new(shop.dynamodb.clone(), table));
    eventually("what is over is summed", async || counts.sum_up(at).await.map_err(|failure| json!(failure.reason())))
        .await;
}

/// The same events as of long ago, of orders that nobody has placed: around the end of a minute, of an hour, and of a month. What is over
/// is summed at once, and nobody else has anything in these minutes.
fn long_ago(events: &[Value]) -> Vec<Value> {
    const TIMES: [&str; 4] = [
        "2020-02-29T23:58:59.999Z",
        "2020-02-29T23:59:00.000Z",
        "2020-02-29T23:59:59.999Z",
        "2020-03-01T00:00:00.000Z",
    ];
    let as_of_then = |event: &Value| {
        let kind = FULFILLED.iter().position(|kind| event["type"] == *kind).expect("one of them");
        let order = event["subject"].as_str().expect("a subject");
        let text = event.to_string().replace(order, &format!("{order}-then"));
        let mut then: Value = serde_json::from_str(&text).expect("JSON");
        then["id"] = json!(format!("{}-then", event["id"].as_str().expect("an id")));
        then["time"] = json!(TIMES[kind]);
        then
    };
    events.iter().map(as_of_then).collect()
}

/// Sums of long ago as they lie in a table, by their places.
async fn sums_of_long_ago(shop: &Shop, table: &str) -> BTreeMap<String, String> {
    let items = shop.scan(table).await;
    let sums =
        items.iter().map(|item| (format!("{} {}", text(&item["pk"]), text(&item["sk"])), text(&item["counted"])));
    let is_sum = |place: &str| ["steps 2020-", "skus 2020-"].iter().any(|kind| place.starts_with(kind));
    sums.filter(|(place, _)| is_sum(place)).collect()
}

/// As `docs/operations.md` has it: counts that are made anew beside those that are shown, compared with them, and switched to. What the
/// stack itself has goes on as it is.
pub(crate) async fn counts_that_are_built_beside_those_that_are_shown_are_the_same_and_switched_to(shop: &Shop) {
    let _alone = COUNTS.lock().await;
    let live = shop.output("CountTableName");
    shop.stock("beside", 20).await;
    let past = placed(shop, [1, 2]).await;
    are_shown(shop, 2).await;

    // A second consumer, which may do nothing but count into tables of its own; and a board, which may read any.
    let (counts, rows) = (Beside::of(shop, "CountTableName").await, Beside::of(shop, "AnalyticsTableName").await);
    let rights = json!({
        "Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
        "Resource": [counts.arn, rows.arn],
    });
    let name = format!("beside-{}", uuid::Uuid::now_v7());
    let variables = [on(&counts.name), ("TABLE_NAME", rows.name.clone())];
    let consumer = shop.output("AnalyticsFunctionName");
    let consumer = Twin::of(shop, consumer, &name, Some(&rights), 10, &variables).await;
    let reads = json!({ "Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Query"], "Resource": "*" });
    let mut board = ApiDouble::with_rights(shop, "AnalyticsApi", &reads).await;
    shows(shop, &board, &shown(shop, BESIDE).await).await;
    board.configure(shop, &[on(&counts.name)]).await;
    shows(shop, &board, &json!({ "minutes": [], "hours": [], "skus": [] })).await;

    // It gets what was before, backwards and twice, while more happens; and then that, with some of the other once more.
    let backwards: Vec<Value> = past.iter().rev().flat_map(|event| [event.clone(), event.clone()]).collect();
    let (present, ()) = tokio::join!(placed(shop, [3, 1]), hand(shop, &consumer, &backwards));
    let mixed: Vec<Value> = present.iter().rev().chain(&past).chain(&present).cloned().collect();
    hand(shop, &consumer, &mixed).await;
    are_shown(shop, 4).await;

    // Both have summed up to a time, and hear of what was before that.
    let at = Time::new(&now()).expect("a time");
    sum_up(shop, live, at).await;
    sum_up(shop, &counts.name, at).await;
    let then = long_ago(&past);
    for event in &then {
        shop.send("Analytics", &event.to_string()).await;
    }
    let backwards: Vec<Value> = then.iter().rev().chain(&then).cloned().collect();
    hand(shop, &consumer, &backwards).await;

    // Of the 6 orders each event is one entry; and what is summed is the same to the byte.
    let beside = entries(shop, &counts.name, BESIDE).await;
    assert_eq!(beside.len(), 6 * FULFILLED.len(), "{beside:?}");
    let sums = sums_of_long_ago(shop, &counts.name).await;
    let sold = sums.get("skus 2020-02-29T23 59").map(String::as_str);
    assert_eq!(sold, Some(r#"{"SEK":{"beside":{"pieces":3,"amount":5970}}}"#), "{sums:?}");
    eventually("the counts that are shown are the same", async || {
        let shown = (entries(shop, live, BESIDE).await, sums_of_long_ago(shop, live).await);
        if (&shown.0, &shown.1) == (&beside, &sums) { Ok(()) } else { Err(json!([shown.0, shown.1])) }
    })
    .await;

    // The switch: the same is shown, from what is summed too. And back.
    let expected = shown(shop, BESIDE).await;
    shows(shop, &board, &expected).await;
    sum_up(shop, &counts.name, at.after(Duration::from_mins(10))).await;
    shows(shop, &board, &expected).await;
    board.configure(shop, &[on(live)]).await;
    shows(shop, &board, &expected).await;

    board.remove(shop).await;
    consumer.remove(shop).await;
    for table in [counts, rows] {
        table.remove(shop).await;
    }
}
