//! Traces as a collector gets them: one order is one connected trace, and what comes later is linked to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orderflow_local::{Reply, Span, waterfall};
use orderflow_registry::SERVICES;
use orderflow_tests::{Gap, Shop, collector, eventually, note_try};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::operations::now;
use crate::{FULFILLED, event, foreign_order, order};

/// Most tries until spans of one try are all there.
const TRIES: usize = 12;

/// Time in which the spans of an order that has ended arrive, unless they are lost.
const SOON: Duration = Duration::from_mins(1);

/// Types of an order whose payment is declined.
const DECLINED: [&str; 5] =
    ["InventoryReleased", "InventoryReserved", "OrderCancelled", "OrderCreated", "PaymentFailed"];

/// Types of an order that is cancelled before it is paid.
const CANCELLED: [&str; 4] = ["InventoryReleased", "InventoryReserved", "OrderCancelled", "OrderCreated"];

/// Types of an order that is sent back.
const SENT_BACK: [&str; 7] = [
    "GoodsReturned",
    "InventoryReserved",
    "OrderCreated",
    "PaymentProcessed",
    "PaymentRefunded",
    "ReturnRequested",
    "ShipmentCreated",
];

pub(crate) async fn every_kind_of_order_is_one_connected_trace(shop: &Shop) {
    if shop.emulator.lacks(Gap::Collectors) {
        return;
    }
    let refused = ["InventoryRejected", "OrderCancelled", "OrderCreated"];
    for (sku, on_hand, card, types) in [
        ("traced", 9, "pm_card_visa", &FULFILLED[..]),
        ("traced-declined", 9, "pm_card_visa_chargeDeclined", &DECLINED),
        ("traced-missing", 0, "pm_card_visa", &refused),
        ("traced-retried", 9, "pm_sim_unavailable_2", &FULFILLED),
        ("traced-guest", 9, "pm_card_visa", &FULFILLED),
    ] {
        shop.stock(sku, on_hand).await;
        shop.price(sku, 1990).await;
        let failures = usize::from(sku == "traced-retried") * 2;
        let is_whole = |spans: &[Span]| {
            let transacts = |span: &Span| span.service == "inventory" && span.name == "dynamodb/TransactWriteItems";
            spans.iter().any(transacts)
                && failed(spans) >= failures
                && asks_outside(spans) == (sku != "traced-missing")
                && mails(spans)
        };
        let spans = unless_lost(&format!("the trace of {sku}"), async || {
            let mut order = order(sku, 1, card);
            let id = if sku == "traced-guest" {
                order["customer"] = json!({ "email": "traced@example.com" });
                place_as_a_guest(shop, &order).await
            } else {
                shop.order(&order).await
            };
            shop.wait_for_types(&id, types).await;
            let spans = connected(shop, &id, None, 1, is_whole).await?;
            if sku == "traced" {
                is_drawn(&id, &spans)?;
            }
            Ok(spans)
        })
        .await;
        let root = spans.iter().find(|span| span.parent.is_empty()).unwrap();
        assert_eq!((root.service.as_str(), root.name.as_str()), ("orders-api", "POST /orders"));
        assert_eq!(root.attributes["http.response.status_code"], "201");
    }
}

/// The waterfall that `cargo local trace` draws of an order has a line of each service that has a span of it, and nothing has failed.
fn is_drawn(id: &str, spans: &[Span]) -> Result<(), Value> {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("spans");
    let kept = collector().spans();
    let kept: Vec<String> = kept.iter().map(|span| serde_json::to_string(span).expect("JSON")).collect();
    std::fs::write(&file, kept.join("\n")).expect("a file");
    let lines = waterfall(id, &file).expect("it is drawn");
    // When it began, with its unit, and the bar stand before the service.
    let drawn: BTreeSet<&str> = lines.iter().filter_map(|line| line.split_whitespace().nth(3)).collect();
    let services: BTreeSet<&str> = spans.iter().map(|span| span.service.as_str()).collect();
    // The reason of a failure would be told behind the time that it took, and a back-off before what follows it.
    let ends = [" ms", " s", " in the stream", " in the queue", " of it the batching window"];
    let is_failed = |line: &&String| !ends.iter().any(|end| line.trim_end().ends_with(end));
    let failed: Vec<&String> = lines.iter().filter(is_failed).collect();
    if services.is_subset(&drawn) && failed.is_empty() {
        Ok(())
    } else {
        Err(json!({ "drawn": lines, "services": services, "failed": failed }))
    }
}

async fn place_as_a_guest(shop: &Shop, order: &Value) -> String {
    let nobody = shop.api.clone().without_token();
    let placed = eventually("the order is placed", async || {
        let placed = nobody.place_order(order, None).await.expect("an answer");
        if placed.status == 503 { Err(placed.body) } else { Ok(placed) }
    })
    .await;
    placed.body["orderId"].as_str().unwrap_or_else(|| panic!("{}", placed.body)).to_owned()
}

/// Something that a customer or a person of the shop does with an order that is on its way, or is shipped.
type Deed = (&'static str, &'static str, &'static [&'static str]);

/// Deeds, each with the spans that begin their traces, and with what comes of the order in the end.
const DEEDS: [(Deed, &[&str]); 4] = [
    (("traced-cancelled", "pm_sim_unavailable_9", &["orders-api POST /orders/{orderId}/cancel"]), &CANCELLED),
    (
        (
            "traced-withdrawn",
            "pm_card_visa",
            &["orders-api POST /orders/{orderId}/withdrawals", "inventory-api POST /orders/{orderId}/returns"],
        ),
        &SENT_BACK,
    ),
    (
        ("traced-cleared", "pm_card_visa", &["screening-api POST /operations/orders/{orderId}/clear"]),
        &["InventoryReserved", "OrderCleared", "OrderCreated", "OrderFlagged", "PaymentProcessed", "ShipmentCreated"],
    ),
    (
        ("traced-erased", "pm_card_visa", &["orders-api POST /customers/{customerId}/erase"]),
        &["InventoryReserved", "OrderCreated", "PaymentProcessed", "PersonalDataErased", "ShipmentCreated"],
    ),
];

pub(crate) async fn what_is_done_to_an_order_later_is_linked_to_its_trace(shop: &Shop) {
    if shop.emulator.lacks(Gap::Collectors) {
        return;
    }
    for ((sku, card, begin), types) in DEEDS {
        shop.stock(sku, 9).await;
        let spans = unless_lost(&format!("the traces of {sku}"), async || {
            let mut order = order(sku, 1, card);
            // An erasure is of all orders of a customer; and who orders often is flagged for that.
            let customer = format!("cus_{}", uuid::Uuid::now_v7().simple());
            order["customer"]["id"] = json!(customer);
            if sku == "traced-cleared" {
                order["lines"][0]["unitPrice"]["amount"] = json!(125_000);
                order["customer"]["email"] = json!("traced@mailinator.com");
            }
            let id = shop.order(&order).await;
            do_to(shop, sku, &id, &customer).await;
            shop.wait_for_types(&id, types).await;
            connected(shop, &id, None, 1 + begin.len(), |_| true).await
        })
        .await;
        let mut roots = spans.iter().filter(|span| span.parent.is_empty()).collect::<Vec<_>>();
        roots.sort_by_key(|span| span.start_ns);
        let roots: Vec<String> = roots.iter().map(|span| format!("{} {}", span.service, span.name)).collect();
        assert_eq!(roots, [&["orders-api POST /orders"], begin].concat());
    }
}

async fn do_to(shop: &Shop, sku: &str, id: &str, customer: &str) {
    let until = |status: &'static str| async move { shop.wait_for(id, status).await };
    match sku {
        "traced-cancelled" => {
            until("reserved").await;
            let reply = shop.api.cancel_order(id).await.expect("an answer");
            assert_eq!(reply.status, 202, "{}", reply.body);
        }
        "traced-withdrawn" => {
            until("shipped").await;
            let reply = shop.api.withdraw(id).await.expect("an answer");
            assert_eq!(reply.status, 202, "{}", reply.body);
            shop.wait_for_types(
                id,
                &["InventoryReserved", "OrderCreated", "PaymentProcessed", "ReturnRequested", "ShipmentCreated"],
            )
            .await;
            eventually("inventory knows that the goods are awaited", async || {
                let reply = shop.api.take_goods_back(id).await.expect("an answer");
                if reply.status == 200 { Ok(()) } else { Err(reply.body) }
            })
            .await;
        }
        "traced-cleared" => {
            until("shipped").await;
            let clear = format!("/operations/orders/{id}/clear");
            eventually("it was screened", async || {
                let asked = shop.api_as("ada", "operations").request(Method::POST, &clear);
                let reply = Reply::to(asked.json(&json!({ "why": "a regular customer" }))).await.expect("an answer");
                if reply.status == 202 { Ok(()) } else { Err(reply.body) }
            })
            .await;
        }
        _ => {
            until("shipped").await;
            let erase = format!("/customers/{customer}/erase");
            let reply = Reply::to(shop.api_as("officer", "privacy").request(Method::POST, &erase)).await;
            let reply = reply.expect("an answer");
            assert_eq!(reply.status, 202, "{}", reply.body);
        }
    }
}

pub(crate) async fn the_end_of_an_order_by_the_clock_is_linked_to_its_trace(shop: &Shop) {
    if shop.emulator.lacks(Gap::Collectors) {
        return;
    }
    shop.stock("traced-unpaid", 9).await;
    unless_lost("the end of an unpaid order", async || {
        let id = format!("ord_{}", uuid::Uuid::now_v7().simple());
        // On record since long ago, and its payment does not come.
        let (trace, span) = (uuid::Uuid::now_v7().simple().to_string(), "00f067aa0ba902b7".to_owned());
        let mut created = foreign_order(&id, "traced-unpaid");
        created["source"] = json!("orderflow/orders");
        created["data"]["paymentMethod"] = json!("pm_sim_unavailable_9");
        created["traceparent"] = json!(format!("00-{trace}-{span}-01"));
        let row = json!({
            "pk": id,
            "sk": 1,
            "at": "2026-01-01T00:00:00.000Z",
            "cause": { "source": "orderflow/orders-api", "id": "request-traced", "type": "PlaceOrder" },
            "open": "0",
            "events": json!([created]).to_string(),
        });
        shop.put_row("Orders", &row).await;
        eventually("it is cancelled", async || {
            shop.run_clock("OpenOrdersFunctionName").await;
            let shown = shop.show(&id).await;
            if shown["status"] == "cancelled" { Ok(()) } else { Err(shown) }
        })
        .await;
        soon(async || {
            let spans = collector().spans();
            let is_end = |span: &&Span| {
                span.name == "create OrderCancelled" && span.attributes["cloudevents.event_subject"] == id
            };
            let Some(end) = spans.iter().find(is_end) else { return Err(json!("the end has no span")) };
            let root = spans.iter().find(|span| span.id == end.parent);
            let is_root = root.is_some_and(|root| root.parent.is_empty() && root.name == "CancelUnpaid");
            let is_linked = end.links == [(trace.clone(), span.clone())] && end.trace != trace;
            if is_root && is_linked && end.service == "open-orders" { Ok(()) } else { Err(json!([end, root])) }
        })
        .await
    })
    .await;
}

/// The provider is asked.
fn asks_outside(spans: &[Span]) -> bool {
    spans.iter().any(|span| span.service == "payment" && span.name == "perform charge")
}

/// The customer is told, by a mail.
fn mails(spans: &[Span]) -> bool {
    spans.iter().any(|span| span.service == "notification" && span.name == "ses/SendEmail" && span.error.is_none())
}

/// Passing failures of the payment: each is told where it happened, and the attempt after it is in the same trace.
fn failed(spans: &[Span]) -> usize {
    let failed = spans.iter().filter(|span| span.service == "payment" && span.name.starts_with("process "));
    failed.filter(|span| span.error.is_some() && span.events == ["exception", "put back"]).count()
}

pub(crate) async fn an_order_of_another_producer_goes_on_in_its_trace(shop: &Shop) {
    if shop.emulator.lacks(Gap::Collectors) {
        return;
    }
    shop.stock("traced-elsewhere", 9).await;
    let (trace, spans) = unless_lost("the trace of another producer's order", async || {
        let id = format!("traced-{}", uuid::Uuid::now_v7().simple());
        let mut event = foreign_order(&id, "traced-elsewhere");
        // It happens when it comes: an old one would be a trace of its own.
        event.as_object_mut().unwrap().remove("time");
        let trace = uuid::Uuid::now_v7().simple().to_string();
        event["traceparent"] = json!(format!("00-{trace}-00f067aa0ba902b7-01"));
        shop.publish(&event).await;
        shop.wait_for_types(&id, &FULFILLED).await;
        Ok((trace, connected(shop, &id, Some("00f067aa0ba902b7"), 1, mails).await?))
    })
    .await;
    assert!(spans.iter().all(|span| span.trace == trace));
    assert!(spans.iter().any(|span| span.service == "intake" && span.parent == "00f067aa0ba902b7"));
}

pub(crate) async fn what_is_sent_back_is_a_trace_of_its_own_and_linked_to_the_first(shop: &Shop) {
    if shop.emulator.lacks(Gap::Collectors) {
        return;
    }
    shop.stock("traced-again", 5).await;
    let id = shop.order(&order("traced-again", 1, "pm_card_visa")).await;
    shop.wait_for_types(&id, &FULFILLED).await;
    unless_lost("both attempts", async || {
        // A payment of another amount is a dead letter, however often it is sent back.
        let data = json!({ "paymentId": "pay_traced1", "amount": { "amount": 1, "currency": "EUR" } });
        let mut paid = event("PaymentProcessed", "orderflow/payment", &id, data);
        let (trace, parent) = (uuid::Uuid::now_v7().simple().to_string(), "00f067aa0ba902b7".to_owned());
        paid["traceparent"] = json!(format!("00-{trace}-{parent}-01"));
        // It has happened just now: an old one would be a trace of its own.
        paid["time"] = json!(now());
        let body = paid.to_string();
        shop.send("Orders", &body).await;
        shop.redrive("Orders", &body).await;
        let told = soon(async || {
            let spans = collector().spans();
            let attempts: Vec<&Span> =
                spans.iter().filter(|span| span.links.contains(&(trace.clone(), parent.clone()))).collect();
            let first = attempts.iter().filter(|span| span.trace == trace && span.parent == parent).count();
            let again = attempts.iter().filter(|span| span.trace != trace && span.parent.is_empty()).count();
            let is_parked =
                attempts.iter().all(|span| span.service == "orders" && span.events == ["exception", "parked"]);
            if (first, again, is_parked) == (1, 1, true) { Ok(()) } else { Err(json!(attempts)) }
        })
        .await;
        shop.take_letter("Orders", &body).await;
        told
    })
    .await;
}

/// Tries anew, up to [`TRIES`] times. What a collector does not take in 200 ms is lost, by design, and is lost on a busy
/// machine: a trace with a gap proves nothing there, where one without a gap proves all. Each try with a gap is told.
async fn unless_lost<T>(what: &str, attempt: impl AsyncFn() -> Result<T, Value>) -> T {
    let mut seen = Value::Null;
    for number in 1..=TRIES {
        match attempt().await {
            Ok(whole) => {
                note_try(true);
                return whole;
            }
            Err(gap) => seen = gap,
        }
        note_try(false);
        eprintln!("{what}: not whole in try {number} of {TRIES}: {seen}");
    }
    panic!("{what}: not whole in any of {TRIES} tries; last seen: {seen}")
}

/// Looks until `attempt` answers `Ok`, for [`SOON`] at the most.
async fn soon<T>(attempt: impl AsyncFn() -> Result<T, Value>) -> Result<T, Value> {
    let begin = Instant::now();
    loop {
        let seen = attempt().await;
        if seen.is_ok() || begin.elapsed() > SOON {
            return seen;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// The spans of an order in so many traces, once the first hangs together below one root, or below `caller`, and each other
/// one below a root of its own and is linked to an event of the order in another; and each event has its creation, its
/// publication, and its processing by all who receive its type, and all is whole; else what is lacking after [`SOON`].
async fn connected(
    shop: &Shop,
    id: &str,
    caller: Option<&str>,
    traces: usize,
    is_whole: impl Fn(&[Span]) -> bool,
) -> Result<Vec<Span>, Value> {
    soon(async || {
        let events = shop.way(id).await;
        let all = collector().spans();
        let created: Vec<(&str, &str)> = events.iter().filter_map(created_in).collect();
        let first = created.first().map_or("", |(trace, _)| trace);
        let of_order: BTreeSet<&str> = created.iter().map(|(trace, _)| *trace).collect();
        if of_order.len() != traces || created.len() != events.len() {
            return Err(json!({ "traces": of_order, "expected": traces }));
        }
        let spans: Vec<Span> = all.into_iter().filter(|span| of_order.contains(span.trace.as_str())).collect();
        let by_id: BTreeMap<&str, &Span> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
        for trace in of_order {
            let of_trace = || spans.iter().filter(|span| span.trace == trace);
            let outside: BTreeSet<&str> =
                of_trace().map(|span| span.parent.as_str()).filter(|parent| !by_id.contains_key(parent)).collect();
            let root = if trace == first { caller.unwrap_or_default() } else { "" };
            if outside != BTreeSet::from([root]) {
                return Err(json!({ "parents that nobody exported": outside, "trace": trace }));
            }
            let is_link =
                |(to, span): &(String, String)| to != trace && created.contains(&(to.as_str(), span.as_str()));
            if trace != first && !of_trace().any(|span| span.links.iter().any(is_link)) {
                return Err(json!({ "a trace that is linked to no other": trace }));
            }
        }
        for (event, (_, span)) in events.iter().zip(&created) {
            let kind = event["type"].as_str().unwrap_or_default();
            let is_made = by_id.get(span).is_some_and(|span| span.name == format!("create {kind}"));
            let below = |what: &str| {
                let below = spans.iter().filter(|child| child.parent == *span && child.name.starts_with(what));
                below.map(|child| child.service.clone()).collect::<BTreeSet<String>>()
            };
            let (sent, heard) = (below("send "), below("process "));
            let source = event["source"].as_str().and_then(|source| source.strip_prefix("orderflow/"));
            let relay = source.map(|source| BTreeSet::from([format!("{source}-relay")]));
            let receive =
                SERVICES.iter().filter(|service| service.receives().iter().any(|heard| heard.as_str() == kind));
            let receivers: BTreeSet<String> = receive.map(|service| service.name.to_owned()).collect();
            if !is_made || Some(&sent) != relay.as_ref() || heard != receivers {
                return Err(
                    json!({ "event": kind, "creates": is_made, "sent": sent, "heard": heard, "receivers": receivers }),
                );
            }
        }
        if is_whole(&spans) { Ok(spans) } else { Err(json!("a part of it is missing")) }
    })
    .await
}

/// Trace and span that an event's `traceparent` names.
fn created_in(event: &Value) -> Option<(&str, &str)> {
    let parent = event["traceparent"].as_str()?;
    Some((parent.get(3..35)?, parent.get(36..52)?))
}
