//! Doors by which somebody could try to say something in a service's name.

use std::fmt::Debug;

use orderflow_tests::{Gap, INTAKE, Shop};
use serde_json::{Value, json};

use crate::{FULFILLED, event, order};

/// The charge that never was.
const FORGED: &str = "pay_forged";

pub(crate) async fn a_forged_payment_ships_nothing_whichever_way_it_comes(shop: &Shop) {
    shop.stock("forged", 5).await;
    // The provider fails for a while, so that the order waits for its payment.
    let id = shop.order(&order("forged", 1, "pm_sim_unavailable_7")).await;
    shop.wait_for(&id, "reserved").await;
    let amount = json!({ "amount": 1990, "currency": "EUR" });
    let forged = |source: &str| {
        let data = json!({ "paymentId": FORGED, "amount": amount });
        event("PaymentProcessed", source, &id, data)
    };
    let as_payment = forged("orderflow/payment").to_string();

    // The topic and the queue, for somebody whom the account lets do everything.
    if !shop.emulator.lacks(Gap::Denials) {
        let (sns, sqs) = shop.administrator().await;
        let publish = sns.publish().topic_arn(shop.output("EventsTopicArn")).message(&as_payment);
        check_denied(publish.message_group_id(&id).message_deduplication_id("1").send().await);
        for service in ["Shipping", "Orders", INTAKE] {
            check_denied(sqs.send_message().queue_url(shop.queue(service)).message_body(&as_payment).send().await);
        }
        let in_a_batch = sqs_entry("1", &as_payment);
        let batch = sqs.send_message_batch().queue_url(shop.queue("Shipping")).entries(in_a_batch);
        check_denied(batch.send().await);
    }

    // Another service's table, whose relay speaks for that service alone.
    let row = json!({ "pk": id, "sk": 7_000, "events": json!([forged("orderflow/payment")]).to_string() });
    shop.put_row("Screening", &row).await;
    let letter = shop.take_relay_letter("Screening", FORGED).await;
    assert!(letter.field("reason").starts_with("an event is from orderflow/payment"), "{letter:?}");

    // The intake, which takes orders of others only, and the services, which know whose event it is.
    for forged in [forged("orderflow/payment"), forged("https://shop.example/web")].map(|event| event.to_string()) {
        shop.publish_text(&forged).await;
        let letter = shop.take_letter(INTAKE, &forged).await;
        assert_eq!(letter.field("class"), "permanent", "{letter:?}");
    }
    let as_screening = forged("orderflow/screening").to_string();
    shop.send("Shipping", &as_screening).await;
    let letter = shop.take_letter("Shipping", &as_screening).await;
    assert_eq!(letter.field("class"), "permanent", "{letter:?}");

    let order = shop.wait_for(&id, "shipped").await;
    assert_ne!(order["payment"]["paymentId"], FORGED, "{order}");
    shop.wait_for_types(&id, &FULFILLED).await;
    let way = shop.way(&id).await;
    assert!(!Value::from(way).to_string().contains(FORGED), "it is a fact now");
}

fn sqs_entry(id: &str, body: &str) -> aws_sdk_sqs::types::SendMessageBatchRequestEntry {
    let entry = aws_sdk_sqs::types::SendMessageBatchRequestEntry::builder().id(id).message_body(body);
    entry.build().expect("an entry")
}

#[track_caller]
fn check_denied<T: Debug, E: Debug>(answer: Result<T, E>) {
    let answer = format!("{:?}", answer.expect_err("it is not denied"));
    assert!(["AccessDenied", "AuthorizationError"].iter().any(|code| answer.contains(code)), "{answer}");
}
