//! Outbox: rows of a table's stream, and the batches in which their events go to SNS.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use aws_lambda_events::dynamodb::EventRecord;
use envelope::{EventId, Source, Subject, Time, derive_id};
use serde::Deserialize;
use serde_dynamo::{AttributeValue, Item};
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
    /// Its message group: its subject, or a name made of it where SNS would not take it for one.
    pub group: String,
    /// Its id: the deduplication id.
    pub id: EventId,
    /// Its `time`: that of its commit.
    pub committed_at: Option<Time>,
    /// The row that it comes from.
    pub row: Rc<OutboxRow>,
}

/// A row whose events can never be published.
#[derive(Debug)]
pub struct Unpublishable {
    /// The row.
    pub row: Rc<OutboxRow>,
    /// Reason.
    pub reason: String,
}

#[derive(Deserialize)]
struct Head {
    id: EventId,
    source: Source,
    subject: Subject,
    time: Option<Value>,
}

/// The service that a relay publishes for: it may say what its own tables have about the subject of each row, and nothing
/// else.
#[derive(Clone, Debug)]
pub struct Speaker(pub Source);

impl Speaker {
    /// Checks that an event of the row of `subject` is one that the service may publish.
    fn check(&self, event: &Head, subject: &str) -> Result<(), String> {
        if event.source != self.0 {
            return Err(format!("an event is from {}, and this relay publishes for {} only", event.source, self.0));
        }
        if event.subject.as_str() != subject {
            return Err("an event is about another subject than its row".to_owned());
        }
        Ok(())
    }
}

/// Message group of a subject. SNS takes 1 to 128 letters, digits and signs of ASCII (its quota); whatever else a subject
/// is, its events still have one group.
fn group_of(subject: &Subject) -> String {
    let subject = subject.as_str();
    if subject.len() <= 128 && subject.bytes().all(|byte| byte.is_ascii_graphic()) {
        return subject.to_owned();
    }
    derive_id("subject_", &[subject])
}

/// Reads the events of a stream record; none where it is no new row, or a row without events.
///
/// # Errors
///
/// The row has events that cannot be read, that are not the service's to publish, or one that is too large for SNS.
pub fn read_row(record: EventRecord, speaker: &Speaker) -> Result<Vec<Entry>, Box<Unpublishable>> {
    if record.event_name != "INSERT" {
        return Ok(Vec::new());
    }
    let image = record.change.new_image;
    let read = match image.get("events") {
        None => return Ok(Vec::new()),
        Some(AttributeValue::S(events)) => read_events(events, speaker, subject_of(&image)),
        Some(_) => Err("its events are not a text".to_owned()),
    };
    // Plain JSON has no bytes: a row that has some is shown as DynamoDB writes it.
    let plain = serde_dynamo::from_item::<_, Value>(image.clone());
    let row = plain.or_else(|_| serde_json::to_value(image)).unwrap_or_default();
    let row = Rc::new(OutboxRow(json!({ "stream": record.event_source_arn.unwrap_or_default(), "row": row })));
    match read {
        Ok(events) => {
            let entry = |(message, head): (String, Head)| Entry {
                message,
                group: group_of(&head.subject),
                id: head.id,
                committed_at: head.time.as_ref().and_then(Value::as_str).and_then(|time| Time::new(time).ok()),
                row: Rc::clone(&row),
            };
            Ok(events.into_iter().map(entry).collect())
        }
        Err(reason) => Err(Box::new(Unpublishable { row, reason })),
    }
}

/// The key of a row: the subject that all its events are about.
fn subject_of(image: &Item) -> &str {
    match image.get("pk") {
        Some(AttributeValue::S(subject)) => subject,
        _ => "",
    }
}

fn read_events(events: &str, speaker: &Speaker, subject: &str) -> Result<Vec<(String, Head)>, String> {
    let events: Vec<&RawValue> = serde_json::from_str(events).map_err(|_| "its events are not understood")?;
    let read = |event: &RawValue| {
        let text = event.get();
        let head: Head = serde_json::from_str(text).map_err(|_| "an event is not understood")?;
        speaker.check(&head, subject)?;
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

    /// Tells that all is published.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Number of events that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes the next batches: at most `count` of at most `most` events each, within SNS's limits.
    ///
    /// All of them together have at most one event of a subject. So they can be published side by side, and an event that
    /// fails is never overtaken by a later one of its subject.
    pub fn take_batches(&mut self, count: usize, most: usize) -> Vec<Vec<Entry>> {
        let (mut batches, mut rest) = (Vec::<Batch>::new(), VecDeque::new());
        let mut groups = HashSet::new();
        for entry in self.waiting.drain(..) {
            // A subject that is in a batch, or that has an earlier event which is in none, has to wait.
            if !groups.insert(entry.group.clone()) {
                rest.push_back(entry);
                continue;
            }
            let room = batches.iter().position(|batch| batch.has_room(&entry, most));
            match room {
                Some(index) => batches[index].push(entry),
                None if batches.len() < count => batches.push(Batch::of(entry)),
                None => rest.push_back(entry),
            }
        }
        self.waiting = rest;
        batches.into_iter().map(|batch| batch.entries).collect()
    }

    /// Puts events back that were not published, before all others, in their order.
    pub fn put_back(&mut self, entries: Vec<Entry>) {
        for entry in entries.into_iter().rev() {
            self.waiting.push_front(entry);
        }
    }
}

/// Batch that is being filled.
struct Batch {
    entries: Vec<Entry>,
    bytes: usize,
}

impl Batch {
    fn of(entry: Entry) -> Self {
        Self { bytes: entry.message.len(), entries: vec![entry] }
    }

    fn has_room(&self, entry: &Entry, most: usize) -> bool {
        self.entries.len() < most && self.bytes + entry.message.len() <= MAX_BATCH_BYTES
    }

    fn push(&mut self, entry: Entry) {
        self.bytes += entry.message.len();
        self.entries.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use envelope::Text;
    use envelope::sample::another_event;
    use envelope::strategy::json;
    use proptest::collection::{hash_map, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::memory::sample::{BookLent, LOANS, Library};

    fn record(image: &Value) -> EventRecord {
        let record = json!({
            "awsRegion": "eu-central-1", "eventID": "1", "eventName": "INSERT", "eventSourceARN": "arn",
            "dynamodb": { "ApproximateCreationDateTime": 1.0, "NewImage": image, "SizeBytes": 1, "Keys": {} },
        });
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn bytes_in_a_row_do_not_keep_its_events_back() {
        let event = json!({ "id": "1", "source": "library/loans", "subject": "req_1" });
        let image = |events: &Value| json!({ "pk": { "S": "req_1" }, "bytes": { "L": [{ "B": "AP8=" }] }, "events": { "S": events.to_string() } });
        let entries = read(&image(&json!([event]))).unwrap();
        assert_eq!(entries[0].message, event.to_string());
        let found = read(&image(&json!({}))).unwrap_err();
        assert_eq!(found.row.0["row"], image(&json!({})));
        assert_eq!(read(&json!({ "bytes": { "B": "AP8=" } })).unwrap().len(), 0);
    }

    fn read(image: &Value) -> Result<Vec<Entry>, Box<Unpublishable>> {
        read_row(record(image), &Speaker(LOANS))
    }

    /// Events as the loans service commits them, about any subject.
    fn committed(subject: &str, count: u8) -> Vec<Value> {
        let lent = |number| {
            let lent = BookLent { request_id: Subject::shortened(subject), loan_id: Text::shortened("l") };
            serde_json::to_value(another_event::<Library>(lent, number)).unwrap()
        };
        (0..count).map(lent).collect()
    }

    #[test]
    fn whatever_the_subject_is_its_events_have_one_message_group_that_sns_takes() {
        let long = "x".repeat(1_024);
        let subjects =
            ["req_1", "auth0|42", "ada@example.com", "arn:aws:iam::123456789012:user/Ada", "Ada L.", "ü", &long];
        for subject in subjects {
            let events = Value::from(committed(subject, 2)).to_string();
            let entries = read(&json!({ "pk": { "S": subject }, "events": { "S": events } })).unwrap();
            let [one, other] = entries.as_slice() else { panic!("two events") };
            assert_eq!(one.group, other.group);
            assert!(one.group.len() <= 128 && one.group.bytes().all(|byte| byte.is_ascii_graphic()), "{}", one.group);
            assert_eq!(one.group == subject, subject.is_ascii() && !subject.contains(' ') && subject.len() <= 128);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_was_committed_is_published_to_the_letter(subject in "[ -~]{1,20}", count in 0..4_u8) {
            let events = committed(&subject, count);
            let text = serde_json::to_string(&events).unwrap();
            let entries = read(&json!({ "pk": { "S": subject }, "events": { "S": text } })).unwrap();
            prop_assert_eq!(entries.len(), events.len());
            for (entry, event) in entries.iter().zip(&events) {
                prop_assert_eq!(&entry.message, &event.to_string());
                prop_assert_eq!(entry.id.as_str(), event["id"].as_str().unwrap());
            }
        }

        /// Only a row without events has nothing to publish: every other one that cannot be published is kept.
        #[test]
        fn any_row_is_published_or_kept_whole(image in hash_map(any::<String>(), value(), 0..3), events in value()) {
            prop_assert_eq!(read(&json!(image)).map(|entries| entries.len()).ok(), Some(0));
            let mut image = json!(image);
            image["events"] = events.clone();
            match read(&image) {
                Ok(entries) => {
                    let list: Vec<Value> = serde_json::from_str(events["S"].as_str().unwrap()).unwrap();
                    prop_assert_eq!(entries.len(), list.len());
                }
                Err(found) => prop_assert!(found.row.0["row"].get("events").is_some(), "{}", found.reason),
            }
        }
    }

    /// A value in DynamoDB's own JSON.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<String>().prop_map(|text| json!({ "S": text })),
            json().prop_map(|json| json!({ "S": json.to_string() })),
            "-?[0-9]{1,38}(\\.[0-9]{1,3})?".prop_map(|number| json!({ "N": number })),
            any::<bool>().prop_map(|yes| json!({ "BOOL": yes })),
            Just(json!({ "NULL": true })),
            Just(json!({ "B": "AP8=" })),
            vec(any::<String>(), 1..3).prop_map(|texts| json!({ "SS": texts })),
            vec("[0-9]{1,5}", 1..3).prop_map(|numbers| json!({ "NS": numbers })),
        ];
        leaf.prop_recursive(3, 9, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(|values| json!({ "L": values })),
                hash_map(any::<String>(), inner, 0..3).prop_map(|values| json!({ "M": values })),
            ]
        })
    }
}
