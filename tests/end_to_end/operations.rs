//! Operations beyond dead letters: one order over all services, replays, reconciliations, and where the stack stands.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use orderflow_events::Time;
use orderflow_tests::{Datum, Shop, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{FULFILLED, event, order};

/// Takes the rows of an order out of screening's table, as if its consumer had been off when the order was created.
async fn forget(shop: &Shop, order: &str) {
    let delete = shop.dynamodb.delete_item().table_name(shop.output("ScreeningTableName"));
    let delete = delete.key("pk", AttributeValue::S(order.to_owned())).key("sk", AttributeValue::N("1".to_owned()));
    delete.send().await.expect("it is deleted");
}

pub(crate) fn now() -> String {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a time after 1970");
    Time::from_millis(since.as_millis().try_into().expect("a time")).to_string()
}

pub(crate) fn an_hour_ago() -> String {
    let now = Time::new(&now()).expect("a time");
    Time::from_millis(now.as_millis() - 60 * 60 * 1_000).to_string()
}

/// Puts an order on record that was begun then, and has no row that anybody understands: nothing ends it.
pub(crate) async fn begin_at(shop: &Shop, order: &str, at: &str) {
    let cause = json!({ "source": "test", "id": "late", "type": "Test" });
    shop.put_row("Orders", &json!({ "pk": order, "sk": 1, "at": at, "cause": cause, "open": "0" })).await;
}

/// Takes an order out of the index of those that are open.
pub(crate) async fn close(shop: &Shop, order: &str) {
    let close =
        shop.dynamodb.update_item().table_name(shop.output("OrdersTableName")).update_expression("REMOVE #open");
    let close = close.key("pk", AttributeValue::S(order.to_owned())).key("sk", AttributeValue::N("1".to_owned()));
    close.expression_attribute_names("#open", "open").send().await.expect("it is closed");
}

async fn timeline(shop: &Shop, order: &str) -> Value {
    shop.operations(Method::GET, &format!("/operations/orders/{order}"), None, 200).await
}

async fn waits_for_nobody(shop: &Shop, order: &str) -> Value {
    eventually("every service has handled all of it", async || {
        let told = timeline(shop, order).await;
        if told["waiting"] == json!([]) { Ok(told) } else { Err(told) }
    })
    .await
}

/// A fulfilled order, which every service is done with.
async fn fulfilled(shop: &Shop, sku: &str) -> String {
    shop.stock(sku, 5).await;
    let id = shop.order(&order(sku, 1, "pm_card_visa")).await;
    shop.wait_for(&id, "shipped").await;
    shop.wait_for_types(&id, &FULFILLED).await;
    waits_for_nobody(shop, &id).await;
    id
}

pub(crate) async fn an_order_is_told_over_all_services(shop: &Shop) {
    let id = fulfilled(shop, "told").await;
    let told = timeline(shop, &id).await;
    let moments = told["timeline"].as_array().unwrap();
    let first = &moments[0];
    assert_eq!((&first["service"], &first["what"]), (&json!("orders"), &json!("OrderCreated")), "{told}");
    // A consumer that was added says more.
    let mut what: Vec<_> = moments.iter().map(|moment| moment["what"].as_str().unwrap()).collect();
    what.retain(|what| FULFILLED.contains(what));
    what.sort_unstable();
    assert_eq!(what, FULFILLED);
    let caused = moments.iter().filter(|moment| moment["waitedMs"].is_u64()).count();
    assert_eq!(caused, moments.len() - 1, "each but the first has its cause: {told}");
    assert_eq!(told["letters"], json!([]));
    let page = shop.operations(Method::GET, &format!("/operations/journal?order={id}"), None, 200).await;
    assert!(page["entries"].as_array().unwrap().len() >= moments.len(), "{page}");
    shop.operations(Method::GET, "/operations/orders/ord_nobody", None, 404).await;

    let status = shop.operations(Method::GET, "/operations/status", None, 200).await;
    let queues: Vec<_> =
        status["queues"].as_array().unwrap().iter().map(|queue| queue["service"].as_str().unwrap()).collect();
    assert!(["intake", "journal", "orders", "payment"].iter().all(|service| queues.contains(service)), "{status}");
}

pub(crate) async fn an_order_is_open_until_it_has_ended(shop: &Shop) {
    for sku in ["ended", "stuck"] {
        shop.stock(sku, 1).await;
    }
    let ended = shop.order(&order("ended", 1, "pm_card_visa")).await;
    let late = format!("{ended}-late");
    begin_at(shop, &late, "2026-01-01T00:00:00.000Z").await;

    let is_open = async |id: &str| {
        let get = shop.dynamodb.get_item().table_name(shop.output("OrdersTableName")).consistent_read(true);
        let get = get.key("pk", AttributeValue::S(id.to_owned())).key("sk", AttributeValue::N("1".to_owned()));
        get.send().await.expect("a row").item.expect("it is there").contains_key("open")
    };
    assert!(is_open(&ended).await, "from its first row on");
    shop.wait_for(&ended, "shipped").await;
    let stuck = shop.order(&order("stuck", 1, "pm_sim_unavailable_9")).await;
    eventually("the order is closed", async || {
        shop.run_clock("OpenOrdersFunctionName").await;
        if is_open(&ended).await { Err(json!(ended)) } else { Ok(()) }
    })
    .await;
    assert!(is_open(&late).await);
    // The ninth retry may be done by now, on a machine that has much else to do.
    if !is_open(&stuck).await {
        shop.wait_for(&stuck, "shipped").await;
    }
    let orders = shop.operations(Method::GET, "/operations/status", None, 200).await["orders"].clone();
    assert!(orders["open"].as_u64() >= Some(1) && orders["late"].as_u64() >= Some(1), "{orders}");
    close(shop, &late).await;
}

pub(crate) async fn what_is_tried_again_is_told_with_its_attempts_and_its_age(shop: &Shop) {
    shop.stock("aged", 1).await;
    let id = shop.order(&order("aged", 1, "pm_sim_unavailable_9")).await;
    eventually("the journal knows it", async || {
        let types = shop.types(&id).await;
        if types.is_empty() { Err(json!(types)) } else { Ok(()) }
    })
    .await;
    eventually("payment has tried it twice, and tells when it tries again", async || {
        let told = timeline(shop, &id).await;
        let of_payment =
            told["waiting"].as_array().expect("a list").iter().find(|waiting| waiting["service"] == "payment");
        let is_told = of_payment.is_some_and(|waiting| {
            let reason = waiting["why"].as_str().unwrap_or_default();
            waiting["receives"].as_u64() >= Some(2)
                && waiting["nextAttempt"].is_string()
                && reason.contains("unavailable")
        });
        if is_told { Ok(()) } else { Err(told) }
    })
    .await;
    // No emulator measures it by itself.
    let queue = shop.output("PaymentQueueUrl").rsplit('/').next().unwrap_or_default();
    let age = Datum::new("AWS/SQS", "ApproximateAgeOfOldestMessage", &[("QueueName", queue)], 40.0);
    shop.put_metric(&age).await;
    let age = eventually("payment is waited for", async || {
        let mut status = shop.operations(Method::GET, "/operations/status", None, 200).await;
        let queues = status["queues"].as_array_mut().expect("queues");
        let payment = queues.iter_mut().find(|queue| queue["service"] == "payment").expect("payment's");
        let is_empty = payment["visible"] == 0 && payment["hidden"] == 0;
        if is_empty { Err(payment.take()) } else { Ok(payment["oldestSeconds"].take()) }
    })
    .await;
    // Those who try the alarms publish another.
    assert!(age.as_u64() >= Some(40), "{age}");
}

pub(crate) async fn a_service_that_has_missed_an_event_gets_it_by_a_replay(shop: &Shop) {
    let id = fulfilled(shop, "missed").await;
    forget(shop, &id).await;
    let told = timeline(shop, &id).await;
    let waiting = &told["waiting"][0];
    assert_eq!((&waiting["service"], &waiting["type"]), (&json!("screening"), &json!("OrderCreated")), "{told}");

    let which = json!({ "service": "screening", "order": id });
    let mut dry = which.clone();
    dry["dryRun"] = json!(true);
    assert_eq!(shop.operations(Method::POST, "/operations/replays", Some(dry), 200).await, json!({ "total": 1 }));
    let told = shop.run_job("/operations/replays", &which).await;
    let [total, sent, handled, left] = ["total", "sent", "handled", "left"].map(|name| told[name].as_u64().unwrap());
    assert_eq!([total, sent, handled, left], [1, 1, 1, 0], "{told}");
    assert_eq!((told["by"].as_str(), told["state"].as_str()), (Some("operator"), Some("done")));
    waits_for_nobody(shop, &id).await;
    let told = shop.run_job("/operations/replays", &which).await;
    assert_eq!((told["sent"].as_u64(), told["handled"].as_u64()), (Some(0), Some(1)), "it is known: {told}");
}

pub(crate) async fn what_has_got_lost_is_found_and_healed(shop: &Shop) {
    let since = now();
    let id = fulfilled(shop, "lost").await;
    forget(shop, &id).await;
    // A row whose event never reaches the topic: the relay takes new rows that have events, and this one gets its later, once the
    // relay has long passed it.
    let reasons = json!([{ "code": "highAmount", "detail": "1250.00 EUR is 1000.00 EUR or more" }]);
    let flagged = event("OrderFlagged", "orderflow/screening", &id, json!({ "score": 80, "reasons": reasons }));
    let at = now();
    let cause = json!({ "source": "test", "id": "lost", "type": "Test" });
    let row = json!({ "pk": id, "sk": 1, "at": at, "cause": cause });
    shop.put_row("Screening", &row).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let update = shop.dynamodb.update_item().table_name(shop.output("ScreeningTableName"));
    let update = update.key("pk", AttributeValue::S(id.clone())).key("sk", AttributeValue::N("1".to_owned()));
    let update = update.update_expression("SET events = :events");
    let update = update.expression_attribute_values(":events", AttributeValue::S(json!([flagged]).to_string()));
    update.send().await.expect("it is changed");

    // Others are at work on the same stack: only this order counts.
    let what = json!({ "heal": true, "from": since, "olderThanSeconds": 0 });
    let found = async || {
        let told = shop.run_job("/operations/reconciliations", &what).await;
        let findings = told["findings"].as_array().unwrap().iter().filter(|finding| finding["orderId"] == id);
        findings
            .map(|finding| [finding["kind"].clone(), finding["service"].clone(), finding["healed"].clone()])
            .collect::<Vec<_>>()
    };
    let unpublished = [json!("unpublished"), json!("screening"), json!(true)];
    let seen = found().await;
    assert!(seen.contains(&unpublished), "{seen:?}");
    eventually("its event is in the journal", async || {
        let types: Vec<Value> = shop.journal(&id).await.iter().map(|event| event["type"].clone()).collect();
        if types.contains(&json!("OrderFlagged")) { Ok(()) } else { Err(json!(types)) }
    })
    .await;
    assert!(!found().await.contains(&unpublished), "what is healed is not found again");

    forget(shop, &id).await;
    let unhandled = [json!("unhandled"), json!("screening"), json!(true)];
    let seen = found().await;
    assert!(seen.contains(&unhandled), "{seen:?}");
    waits_for_nobody(shop, &id).await;
    assert!(!found().await.contains(&unhandled), "what is healed is not found again");
}
