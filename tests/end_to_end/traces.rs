//! Traces as a collector gets them: one order is one connected trace.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use orderflow_local::Span;
use orderflow_tests::{Gap, Shop, collector};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::operations::now;
use crate::{FULFILLED, event, foreign_order, order};

/// Most tries until spans of one try are all there.
const TRIES: usize = 6;

/// Time in which the spans of an order that has ended arrive, unless they are lost.
const SOON: Duration = Duration::from_secs(30);

pub(crate) async fn every_kind_of_order_is_one_connected_trace(shop: &Shop) {
    if shop.emulator.lacks(Gap::Collectors) {
        return;
    }
    let cancelled = ["InventoryReleased", "InventoryReserved", "OrderCancelled", "OrderCreated", "PaymentFailed"];
    let refused = ["InventoryRejected", "OrderCancelled", "OrderCreated"];
    for (sku, on_hand, card, types) in [
        ("traced", 9, "pm_card_visa", &FULFILLED[..]),
        ("traced-declined", 9, "pm_card_visa_chargeDeclined", &cancelled),
        ("traced-missing", 0, "pm_card_visa", &refused),
        ("traced-retried", 9, "pm_sim_unavailable_2", &FULFILLED),
    ] {
        shop.stock(sku, on_hand).await;
        let failures = usize::from(sku == "traced-retried") * 2;
        let is_whole = |spans: &[Span]| {
            let transacts = |span: &Span| span.service == "inventory" && span.name == "dynamodb/TransactWriteItems";
            spans.iter().any(transacts) && failed(spans) >= failures && asks_outside(spans) == (sku != "traced-missing")
        };
        let spans = unless_lost(&format!("the trace of {sku}"), async || {
            let id = shop.order(&order(sku, 1, card)).await;
            shop.wait_for_types(&id, types).await;
            connected(shop, &id, None, is_whole).await
        })
        .await;
        let root = spans.iter().find(|span| span.parent.is_empty()).unwrap();
        assert_eq!((root.service.as_str(), root.name.as_str()), ("orders-api", "POST /orders"));
        assert_eq!(root.attributes["http.response.status_code"], "201");
    }
}

/// The provider is asked.
fn asks_outside(spans: &[Span]) -> bool {
    spans.iter().any(|span| span.service == "payment" && span.name == "perform charge")
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
        Ok((trace, connected(shop, &id, Some("00f067aa0ba902b7"), |_| true).await?))
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
/// machine: a trace with a gap proves nothing there, where one without a gap proves all.
async fn unless_lost<T>(what: &str, attempt: impl AsyncFn() -> Result<T, Value>) -> T {
    let mut seen = Value::Null;
    for _ in 0..TRIES {
        match attempt().await {
            Ok(whole) => return whole,
            Err(gap) => seen = gap,
        }
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

/// The trace of an order, once it hangs together below one root, or below `caller`, and has each event's creation, its
/// publication, and its processing by all who hear of it, and is whole; else what it lacks after [`SOON`].
async fn connected(
    shop: &Shop,
    id: &str,
    caller: Option<&str>,
    is_whole: impl Fn(&[Span]) -> bool,
) -> Result<Vec<Span>, Value> {
    soon(async || {
        let events = shop.way(id).await;
        let parent = |event: &Value| event["traceparent"].as_str().unwrap_or_default().to_owned();
        let trace = parent(&events[0])[3..35].to_owned();
        let spans: Vec<Span> = collector().spans().into_iter().filter(|span| span.trace == trace).collect();
        let by_id: BTreeMap<&str, &Span> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
        let outside: BTreeSet<&str> =
            spans.iter().map(|span| span.parent.as_str()).filter(|parent| !by_id.contains_key(parent)).collect();
        if outside != BTreeSet::from([caller.unwrap_or_default()]) {
            return Err(json!({ "parents that nobody exported": outside }));
        }
        for event in &events {
            let (kind, span) = (event["type"].as_str().unwrap_or_default(), &parent(event)[36..52]);
            let creates = by_id.get(span).is_some_and(|span| span.name == format!("create {kind}"));
            let below = |what: &str| {
                let below = spans.iter().filter(|child| child.parent == span && child.name.starts_with(what));
                below.map(|child| child.service.clone()).collect::<BTreeSet<String>>()
            };
            let (sent, heard) = (below("send "), below("process "));
            let source = event["source"].as_str().and_then(|source| source.strip_prefix("orderflow/"));
            let relay = source.map(|source| BTreeSet::from([format!("{source}-relay")]));
            // The journal hears of everything.
            if !creates || Some(&sent) != relay.as_ref() || !heard.contains("journal") {
                return Err(json!({ "event": kind, "creates": creates, "sent": sent, "heard": heard }));
            }
        }
        if is_whole(&spans) { Ok(spans) } else { Err(json!("a part of it is missing")) }
    })
    .await
}
