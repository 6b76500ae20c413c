use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::{pending, poll_fn};
use std::io;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use aws_lambda_events::sqs::SqsMessageAttribute;
use futures::executor::block_on;
use serde_json::json;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt;

use super::*;
use crate::memory::sample::{Library, LibraryType, RequestCancelled, another_event, requested};
use crate::memory::{MemoryQueue, VirtualTime};
use crate::park::Attribute;

type Event = envelope::Event<Library>;

const MAX_RECEIVES: u32 = 3;
const CAP: u32 = 900;

/// Handles facts as a closure says. It has a use for `BookRequested` only.
struct Fake<F>(F);

impl<F: AsyncFn(&Event, &Delivery<'_>) -> Result<Handled>> Handle for Fake<F> {
    type Incoming = Event;

    fn consumes(&self, event: &Event) -> bool {
        event.event_type() == LibraryType::BookRequested
    }

    async fn warm(&self) {}

    async fn handle(&self, event: &Event, delivery: &Delivery<'_>) -> Result<Handled> {
        self.0(event, delivery).await
    }
}

/// Answers inquiries about whatever is not `req_odd`, of which it understands nothing, or whose store is down.
struct Asked(fn() -> Failure);

impl Asked {
    fn read(&self, subject: &Subject) -> Result<()> {
        if subject.as_str() == "req_odd" { Err(self.0()) } else { Ok(()) }
    }
}

impl Handle for Asked {
    type Incoming = Event;

    fn consumes(&self, _: &Event) -> bool {
        true
    }

    async fn warm(&self) {}

    async fn handle(&self, _: &Event, _: &Delivery<'_>) -> Result<Handled> {
        Ok(Handled::Changed)
    }

    async fn outlook(&self, event: &Event) -> Result<Outlook> {
        self.read(&event.context.subject).map(|()| Outlook::Due)
    }

    async fn audit(&self, subject: &Subject, _: Time) -> Result<Vec<Discrepancy>> {
        self.read(subject).map(|()| Vec::new())
    }
}

/// A record about request `req_…` as SQS hands it out for the how-manieth time; its receipt handle is `r-…`.
fn record(id: &str, subject: &str, receives: u32) -> SqsMessage {
    recreq_of(id, receives, &body_of(id, subject))
}

fn body_of(id: &str, subject: &str) -> String {
    serde_json::to_string(&event_in(id, subject)).unwrap()
}

/// The event that is in the message of that id.
fn event_in(id: &str, subject: &str) -> Event {
    another_event(requested(subject), id.bytes().fold(0, u8::wrapping_add))
}

fn recreq_of(id: &str, receives: u32, body: &str) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = Some(id.to_owned());
    record.receipt_handle = Some(format!("r-{id}"));
    record.body = Some(body.to_owned());
    record.attributes.insert("ApproximateReceiveCount".to_owned(), receives.to_string());
    record
}

/// Results of a batch.
#[derive(Debug, Default, PartialEq)]
struct Fates {
    /// The ids of the messages that were reported as failed.
    reported: Vec<String>,
    /// The receipt handles of the messages that were put back, and for how long at the most.
    put_back: Vec<(String, u32)>,
    /// Body, class and reason of each letter.
    parked: Vec<(String, String, String)>,
}

fn settings() -> QueueSettings {
    QueueSettings {
        queue_url: "queue".to_owned(),
        dead_letter_queue_url: "dead".to_owned(),
        max_receive_count: MAX_RECEIVES,
        max_backoff_seconds: CAP,
        function: "test".to_owned(),
    }
}

fn run(handle: impl AsyncFn(&Event, &Delivery<'_>) -> Result<Handled>, records: Vec<SqsMessage>) -> Fates {
    let (world, queue) = (VirtualTime::new(1), MemoryQueue::default());
    run_on(&world, &queue, &queue, Duration::from_secs(30), handle, records)
}

/// Runs a batch on a queue that is `memory`, or is made of it.
fn run_on(
    world: &VirtualTime,
    memory: &MemoryQueue,
    queue: impl Visibility + DeadLetters,
    time: Duration,
    handle: impl AsyncFn(&Event, &Delivery<'_>) -> Result<Handled>,
    records: Vec<SqsMessage>,
) -> Fates {
    run_with(world, memory, queue, time, Fake(handle), records)
}

fn run_with(
    world: &VirtualTime,
    memory: &MemoryQueue,
    queue: impl Visibility + DeadLetters,
    time: Duration,
    handler: impl Handle<Incoming = Event>,
    records: Vec<SqsMessage>,
) -> Fates {
    let mut event = SqsEvent::default();
    event.records = records;
    for record in &event.records {
        memory.hand_out(record.receipt_handle.clone().unwrap());
    }
    let deadline = world.now().after(time);
    let response = block_on(Batch::new(handler, queue, world, settings()).run(event, deadline));
    assert!(world.now() <= deadline, "the answer came {:?} after the deadline", deadline.until(world.now()));
    fates(memory, response)
}

fn fates(memory: &MemoryQueue, response: SqsBatchResponse) -> Fates {
    let text = |letter: &DeadLetter, name| match &letter.attributes[name] {
        Attribute::Text(_, text) => text.clone(),
        Attribute::Binary(..) => panic!("no text"),
    };
    Fates {
        reported: response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect(),
        put_back: memory.visibilities(),
        parked: memory
            .letters()
            .iter()
            .map(|letter| (letter.body.clone(), text(letter, "failure-class"), text(letter, "failure-reason")))
            .collect(),
    }
}

/// The letter about the message of that id, which is one of `req_1`.
fn parked(id: &str, class: &str, reason: &str) -> (String, String, String) {
    (body_of(id, "req_1"), class.to_owned(), reason.to_owned())
}

#[test]
fn what_is_not_understood_is_the_answer_about_that_one_alone() {
    let subjects = ["req_1", "req_odd", "req_2"];
    let events = subjects.iter().enumerate().map(|(index, subject)| body_of(&index.to_string(), subject)).collect();
    let of = |subject: &str| Subject::new(subject).unwrap();
    let inquiry = Inquiry { events, subjects: subjects.map(of).into(), quiet_since: None };
    let asked = |failure| {
        let (world, queue) = (VirtualTime::new(1), MemoryQueue::default());
        let deadline = world.now().after(Duration::from_secs(10));
        block_on(Batch::new(Asked(failure), &queue, &world, settings()).inspect(&inquiry, deadline))
    };
    let answers = asked(|| Failure::permanent("a row of another version")).unwrap();
    let reason = "a row of another version".to_owned();
    assert_eq!(answers.events, [Outlook::Due, Outlook::Refused { reason: reason.clone() }, Outlook::Due]);
    let unreadable = Discrepancy { kind: UNREADABLE.to_owned(), detail: reason };
    assert_eq!(answers.subjects, [vec![], vec![unreadable], vec![]]);
    assert!(asked(|| Failure::transient("the store is down")).is_err(), "what passes is asked again");
}

#[test]
fn one_bad_body_does_not_fail_the_others() {
    let handled = RefCell::new(Vec::new());
    let bodies = ["", "{", "[[[", "42", r#"{"specversion":"1.0"}"#];
    let bad = bodies.iter().enumerate().map(|(index, body)| recreq_of(&format!("bad{index}"), 1, body));
    let records = [record("m1", "req_1", 1)].into_iter().chain(bad).chain([record("m2", "req_1", 1)]).collect();
    let fates = run(
        async |event, _| {
            handled.borrow_mut().push(event.context.id.clone());
            Ok(Handled::Changed)
        },
        records,
    );
    assert_eq!(handled.borrow().len(), 2);
    assert_eq!((fates.reported.len(), fates.put_back.len()), (0, 0));
    assert_eq!(fates.parked.len(), bodies.len());
    assert!(fates.parked.iter().all(|(_, class, _)| class == "permanent"), "{fates:?}");
}

#[test]
fn a_permanent_failure_is_parked_at_its_first_receive_and_acknowledged() {
    let fates = run(async |_, _| Err(Failure::permanent("never")), vec![record("m1", "req_1", 1)]);
    assert_eq!(fates, Fates { parked: vec![parked("m1", "permanent", "never")], ..Fates::default() });
}

#[test]
fn a_transient_failure_holds_up_no_other() {
    let handled = RefCell::new(Vec::new());
    let fates = run(
        async |event, _| {
            handled.borrow_mut().push(event.context.subject.to_string());
            if event.context.id == event_in("a1", "req_1").context.id {
                Err(Failure::transient("later"))
            } else {
                Ok(Handled::Changed)
            }
        },
        vec![record("a1", "req_1", 1), record("b1", "req_2", 1), record("a2", "req_1", 1)],
    );
    handled.borrow_mut().sort();
    assert_eq!(*handled.borrow(), ["req_1", "req_1", "req_2"]);
    assert_eq!((fates.reported, fates.parked), (vec!["a1".to_owned()], vec![]));
    // Random gives this virtual time the longer one of the two waits.
    assert_eq!(fates.put_back, [("r-a1".to_owned(), 1)]);
}

#[test]
fn records_of_one_subject_are_handled_one_after_the_other_by_their_time() {
    let (world, queue) = (VirtualTime::new(1), MemoryQueue::default());
    let at = |id: &str, millis: i64| {
        let mut event = event_in(id, "req_1");
        event.context.time = Time::from_millis(millis);
        recreq_of(id, 1, &serde_json::to_string(&event).unwrap())
    };
    let (at_work, times) = (Cell::new(0), RefCell::new(Vec::new()));
    let fates = run_on(
        &world,
        &queue,
        &queue,
        Duration::from_secs(30),
        async |event, _| {
            at_work.set(at_work.get() + 1);
            assert_eq!(at_work.get(), 1, "two of one subject at once");
            times.borrow_mut().push(event.context.time.as_millis());
            world.sleep(Duration::from_millis(10)).await;
            at_work.set(at_work.get() - 1);
            Ok(Handled::Changed)
        },
        vec![at("m1", 3_000), at("m2", 1_000), at("m3", 2_000)],
    );
    assert_eq!(fates, Fates::default());
    assert_eq!(*times.borrow(), [1_000, 2_000, 3_000]);
}

#[test]
fn the_back_off_grows_with_the_receive_count() {
    let longest = |receives: u32| {
        let (world, queue) = (VirtualTime::new(1), MemoryQueue::default());
        queue.hand_out("r-m1");
        for _ in 0..50 {
            let batch = Batch::new(
                Fake(async |_: &Event, _: &Delivery<'_>| Err(Failure::transient("later"))),
                &queue,
                &world,
                QueueSettings {
                    queue_url: String::new(),
                    dead_letter_queue_url: String::new(),
                    max_receive_count: 99,
                    max_backoff_seconds: CAP,
                    function: String::new(),
                },
            );
            let mut event = SqsEvent::default();
            event.records = vec![record("m1", "req_1", receives)];
            block_on(batch.run(event, world.now().after(Duration::from_secs(30))));
        }
        queue.visibilities().iter().map(|(_, seconds)| *seconds).max().unwrap()
    };
    assert_eq!(longest(1), 1);
    assert!((12..=16).contains(&longest(5)), "{}", longest(5));
    assert!((800..=CAP).contains(&longest(30)), "{}", longest(30));
}

#[test]
fn at_its_last_receive_a_message_is_parked_and_others_of_its_subject_go_on() {
    let fates = run(
        async |event, _| {
            let is_head = event.context.id == event_in("m1", "req_1").context.id;
            if is_head { Err(Failure::transient("the provider is down")) } else { Ok(Handled::Changed) }
        },
        vec![record("m1", "req_1", MAX_RECEIVES), record("m2", "req_1", MAX_RECEIVES)],
    );
    assert_eq!(fates.parked, [parked("m1", "exhausted", "the provider is down")]);
    assert_eq!(fates.reported, [""; 0]);
}

#[test]
fn what_a_deployment_mends_is_tried_again() {
    let failing = async |_: &Event, _: &Delivery<'_>| Err(Failure::new(FailureKind::Misconfigured, "AccessDenied"));
    assert_eq!(run(failing, vec![record("m1", "req_1", 1)]).reported, ["m1"]);
    let last = run(failing, vec![record("m1", "req_1", MAX_RECEIVES)]);
    assert_eq!(last.parked, [parked("m1", "exhausted", "AccessDenied")]);
}

#[test]
fn what_was_never_tried_is_not_parked() {
    for receives in [1, MAX_RECEIVES, 50] {
        let fates = run(async |_, _| Err(Failure::deferred("no turn")), vec![record("m1", "req_1", receives)]);
        assert_eq!((fates.reported, fates.parked), (vec!["m1".to_owned()], vec![]));
        assert_eq!(fates.put_back.len(), 1);
    }
}

#[test]
fn what_is_known_to_last_stays_away_for_long() {
    let wait = Duration::from_hours(6);
    let fates = run(async |_, _| Err(Failure::transient("quota").not_before(wait)), vec![record("m1", "req_1", 1)]);
    let [(_, seconds)] = fates.put_back[..] else { panic!("{fates:?}") };
    assert!((10_800..=21_600).contains(&seconds), "{seconds}");
}

#[test]
fn what_was_received_most_often_begins_first() {
    let begun = RefCell::new(Vec::new());
    let records = [(1, 1), (2, 2), (3, 1), (4, 2)].map(|(n, receives)| record("m", &format!("req_{n}"), receives));
    run(
        async |event, _| {
            begun.borrow_mut().push(event.context.subject.to_string());
            Ok(Handled::Changed)
        },
        records.to_vec(),
    );
    assert_eq!(*begun.borrow(), ["req_2", "req_4", "req_1", "req_3"]);
}

/// Handler whose neighbour has been down for that long. One of its subjects does not need it.
struct Down(Duration);

impl Handle for Down {
    type Incoming = Event;

    fn consumes(&self, _: &Event) -> bool {
        true
    }

    async fn warm(&self) {}

    async fn handle(&self, event: &Event, _: &Delivery<'_>) -> Result<Handled> {
        let needs_nobody = event.context.subject.as_str() == "req_2";
        if needs_nobody { Ok(Handled::Changed) } else { Err(Failure::deferred("a neighbour is down")) }
    }

    fn outage(&self) -> Option<Duration> {
        Some(self.0)
    }
}

#[test]
fn while_a_neighbour_is_down_an_invocation_lasts_and_its_messages_stay_away_for_as_long_as_that() {
    for (minutes, span) in [(1, 60..=120), (3, 180..=360), (600, 450..=900)] {
        let (world, queue) = (VirtualTime::new(1), MemoryQueue::default());
        let records = vec![record("m1", "req_1", 1), record("m2", "req_2", 1), record("m3", "req_3", MAX_RECEIVES)];
        let (time, down) = (Duration::from_secs(10), Down(Duration::from_mins(minutes)));
        let fates = run_with(&world, &queue, &queue, time, down, records);
        assert_eq!((fates.reported, fates.parked), (vec!["m3".to_owned(), "m1".to_owned()], vec![]));
        // The first three set the records apart.
        assert!(fates.put_back[3..].iter().all(|(_, seconds)| span.contains(seconds)), "{:?}", fates.put_back);
        assert_eq!(fates.put_back.len(), 5);
        assert_eq!(VirtualTime::new(1).now().until(world.now()) + RESERVE, time);
    }
    let (world, queue) = (VirtualTime::new(1), MemoryQueue::default());
    let time = Duration::from_secs(10);
    run_with(&world, &queue, &queue, time, Down(Duration::from_hours(1)), vec![record("m2", "req_2", 1)]);
    assert_eq!(world.now(), VirtualTime::new(1).now(), "nothing of it has to wait");
}

/// A queue whose dead-letter queue is out of order.
struct NoParking<'a>(&'a MemoryQueue);

impl Visibility for NoParking<'_> {
    async fn set(&self, changes: &[(String, u32)]) -> Result<()> {
        self.0.set(changes).await
    }
}

impl DeadLetters for NoParking<'_> {
    async fn park(&self, _: &DeadLetter) -> Result<()> {
        Err(Failure::transient("SQS is down"))
    }
}

#[test]
fn what_cannot_be_parked_is_reported_and_not_lost() {
    let (world, queue) = (VirtualTime::new(1), MemoryQueue::default());
    for receives in [1, MAX_RECEIVES] {
        let fates = run_on(
            &world,
            &queue,
            NoParking(&queue),
            Duration::from_secs(30),
            async |_, _| Err(Failure::permanent("never")),
            vec![record("m1", "req_1", receives)],
        );
        assert_eq!(fates.reported, ["m1"]);
        assert_eq!(fates.put_back.last().map(|(receipt, _)| receipt.as_str()), Some("r-m1"));
    }
}

/// A queue that never answers.
struct Mute;

impl Visibility for Mute {
    async fn set(&self, _: &[(String, u32)]) -> Result<()> {
        pending().await
    }
}

impl DeadLetters for Mute {
    async fn park(&self, _: &DeadLetter) -> Result<()> {
        pending().await
    }
}

#[test]
fn a_queue_that_never_answers_does_not_cost_the_other_records() {
    let (world, queue) = (VirtualTime::new(1), MemoryQueue::default());
    let records = vec![recreq_of("m1", 1, "no event"), record("m2", "req_2", 2)];
    let fates = run_on(&world, &queue, Mute, Duration::from_secs(30), async |_, _| Ok(Handled::Changed), records);
    assert_eq!(fates.reported, ["m1"]);
}

#[test]
#[expect(clippy::panic, reason = "that is the point")]
fn a_panic_fails_only_its_record() {
    let fates = run(
        async |event, _| if event.context.subject.as_str() == "req_1" { panic!("oh") } else { Ok(Handled::Changed) },
        vec![record("m1", "req_1", 1), record("m2", "req_2", 1)],
    );
    assert_eq!((fates.reported, fates.parked), (vec!["m1".to_owned()], vec![]));
    let last = run(async |_, _| panic!("oh"), vec![record("m1", "req_1", MAX_RECEIVES)]);
    assert_eq!(last.parked, [parked("m1", "exhausted", "the handler panicked")]);
}

#[test]
fn near_the_deadline_nothing_new_is_begun() {
    let (world, queue) = (VirtualTime::new(1), MemoryQueue::default());
    let begun = RefCell::new(0);
    let records = (0..5).map(|index| record(&format!("m{index}"), "req_1", 1)).collect();
    let fates = run_on(
        &world,
        &queue,
        &queue,
        Duration::from_secs(6),
        async |_, _| {
            *begun.borrow_mut() += 1;
            world.sleep(Duration::from_millis(1_500)).await;
            Ok(Handled::Changed)
        },
        records,
    );
    assert_eq!(*begun.borrow(), 3, "after three, 1.5 s are left: too little for a fourth");
    assert_eq!(fates.reported, ["m3", "m4"]);
    assert_eq!(fates.put_back, [("r-m3".to_owned(), 0), ("r-m4".to_owned(), 0)]);
}

#[test]
fn at_its_last_receive_a_message_is_attempted_in_whatever_time_is_left() {
    let (world, queue) = (VirtualTime::new(1), MemoryQueue::default());
    let records = vec![record("m1", "req_1", MAX_RECEIVES), record("m2", "req_2", 1)];
    let late = Duration::from_millis(900);
    let fates = run_on(&world, &queue, &queue, late, async |_, _| pending().await, records);
    assert_eq!(fates.reported, ["m2"]);
    assert_eq!(fates.parked, [parked("m1", "exhausted", "the function's time was up")]);
}

#[test]
fn a_handler_that_hangs_is_given_up_before_the_deadline() {
    let (world, queue) = (VirtualTime::new(1), MemoryQueue::default());
    let fates = run_on(
        &world,
        &queue,
        &queue,
        Duration::from_secs(30),
        async |event, _| {
            if event.context.subject.as_str() == "req_1" {
                return pending().await;
            }
            world.sleep(Duration::from_secs(2)).await;
            Ok(Handled::Changed)
        },
        vec![record("m1", "req_1", 1), record("m2", "req_2", 1), record("m3", "req_1", 1), record("m4", "req_2", 1)],
    );
    assert_eq!(fates.reported, ["m1", "m3"]);
    assert_eq!(VirtualTime::new(1).now().until(world.now()) + RESERVE, Duration::from_secs(30));
}

#[test]
fn subjects_go_on_side_by_side() {
    let (world, queue) = (VirtualTime::new(1), MemoryQueue::default());
    let records = (0..10).map(|index| record(&format!("m{index}"), &format!("req_{index}"), 1)).collect();
    let slow = async |_: &Event, _: &Delivery<'_>| {
        world.sleep(Duration::from_secs(5)).await;
        Ok(Handled::Changed)
    };
    let fates = run_on(&world, &queue, &queue, Duration::from_secs(7), slow, records);
    assert_eq!(fates, Fates::default());
    assert_eq!(VirtualTime::new(1).now().until(world.now()), Duration::from_secs(5));
}

#[test]
fn the_records_of_a_batch_are_set_apart_once_one_of_them_was_handed_out_before() {
    let apart = |receives: [u32; 3]| {
        let (world, queue) = (VirtualTime::new(1), MemoryQueue::default());
        let subjects = ["req_1", "req_2", "req_1"];
        let records = (0..3).map(|index| record(&format!("m{index}"), subjects[index], receives[index])).collect();
        let dead = async |_: &Event, _: &Delivery<'_>| pending().await;
        let (time, queue) = (Duration::from_millis(9_400), &queue);
        assert!(run_on(&world, queue, queue, time, dead, records).reported.len() == 3);
        let mut set = queue.visibilities();
        // The last ones are for those that were given up in the end.
        set.truncate(set.len() - 3);
        set
    };
    let set = |receipt: &str, seconds| (receipt.to_owned(), seconds);
    assert_eq!(apart([1, 1, 1]), []);
    assert_eq!(apart([1, 2, 1]), [set("r-m0", 12), set("r-m1", 14), set("r-m2", 16)]);
    let alone = run(async |_, _| Ok(Handled::Changed), vec![record("m1", "req_1", 2)]);
    assert_eq!(alone, Fates::default(), "a record that is alone is apart");
}

/// A queue as SQS has it, whose function dies of some of its messages.
struct Deadly {
    world: VirtualTime,
    messages: RefCell<Vec<Message>>,
    handled: RefCell<Vec<String>>,
    dead: RefCell<Vec<String>>,
}

struct Message {
    id: String,
    subject: String,
    receives: u32,
    visible_at: Time,
}

impl Visibility for &Deadly {
    async fn set(&self, changes: &[(String, u32)]) -> Result<()> {
        for message in self.messages.borrow_mut().iter_mut() {
            let change = changes.iter().find(|(receipt, _)| *receipt == format!("r-{}", message.id));
            if let Some((_, seconds)) = change {
                message.visible_at = self.world.now().after(Duration::from_secs(u64::from(*seconds)));
            }
        }
        Ok(())
    }
}

impl DeadLetters for &Deadly {
    async fn park(&self, _: &DeadLetter) -> Result<()> {
        Err(Failure::permanent("nothing here is to be parked"))
    }
}

impl Deadly {
    /// The messages that are visible, for a minute. Those that were received often enough are moved.
    fn receive(&self) -> Vec<SqsMessage> {
        let now = self.world.now();
        let mut messages = self.messages.borrow_mut();
        let mut received = Vec::new();
        messages.retain_mut(|message| {
            if message.visible_at > now {
                return true;
            }
            if message.receives == MAX_RECEIVES {
                self.dead.borrow_mut().push(message.id.clone());
                return false;
            }
            message.receives += 1;
            message.visible_at = now.after(Duration::from_mins(1));
            received.push(record(&message.id, &message.subject, message.receives));
            true
        });
        received
    }

    /// One invocation. If the function dies, nobody hears of those that it has handled.
    async fn invoke(&self, killers: &[&str]) {
        let is_dead = Cell::new(false);
        let handle = async |event: &Event, _: &Delivery<'_>| {
            let subject = event.context.subject.as_str();
            if killers.contains(&subject) {
                is_dead.set(true);
                return pending().await;
            }
            self.handled.borrow_mut().push(subject.to_owned());
            Ok(Handled::Changed)
        };
        let settings = QueueSettings {
            queue_url: String::new(),
            dead_letter_queue_url: String::new(),
            max_receive_count: MAX_RECEIVES,
            max_backoff_seconds: CAP,
            function: String::new(),
        };
        let mut event = SqsEvent::default();
        event.records = self.receive();
        let received: Vec<_> = event.records.iter().filter_map(|record| record.message_id.clone()).collect();
        let batch = Batch::new(Fake(handle), self, &self.world, settings);
        let run = batch.run(event, self.world.now().after(Duration::from_secs(10)));
        let death = poll_fn(|_| if is_dead.get() { Poll::Ready(()) } else { Poll::Pending });
        if let Either::Left((response, _)) = select(pin!(run), death).await {
            assert_eq!(response.batch_item_failures.len(), 0);
            self.messages.borrow_mut().retain(|message| !received.contains(&message.id));
        }
    }
}

#[test]
fn subjects_that_share_a_batch_with_one_that_kills_the_function_do_not_die_with_it() {
    let requests: Vec<String> = (0..8).map(|index| format!("req_{index}")).collect();
    for killers in [&["req_5"][..], &["req_0"], &["req_7"], &["req_0", "req_3", "req_4", "req_7"]] {
        let world = VirtualTime::new(1);
        let message = |id: &str, subject: &str| Message {
            id: id.to_owned(),
            subject: subject.to_owned(),
            receives: 0,
            visible_at: world.now(),
        };
        let mut messages: Vec<Message> = requests.iter().map(|request| message(request, request)).collect();
        messages.push(message("second of req_2", "req_2"));
        let deadly =
            Deadly { world, messages: RefCell::new(messages), handled: RefCell::default(), dead: RefCell::default() };
        for _ in 0..600 {
            block_on(deadly.invoke(killers));
            deadly.world.pass(Duration::from_secs(1));
        }
        assert_eq!(deadly.messages.borrow().len(), 0);
        assert_eq!(*deadly.dead.borrow(), killers, "only what kills is moved to the dead letters");
        let handled: BTreeSet<String> = deadly.handled.borrow().iter().cloned().collect();
        let innocent: BTreeSet<String> =
            requests.iter().filter(|request| !killers.contains(&request.as_str())).cloned().collect();
        assert_eq!(handled, innocent);
    }
}

#[test]
fn an_event_inside_an_sns_notification_is_taken() {
    let event = serde_json::to_string(&another_event::<Library>(requested("req_1"), 1)).unwrap();
    let notification = json!({ "Type": "Notification", "TopicArn": "arn:aws:sns:::t", "Message": event }).to_string();
    let texts = RefCell::new(Vec::new());
    let fates = run(
        async |_, delivery| {
            texts.borrow_mut().push(delivery.text.to_owned());
            Ok(Handled::Changed)
        },
        vec![recreq_of("m1", 1, &notification)],
    );
    assert_eq!(fates, Fates::default());
    assert_eq!(*texts.borrow(), [event]);
}

#[test]
fn a_notification_that_has_no_event_is_parked() {
    for message in ["hello", "{}", r#"{"Type":"Notification","Message":"{}"}"#] {
        let notification = json!({ "Type": "Notification", "Message": message }).to_string();
        let fates = run(async |_, _| Ok(Handled::Changed), vec![recreq_of("m1", 1, &notification)]);
        assert_eq!(fates.parked.len(), 1, "{message}");
    }
}

fn cancelled() -> String {
    let cancelled = RequestCancelled { request_id: "req_1".parse().unwrap() };
    serde_json::to_string(&another_event::<Library>(cancelled, 1)).unwrap()
}

#[test]
#[expect(clippy::panic, reason = "that is the point")]
fn a_type_that_is_not_consumed_is_acknowledged_without_being_handled() {
    let fates = run(async |_, _| panic!("not for us"), vec![recreq_of("m1", 1, &cancelled())]);
    assert_eq!(fates, Fates::default());
}

#[test]
fn a_message_keeps_its_attributes_when_it_is_parked() {
    let (world, queue) = (VirtualTime::new(1), MemoryQueue::default());
    let mut record = recreq_of("m1", 1, "no event");
    let mut attribute = SqsMessageAttribute::default();
    attribute.data_type = Some("String".to_owned());
    attribute.string_value = Some("kept".to_owned());
    record.message_attributes.insert("mine".to_owned(), attribute);
    let time = Duration::from_secs(30);
    run_on(&world, &queue, &queue, time, async |_, _| Ok(Handled::Changed), vec![record]);
    let [letter] = queue.letters().try_into().unwrap();
    assert_eq!(letter.body, "no event");
    assert_eq!(letter.attributes["mine"], Attribute::Text("String".to_owned(), "kept".to_owned()));
    assert_eq!(letter.attributes["failed-function"], Attribute::Text("String".to_owned(), "test".to_owned()));
}

/// Log in memory, all of it.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn logs_have_the_ids_and_never_a_payload() {
    let logged = Logged::default();
    let writer = logged.clone();
    let guard = telemetry::logs("library", LevelFilter::TRACE, move || writer.clone()).set_default();
    let mut context = lambda_runtime::Context::default();
    context.request_id = "request-17".to_owned();
    let _deadline = telemetry::begin(&context);
    let mut faulty = serde_json::to_value(another_event::<Library>(requested("req_2"), 2)).unwrap();
    faulty["data"]["title"] = json!(["ada@example.com"]);
    faulty["data"]["reader"] = json!("ada@example.com\n");
    let ids = ["m1", "m2", "m3", "m4"].map(|id| event_in(id, "req_1").context.id);
    run(
        async |event, _| match ids.iter().position(|id| *id == event.context.id) {
            Some(0) => Ok(Handled::Changed),
            Some(1) => Err(Failure::permanent("never")),
            Some(2) => Err(Failure::new(FailureKind::Misconfigured, "AccessDenied")),
            _ => Err(Failure::transient("later")),
        },
        vec![
            record("m1", "req_1", 2),
            record("m2", "req_1", 2),
            record("m3", "req_1", MAX_RECEIVES),
            record("m4", "req_1", 2),
            recreq_of("m5", 2, &faulty.to_string()),
            recreq_of("m6", 2, "ada@example.com"),
            recreq_of("m7", 2, &cancelled()),
        ],
    );
    drop(guard);
    let text = String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
    for secret in ["ada@", "Ada", "Analytical"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let changed = |line: &&serde_json::Value| line["message"] == "handled" && line["handled"] == "Changed";
    let first = lines.iter().find(changed).unwrap_or_else(|| panic!("no line of what was handled in {text}"));
    for (field, value) in [
        ("subject", json!("req_1")),
        ("event_id", json!(ids[0].to_string())),
        ("event_type", json!("BookRequested")),
        ("receive_count", json!(2)),
        ("request_id", json!("request-17")),
        ("cold_start", json!(true)),
    ] {
        assert_eq!(first["span"][field], value, "{field} in {first}");
    }
    for (message, level) in [("failed for ever", "WARN"), ("failed: the deployment must be mended", "ERROR")] {
        assert!(lines.iter().any(|line| line["message"] == message && line["level"] == level), "{message} in {text}");
    }
    assert!(
        lines.iter().any(|line| line["handled"] == "Ignored" && line["span"]["event_type"] == "RequestCancelled"),
        "{text}"
    );
}
