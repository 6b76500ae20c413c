//! The journal behind its queue, on ports in memory.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use onewrite::config::QueueSettings;
use onewrite::feed::Page;
use onewrite::memory::{MemoryFeed, MemoryQueue, Pace, Paced, VirtualTime};
use onewrite::{Attribute, Batch, Failure, Projection};
use serde_json::{Value, json};

use super::*;
use crate::memory::MemoryJournal;

/// An event as a partner may write it: a type and attributes that nobody here knows, an order of its own among the
/// attributes, and blanks where nobody needs them.
const UNKNOWN: &str = r#"{ "type":"OrderEaten",   "specversion":"1.0", "partnerid" : [1, 2.50, "\u00e9"],
  "id":"0193a5c0-7b1e-7c3a-9f00-0123456789ab", "source":"https://shop.example/#web", "subject":"web-17",
  "time":"2026-11-22T09:00:00Z", "dataschema":"urn:partner:OrderEaten:7", "data":{"b":1, "a":{"taste":"good"}} }"#;

/// The journal, its queue and its store.
#[derive(Default)]
struct Service {
    queue: MemoryQueue,
    store: MemoryJournal,
    feed: MemoryFeed,
}

impl Service {
    /// Delivers messages of one group, and answers how many of them come again.
    async fn deliver(&self, bodies: &[&str]) -> usize {
        let world = VirtualTime::new(1);
        let settings = QueueSettings {
            queue_url: "queue".to_owned(),
            dead_letter_queue_url: "dlq".to_owned(),
            max_receive_count: 12,
            max_backoff_seconds: 900,
            function: "journal".to_owned(),
        };
        let batch = Batch::new(
            Projection::new(Journal::new(&self.store, &self.feed, 2, &world)),
            &self.queue,
            &world,
            settings,
        );
        let mut event = SqsEvent::default();
        event.records = bodies.iter().enumerate().map(|(number, body)| record(number, body)).collect();
        let response = batch.run(event, world.now().after(Duration::from_secs(10))).await;
        response.batch_item_failures.len()
    }

    /// The reasons in the dead letters.
    fn parked(&self) -> Vec<(String, String)> {
        let text = |attribute: Option<&Attribute>| match attribute {
            Some(Attribute::Text(_, text)) => text.clone(),
            _ => String::new(),
        };
        let marks = self.queue.letters().into_iter().map(|letter| letter.attributes);
        marks.map(|marks| (text(marks.get("failure-class")), text(marks.get("failure-reason")))).collect()
    }
}

fn record(number: usize, body: &str) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = Some(format!("m-{number}"));
    record.receipt_handle = Some(format!("r-{number}"));
    record.body = Some(body.to_owned());
    record.attributes.insert("MessageGroupId".to_owned(), "web-17".to_owned());
    record
}

fn unknown_with(name: &str, value: Value) -> String {
    let mut event: Value = serde_json::from_str(UNKNOWN).unwrap();
    event[name] = value;
    event.to_string()
}

#[tokio::test]
async fn an_event_of_any_type_is_kept_to_the_letter() {
    let service = Service::default();
    assert_eq!(service.deliver(&[UNKNOWN]).await, 0);
    let entries = service.store.entries();
    let attributes = entries[0].attributes().map(|(name, value)| format!("{name} = {value}"));
    assert_eq!(
        attributes,
        [
            "pk = web-17",
            "sk = 0193a5c0-7b1e-7c3a-9f00-0123456789ab#https://shop.example/#web",
            &format!("event = {UNKNOWN}"),
            "at = 2026-01-01T00:00:00.000Z",
            "slot = 2026-01-01T00#0",
            "mark = 1#0",
        ]
    );
    assert_eq!(entries.len(), 1);
    assert_eq!(service.feed.records(), [entries[0].key()]);
}

#[tokio::test]
async fn what_a_type_says_is_not_looked_at() {
    let service = Service::default();
    let broken = unknown_with("type", json!("OrderCreated"));
    assert_eq!(service.deliver(&[&broken]).await, 0);
    assert_eq!(service.store.entries()[0].text, broken);
    assert_eq!(service.parked(), []);
}

#[tokio::test]
async fn an_event_that_comes_again_is_kept_once() {
    let service = Service::default();
    assert_eq!(service.deliver(&[UNKNOWN, UNKNOWN]).await, 0);
    assert_eq!(service.deliver(&[UNKNOWN]).await, 0);
    assert_eq!(service.store.entries().len(), 1);

    // Another source may have used the same id, and the same source has other ids.
    let elsewhere = unknown_with("source", json!("https://other.example"));
    let another = unknown_with("id", json!("0193a5c0-7b1e-7c3a-9f00-0123456789ac"));
    assert_eq!(service.deliver(&[&elsewhere, &another]).await, 0);
    assert_eq!(service.store.entries().len(), 3);
    assert_eq!(service.parked(), []);
    assert_eq!(service.feed.records().len(), 3);
}

/// A store that does so much, and then stands still, and a feed that does the same.
impl<T: JournalStore> JournalStore for Paced<'_, T> {
    async fn append(&self, entry: Entry) -> Result<Kept> {
        self.pace.call("append", self.port.append(entry), || Failure::transient("timed out")).await
    }

    async fn has(&self, event: &Envelope) -> Result<bool> {
        self.port.has(event).await
    }

    async fn warm(&self) {}
}

struct PacedFeed<'a>(Paced<'a, &'a MemoryFeed>);

impl FeedLog for PacedFeed<'_> {
    async fn append(&self, shard: u8, position: u64, page: &Page) -> Result<bool> {
        let Paced { port, pace } = self.0;
        pace.call("append", port.append(shard, position, page), || Failure::transient("timed out")).await
    }

    async fn after(&self, shard: u8, position: u64, most: u16) -> Result<Vec<(u64, Page)>> {
        self.0.port.after(shard, position, most).await
    }

    async fn head(&self, shard: u8) -> Result<u64> {
        self.0.pace.pause("before head").await;
        self.0.port.head(shard).await
    }
}

#[tokio::test]
async fn wherever_the_function_dies_an_event_is_kept_and_listed_once() {
    let event = Envelope::from_value(&serde_json::from_str(UNKNOWN).unwrap(), orderflow_events::Time::from_millis(0));
    let event = event.unwrap();
    for steps in 0..8 {
        let (world, service, pace) = (VirtualTime::new(1), Service::default(), Pace::of(steps));
        let delivery = Delivery { text: UNKNOWN, deadline: world.now() };
        let feed = PacedFeed(Paced { port: &service.feed, pace: &pace });
        let journal = Journal::new(Paced { port: &service.store, pace: &pace }, feed, 2, &world);
        let died = futures::FutureExt::now_or_never(journal.project(&event, &delivery)).is_none();
        assert_eq!(died, steps < 5, "{steps}");
        assert_eq!(service.deliver(&[UNKNOWN]).await, 0);
        assert_eq!((service.store.entries().len(), service.feed.records().len()), (1, 1), "{steps}");
    }
}

#[tokio::test]
async fn a_duplicate_is_said_to_be_one() {
    let (world, store) = (VirtualTime::new(1), MemoryJournal::default());
    let journal = Journal::new(&store, MemoryFeed::default(), 2, &world);
    let received = orderflow_events::Time::from_millis(0);
    let event = Envelope::from_value(&serde_json::from_str(UNKNOWN).unwrap(), received).unwrap();
    let delivery = Delivery { text: UNKNOWN, deadline: world.now() };
    assert_eq!(journal.project(&event, &delivery).await, Ok(Projected::Now));
    assert_eq!(journal.project(&event, &delivery).await, Ok(Projected::Before));
}

#[tokio::test]
async fn an_event_inside_an_sns_notification_is_kept_as_it_was_published() {
    let service = Service::default();
    let wrapped = json!({ "Type": "Notification", "MessageId": "1", "Message": UNKNOWN }).to_string();
    assert_eq!(service.deliver(&[&wrapped, UNKNOWN]).await, 0);
    let entries = service.store.entries();
    assert_eq!((entries.len(), entries[0].text.as_str()), (1, UNKNOWN));
}

#[tokio::test]
async fn what_is_no_event_is_parked() {
    let service = Service::default();
    assert_eq!(service.deliver(&["hello", r#"{"some":"JSON"}"#, UNKNOWN]).await, 0);
    let parked = service.parked();
    assert_eq!(parked.len(), 2);
    assert!(parked.iter().all(|(class, _)| class == "permanent"), "{parked:?}");
    assert!(parked[0].1.starts_with("not JSON: "), "{parked:?}");
    assert!(parked[1].1.starts_with("not a CloudEvent: /specversion is required"), "{parked:?}");
    assert_eq!(service.store.entries().len(), 1);
}

#[tokio::test]
async fn an_event_that_no_row_can_hold_is_parked() {
    let service = Service::default();
    let large = unknown_with("data", json!("x".repeat(350_000)));
    assert_eq!(service.deliver(&[&large]).await, 0);
    let (class, reason) = &service.parked()[0];
    assert_eq!(class, "permanent");
    assert!(reason.ends_with(" bytes of 350000"), "{reason}");
    assert_eq!(service.store.entries(), []);
}
