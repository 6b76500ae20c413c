//! The suite of [`OpenSubjects`].

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use onewrite::aws::{DynamoLog, DynamoOpenSubjects};
use onewrite::memory::MemoryLog;
use onewrite::port::{Addition, Appended, Log, OpenPage, OpenSubjects};
use onewrite::{Cause, Result, Row};
use orderflow_events::{Subject, Time};

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryLog::default,
        on_aws,
        [
            the_first_row_opens_a_subject,
            a_subject_that_is_closed_stays_so,
            nobody_is_closed_who_was_never_begun,
            every_open_subject_is_read_once_page_by_page,
        ]
    )
}

/// Table with the index.
struct OnAws(DynamoLog, DynamoOpenSubjects);

impl Log for OnAws {
    async fn read(&self, subject: &Subject) -> Result<Vec<Row>> {
        self.0.read(subject).await
    }

    async fn append_all(&self, additions: &[Addition<'_>]) -> Result<Appended> {
        self.0.append_all(additions).await
    }
}

impl OpenSubjects for OnAws {
    async fn page(&self, shard: u8, after: Option<&str>) -> Result<OpenPage> {
        self.1.page(shard, after).await
    }

    async fn count(&self, before: Time) -> Result<u64> {
        self.1.count(before).await
    }

    async fn close(&self, subject: &Subject) -> Result<()> {
        self.1.close(subject).await
    }
}

async fn on_aws(aws: &Aws) -> OnAws {
    let (client, table) = (aws.clients().0, aws.table_with_open_index().await);
    OnAws(DynamoLog::new(client.clone(), &table).with_open_index(), DynamoOpenSubjects::new(client, table))
}

async fn add(log: &impl Log, subject: &str, version: u32, second: u64) {
    assert_eq!(log.append(&subject_of(subject), &row(version, second), &[]).await, Ok(Appended::Done));
}

fn row(version: u32, second: u64) -> Row {
    let (source, event_type) = ("orderflow/orders".to_owned(), "OrderCreated".to_owned());
    let cause = Cause { source, id: format!("{version}-{second}"), event_type, by: None };
    Row { version, at: at(second), cause, owner: None, unfinished: false, change: None, events: Vec::new() }
}

/// All subjects that are open, by shard, and how many pages it took.
async fn open(index: &impl OpenSubjects) -> (Vec<Vec<(String, Time)>>, u32) {
    let (mut shards, mut pages) = (Vec::new(), 0);
    for shard in 0..8 {
        let (mut subjects, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = index.page(shard, after.as_deref()).await.unwrap();
            subjects.extend(page.subjects.into_iter().map(|(subject, at)| (subject.to_string(), at)));
            pages += 1;
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        shards.push(subjects);
    }
    (shards, pages)
}

async fn names(index: &impl OpenSubjects) -> Vec<String> {
    let mut names: Vec<String> = open(index).await.0.into_iter().flatten().map(|(name, _)| name).collect();
    names.sort();
    names
}

fn subject_of(text: &str) -> Subject {
    Subject::new(text).unwrap()
}

fn at(second: u64) -> Time {
    Time::from_millis(1_767_225_600_000).after(Duration::from_secs(second))
}

async fn the_first_row_opens_a_subject(bench: &(impl Log + OpenSubjects)) {
    assert_eq!(bench.count(at(1_000)).await, Ok(0));
    add(bench, "ord_1", 1, 10).await;
    add(bench, "ord_2", 1, 20).await;
    add(bench, "ord_1", 2, 30).await;
    assert_eq!(names(bench).await, ["ord_1", "ord_2"]);
    let counts = [bench.count(at(10)).await, bench.count(at(11)).await, bench.count(at(21)).await];
    assert_eq!(counts, [Ok(0), Ok(1), Ok(2)]);
    let mut begun: Vec<Time> = open(bench).await.0.into_iter().flatten().map(|(_, begun)| begun).collect();
    begun.sort();
    assert_eq!(begun, [at(10), at(20)]);
}

async fn a_subject_that_is_closed_stays_so(bench: &(impl Log + OpenSubjects)) {
    add(bench, "ord_1", 1, 10).await;
    add(bench, "ord_2", 1, 20).await;
    let before = bench.read(&subject_of("ord_1")).await;
    for _ in 0..2 {
        assert_eq!(bench.close(&subject_of("ord_1")).await, Ok(()));
    }
    assert_eq!(bench.read(&subject_of("ord_1")).await, before, "its row is as it was");
    add(bench, "ord_1", 2, 30).await;
    assert_eq!((names(bench).await, bench.count(at(1_000)).await), (vec!["ord_2".to_owned()], Ok(1)));
}

async fn nobody_is_closed_who_was_never_begun(bench: &(impl Log + OpenSubjects)) {
    assert_eq!(bench.close(&subject_of("ord_1")).await, Ok(()));
    assert_eq!(bench.read(&subject_of("ord_1")).await, Ok(Vec::new()));
}

async fn every_open_subject_is_read_once_page_by_page(bench: &(impl Log + OpenSubjects)) {
    let subjects: Vec<String> = (0..500).map(|number| format!("auth0|{number:03}")).collect();
    for (names, second) in subjects.chunks(25).zip(0..) {
        let begun: Vec<(Subject, Row)> = names.iter().map(|name| (subject_of(name), row(1, second))).collect();
        let additions: Vec<Addition<'_>> =
            begun.iter().map(|(subject, row)| Addition { subject, row, updates: &[] }).collect();
        assert_eq!(bench.append_all(&additions).await, Ok(Appended::Done));
    }
    assert_eq!(names(bench).await, subjects);
    let (shards, pages) = open(bench).await;
    assert!(pages > 8, "a shard has several pages");
    assert!(shards.iter().all(|shard| shard.len() > 40), "each shard has its share");
    assert!(shards.iter().all(|shard| shard.is_sorted_by_key(|(_, begun)| *begun)), "the first comes first");
}
