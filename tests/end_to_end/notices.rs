//! Notices to the staff, and a partner's queue: what matches, and nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use orderflow_tests::{Channel, FULFILLED, PARTNER_ARN, Shop, eventually, order};
use serde_json::{Value, json};

/// Digests to the staff, which mention that order.
async fn digests(shop: &Shop, order: &str) -> Vec<String> {
    let mails = shop.messages(Channel::Email, order).await;
    mails.into_iter().filter(|mail| mail.contains("/console#/orders/")).collect()
}

pub(crate) async fn the_staff_is_told_once_of_what_matches_in_digests(shop: &Shop) {
    const CLOCK: &str = "NoticesFunctionName";
    shop.stock("noticed", 10).await;
    shop.stock("unnoticed", 10).await;
    // A rule begins with its first run: of what was before it tells nobody.
    shop.run_clock(CLOCK).await;
    eventually("the rules have begun", async || {
        let mut states = 0;
        for table in shop.tables("NoticesTable").await {
            states += shop.scan(&table).await.len();
        }
        if states == 2 { Ok(()) } else { Err(json!(shop.log_of("notices").await)) }
    })
    .await;
    let first = shop.order(&order("noticed", 1, "pm_card_visa")).await;
    let other = shop.order(&order("unnoticed", 1, "pm_card_visa")).await;
    for id in [&first, &other] {
        shop.wait_for(id, "shipped").await;
        shop.wait_for_types(id, &FULFILLED).await;
    }
    let told = |id: String| async move {
        eventually(&format!("the staff is told of {id}"), async || {
            shop.run_clock(CLOCK).await;
            let told = digests(shop, &id).await;
            if told.is_empty() { Err(json!(shop.log_of("notices").await)) } else { Ok(told) }
        })
        .await
    };
    let mail = told(first.clone()).await;
    assert!(mail[0].contains(&format!("/console#/orders/{first}")) && mail[0].contains("EUR"), "{mail:?}");
    assert!(!mail[0].contains("Ada") && !mail[0].contains("ada@"), "nobody is in it: {mail:?}");
    // The next digest is a minute later, and has what came meanwhile, at once.
    let (second, third) = (
        shop.order(&order("noticed", 1, "pm_card_visa")).await,
        shop.order(&order("noticed", 1, "pm_card_visa")).await,
    );
    for id in [&second, &third] {
        shop.wait_for_types(id, &FULFILLED).await;
    }
    let later = told(second.clone()).await;
    assert_eq!(later, digests(shop, &third).await, "both are in one digest");
    shop.run_clock(CLOCK).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    for id in [&first, &second, &third] {
        assert_eq!(digests(shop, id).await.len(), 1, "{id} is told of once");
    }
    assert!(digests(shop, &other).await.is_empty());
}

pub(crate) async fn a_partners_queue_gets_what_matches_and_nothing_else(shop: &Shop) {
    let name = PARTNER_ARN.rsplit(':').next().expect("its name");
    let queue = shop.sqs.create_queue().queue_name(name);
    // As its owner writes it: see docs/partner.yaml.
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": PARTNER_ARN,
        "Condition": {"ArnEquals": {"aws:SourceArn": shop.output("EventsTopicArn")}},
    }]});
    let queue = queue.attributes(QueueAttributeName::FifoQueue, "true");
    let queue = queue.attributes(QueueAttributeName::Policy, policy.to_string()).send().await.expect("a queue");
    let queue = queue.queue_url().expect("its URL");
    shop.stock("partnered", 10).await;
    shop.stock("unpartnered", 10).await;
    let wanted = shop.order(&order("partnered", 1, "pm_card_visa")).await;
    let other = shop.order(&order("unpartnered", 1, "pm_card_visa")).await;
    for id in [&wanted, &other] {
        shop.wait_for_types(id, &FULFILLED).await;
    }
    let (mut seen, mut gone) = (Vec::<Value>::new(), 0);
    // Until both are there, and then for some seconds more.
    while gone < 3 {
        let receive = shop.sqs.receive_message().queue_url(queue).max_number_of_messages(10).wait_time_seconds(2);
        let messages = receive.send().await.expect("an answer").messages.unwrap_or_default();
        gone = if messages.is_empty() { gone + 1 } else { 0 };
        for message in messages {
            seen.push(serde_json::from_str(message.body().expect("a body")).expect("an event, and nothing around it"));
            let handle = message.receipt_handle().expect("a handle");
            shop.sqs.delete_message().queue_url(queue).receipt_handle(handle).send().await.expect("it is deleted");
        }
    }
    let types: BTreeSet<(String, String)> = seen
        .iter()
        .map(|event| {
            (
                event["subject"].as_str().unwrap_or_default().to_owned(),
                event["type"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    assert_eq!(types, BTreeSet::from([(wanted.clone(), "OrderCreated".to_owned())]), "{seen:?}");
    let on_record = shop.journal(&wanted).await;
    assert!(seen.iter().all(|event| on_record.contains(event)), "they are as they are on record");
}
