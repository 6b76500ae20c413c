//! Producers and consumers of other teams, who have our documents alone, and another language.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use orderflow_events::scope::{EVENTS_READ, WEBHOOKS};
use orderflow_local::all_scopes;
use orderflow_tests::{Gap, LASTING, PATIENCE, Shop, node_packages};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::{FULFILLED, order};

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
    let output = timeout(PATIENCE, puller.output()).await.expect("it ends").expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("text");
    let mut theirs: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for events in [&mut theirs, &mut seen] {
        events.sort_by_key(|event| event["id"].to_string());
    }
    assert_eq!(theirs, seen, "whoever pulls is told what a subscriber is");
}

/// Programs in TypeScript, compiled with types that are made of the OpenAPI document.
struct TypeScript {
    folder: tempfile::TempDir,
}

impl TypeScript {
    /// Those programs; none where there are no packages of Node.
    async fn of(programs: &[&str]) -> Option<Self> {
        let packages = node_packages()?;
        let compiled = Self { folder: tempfile::tempdir().expect("a temporary directory") };
        let place = |name: &str| compiled.folder.path().join(name);
        let of_tests = |path: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        std::os::unix::fs::symlink(packages, place("node_modules")).expect("a link");
        for program in programs {
            fs::copy(of_tests("outsiders").join(program), place(program)).expect("a copy");
        }
        fs::write(place("package.json"), r#"{"type": "module"}"#).expect("a file");
        let document = of_tests(CONTRACTS).join("openapi.json");
        let document = document.to_str().expect("a path");
        compiled.run(&["node_modules/openapi-typescript/bin/cli.js", document, "-o", "api.d.ts"]).await;
        let strict = ["--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes"];
        let target = ["--module", "nodenext", "--target", "es2022", "--types", "node"];
        compiled.run(&[&["node_modules/typescript/bin/tsc"], &strict[..], &target[..], programs].concat()).await;
        Some(compiled)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut node = Command::new("node");
        node.current_dir(self.folder.path()).args(arguments).kill_on_drop(true);
        node
    }

    /// Runs one to its end, which has to be a good one: its output.
    async fn run(&self, arguments: &[&str]) -> String {
        let output = timeout(PATIENCE, self.command(arguments).output()).await.expect("it ends").expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said} {}", String::from_utf8_lossy(&output.stderr));
        said
    }
}

/// A partner who is pushed to: a program that takes the API, a token and a pattern, and says so once it is registered. It is told, of an
/// order of that SKU with that card, the events of those types.
async fn is_pushed_to(shop: &Shop, mut program: Command, sku: &str, card: &str, types: &[&str]) {
    let scopes = format!("{WEBHOOKS} {EVENTS_READ}");
    let token = shop.tokens.token("pushed", &scopes, Duration::from_hours(1)).expect("a token");
    let pattern = json!({ "type": types, "data": { "lines": { "sku": [sku] } } }).to_string();
    program.args([shop.output("ApiUrl"), &token, &pattern]);
    let mut receiver = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(receiver.stdout.take().expect("an output")).lines();
    assert_eq!(lines.next_line().await.expect("a line").as_deref(), Some("registered"));
    shop.stock(sku, 10).await;
    let id = shop.order(&order(sku, 1, card)).await;
    let mut seen: Vec<Value> = Vec::new();
    let read = async {
        while seen.len() < types.len() {
            shop.run_clock("WebhooksFunctionName").await;
            if let Ok(line) = timeout(Duration::from_secs(2), lines.next_line()).await {
                let line = line.expect("a line").expect("it goes on");
                seen.push(serde_json::from_str(&line).expect("JSON"));
            }
        }
    };
    assert!(timeout(PATIENCE, read).await.is_ok(), "the receiver waits in vain: {seen:?}");
    // Its end: it takes its webhook with it.
    drop(receiver.stdin.take());
    let ended = timeout(PATIENCE, receiver.wait()).await.expect("it ends").expect("a status");
    assert!(ended.success(), "{ended}");
    assert_eq!(lines.next_line().await.expect("the end"), None, "nothing else came");
    let mut expected = shop.journal(&id).await;
    expected.retain(|event| types.iter().any(|kind| event["type"] == *kind));
    for events in [&mut seen, &mut expected] {
        events.sort_by_key(|event| event["id"].to_string());
    }
    assert_eq!(seen, expected);
}

pub(crate) async fn a_partner_in_typescript_is_pushed_to_and_verifies(shop: &Shop) {
    if shop.emulator.lacks(Gap::Receivers) {
        return;
    }
    let Some(programs) = TypeScript::of(&["receiver.ts"]).await else { return };
    let types = ["OrderCreated", "InventoryReserved"];
    is_pushed_to(shop, programs.command(&["receiver.js"]), "pushed", "pm_card_visa", &types).await;
}

pub(crate) async fn a_partner_in_python_is_pushed_to_and_asks_again_for_what_it_has_lost(shop: &Shop) {
    if shop.emulator.lacks(Gap::Receivers) {
        return;
    }
    let mut program = shop.python().await;
    program.args(["outsiders/receiver.py", CONTRACTS]);
    // The second of the stock about the order tells that the first is missing.
    let types = ["OrderCreated", "InventoryReserved", "InventoryReleased"];
    is_pushed_to(shop, program, "pushed-python", "pm_card_visa_chargeDeclinedInsufficientFunds", &types).await;
}

pub(crate) async fn a_partner_in_typescript_pulls_and_goes_on_where_it_was(shop: &Shop) {
    let Some(programs) = TypeScript::of(&["partner.ts"]).await else { return };
    shop.stock("typed", 10).await;
    let orders =
        [shop.order(&order("typed", 1, "pm_card_visa")).await, shop.order(&order("typed", 1, "pm_card_visa")).await];
    for order in &orders {
        shop.wait_for_types(order, &FULFILLED).await;
    }
    let token = shop.tokens.token("partner", EVENTS_READ, Duration::from_hours(1)).expect("a token");
    let pattern = json!({ "subject": orders, "type": FULFILLED }).to_string();
    let mut seen: Vec<Value> = Vec::new();
    // Each is a process that ends: all that the next one knows is the cursor. Three pages are full, and some tell of no event.
    while seen.len() < orders.len() * FULFILLED.len() {
        let said = programs.run(&["partner.js", shop.output("ApiUrl"), &token, "cursor", &pattern]).await;
        let events: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert!(events.len() <= 3, "a page has three: {events:?}");
        seen.extend(events);
    }
    let said = programs.run(&["partner.js", shop.output("ApiUrl"), &token, "cursor", &pattern]).await;
    assert_eq!(said, "", "nothing is left, and nothing told again");
    let mut expected = Vec::new();
    for order in &orders {
        expected.extend(
            shop.journal(order).await.into_iter().filter(|event| FULFILLED.iter().any(|kind| event["type"] == *kind)),
        );
    }
    for events in [&mut seen, &mut expected] {
        events.sort_by_key(|event| event["id"].to_string());
    }
    assert_eq!(seen, expected);
}

/// Answers that schemathesis has to come by, or else it has tried too little.
const ANSWERS: [&str; 32] = [
    "placeOrder 201",
    "placeOrder 400",
    "placeOrder 415",
    "placeOrder 422",
    "getOrder 404",
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
    let token = shop.tokens.token("cus_ada", &all_scopes(), LASTING).expect("a token");
    schemathesis.arg("--header").arg(format!("Authorization: Bearer {token}"));
    let output = timeout(6 * PATIENCE, schemathesis.output()).await.expect("it ends").expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let seen = fs::read_to_string(folder.path().join("seen.txt")).expect("what was seen");
    let missing: Vec<&str> = ANSWERS.into_iter().filter(|answer| !seen.lines().any(|one| one == *answer)).collect();
    assert!(missing.is_empty(), "never answered: {missing:?}; seen: {seen}");
}
