//! Event patterns, beside the filter policies of SNS: what one of them lets through, the other does.

use std::sync::Arc;

use aws_sdk_sns::types::PublishBatchRequestEntry;
use envelope::{Pattern, parse};
use fastrand::Rng;
use libtest_mimic::Trial;
use serde_json::{Map, Value, json};

use crate::aws::{Aws, receive, unique};

/// Patterns at random, each the filter of a queue.
const PATTERNS: usize = 40;

/// Batches of ten documents at random.
const BATCHES: usize = 6;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    let aws = Arc::clone(aws);
    vec![crate::suite::trial("aws", "a_pattern_lets_through_what_a_filter_policy_does", async move || {
        a_pattern_lets_through_what_a_filter_policy_does(&aws).await;
    })]
}

async fn a_pattern_lets_through_what_a_filter_policy_does(aws: &Aws) {
    let (sns, (_, sqs), mut random) =
        (aws_sdk_sns::Client::new(&aws.stack().sdk_config()), aws.clients(), Rng::with_seed(7));
    let topic = sns.create_topic().name(unique()).send().await.expect("a topic").topic_arn.expect("its ARN");
    let mut filtered = Vec::new();
    for _ in 0..PATTERNS {
        let (queue, policy) = (aws.queue().await, pattern(&mut random, 2));
        let subscribe = sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(aws.allow(&topic, &queue).await);
        let subscribe =
            subscribe.attributes("RawMessageDelivery", "true").attributes("FilterPolicyScope", "MessageBody");
        subscribe.attributes("FilterPolicy", policy.to_string()).send().await.expect("a subscription");
        filtered.push((queue, policy));
    }
    // The number tells documents apart that are the same otherwise.
    let documents: Vec<Value> = (0..10 * BATCHES)
        .map(|number| {
            let mut document = document(&mut random);
            document["number"] = json!(number);
            document
        })
        .collect();
    for batch in documents.chunks(10) {
        let entries = batch.iter().map(|document| {
            let entry = PublishBatchRequestEntry::builder().id(document["number"].to_string());
            entry.message(document.to_string()).build().unwrap()
        });
        sns.publish_batch()
            .topic_arn(&topic)
            .set_publish_batch_request_entries(Some(entries.collect()))
            .send()
            .await
            .unwrap();
    }
    let mut passed = 0;
    for (queue, policy) in filtered {
        let pattern: Pattern = parse(&policy).unwrap_or_else(|faults| panic!("{policy}: {faults}"));
        let expected: Vec<String> =
            documents.iter().filter(|document| pattern.matches(document)).map(ToString::to_string).collect();
        let mut arrived: Vec<String> =
            receive(&sqs, &queue).await.into_iter().filter_map(|message| message.body).collect();
        arrived.sort_by_key(|text| documents.iter().position(|document| document.to_string() == *text));
        assert_eq!(arrived, expected, "{policy}");
        passed += arrived.len();
    }
    let all = PATTERNS * documents.len();
    assert!(passed > all / 10 && passed < all * 9 / 10, "{passed} of {all}: it says little");
}

fn one<T: Clone>(random: &mut Rng, of: &[T]) -> T {
    of[random.usize(..of.len())].clone()
}

fn word(random: &mut Rng) -> String {
    (0..random.usize(1..3)).map(|_| one(random, &['a', 'b', 'A'])).collect()
}

/// A text is never empty, a number or a word of JSON, for of these the emulator makes what they look like.
fn scalar(random: &mut Rng) -> Value {
    match random.u8(..4) {
        0 => json!(random.i64(-2..3)),
        1 => one(random, &[json!(0.5), json!(1.0), json!(true), json!(false)]),
        _ => json!(word(random)),
    }
}

/// Texts in `t`, anything but objects in `x` and `y`, an object in `z`: so it is in every document.
fn document(random: &mut Rng) -> Value {
    let mut fields = Map::from_iter([("t".to_owned(), json!(word(random)))]);
    for name in ["x", "y"] {
        match random.u8(..4) {
            0 => {}
            1 => drop(fields.insert(name.to_owned(), json!([scalar(random), scalar(random)]))),
            _ => drop(fields.insert(name.to_owned(), scalar(random))),
        }
    }
    let inner = json!({ "t": word(random), "x": scalar(random), "z": { "t": word(random), "y": scalar(random) } });
    fields.insert("z".to_owned(), inner);
    fields.into()
}

fn shape(random: &mut Rng) -> Value {
    match random.u8(..4) {
        0 => json!({ "wildcard": format!("{}*{}", word(random), one(random, &["", "a", "b"])) }),
        _ => json!({ one(random, &["prefix", "suffix", "equals-ignore-case"]): word(random) }),
    }
}

fn test(random: &mut Rng, name: &str) -> Value {
    match random.u8(..7) {
        0 => json!({ "exists": random.bool() }),
        1 => json!({ "numeric": [one(random, &["=", ">", ">=", "<", "<="]), random.i64(-2..3)] }),
        2 => json!({ "numeric": [">", random.i64(-3..1), "<=", random.i64(0..3)] }),
        3 => json!({ "anything-but": [scalar(random), scalar(random)] }),
        // What is no text is not said to be anything but a prefix, by SNS.
        4 if name == "t" => json!({ "anything-but": shape(random) }),
        4 | 5 => shape(random),
        _ => scalar(random),
    }
}

fn pattern(random: &mut Rng, depth: usize) -> Value {
    let mut fields = Map::new();
    for name in ["t", "x", "y"] {
        if random.u8(..3) == 0 {
            let tests: Vec<_> = (0..random.usize(1..3)).map(|_| test(random, name)).collect();
            fields.insert(name.to_owned(), tests.into());
        }
    }
    if depth > 0 && random.u8(..3) == 0 {
        fields.insert("z".to_owned(), pattern(random, depth - 1));
    }
    if depth > 0 && random.u8(..4) == 0 {
        fields.insert("$or".to_owned(), json!([pattern(random, depth - 1), pattern(random, depth - 1)]));
    }
    if fields.is_empty() {
        fields.insert("t".to_owned(), json!([shape(random)]));
    }
    fields.into()
}
