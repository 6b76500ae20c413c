//! Orders as they are watched: by the client of GraphQL over WebSocket that others have written, whose sockets are cut while
//! functions are killed.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::types::AttributeValue::S as Text;
use orderflow_events::Time;
use orderflow_tests::{FULFILLED, FunctionProcess, Gap, LASTING, PATIENCE, Shop, eventually, node_packages, order};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::analytics::COUNTS;

/// Times that a socket is cut, where nobody asks for more, and of how many one order is watched.
const CUTS: u32 = 40;
const CUTS_PER_ORDER: u32 = 10;

/// Most orders: a connection has 20 subscriptions at the most, and where it is cut all the time none of them comes to its end.
const MAX_ORDERS: u32 = 15;

/// Updates of an order that went well.
const UPDATES: usize = FULFILLED.len();

/// Variable that asks for another number of cuts.
const MORE: &str = "ORDERFLOW_CUTS";

/// Orders that are watched and asked for besides, where nobody wants more, and the variable that asks for another number.
const WATCHED: u32 = 3;
const MORE_WATCHED: &str = "ORDERFLOW_WATCHED";

/// Pause of whoever asks, where there is no socket.
const ASKS_EVERY: Duration = Duration::from_secs(2);

pub(crate) async fn an_order_is_watched_without_a_gap_whatever_is_cut_or_killed(shop: &Shop) {
    let Some(packages) = node_packages() else { return };
    if shop.emulator.lacks(Gap::Sockets) {
        return;
    }
    shop.stock("live", 1_000).await;
    let token = shop.tokens.token("ada", "", LASTING).unwrap();
    let mut client = Client::start(shop, &packages, &json!({ "token": token }), number(MORE, CUTS));
    let mut ids = Vec::new();
    for _ in 0..(number(MORE, CUTS) / CUTS_PER_ORDER).min(MAX_ORDERS) {
        let id = place_as(shop, "ada").await;
        client.watch(&id).await;
        ids.push(id);
        sleep(Duration::from_secs(2)).await;
        if !shop.emulator.lacks(Gap::Kills) {
            kill_push(shop);
        }
    }
    let report = client.report().await;
    println!(
        "cut {}, connections {}, p50 {} ms, p99 {} ms",
        report["cut"], report["connections"], report["p50"], report["p99"]
    );
    for id in &ids {
        let told = &report["told"][id];
        assert_eq!(told["sequences"], json!((1..=UPDATES).collect::<Vec<_>>()), "{told}");
        assert_eq!(told["errors"], json!([]), "{told}");
        assert_eq!(told["types"][0], "OrderCreated");
    }
    nothing_is_kept(shop).await;
}

/// Prints how soon that is, hop by hop, beside what who asks every two seconds sees.
pub(crate) async fn an_update_is_on_the_screen_of_who_watches_and_of_who_asks(shop: &Shop) {
    let Some(packages) = node_packages() else { return };
    if shop.emulator.lacks(Gap::Sockets) {
        return;
    }
    shop.stock("live", 1_000).await;
    let token = shop.tokens.token("ada", "", LASTING).unwrap();
    let mut hops = BTreeMap::<&str, Vec<i64>>::new();
    let mut left = number(MORE_WATCHED, WATCHED);
    while left > 0 {
        // A connection has 20 subscriptions at the most.
        let together = left.min(MAX_ORDERS);
        left -= together;
        let mut client = Client::start(shop, &packages, &json!({ "token": token }), 0);
        let mut asked = Vec::new();
        for _ in 0..together {
            let id = place_as(shop, "ada").await;
            client.watch(&id).await;
            let seen = ask(shop, &id).await;
            asked.push((id, seen));
        }
        let report = client.report().await;
        for (id, seen) in asked {
            let told = &report["told"][&id];
            let numbers = |name: &str| -> Vec<i64> { serde_json::from_value(told[name].clone()).expect("numbers") };
            let (committed, heard, on_record) = (numbers("times"), numbers("heardAt"), rows_at(shop, &id).await);
            assert_eq!([committed.len(), heard.len(), on_record.len(), seen.len()], [UPDATES; 4], "{told}");
            for update in 0..UPDATES {
                let mut hop = |name, from: i64, to: i64| hops.entry(name).or_default().push(to - from);
                hop("1 committed, then on record in orders", committed[update], on_record[update]);
                hop("2 on record, then on the screen: told", on_record[update], heard[update]);
                hop("3 on record, then on the screen: asked every 2 s", on_record[update], seen[update]);
            }
        }
    }
    for (hop, mut times) in hops {
        times.sort_unstable();
        let [p50, p99] = [50, 99].map(|percent| times[(times.len() - 1) * percent / 100]);
        println!("{hop:<52} p50 {p50:>5} ms, p99 {p99:>5} ms, {} updates", times.len());
    }
}

/// Asks for an order every two seconds until it has all its updates; the time at which each was there.
async fn ask(shop: &Shop, id: &str) -> Vec<i64> {
    // Nobody begins to ask just when something happens.
    sleep(ASKS_EVERY.mul_f64(fastrand::f64())).await;
    let mut seen = Vec::new();
    let asking = async {
        while seen.len() < UPDATES {
            let reply = shop.api.order(id).await.expect("an answer");
            let known = reply.body["timeline"].as_array().map_or(0, Vec::len);
            let now = i64::try_from(UNIX_EPOCH.elapsed().unwrap_or_default().as_millis()).unwrap_or_default();
            seen.resize(known.max(seen.len()), now);
            sleep(ASKS_EVERY).await;
        }
    };
    timeout(PATIENCE, asking).await.expect("it ends");
    seen
}

/// Times at which the rows of an order were put on record, of which each has one update.
async fn rows_at(shop: &Shop, id: &str) -> Vec<i64> {
    let query = shop.dynamodb.query().table_name(shop.output("OrdersTableName"));
    let query = query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", Text(id.to_owned()));
    let rows = query.consistent_read(true).send().await.expect("rows");
    let at = |row: &HashMap<String, AttributeValue>| Time::new(row.get("at")?.as_s().ok()?).ok();
    rows.items().iter().filter_map(at).map(Time::as_millis).collect()
}

pub(crate) async fn an_order_is_watched_by_whose_it_is(shop: &Shop) {
    let Some(packages) = node_packages() else { return };
    if shop.emulator.lacks(Gap::Sockets) {
        return;
    }
    shop.stock("live", 1_000).await;
    let id = place_as(shop, "grace").await;
    shop.wait_for(&id, "shipped").await;
    let token = |subject: &str, scopes: &str| json!({ "token": shop.tokens.token(subject, scopes, LASTING).unwrap() });
    for (credentials, error) in [
        (token("grace", ""), None),
        (token("staff", "orders:any"), None),
        (token("mallory", "stock:read"), Some("NOT_FOUND")),
        (json!({}), Some("UNAUTHENTICATED")),
        (json!({ "token": "x.y.z" }), Some("UNAUTHENTICATED")),
        (json!({ "order": id, "access": "1.x.1.2.y" }), Some("UNAUTHENTICATED")),
    ] {
        let mut client = Client::start(shop, &packages, &credentials, 0);
        client.watch(&id).await;
        let report = client.report().await;
        let told = &report["told"][&id];
        assert_eq!(told["errors"][0]["extensions"]["code"], json!(error), "{told}");
        assert_eq!(told["statuses"].as_array().is_some_and(Vec::is_empty), error.is_some(), "{told}");
    }
}

pub(crate) async fn the_events_of_all_orders_are_watched_with_a_pattern(shop: &Shop) {
    let Some(packages) = node_packages() else { return };
    if shop.emulator.lacks(Gap::Sockets) {
        return;
    }
    shop.stock("live-events", 10).await;
    let token = shop.tokens.token("warehouse", "events:read", LASTING).unwrap();
    let id = shop.order(&order("live-events", 1, "pm_card_visa")).await;
    let pattern = json!({ "subject": [id], "type": [{ "anything-but": "InventoryReserved" }] });
    let wanted = ["OrderCreated", "PaymentProcessed", "ShipmentCreated"];
    let task = json!({ "token": token, "match": pattern, "until": wanted });
    let mut node = Command::new("node");
    node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/live/events.mjs")).arg(packages).arg(shop.output("LiveUrl"));
    node.arg(task.to_string()).kill_on_drop(true);
    let output = timeout(PATIENCE, node.output()).await.expect("it ends").expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let told: Value =
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    let types: Vec<&str> = told.as_array().expect("a list").iter().filter_map(|event| event["type"].as_str()).collect();
    assert!(!types.contains(&"InventoryReserved"), "{types:?}");
    for kind in wanted {
        assert_eq!(types.iter().filter(|known| **known == kind).count(), 1, "{types:?}");
    }
}

pub(crate) async fn the_board_is_watched_as_it_changes(shop: &Shop) {
    let Some(packages) = node_packages() else { return };
    if shop.emulator.lacks(Gap::Sockets) {
        return;
    }
    // Whoever forgets all counts forgets these, too.
    let _alone = COUNTS.lock().await;
    shop.stock("live-board", 1_000).await;
    let token = shop.tokens.token("wall", "operations", LASTING).unwrap();
    let task = json!({ "token": token, "sku": "live-board", "service": "screening" });
    let mut node = Command::new("node");
    node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/live/board.mjs")).arg(packages).arg(shop.output("LiveUrl"));
    node.arg(task.to_string()).kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut watching = node.spawn().expect("it starts");
    // The board as it is comes first, and is not what is waited for.
    let mut said = BufReader::new(watching.stderr.take().expect("an output")).lines();
    timeout(PATIENCE, said.next_line()).await.expect("the first board").expect("a line");
    // So many that they are among what sells best.
    shop.order(&order("live-board", 500, "pm_card_visa")).await;
    let junk = "no event, for the board";
    shop.send("Screening", junk).await;
    let output = timeout(PATIENCE, watching.wait_with_output()).await.expect("it ends").expect("an end");
    let letter = shop.wait_for_letter("Screening", junk).await;
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let told = told.as_array().expect("a list");
    let has_it =
        |board: &Value| board["skus"].as_array().is_some_and(|skus| skus.iter().any(|of| of["sku"] == "live-board"));
    assert!(told.len() > 1 && !has_it(&told[0]), "{told:?}");
    let sold = told.last().and_then(|board| board["skus"].as_array()).into_iter().flatten();
    let sold: Vec<&Value> = sold.filter(|sold| sold["sku"] == "live-board").collect();
    assert!(matches!(sold[..], [only] if only["pieces"] == 500), "{sold:?}");
    let letters = told.last().and_then(|board| board["letters"].as_array()).into_iter().flatten();
    let oldest = letters.filter(|open| open["service"] == "screening").find_map(|open| open["oldest"].as_str());
    assert!(oldest.is_some_and(|oldest| oldest <= letter.field("failedAt")), "{told:?}");
    shop.drop_letter(&letter).await;
}

pub(crate) async fn queries_are_answered_as_graphql_over_http_has_it(shop: &Shop) {
    shop.stock("live", 1_000).await;
    let id = place_as(shop, "ada").await;
    let token = shop.tokens.token("ada", "", LASTING).unwrap();
    let query =
        json!({ "query": format!("{{ order(id: \"{id}\") {{ id customer {{ id }} }} orders {{ nodes {{ id }} }} }}") });
    let url = format!("{}/graphql", shop.output("ApiUrl"));
    let answer = reqwest::Client::new().post(&url).bearer_auth(&token).json(&query).send().await.expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(answer["data"]["order"], json!({ "id": id, "customer": { "id": "ada" } }), "{answer}");
    assert!(answer["data"]["orders"]["nodes"].as_array().is_some_and(|nodes| !nodes.is_empty()), "{answer}");

    let Some(packages) = node_packages() else { return };
    let mut node = Command::new("node");
    node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/live/audits.mjs")).arg(packages).arg(url).arg(token);
    let output = timeout(PATIENCE, node.kill_on_drop(true).output()).await.expect("it ends").expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// A client, and what it is told to do.
struct Client {
    child: Child,
}

impl Client {
    fn start(shop: &Shop, packages: &Path, credentials: &Value, cuts: u32) -> Self {
        let task = json!({ "credentials": credentials, "cuts": cuts, "updates": UPDATES });
        let mut node = Command::new("node");
        node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/live/watch.mjs")).arg(packages).arg(shop.output("LiveUrl"));
        node.arg(task.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { child: node.kill_on_drop(true).spawn().expect("it starts") }
    }

    async fn watch(&mut self, order: &str) {
        let input = self.child.stdin.as_mut().expect("an input");
        input.write_all(format!("{order}\n").as_bytes()).await.expect("it listens");
    }

    /// Report of what it was told, once it has seen all that it was to see.
    async fn report(mut self) -> Value {
        drop(self.child.stdin.take());
        let output = timeout(2 * PATIENCE, self.child.wait_with_output()).await.expect("it ends").expect("an end");
        let said = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

async fn place_as(shop: &Shop, customer: &str) -> String {
    let mut placed = order("live", 1, "pm_card_visa");
    placed["customer"]["id"] = json!(customer);
    shop.order(&placed).await
}

/// Kills the functions that push, as the kernel does when the memory is used up.
fn kill_push(shop: &Shop) {
    let name = shop.output("JournalFunctionName").replace("JournalFunction", "LivePushFunction");
    let prefix = name.split_once("LivePushFunction").map_or(name.as_str(), |(prefix, _)| prefix);
    let is_push = |process: &FunctionProcess| {
        process.function.starts_with(prefix) && process.function.contains("LivePushFunction")
    };
    for process in FunctionProcess::all().into_iter().filter(is_push) {
        let _ = process.kill();
    }
}

/// Closed connections leave nothing behind but that somebody has watched a topic once.
async fn nothing_is_kept(shop: &Shop) {
    eventually("nothing is kept of closed connections", async || {
        let scan = shop.dynamodb.scan().table_name(shop.output("LiveTableName")).send().await.expect("a table");
        let kept: Vec<_> = scan.items().iter().filter(|item| !item.contains_key("joins")).collect();
        if kept.is_empty() { Ok(()) } else { Err(json!(format!("{kept:?}"))) }
    })
    .await;
}

#[expect(clippy::disallowed_methods, reason = "a test is told by its environment how much to do")]
fn number(variable: &str, otherwise: u32) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
