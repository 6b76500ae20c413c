//! The suite of the operations' [`Archive`] and [`Outboxes`]: they read what the journal and the services have written.

use std::cell::RefCell;
use std::sync::Arc;

use libtest_mimic::Trial;
use onewrite::aws::DynamoLog;
use onewrite::feed::Mark;
use onewrite::port::{Addition, Appended, Log};
use onewrite::{Cause, Row, Slot};
use orderflow_events::{EventId, ORDERS, Subject, Time};
use orderflow_journal::{DynamoJournal, Entry, JournalStore};
use orderflow_operations::{Archive, AwsStack, Glimpse, MemoryOperations, OutboxRow, Outboxes, Range, Recorded};
use serde_json::json;

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryOperations::default,
        DynamoBench::new,
        [
            a_slot_has_the_entries_of_its_hour_page_by_page,
            a_range_ends_where_it_says,
            entries_of_a_subject_are_found_whatever_their_time,
            what_is_on_record_is_told_from_what_is_not,
            every_row_is_read_once_page_by_page,
        ]
    )
}

/// Services that write, and the operations that read.
trait Bench {
    fn archive(&self) -> &impl Archive;
    fn outboxes(&self) -> &impl Outboxes;
    fn names(&self) -> [&str; 2];
    async fn record(&self, entry: Entry);
    async fn commit(&self, subject: &Subject, row: Row);
}

impl Bench for MemoryOperations {
    fn archive(&self) -> &impl Archive {
        self
    }

    fn outboxes(&self) -> &impl Outboxes {
        self
    }

    fn names(&self) -> [&str; 2] {
        ["journal", "rows"]
    }

    async fn record(&self, Entry { recorded_at, text, .. }: Entry) {
        Self::record(self, Recorded { at: recorded_at, text });
    }

    async fn commit(&self, subject: &Subject, Row { version, at, events, .. }: Row) {
        self.add_row("rows", OutboxRow { subject: subject.to_string(), version, at, events, image: json!({}) });
    }
}

struct DynamoBench {
    stack: AwsStack,
    journal: DynamoJournal,
    log: DynamoLog,
    tables: [String; 2],
}

impl DynamoBench {
    async fn new(aws: &Aws) -> Self {
        let client = aws.clients().0;
        let tables = [aws.journal_table().await, aws.table(2).await];
        Self {
            stack: AwsStack::new(&aws.stack().sdk_config(), client.clone(), "/nowhere"),
            journal: DynamoJournal::new(client.clone(), tables[0].as_str()),
            log: DynamoLog::new(client, tables[1].as_str()),
            tables,
        }
    }
}

impl Bench for DynamoBench {
    fn archive(&self) -> &impl Archive {
        &self.stack
    }

    fn outboxes(&self) -> &impl Outboxes {
        &self.stack
    }

    fn names(&self) -> [&str; 2] {
        [&self.tables[0], &self.tables[1]]
    }

    async fn record(&self, entry: Entry) {
        self.journal.append(entry).await.unwrap();
    }

    async fn commit(&self, subject: &Subject, row: Row) {
        let addition = Addition { subject, row: &row, updates: &[] };
        assert_eq!(self.log.append_all(&[addition]).await, Ok(Appended::Done));
    }
}

const HOUR_MS: i64 = 3_600_000;

fn at(millis: i64) -> Time {
    // 2026-11-28T20:00:00Z
    Time::from_millis(1_795_896_000_000 + millis)
}

fn entry(subject: &str, number: i64, millis: i64) -> Entry {
    let text = json!({ "id": number.to_string(), "source": "orderflow/orders", "type": "T", "subject": subject });
    Entry {
        subject: Subject::new(subject).unwrap(),
        id: EventId::new(number.to_string()).unwrap(),
        source: ORDERS,
        text: text.to_string(),
        recorded_at: at(millis),
        mark: Mark { shard: 0, after: 0 },
    }
}

/// Ids of the entries of a slot, read page by page.
async fn slot(bench: &impl Bench, slot: Slot, range: Range) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = bench.archive().slot(bench.names()[0], slot, range, after.as_deref()).await.unwrap();
        ids.extend(page.entries.iter().map(|entry| entry.glimpse().id.unwrap()));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

async fn a_slot_has_the_entries_of_its_hour_page_by_page(bench: &impl Bench) {
    for number in 0..230 {
        // Some at the same moment, and the last first.
        bench.record(entry("ord_1", number, (230 - number) / 3 * 3)).await;
    }
    bench.record(entry("ord_1", 999, HOUR_MS)).await;
    let whole = Range { from: at(-HOUR_MS), to: at(2 * HOUR_MS) };
    let ids = slot(bench, Slot::of("ord_1", at(0)), whole).await;
    let mut sorted: Vec<i64> = ids.iter().map(|id| id.parse().unwrap()).collect();
    assert!(sorted.windows(2).all(|pair| pair[0] >= pair[1] - 2), "the oldest first");
    sorted.sort_unstable();
    assert_eq!(sorted, (0..230).collect::<Vec<i64>>(), "each once");
    assert_eq!(slot(bench, Slot::of("ord_1", at(HOUR_MS)), whole).await, ["999"]);
    assert_eq!(slot(bench, Slot::of("ord_1", at(-1)), whole).await, [""; 0]);
}

async fn a_range_ends_where_it_says(bench: &impl Bench) {
    for number in 0..5 {
        bench.record(entry("ord_1", number, number)).await;
    }
    let range = Range { from: at(1), to: at(3) };
    assert_eq!(slot(bench, Slot::of("ord_1", at(0)), range).await, ["1", "2", "3"]);
}

async fn entries_of_a_subject_are_found_whatever_their_time(bench: &impl Bench) {
    for number in 0..4 {
        bench.record(entry("ord_1", number, number * 50 * HOUR_MS)).await;
        bench.record(entry("ord_2", 10 + number, 0)).await;
    }
    let entries = bench.archive().of_subject(bench.names()[0], "ord_1").await.unwrap();
    let found: Vec<(Time, String)> = entries.into_iter().map(|entry| (entry.at, entry.text)).collect();
    let expected = (0..4).map(|number| (at(number * 50 * HOUR_MS), entry("ord_1", number, 0).text));
    assert_eq!(found, expected.collect::<Vec<_>>());
    assert_eq!(bench.archive().of_subject(bench.names()[0], "ord_3").await, Ok(Vec::new()));
}

async fn what_is_on_record_is_told_from_what_is_not(bench: &impl Bench) {
    let known: Vec<i64> = (0..150).collect();
    for number in &known {
        bench.record(entry(&format!("ord_{}", number % 7), *number, 0)).await;
    }
    let asked: Vec<Glimpse> =
        (0..300).rev().map(|number| Glimpse::of(&entry(&format!("ord_{}", number % 7), number, 0).text)).collect();
    let mut asked = asked;
    // One that is asked twice, and one that is no event.
    asked.push(asked[299].clone());
    asked.push(Glimpse::default());
    let has = bench.archive().has(bench.names()[0], &asked).await.unwrap();
    assert!(has[..150].iter().all(|has| !has) && has[150..301].iter().all(|has| *has) && !has[301], "{has:?}");
}

async fn every_row_is_read_once_page_by_page(bench: &impl Bench) {
    let event = |number: u32| json!({ "id": number.to_string(), "text": "a } ] \" , ü" }).to_string();
    let subjects: Vec<Subject> = (0..7).map(|number| Subject::new(format!("ord_{number}")).unwrap()).collect();
    let row = |version: u32| Row {
        version,
        at: at(version.into()),
        cause: Cause { source: "s".to_owned(), id: version.to_string(), event_type: "T".to_owned(), by: None },
        owner: None,
        unfinished: false,
        change: Some(json!({})),
        events: (0..version % 3).map(event).collect(),
    };
    for subject in &subjects {
        for version in 1..=40 {
            bench.commit(subject, row(version)).await;
        }
    }
    let (rows, mut after) = (RefCell::new(Vec::new()), None);
    loop {
        let page = bench.outboxes().rows(bench.names()[1], after.as_deref()).await.unwrap();
        rows.borrow_mut().extend(page.rows);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    // Those of one subject are together and in their order on AWS; nobody counts on it.
    let mut rows = rows.into_inner();
    rows.sort_by(|one, other| (&one.subject, one.version).cmp(&(&other.subject, other.version)));
    assert_eq!(rows.len(), 280);
    for rows in rows.chunks(40) {
        for (read, version) in rows.iter().zip(1..) {
            let Row { at, events, .. } = row(version);
            assert_eq!((&read.subject, read.version, read.at, &read.events), (&rows[0].subject, version, at, &events));
        }
    }
    let asked: Vec<(String, u32)> = (38..=43).map(|version| ("ord_3".to_owned(), version)).collect();
    let has = bench.outboxes().has_rows(bench.names()[1], &asked).await;
    assert_eq!(has, Ok(vec![true, true, true, false, false, false]));
    assert_eq!(bench.outboxes().has_rows(bench.names()[1], &[]).await, Ok(Vec::new()));
}
