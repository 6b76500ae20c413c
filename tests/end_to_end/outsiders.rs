//! Producers and consumers of other teams, who have our documents alone, and another language.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use orderflow_events::scope::EVENTS_READ;
use orderflow_local::all_scopes;
use orderflow_tests::{PATIENCE, Shop};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use crate::FULFILLED;

const CONTRACTS: &str = "../shared/events";

pub(crate) async fn scripts_of_another_team_place_orders_and_follow_them(shop: &Shop) {
    shop.stock("outsider", 10).await;
    let orders = [("1", "partner-1"), ("2", "partner-2")];
    let topic = shop.output("EventsTopicArn");

    let mut consumer = shop.python().await;
    consumer.args(["outsiders/consumer.py", CONTRACTS, topic]).args(orders.map(|(_, order)| order));
    let mut consumer = consumer.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(consumer.stdout.take().expect("an output")).lines();
    assert_eq!(lines.next_line().await.expect("a line").as_deref(), Some("subscribed"));

    for (version, order) in orders {
        let mut producer = shop.python().await;
        let intake = shop.output("IntakeTopicArn");
        producer.args(["outsiders/producer.py", CONTRACTS, intake, version, order, "outsider"]);
        assert!(producer.status().await.expect("it starts").success(), "{order} is not published");
    }

    let mut seen: Vec<Value> = Vec::new();
    let read = async {
        while let Some(line) = lines.next_line().await.expect("a line") {
            seen.push(serde_json::from_str(&line).expect("JSON"));
        }
        consumer.wait().await.expect("it ends")
    };
    let ended = timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("the consumer waits in vain"));
    assert!(ended.success(), "{ended}: {seen:?}");

    for (_, order) in orders {
        shop.wait_for(order, "shipped").await;
        shop.wait_for_types(order, &FULFILLED).await;
        let mut theirs: Vec<&Value> = seen.iter().filter(|event| event["subject"] == order).collect();
        theirs.sort_by_key(|event| event["time"].to_string());
        assert_eq!(theirs, shop.way(order).await.iter().collect::<Vec<_>>(), "they saw what is on record");
        // In whatever version it came, it is ours now, and names the event that it came as.
        assert_eq!(theirs[0]["dataschema"], "urn:orderflow:OrderCreated:3");
        assert_eq!(theirs[0]["originsource"], "https://partner.example/checkout");
    }

    // Another partner has no account of AWS, and pulls the same.
    let token = shop.tokens.token("partner", EVENTS_READ, Duration::from_hours(1)).expect("a token");
    let mut puller = shop.python().await;
    puller.args(["outsiders/puller.py", CONTRACTS, shop.output("ApiUrl"), &token]).args(orders.map(|(_, order)| order));
    let pulled = timeout(PATIENCE, puller.output()).await.expect("it ends").expect("it starts");
    assert!(pulled.status.success(), "{}", String::from_utf8_lossy(&pulled.stderr));
    let lines = String::from_utf8(pulled.stdout).expect("text");
    let mut pulled: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for events in [&mut pulled, &mut seen] {
        events.sort_by_key(|event| event["id"].to_string());
    }
    assert_eq!(pulled, seen, "whoever pulls is told what a subscriber is");
}

/// Answers that schemathesis has to come by, or else it has tried too little.
const ANSWERS: [&str; 34] = [
    "placeOrder 201",
    "placeOrder 400",
    "placeOrder 415",
    "placeOrder 422",
    "getOrder 200",
    "getOrder 404",
    "cancelOrder 202",
    "cancelOrder 404",
    "withdrawOrder 404",
    "takeGoodsBack 404",
    "setPrice 200",
    "setPrice 422",
    "getPrice 200",
    "getPrice 404",
    "countStock 200",
    "countStock 400",
    "countStock 412",
    "countStock 415",
    "countStock 422",
    "getStock 200",
    "getStock 404",
    "listLetters 200",
    "listLetters 400",
    "getLetter 404",
    "editLetter 404",
    "editLetter 428",
    "dropLetter 404",
    "listGroups 200",
    "readEvents 200",
    "startRedrive 202",
    "startRedrive 422",
    "getRedrive 200",
    "getRedrive 404",
    "stopRedrive 404",
];

pub(crate) async fn the_api_answers_as_its_openapi_document_says(shop: &Shop) {
    // The goods and the order of the examples.
    shop.stock("coffee-beans-1kg", 100).await;
    shop.price("coffee-beans-1kg", 1490).await;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let place = |path: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let mut schemathesis = shop.python().await;
    schemathesis.current_dir(folder.path()).env("SCHEMATHESIS_HOOKS", place("outsiders/hooks.py"));
    schemathesis.args(["-m", "schemathesis.cli", "--config-file"]).arg(place("outsiders/schemathesis.toml"));
    schemathesis.arg("run").arg(place(CONTRACTS).join("openapi.json")).args(["--url", shop.output("ApiUrl")]);
    // Of an hour: it takes minutes, and the slowest machine has more of them.
    let token = shop.tokens.token("cus_ada", &all_scopes(), Duration::from_hours(1)).expect("a token");
    schemathesis.arg("--header").arg(format!("Authorization: Bearer {token}"));
    let output = timeout(2 * PATIENCE, schemathesis.output()).await.expect("it ends").expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let seen = fs::read_to_string(folder.path().join("seen.txt")).expect("what was seen");
    let missing: Vec<&str> = ANSWERS.into_iter().filter(|answer| !seen.lines().any(|one| one == *answer)).collect();
    assert!(missing.is_empty(), "never answered: {missing:?}; seen: {seen}");
}
