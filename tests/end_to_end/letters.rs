//! Dead letters: seen, sent back, mended, dropped, by the operations API.

use aws_sdk_sqs::types::MessageAttributeValue;
use orderflow_local::Reply;
use orderflow_tests::{Letter, Shop, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{FULFILLED, event, foreign_order};

/// Number of messages that a fault parks.
const MANY: usize = 12;

/// A payment of an order that nobody knows.
fn paid(order: &str) -> String {
    let data = json!({ "paymentId": "pay_letters1", "amount": { "amount": 1490, "currency": "EUR" } });
    event("PaymentProcessed", "orderflow/payment", order, data).to_string()
}

/// Parks the creation of each of these orders in screening, as a fault that has passed since would have.
pub(crate) async fn park(shop: &Shop, fault: &str, orders: &[String]) {
    let text = |value: &str| {
        let attribute = MessageAttributeValue::builder().data_type("String").string_value(value);
        attribute.build().expect("an attribute")
    };
    for (index, order) in orders.iter().enumerate() {
        let mut created = foreign_order(order, "letters");
        created["source"] = json!("orderflow/orders");
        let body = created.to_string();
        let send = shop.sqs.send_message().queue_url(shop.dead_letters("Screening")).message_body(&body);
        let send = send
            .message_attributes("failure-class", text("exhausted"))
            .message_attributes("failure-reason", text(&format!("{fault} of {order}, attempt {index}")))
            .message_attributes("failed-at", text(&format!("2026-01-01T00:00:{index:02}.000Z")))
            .message_attributes("failed-function", text("a-test"));
        send.send().await.expect("it is sent");
    }
}

async fn about(shop: &Shop, order: &str) -> Value {
    let path = format!("/operations/letters?order={order}");
    let page = shop.operations(Method::GET, &path, None, 200).await;
    page["letters"].clone()
}

async fn state_of(shop: &Shop, order: &str) -> String {
    about(shop, order).await[0]["state"].as_str().unwrap_or_default().to_owned()
}

pub(crate) async fn a_fault_that_has_parked_many_is_mended_by_a_ramp(shop: &Shop) {
    let orders: Vec<String> = (0..MANY).map(|number| format!("web-ramp-{number}")).collect();
    park(shop, "the fault", &orders).await;
    let group = eventually("the fault is one group", async || {
        let groups = shop.operations(Method::GET, "/operations/groups", None, 200).await;
        let mut groups = groups["groups"].as_array().cloned().unwrap_or_default();
        groups.retain(|group| group["reason"] == "the fault of …, attempt …");
        match &groups[..] {
            [group] if group["count"] == MANY => Ok(group.clone()),
            other => Err(json!(other)),
        }
    })
    .await;
    assert_eq!((&group["service"], &group["class"]), (&json!("screening"), &json!("exhausted")), "{group}");
    assert_eq!((&group["type"], &group["oldest"]), (&json!("OrderCreated"), &json!("2026-01-01T00:00:00.000Z")));

    let which = json!({ "service": "screening", "class": "exhausted", "reason": group["reason"], "ramp": true });
    let mut dry = which.clone();
    dry["dryRun"] = json!(true);
    let told = shop.operations(Method::POST, "/operations/redrives", Some(dry), 200).await;
    assert_eq!(told, json!({ "total": MANY }));
    assert_eq!(state_of(shop, &orders[0]).await, "waiting", "a dry run does nothing");

    let redrive = shop.start_redrive(&which).await;
    let told = shop.wait_for_redrive(&redrive, |told| told["state"] == "done").await;
    let [total, sent, handled, left] = ["total", "sent", "handled", "left"].map(|name| told[name].as_u64().unwrap());
    assert_eq!([total, sent, handled, left], [MANY as u64, MANY as u64, MANY as u64, 0], "{told}");
    assert_eq!(told["by"], "operator");
    for order in &orders {
        let letter = shop.letter(about(shop, order).await[0]["id"].as_str().unwrap()).await;
        assert_eq!(letter.field("state"), "handled");
        assert_eq!(letter.history(), ["parked", "sent", "handled"]);
        assert_eq!(letter.why().last().map(String::as_str), Some("row 1"), "its fate is told by the row");
    }
}

pub(crate) async fn a_ramp_stops_at_the_first_relapse(shop: &Shop) {
    // What is no event of any order is parked again at once.
    let bodies: Vec<String> = (0..5).map(|number| format!("relapse {number} of web-relapse")).collect();
    for body in &bodies {
        shop.send("Payment", body).await;
    }
    let mut ids = Vec::new();
    for body in &bodies {
        ids.push(shop.wait_for_letter("Payment", body).await.id().to_owned());
    }
    let redrive = shop.start_redrive(&json!({ "letters": ids, "ramp": true, "ratePerSecond": 50 })).await;
    let told = shop.wait_for_redrive(&redrive, |told| told["state"] != "running").await;
    let [sent, again, left] = ["sent", "parkedAgain", "left"].map(|name| told[name].as_u64().unwrap());
    assert_eq!((told["state"].as_str(), sent, again, left), (Some("relapsed"), 1, 1, 4), "{told}");
    for body in &bodies {
        shop.take_letter("Payment", body).await;
    }
}

pub(crate) async fn a_broken_letter_is_mended_and_of_two_editors_one_wins(shop: &Shop) {
    shop.stock("mend", 5).await;
    let order = foreign_order("web-mend", "mend");
    let mut broken = order.clone();
    broken["data"]["lines"][0]["quantity"] = json!("one");
    shop.publish(&broken).await;
    let letter = shop.wait_for_letter("Intake", &broken.to_string()).await;
    let path = format!("/operations/letters/{}", letter.id());
    let api = shop.api_as("ada", "operations");
    let tag = Reply::to(api.request(Method::GET, &path)).await.unwrap().header("etag").unwrap().to_owned();
    let edit = async |body: &Value, tag: &str| {
        let request = api.request(Method::PUT, &path).header("If-Match", tag);
        Reply::to(request.json(&json!({ "body": body.to_string(), "why": "a quantity is a number" }))).await.unwrap()
    };

    let refused = edit(&broken, &tag).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert_eq!(refused.body["errors"][0]["pointer"], "/data/lines/0/quantity", "{}", refused.body);
    let (one, other) = tokio::join!(edit(&order, &tag), edit(&order, &tag));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412], "{} {}", one.body, other.body);

    let edited = shop.letter(letter.id()).await;
    let body: Value = serde_json::from_str(edited.body()).unwrap();
    assert_ne!(body["id"], order["id"], "another body is another event");
    assert_eq!(body["editedfrom"], order["id"]);
    assert_eq!(edited.history(), ["parked", "edited"]);
    assert_eq!(edited.earlier(), [broken.to_string()], "both versions are kept");

    shop.start_redrive(&json!({ "letters": [letter.id()] })).await;
    shop.wait_for("web-mend", "shipped").await;
    shop.wait_for_types("web-mend", &FULFILLED).await;
    eventually("it is handled", async || {
        let letter = shop.letter(letter.id()).await;
        if letter.field("state") == "handled" { Ok(()) } else { Err(json!(letter.history())) }
    })
    .await;
}

pub(crate) async fn a_dropped_letter_stays_readable_and_others_are_kept_out(shop: &Shop) {
    shop.send("Inventory", "to be dropped").await;
    let letter = shop.wait_for_letter("Inventory", "to be dropped").await;
    let path = format!("/operations/letters/{}", letter.id());
    for (method, path) in [
        (Method::GET, path.as_str()),
        (Method::DELETE, &path),
        (Method::GET, "/operations/groups"),
        (Method::POST, "/operations/redrives"),
    ] {
        let api = shop.api_as("mallory", "orders:any stock:write");
        let reply = Reply::to(api.request(method.clone(), path).json(&json!({ "why": "mine" }))).await.unwrap();
        assert_eq!(reply.status, 403, "{method} {path}: {}", reply.body);
        let reply = Reply::to(api.without_token().request(method.clone(), path)).await.unwrap();
        assert_eq!(reply.status, 401, "{method} {path}: {}", reply.body);
    }
    shop.drop_letter(&letter).await;
    shop.drop_letter(&letter).await;
    let dropped = shop.letter(letter.id()).await;
    assert_eq!((dropped.field("state"), dropped.body()), ("dropped", "to be dropped"));
    assert_eq!(dropped.history(), ["parked", "dropped"]);
    assert_eq!(dropped.why().last().map(String::as_str), Some("a test has it"));
    shop.operations(Method::POST, "/operations/redrives", Some(json!({ "letters": [letter.id()] })), 422).await;
}

pub(crate) async fn copies_of_one_message_are_one_letter(shop: &Shop) {
    let body = paid("web-copies");
    for _ in 0..3 {
        let send = shop.sqs.send_message().queue_url(shop.dead_letters("Journal")).message_body(&body);
        send.send().await.expect("it is sent");
    }
    eventually("all are collected", async || match shop.letters("Journal").await {
        0 => Ok(()),
        left => Err(json!(left)),
    })
    .await;
    let letters: Vec<Letter> = shop.letters_about("Journal", &["web-copies"]).await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!((letters[0].field("class"), letters[0].field("type")), ("none", "PaymentProcessed"));
    shop.drop_letter(&letters[0]).await;
}
