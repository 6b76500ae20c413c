//! Relay: the one door by which a service's events leave.
//!
//! A service's table is its outbox: a row that has events reaches the relay through the table's stream, and the relay
//! publishes them. It may publish them again after a crash, which is harmless: they keep their ids, and every consumer
//! is idempotent.

mod outbox;

use std::rc::Rc;
use std::time::Duration;

use auto_impl::auto_impl;
use aws_lambda_events::dynamodb::EventRecord;
use envelope::{Source, Time};
use futures::future::join_all;
use serde_json::value::RawValue;

use crate::failure::{Failure, FailureKind, Result};
use crate::park::DeadLetter;
use crate::port::{Clock, DeadLetters, Random};
use crate::telemetry::spans::{self, Span};
use crate::telemetry::{Observation, observe};

pub use outbox::{Entry, MAX_BATCH_BYTES, MAX_BATCH_ENTRIES, Outbox, OutboxRow, Speaker, Unpublishable, read_row};

/// Time of the invocation that is kept to fail in good order: a process that is stopped in the middle starts cold. With
/// no more time than this, nothing is published.
pub const RESERVE: Duration = Duration::from_secs(6);

/// Number of batches that are published side by side: a stream's hundred rows take two round trips instead of ten. SNS takes
/// 300 batches a second on a FIFO topic (its quota), from all relays together.
const SIDE_BY_SIDE: usize = 5;

/// Longest pause after a failed batch.
const MAX_PAUSE_MS: u64 = 5_000;

/// An event of a batch that was not published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its place in the batch.
    pub index: usize,
    /// The failure: its reason, and whether to try again.
    pub failure: Failure,
}

/// A FIFO topic.
#[auto_impl(&)]
pub trait Topic {
    /// Publishes a batch, and answers which of its events were refused.
    ///
    /// # Errors
    ///
    /// It is unknown which events were published: none was refused for itself.
    async fn publish(&self, batch: &[Entry]) -> Result<Vec<Refusal>>;

    /// Name of the topic, for those who follow an event's way.
    fn name(&self) -> &str;

    /// Opens the connection, while the function starts and is not throttled. Whether it works out shows soon enough.
    async fn warm(&self);
}

/// Record of a stream, or what came in its place and cannot be read as one.
pub type Record = std::result::Result<EventRecord, Box<RawValue>>;

/// Publishes the events of a service's new rows.
pub struct Relay<T, D, W> {
    speaker: Speaker,
    topic: T,
    dead_letters: D,
    world: W,
    function: String,
}

impl<T: Topic, D: DeadLetters, W: Clock + Random> Relay<T, D, W> {
    /// A relay to that topic, for the service that speaks as `source`. What can never be published goes to the dead letters,
    /// in the name of `function`.
    pub fn new(source: Source, topic: T, dead_letters: D, world: W, function: impl Into<String>) -> Self {
        Self { speaker: Speaker(source), topic, dead_letters, world, function: function.into() }
    }

    /// Opens the connection to the topic.
    pub async fn warm(&self) {
        self.topic.warm().await;
    }

    /// Publishes the events of all records, batches of different subjects side by side, and tries until the invocation's
    /// time, which ends at `deadline`, is nearly up.
    ///
    /// # Errors
    ///
    /// Not all is published: the stream has to deliver the records again.
    pub async fn run(&self, records: Vec<Record>, deadline: Time) -> Result<()> {
        let (mut outbox, mut unpublishable) = (Outbox::default(), Vec::new());
        for record in records {
            match record.map_or_else(|raw| Err(Box::new(unreadable(&raw))), |record| read_row(record, &self.speaker)) {
                Ok(entries) => outbox.extend(entries),
                Err(found) => unpublishable.push((found.row, Failure::permanent(found.reason))),
            }
        }
        let mut published = Published::default();
        let result = self.publish_all(outbox, &mut unpublishable, &mut published, deadline).await;
        observe(None, &Observation::Published { count: published.count, delays: &published.delays });
        result?;
        // Last of all, and each row once: an invocation that fails comes again, and would copy them again.
        let mut copied = Vec::<Rc<OutboxRow>>::new();
        for (row, failure) in unpublishable {
            if !copied.iter().any(|other| Rc::ptr_eq(other, &row)) {
                self.park(&row, &failure).await?;
                copied.push(row);
            }
        }
        Ok(())
    }

    /// Publishes all events of `outbox`, but for those that can never be.
    async fn publish_all(
        &self,
        mut outbox: Outbox,
        unpublishable: &mut Vec<(Rc<OutboxRow>, Failure)>,
        all: &mut Published,
        deadline: Time,
    ) -> Result<()> {
        let (count, mut pauses, mut most) = (outbox.len(), 0, MAX_BATCH_ENTRIES);
        while !outbox.is_empty() {
            if self.world.now().until(deadline) < RESERVE {
                return Err(Failure::transient(format!("{} of {count} events are not published", outbox.len())));
            }
            let batches = outbox.take_batches(SIDE_BY_SIDE, most).into_iter().map(|batch| self.publish(batch));
            let Outcome { published, again, never, spoiled } = join_all(batches).await.into_iter().collect();
            all.add(published);
            unpublishable.extend(never);
            // A batch that is refused as a whole has one that spoils it: alone, each shows what it is.
            most = if spoiled { 1 } else { MAX_BATCH_ENTRIES };
            if again.is_empty() {
                pauses = 0;
                continue;
            }
            outbox.put_back(again);
            if !spoiled {
                self.pause(pauses).await;
                pauses += 1;
            }
        }
        Ok(())
    }

    async fn publish(&self, batch: Vec<Entry>) -> Outcome {
        let sent: Vec<Span> = batch.iter().map(|entry| spans::send(self.topic.name(), entry, batch.len())).collect();
        let refusals = match self.topic.publish(&batch).await {
            Ok(refusals) => refusals,
            Err(failure) => {
                observe(None, &Observation::NotPublished { failure: &failure, count: batch.len() });
                for span in &sent {
                    span.fail(&failure);
                }
                return match batch.as_slice() {
                    _ if failure.kind() != FailureKind::Permanent => Outcome { again: batch, ..Outcome::default() },
                    [only] => {
                        Outcome { never: vec![(Rc::clone(&only.row), failure)], spoiled: true, ..Outcome::default() }
                    }
                    _ => Outcome { again: batch, spoiled: true, ..Outcome::default() },
                };
            }
        };
        let (mut outcome, now) = (Outcome::default(), self.world.now());
        for (index, (entry, span)) in batch.into_iter().zip(sent).enumerate() {
            let Some(refusal) = refusals.iter().find(|refusal| refusal.index == index) else {
                outcome.published.count += 1;
                outcome.published.delays.extend(entry.committed_at.map(|committed_at| committed_at.until(now)));
                continue;
            };
            observe(None, &Observation::NotPublished { failure: &refusal.failure, count: 1 });
            span.fail(&refusal.failure);
            if refusal.failure.kind() == FailureKind::Permanent {
                outcome.never.push((entry.row, refusal.failure.clone()));
            } else {
                outcome.again.push(entry);
            }
        }
        outcome
    }

    async fn park(&self, row: &OutboxRow, failure: &Failure) -> Result<()> {
        observe(None, &Observation::Discarded(failure));
        let letter = DeadLetter::from_json(&row.0, failure, &self.function, self.world.now());
        self.dead_letters.park(&letter).await
    }

    /// Exponential back-off with full jitter.
    async fn pause(&self, pauses: u32) {
        let bound = 50_u64.saturating_mul(1 << pauses.min(10)).min(MAX_PAUSE_MS);
        self.world.sleep(Duration::from_millis(self.world.below(bound + 1))).await;
    }
}

/// A record that is none: kept as it came, for a person to look at.
fn unreadable(raw: &RawValue) -> Unpublishable {
    let row = serde_json::from_str(raw.get()).unwrap_or_default();
    Unpublishable { row: Rc::new(OutboxRow(row)), reason: "the record cannot be read".to_owned() }
}

/// Events that were published.
#[derive(Default)]
struct Published {
    count: usize,
    /// Times since the commit of each.
    delays: Vec<Duration>,
}

impl Published {
    fn add(&mut self, more: Self) {
        self.count += more.count;
        self.delays.extend(more.delays);
    }
}

/// Outcome of some batches.
#[derive(Default)]
struct Outcome {
    published: Published,
    /// Events that are to be tried again.
    again: Vec<Entry>,
    /// Rows whose events can never be published.
    never: Vec<(Rc<OutboxRow>, Failure)>,
    /// True where a batch was refused as a whole, for ever.
    spoiled: bool,
}

impl FromIterator<Self> for Outcome {
    fn from_iter<I: IntoIterator<Item = Self>>(rests: I) -> Self {
        let mut all = Self::default();
        for rest in rests {
            all.published.add(rest.published);
            all.again.extend(rest.again);
            all.never.extend(rest.never);
            all.spoiled |= rest.spoiled;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::{HashMap, HashSet};
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use aws_lambda_events::dynamodb::EventRecord;
    use futures::FutureExt;
    use futures::executor::block_on;
    use serde_json::{Value, json};

    use super::*;
    use crate::memory::{MemoryQueue, MemoryTopic, Pace, Paced, VirtualTime, sample};

    /// A topic that remembers its batches, and fails as it is told to.
    #[derive(Default)]
    struct FakeTopic {
        batches: RefCell<Vec<Vec<String>>>,
        fail_calls: RefCell<Vec<Failure>>,
        refuse: RefCell<HashMap<String, Vec<Failure>>>,
        spoiled_by: Option<String>,
    }

    impl Topic for FakeTopic {
        fn name(&self) -> &'static str {
            "events"
        }

        async fn warm(&self) {}

        async fn publish(&self, batch: &[Entry]) -> Result<Vec<Refusal>> {
            assert!(!batch.is_empty() && batch.len() <= MAX_BATCH_ENTRIES);
            assert!(batch.iter().map(|entry| entry.message.len()).sum::<usize>() <= MAX_BATCH_BYTES);
            if let Some(failure) = self.fail_calls.borrow_mut().pop() {
                return Err(failure);
            }
            if batch.iter().any(|entry| Some(&entry.group) == self.spoiled_by.as_ref()) {
                return Err(Failure::permanent("InvalidParameter"));
            }
            let refuse = |(index, entry): (usize, &Entry)| {
                let failure = self.refuse.borrow_mut().get_mut(entry.group.as_str())?.pop()?;
                Some(Refusal { index, failure })
            };
            let refusals: Vec<Refusal> = batch.iter().enumerate().filter_map(refuse).collect();
            let published = batch.iter().enumerate().filter(|(index, _)| refusals.iter().all(|r| r.index != *index));
            self.batches.borrow_mut().push(published.map(|(_, entry)| name(&entry.message)).collect());
            Ok(refusals)
        }
    }

    /// Of which subject the event is, and what it is called there.
    fn name(message: &str) -> String {
        let event: Value = serde_json::from_str(message).unwrap();
        format!("{}{}", event["subject"].as_str().unwrap(), event["name"].as_str().unwrap())
    }

    fn event(subject: &str, name: &str, filling: usize) -> Value {
        let number = name.bytes().fold(0, u8::wrapping_add);
        let id = sample::another_event::<sample::Library>(sample::requested(subject), number).context.id;
        json!({ "id": id, "source": "library/loans", "subject": subject, "name": name, "filling": "x".repeat(filling) })
    }

    fn record(kind: &str, events: &Value) -> EventRecord {
        let subject = events[0]["subject"].as_str().unwrap_or("a");
        let image = if events.is_null() {
            json!({ "pk": { "S": subject } })
        } else {
            json!({ "pk": { "S": subject }, "events": { "S": events.as_str().map_or(events.to_string(), str::to_owned) } })
        };
        let record = json!({
            "awsRegion": "eu-central-1", "eventID": "1", "eventName": kind, "eventSourceARN": "arn:aws:dynamodb:stream",
            "dynamodb": { "ApproximateCreationDateTime": 1.0, "NewImage": image, "SizeBytes": 1, "Keys": {} },
        });
        serde_json::from_value(record).unwrap()
    }

    fn run(topic: &FakeTopic, letters: impl DeadLetters, records: Vec<EventRecord>) -> Result<()> {
        run_all(topic, letters, records.into_iter().map(Ok).collect())
    }

    fn run_all(topic: &FakeTopic, letters: impl DeadLetters, records: Vec<Record>) -> Result<()> {
        let world = VirtualTime::new(1);
        let deadline = world.now().after(Duration::from_mins(1));
        block_on(Relay::new(sample::LOANS, topic, letters, &world, "relay").run(records, deadline))
    }

    fn rows(rows: &[(&str, &str)]) -> Vec<EventRecord> {
        rows.iter().map(|(subject, name)| record("INSERT", &json!([event(subject, name, 0)]))).collect()
    }

    #[test]
    fn a_batch_has_one_event_of_a_subject_and_keeps_the_order_of_its_events() {
        let (topic, letters) = (FakeTopic::default(), MemoryQueue::default());
        run(&topic, &letters, rows(&[("a", "1"), ("a", "2"), ("b", "1"), ("a", "3"), ("c", "1")])).unwrap();
        assert_eq!(*topic.batches.borrow(), [vec!["a1", "b1", "c1"], vec!["a2"], vec!["a3"]]);
    }

    #[test]
    fn a_batch_keeps_the_limits_of_sns() {
        let (topic, letters) = (FakeTopic::default(), MemoryQueue::default());
        let subjects: Vec<String> = (0..25).map(|number| format!("o{number}_")).collect();
        run(&topic, &letters, rows(&subjects.iter().map(|subject| (subject.as_str(), "x")).collect::<Vec<_>>()))
            .unwrap();
        assert_eq!(topic.batches.take().iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
        let large = ["a", "b", "c"].map(|subject| record("INSERT", &json!([event(subject, "1", 120_000)])));
        run(&topic, &letters, large.into()).unwrap();
        assert_eq!(topic.batches.take(), [vec!["a1", "b1"], vec!["c1"]]);
    }

    /// SNS, which answers none of so many calls before it has all of them.
    struct Together {
        sns: FakeTopic,
        missing: Cell<usize>,
    }

    impl Topic for Together {
        fn name(&self) -> &'static str {
            "events"
        }

        async fn warm(&self) {}

        async fn publish(&self, batch: &[Entry]) -> Result<Vec<Refusal>> {
            self.missing.set(self.missing.get().saturating_sub(1));
            let all_are_there = || if self.missing.get() == 0 { Poll::Ready(()) } else { Poll::Pending };
            poll_fn(|_| all_are_there()).await;
            self.sns.publish(batch).await
        }
    }

    #[test]
    fn batches_of_other_subjects_are_published_side_by_side() {
        let topic = Together { sns: FakeTopic::default(), missing: Cell::new(5) };
        let subjects: Vec<String> = (0..60).map(|number| format!("o{number}_")).collect();
        let mut rows = rows(&subjects.iter().map(|subject| (subject.as_str(), "x")).collect::<Vec<_>>());
        rows.insert(1, record("INSERT", &json!([event("o0_", "y", 0)])));
        let records = rows.into_iter().map(Ok).collect();
        let (world, letters) = (VirtualTime::new(1), MemoryQueue::default());
        let deadline = world.now().after(Duration::from_mins(1));
        let relay = Relay::new(sample::LOANS, &topic, &letters, &world, "relay");
        let mut run = pin!(relay.run(records, deadline));
        let done = (0..3).find_map(|_| run.as_mut().now_or_never());
        assert_eq!(done, Some(Ok(())), "it waits for an answer before it sends the next batch");
        let batches = topic.sns.batches.take();
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 10, 10, 10, 10, 1]);
        let place = |name: &str| batches.iter().position(|batch| batch.iter().any(|other| other == name));
        assert!(place("o0_x") < Some(5) && place("o0_y") >= Some(5), "{batches:?}");
    }

    #[test]
    fn only_new_rows_with_events_are_published() {
        let (topic, letters) = (FakeTopic::default(), MemoryQueue::default());
        let events = json!([event("a", "1", 0)]);
        run(
            &topic,
            &letters,
            vec![record("MODIFY", &events), record("REMOVE", &events), record("INSERT", &Value::Null)],
        )
        .unwrap();
        assert!(topic.batches.take().is_empty() && letters.letters().is_empty());
    }

    #[test]
    fn what_fails_is_tried_again_and_not_overtaken_by_its_order() {
        for (calls, refusals) in (0..4).flat_map(|calls| (0..4).map(move |refusals| (calls, refusals))) {
            let (topic, letters) = (FakeTopic::default(), MemoryQueue::default());
            let failures = [Failure::transient("throttled"), Failure::new(FailureKind::Misconfigured, "denied")];
            topic.fail_calls.borrow_mut().extend(failures.into_iter().cycle().take(calls));
            topic.refuse.borrow_mut().insert("a".to_owned(), vec![Failure::transient("internal"); refusals]);
            run(&topic, &letters, rows(&[("a", "1"), ("a", "2"), ("b", "1"), ("a", "3")])).unwrap();
            let published = topic.batches.take().concat();
            let of_a: Vec<&String> = published.iter().filter(|name| name.starts_with('a')).collect();
            assert_eq!(of_a, ["a1", "a2", "a3"], "{calls} failed calls, {refusals} refusals");
            assert_eq!(published.len(), 4, "{published:?}");
            assert!(letters.letters().is_empty());
        }
    }

    #[test]
    fn an_outage_fails_the_invocation_before_its_time_is_up() {
        let (topic, letters) = (FakeTopic::default(), MemoryQueue::default());
        topic.fail_calls.borrow_mut().extend(vec![Failure::transient("down"); 10_000]);
        let failure = run(&topic, &letters, rows(&[("a", "1"), ("b", "1")])).unwrap_err();
        assert_eq!(failure.reason(), "2 of 2 events are not published");
        assert!(topic.fail_calls.borrow().len() > 9_900, "it must pause between its attempts");
    }

    /// SNS, which is down up to some moment.
    struct Flaky<'a> {
        sns: MemoryTopic<&'a VirtualTime>,
        world: &'a VirtualTime,
        up_at: Time,
    }

    impl Topic for Flaky<'_> {
        fn name(&self) -> &'static str {
            "events"
        }

        async fn publish(&self, batch: &[Entry]) -> Result<Vec<Refusal>> {
            if self.world.now() < self.up_at {
                return Err(Failure::transient("PublishBatch: timed out"));
            }
            self.sns.publish(batch).await
        }

        async fn warm(&self) {}
    }

    impl<T: Topic> Topic for Paced<'_, T> {
        fn name(&self) -> &'static str {
            "events"
        }

        async fn publish(&self, batch: &[Entry]) -> Result<Vec<Refusal>> {
            let timed_out = || Failure::transient("PublishBatch: timed out");
            self.pace.call("publish", self.port.publish(batch), timed_out).await
        }

        async fn warm(&self) {}
    }

    /// One invocation of half a minute.
    async fn invoke(topic: impl Topic, world: &VirtualTime, records: &[EventRecord]) -> Result<()> {
        let letters = MemoryQueue::default();
        let deadline = world.now().after(Duration::from_secs(30));
        let records = records.iter().cloned().map(Ok).collect();
        let result = Relay::new(sample::LOANS, topic, &letters, world, "relay").run(records, deadline).await;
        assert_eq!(letters.letters(), [], "nothing here can never be published");
        result
    }

    fn published(topic: &MemoryTopic<&VirtualTime>) -> Vec<String> {
        topic.published().iter().map(|entry| name(&entry.message)).collect()
    }

    #[test]
    fn what_waits_for_the_end_of_a_long_outage_is_published_in_its_order() {
        let world = VirtualTime::new(1);
        let up_at = world.now().after(Duration::from_mins(3));
        let topic = Flaky { sns: MemoryTopic::new(&world), world: &world, up_at };
        let records = rows(&[("a", "1"), ("b", "1"), ("a", "2"), ("a", "3")]);
        // The stream delivers again what was not published.
        let failures = (0..100).take_while(|_| block_on(invoke(&topic, &world, &records)).is_err()).count();
        assert!((4..=8).contains(&failures), "{failures} invocations of half a minute in three minutes");
        assert_eq!(published(&topic.sns), ["a1", "b1", "a2", "a3"]);
    }

    #[test]
    fn a_crash_after_publishing_publishes_again_under_the_same_ids() {
        let records = rows(&[("a", "1"), ("b", "1"), ("c", "1")]);
        for (pass, times) in [(Duration::ZERO, 1), (Duration::from_mins(5), 2)] {
            let world = VirtualTime::new(1);
            let (sns, pace) = (MemoryTopic::new(&world), Pace::until("after publish"));
            let crashed = invoke(Paced { port: &sns, pace: &pace }, &world, &records).now_or_never();
            assert_eq!(crashed, None);
            assert_eq!(published(&sns), ["a1", "b1", "c1"]);
            world.pass(pass);
            pace.release();
            let again = invoke(Paced { port: &sns, pace: &pace }, &world, &records).now_or_never();
            assert_eq!(again, Some(Ok(())));
            // SNS knows an id again for five minutes; the consumers know it for ever.
            assert_eq!(published(&sns), ["a1", "b1", "c1"].repeat(times));
            let ids: HashSet<_> = sns.published().iter().map(|entry| entry.id.clone()).collect();
            assert_eq!(ids.len(), 3);
        }
    }

    #[test]
    fn ten_events_of_200_kb_are_published() {
        let world = VirtualTime::new(1);
        let sns = MemoryTopic::new(&world);
        let subjects: Vec<String> = (0..10).map(|number| format!("o{number}_")).collect();
        let row = |subject: &String| record("INSERT", &json!([event(subject, "x", 200_000)]));
        let records: Vec<EventRecord> = subjects.iter().map(row).collect();
        assert_eq!(block_on(invoke(&sns, &world, &records)), Ok(()));
        assert_eq!(published(&sns), subjects.iter().map(|subject| format!("{subject}x")).collect::<Vec<_>>());
    }

    #[test]
    fn what_can_never_be_published_is_copied_whole_and_holds_nothing_up() {
        let topic = FakeTopic { spoiled_by: Some("b".to_owned()), ..FakeTopic::default() };
        let letters = MemoryQueue::default();
        topic.refuse.borrow_mut().insert("c".to_owned(), vec![Failure::permanent("InvalidParameter")]);
        let mut records = rows(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]);
        records.insert(0, record("INSERT", &json!("not JSON")));
        records.insert(1, record("INSERT", &json!([{ "id": "1" }])));
        records.insert(2, record("INSERT", &json!([event("e", "1", MAX_BATCH_BYTES)])));
        run(&topic, &letters, records).unwrap();
        let mut published = topic.batches.take().concat();
        published.sort();
        assert_eq!(published, ["a1", "d1"]);
        let bodies: Vec<Value> =
            letters.letters().iter().map(|letter| serde_json::from_str(&letter.body).unwrap()).collect();
        assert_eq!(bodies.len(), 5);
        assert_eq!(
            bodies[0],
            json!({ "stream": "arn:aws:dynamodb:stream", "row": { "pk": "a", "events": "not JSON" } })
        );
        assert!(letters.letters().iter().all(|letter| letter.attributes.contains_key("failure-reason")));
    }

    #[test]
    fn a_row_is_copied_once_and_only_when_all_others_are_published() {
        let (topic, letters) = (FakeTopic::default(), MemoryQueue::default());
        topic.refuse.borrow_mut().insert("a".to_owned(), vec![Failure::permanent("InvalidParameter"); 2]);
        run(&topic, &letters, vec![record("INSERT", &json!([event("a", "1", 0), event("a", "2", 0)]))]).unwrap();
        assert_eq!(letters.letters().len(), 1);
        topic.fail_calls.borrow_mut().extend(vec![Failure::transient("down"); 10_000]);
        let mut records = rows(&[("b", "1")]);
        records.push(record("INSERT", &json!("not JSON")));
        assert!(run(&topic, &letters, records).is_err());
        assert_eq!(letters.letters().len(), 1);
    }

    #[test]
    fn a_relay_publishes_for_its_own_service_and_about_the_subject_of_the_row() {
        let (topic, letters) = (FakeTopic::default(), MemoryQueue::default());
        let mut forged = event("b", "1", 0);
        forged["source"] = json!("library/shelf");
        let mut unsigned = event("d", "1", 0);
        unsigned.as_object_mut().unwrap().remove("source");
        let foreign = json!([event("c", "1", 0), event("another", "1", 0)]);
        let mut records = rows(&[("a", "1")]);
        records.extend([json!([forged]), json!([unsigned]), foreign].map(|events| record("INSERT", &events)));
        run(&topic, &letters, records).unwrap();
        assert_eq!(topic.batches.take().concat(), ["a1"]);
        let reasons: Vec<_> =
            letters.letters().iter().map(|letter| letter.attributes["failure-reason"].clone()).collect();
        let reason = |text: &str| crate::park::Attribute::Text("String".to_owned(), text.to_owned());
        assert_eq!(
            reasons,
            [
                reason("an event is from library/shelf, and this relay publishes for library/loans only"),
                reason("an event is not understood"),
                reason("an event is about another subject than its row"),
            ]
        );
    }

    #[test]
    fn a_record_that_cannot_be_read_holds_nothing_up() {
        let (topic, letters) = (FakeTopic::default(), MemoryQueue::default());
        let raw = RawValue::from_string(r#"{"eventName":"INSERT","dynamodb":7}"#.to_owned()).unwrap();
        let good = rows(&[("a", "1")]).remove(0);
        run_all(&topic, &letters, vec![Err(raw), Ok(good)]).unwrap();
        assert_eq!(topic.batches.take().concat(), ["a1"]);
        let bodies: Vec<Value> =
            letters.letters().iter().map(|letter| serde_json::from_str(&letter.body).unwrap()).collect();
        assert_eq!(bodies, [json!({ "eventName": "INSERT", "dynamodb": 7 })]);
    }

    #[test]
    fn a_row_that_is_copied_nowhere_comes_again() {
        struct Closed;

        impl DeadLetters for Closed {
            async fn park(&self, _: &DeadLetter) -> Result<()> {
                Err(Failure::transient("throttled"))
            }
        }

        let topic = FakeTopic::default();
        let records = vec![record("INSERT", &json!("not JSON")), record("INSERT", &json!([event("a", "1", 0)]))];
        assert_eq!(run(&topic, Closed, records), Err(Failure::transient("throttled")));
        assert_eq!(*topic.batches.borrow(), [vec!["a1"]]);
    }
}
