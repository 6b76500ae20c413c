//! The notices in memory, crashed at every call.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures::executor::block_on;
use onewrite::feed::{FeedLog, FeedWriter, Mark, Page, RecordKey};
use onewrite::memory::{MemoryFeed, MemoryLeases, Pace, Paced, VirtualTime};
use onewrite::port::{Acquired, Clock, DoneParts, Leases, NextOfLease};
use onewrite::{Failure, Result};
use orderflow_events::{Email, Envelope, Time, parse};
use orderflow_journal::{Entry, Events, JournalStore, MemoryJournal};
use orderflow_notification::{Mail, MailError, Mailer, MemoryMailer};
use serde_json::{Value, json};

use super::*;

const SHARDS: u8 = 2;

/// All that is outside, in memory.
struct World {
    feed: MemoryFeed,
    journal: MemoryJournal,
    store: MemoryNotices,
    leases: MemoryLeases,
    mailer: MemoryMailer,
    time: VirtualTime,
}

fn rule(pattern: &Value, every: u64) -> Rule {
    parse(&json!({ "match": pattern, "to": "staff@shop.example", "every": every })).unwrap()
}

/// Flagged orders, at most one digest in a quarter of an hour.
fn flagged() -> Rule {
    rule(&json!({ "type": ["OrderFlagged"] }), 15)
}

/// A port of its own for [`Paced`]: so the orphan rule wants it.
struct Slow<'a, T>(Paced<'a, T>);

impl<T: FeedLog> FeedLog for Slow<'_, T> {
    async fn append(&self, _: u8, _: u64, _: &Page) -> Result<bool> {
        Ok(false)
    }

    async fn after(&self, shard: u8, position: u64, most: u16) -> Result<Vec<(u64, Page)>> {
        self.0.pace.pause("before after").await;
        self.0.port.after(shard, position, most).await
    }

    async fn head(&self, shard: u8) -> Result<u64> {
        self.0.port.head(shard).await
    }
}

impl<T: Events> Events for Slow<'_, T> {
    async fn texts(&self, keys: &[RecordKey]) -> Result<Vec<Option<String>>> {
        self.0.pace.pause("before texts").await;
        self.0.port.texts(keys).await
    }
}

impl<T: NoticeStore> NoticeStore for Slow<'_, T> {
    async fn read(&self, rule: &str) -> Result<Option<Stored>> {
        self.0.pace.pause("before read").await;
        self.0.port.read(rule).await
    }

    async fn write(&self, rule: &str, since: u64, state: &State) -> Result<bool> {
        let timed_out = || Failure::transient("timed out");
        self.0.pace.call("write", self.0.port.write(rule, since, state), timed_out).await
    }
}

impl<T: Leases> Leases for Slow<'_, T> {
    async fn acquire(&self, key: &str, owner: &str, now: Time, until: Time) -> Result<Acquired> {
        let timed_out = || Failure::transient("timed out");
        self.0.pace.call("acquire", self.0.port.acquire(key, owner, now, until), timed_out).await
    }

    async fn record(
        &self,
        key: &str,
        owner: &str,
        done: &std::collections::BTreeSet<&'static str>,
        next: NextOfLease,
    ) -> Result<bool> {
        let timed_out = || Failure::transient("timed out");
        self.0.pace.call("record", self.0.port.record(key, owner, done, next), timed_out).await
    }

    async fn done(&self, key: &str) -> Result<DoneParts> {
        self.0.port.done(key).await
    }
}

impl<T: Mailer> Mailer for Slow<'_, T> {
    async fn send(&self, recipient: &Email, mail: &Mail) -> Result<(), MailError> {
        let timed_out = || MailError::Other(Failure::transient("timed out"));
        self.0.pace.call("send", self.0.port.send(recipient, mail), timed_out).await
    }
}

impl World {
    fn new() -> Self {
        Self {
            feed: MemoryFeed::default(),
            journal: MemoryJournal::default(),
            store: MemoryNotices::default(),
            leases: MemoryLeases::default(),
            mailer: MemoryMailer::default(),
            time: VirtualTime::new(1),
        }
    }

    /// Puts an event on record, and into the feed.
    fn happens(&self, id: &str, kind: &str, amount: i64) {
        let event = json!({
            "specversion": "1.0", "id": id, "source": "orderflow/screening", "type": kind, "subject": format!("ord_{id}"),
            "time": self.time.now().to_string(), "datacontenttype": "application/json",
            "data": { "orderId": format!("ord_{id}"), "total": { "amount": amount, "currency": "EUR" } },
        });
        let envelope = Envelope::from_value(&event, self.time.now()).unwrap();
        let writer = FeedWriter::new(&self.feed, &self.time, SHARDS);
        block_on(async {
            let mark: Mark = writer.mark().await.unwrap();
            let entry = Entry::of(&envelope, &event.to_string(), self.time.now(), mark).unwrap();
            let key = entry.key();
            self.journal.append(entry).await.unwrap();
            writer.list(key, mark).await.unwrap();
        });
    }

    /// One run, which dies where the pace is used up; tells whether it has ended.
    fn run_at(&self, pace: &Pace, rules: &[Rule]) -> Option<Result<()>> {
        let feed = (Slow(Paced { port: &self.feed, pace }), SHARDS, Slow(Paced { port: &self.journal, pace }));
        let (store, leases) = (Slow(Paced { port: &self.store, pace }), Slow(Paced { port: &self.leases, pace }));
        let mailer = Slow(Paced { port: &self.mailer, pace });
        let notices = Notices::new(feed, store, leases, mailer, &self.time, rules.to_vec());
        let notices = notices.with_console("https://api.example/dev/console".parse().unwrap());
        let mut run = pin!(notices.run(self.time.now().after(Duration::from_mins(1))));
        block_on(poll_fn(|context| match run.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => Poll::Ready(None),
        }))
    }

    fn run(&self, rules: &[Rule]) {
        assert_eq!(self.run_at(&Pace::of(u32::MAX), rules), Some(Ok(())));
    }

    fn pass_minutes(&self, minutes: u64) {
        self.time.pass(Duration::from_mins(minutes));
    }

    /// Mails by their subjects, each with the number of its copies.
    fn told(&self) -> BTreeMap<String, usize> {
        let mut told = BTreeMap::new();
        for (_, mail) in self.mailer.sent() {
            *told.entry(mail.subject).or_default() += 1;
        }
        told
    }
}

#[test]
fn each_event_that_matches_is_told_of_once_and_digests_are_apart() {
    let (world, rules) = (World::new(), [flagged()]);
    world.happens("before", "OrderFlagged", 1);
    world.run(&rules);
    world.run(&rules);
    assert!(world.mailer.sent().is_empty(), "of what was before nobody is told");
    world.happens("1", "OrderFlagged", 60_000);
    world.happens("2", "OrderCreated", 60_000);
    world.run(&rules);
    world.happens("3", "OrderFlagged", 7);
    world.happens("4", "OrderFlagged", 8);
    for _ in 0..14 {
        world.pass_minutes(1);
        world.run(&rules);
    }
    assert_eq!(world.mailer.sent().len(), 1, "one in a quarter of an hour");
    world.pass_minutes(1);
    world.run(&rules);
    world.pass_minutes(60);
    world.run(&rules);
    let sent = world.mailer.sent();
    let orders = |mail: &Mail| {
        let named = |text: &str| -> Vec<i32> {
            (1..=4).filter(|id| text.contains(&format!("/console#/orders/ord_{id}"))).collect()
        };
        assert_eq!(named(&mail.text), named(&mail.html));
        named(&mail.text)
    };
    assert_eq!(sent.iter().map(|(_, mail)| orders(mail)).collect::<Vec<_>>(), [vec![1], vec![3, 4]]);
    let subjects: Vec<&str> = sent.iter().map(|(_, mail)| mail.subject.as_str()).collect();
    assert_eq!(subjects, ["Notice 1: 1 event", "Notice 2: 2 events"]);
    assert!(sent.iter().all(|(to, _)| to.as_str() == "staff@shop.example"));
    assert!(sent[0].1.text.contains("600,00 EUR"), "{}", sent[0].1.text);
}

#[test]
fn nothing_is_lost_and_nothing_told_of_in_two_digests_wherever_a_run_dies() {
    let rules = [flagged()];
    let mut repeated = 0;
    for steps in 0..40 {
        let world = World::new();
        world.run(&rules);
        for id in ["1", "2", "3"] {
            world.happens(id, "OrderFlagged", 100);
        }
        let died = world.run_at(&Pace::of(steps), &rules).is_none();
        world.happens("4", "OrderFlagged", 100);
        // Others come in while the dead one's lease lasts, and after it.
        for _ in 0..40 {
            world.pass_minutes(1);
            let _ = world.run_at(&Pace::of(u32::MAX), &rules);
        }
        let told = world.told();
        assert_eq!(
            told.len(),
            if died && !told.contains_key("Notice 1: 3 events") { 1 } else { 2 },
            "{steps}: {told:?}"
        );
        let of = |id: i32| {
            let sent = world.mailer.sent();
            let subjects = sent.iter().filter(|(_, mail)| {
                mail.text.contains(&format!("ord_{id}\n")) || mail.text.contains(&format!("ord_{id}  "))
            });
            subjects.map(|(_, mail)| mail.subject.clone()).collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!([1, 2, 3, 4].map(of), [1; 4], "{steps}: each is in one digest: {told:?}");
        let copies: usize = told.values().sum::<usize>() - told.len();
        assert!(copies <= 1, "{steps}: {told:?}");
        repeated += copies;
    }
    // Those that have died between sending and recording it.
    assert_eq!(repeated, 2);
}

#[test]
fn a_mail_that_fails_is_sent_later_and_holds_up_no_other_rule() {
    let other = rule(&json!({ "data": { "total": { "amount": [{ "numeric": [">", 50_000] }] } } }), 1);
    let (world, rules) = (World::new(), [flagged(), other]);
    world.run(&rules);
    world.happens("1", "OrderFlagged", 60_000);
    world.mailer.fail_next(MailError::TooFast);
    let failed = world.run_at(&Pace::of(u32::MAX), &rules).unwrap().unwrap_err();
    assert!(failed.kind().is_retryable(), "{failed}");
    assert_eq!(world.mailer.sent().len(), 1, "the other rule's");
    world.pass_minutes(1);
    world.run(&rules);
    world.pass_minutes(60);
    world.run(&rules);
    assert_eq!(world.mailer.sent().len(), 2);
}

#[test]
fn two_runs_at_once_tell_once() {
    let (world, rules) = (World::new(), [flagged()]);
    world.run(&rules);
    world.happens("1", "OrderFlagged", 1);
    for place in ["before write", "before acquire", "before send", "before record"] {
        let _ = world.run_at(&Pace::until(place), &rules);
        let _ = world.run_at(&Pace::of(u32::MAX), &rules);
    }
    world.pass_minutes(2);
    world.run(&rules);
    assert_eq!(world.mailer.sent().len(), 1);
}

#[test]
fn many_are_counted_and_what_is_written_by_others_is_escaped() {
    let (world, rules) = (World::new(), [rule(&json!({ "type": [{ "prefix": "" }] }), 1)]);
    world.run(&rules);
    for number in 0..60 {
        world.happens(&number.to_string(), "<b>Odd</b>", 1);
    }
    world.run(&rules);
    let (_, mail) = world.mailer.sent().remove(0);
    assert_eq!(mail.subject, "Notice 1: 60 events");
    assert!(mail.text.contains("and 10 more") && mail.html.contains("and 10 more"), "{}", mail.text);
    assert!(!mail.html.contains("<b>"), "{}", mail.html);
}
