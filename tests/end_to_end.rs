//! Orders through the real stack: the emulator, the template, and the `bootstrap` binaries.
//!
//! The stack is brought up once; every test has orders and goods of its own, and all of them run side by side. It runs
//! on an emulator of its own, or, with `ORDERFLOW_ENDPOINT=http://localhost:4566`, on the one that listens there.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "all of it is tests, though Clippy does not see any")]

use std::path::Path;
use std::sync::Arc;

use futures::future::{join_all, try_join_all};
use libtest_mimic::{Arguments, Failed, Trial};
use orderflow_local::{Options, Reply, Stack};
use orderflow_tests::{Channel, Emulator, SERVICES, Shop, eventually};
use reqwest::Method;
use serde_json::{Value, json};

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let home = tempfile::tempdir().expect("a temporary directory");
    let runtime = runtime();
    let stack = if arguments.list {
        None
    } else {
        match runtime.block_on(Stack::up(&options(home.path()))) {
            Ok(stack) => Some(Arc::new(stack)),
            Err(error) => {
                eprintln!("the stack does not come up: {error}");
                return std::process::ExitCode::FAILURE;
            }
        }
    };
    let conclusion = libtest_mimic::run(&arguments, trials(stack.as_ref()));
    if conclusion.has_failed()
        && let Some(stack) = &stack
        && let Ok(log) = std::fs::read_to_string(stack.log())
    {
        eprintln!("The end of the emulator's log:");
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].iter().for_each(|line| eprintln!("{line}"));
    }
    drop(stack);
    conclusion.exit_code()
}

#[expect(clippy::disallowed_methods, reason = "a test is told by its environment where to run")]
fn options(home: &Path) -> Options {
    let endpoint = std::env::var("ORDERFLOW_ENDPOINT").ok();
    let endpoint = endpoint.map(|url| url.parse().expect("ORDERFLOW_ENDPOINT is the URL of an emulator"));
    Options { endpoint, ..Options::apart(home) }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an async runtime")
}

fn trials(stack: Option<&Arc<Stack>>) -> Vec<Trial> {
    macro_rules! trials {
        ($($name:ident),* $(,)?) => {
            vec![$(trial(stack, stringify!($name), async |shop: &Shop| $name(shop).await)),*]
        };
    }
    trials![
        an_order_is_reserved_paid_and_shipped_and_the_customer_is_told,
        a_declined_order_gives_its_goods_back,
        an_order_for_missing_goods_is_cancelled,
        of_40_orders_for_10_items_10_are_shipped,
        one_request_sent_16_times_at_once_is_one_order,
        an_order_of_another_producer_is_fulfilled,
        an_event_in_an_sns_envelope_counts,
        poison_is_parked_in_each_queue_and_holds_nothing_up,
        a_duplicate_of_every_event_in_every_queue_changes_nothing,
        a_provider_that_fails_nine_times_charges_once,
        a_cancelled_order_is_refunded_and_restocked,
        a_suspicious_order_is_flagged_and_fulfilled,
        every_error_is_a_problem,
    ]
}

fn trial(stack: Option<&Arc<Stack>>, name: &str, test: impl AsyncFn(&Shop) + Send + 'static) -> Trial {
    let stack = stack.cloned();
    Trial::test(name, move || {
        let stack = stack.ok_or_else(|| Failed::from("there is no stack"))?;
        runtime().block_on(async { test(&Shop::on(&stack)).await });
        Ok(())
    })
}

/// An order of one line. The customers of each SKU are its own, or screening would take all tests for one eager buyer.
fn order(sku: &str, quantity: u32, payment_method: &str) -> Value {
    json!({
        "customer": { "id": format!("cus_{sku}"), "email": format!("{sku}@example.com"), "phone": "+4930123456" },
        "lines": [{ "sku": sku, "quantity": quantity, "unitPrice": { "amount": 1990, "currency": "EUR" } }],
        "shippingAddress": {
            "name": "Ada Lovelace", "line1": "Analytical Road 1", "city": "Berlin", "postalCode": "10115", "country": "DE"
        },
        "paymentMethod": payment_method,
    })
}

/// The event with which another producer's order begins: the example of the README, as a new order of one piece.
fn foreign_order(order_id: &str, sku: &str) -> Value {
    let example = include_str!("../localstack/examples/order-created.json");
    let mut event: Value = serde_json::from_str(example).expect("JSON");
    event["id"] = json!(uuid::Uuid::now_v7().to_string());
    event["subject"] = json!(order_id);
    event["partnerid"] = json!("kept");
    event["data"]["orderId"] = json!(order_id);
    event["data"]["lines"][0]["sku"] = json!(sku);
    event["data"]["customer"]["id"] = json!(format!("cus_{sku}"));
    event["data"]["customer"]["email"] = json!(format!("{sku}@example.com"));
    event
}

const FULFILLED: [&str; 4] = ["InventoryReserved", "OrderCreated", "PaymentProcessed", "ShipmentCreated"];

async fn an_order_is_reserved_paid_and_shipped_and_the_customer_is_told(shop: &Shop) {
    shop.stock("shipped", 5).await;
    let id = shop.order(&order("shipped", 2, "pm_card_visa")).await;
    let shown = shop.wait_for(&id, "shipped").await;
    assert_eq!(shown["total"], json!({ "amount": 3980, "currency": "EUR" }));
    assert_eq!(shown["payment"]["amount"], shown["total"]);
    assert!(shown["shipment"]["trackingNumber"].is_string(), "{shown}");
    assert!(shown["cancellationReason"].is_null(), "{shown}");
    let timeline: Vec<&Value> = shown["timeline"].as_array().unwrap().iter().map(|entry| &entry["type"]).collect();
    assert_eq!(timeline, ["OrderCreated", "InventoryReserved", "PaymentProcessed", "ShipmentCreated"]);
    eventually("the goods have left", async || {
        let shelf = shop.shelf("shipped").await;
        if shelf == [3, 0, 3] { Ok(()) } else { Err(json!(shelf)) }
    })
    .await;
    // One for the order, one for the payment, one for the shipment.
    for channel in [Channel::Email, Channel::Sms] {
        eventually("the customer is told", async || {
            let messages = shop.messages(channel, &id).await;
            if messages.len() == 3 { Ok(()) } else { Err(json!(messages)) }
        })
        .await;
    }
    eventually("all is in the journal", async || {
        let types = shop.types(&id).await;
        if types == FULFILLED { Ok(()) } else { Err(json!(types)) }
    })
    .await;
    check_links(&shop.journal(&id).await);
}

/// Each event but the first is caused by another of its flow, in the same trace, and counted by its producer.
fn check_links(events: &[Value]) {
    let first = events.iter().find(|event| event["type"] == "OrderCreated").expect("a first event");
    let trace = |event: &Value| event["traceparent"].as_str().map(|parent| parent[..35].to_owned());
    for event in events {
        assert_eq!(event["correlationid"], first["id"], "{event}");
        assert_eq!(trace(event), trace(first), "{event}");
        assert_eq!(event["sequence"], "00000000000000000001", "{event}");
        let is_caused = events.iter().any(|cause| cause["id"] == event["causationid"]);
        assert_eq!(is_caused, event["id"] != first["id"], "{event}");
    }
}

async fn a_declined_order_gives_its_goods_back(shop: &Shop) {
    shop.stock("declined", 5).await;
    let id = shop.order(&order("declined", 2, "pm_card_visa_chargeDeclinedInsufficientFunds")).await;
    let shown = shop.wait_for(&id, "cancelled").await;
    assert_eq!(shown["cancellationReason"], "paymentFailed");
    assert!(shown["payment"].is_null() && shown["shipment"].is_null(), "{shown}");
    let expected = ["InventoryReleased", "InventoryReserved", "OrderCancelled", "OrderCreated", "PaymentFailed"];
    eventually("all is in the journal", async || {
        let types = shop.types(&id).await;
        if types == expected { Ok(()) } else { Err(json!(types)) }
    })
    .await;
    assert_eq!(shop.shelf("declined").await, [5, 0, 5]);
    let failed = shop.journal(&id).await.into_iter().find(|event| event["type"] == "PaymentFailed").unwrap();
    assert_eq!(failed["data"]["reason"]["code"], "insufficient_funds");
}

async fn an_order_for_missing_goods_is_cancelled(shop: &Shop) {
    shop.stock("missing", 1).await;
    let id = shop.order(&order("missing", 2, "pm_card_visa")).await;
    let shown = shop.wait_for(&id, "cancelled").await;
    assert_eq!(shown["cancellationReason"], "outOfStock");
    assert_eq!(shop.shelf("missing").await, [1, 0, 1]);
    eventually("all is in the journal", async || {
        let types = shop.types(&id).await;
        if types == ["InventoryRejected", "OrderCancelled", "OrderCreated"] { Ok(()) } else { Err(json!(types)) }
    })
    .await;
    let rejected = shop.journal(&id).await.into_iter().find(|event| event["type"] == "InventoryRejected").unwrap();
    assert_eq!(rejected["data"]["shortages"], json!([{ "sku": "missing", "requested": 2, "available": 1 }]));
}

async fn of_40_orders_for_10_items_10_are_shipped(shop: &Shop) {
    shop.stock("rare", 10).await;
    let rare = order("rare", 1, "pm_card_visa");
    let ids = join_all((0..40).map(|_| shop.order(&rare))).await;
    let ended = |id: String| async move {
        eventually(&format!("{id} has ended"), async || {
            let shown = shop.show(&id).await;
            let has_ended = shown["status"] == "shipped" || shown["status"] == "cancelled";
            if has_ended { Ok(shown) } else { Err(shown) }
        })
        .await
    };
    let ended = join_all(ids.into_iter().map(ended)).await;
    let count = |name: &str, value: &str| ended.iter().filter(|shown| shown[name] == value).count();
    assert_eq!((count("status", "shipped"), count("cancellationReason", "outOfStock")), (10, 30));
    eventually("the goods have left", async || {
        let shelf = shop.shelf("rare").await;
        if shelf == [0, 0, 0] { Ok(()) } else { Err(json!(shelf)) }
    })
    .await;
}

async fn one_request_sent_16_times_at_once_is_one_order(shop: &Shop) {
    shop.stock("once", 100).await;
    let body = order("once", 1, "pm_card_visa");
    let replies = try_join_all((0..16).map(|_| shop.api.place_order(&body, Some("click-1")))).await.expect("answers");
    for reply in &replies {
        assert_eq!((reply.status, &reply.body), (201, &replies[0].body));
    }
    let replayed = replies.iter().filter(|reply| reply.header("Idempotent-Replayed") == Some("true")).count();
    assert_eq!(replayed, 15);
    let id = replies[0].body["orderId"].as_str().expect("an id").to_owned();
    assert_eq!(replies[0].header("Location"), Some(format!("/orders/{id}").as_str()));
    shop.wait_for(&id, "shipped").await;
    eventually("one piece has left", async || {
        let shelf = shop.shelf("once").await;
        if shelf == [99, 0, 99] { Ok(()) } else { Err(json!(shelf)) }
    })
    .await;
    let late = shop.api.place_order(&body, Some("click-1")).await.expect("an answer");
    assert_eq!((late.status, &late.body), (201, &replies[0].body));
    let other = shop.api.place_order(&order("once", 2, "pm_card_visa"), Some("click-1")).await.expect("an answer");
    assert_eq!(other.status, 422, "{}", other.body);
}

async fn an_order_of_another_producer_is_fulfilled(shop: &Shop) {
    shop.stock("foreign", 5).await;
    let event = foreign_order("web-17", "foreign");
    shop.publish(&event).await;
    let shown = shop.wait_for("web-17", "shipped").await;
    assert_eq!(shown["timeline"][0]["id"], event["id"]);
    eventually("all is in the journal", async || {
        let types = shop.types("web-17").await;
        if types == FULFILLED { Ok(()) } else { Err(json!(types)) }
    })
    .await;
    let kept = shop.journal("web-17").await.into_iter().find(|event| event["type"] == "OrderCreated");
    assert_eq!(kept, Some(event));
}

async fn an_event_in_an_sns_envelope_counts(shop: &Shop) {
    shop.stock("wrapped", 5).await;
    let event = foreign_order("web-18", "wrapped");
    let envelope = json!({ "Type": "Notification", "MessageId": "1", "TopicArn": "t", "Message": event.to_string() });
    for service in SERVICES {
        shop.send(service, "web-18", &envelope.to_string()).await;
    }
    shop.wait_for("web-18", "shipped").await;
}

async fn poison_is_parked_in_each_queue_and_holds_nothing_up(shop: &Shop) {
    shop.stock("poison", 5).await;
    for service in SERVICES {
        shop.send(service, "web-19", "this is no event").await;
    }
    shop.publish(&foreign_order("web-19", "poison")).await;
    shop.wait_for("web-19", "shipped").await;
    for service in SERVICES {
        let letter = shop.take_letter(service, "this is no event").await;
        assert_eq!(letter["failure-class"], "permanent", "{service}");
        assert!(letter["failure-reason"].starts_with("not JSON"), "{letter:?}");
        assert_eq!(letter["failed-function"], shop.output(&format!("{service}FunctionName")));
        assert_eq!(letter["group"], "web-19");
        assert!(letter["failed-at"].ends_with('Z'), "{letter:?}");
    }
}

async fn a_duplicate_of_every_event_in_every_queue_changes_nothing(shop: &Shop) {
    shop.stock("twice", 10).await;
    let shipped = shop.order(&order("twice", 1, "pm_card_visa")).await;
    let declined = shop.order(&order("twice", 1, "pm_card_visa_chargeDeclined")).await;
    shop.wait_for(&shipped, "shipped").await;
    shop.wait_for(&declined, "cancelled").await;
    let seen = async || {
        let mut seen = Vec::new();
        for id in [&shipped, &declined] {
            let messages = shop.messages(Channel::Email, id).await.len() + shop.messages(Channel::Sms, id).await.len();
            seen.push(json!([shop.show(id).await, shop.journal(id).await, messages]));
        }
        json!([seen, shop.shelf("twice").await])
    };
    shop.quiet().await;
    let before = seen().await;
    for id in [&shipped, &declined] {
        for event in shop.journal(id).await {
            for service in SERVICES {
                shop.send(service, id, &event.to_string()).await;
            }
        }
    }
    shop.quiet().await;
    assert_eq!(seen().await, before);
    assert_eq!(shop.shelf("twice").await, [9, 0, 9]);
    // A duplicate is handled, not parked. The letters of the poison that another test sends are taken out by it.
    for service in SERVICES {
        eventually("no duplicate is among the dead letters", async || {
            let letters = shop.letters(service).await;
            if letters == 0 { Ok(()) } else { Err(json!([service, letters])) }
        })
        .await;
    }
}

async fn a_provider_that_fails_nine_times_charges_once(shop: &Shop) {
    shop.stock("patience", 5).await;
    let id = shop.order(&order("patience", 1, "pm_sim_unavailable_9")).await;
    let shown = shop.wait_for(&id, "shipped").await;
    eventually("all is in the journal", async || {
        let types = shop.types(&id).await;
        if types == FULFILLED { Ok(()) } else { Err(json!(types)) }
    })
    .await;
    assert_eq!(shop.charges(shown["payment"]["paymentId"].as_str().expect("an id")).await, 1);
}

async fn a_cancelled_order_is_refunded_and_restocked(shop: &Shop) {
    shop.stock("regret", 5).await;
    let id = shop.order(&order("regret", 2, "pm_sim_unavailable_3")).await;
    shop.wait_for(&id, "reserved").await;
    let reply = shop.api.cancel_order(&id).await.expect("an answer");
    assert_eq!((reply.status, &reply.body), (202, &json!({ "orderId": id, "status": "cancelled" })));
    let again = shop.api.cancel_order(&id).await.expect("an answer");
    assert_eq!((again.status, again.body), (202, reply.body));
    eventually("the goods are back", async || {
        let shelf = shop.shelf("regret").await;
        if shelf == [5, 0, 5] { Ok(()) } else { Err(json!(shelf)) }
    })
    .await;
    // The charge was under way: it goes through, and back; and nothing is shipped.
    let expected = [
        "InventoryReleased",
        "InventoryReserved",
        "OrderCancelled",
        "OrderCreated",
        "PaymentProcessed",
        "PaymentRefunded",
    ];
    eventually("the charge is refunded", async || {
        let types = shop.types(&id).await;
        if types == expected { Ok(()) } else { Err(json!(types)) }
    })
    .await;
    let shown = eventually("the refund is known", async || {
        let shown = shop.show(&id).await;
        if shown["payment"]["refunded"] == true { Ok(shown) } else { Err(shown) }
    })
    .await;
    assert_eq!(shown["cancellationReason"], "customerRequest");
    assert_eq!(shop.charges(shown["payment"]["paymentId"].as_str().expect("an id")).await, 1);
}

async fn a_suspicious_order_is_flagged_and_fulfilled(shop: &Shop) {
    shop.stock("loot", 100).await;
    let mut suspicious = order("loot", 1, "pm_card_visa");
    suspicious["lines"][0]["unitPrice"]["amount"] = json!(125_000);
    suspicious["customer"]["email"] = json!("loot@mailinator.com");
    let id = shop.order(&suspicious).await;
    let ordinary = shop.order(&order("loot", 1, "pm_card_visa")).await;
    let mut eager = order("loot", 1, "pm_card_visa");
    eager["customer"] = json!({ "id": "cus_eager", "email": "eager@example.com" });
    let burst = join_all((0..10).map(|_| shop.order(&eager))).await;
    for id in [&id, &ordinary].into_iter().chain(&burst) {
        shop.wait_for(id, "shipped").await;
    }
    let flag = eventually("the order is flagged", async || {
        let events = shop.journal(&id).await;
        let flag = events.iter().find(|event| event["type"] == "OrderFlagged").cloned();
        if events.len() == 5 { flag.ok_or(json!(events)) } else { Err(json!(events)) }
    })
    .await;
    assert_eq!((&flag["source"], &flag["subject"]), (&json!("orderflow/screening"), &json!(id)));
    assert_eq!((&flag["data"]["orderId"], &flag["data"]["score"]), (&json!(id), &json!(60)));
    let reasons = json!([
        { "code": "disposableEmail", "detail": "mailinator.com gives email addresses to anybody, for minutes" },
        { "code": "highAmount", "detail": "1250.00 EUR is 1000.00 EUR or more" },
    ]);
    assert_eq!(flag["data"]["reasons"], reasons);
    check_links(&shop.journal(&id).await);
    // Of ten at once, the one that was looked at last has nine neighbours. How many the others had is chance.
    let flagged = eventually("one of the burst is flagged", async || {
        let journals = join_all(burst.iter().map(|id| shop.journal(id))).await.concat();
        let flagged: Vec<Value> = journals.into_iter().filter(|event| event["type"] == "OrderFlagged").collect();
        if flagged.iter().any(|flag| flag["data"]["score"] == 80) { Ok(flagged) } else { Err(json!(flagged)) }
    })
    .await;
    for flag in flagged {
        let codes = [0, 1].map(|index| flag["data"]["reasons"][index]["code"].clone());
        assert_eq!(codes, ["customerVelocity", "emailVelocity"], "{flag}");
    }
    shop.quiet().await;
    assert_eq!(shop.types(&ordinary).await, FULFILLED);
}

async fn every_error_is_a_problem(shop: &Shop) {
    let problem = async |method: Method, path: &str, body: &str, status: u16| {
        let reply = Reply::to(shop.api.request(method, path).body(body.to_owned())).await.expect("an answer");
        assert_eq!(reply.status, status, "{path} {body:.20}: {}", reply.body);
        assert_eq!(reply.header("Content-Type"), Some("application/problem+json"), "{path}: {}", reply.body);
        assert_eq!(reply.body["status"], status, "{path}: {}", reply.body);
        assert!(reply.body["title"].is_string() && reply.body["detail"].is_string(), "{path}: {}", reply.body);
    };
    // LocalStack has no templates for what its gateway answers by itself.
    if shop.emulator().await == Emulator::MiniStack {
        problem(Method::GET, "/nowhere", "", 404).await;
        problem(Method::DELETE, "/orders", "", 404).await;
    }
    problem(Method::GET, "/orders/ord_nobody", "", 404).await;
    problem(Method::POST, "/orders/ord_nobody/cancel", "", 404).await;
    problem(Method::GET, "/inventory/nothing", "", 404).await;
    problem(Method::POST, "/orders", "{", 400).await;
    problem(Method::POST, "/orders", "{}", 422).await;
    problem(Method::POST, "/orders", &format!("\"{}\"", "x".repeat(300_000)), 413).await;
    problem(Method::PUT, "/inventory/nothing", "{\"onHand\": -1}", 422).await;
}
