//! Conformance suite of [`Log`].

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::join_all;
use libtest_mimic::Trial;
use onewrite::aws::DynamoLog;
use onewrite::memory::MemoryLog;
use onewrite::port::{Addition, Appended, Log};
use onewrite::{Cause, CounterUpdate, InsufficientCounter, Row};
use orderflow_events::{Event, Subject, Time, sample};
use serde_json::{Value, json};

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryLog::default,
        DynamoBench::new,
        [
            an_unknown_order_has_no_rows,
            every_field_comes_back,
            a_change_of_any_shape_comes_back,
            rows_come_in_the_order_of_their_versions,
            orders_do_not_see_each_others_rows,
            any_subject_has_its_rows,
            more_rows_than_fit_on_a_page_come_back,
            a_version_is_written_once,
            of_many_who_write_one_version_one_does,
            adjustments_are_made_with_the_row,
            a_counter_that_is_missing_is_zero,
            a_shortfall_tells_what_was_found_and_changes_nothing,
            a_lost_race_changes_no_counter,
            a_lost_race_goes_before_a_shortfall,
            two_adjustments_of_one_key_are_refused,
            nothing_is_oversold,
            rows_of_many_orders_are_added_with_the_sum_of_their_adjustments,
            where_one_of_many_stands_in_the_way_nothing_is_added,
            rows_without_adjustments_are_added_together,
        ]
    )
}

/// A table, and how a test looks at its counters.
trait Bench {
    fn log(&self) -> &impl Log;
    async fn set_counter(&self, key: &str, counter: &'static str, value: i64);
    async fn counter(&self, key: &str, counter: &'static str) -> i64;
}

impl Bench for MemoryLog {
    fn log(&self) -> &impl Log {
        self
    }

    async fn set_counter(&self, key: &str, counter: &'static str, value: i64) {
        MemoryLog::set_counter(self, key, counter, value);
    }

    async fn counter(&self, key: &str, counter: &'static str) -> i64 {
        MemoryLog::counter(self, key, counter)
    }
}

struct DynamoBench {
    client: aws_sdk_dynamodb::Client,
    counters: String,
    log: DynamoLog,
}

impl DynamoBench {
    async fn new(aws: &Aws) -> Self {
        let (client, _) = aws.clients();
        let counters = aws.table(1).await;
        let log = DynamoLog::new(client.clone(), aws.table(2).await).with_counters(&counters);
        Self { client, counters, log }
    }
}

impl Bench for DynamoBench {
    fn log(&self) -> &impl Log {
        &self.log
    }

    async fn set_counter(&self, key: &str, counter: &'static str, value: i64) {
        let update = self
            .client
            .update_item()
            .table_name(&self.counters)
            .key("pk", AttributeValue::S(key.to_owned()))
            .update_expression("SET #counter = :value")
            .expression_attribute_names("#counter", counter)
            .expression_attribute_values(":value", AttributeValue::N(value.to_string()));
        update.send().await.expect("a counter");
    }

    async fn counter(&self, key: &str, counter: &'static str) -> i64 {
        let get = self.client.get_item().table_name(&self.counters).key("pk", AttributeValue::S(key.to_owned()));
        let item = get.consistent_read(true).send().await.expect("an answer").item.unwrap_or_default();
        item.get(counter).map_or(0, |value| value.as_n().expect("a number").parse().expect("a whole one"))
    }
}

fn ord(number: usize) -> Subject {
    Subject::shortened(&format!("ord_{number}"))
}

fn row(version: u32) -> Row {
    Row {
        version,
        at: Time::new("2026-11-22T09:00:00.123Z").unwrap(),
        cause: Cause {
            source: "orderflow/orders".to_owned(),
            id: version.to_string(),
            event_type: "OrderCreated".to_owned(),
            by: Some("ada".to_owned()),
        },
        owner: None,
        unfinished: false,
        change: Some(json!("changed")),
        events: Vec::new(),
    }
}

fn take(key: &str, pieces: i64) -> CounterUpdate {
    CounterUpdate {
        key: key.to_owned(),
        add: vec![("available", -pieces), ("reserved", pieces), ("revision", 1)],
        at_least: ("available", pieces),
    }
}

async fn append(bench: &impl Bench, row: &Row, updates: &[CounterUpdate]) -> Appended {
    bench.log().append(&ord(1), row, updates).await.unwrap()
}

async fn read(bench: &impl Bench) -> Vec<Row> {
    bench.log().read(&ord(1)).await.unwrap()
}

async fn an_unknown_order_has_no_rows(bench: &impl Bench) {
    assert_eq!(read(bench).await, []);
}

async fn every_field_comes_back(bench: &impl Bench) {
    let mut order = sample::order("ord_1");
    order.details.customer.id = "Zoë 名前 🎈 \u{10ffff} \"quoted\" \\".parse().unwrap();
    let mut event: Event = sample::event(order);
    event.context.trace_state = Some("vendor=1".to_owned());
    event.context.extensions = BTreeMap::from([("mine".to_owned(), json!(1))]).into_iter().collect();
    let full = Row {
        owner: None,
        unfinished: true,
        change: Some(json!({ "paid": { "paymentId": "pay_ü🎈" } })),
        events: [event.clone(), sample::another_event(event.data, 2)]
            .map(|event| serde_json::to_string(&event).expect("JSON"))
            .to_vec(),
        ..row(1)
    };
    let empty = Row { change: None, ..row(2) };
    append(bench, &full, &[]).await;
    append(bench, &empty, &[]).await;
    assert_eq!(read(bench).await, [full, empty]);
}

async fn a_change_of_any_shape_comes_back(bench: &impl Bench) {
    let changes: [Value; 12] = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1.5),
        json!(""),
        json!([]),
        json!({}),
        json!({ "a": [1, "two", null, { "b": {} }], "": false, "emoji 🎈": "\u{0}\n" }),
    ];
    for (version, change) in (1..).zip(&changes) {
        append(bench, &Row { change: Some(change.clone()), ..row(version) }, &[]).await;
    }
    let read: Vec<_> = read(bench).await.into_iter().filter_map(|row| row.change).collect();
    assert_eq!(read, changes);
}

async fn rows_come_in_the_order_of_their_versions(bench: &impl Bench) {
    for version in [3, 11, 1, 10, 2, 100, 9] {
        assert_eq!(append(bench, &row(version), &[]).await, Appended::Done);
    }
    let versions: Vec<u32> = read(bench).await.iter().map(|row| row.version).collect();
    assert_eq!(versions, [1, 2, 3, 9, 10, 11, 100]);
}

async fn orders_do_not_see_each_others_rows(bench: &impl Bench) {
    bench.log().append(&ord(1), &row(1), &[]).await.unwrap();
    bench.log().append(&ord(11), &row(2), &[]).await.unwrap();
    assert_eq!(bench.log().read(&ord(1)).await.unwrap(), [row(1)]);
    assert_eq!(bench.log().read(&ord(11)).await.unwrap(), [row(2)]);
}

async fn any_subject_has_its_rows(bench: &impl Bench) {
    let longest = "x".repeat(1_024);
    for subject in ["auth0|42", "ada@example.com", "arn:aws:iam::123456789012:user/Ada", "名前 🎈", &longest] {
        let subject = Subject::new(subject).unwrap();
        assert_eq!(bench.log().append(&subject, &row(1), &[]).await, Ok(Appended::Done));
        assert_eq!(bench.log().read(&subject).await.unwrap(), [row(1)]);
    }
}

async fn more_rows_than_fit_on_a_page_come_back(bench: &impl Bench) {
    // DynamoDB ends a page at 1 MB.
    let rows: Vec<Row> =
        (1..=8).map(|version| Row { change: Some(json!("x".repeat(300_000))), ..row(version) }).collect();
    for row in &rows {
        append(bench, row, &[]).await;
    }
    assert!(read(bench).await == rows, "rows are missing or differ");
}

async fn a_version_is_written_once(bench: &impl Bench) {
    let other = Row { change: Some(json!("something else")), ..row(1) };
    assert_eq!(append(bench, &row(1), &[]).await, Appended::Done);
    assert_eq!(append(bench, &other, &[]).await, Appended::LostRace);
    assert_eq!(append(bench, &row(1), &[]).await, Appended::LostRace);
    assert_eq!(read(bench).await, [row(1)]);
}

async fn of_many_who_write_one_version_one_does(bench: &impl Bench) {
    let rivals = (0..8).map(|rival| Row { change: Some(json!(rival)), ..row(1) });
    let rivals: Vec<Row> = rivals.collect();
    let results = join_all(rivals.iter().map(|row| append(bench, row, &[]))).await;
    let winners: Vec<&Row> =
        rivals.iter().zip(results).filter(|(_, won)| *won == Appended::Done).map(|(row, _)| row).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(read(bench).await.iter().collect::<Vec<_>>(), winners);
}

async fn adjustments_are_made_with_the_row(bench: &impl Bench) {
    bench.set_counter("A-1", "available", 10).await;
    bench.set_counter("B-2", "available", 3).await;
    assert_eq!(append(bench, &row(1), &[take("A-1", 4), take("B-2", 3)]).await, Appended::Done);
    assert_eq!(read(bench).await, [row(1)]);
    for (key, available, reserved) in [("A-1", 6, 4), ("B-2", 0, 3)] {
        assert_eq!(bench.counter(key, "available").await, available, "{key}");
        assert_eq!(bench.counter(key, "reserved").await, reserved, "{key}");
        assert_eq!(bench.counter(key, "revision").await, 1, "{key}");
    }
}

async fn a_counter_that_is_missing_is_zero(bench: &impl Bench) {
    let give = CounterUpdate { key: "A-1".to_owned(), add: vec![("available", 5)], at_least: ("reserved", 0) };
    assert_eq!(append(bench, &row(1), std::slice::from_ref(&give)).await, Appended::Done);
    assert_eq!(bench.counter("A-1", "available").await, 5);
    assert_eq!(append(bench, &row(2), &[give]).await, Appended::Done);
    assert_eq!(bench.counter("A-1", "available").await, 10);
    let missing = InsufficientCounter { key: "none".to_owned(), required: 1, found: 0 };
    assert_eq!(append(bench, &row(3), &[take("none", 1)]).await, Appended::Short(vec![missing]));
}

async fn a_shortfall_tells_what_was_found_and_changes_nothing(bench: &impl Bench) {
    let keys = ["A-1", "B-2", "C-3"];
    for (key, available) in keys.into_iter().zip([10, 2, 0]) {
        bench.set_counter(key, "available", available).await;
    }
    let appended = append(bench, &row(1), &keys.map(|key| take(key, 3))).await;
    let short = |key: &str, found| InsufficientCounter { key: key.to_owned(), required: 3, found };
    assert_eq!(appended, Appended::Short(vec![short("B-2", 2), short("C-3", 0)]));
    assert_eq!(read(bench).await, []);
    for (key, available) in keys.into_iter().zip([10, 2, 0]) {
        assert_eq!(bench.counter(key, "available").await, available, "{key}");
        assert_eq!(bench.counter(key, "reserved").await, 0, "{key}");
    }
}

async fn a_lost_race_changes_no_counter(bench: &impl Bench) {
    bench.set_counter("A-1", "available", 10).await;
    append(bench, &row(1), &[]).await;
    assert_eq!(append(bench, &row(1), &[take("A-1", 4)]).await, Appended::LostRace);
    assert_eq!(bench.counter("A-1", "available").await, 10);
}

async fn a_lost_race_goes_before_a_shortfall(bench: &impl Bench) {
    append(bench, &row(1), &[]).await;
    assert_eq!(append(bench, &row(1), &[take("A-1", 4)]).await, Appended::LostRace);
}

async fn two_adjustments_of_one_key_are_refused(bench: &impl Bench) {
    bench.set_counter("A-1", "available", 10).await;
    let refused = bench.log().append(&ord(1), &row(1), &[take("A-1", 1), take("A-1", 2)]).await;
    assert!(refused.is_err_and(|failure| !failure.kind().is_retryable()));
    assert_eq!((read(bench).await.len(), bench.counter("A-1", "available").await), (0, 10));
}

async fn nothing_is_oversold(bench: &impl Bench) {
    bench.set_counter("A-1", "available", 10).await;
    let orders = (0..8).map(async |number| {
        loop {
            // On AWS, two transactions on one item at the same moment may hinder each other.
            match bench.log().append(&ord(number), &row(1), &[take("A-1", 3)]).await.unwrap() {
                Appended::Conflict => {}
                appended => return appended,
            }
        }
    });
    let results = join_all(orders).await;
    assert_eq!(results.iter().filter(|appended| **appended == Appended::Done).count(), 3);
    let short = InsufficientCounter { key: "A-1".to_owned(), required: 3, found: 1 };
    assert_eq!(results.iter().filter(|appended| **appended == Appended::Short(vec![short.clone()])).count(), 5);
    assert_eq!((bench.counter("A-1", "available").await, bench.counter("A-1", "reserved").await), (1, 9));
}

/// First rows of as many orders as there are lists of updates, the last of them the first order.
async fn append_together(bench: &impl Bench, all: &[&[CounterUpdate]]) -> Appended {
    let (orders, row): (Vec<_>, _) = ((1..=all.len()).rev().map(ord).collect(), row(1));
    let additions = orders.iter().zip(all).map(|(subject, updates)| Addition { subject, row: &row, updates });
    bench.log().append_all(&additions.collect::<Vec<_>>()).await.unwrap()
}

async fn rows_of_many_orders_are_added_with_the_sum_of_their_adjustments(bench: &impl Bench) {
    bench.set_counter("A-1", "available", 10).await;
    bench.set_counter("B-2", "available", 3).await;
    let all: [&[_]; 4] = [&[take("A-1", 4)], &[take("B-2", 3), take("A-1", 5)], &[], &[take("A-1", 1)]];
    assert_eq!(append_together(bench, &all).await, Appended::Done);
    for number in 1..=4 {
        assert_eq!(bench.log().read(&ord(number)).await.unwrap(), [row(1)], "{number}");
    }
    for (key, available, reserved, revision) in [("A-1", 0, 10, 3), ("B-2", 0, 3, 1)] {
        assert_eq!(bench.counter(key, "available").await, available, "{key}");
        assert_eq!(bench.counter(key, "reserved").await, reserved, "{key}");
        assert_eq!(bench.counter(key, "revision").await, revision, "{key}");
    }
}

async fn where_one_of_many_stands_in_the_way_nothing_is_added(bench: &impl Bench) {
    bench.set_counter("A-1", "available", 10).await;
    let all: [&[_]; 3] = [&[take("A-1", 4)], &[take("A-1", 4)], &[take("A-1", 3)]];
    let short = InsufficientCounter { key: "A-1".to_owned(), required: 11, found: 10 };
    assert_eq!(append_together(bench, &all).await, Appended::Short(vec![short]));
    bench.log().append(&ord(1), &row(1), &[]).await.unwrap();
    assert_eq!(append_together(bench, &all[1..]).await, Appended::LostRace);
    assert_eq!(bench.log().read(&ord(2)).await.unwrap(), []);
    assert_eq!((bench.counter("A-1", "available").await, bench.counter("A-1", "reserved").await), (10, 0));
}

async fn rows_without_adjustments_are_added_together(bench: &impl Bench) {
    assert_eq!(append_together(bench, &[&[], &[]]).await, Appended::Done);
    assert_eq!(append_together(bench, &[&[], &[]]).await, Appended::LostRace);
    assert_eq!(bench.log().read(&ord(2)).await.unwrap(), [row(1)]);
}
