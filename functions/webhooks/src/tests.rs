//! Webhooks, whoever dies at sending them.

mod api;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::{Pin, pin};
use std::time::Duration;

use futures::FutureExt;
use futures::executor::block_on;
use onewrite::feed::{Cursor, end};
use onewrite::memory::{MemoryFeed, MemoryKeys, Pace, Paced, VirtualTime};
use onewrite::personal::KeyRing;
use onewrite::port::{Clock, Random};
use onewrite::webhook::{Answer, Secret, Unanswered};
use onewrite::{Delivery as Delivered, Failure, Project, Result};
use orderflow_events::{Email, Envelope, Time};
use orderflow_journal::{Journal, MemoryJournal};
use orderflow_notification::{Mail, MailError, Mailer, MemoryMailer};
use serde_json::{Value, json};

use crate::dispatch::Dispatch;
use crate::domain::{CLEARED_AFTER, DeliveryState, Disabled, Endpoint, TRIED_FOR};
use crate::feed::JournalFeed;
use crate::memory::{MemoryReceivers, MemoryWebhooks, MemoryWorkers, Posted};
use crate::port::{Deliveries, Endpoints, Receivers};
use crate::send::Sender;

const SHARDS: u8 = 3;

/// Time of a function.
const TIME: Duration = Duration::from_mins(2);

/// Sender whose calls are paced.
type PacedSender<'a> = Sender<
    Paced<'a, JournalFeed<&'a MemoryFeed, &'a MemoryJournal>>,
    Paced<'a, &'a MemoryWebhooks>,
    Paced<'a, &'a MemoryReceivers>,
    Paced<'a, &'a MemoryKeys>,
    PacedMailer<'a>,
    &'a VirtualTime,
>;

/// Mailer whose calls are paced.
struct PacedMailer<'a>(Paced<'a, &'a MemoryMailer>);

impl Mailer for PacedMailer<'_> {
    async fn send(&self, recipient: &Email, mail: &Mail) -> Result<(), MailError> {
        let timed_out = || MailError::Other(Failure::transient("timed out"));
        self.0.pace.call("send", self.0.port.send(recipient, mail), timed_out).await
    }
}

/// Work that is under way.
type Work<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// A shop whose events are posted.
struct Stage {
    world: VirtualTime,
    journal: MemoryJournal,
    log: MemoryFeed,
    store: MemoryWebhooks,
    receivers: MemoryReceivers,
    workers: MemoryWorkers,
    keys: MemoryKeys,
    mailer: MemoryMailer,
    told: RefCell<Vec<Value>>,
}

impl Stage {
    fn new() -> Self {
        Self {
            world: VirtualTime::new(1),
            journal: MemoryJournal::default(),
            log: MemoryFeed::default(),
            store: MemoryWebhooks::default(),
            receivers: MemoryReceivers::default(),
            workers: MemoryWorkers::default(),
            keys: MemoryKeys::default(),
            mailer: MemoryMailer::default(),
            told: RefCell::default(),
        }
    }

    /// Something happens to an order.
    fn tell(&self, number: usize) {
        let event = event(number);
        let (text, envelope) = (event.to_string(), Envelope::from_value(&event, Time::from_millis(0)).unwrap());
        // A writer for each: they write to different shards.
        let journal = Journal::new(&self.journal, &self.log, SHARDS, &self.world);
        self.world.pass(Duration::from_millis(1));
        let delivery = Delivered { text: &text, deadline: self.world.now() };
        block_on(journal.project(&envelope, &delivery)).unwrap();
        self.told.borrow_mut().push(event);
    }

    /// An endpoint that begins now.
    fn endpoint(&self, name: &str, pattern: Option<Value>, in_order: bool) -> Endpoint {
        let (keys, now) = (KeyRing::new(&self.keys, &self.world), self.world.now());
        let secret = block_on(keys.seal_text(name, &Secret::random(&self.world).text(), None)).unwrap();
        let cursor = block_on(end(&self.log, SHARDS)).unwrap();
        let new = Endpoint::new(name.to_owned(), url(name), secret, cursor, now);
        let endpoint = Endpoint { pattern, in_order, ..new };
        assert!(block_on(self.store.put(&endpoint)).unwrap());
        self.found(name)
    }

    fn found(&self, name: &str) -> Endpoint {
        block_on(self.store.get(name)).unwrap().unwrap()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Endpoint, Time)) {
        let mut endpoint = self.found(name);
        change(&mut endpoint, self.world.now());
        assert!(block_on(self.store.put(&endpoint)).unwrap());
    }

    fn resend(&self, name: &str, after: Cursor) {
        let end = block_on(end(&self.log, SHARDS)).unwrap();
        self.change(name, |endpoint, now| assert!(endpoint.resend(after, &end, now)));
    }

    fn deadline(&self) -> Time {
        self.world.now().after(TIME)
    }

    /// A dispatch, as far as `pace` lets it.
    fn dispatch(&self, pace: &Pace) -> Option<Result<()>> {
        let feed = JournalFeed::new(&self.log, SHARDS, &self.journal);
        let store = Paced { port: &self.store, pace };
        let workers = Paced { port: &self.workers, pace };
        let dispatch = Dispatch::new(Paced { port: feed, pace }, store, workers, &self.world);
        go_on(pin!(dispatch.run(self.deadline())))
    }

    fn sender<'a>(&'a self, pace: &'a Pace) -> PacedSender<'a> {
        let feed = JournalFeed::new(&self.log, SHARDS, &self.journal);
        Sender::new(
            Paced { port: feed, pace },
            Paced { port: &self.store, pace },
            Paced { port: &self.receivers, pace },
            Paced { port: &self.keys, pace },
            PacedMailer(Paced { port: &self.mailer, pace }),
            &self.world,
        )
    }

    /// A sender, as far as `pace` lets it.
    fn send(&self, name: &str, pace: &Pace) -> Option<Result<()>> {
        let sender = self.sender(pace);
        go_on(pin!(sender.run(name, self.deadline())))
    }

    /// A minute of the clock: dispatch, and all who are to work.
    fn minute(&self) {
        assert_eq!(self.dispatch(&free()), Some(Ok(())));
        for name in self.workers.take() {
            assert_eq!(self.send(&name, &free()), Some(Ok(())), "{name}");
        }
        self.world.pass(Duration::from_mins(1));
    }

    fn minutes(&self, minutes: usize) {
        (0..minutes).for_each(|_| self.minute());
    }

    /// Numbers of the events that were posted to an endpoint, in the order in which they were.
    fn posted(&self, name: &str) -> Vec<usize> {
        let to = url(name);
        self.receivers.posts().iter().filter(|post| post.url == to).map(number_of).collect()
    }

    /// Each wanted event was posted, no other was, and nothing is left to do.
    fn all_is_done(&self, name: &str, wanted: impl Iterator<Item = usize>) {
        let posted: BTreeSet<usize> = self.posted(name).into_iter().collect();
        assert_eq!(posted, wanted.collect(), "{name}");
        let endpoint = self.found(name);
        assert_eq!((endpoint.due, endpoint.hold, endpoint.failing), (None, None, None), "{name}");
        assert_eq!(block_on(self.store.waiting(name)).unwrap(), []);
    }
}

/// Lets work go on until it is done, or stands still. Who waits for several may hand over to itself.
fn go_on<T>(mut work: impl Future<Output = T> + Unpin) -> Option<T> {
    (0..200).find_map(|_| (&mut work).now_or_never())
}

fn free() -> Pace {
    Pace::of(u32::MAX)
}

fn url(name: &str) -> String {
    format!("https://{name}.example/hook")
}

fn number_of(post: &Posted) -> usize {
    serde_json::from_str::<Value>(&post.body).unwrap()["data"]["number"].as_u64().unwrap().try_into().unwrap()
}

fn event(number: usize) -> Value {
    let event_type = if number.is_multiple_of(3) { "PaymentProcessed" } else { "ShipmentCreated" };
    json!({
        "specversion": "1.0", "id": format!("e-{number:06}"), "source": "orderflow/payment", "type": event_type,
        "subject": format!("ord_{}", number % 7), "time": "2026-11-29T09:00:00.000Z", "data": { "number": number },
    })
}

fn payments() -> Value {
    json!({ "type": ["PaymentProcessed"] })
}

#[test]
fn each_gets_what_it_wants_once_and_nothing_else() {
    let stage = Stage::new();
    (0..30).for_each(|number| stage.tell(number));
    stage.endpoint("all", None, false);
    stage.endpoint("paid", Some(payments()), false);
    stage.endpoint("none", Some(json!({ "type": ["OrderFlagged"] })), false);
    stage.minutes(2);
    assert_eq!(stage.receivers.posts(), [], "what was before them is none of theirs");
    for number in 30..400 {
        stage.tell(number);
        if number % 17 == 0 {
            stage.minute();
        }
    }
    stage.minutes(4);
    stage.all_is_done("all", 30..400);
    stage.all_is_done("paid", (30..400).filter(|number| number % 3 == 0));
    stage.all_is_done("none", 0..0);
    assert_eq!((stage.posted("all").len(), stage.posted("paid").len()), (370, 124), "each once");
    assert_eq!(
        stage.found("none").cursor,
        stage.endpoint("new", None, false).cursor.nearest(&stage.found("none").cursor)
    );
    let ended = block_on(stage.store.ended("all", None, 1_000)).unwrap();
    assert!(ended.len() == 370 && ended.iter().all(|it| it.state == DeliveryState::Delivered && it.attempts == 1));
}

#[test]
fn nobody_reads_for_an_endpoint_what_it_does_not_want() {
    let stage = Stage::new();
    stage.endpoint("rare", Some(json!({ "data": { "number": [299] } })), false);
    stage.minute();
    (0..300).for_each(|number| stage.tell(number));
    let _ = stage.dispatch(&free());
    assert_eq!(stage.workers.take(), ["rare"]);
    let pace = Pace::of(40);
    assert_eq!(stage.send("rare", &pace), Some(Ok(())), "it begins where the event is");
    stage.all_is_done("rare", 299..300);
}

#[test]
fn a_crash_at_any_call_loses_nothing_and_order_is_kept_where_it_counts() {
    let mut longest = 0;
    for crash_at in 0.. {
        let stage = Stage::new();
        stage.endpoint("all", None, false);
        stage.endpoint("ordered", Some(payments()), true);
        stage.receivers.answer(&url("ordered"), [Ok(200), Ok(500), Err(Unanswered::TooSlow), Ok(200)]);
        stage.receivers.answer(&url("all"), [Ok(503), Ok(200), Ok(200), Ok(500), Ok(200)]);
        // One pace for all: the crash comes wherever the run is by then.
        let (pace, mut has_crashed) = (Pace::of(crash_at), false);
        for number in 0..24 {
            stage.tell(number);
            if number % 5 == 0 {
                for attempt in 0.. {
                    let pace = if has_crashed { &free() } else { &pace };
                    let result = match attempt {
                        0 => stage.dispatch(pace),
                        _ => match stage.workers.take().as_slice() {
                            [] => break,
                            names => names
                                .iter()
                                .map(|name| stage.send(name, pace))
                                .find(Option::is_none)
                                .unwrap_or(Some(Ok(()))),
                        },
                    };
                    has_crashed |= result.is_none();
                }
            }
        }
        // A hold of who has died passes, and so does the longest pause of a short outage.
        stage.minutes(20);
        stage.all_is_done("all", 0..24);
        stage.all_is_done("ordered", (0..24).filter(|number| number % 3 == 0));
        let mut of_orders: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for number in stage.posted("ordered") {
            let seen = of_orders.entry(number % 7).or_default();
            if !seen.contains(&number) {
                seen.push(number);
            }
        }
        assert!(of_orders.values().all(|seen| seen.is_sorted()), "{of_orders:?}");
        if !has_crashed {
            break;
        }
        longest = crash_at;
    }
    assert!(longest > 80, "the run had {longest} calls");
}

#[test]
fn who_dispatches_twice_at_once_or_while_a_sender_falls_asleep_loses_nothing_and_repeats_nothing() {
    for seed in 0..200 {
        let stage = Stage::new();
        stage.endpoint("all", None, false);
        stage.endpoint("paid", Some(payments()), false);
        let chance = VirtualTime::new(seed);
        let paces: Vec<Pace> = (0..5).map(|_| Pace::of(0)).collect();
        let feed = || JournalFeed::new(&stage.log, SHARDS, &stage.journal);
        let dispatches: Vec<_> = paces[..3]
            .iter()
            .map(|pace| {
                let store = Paced { port: &stage.store, pace };
                let workers = Paced { port: &stage.workers, pace };
                Dispatch::new(Paced { port: feed(), pace }, store, workers, &stage.world)
            })
            .collect();
        let senders: Vec<_> = paces[3..].iter().map(|pace| stage.sender(pace)).collect();
        let mut at_work: Vec<Option<Work<'_>>> = (0..5).map(|_| None).collect();
        let mut number = 0;
        for _ in 0..3_000 {
            let turn = usize::try_from(chance.below(6)).unwrap();
            if turn == 5 {
                if number < 60 && chance.below(8) == 0 {
                    stage.tell(number);
                    number += 1;
                }
                continue;
            }
            let deadline = stage.deadline();
            let work = at_work[turn].get_or_insert_with(|| match turn {
                0..3 => dispatches[turn].run(deadline).boxed_local(),
                _ => senders[turn - 3].run(["all", "paid"][turn - 3], deadline).boxed_local(),
            });
            paces[turn].grant(1);
            if let Some(result) = go_on(&mut *work) {
                assert_eq!(result, Ok(()));
                at_work[turn] = None;
            }
        }
        // Those who have not come to their end do.
        for pace in &paces {
            pace.grant(100_000);
        }
        for work in at_work.iter_mut().flatten() {
            assert_eq!(go_on(work), Some(Ok(())));
        }
        stage.minutes(4);
        stage.all_is_done("all", 0..number);
        stage.all_is_done("paid", (0..number).filter(|number| number % 3 == 0));
        assert_eq!(stage.posted("all").len(), number, "seed {seed}: each once");
    }
}

#[test]
fn one_that_hangs_delays_no_other() {
    let stage = Stage::new();
    let names: Vec<String> = (0..100).map(|number| format!("p{number}")).collect();
    for name in &names {
        stage.endpoint(name, None, false);
    }
    stage.minute();
    stage.receivers.answer(&url("p0"), [Err(Unanswered::TooSlow)]);
    (0..40).for_each(|number| stage.tell(number));
    assert_eq!(stage.dispatch(&free()), Some(Ok(())));
    let started = stage.workers.take();
    assert_eq!(started.iter().collect::<BTreeSet<_>>().len(), 100, "a worker for each");
    // The one for whom nobody answers hangs at its first post, for as long as the test lasts.
    let hangs = Pace::until("before post");
    assert_eq!(stage.send("p0", &hangs), None);
    for name in &names[1..] {
        assert_eq!(stage.send(name, &free()), Some(Ok(())));
        assert_eq!(stage.posted(name).len(), 40);
    }
    // And it costs no more than one of what waits and one that is new for each pause, however much happens.
    (40..400).for_each(|number| stage.tell(number));
    stage.minutes(200);
    let attempts = stage.posted("p0").len();
    assert!((20..150).contains(&attempts), "{attempts} attempts in 200 minutes");
    assert!(names[1..].iter().all(|name| stage.posted(name).len() == 400));
    // Once it answers it gets all, and soon.
    stage.receivers.answer(&url("p0"), [Ok(200)]);
    stage.minutes(241);
    stage.all_is_done("p0", 0..400);
}

#[test]
fn one_that_is_dead_for_three_days_is_disabled_and_gets_all_that_it_has_missed_once_it_is_enabled() {
    let stage = Stage::new();
    stage.endpoint("dead", None, false);
    stage.minute();
    stage.tell(0);
    stage.minute();
    stage.receivers.answer(&url("dead"), [Ok(502)]);
    (1..200).for_each(|number| stage.tell(number));
    let minutes = usize::try_from(TRIED_FOR.as_secs() / 60).unwrap();
    stage.minutes(minutes - 5);
    assert_eq!(stage.found("dead").disabled, None);
    stage.minutes(4 * 60 + 10);
    let dead = stage.found("dead");
    assert_eq!(dead.disabled.map(|(reason, _)| reason), Some(Disabled::Dead));
    let attempts = stage.receivers.posts().len();
    stage.tell(200);
    stage.minutes(60);
    assert_eq!(stage.receivers.posts().len(), attempts, "it is left alone");
    stage.receivers.answer(&url("dead"), [Ok(200)]);
    stage.change("dead", Endpoint::enable);
    stage.minutes(10);
    stage.all_is_done("dead", 0..201);
}

#[test]
fn one_that_is_gone_is_disabled_at_once() {
    let stage = Stage::new();
    stage.endpoint("gone", None, false);
    stage.receivers.answer(&url("gone"), [Ok(410)]);
    stage.tell(0);
    stage.minute();
    assert_eq!(stage.found("gone").disabled.map(|(reason, _)| reason), Some(Disabled::Gone));
    stage.receivers.answer(&url("gone"), [Ok(200)]);
    stage.change("gone", Endpoint::enable);
    stage.minutes(3);
    stage.all_is_done("gone", 0..1);
}

#[test]
fn an_event_that_is_never_taken_holds_up_its_own_order_alone_and_is_given_up() {
    for in_order in [false, true] {
        let stage = Stage::new();
        stage.endpoint("picky", None, in_order);
        stage.minute();
        let refused = 8;
        stage.receivers.refuse("e-000008");
        (0..22).for_each(|number| stage.tell(number));
        assert_eq!(stage.dispatch(&free()), Some(Ok(())));
        assert_eq!(stage.send("picky", &free()), Some(Ok(())));
        let is_behind = |number: &usize| number % 7 == refused % 7 && *number > refused;
        let held: Vec<usize> = if in_order { (0..22).filter(is_behind).collect() } else { Vec::new() };
        let posted: BTreeSet<usize> = stage.posted("picky").into_iter().collect();
        assert_eq!(posted, (0..22).filter(|number| !held.contains(number)).collect());
        assert_eq!(block_on(stage.store.waiting("picky")).unwrap().len(), 1 + held.len());
        stage.minutes(usize::try_from(TRIED_FOR.as_secs() / 60).unwrap() + 5 * 60);
        assert_eq!(stage.found("picky").disabled, None, "in order: {in_order}");
        stage.all_is_done("picky", 0..22);
        let ended = block_on(stage.store.ended("picky", None, 100)).unwrap();
        let failed: Vec<_> = ended.iter().filter(|it| it.state == DeliveryState::Failed).collect();
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert!(failed[0].attempts > 10 && failed[0].status == Some(422));
    }
}

#[test]
fn an_event_that_is_never_taken_delays_nothing_that_comes_later() {
    // All that comes is taken; or there is nothing else, and then, after days, another that is not.
    for (every, in_order) in [(10, false), (60, false), (0, false), (0, true)] {
        let stage = Stage::new();
        stage.endpoint("picky", None, in_order);
        stage.minute();
        stage.receivers.refuse("e-000000");
        stage.tell(0);
        let minutes = usize::try_from(TRIED_FOR.as_secs() / 60).unwrap() + 5 * 60;
        let mut number = 0;
        for minute in 1..minutes {
            stage.minute();
            if every > 0 && minute % every == 0 {
                number += 1;
                stage.tell(number);
                if minute > 5 {
                    stage.minute();
                    assert!(stage.posted("picky").contains(&number), "at once, with one in {every} minutes");
                }
            }
        }
        stage.minutes(5);
        assert_eq!(stage.found("picky").disabled, None, "one in {every} minutes");
        stage.all_is_done("picky", 0..=number);
        let attempts = stage.posted("picky").iter().filter(|number| **number == 0).count();
        assert!((20..60).contains(&attempts), "{attempts} attempts, with one in {every} minutes");
        assert_eq!(stage.posted("picky").len() - attempts, number, "each of the others once");
    }
}

/// Receivers that take all, each time after five seconds.
struct Slow<'a>(&'a MemoryReceivers, &'a VirtualTime);

impl Receivers for Slow<'_> {
    async fn post(&self, url: &str, headers: &[(&'static str, String)], body: &str) -> Result<Answer, Unanswered> {
        self.1.pass(Duration::from_secs(5));
        self.0.post(url, headers, body).await
    }
}

#[test]
fn a_round_for_which_there_is_no_time_ends_in_time_and_repeats_nothing() {
    let stage = Stage::new();
    stage.endpoint("slow", None, true);
    (0..50).for_each(|number| stage.tell(number * 7));
    let feed = || JournalFeed::new(&stage.log, SHARDS, &stage.journal);
    for run in 0..40 {
        let slow = Slow(&stage.receivers, &stage.world);
        let sender = Sender::new(feed(), &stage.store, slow, &stage.keys, &stage.mailer, &stage.world);
        let deadline = stage.deadline();
        assert_eq!(go_on(pin!(sender.run("slow", deadline))), Some(Ok(())));
        assert!(stage.world.now() <= deadline, "run {run}");
    }
    stage.all_is_done("slow", (0..50).map(|number| number * 7));
    assert_eq!(stage.posted("slow").len(), 50, "each once");
}

#[test]
fn what_was_noted_before_a_crash_is_sent_though_the_webhook_was_disabled_since() {
    for crash_at in 0..25 {
        let stage = Stage::new();
        stage.endpoint("off", None, false);
        stage.receivers.refuse("e-000001");
        (0..3).for_each(|number| stage.tell(number));
        let _ = stage.send("off", &Pace::of(crash_at));
        stage.change("off", |endpoint, now| endpoint.disable(Disabled::ByOwner, now));
        stage.change("off", Endpoint::enable);
        stage.minutes(usize::try_from(TRIED_FOR.as_secs() / 60).unwrap() + 5 * 60);
        stage.all_is_done("off", 0..3);
    }
}

#[test]
fn what_is_after_any_cursor_is_sent_again() {
    let stage = Stage::new();
    stage.endpoint("again", Some(payments()), false);
    (0..30).for_each(|number| stage.tell(number));
    stage.minutes(2);
    let middle = stage.found("again").cursor;
    (30..60).for_each(|number| stage.tell(number));
    stage.minutes(2);
    stage.resend("again", middle);
    stage.minutes(2);
    assert_eq!(stage.posted("again").len(), 20 + 10);
    stage.resend("again", Cursor::default());
    stage.minutes(3);
    assert_eq!(stage.posted("again").len(), 20 + 10 + 20);
    stage.all_is_done("again", (0..60).filter(|number| number % 3 == 0));
}

#[test]
fn whoever_is_sent_beyond_the_end_of_the_feed_hides_nothing_from_others() {
    let stage = Stage::new();
    (0..30).for_each(|number| stage.tell(number));
    stage.endpoint("first", None, false);
    stage.minute();
    stage.resend("first", "999".parse().unwrap());
    (30..60).for_each(|number| stage.tell(number));
    stage.minutes(2);
    stage.endpoint("second", None, false);
    stage.minutes(2);
    (60..90).for_each(|number| stage.tell(number));
    stage.minutes(3);
    stage.all_is_done("second", 60..90);
}

/// An endpoint that answers 410 to the one event that there is, and whose owner has an address.
fn gone() -> Stage {
    let stage = Stage::new();
    stage.endpoint("gone", None, false);
    let keys = KeyRing::new(&stage.keys, &stage.world);
    let contact = block_on(keys.seal_text("gone", "ada@partner.example", None)).unwrap();
    stage.change("gone", |endpoint, _| endpoint.set_contact(Some(contact)));
    stage.receivers.answer(&url("gone"), [Ok(410)]);
    stage.tell(0);
    stage
}

#[test]
fn the_owner_is_told_once_for_the_outage_wherever_somebody_dies() {
    let (mut longest, mut repeated) = (0, 0);
    for crash_at in 0.. {
        let stage = gone();
        let pace = Pace::of(crash_at);
        let mut has_crashed = stage.dispatch(&pace).is_none();
        for name in stage.workers.take() {
            has_crashed |= stage.send(&name, &pace).is_none();
        }
        (1..9).for_each(|number| stage.tell(number));
        stage.minutes(30);
        let sent = stage.mailer.sent();
        assert!((1..=2).contains(&sent.len()), "{crash_at}: {}", sent.len());
        repeated += sent.len() - 1;
        let (to, mail) = &sent[0];
        assert_eq!((to.as_str(), mail.subject.as_str()), ("ada@partner.example", "Webhook gone is disabled"));
        for text in [&mail.text, &mail.html] {
            assert!(text.contains("https://gone.example/hook") && text.contains("410 Gone"), "{text}");
        }
        assert_eq!(stage.found("gone").untold, None);
        if !has_crashed {
            break;
        }
        longest = crash_at;
    }
    assert!(longest > 20, "the run had {longest} calls");
    // Those that have died between sending it and putting that on record.
    assert_eq!(repeated, 3);
}

#[test]
fn the_owner_is_told_of_the_next_outage_too_and_by_one_alone() {
    let stage = gone();
    stage.minute();
    let told = || stage.mailer.sent().len();
    assert_eq!(told(), 1);
    stage.minutes(200);
    assert_eq!(told(), 1, "once for the outage");
    for outage in 2..4 {
        stage.change("gone", Endpoint::enable);
        stage.minutes(90);
        assert_eq!(told(), outage);
    }
    // Whoever makes it come and go has no more mails sent than one in an hour.
    for _ in 0..10 {
        stage.change("gone", Endpoint::enable);
        stage.minutes(3);
    }
    assert_eq!(told(), 4);
    stage.minutes(60);
    assert_eq!(told(), 5);
    // Two at once.
    let stage = gone();
    let pace = Pace::until("before send");
    assert_eq!(stage.dispatch(&free()), Some(Ok(())));
    assert_eq!(stage.send("gone", &pace), None);
    assert_eq!(stage.send("gone", &free()), Some(Ok(())));
    assert_eq!(stage.mailer.sent().len(), 0, "another has it in hand");
    stage.minutes(5);
    assert_eq!(stage.mailer.sent().len(), 1, "until they have died");
}

#[test]
fn a_mail_says_what_was_the_matter_and_what_has_become_of_it() {
    for (case, change, subject, text) in [
        ("off", (|_, _| {}) as fn(&mut Endpoint, Time), "is disabled", "enable it"),
        ("off by an operator", |it, now| it.disable(Disabled::ByOperator, now), "is disabled", "alone may enable it"),
        ("on by an operator", |it, now| it.enable_for_owner(now), "was disabled", "an operator has enabled it"),
    ] {
        let stage = gone();
        stage.mailer.fail_next(MailError::TooFast);
        assert_eq!(stage.dispatch(&free()), Some(Ok(())));
        assert!(stage.send("gone", &free()).unwrap().is_err());
        stage.receivers.answer(&url("gone"), [Ok(200)]);
        stage.change("gone", change);
        stage.minutes(10);
        let sent = stage.mailer.sent();
        assert_eq!(sent.len(), 1, "{case}");
        let mail = &sent[0].1;
        assert_eq!(mail.subject, format!("Webhook gone {subject}"), "{case}");
        for body in [&mail.text, &mail.html] {
            let told = body.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(told.contains("410 Gone") && told.contains(subject) && told.contains(text), "{case}: {told}");
            assert_eq!(told.contains("PATCH"), case == "off", "{case}: {told}");
        }
    }
}

#[test]
fn who_has_no_time_left_starts_nobody_and_those_stay_due() {
    let stage = Stage::new();
    (0..25).for_each(|number| drop(stage.endpoint(&format!("p{number:02}"), None, false)));
    let pace = free();
    let feed = JournalFeed::new(&stage.log, SHARDS, &stage.journal);
    let dispatch = Dispatch::new(feed, &stage.store, Paced { port: &stage.workers, pace: &pace }, &stage.world);
    let late = stage.world.now().after(Duration::from_secs(5));
    assert_eq!(block_on(dispatch.run(late)), Ok(()));
    assert_eq!(stage.workers.take(), [] as [String; 0]);
    assert_eq!(block_on(dispatch.run(stage.deadline())), Ok(()));
    assert_eq!(stage.workers.take().len(), 25);
}

#[test]
fn a_mail_that_fails_comes_again_and_one_that_never_can_be_sent_is_given_up() {
    let stage = gone();
    (0..3).for_each(|_| stage.mailer.fail_next(MailError::TooFast));
    assert_eq!(stage.dispatch(&free()), Some(Ok(())));
    assert!(stage.send("gone", &free()).unwrap().unwrap_err().kind().is_retryable());
    let minute = || {
        stage.world.pass(Duration::from_mins(1));
        assert_eq!(stage.dispatch(&free()), Some(Ok(())));
        stage.workers.take().iter().for_each(|name| drop(stage.send(name, &free())));
    };
    (0..30).for_each(|_| minute());
    assert_eq!(stage.mailer.sent().len(), 1);
    for error in [MailError::Unreachable("x".to_owned()), MailError::Refused("x".to_owned())] {
        let stage = gone();
        stage.mailer.fail_next(error);
        stage.minutes(500);
        assert_eq!((stage.mailer.sent().len(), stage.found("gone").untold), (0, None));
    }
    let stage = gone();
    (0..1_000).for_each(|_| stage.mailer.fail_next(MailError::QuotaUsedUp));
    for _ in 0..80 * 60 {
        stage.world.pass(Duration::from_mins(1));
        assert_eq!(stage.dispatch(&free()), Some(Ok(())));
        stage.workers.take().iter().for_each(|name| drop(stage.send(name, &free())));
    }
    assert_eq!(stage.found("gone").untold, None, "after three days nobody is told any more");
}

#[test]
fn what_is_deleted_leaves_nothing_wherever_somebody_dies() {
    for crash_at in 0..40 {
        let stage = Stage::new();
        stage.endpoint("gone", None, false);
        stage.endpoint("other", None, false);
        stage.receivers.refuse("e-");
        (0..5).for_each(|number| stage.tell(number));
        // Whoever is at work notes what is not taken, though it was deleted meanwhile.
        let pace = Pace::of(0);
        let sender = stage.sender(&pace);
        let mut at_work = pin!(sender.run("gone", stage.deadline()));
        while stage.posted("gone").len() < 5 {
            pace.grant(1);
            assert_eq!(go_on(&mut at_work), None);
        }
        stage.change("gone", |endpoint, now| endpoint.delete(None, now));
        pace.grant(1_000);
        assert_eq!(go_on(&mut at_work), Some(Ok(())));
        assert_eq!(block_on(stage.store.waiting("gone")).unwrap().len(), 5);
        stage.world.pass(CLEARED_AFTER);
        let pace = Pace::of(crash_at);
        assert_eq!(stage.dispatch(&free()), Some(Ok(())));
        let _ = stage.send("gone", &pace);
        stage.minutes(3);
        assert_eq!(block_on(stage.store.get("gone")).unwrap(), None, "{crash_at}");
        assert_eq!(block_on(stage.store.waiting("gone")).unwrap(), [], "{crash_at}");
        assert_eq!(stage.keys.owners(), ["other"], "{crash_at}");
        assert!(block_on(stage.store.removed("gone")).unwrap().is_some_and(|it| it.deleted.is_some()), "{crash_at}");
        assert_eq!(stage.posted("gone").len(), 5, "nothing is posted any more");
    }
}

#[test]
fn once_all_that_waits_is_given_up_what_there_was_no_room_for_is_posted() {
    let stage = Stage::new();
    stage.endpoint("full", None, false);
    stage.minute();
    // One in three is never taken.
    stage.receivers.refuse("PaymentProcessed");
    (0..400).for_each(|number| stage.tell(number));
    stage.minutes(2);
    assert_eq!(block_on(stage.store.waiting("full")).unwrap().len(), 100, "there is no room for another");
    assert!(stage.posted("full").iter().all(|number| *number < 320), "there is more");
    stage.change("full", |endpoint, now| endpoint.disable(Disabled::ByOwner, now));
    stage.world.pass(TRIED_FOR);
    stage.change("full", Endpoint::enable);
    stage.minutes(2);
    let ended = block_on(stage.store.ended("full", None, 1_000)).unwrap();
    assert_eq!(ended.iter().filter(|it| it.state == DeliveryState::Failed).count(), 100);
    stage.tell(400);
    stage.minutes(2);
    let posted: BTreeSet<usize> = stage.posted("full").into_iter().collect();
    assert_eq!(posted, (0..=400).collect());
}

#[test]
fn both_secrets_sign_for_a_day() {
    let stage = Stage::new();
    stage.endpoint("rotated", None, false);
    let keys = KeyRing::new(&stage.keys, &stage.world);
    let sealed = block_on(keys.seal_text("rotated", &Secret::random(&stage.world).text(), None)).unwrap();
    let signatures = |number: usize| {
        stage.tell(number);
        stage.minute();
        let post = stage.receivers.posts().pop().unwrap();
        assert_eq!(number_of(&post), number);
        post.headers[2].1.split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    stage.minute();
    assert_eq!(signatures(0).len(), 1);
    stage.change("rotated", |endpoint, now| endpoint.rotate(sealed, None, now));
    assert_eq!(signatures(1).len(), 2);
    stage.world.pass(Duration::from_hours(24));
    assert_eq!(signatures(2).len(), 1);
}
