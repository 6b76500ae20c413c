//! The suite of the analytics' [`CountStore`], with the ledger that counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::ScalarAttributeType;
use futures::future::join_all;
use libtest_mimic::Trial;
use onewrite::aws::DynamoLog;
use onewrite::memory::MemoryLog;
use onewrite::port::{Addition, Appended, Log};
use onewrite::{Cause, CounterUpdate, Row};
use orderflow_analytics::{CountStore, Counted, DynamoCounts};
use orderflow_events::{Subject, Time};

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryLog::default,
        DynamoBench::new,
        [
            a_partition_has_the_sums_of_its_items,
            what_nothing_was_counted_in_is_empty,
            a_row_that_is_there_counts_nothing_more,
            warming_up_leaves_nothing,
        ]
    )
}

/// Counts, and the ledger that changes them.
trait Bench {
    fn counts(&self) -> &impl CountStore;
    fn log(&self) -> &impl Log;
}

impl Bench for MemoryLog {
    fn counts(&self) -> &impl CountStore {
        self
    }

    fn log(&self) -> &impl Log {
        self
    }
}

struct DynamoBench {
    log: DynamoLog,
    counts: DynamoCounts,
}

impl DynamoBench {
    async fn new(aws: &Aws) -> Self {
        let ((client, _), table) = (aws.clients(), aws.sorted_table(2, ScalarAttributeType::S).await);
        let log = DynamoLog::new(client.clone(), aws.table(2).await).with_sorted_counters(&table);
        Self { log, counts: DynamoCounts::new(client, table) }
    }
}

impl Bench for DynamoBench {
    fn counts(&self) -> &impl CountStore {
        &self.counts
    }

    fn log(&self) -> &impl Log {
        &self.log
    }
}

/// Counts once for an order, by its first row.
async fn count(bench: &impl Bench, order: usize, add: &[(&str, i64)]) -> Appended {
    let row = Row {
        version: 1,
        at: Time::new("2026-11-22T09:00:00.123Z").unwrap(),
        cause: Cause { source: "test".to_owned(), id: order.to_string(), event_type: "Test".to_owned(), by: None },
        owner: None,
        unfinished: false,
        change: None,
        events: Vec::new(),
    };
    let update = |(key, amount): &(&str, i64)| CounterUpdate {
        key: (*key).to_owned(),
        add: vec![("paid", 1), ("paidAmount", *amount)],
        at_least: ("created", 0),
    };
    let updates: Vec<CounterUpdate> = add.iter().map(update).collect();
    let subject = Subject::shortened(&format!("ord_{order}"));
    // As a ledger does where others count in the same moment.
    loop {
        let additions = [Addition { subject: &subject, row: &row, updates: &updates }];
        match bench.log().append_all(&additions).await.unwrap() {
            Appended::Conflict => {}
            other => return other,
        }
    }
}

fn item(sort: &str, orders: i64, amount: i64) -> Counted {
    let counters = BTreeMap::from([("paid".to_owned(), orders), ("paidAmount".to_owned(), amount)]);
    Counted { sort: sort.to_owned(), counters }
}

async fn a_partition_has_the_sums_of_its_items(bench: &impl Bench) {
    let counted = (0..6)
        .map(|order| async move { count(bench, order, &[("p#a EUR", 2), ("p#b#c EUR", 3), ("q#a EUR", 5)]).await });
    assert_eq!(join_all(counted).await, vec![Appended::Done; 6]);
    assert_eq!(bench.counts().partition("p").await, Ok(vec![item("a EUR", 6, 12), item("b#c EUR", 6, 18)]));
    assert_eq!(bench.counts().partition("q").await, Ok(vec![item("a EUR", 6, 30)]));
}

async fn what_nothing_was_counted_in_is_empty(bench: &impl Bench) {
    assert_eq!(bench.counts().partition("p").await, Ok(Vec::new()));
}

async fn a_row_that_is_there_counts_nothing_more(bench: &impl Bench) {
    assert_eq!(count(bench, 1, &[("p#a EUR", 2)]).await, Appended::Done);
    assert_eq!(count(bench, 1, &[("p#a EUR", 2)]).await, Appended::LostRace);
    assert_eq!(bench.counts().partition("p").await, Ok(vec![item("a EUR", 1, 2)]));
}

async fn warming_up_leaves_nothing(bench: &impl Bench) {
    bench.counts().warm().await;
    assert_eq!(bench.counts().partition("-").await, Ok(Vec::new()));
}
