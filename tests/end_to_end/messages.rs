//! Messages as they should not be, and what becomes of those behind them.

use std::collections::HashMap;

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::MessageAttributeValue;
use data_encoding::BASE64;
use orderflow_tests::{Channel, Gap, INTAKE, Letter, SERVICES, Service, Shop};
use serde_json::{Value, json};

use crate::{FULFILLED, event, foreign_order, order};

pub(crate) async fn an_event_in_an_sns_envelope_counts(shop: &Shop) {
    shop.stock("wrapped", 5).await;
    let event = foreign_order("web-18", "wrapped");
    let envelope = json!({ "Type": "Notification", "MessageId": "1", "TopicArn": "t", "Message": event.to_string() });
    shop.send(INTAKE, &envelope.to_string()).await;
    shop.wait_for("web-18", "shipped").await;
}

pub(crate) async fn poison_is_parked_in_each_queue_and_holds_nothing_up(shop: &Shop) {
    shop.stock("poison", 5).await;
    for service in SERVICES.iter().copied() {
        shop.send(service, "this is no event").await;
    }
    shop.publish(&foreign_order("web-19", "poison")).await;
    shop.wait_for("web-19", "shipped").await;
    for service in SERVICES.iter().copied() {
        let letter = shop.take_letter(service, "this is no event").await;
        check_letter(shop, service, &letter, "permanent", "not JSON");
    }
}

pub(crate) async fn a_duplicate_of_every_event_in_every_queue_changes_nothing(shop: &Shop) {
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
            for service in SERVICES.iter().copied() {
                shop.send(service, &event.to_string()).await;
            }
        }
    }
    shop.quiet().await;
    assert_eq!(seen().await, before);
    assert_eq!(shop.shelf("twice").await, [9, 0, 9]);
    // A duplicate is handled, not parked.
    for service in SERVICES.iter().copied() {
        let letters = shop.letters_about(service, &[&shipped, &declined]).await;
        assert!(letters.is_empty(), "{service}: {letters:?}");
    }
}

/// The letter says what went wrong where and when, and has no attribute that its message had not.
fn check_letter(shop: &Shop, service: Service, letter: &Letter, class: &str, reason: &str) {
    assert_eq!(letter.attributes(), HashMap::new(), "{service}: {reason}");
    assert_eq!(letter.field("class"), class, "{service}: {reason}");
    let said = letter.field("reason");
    assert!(said.starts_with(reason), "{service}: {reason}: {said}");
    assert_eq!(letter.field("function"), shop.output(&format!("{service}FunctionName")));
    assert!(letter.field("failedAt").ends_with('Z'), "{service}: {reason}: {}", letter.field("failedAt"));
}

/// An `OrderCreated` with one fault.
fn spoiled(pointer: &str, value: Value) -> String {
    let mut event = foreign_order("web-bad", "bad");
    *event.pointer_mut(pointer).expect("a place in the event") = value;
    event.to_string()
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

pub(crate) async fn a_bad_message_is_parked_with_its_reason(shop: &Shop) {
    let line = foreign_order("web-bad", "bad")["data"]["lines"][0].clone();
    let cancelled = |source| event("OrderCancelled", source, "web-bad", json!({ "reason": "outOfStock" })).to_string();
    let mut bad = vec![
        ("half of it", spoiled("/type", json!("x"))[..200].to_owned(), "not JSON: EOF"),
        ("no text of JSON", "\u{1F4E6} <order/>".to_owned(), "not JSON: expected value"),
        ("200 KB of junk", "junk ".repeat(40_000), "not JSON: expected value"),
        ("nested", nested(1_000), "not JSON: recursion limit exceeded"),
        ("a list", "[\"bad\"]".to_owned(), "not a CloudEvent: the document must be an object"),
        ("no CloudEvent", r#"{"bad":1}"#.to_owned(), "not a CloudEvent: /specversion is required; /id is required;"),
        ("CloudEvents 2", spoiled("/specversion", json!("2.0")), "not a CloudEvent: /specversion must be \"1.0\""),
        ("an id", spoiled("/id", json!("")), "not a CloudEvent: /id must be 1 to 128 characters"),
        ("a subject", spoiled("/subject", json!("")), "not a CloudEvent: /subject must be 1 to 1024 characters"),
        ("an unknown type", spoiled("/type", json!("OrderTeleported")), "unknown event type OrderTeleported"),
        (
            "a later version",
            spoiled("/dataschema", json!("urn:orderflow:OrderCreated:4")),
            "version 4 of OrderCreated is later than 3, the newest that this consumer knows: upgrade it",
        ),
        (
            "another schema",
            spoiled("/dataschema", json!("urn:shop:order")),
            "unknown schema urn:shop:order of OrderCreated: the newest is urn:orderflow:OrderCreated:3",
        ),
        ("no data", spoiled("/data", json!([])), "data is invalid: the document must be an object"),
        ("a missing field", spoiled("/data/total", json!(null)), "data is invalid: /total is required"),
        (
            "a text for a number",
            spoiled("/data/lines/0/quantity", json!("1")),
            "data is invalid: /lines/0/quantity must be a whole number from 1 to 9999",
        ),
        ("no lines", spoiled("/data/lines", json!([])), "data is invalid: /lines must have 1 to 50 items"),
        ("51 lines", spoiled("/data/lines", json!(vec![line; 51])), "data is invalid: /lines must have 1 to 50 items"),
        ("a quantity", spoiled("/data/lines/0/quantity", json!(10_000)), "data is invalid: /lines/0/quantity must"),
        ("a total", spoiled("/data/total/amount", json!(100_000_000)), "data is invalid: /total/amount must"),
        ("a name", spoiled("/data/shippingAddress/name", json!("x".repeat(201))), "data is invalid: /shippingAddress"),
        ("an address", spoiled("/data/customer/email", json!("x".repeat(255))), "data is invalid: /customer/email"),
        (
            "a currency",
            spoiled("/data/total/currency", json!("USD")),
            "data is invalid: /total must have the currency of the lines",
        ),
        (
            "another's source",
            cancelled("https://shop.example/web"),
            "OrderCancelled does not count from source https://shop.example/web",
        ),
        (
            "a sister's source",
            cancelled("orderflow/payment"),
            "OrderCancelled does not count from source orderflow/payment",
        ),
        ("another order", spoiled("/data/orderId", json!("web-other")), "subject is not data.orderId"),
    ];
    if !shop.emulator.lacks(Gap::DeepNesting) {
        bad.push(("nested deeply", nested(10_000), "not JSON: recursion limit exceeded"));
    }
    for (_, body, _) in &bad {
        shop.send("Payment", body).await;
    }
    let bodies: Vec<&str> = bad.iter().map(|(_, body, _)| body.as_str()).collect();
    let letters = shop.take_letters("Payment", &bodies).await;
    for ((_, _, reason), letter) in bad.iter().zip(letters) {
        check_letter(shop, "Payment", &letter, "permanent", reason);
    }
}

/// So many attributes of all types.
fn attributes(count: usize) -> HashMap<String, MessageAttributeValue> {
    let attribute = |index: usize| {
        let builder = MessageAttributeValue::builder();
        let builder = match index % 3 {
            0 => builder.data_type("String").string_value(format!("text {index}")),
            1 => builder.data_type("Number.int").string_value(index.to_string()),
            _ => builder.data_type("Binary.png").binary_value(Blob::new([0, 0xff, 0x80])),
        };
        (format!("attribute-{index}"), builder.build().expect("an attribute"))
    };
    (0..count).map(attribute).collect()
}

pub(crate) async fn a_message_with_many_attributes_keeps_them_all(shop: &Shop) {
    for count in [6, 7, 9, 10] {
        let (body, sent) = (format!("a message with {count} attributes"), attributes(count));
        shop.send_with("Shipping", &body, sent.clone()).await;
        // A message that the operator sends back is parked again with no more and no less.
        shop.redrive("Shipping", &body).await;
        let letter = shop.take_letter("Shipping", &body).await;
        assert_eq!(letter.field("class"), "permanent", "{count}");
        assert!(letter.field("reason").starts_with("not JSON"), "{count}: {}", letter.field("reason"));
        let shown = |attribute: &MessageAttributeValue| match attribute.binary_value() {
            Some(bytes) => BASE64.encode(bytes.as_ref()),
            None => attribute.string_value().unwrap_or_default().to_owned(),
        };
        let sent: HashMap<String, String> = sent.iter().map(|(name, value)| (name.clone(), shown(value))).collect();
        assert_eq!(letter.attributes(), sent, "{count}");
        assert_eq!(letter.history(), ["parked", "sent", "parkedAgain"], "{count}");
    }
}

pub(crate) async fn a_letter_that_is_redriven_can_be_parked_again(shop: &Shop) {
    let body = "it stays what it is";
    shop.send("Inventory", body).await;
    // All of it well within the five minutes in which SQS takes a message for a repetition of another.
    let mut letters = Vec::new();
    for _ in 0..3 {
        letters.push(shop.redrive("Inventory", body).await);
    }
    letters.push(shop.take_letter("Inventory", body).await);
    for letter in &letters {
        check_letter(shop, "Inventory", letter, "permanent", "not JSON");
    }
    assert!(letters.is_sorted_by(|before, after| before.parked_at() < after.parked_at()), "{letters:?}");
    assert!(letters.iter().all(|letter| letter.id() == letters[0].id()), "they are one letter: {letters:?}");
}

pub(crate) async fn a_second_order_created_is_parked_at_the_intake(shop: &Shop) {
    shop.stock("second", 5).await;
    let (first, second) = (foreign_order("web-20", "second"), foreign_order("web-20", "second"));
    shop.publish(&first).await;
    shop.wait_for("web-20", "shipped").await;
    shop.publish(&second).await;
    let letter = shop.take_letter(INTAKE, &second.to_string()).await;
    check_letter(shop, INTAKE, &letter, "permanent", "the subject was begun by another OrderCreated");
    shop.wait_for_types("web-20", &FULFILLED).await;
    shop.wait_for_shelf("second", [4, 0, 4]).await;
}

pub(crate) async fn an_unknown_type_is_kept_by_the_journal(shop: &Shop) {
    let unknown = event("OrderTeleported", "https://shop.example/web", "web-21", json!({ "to": "Alpha Centauri" }));
    let mut later = foreign_order("web-21", "later");
    later["dataschema"] = json!("urn:orderflow:OrderCreated:4");
    shop.publish_fact(&unknown).await;
    shop.send("Journal", &later.to_string()).await;
    shop.wait_for_types("web-21", &["OrderCreated", "OrderTeleported"]).await;
    let mut kept = shop.journal("web-21").await;
    kept.sort_by_key(|event| event["type"].to_string());
    assert_eq!(kept, [later, unknown]);
}

pub(crate) async fn an_event_that_stays_too_early_is_parked_as_exhausted(shop: &Shop) {
    let data = json!({ "paymentId": "pay_early1", "amount": { "amount": 1490, "currency": "EUR" } });
    let early = event("PaymentProcessed", "orderflow/payment", "web-22", data).to_string();
    shop.send("Shipping", &early).await;
    let letter = shop.take_letter("Shipping", &early).await;
    check_letter(shop, "Shipping", &letter, "exhausted", "too early: ");
}
