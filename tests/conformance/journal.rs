//! The suite of the journal's [`JournalStore`].

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::{AttributeValue, ScalarAttributeType};
use futures::future::join_all;
use libtest_mimic::Trial;
use onewrite::feed::{Mark, RecordKey};
use orderflow_events::{EventId, ORDERS, Source, Subject, Time};
use orderflow_journal::{DynamoJournal, Entry, Events, JournalStore, Kept, MAX_READ, MemoryJournal};

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryJournal::default,
        DynamoBench::new,
        [
            an_event_is_kept_to_the_letter,
            an_event_of_the_largest_size_is_kept,
            an_event_that_comes_again_is_on_record,
            of_one_event_many_times_at_once_one_is_put_on_record,
            events_of_one_order_are_kept_in_the_order_of_their_ids,
            orders_do_not_see_each_others_events,
            warming_up_leaves_nothing,
            events_are_read_by_their_keys_to_the_letter,
        ]
    )
}

/// Mark of an entry.
const MARK: Mark = Mark { shard: 3, after: 17 };

/// Stored form of an entry.
type Item = BTreeMap<String, String>;

/// A journal, and how a test looks into it.
trait Bench {
    fn journal(&self) -> &(impl JournalStore + Events);
    /// Entries of an order, in the order of their keys.
    async fn items(&self, order: &str) -> Vec<Item>;
}

impl Bench for MemoryJournal {
    fn journal(&self) -> &(impl JournalStore + Events) {
        self
    }

    async fn items(&self, order: &str) -> Vec<Item> {
        let entries = self.entries().into_iter().filter(|entry| entry.subject.as_str() == order);
        let mut items: Vec<Item> = entries.map(|entry| item(&entry)).collect();
        items.sort_by_key(|item| item["sk"].clone());
        items
    }
}

struct DynamoBench {
    client: aws_sdk_dynamodb::Client,
    table: String,
    journal: DynamoJournal,
}

impl DynamoBench {
    async fn new(aws: &Aws) -> Self {
        let ((client, _), table) = (aws.clients(), aws.sorted_table(2, ScalarAttributeType::S).await);
        Self { journal: DynamoJournal::new(client.clone(), &table), client, table }
    }
}

impl Bench for DynamoBench {
    fn journal(&self) -> &(impl JournalStore + Events) {
        &self.journal
    }

    async fn items(&self, order: &str) -> Vec<Item> {
        let query = self.client.query().table_name(&self.table).key_condition_expression("pk = :pk");
        let query = query.expression_attribute_values(":pk", AttributeValue::S(order.to_owned()));
        let items = query.consistent_read(true).send().await.expect("an answer").items.unwrap_or_default();
        let text = |value: AttributeValue| value.as_s().expect("a text").clone();
        let to_item = |item: std::collections::HashMap<String, AttributeValue>| {
            item.into_iter().map(|(name, value)| (name, text(value))).collect()
        };
        items.into_iter().map(to_item).collect()
    }
}

fn item(entry: &Entry) -> Item {
    entry.attributes().map(|(name, value)| (name.to_owned(), value)).into()
}

fn entry(order: &str, id: u8, text: &str) -> Entry {
    Entry {
        subject: Subject::shortened(order),
        id: EventId::v7(1_767_225_600_000, [id; 10]),
        source: ORDERS,
        text: text.to_owned(),
        recorded_at: Time::from_millis(1_767_225_600_123),
        mark: MARK,
    }
}

async fn append(bench: &impl Bench, entry: &Entry) -> Kept {
    bench.journal().append(entry.clone()).await.unwrap()
}

async fn an_event_is_kept_to_the_letter(bench: &impl Bench) {
    for (id, text) in (1..).zip([
        r#"{"name":"Zoë 名前 🎈 \u0000 \"quoted\" \\"}"#,
        " {\r\n\t\"a\" : 1.50 , \"a\" : 1e2 }\n ",
        "\u{feff}{} \u{10ffff} <&>",
        "not JSON",
    ]) {
        let (order, other) = (format!("ord_{id}"), Source::new("https://shop.example/%C3%BC?a=b#c").unwrap());
        let entry = Entry { source: other, ..entry(&order, id, text) };
        assert_eq!(append(bench, &entry).await, Kept::Now, "{text}");
        assert_eq!(bench.items(&order).await, [item(&entry)]);
    }
}

async fn an_event_of_the_largest_size_is_kept(bench: &impl Bench) {
    let large = entry("ord_1", 1, &"名".repeat(116_000));
    assert_eq!(append(bench, &large).await, Kept::Now);
    assert!(bench.items("ord_1").await == [item(&large)], "it is not there, or differs");
}

async fn an_event_that_comes_again_is_on_record(bench: &impl Bench) {
    let first = entry("ord_1", 1, "first");
    assert_eq!(append(bench, &first).await, Kept::Now);
    let later = Entry { text: "second".to_owned(), recorded_at: Time::from_millis(1_800_000_000_000), ..first.clone() };
    let later = Entry { mark: Mark { shard: 1, after: 0 }, ..later };
    for again in [&first, &later] {
        assert_eq!(append(bench, again).await, Kept::Before(MARK));
    }
    assert_eq!(bench.items("ord_1").await, [item(&first)]);
}

async fn of_one_event_many_times_at_once_one_is_put_on_record(bench: &impl Bench) {
    let texts: Vec<Entry> = (0..8).map(|number| entry("ord_1", 1, &format!("{number}"))).collect();
    let results = join_all(texts.iter().map(|entry| append(bench, entry))).await;
    let winners = texts.iter().zip(results).filter(|(_, appended)| *appended == Kept::Now);
    let winners: Vec<Item> = winners.map(|(entry, _)| item(entry)).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(bench.items("ord_1").await, winners);
}

async fn events_of_one_order_are_kept_in_the_order_of_their_ids(bench: &impl Bench) {
    let elsewhere = Entry { source: Source::new("https://shop.example").unwrap(), ..entry("ord_1", 2, "elsewhere") };
    let entries = [entry("ord_1", 1, "a"), elsewhere, entry("ord_1", 2, "b"), entry("ord_1", 200, "c")];
    for index in [3, 0, 2, 1] {
        assert_eq!(append(bench, &entries[index]).await, Kept::Now, "{}", entries[index].text);
    }
    assert_eq!(bench.items("ord_1").await, entries.each_ref().map(item));
}

async fn orders_do_not_see_each_others_events(bench: &impl Bench) {
    // The same id, too: whoever gives ids twice must not make a fact disappear.
    let entries = [entry("ord_1", 1, "a"), entry("ord_11", 1, "b")];
    for entry in &entries {
        assert_eq!(append(bench, entry).await, Kept::Now);
    }
    assert_eq!(bench.items("ord_1").await, [item(&entries[0])]);
    assert_eq!(bench.items("ord_11").await, [item(&entries[1])]);
}

async fn warming_up_leaves_nothing(bench: &impl Bench) {
    bench.journal().warm().await;
    assert_eq!(bench.items("-").await, [] as [Item; 0]);
}

async fn events_are_read_by_their_keys_to_the_letter(bench: &impl Bench) {
    assert_eq!(bench.journal().texts(&[]).await, Ok(Vec::new()));
    let entries: Vec<Entry> =
        (0..150).map(|id| entry(&format!("ord_{}", id % 7), id, &format!("{{ \"n\":{id} }}"))).collect();
    for entry in &entries {
        append(bench, entry).await;
    }
    let keys: Vec<RecordKey> = entries.iter().rev().map(Entry::key).collect();
    for keys in keys.chunks(MAX_READ) {
        let expected =
            keys.iter().map(|key| entries.iter().find(|entry| entry.key() == *key).map(|entry| entry.text.clone()));
        assert_eq!(bench.journal().texts(keys).await, Ok(expected.collect()));
    }
    let large: Vec<Entry> = (0..20).map(|id| entry("ord_8", id, &"x".repeat(200_000))).collect();
    for entry in &large {
        append(bench, entry).await;
    }
    let gone = RecordKey("ord_8".to_owned(), "nobody#has it".to_owned());
    let keys: Vec<RecordKey> = large.iter().map(Entry::key).chain([gone]).collect();
    let texts = bench.journal().texts(&keys).await.unwrap();
    assert_eq!(texts.iter().flatten().map(String::len).sum::<usize>(), 20 * 200_000);
    assert_eq!(texts.last(), Some(&None));
}
