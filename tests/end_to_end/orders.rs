//! Orders as customers and partners see them.

use std::cell::Cell;

use futures::StreamExt;
use futures::future::join_all;
use futures::stream;
use orderflow_local::Reply;
use orderflow_tests::{Channel, Gap, Shop, answered, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{FULFILLED, foreign_order, order};

pub(crate) async fn an_order_is_reserved_paid_and_shipped_and_the_customer_is_told(shop: &Shop) {
    shop.stock("shipped", 5).await;
    let id = shop.order(&order("shipped", 2, "pm_card_visa")).await;
    let shown = shop.wait_for(&id, "shipped").await;
    assert_eq!(shown["total"], json!({ "amount": 3980, "currency": "EUR" }));
    assert_eq!(shown["payment"]["amount"], shown["total"]);
    assert!(shown["shipment"]["trackingNumber"].is_string(), "{shown}");
    assert!(shown["cancellationReason"].is_null(), "{shown}");
    let timeline: Vec<&Value> = shown["timeline"].as_array().unwrap().iter().map(|entry| &entry["type"]).collect();
    assert_eq!(timeline, ["OrderCreated", "InventoryReserved", "PaymentProcessed", "ShipmentCreated"]);
    shop.wait_for_shelf("shipped", [3, 0, 3]).await;
    // One for the goods, one for the shipment.
    for channel in [Channel::Email, Channel::Sms] {
        eventually("the customer is told", async || {
            let messages = shop.messages(channel, &id).await;
            if messages.len() == 2 { Ok(()) } else { Err(json!(messages)) }
        })
        .await;
    }
    shop.wait_for_types(&id, &FULFILLED).await;
    check_links(&shop.way(&id).await);
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

pub(crate) async fn a_declined_order_gives_its_goods_back(shop: &Shop) {
    shop.stock("declined", 5).await;
    let id = shop.order(&order("declined", 2, "pm_card_visa_chargeDeclinedInsufficientFunds")).await;
    let shown = shop.wait_for(&id, "cancelled").await;
    assert_eq!(shown["cancellationReason"], "paymentFailed");
    assert!(shown["payment"].is_null() && shown["shipment"].is_null(), "{shown}");
    let expected = ["InventoryReleased", "InventoryReserved", "OrderCancelled", "OrderCreated", "PaymentFailed"];
    shop.wait_for_types(&id, &expected).await;
    assert_eq!(shop.shelf("declined").await, [5, 0, 5]);
    let failed = shop.journal(&id).await.into_iter().find(|event| event["type"] == "PaymentFailed").unwrap();
    assert_eq!(failed["data"]["reason"]["code"], "insufficient_funds");
}

/// Ten customers have had the same card declined. The eleventh is told the same at once, and the provider nothing.
pub(crate) async fn a_card_that_was_declined_too_often_is_not_asked_for_again(shop: &Shop) {
    shop.stock("tried", 20).await;
    let by = |customer: u32| {
        let mut order = order("tried", 1, "pm_card_stolen");
        order["customer"]["id"] = json!(format!("cus_tried_{customer}"));
        order["customer"]["email"] = json!(format!("tried-{customer}@example.com"));
        order
    };
    let decline = async |customer: u32| {
        let id = shop.order(&by(customer)).await;
        assert_eq!(shop.wait_for(&id, "cancelled").await["cancellationReason"], "paymentFailed");
        let failed = eventually("the decline is in the journal", async || {
            let events = shop.journal(&id).await;
            events.iter().find(|event| event["type"] == "PaymentFailed").cloned().ok_or(json!(events))
        });
        failed.await["data"]["reason"]["code"].clone()
    };
    let codes = join_all((0..10).map(decline)).await;
    assert_eq!(codes, vec![json!("resource_missing"); 10]);
    assert_eq!(decline(10).await, "tooManyDeclines");
    let honest = shop.order(&order("tried", 1, "pm_card_visa")).await;
    shop.wait_for(&honest, "shipped").await;
}

pub(crate) async fn an_order_for_missing_goods_is_cancelled(shop: &Shop) {
    shop.stock("missing", 1).await;
    let id = shop.order(&order("missing", 2, "pm_card_visa")).await;
    let shown = shop.wait_for(&id, "cancelled").await;
    assert_eq!(shown["cancellationReason"], "outOfStock");
    assert_eq!(shop.shelf("missing").await, [1, 0, 1]);
    shop.wait_for_types(&id, &["InventoryRejected", "OrderCancelled", "OrderCreated"]).await;
    let rejected = shop.journal(&id).await.into_iter().find(|event| event["type"] == "InventoryRejected").unwrap();
    assert_eq!(rejected["data"]["shortages"], json!([{ "sku": "missing", "requested": 2, "available": 1 }]));
}

pub(crate) async fn of_40_orders_for_10_items_10_are_shipped(shop: &Shop) {
    shop.stock("rare", 10).await;
    let rare = order("rare", 1, "pm_card_visa");
    // Each that is under way at the same moment costs a process of the API's function.
    let ids: Vec<String> = stream::iter(0..40).map(|_| shop.order(&rare)).buffered(8).collect().await;
    let mut ended = Vec::new();
    for id in ids {
        let end = eventually(&format!("{id} has ended"), async || {
            let shown = shop.show(&id).await;
            let has_ended = shown["status"] == "shipped" || shown["status"] == "cancelled";
            if has_ended { Ok(shown) } else { Err(shown) }
        })
        .await;
        ended.push(end);
    }
    let count = |name: &str, value: &str| ended.iter().filter(|shown| shown[name] == value).count();
    assert_eq!((count("status", "shipped"), count("cancellationReason", "outOfStock")), (10, 30));
    shop.wait_for_shelf("rare", [0, 0, 0]).await;
}

pub(crate) async fn one_request_sent_16_times_at_once_is_one_order(shop: &Shop) {
    shop.stock("once", 100).await;
    let body = order("once", 1, "pm_card_visa");
    let requests = Cell::new(0);
    let place = || {
        answered(async || {
            requests.set(requests.get() + 1);
            shop.api.place_order(&body, Some("click-1")).await
        })
    };
    let replies = join_all((0..16).map(|_| place())).await;
    for reply in &replies {
        assert_eq!((reply.status, &reply.body), (201, &replies[0].body));
    }
    let replayed = replies.iter().filter(|reply| reply.header("Idempotent-Replayed") == Some("true")).count();
    // Whoever was not answered at first may be the one whose order it is.
    assert!(replayed == 15 || replayed == 16 && requests.get() > 16, "{replayed} of {}", requests.get());
    let id = replies[0].body["orderId"].as_str().expect("an id").to_owned();
    assert_eq!(replies[0].header("Location"), Some(format!("/orders/{id}").as_str()));
    shop.wait_for(&id, "shipped").await;
    shop.wait_for_shelf("once", [99, 0, 99]).await;
    let late = shop.api.place_order(&body, Some("click-1")).await.expect("an answer");
    assert_eq!((late.status, &late.body), (201, &replies[0].body));
    let other = shop.api.place_order(&order("once", 2, "pm_card_visa"), Some("click-1")).await.expect("an answer");
    assert_eq!(other.status, 422, "{}", other.body);
}

pub(crate) async fn an_order_of_another_producer_is_fulfilled_in_each_version(shop: &Shop) {
    shop.stock("foreign", 5).await;
    let newest = foreign_order("foreign-2", "foreign");
    for (id, event) in [("foreign-2", newest), ("foreign-1", in_version_1(foreign_order("foreign-1", "foreign")))] {
        shop.publish(&event).await;
        let shown = shop.wait_for(id, "shipped").await;
        assert_eq!(shown["customer"]["name"], "Ada Lovelace");
        shop.wait_for_types(id, &FULFILLED).await;
        let kept = shop.journal(id).await.into_iter().find(|event| event["type"] == "OrderCreated");
        let kept = kept.expect("the creation is on record");
        assert_eq!(shown["timeline"][0]["id"], kept["id"]);
        assert_eq!(
            (&kept["source"], &kept["dataschema"]),
            (&json!("orderflow/orders"), &json!("urn:orderflow:OrderCreated:3"))
        );
        assert_eq!((&kept["causationid"], &kept["originid"]), (&event["id"], &event["id"]));
        assert_eq!(kept["originsource"], event["source"]);
        let kept = kept.to_string();
        for personal in ["Ada Lovelace", "Analytical Road", "@example", "4930123456"] {
            assert!(!kept.contains(personal), "{personal}: {kept}");
        }
    }
}

/// The same event as those who know version 1 only say it.
fn in_version_1(mut event: Value) -> Value {
    event["dataschema"] = json!("urn:orderflow:OrderCreated:1");
    event["data"]["customer"].as_object_mut().expect("a customer").remove("name");
    event
}

pub(crate) async fn a_provider_that_fails_nine_times_charges_once(shop: &Shop) {
    shop.stock("patience", 5).await;
    let id = shop.order(&order("patience", 1, "pm_sim_unavailable_9")).await;
    let shown = shop.wait_for(&id, "shipped").await;
    shop.wait_for_types(&id, &FULFILLED).await;
    assert_eq!(shop.charges(shown["payment"]["paymentId"].as_str().expect("an id")).await, 1);
}

pub(crate) async fn people_are_served_as_they_are(shop: &Shop) {
    shop.stock("anybody", 10).await;
    let mut free = order("anybody", 1, "");
    free["lines"][0]["unitPrice"]["amount"] = json!(0);
    let mut abroad = order("anybody", 1, "pm_card_visa");
    abroad["customer"]["email"] = json!("kunde@bücher.example");
    abroad["customer"]["phone"] = json!("+999");
    abroad["shippingAddress"] = json!({ "name": "A", "line1": "1 Nathan Road", "city": "Kowloon", "country": "HK" });
    let mut at_home = order("anybody", 1, "pm_card_visa");
    at_home["customer"]["phone"] = json!("(030) 123456");
    for (order, texts, charges) in [(free, 2, 0), (abroad, 0, 1), (at_home, 2, 1)] {
        let id = shop.order(&order).await;
        let shown = shop.wait_for(&id, "shipped").await;
        assert_eq!(shop.charges(shown["payment"]["paymentId"].as_str().expect("an id")).await, charges, "{order}");
        for (channel, expected) in [(Channel::Email, 2), (Channel::Sms, texts)] {
            eventually("the customer is told", async || {
                let messages = shop.messages(channel, &id).await;
                if messages.len() == expected { Ok(()) } else { Err(json!([order, messages])) }
            })
            .await;
        }
    }
}

pub(crate) async fn a_suspicious_order_is_flagged_and_fulfilled(shop: &Shop) {
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
        let events = shop.way(&id).await;
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
    check_links(&shop.way(&id).await);
    let clear = format!("/operations/orders/{id}/clear");
    for why in ["a regular customer", "as I said"] {
        let cleared = shop.operations(Method::POST, &clear, Some(json!({ "why": why })), 202).await;
        assert_eq!(cleared, json!({ "orderId": id }));
    }
    let cleared = eventually("it is cleared, though nobody waits for that here", async || {
        let events = shop.way(&id).await;
        let cleared: Vec<Value> = events.iter().filter(|event| event["type"] == "OrderCleared").cloned().collect();
        if cleared.is_empty() { Err(json!(events)) } else { Ok(cleared) }
    })
    .await;
    assert_eq!((cleared.len(), &cleared[0]["data"]), (1, &json!({ "orderId": id, "by": "person" })));
    assert_eq!(cleared[0]["correlationid"], flag["correlationid"], "it is one flow");
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

pub(crate) async fn every_error_is_a_problem(shop: &Shop) {
    let problem = async |method: Method, path: &str, body: &str, status: u16| {
        let reply = Reply::to(shop.api.request(method, path).body(body.to_owned())).await.expect("an answer");
        assert_eq!(reply.status, status, "{path} {body:.20}: {}", reply.body);
        assert_eq!(reply.header("Content-Type"), Some("application/problem+json"), "{path}: {}", reply.body);
        assert_eq!(reply.body["status"], status, "{path}: {}", reply.body);
        assert!(reply.body["title"].is_string() && reply.body["detail"].is_string(), "{path}: {}", reply.body);
    };
    if !shop.emulator.lacks(Gap::GatewayAnswers) {
        problem(Method::GET, "/nowhere", "", 404).await;
        problem(Method::DELETE, "/orders", "", 404).await;
    }
    problem(Method::GET, "/orders/ord_nobody", "", 404).await;
    problem(Method::POST, "/orders/ord_nobody/cancel", "", 404).await;
    problem(Method::GET, "/inventory/nothing", "", 404).await;
    problem(Method::POST, "/orders", "{", 400).await;
    problem(Method::POST, "/orders", "{}", 422).await;
    for bytes in [300_000, 10_000_000, 11_000_000] {
        problem(Method::POST, "/orders", &format!("\"{}\"", "x".repeat(bytes)), 413).await;
    }
    problem(Method::PUT, "/inventory/nothing", "{\"onHand\": -1}", 422).await;
}
