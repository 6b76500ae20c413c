//! Collecting, editing, dropping and sending back on ports in memory: copies, races, and crashes at every call of a port.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::executor::block_on;
use lambda_http::http::{Request, StatusCode};
use lambda_http::{Body, RequestExt};
use onewrite::access::Access;
use onewrite::memory::{MemoryKeys, MemoryQueue, Pace, Paced, VirtualTime};
use onewrite::personal::KeyRing;
use onewrite::port::Clock;
use onewrite::{Answers, Failure, Inquiry, Outlook, Result, Slot};
use orderflow_events::Time;
use serde_json::{Value, json};

use crate::archive::{Range, Recorded, SlotPage};
use crate::domain::{Arrival, Class, Destination, Glimpse, Letter, LetterId, Origin, State};
use crate::jobs::job::{Job, Progress};
use crate::jobs::reconciliation::{OutboxRow, RowPage};
use crate::jobs::redrive::{Redrive, RedriveId};
use crate::jobs::redrives::{Followed, RedriveRunner};
use crate::message::{Kept, Message};
use crate::port::{
    Archive, Backlog, Consumers, Depth, Directory, Gauges, JobStore, LetterStore, Logs, OpenLetters, Outboxes,
    PartStore, Queues, Relays, Since, Stored,
};
use crate::sealing;
use crate::service::Service;
use crate::{Collector, Jobs, MemoryOperations, OperationsApi, Post};

mod gauges;
pub(crate) mod jobs;
mod persons;
mod redrives;

fn timed_out() -> Failure {
    Failure::transient("timed out")
}

thread_local! {
    /// Calls of the ports that a test has made, by their names.
    static CALLS_MADE: RefCell<BTreeMap<&'static str, u32>> = const { RefCell::new(BTreeMap::new()) };
}

/// One call of a port, at that pace.
async fn call<T>(
    pace: &Pace,
    name: &'static str,
    call: impl Future<Output = Result<T>>,
    timed_out: impl FnOnce() -> Failure,
) -> Result<T> {
    CALLS_MADE.with_borrow_mut(|made| *made.entry(name).or_default() += 1);
    pace.call(name, call, timed_out).await
}

impl<T: LetterStore> LetterStore for Paced<'_, T> {
    async fn letter(&self, id: &LetterId) -> Result<Option<Letter>> {
        call(self.pace, "letter", self.port.letter(id), timed_out).await
    }

    async fn letters_of(&self, ids: &[LetterId]) -> Result<Vec<Option<Letter>>> {
        call(self.pace, "letters_of", self.port.letters_of(ids), timed_out).await
    }

    async fn put(&self, letter: &Letter, since: Since) -> Result<Stored> {
        call(self.pace, "put", self.port.put(letter, since), timed_out).await
    }

    async fn keep(&self, id: &LetterId, name: &str, message: &Kept) -> Result<()> {
        call(self.pace, "keep", self.port.keep(id, name, message), timed_out).await
    }

    async fn message(&self, id: &LetterId, name: &str) -> Result<Option<Kept>> {
        call(self.pace, "message", self.port.message(id, name), timed_out).await
    }

    async fn messages_of(&self, letters: &[&Letter]) -> Result<Vec<Option<Kept>>> {
        call(self.pace, "messages_of", self.port.messages_of(letters), timed_out).await
    }

    async fn page(&self, state: State, after: Option<&str>) -> Result<Vec<Letter>> {
        call(self.pace, "page", self.port.page(state, after), timed_out).await
    }
}

impl<T: Backlog> Backlog for Paced<'_, T> {
    async fn open_letters(&self) -> Result<Vec<OpenLetters>> {
        call(self.pace, "open_letters", self.port.open_letters(), timed_out).await
    }
}

impl<T: PartStore> PartStore for Paced<'_, T> {
    async fn keep_part(&self, id: &RedriveId, part: u32, letters: &[LetterId]) -> Result<()> {
        call(self.pace, "keep_part", self.port.keep_part(id, part, letters), timed_out).await
    }

    async fn part(&self, id: &RedriveId, part: u32) -> Result<Vec<LetterId>> {
        call(self.pace, "part", self.port.part(id, part), timed_out).await
    }
}

impl<T: JobStore> JobStore for Paced<'_, T> {
    async fn job<J: Job>(&self, id: &str) -> Result<Option<J>> {
        call(self.pace, "job", self.port.job(id), timed_out).await
    }

    async fn put_job<J: Job>(&self, job: &J, since: Since) -> Result<Stored> {
        call(self.pace, "put_job", self.port.put_job(job, since), timed_out).await
    }

    async fn active<J: Job>(&self) -> Result<Vec<J>> {
        call(self.pace, "active", self.port.active(), timed_out).await
    }
}

impl<T: Gauges> Gauges for Paced<'_, T> {
    async fn oldest(&self, queue_urls: &[&str], now: Time) -> Result<Vec<Option<Duration>>> {
        call(self.pace, "oldest", self.port.oldest(queue_urls, now), timed_out).await
    }
}

impl<T: Logs> Logs for Paced<'_, T> {
    async fn lines(&self, log_group: &str, subject: &str, since: Time) -> Result<Vec<String>> {
        call(self.pace, "lines", self.port.lines(log_group, subject, since), timed_out).await
    }
}

impl<T: Queues> Queues for Paced<'_, T> {
    async fn send(&self, queue_url: &str, messages: &[Message]) -> Result<Vec<Result<()>>> {
        call(self.pace, "send", self.port.send(queue_url, messages), timed_out).await
    }

    async fn depth(&self, queue_url: &str) -> Result<Depth> {
        call(self.pace, "depth", self.port.depth(queue_url), timed_out).await
    }
}

impl<T: Directory> Directory for Paced<'_, T> {
    async fn services(&self) -> Result<Vec<Service>> {
        call(self.pace, "services", self.port.services(), timed_out).await
    }
}

impl<T: Consumers> Consumers for Paced<'_, T> {
    async fn inspect(&self, function: &str, inquiry: &Inquiry) -> Result<Option<Answers>> {
        call(self.pace, "inspect", self.port.inspect(function, inquiry), timed_out).await
    }
}

impl<T: Relays> Relays for Paced<'_, T> {
    async fn publish(&self, relay: &str, rows: &[&OutboxRow]) -> Result<()> {
        call(self.pace, "publish", self.port.publish(relay, rows), timed_out).await
    }
}

impl<T: Outboxes> Outboxes for Paced<'_, T> {
    async fn rows(&self, table: &str, after: Option<&str>) -> Result<RowPage> {
        call(self.pace, "rows", self.port.rows(table, after), timed_out).await
    }

    async fn has_rows(&self, table: &str, rows: &[(String, u32)]) -> Result<Vec<bool>> {
        call(self.pace, "has_rows", self.port.has_rows(table, rows), timed_out).await
    }

    async fn open(&self, table: &str, before: Time) -> Result<u64> {
        call(self.pace, "open", self.port.open(table, before), timed_out).await
    }
}

impl<T: Archive> Archive for Paced<'_, T> {
    async fn slot(&self, journal: &str, slot: Slot, range: Range, after: Option<&str>) -> Result<SlotPage> {
        call(self.pace, "slot", self.port.slot(journal, slot, range, after), timed_out).await
    }

    async fn of_subject(&self, journal: &str, subject: &str) -> Result<Vec<Recorded>> {
        call(self.pace, "of_subject", self.port.of_subject(journal, subject), timed_out).await
    }

    async fn has(&self, journal: &str, events: &[Glimpse]) -> Result<Vec<bool>> {
        call(self.pace, "has", self.port.has(journal, events), timed_out).await
    }
}

/// The stack around the operations: what was sent back is handled by its service, or parked again.
struct Stack {
    ports: MemoryOperations,
    keys: MemoryKeys,
    world: VirtualTime,
    delivered: std::cell::Cell<usize>,
}

/// Calls of the ports, one of which may lose its answer.
const CALLS: [&str; 22] = [
    "letter",
    "letters_of",
    "put",
    "keep",
    "message",
    "messages_of",
    "page",
    "job",
    "put_job",
    "keep_part",
    "part",
    "active",
    "send",
    "services",
    "inspect",
    "publish",
    "rows",
    "has_rows",
    "slot",
    "of_subject",
    "has",
    "create key",
];

impl Stack {
    fn new() -> Self {
        Self {
            ports: MemoryOperations::default(),
            keys: MemoryKeys::default(),
            world: VirtualTime::new(5),
            delivered: std::cell::Cell::default(),
        }
    }

    /// A stack with letters of the events 0, 1, 2 …
    fn with_letters(count: u32) -> Self {
        let stack = Self::new();
        for number in 0..count {
            stack.park(message(number, "good"), None);
        }
        stack
    }

    fn post() -> Post {
        Post {
            service: "payment".to_owned(),
            destination: destination(),
            undeliverable_queue_arn: "arn:undeliverable".to_owned(),
            relay_dlq_arn: Some("arn:relay".to_owned()),
            function: "letters".to_owned(),
        }
    }

    fn arrival(&self, mut message: Message, mark: Option<(LetterId, u32)>) -> Arrival {
        let mark = mark.or_else(|| message.take_mark());
        Arrival {
            service: "payment".to_owned(),
            origin: Origin::Consumer,
            source_queue: "arn:dlq".to_owned(),
            destination: destination(),
            message,
            class: Class::Permanent,
            reason: "why".to_owned(),
            failed_at: self.world.now(),
            function: "payment".to_owned(),
            receives: 1,
            mark,
        }
    }

    /// The keys, as a function uses them that has just started.
    fn keys<'a>(&'a self, pace: &'a Pace) -> KeyRing<Paced<'a, &'a MemoryKeys>, &'a VirtualTime> {
        KeyRing::new(Paced { port: &self.keys, pace }, &self.world)
    }

    async fn collect(&self, arrival: &Arrival, pace: &Pace) -> Result<()> {
        let (store, keys) = (Paced { port: &self.ports, pace }, self.keys(pace));
        Collector::new(store, keys, MemoryQueue::default(), &self.world, Self::post()).collect(arrival).await
    }

    /// A message of a letter, if anybody can open it.
    fn opened(&self, id: &LetterId, name: &str) -> Option<Message> {
        let pace = Pace::of(u32::MAX);
        block_on(sealing::message(&self.ports, &self.keys(&pace), id, name)).unwrap()
    }

    fn park(&self, message: Message, mark: Option<(LetterId, u32)>) {
        let arrival = self.arrival(message, mark);
        block_on(self.collect(&arrival, &Pace::of(u32::MAX))).unwrap();
    }

    /// The services work on what was sent to them.
    fn work(&self) {
        let sent = self.ports.sent();
        for (_, message) in &sent[self.delivered.get()..] {
            if message.body.contains("bad") {
                self.world.pass(Duration::from_millis(5));
                self.park(message.clone(), None);
            } else {
                let event = Glimpse::of(&message.body);
                self.ports.set_outlook(
                    "f",
                    &event.source.unwrap(),
                    &event.id.unwrap(),
                    Outlook::Handled { row: Some(7) },
                );
            }
        }
        self.delivered.set(sent.len());
    }

    /// Lets the job run for a minute, as far as the pace allows; none where it stands still.
    fn run(&self, pace: &Pace) -> Option<Result<()>> {
        let paced = Paced { port: &self.ports, pace };
        let runner = Jobs::new(paced, self.keys(pace), paced, &self.world);
        let deadline = self.world.now().after(Duration::from_mins(1));
        let mut run = pin!(runner.run(deadline));
        for _ in 0..1_000 {
            if let Poll::Ready(result) = run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                self.work();
                return Some(result);
            }
            self.work();
        }
        None
    }

    async fn request(&self, pace: &Pace, method: &str, path: &str, tag: &str, body: &Value) -> (StatusCode, Value) {
        let store = Paced { port: &self.ports, pace };
        let (keys, access) = (self.keys(pace), Access::open());
        let api = OperationsApi::new(store, keys, store, &self.world, access, Duration::from_hours(1));
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let query: HashMap<String, Vec<String>> =
            pairs.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).collect();
        let request = Request::builder().method(method).uri(path).header("If-Match", tag);
        let request = request.body(Body::from(body.to_string())).unwrap().with_raw_http_path(path);
        let request = request.with_query_string_parameters(query);
        let (head, body) = api.answer(&request).await.into_parts();
        (head.status, serde_json::from_slice(&body).unwrap())
    }

    fn ask(&self, method: &str, path: &str, tag: &str, body: &Value) -> (StatusCode, Value) {
        block_on(self.request(&Pace::of(u32::MAX), method, path, tag, body))
    }

    fn redrive(&self, body: &Value) -> RedriveId {
        let (status, taken) = self.ask("POST", "/operations/redrives", "*", body);
        assert_eq!(status, 202, "{taken}");
        RedriveId::new(taken["id"].as_str().unwrap()).unwrap()
    }

    fn told(&self, id: &RedriveId) -> Redrive {
        block_on(self.ports.job(id.as_str())).unwrap().unwrap()
    }

    fn states(&self) -> BTreeMap<State, usize> {
        let mut states = BTreeMap::new();
        for letter in self.ports.letters() {
            *states.entry(letter.state).or_default() += 1;
        }
        states
    }
}

fn destination() -> Destination {
    Destination { queue_url: "q".to_owned(), function: "f".to_owned(), is_journal: false, is_door: false }
}

/// A message about the event of that number.
fn message(number: u32, kind: &str) -> Message {
    let body = json!({ "id": number.to_string(), "source": "s", "type": "T", "subject": "ord_1", "kind": kind });
    Message { body: body.to_string(), attributes: BTreeMap::new() }
}

/// Makes `attempt` crash at its every call in turn, and lose the answer of each of its calls; `check` looks at what there is
/// after it was made once more.
fn at_every_call<S>(
    new: impl Fn() -> S,
    attempt: impl Fn(&S, &Pace) -> bool,
    mut after_crash: impl FnMut(&S),
    mut check: impl FnMut(&S, &str),
) {
    let mut crashes = 0;
    for steps in 0.. {
        let state = new();
        let is_done = attempt(&state, &Pace::of(steps));
        if is_done {
            break;
        }
        crashes += 1;
        after_crash(&state);
        check(&state, &format!("a crash after {steps} pauses"));
    }
    assert!(crashes > 3, "it makes {crashes} calls");
    for call in CALLS {
        let state = new();
        attempt(&state, &Pace::losing(call));
        after_crash(&state);
        check(&state, &format!("a lost answer of {call}"));
    }
}

/// Polls once; true if it is done.
fn is_done<T>(future: impl Future<Output = T>) -> bool {
    pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn a_message_is_one_letter_wherever_its_collector_dies() {
    at_every_call(
        Stack::new,
        |stack, pace| is_done(stack.collect(&stack.arrival(message(1, "good"), None), pace)),
        |stack| stack.park(message(1, "good"), None),
        |stack, place| {
            let letters = stack.ports.letters();
            assert_eq!((letters.len(), letters[0].state), (1, State::Waiting), "{place}");
            let kept = stack.opened(&letters[0].id, &letters[0].message);
            assert_eq!(kept, Some(message(1, "good")), "{place}");
        },
    );
}

#[test]
fn a_relapse_is_noticed_wherever_the_collector_dies() {
    let sent = || {
        let stack = Stack::with_letters(1);
        let letter = stack.ports.letters().remove(0);
        let claimed = letter.claimed("red_1", "ada", stack.world.now()).unwrap();
        block_on(stack.ports.put(&claimed, Since::Revision(letter.revision))).unwrap();
        stack
    };
    let came_back = |stack: &Stack| {
        let id = stack.ports.letters().remove(0).id;
        stack.arrival(message(0, "good"), Some((id, 1)))
    };
    at_every_call(
        sent,
        |stack, pace| is_done(stack.collect(&came_back(stack), pace)),
        |stack| block_on(stack.collect(&came_back(stack), &Pace::of(u32::MAX))).unwrap(),
        |stack, place| {
            let letters = stack.ports.letters();
            assert_eq!((letters.len(), letters[0].state), (1, State::ParkedAgain), "{place}");
            let relapses = letters[0].history.iter().filter(|entry| entry.what == "parkedAgain").count();
            assert_eq!(relapses, 1, "{place}");
        },
    );
}

#[test]
fn a_mark_that_somebody_has_made_up_takes_no_message_away() {
    let stack = Stack::with_letters(1);
    let id = stack.ports.letters().remove(0).id;
    stack.park(message(2, "forged"), Some((id, 1)));
    assert_eq!(stack.states(), BTreeMap::from([(State::Waiting, 2)]));
}

#[test]
fn every_letter_is_sent_and_told_wherever_the_job_dies() {
    for (ramp, count) in [(false, 4), (true, 5)] {
        at_every_call(
            || {
                let stack = Stack::with_letters(count);
                let id = stack.redrive(&json!({ "service": "payment", "ramp": ramp }));
                (stack, id)
            },
            |(stack, _), pace| stack.run(pace).is_some_and(|result| result.is_ok()),
            |(stack, _)| {
                // Whoever goes on waits until the run that died cannot be at work any more.
                for _ in 0..4 {
                    stack.world.pass(Duration::from_mins(1));
                    stack.run(&Pace::of(u32::MAX)).expect("it ends").unwrap();
                }
            },
            |(stack, id), place| {
                let told = stack.told(id);
                assert_eq!(
                    (told.head.progress, told.handled, told.left()),
                    (Progress::Done, count, 0),
                    "{place}: {told:?}"
                );
                assert_eq!(stack.states(), BTreeMap::from([(State::Handled, count as usize)]), "{place}");
                let mut sendings = BTreeMap::<String, u32>::new();
                for (_, message) in stack.ports.sent() {
                    *sendings.entry(Glimpse::of(&message.body).id.unwrap()).or_default() += 1;
                }
                assert_eq!(sendings.len(), count as usize, "{place}: each was sent");
                assert!(sendings.values().all(|times| *times <= 2), "{place}: {sendings:?}");
                assert!(sendings.values().filter(|times| **times > 1).count() <= 1, "{place}: {sendings:?}");
            },
        );
    }
}

#[test]
fn a_letter_that_comes_back_is_sent_once_wherever_the_job_dies() {
    at_every_call(
        || {
            let stack = Stack::new();
            stack.park(message(1, "bad"), None);
            let id = stack.redrive(&json!({ "service": "payment" }));
            (stack, id)
        },
        |(stack, _), pace| stack.run(pace).is_some_and(|result| result.is_ok()),
        |(stack, _)| {
            for _ in 0..4 {
                stack.world.pass(Duration::from_mins(1));
                stack.run(&Pace::of(u32::MAX)).expect("it ends").unwrap();
            }
        },
        |(stack, id), place| {
            let told = stack.told(id);
            assert_eq!((told.head.progress, told.sent, told.parked_again), (Progress::Done, 1, 1), "{place}: {told:?}");
            let letter = stack.ports.letters().remove(0);
            assert_eq!((letter.state, letter.sends), (State::ParkedAgain, 1), "{place}");
        },
    );
}

/// Queues that cannot be reached.
struct Down;

impl Queues for Down {
    async fn send(&self, _: &str, _: &[Message]) -> Result<Vec<Result<()>>> {
        Err(timed_out())
    }

    async fn depth(&self, _: &str) -> Result<Depth> {
        Err(timed_out())
    }
}

impl Consumers for Down {
    async fn inspect(&self, _: &str, _: &Inquiry) -> Result<Option<Answers>> {
        Ok(None)
    }
}

#[test]
fn a_letter_whose_queue_was_down_is_sent_at_the_next_minute() {
    let stack = Stack::with_letters(1);
    stack.redrive(&json!({ "service": "payment" }));
    let pace = Pace::of(u32::MAX);
    let keys = stack.keys(&pace);
    let followed = Followed::default();
    let runner = RedriveRunner::new(&stack.ports, &keys, Down, &stack.world, &followed);
    assert!(block_on(runner.run("run_1", stack.world.now().after(Duration::from_mins(1)))).is_err());
    assert_eq!((stack.ports.sent().len(), stack.states()), (0, BTreeMap::from([(State::Sent, 1)])));
    stack.world.pass(Duration::from_secs(50));
    stack.run(&Pace::of(u32::MAX)).unwrap().unwrap();
    assert_eq!((stack.ports.sent().len(), stack.states()), (1, BTreeMap::from([(State::Handled, 1)])));
}

#[test]
fn a_letter_to_a_consumer_that_is_off_for_days_is_told_as_handled_within_the_hour() {
    let stack = Stack::with_letters(1);
    stack.redrive(&json!({ "service": "payment" }));
    let pace = Pace::of(u32::MAX);
    let keys = stack.keys(&pace);
    let followed = Followed::default();
    let run = || {
        let runner = RedriveRunner::new(&stack.ports, &keys, &stack.ports, &stack.world, &followed);
        block_on(runner.run("run_1", stack.world.now().after(Duration::from_mins(1)))).unwrap();
    };
    run();
    stack.world.pass(Duration::from_hours(72));
    run();
    assert_eq!((stack.ports.sent().len(), stack.states()), (1, BTreeMap::from([(State::Sent, 1)])));
    stack.work();
    let minutes = (0..60).find(|_| {
        stack.world.pass(Duration::from_mins(1));
        run();
        stack.states() == BTreeMap::from([(State::Handled, 1)])
    });
    assert!(minutes.is_some(), "nobody looks at it any more");
}

#[test]
fn a_ramp_stops_at_a_relapse_and_tells_how_many_are_left() {
    let stack = Stack::with_letters(2);
    for number in 2..9 {
        stack.world.pass(Duration::from_secs(1));
        stack.park(message(number, if number == 4 { "bad" } else { "good" }), None);
    }
    let id = stack.redrive(&json!({ "service": "payment", "ramp": true }));
    stack.run(&Pace::of(u32::MAX)).unwrap().unwrap();
    let told = stack.told(&id);
    // Steps of 1, 2 and 5: the fifth letter is in the third.
    assert_eq!(
        (told.head.progress, told.sent, told.handled, told.parked_again),
        (Progress::Relapsed, 8, 7, 1),
        "{told:?}"
    );
    assert_eq!(told.left(), 1);
    let expected = [(State::Waiting, 1), (State::Handled, 7), (State::ParkedAgain, 1)];
    assert_eq!(stack.states(), BTreeMap::from(expected));
}

#[test]
fn what_is_handled_already_is_not_sent() {
    let stack = Stack::with_letters(2);
    stack.ports.set_outlook("f", "s", "1", Outlook::Handled { row: Some(3) });
    let id = stack.redrive(&json!({ "service": "payment" }));
    stack.run(&Pace::of(u32::MAX)).unwrap().unwrap();
    assert_eq!((stack.told(&id).handled, stack.told(&id).sent, stack.ports.sent().len()), (2, 1, 1));
}

#[test]
fn a_rate_is_kept() {
    let stack = Stack::with_letters(6);
    stack.redrive(&json!({ "service": "payment", "ratePerSecond": 2 }));
    let begin = stack.world.now();
    stack.run(&Pace::of(u32::MAX)).unwrap().unwrap();
    assert_eq!(stack.ports.sent().len(), 6);
    assert!(begin.until(stack.world.now()) >= Duration::from_secs(3), "{:?}", begin.until(stack.world.now()));
}

#[test]
fn a_claim_of_a_job_that_was_stopped_is_not_forgotten() {
    let stack = Stack::with_letters(1);
    let id = stack.redrive(&json!({ "service": "payment" }));
    assert!(stack.run(&Pace::until("before send")).is_none());
    assert_eq!(stack.states(), BTreeMap::from([(State::Sent, 1)]));
    assert_eq!(stack.ask("DELETE", &format!("/operations/redrives/{id}"), "*", &json!(null)).1["state"], "stopped");
    for _ in 0..3 {
        stack.world.pass(Duration::from_mins(1));
        stack.run(&Pace::of(u32::MAX)).unwrap().unwrap();
    }
    assert_eq!((stack.ports.sent().len(), stack.states()), (1, BTreeMap::from([(State::Handled, 1)])));
}

#[test]
fn an_edit_is_whole_or_not_there_wherever_it_dies() {
    let edit = |stack: &Stack| {
        let body = orderflow_events::sample::event(orderflow_events::sample::order("ord_1"));
        let id = stack.ports.letters().remove(0).id;
        let body = serde_json::to_string(&body).unwrap();
        (format!("/operations/letters/{id}"), json!({ "body": body, "why": "typo" }))
    };
    at_every_call(
        || Stack::with_letters(1),
        |stack, pace| {
            let (path, body) = edit(stack);
            is_done(stack.request(pace, "PUT", &path, "\"1\"", &body))
        },
        |stack| {
            let (path, body) = edit(stack);
            let (status, _) = stack.ask("PUT", &path, "\"1\"", &body);
            assert!(matches!(status.as_u16(), 200 | 412), "{status}");
        },
        |stack, place| {
            let letters = stack.ports.letters();
            assert_eq!((letters.len(), letters[0].revision), (1, 2), "{place}");
            let edits: Vec<_> = letters[0].history.iter().filter(|entry| entry.what == "edited").collect();
            assert_eq!(edits.len(), 1, "{place}");
            for name in [&letters[0].message, edits[0].replaced.as_ref().unwrap()] {
                assert!(stack.opened(&letters[0].id, name).is_some(), "{place}");
            }
        },
    );
}

#[test]
fn a_letter_is_dropped_once_wherever_that_dies() {
    let path = |stack: &Stack| format!("/operations/letters/{}", stack.ports.letters().remove(0).id);
    at_every_call(
        || Stack::with_letters(1),
        |stack, pace| is_done(stack.request(pace, "DELETE", &path(stack), "*", &json!({ "why": "poison" }))),
        |stack| assert_eq!(stack.ask("DELETE", &path(stack), "*", &json!({ "why": "poison" })).0, 200),
        |stack, place| {
            let letters = stack.ports.letters();
            assert_eq!((letters[0].state, letters[0].history.len()), (State::Dropped, 2), "{place}");
        },
    );
}

#[test]
fn a_redrive_is_taken_on_whole_or_not_at_all() {
    at_every_call(
        || Stack::with_letters(2),
        |stack, pace| {
            is_done(stack.request(pace, "POST", "/operations/redrives", "*", &json!({ "service": "payment" })))
        },
        |stack| drop(stack.redrive(&json!({ "service": "payment" }))),
        |stack, place| {
            stack.run(&Pace::of(u32::MAX)).unwrap().unwrap();
            assert_eq!(stack.states(), BTreeMap::from([(State::Handled, 2)]), "{place}");
            assert_eq!(stack.ports.sent().len(), 2, "{place}: of two redrives of a letter one sends it");
        },
    );
}
