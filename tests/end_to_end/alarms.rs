//! Alarms as they are deployed: each is crossed by what AWS, or a function, publishes of its fault, and somebody hears it.
//!
//! An emulator makes no metrics, neither of its own services nor of what functions log. So they are published here. What can be measured
//! is, after there was the fault: orders that are late and dead letters are in a function's log, and how deep a queue is the queue tells.
//! Of the others it is a number past the threshold.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use orderflow_tests::{
    Alarm, Datum, Gap, JOBS, Letter, OPEN_ORDERS, Shop, chromium, eventually, node_packages, queues,
};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::letters::park;
use crate::operations::{an_hour_ago, begin_at, close};

/// Services with a stream.
fn publishing() -> impl Iterator<Item = &'static orderflow_registry::Service> {
    orderflow_registry::SERVICES.iter().filter(|service| !service.sends().is_empty())
}

pub(crate) async fn each_is_crossed_by_its_fault_and_heard(shop: &Shop) {
    if shop.emulator.lacks(Gap::Alarms) {
        return;
    }
    let alarms = shop.alarms().await;
    let on_call = shop.on_call().await;
    let (stack, mut faults) = (shop.name(), faults(shop).await);
    let real = real_faults(shop).await;
    faults.extend(real.measured.iter().map(|(alarm, datum)| ((*alarm).to_owned(), datum.clone())));
    let name = |alarm: &str| format!("{stack}-{alarm}");
    for (alarm, datum) in &faults {
        let crossed = |datum: &Datum| {
            let crossed = alarms.iter().filter(|alarm| alarm.is_crossed_by(datum));
            crossed.map(|alarm| alarm.alarm_name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(crossed(datum), [name(alarm)], "{datum:?}");
        let threshold = threshold(&alarms, &name(alarm));
        assert_eq!(crossed(&datum.with(threshold)), [""; 0], "{alarm}: as much as may be is no fault");
    }
    // What nobody publishes any more no emulator misses.
    let (silent, watched): (Vec<_>, Vec<_>) = alarms.iter().partition(|alarm| alarm.alarm_name.ends_with("-silent"));
    let names: BTreeSet<String> = faults.keys().map(|alarm| name(alarm)).collect();
    assert_eq!(names, watched.iter().map(|alarm| alarm.alarm_name.clone()).collect(), "each alarm has its fault");
    assert_eq!(silent.len(), 2);
    let early: Vec<_> = watched.iter().filter(|alarm| alarm.state_value == "ALARM").collect();
    assert!(early.is_empty(), "nothing was published yet: {early:?}");

    for datum in faults.values() {
        shop.put_metric(datum).await;
    }
    for (name, told) in on_call.hears(&names).await {
        let description = told["AlarmDescription"].as_str().unwrap_or_default();
        assert!(description.contains("docs/RUNBOOK.md#"), "{name} says {description:?}");
    }
    real.end(shop).await;
}

/// Queues that nobody reads, by the outputs that name them, each with the alarm for a message in it.
const UNREAD: [(&str, &str); 2] =
    [("partner-undeliverable", "PartnerUndeliverableQueueUrl"), ("uncollected-letters", "LettersDlqUrl")];

/// The message that is left in each of them.
const LEFT: &str = "an alarm is to tell of what is left";

/// Faults that the stack itself counts, or that were left in a queue, and what was measured of them, by the alarm that it is to cross.
struct RealFaults {
    measured: BTreeMap<&'static str, Datum>,
    letters: [Letter; 2],
    open: [String; 2],
}

/// A message that nobody can read, one that is a dead letter since long ago, orders that are late and forgotten, and what is left in queues.
async fn real_faults(shop: &Shop) -> RealFaults {
    let body = "<an alarm is to tell of it/>";
    shop.send("Payment", body).await;
    let unreadable = shop.wait_for_letter("Payment", body).await;
    park(shop, &["web-alarm".to_owned()], "an outage of long ago").await;
    let old = eventually("the old letter is collected", async || {
        let letters = shop.open_letters("Screening").await;
        letters.into_iter().find(|letter| letter.body().contains("web-alarm")).ok_or(json!("it is not there"))
    })
    .await;
    let open = ["late", "forgotten"].map(|name| format!("web-alarm-{name}"));
    begin_at(shop, &open[0], &an_hour_ago()).await;
    begin_at(shop, &open[1], "2026-01-01T00:00:00.000Z").await;
    let permanent = [("Service", "payment"), ("Class", "permanent")];
    let mut measured = BTreeMap::new();
    for (alarm, function, name, dimensions, above) in [
        ("payment-permanent-letters", JOBS, "LettersWaiting", &permanent[..], 0.0),
        ("old-letter", JOBS, "OldestLetterShare", &[], 0.5),
        ("late-orders", OPEN_ORDERS, "LateOrders", &[], 0.0),
        ("forgotten-order", OPEN_ORDERS, "OldestOpenOrderSeconds", &[], 86_400.0),
    ] {
        let series = Datum::new(shop.name(), name, dimensions, 0.0);
        measured.insert(alarm, shop.counted(function, &series, |value| value > above).await);
    }
    for (alarm, queue) in UNREAD {
        let url = shop.output(queue);
        leave(shop, url).await;
        let depth = eventually(&format!("{queue} tells of its message"), async || {
            let depth = shop.depth(url).await;
            if depth.values.iter().all(|count| *count > 0.0) { Ok(depth) } else { Err(json!(depth.values)) }
        })
        .await;
        measured.insert(alarm, depth);
    }
    RealFaults { measured, letters: [unreadable, old], open }
}

impl RealFaults {
    /// Ends them, so that nobody else finds them.
    async fn end(self, shop: &Shop) {
        for letter in &self.letters {
            shop.drop_letter(letter).await;
        }
        for order in &self.open {
            close(shop, order).await;
        }
        for (_, queue) in UNREAD {
            shop.take_messages(shop.output(queue), &[LEFT]).await;
        }
    }
}

/// Leaves a message in a queue, as SNS and Lambda do with what they cannot deliver.
async fn leave(shop: &Shop, url: &str) {
    let mut send = shop.sqs.send_message().queue_url(url).message_body(LEFT);
    if url.rsplit('.').next() == Some("fifo") {
        send = send.message_group_id("alarms").message_deduplication_id("alarms");
    }
    send.send().await.expect("it is sent");
}

fn threshold(alarms: &[Alarm], name: &str) -> f64 {
    alarms.iter().find(|alarm| alarm.alarm_name == name).unwrap_or_else(|| panic!("no alarm {name}")).threshold
}

/// Metrics that are published of the faults that no emulator measures, by the name of the alarm for it without its stack's.
async fn faults(shop: &Shop) -> BTreeMap<String, Datum> {
    let stack = shop.name();
    let of_api = [("ApiName", stack), ("Stage", "dev")];
    let bucket = [("BucketName", shop.output("DiscardedBucketName")), ("StorageType", "AllStorageTypes")];
    let faults = [
        ("jobs-errors", Datum::new("AWS/Lambda", "Errors", &[("FunctionName", shop.output("JobsFunctionName"))], 1.0)),
        (
            "webhooks-errors",
            Datum::new("AWS/Lambda", "Errors", &[("FunctionName", shop.output("WebhooksFunctionName"))], 1.0),
        ),
        (
            "webhooks-send-errors",
            Datum::new("AWS/Lambda", "Errors", &[("FunctionName", shop.output("WebhooksSendFunctionName"))], 1.0),
        ),
        (
            "notices-errors",
            Datum::new("AWS/Lambda", "Errors", &[("FunctionName", shop.output("NoticesFunctionName"))], 1.0),
        ),
        ("discarded-rows", Datum::new("AWS/S3", "NumberOfObjects", &bucket, 1.0)),
        ("api-errors", Datum::new("AWS/ApiGateway", "5XXError", &of_api, 1.0)),
        ("api-latency", Datum::new("AWS/ApiGateway", "Latency", &of_api, 2_500.0)),
        ("throttles", Datum::new("AWS/Lambda", "Throttles", &[], 1.0)),
        ("bounces", Datum::new("AWS/SES", "Reputation.BounceRate", &[], 0.05)),
        ("complaints", Datum::new("AWS/SES", "Reputation.ComplaintRate", &[], 0.001)),
        ("mail-quota", Datum::new("AWS/SES", "Send", &[], 200.0)),
        ("sms-spend", Datum::new("AWS/SNS", "SMSMonthToDateSpentUSD", &[], 1.0)),
    ];
    let mut all: BTreeMap<String, Datum> = faults.map(|(alarm, datum)| (alarm.to_owned(), datum)).into();
    for id in queues() {
        let service = id.to_lowercase();
        let mut add = |alarm: &str, datum| all.insert(format!("{service}-{alarm}"), datum);
        let queue = [("QueueName", name_of(shop.queue(id)))];
        add("lag", Datum::new("AWS/SQS", "ApproximateAgeOfOldestMessage", &queue, 1_900.0));
        add("in-flight", Datum::new("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", &queue, 90_000.0));
        let errors = |function: &str| Datum::new("AWS/Lambda", "Errors", &[("FunctionName", function)], 1.0);
        add("errors", errors(shop.output(&format!("{id}FunctionName"))));
        add("letters-errors", errors(&collector(shop, id).await));
        for (class, alarm) in [("permanent", "permanent"), ("exhausted", "exhausted"), ("none", "unexplained")] {
            let dimensions = [("Service", service.as_str()), ("Class", class)];
            add(&format!("{alarm}-letters"), Datum::new(stack, "LettersWaiting", &dimensions, 3.0));
        }
    }
    for service in publishing() {
        let relay = [("FunctionName", shop.output(&format!("{}RelayFunctionName", service.id)))];
        let mut add = |alarm: &str, datum| all.insert(format!("{}-{alarm}", service.name), datum);
        // Milliseconds: a quarter of an hour.
        add("relay-age", Datum::new("AWS/Lambda", "IteratorAge", &relay, 900_000.0));
        add("relay-errors", Datum::new("AWS/Lambda", "Errors", &relay, 1.0));
    }
    all
}

fn name_of(queue_url: &str) -> &str {
    queue_url.rsplit('/').next().unwrap_or_default()
}

/// Name of the function that collects a service's dead letters, which no output has: whoever reads its queue of those.
async fn collector(shop: &Shop, id: &str) -> String {
    let dlq = name_of(shop.output(&format!("{id}DlqUrl"))).to_owned();
    let told = shop.ask_lambda("event-source-mappings/").await;
    let sources = told["EventSourceMappings"].as_array().expect("event sources");
    let of_dlq = |source: &&serde_json::Value| {
        source["EventSourceArn"].as_str().is_some_and(|arn| arn.rsplit(':').next() == Some(dlq.as_str()))
    };
    let source = sources.iter().find(of_dlq).unwrap_or_else(|| panic!("nobody reads {dlq}"));
    source["FunctionArn"].as_str().and_then(|arn| arn.rsplit(':').next()).expect("a function").to_owned()
}

pub(crate) async fn the_dashboard_fits_into_its_widgets(shop: &Shop) {
    if shop.emulator.lacks(Gap::Alarms) {
        return;
    }
    let dashboard = shop.dashboard().await;
    let (Some(packages), Some(chromium)) = (node_packages(), chromium()) else { return };
    let folder = tempfile::tempdir().expect("a temporary directory");
    let picture = crate::console::screenshots().unwrap_or_else(|| folder.path().to_owned()).join("dashboard.png");
    let mut node = Command::new("node");
    node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/dashboard/draw.mjs")).arg(packages).arg(chromium).arg(picture);
    node.stdin(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut node = node.spawn().expect("it starts");
    let body = dashboard.to_string();
    node.stdin.take().expect("its input").write_all(body.as_bytes()).await.expect("it is written");
    let output = node.wait_with_output().await.expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
