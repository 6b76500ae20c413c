//! Stream of a DynamoDB table, and the records that Lambda makes of it.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::rc::Rc;
use std::task::{Poll, Waker};

use aws_lambda_events::dynamodb::{EventRecord, StreamRecord};
use envelope::Subject;
use onewrite::Row;
use onewrite::relay::Record;
use serde_dynamo::AttributeValue;

use crate::faults::{FaultKind, Faults};

/// Number of shards of a stream. Items of one subject may be in either, as after a partition was split by its sort key.
const SHARDS: u64 = 2;

/// Stream: it promises the order of the changes of one item, which are one here, and nothing of several.
pub struct Stream {
    shards: Vec<Rc<Shard>>,
}

/// Shard of a stream. What cannot be handled holds up all that is behind it.
#[derive(Default)]
pub struct Shard {
    records: RefCell<VecDeque<EventRecord>>,
    changes: Cell<u64>,
    reader: RefCell<Option<Waker>>,
}

impl Default for Stream {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Rc::default()).collect() }
    }
}

impl Stream {
    /// Carries a new row, if it has events: the event source's filter lets through no others.
    pub fn inserted(&self, subject: &Subject, row: &Row) {
        if row.events.is_empty() {
            return;
        }
        let shard = BuildHasherDefault::<DefaultHasher>::default().hash_one((subject.as_str(), row.version)) % SHARDS;
        let shard = &self.shards[usize::try_from(shard).unwrap_or(0)];
        shard.records.borrow_mut().push_back(record(subject, row));
        shard.changes.set(shard.changes.get() + 1);
        if let Some(waker) = shard.reader.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Shards.
    #[must_use]
    pub fn shards(&self) -> &[Rc<Shard>] {
        &self.shards
    }
}

fn record(subject: &Subject, row: &Row) -> EventRecord {
    let mut change = StreamRecord::default();
    change.new_image = HashMap::from([
        ("pk".to_owned(), AttributeValue::S(subject.to_string())),
        ("sk".to_owned(), AttributeValue::N(row.version.to_string())),
        ("events".to_owned(), AttributeValue::S(format!("[{}]", row.events.join(",")))),
    ])
    .into();
    let mut record = EventRecord::default();
    "INSERT".clone_into(&mut record.event_name);
    record.change = change;
    record
}

impl Shard {
    /// Next records, at most so many, as soon as there are any. They stay until they are [passed](Self::pass).
    pub async fn next(&self, most: usize) -> Vec<Record> {
        loop {
            let seen = self.changes.get();
            let records: Vec<Record> = self.records.borrow().iter().take(most).cloned().map(Ok).collect();
            if !records.is_empty() {
                return records;
            }
            poll_fn(|context| {
                if self.changes.get() != seen {
                    return Poll::Ready(());
                }
                self.reader.replace(Some(context.waker().clone()));
                Poll::Pending
            })
            .await;
        }
    }

    /// Goes on behind the first so many records; or not quite so far, for a stream may deliver again what was handled.
    pub fn pass(&self, faults: &Faults, count: usize) {
        let again =
            if faults.strikes(FaultKind::Redelivered) { 1 + usize::try_from(faults.below(3)).unwrap_or(0) } else { 0 };
        self.records.borrow_mut().drain(..count.saturating_sub(again));
    }

    /// True if nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.borrow().is_empty()
    }
}
