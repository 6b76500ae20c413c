//! What waits to be published, and in which batches it goes.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use aws_lambda_events::dynamodb::EventRecord;
use orderflow_contracts::{EventId, OrderId};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// SNS takes ten messages in a batch (its quota for `PublishBatch`).
pub const MAX_BATCH_ENTRIES: usize = 10;

/// SNS takes 262,144 bytes in a batch, all messages together (its quota). Some are left for the ids.
pub const MAX_BATCH_BYTES: usize = 260_000;

/// A row of a service's table, as the stream shows it: whole, for the operator who finds it among the dead letters.
#[derive(Debug, PartialEq)]
pub struct OutboxRow(pub Value);

/// One event on its way.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The event, to the letter as it was committed.
    pub message: String,
    /// Its subject: the message group.
    pub group: OrderId,
    /// Its id: the deduplication id.
    pub id: EventId,
    /// The row that it comes from.
    pub row: Rc<OutboxRow>,
}

/// A row whose events can never be published.
#[derive(Debug)]
pub struct Unpublishable {
    /// The row.
    pub row: Rc<OutboxRow>,
    /// Why.
    pub reason: String,
}

#[derive(Deserialize)]
struct Head {
    id: EventId,
    subject: OrderId,
}

/// Reads the events of a stream record; none where it is no new row, or a row without events.
///
/// # Errors
///
/// The row has events that cannot be read, or one that is too large for SNS.
pub fn read_row(record: EventRecord) -> Result<Vec<Entry>, Box<Unpublishable>> {
    if record.event_name != "INSERT" {
        return Ok(Vec::new());
    }
    let source = record.event_source_arn.unwrap_or_default();
    // What serde says may have a value in it, which could be personal data, so it is not repeated.
    let Ok(item) = serde_dynamo::from_item::<_, Value>(record.change.new_image) else {
        let row = OutboxRow(json!({ "stream": source, "keys": format!("{:?}", record.change.keys) }));
        return Err(Box::new(Unpublishable { row: Rc::new(row), reason: "the row is not understood".to_owned() }));
    };
    let events = item.get("events").cloned();
    let row = Rc::new(OutboxRow(json!({ "stream": source, "row": item })));
    let read = match events {
        None => return Ok(Vec::new()),
        Some(Value::String(events)) => read_events(&events),
        Some(_) => Err("its events are not a text".to_owned()),
    };
    match read {
        Ok(events) => {
            let entry = |(message, head): (String, Head)| Entry {
                message,
                group: head.subject,
                id: head.id,
                row: Rc::clone(&row),
            };
            Ok(events.into_iter().map(entry).collect())
        }
        Err(reason) => Err(Box::new(Unpublishable { row, reason })),
    }
}

fn read_events(events: &str) -> Result<Vec<(String, Head)>, String> {
    let events: Vec<&RawValue> = serde_json::from_str(events).map_err(|_| "its events are not understood")?;
    let read = |event: &RawValue| {
        let text = event.get();
        let head = serde_json::from_str(text).map_err(|_| "an event is not understood")?;
        if text.len() > MAX_BATCH_BYTES {
            return Err(format!("an event has {} bytes of at most {MAX_BATCH_BYTES}", text.len()));
        }
        Ok((text.to_owned(), head))
    };
    events.into_iter().map(read).collect()
}

/// The events that wait, in the order of the stream.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Entry>,
}

impl Outbox {
    /// Adds the events of a row.
    pub fn extend(&mut self, entries: Vec<Entry>) {
        self.waiting.extend(entries);
    }

    /// Whether all is published.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many events wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes the next batch of at most `most` events: within SNS's limits, and with at most one event of a subject, so
    /// that an event that fails is never overtaken by a later one of its order in the same call.
    pub fn take_batch(&mut self, most: usize) -> Vec<Entry> {
        let (mut batch, mut rest) = (Vec::new(), VecDeque::new());
        let (mut bytes, mut groups) = (0, HashSet::new());
        for entry in self.waiting.drain(..) {
            // A subject that is in the batch, or that has an earlier event which is not, has to wait.
            let is_first = groups.insert(entry.group.clone());
            let has_room = batch.len() < most && bytes + entry.message.len() <= MAX_BATCH_BYTES;
            if is_first && has_room {
                bytes += entry.message.len();
                batch.push(entry);
            } else {
                rest.push_back(entry);
            }
        }
        self.waiting = rest;
        batch
    }

    /// Puts events back that were not published, before all others, in their order.
    pub fn put_back(&mut self, entries: Vec<Entry>) {
        for entry in entries.into_iter().rev() {
            self.waiting.push_front(entry);
        }
    }
}
