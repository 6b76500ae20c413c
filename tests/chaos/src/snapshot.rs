//! Snapshot of all records when all is quiet: tables, queues, dead letters, and the registers of the world outside.
//!
//! It is read here as it is stored, and not by the services' own code, whose mistakes it is to find.

use std::collections::{BTreeMap, BTreeSet};

use orderflow_tests::{Item, Service, Shop, collector, queues};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::plan::PERSONAL;

/// The services that keep a log of each order, and publish what is in it.
pub(crate) fn ledgers() -> impl Iterator<Item = &'static orderflow_registry::Service> {
    orderflow_registry::SERVICES.iter().filter(|service| service.has_ledger())
}

/// All that is on record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// The rows of each service.
    pub(crate) rows: BTreeMap<Service, Vec<Row>>,
    /// Stock, by SKU.
    pub(crate) shelves: BTreeMap<String, Shelf>,
    /// Payment provider's register, by payment id.
    pub(crate) charges: BTreeMap<String, Charge>,
    /// Carrier's register, by shipment id.
    pub(crate) bookings: BTreeMap<String, Booking>,
    /// The events of the journal.
    pub(crate) journal: Vec<Fact>,
    /// Shard of the feed that each of them is listed in, by source and id.
    pub(crate) shards: BTreeMap<String, String>,
    /// The parts of leases that are done: what customers were told, as `source#event id#channel`.
    pub(crate) told: BTreeSet<String>,
    /// Messages of the dead-letter queues.
    pub(crate) letters: Vec<Letter>,
    /// Tables with a text in them that says who somebody is, each with that text.
    pub(crate) persons: BTreeSet<String>,
    /// Number of messages still in each queue, where there are any.
    pub(crate) waiting: BTreeMap<String, u64>,
}

/// A row of a service's table.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Row {
    /// The order.
    #[serde(rename = "pk")]
    pub(crate) order: String,
    #[serde(rename = "sk")]
    pub(crate) version: u32,
    pub(crate) at: String,
    pub(crate) cause: Cause,
    /// True if more is to be done for its cause.
    #[serde(default)]
    pub(crate) unfinished: bool,
    #[serde(default)]
    pub(crate) change: Value,
    #[serde(default, deserialize_with = "from_text")]
    pub(crate) events: Vec<Fact>,
}

/// Event or request that made a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Cause {
    pub(crate) source: String,
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Value")]
pub(crate) struct Fact {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) kind: String,
    pub(crate) subject: String,
    pub(crate) sequence: String,
    /// All of it.
    pub(crate) json: Value,
}

impl From<Value> for Fact {
    fn from(json: Value) -> Self {
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        Self {
            id: text("id"),
            source: text("source"),
            kind: text("type"),
            subject: text("subject"),
            sequence: text("sequence"),
            json,
        }
    }
}

impl Fact {
    /// Its source and its id, by which there is one of it.
    pub(crate) fn key(&self) -> String {
        format!("{} {}", self.source, self.id)
    }
}

/// The stock of a SKU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Shelf {
    pub(crate) available: i64,
    pub(crate) reserved: i64,
}

/// A charge in the provider's register. Times are in milliseconds, by the same clock as the carrier's.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Charge {
    /// Times that money was taken.
    pub(crate) charges: usize,
    /// As JSON: `{"succeeded": money}`, `{"declined": reason}`, or `"cancelled"` before it came to either.
    pub(crate) verdict: Option<String>,
    pub(crate) charged_at: Option<i64>,
    /// The id of the refund.
    pub(crate) refund: Option<String>,
    pub(crate) refunded_at: Option<i64>,
}

impl Charge {
    /// Amount that was charged, if it was.
    pub(crate) fn amount(&self) -> Option<Value> {
        verdict(self.verdict.as_deref()?, "succeeded")
    }

    pub(crate) fn is_declined(&self) -> bool {
        self.verdict.as_deref().is_some_and(|text| verdict(text, "declined").is_some())
    }
}

fn verdict(text: &str, name: &str) -> Option<Value> {
    let verdict: Value = serde_json::from_str(text).ok()?;
    verdict.get(name).cloned()
}

/// A shipment in the carrier's register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Booking {
    pub(crate) bookings: usize,
    pub(crate) booked_at: Option<i64>,
    pub(crate) voided_at: Option<i64>,
}

/// An entry in the register of a simulated company: everything that it has performed under one id.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    performed: Vec<Performed>,
    cancelled: bool,
}

#[derive(Deserialize)]
struct Performed {
    /// As JSON.
    answer: String,
    /// In milliseconds.
    at: i64,
}

/// The charges of the provider's register, each with its refund, which has an entry of its own.
fn charges(register: BTreeMap<String, Entry>) -> BTreeMap<String, Charge> {
    let mut charges = BTreeMap::<String, Charge>::new();
    for (id, Entry { performed, cancelled }) in register {
        let (last, at) = (performed.last().map(|last| last.answer.clone()), performed.last().map(|last| last.at));
        if let Some(payment) = id.strip_prefix("refund#") {
            let charge = charges.entry(payment.to_owned()).or_default();
            (charge.refund, charge.refunded_at) = (last, at);
        } else {
            let charge = charges.entry(id).or_default();
            charge.charges = performed.iter().filter(|one| verdict(&one.answer, "succeeded").is_some()).count();
            charge.verdict = last.or_else(|| cancelled.then(|| r#""cancelled""#.to_owned()));
            charge.charged_at = at;
        }
    }
    charges
}

/// The bookings of the carrier's register, each with its void, which has an entry of its own.
fn bookings(register: BTreeMap<String, Entry>) -> BTreeMap<String, Booking> {
    let mut bookings = BTreeMap::<String, Booking>::new();
    for (id, Entry { performed, .. }) in register {
        let at = performed.last().map(|last| last.at);
        if let Some(shipment) = id.strip_prefix("void#") {
            bookings.entry(shipment.to_owned()).or_default().voided_at = at;
        } else {
            let booking = bookings.entry(id).or_default();
            (booking.bookings, booking.booked_at) = (performed.len(), at);
        }
    }
    bookings
}

/// A dead letter that was left when nothing could be sent back any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    /// A service, or `Relay`.
    pub(crate) service: Service,
    pub(crate) body: String,
    pub(crate) class: String,
    pub(crate) reason: String,
    pub(crate) failed_at: String,
}

impl Letter {
    pub(crate) fn of(service: Service, letter: &orderflow_tests::Letter) -> Self {
        let field = |name: &str| letter.field(name).to_owned();
        Self {
            service,
            body: letter.body().to_owned(),
            class: field("class"),
            reason: field("reason"),
            failed_at: field("failedAt"),
        }
    }

    /// True if no later attempt can succeed.
    pub(crate) fn is_permanent(&self) -> bool {
        self.class == "permanent"
    }

    /// The event in it, if it is one. It may be in an envelope of SNS.
    pub(crate) fn fact(&self) -> Option<Fact> {
        let body: Value = serde_json::from_str(&self.body).ok()?;
        let json = match body["Message"].as_str() {
            Some(message) => serde_json::from_str(message).ok()?,
            None => body,
        };
        Some(Fact::from(json)).filter(|fact| !fact.subject.is_empty())
    }
}

impl Snapshot {
    /// Reads all tables, queues and logs; the dead letters are given.
    pub(crate) async fn read(shop: &Shop, letters: Vec<Letter>) -> Self {
        let mut snapshot = Self { letters, ..Self::default() };
        for service in ledgers().map(|service| service.id) {
            let rows = shop.scan(shop.output(&format!("{service}TableName"))).await.into_iter();
            // Injected rows have no cause.
            let rows = rows.filter(|row| row.contains_key("cause"));
            snapshot.rows.insert(service, rows.map(read).collect());
        }
        // No output of the stack names these.
        for table in shop.tables("StockTable").await {
            snapshot.shelves = shelves(shop, &table).await;
        }
        for table in shop.tables("LeasesTable").await {
            for lease in shop.scan(&table).await {
                let channels = lease.get("parts").and_then(|parts| parts.as_ss().ok()).into_iter().flatten();
                let event = key(&lease).trim_start_matches("lease#");
                snapshot.told.extend(channels.map(|channel| format!("{event}#{channel}")));
            }
        }
        for table in shop.tables("PaymentProvider").await {
            snapshot.charges = charges(keyed(shop, &table).await);
        }
        for table in shop.tables("Carrier").await {
            snapshot.bookings = bookings(keyed(shop, &table).await);
        }
        let journal = shop.scan(shop.output("JournalTableName")).await;
        for item in &journal {
            let text = |name: &str| item[name].as_s().map_or("", String::as_str);
            // Its mark is a shard, and a page of it.
            let shard = text("mark").split_once('#').map_or("none", |(shard, _)| shard);
            for fact in facts(text("event"), true) {
                snapshot.shards.insert(fact.key(), shard.to_owned());
                snapshot.journal.push(fact);
            }
        }
        let mut kept = Vec::new();
        for table in shop.tables("").await {
            kept.push((format!("{:?}", shop.scan(&table).await), table));
        }
        let dead =
            queues().flat_map(|service| ["Dlq", "UndeliverableQueue"].map(|queue| format!("{service}{queue}Url")));
        for queue in dead.chain(["LettersDlqUrl".to_owned()]) {
            kept.push((shop.peek(shop.output(&queue)).await.join("\n"), queue));
        }
        for function in shop.logging().await {
            kept.push((shop.log_of(&function).await.join("\n"), format!("the log of {function}")));
        }
        kept.push((format!("{:?}", collector().spans()), "a span".to_owned()));
        kept.push((shop.objects(shop.output("DiscardedBucketName")).await.join("\n"), "the bucket".to_owned()));
        for (text, place) in kept {
            snapshot.persons.extend(persons_in(&text).map(|personal| format!("{place} has {personal:?}")));
        }
        for service in queues() {
            let waiting = shop.waiting(shop.queue(service)).await;
            if waiting > 0 {
                snapshot.waiting.insert(format!("the queue of {service}"), waiting);
            }
        }
        snapshot
    }
}

/// Texts of [`PERSONAL`] that stand in a text.
pub(crate) fn persons_in(text: &str) -> impl Iterator<Item = &'static str> {
    PERSONAL.into_iter().filter(move |personal| text.contains(personal))
}

/// Stock, by SKU.
pub(crate) async fn shelves(shop: &Shop, table: &str) -> BTreeMap<String, Shelf> {
    keyed(shop, table).await
}

async fn keyed<T: DeserializeOwned>(shop: &Shop, table: &str) -> BTreeMap<String, T> {
    shop.scan(table).await.into_iter().map(|item| (key(&item).to_owned(), read(item))).collect()
}

fn key(item: &Item) -> &str {
    item.get("pk").and_then(|key| key.as_s().ok()).map_or("", String::as_str)
}

fn read<T: DeserializeOwned>(item: Item) -> T {
    let key = key(&item).to_owned();
    serde_dynamo::from_item(item).unwrap_or_else(|error| panic!("{key} is not understood: {error}"))
}

/// The events of a row: one JSON array in a text.
fn from_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Fact>, D::Error> {
    Ok(facts(&String::deserialize(deserializer)?, false))
}

fn facts(text: &str, is_one: bool) -> Vec<Fact> {
    let json: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON on record: {error}"));
    match json {
        event if is_one => vec![Fact::from(event)],
        Value::Array(events) => events.into_iter().map(Fact::from).collect(),
        other => panic!("no list of events: {other}"),
    }
}
