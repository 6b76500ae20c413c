use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use envelope::{Extensions, Source, Subject, Text, Time, consumes};
use futures::executor::block_on;
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::decider::{Commit, CounterUpdate, Decision, InsufficientCounter, Rejection};
use crate::failure::FailureKind;
use crate::ledger::History;
use crate::memory::sample::{
    BookLent, BookReady, BookRequested, FeeReturned, LOANS, Library, LibraryType, RequestCancelled, another_event,
    event, requested,
};
use crate::memory::{MemoryLog, VirtualTime};
use crate::port::{Addition, Appended};
use crate::row::{Cause, Row};
use crate::trace::TraceParent;

type Event = envelope::Event<Library>;

consumes!(
    /// Events of a request for a book.
    enum Heard in Library { BookRequested, BookReady, RequestCancelled, BookLent }
);

/// Sets copies aside when a book is requested, and lends it for a fee, in two intents, when it is ready.
struct Loans;

#[derive(Clone, Debug, Default, PartialEq)]
enum Loan {
    #[default]
    Unknown,
    Opened,
    SoldOut,
    Announced,
    Paying,
    Paid,
    Cancelled,
    Refunded,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Change {
    Opened,
    SoldOut { found: i64 },
    Announced,
    Paying,
    Paid(Text),
    Cancelled,
    Refunded,
    Noted(String),
}

/// Answer of the world outside, or of the counters.
enum Answer {
    Charged,
    /// Ask once more.
    Pending,
    Short(i64),
}

struct Charge(Subject);

impl Decider for Loans {
    const SOURCE: Source = LOANS;
    const BEGINS: Option<&'static str> = Some(LibraryType::BookRequested.as_str());
    type Heard = Heard;
    type State = Loan;
    type Change = Change;
    type Effect = Charge;
    type Reply = Answer;

    fn evolve(state: Loan, change: Change) -> Loan {
        match change {
            Change::Opened => Loan::Opened,
            Change::SoldOut { .. } => Loan::SoldOut,
            Change::Announced => Loan::Announced,
            Change::Paying => Loan::Paying,
            Change::Paid(_) => Loan::Paid,
            Change::Cancelled => Loan::Cancelled,
            Change::Refunded => Loan::Refunded,
            Change::Noted(_) => state,
        }
    }

    fn decide(state: &Loan, event: &envelope::Event<Heard>, answer: Option<&Answer>) -> Decision<Self> {
        let request = &event.context.subject;
        Ok(match (state, &event.data, answer) {
            (Loan::Unknown, Heard::BookRequested(_), Some(Answer::Short(found))) => {
                Step::record(Change::SoldOut { found: *found })
            }
            (Loan::Unknown, Heard::BookRequested(_), _) => Step::record(Change::Opened).updating([three_pieces()]),
            (Loan::Unknown, Heard::BookReady(_), _) => return Err(Rejection::TooEarly("no request yet")),
            (Loan::Unknown, ..) => return Err(Rejection::Forbidden("no request".to_owned())),
            (Loan::Opened, Heard::BookReady(_), _) => Step::record_intent(Change::Announced),
            (Loan::Announced, Heard::BookReady(_), _) => Step::record_intent(Change::Paying),
            (Loan::Paying, Heard::BookReady(_), None | Some(Answer::Pending)) => Step::Perform(Charge(request.clone())),
            (Loan::Paying, Heard::BookReady(_), Some(_)) => Step::publish(lent(request)),
            (Loan::Cancelled, Heard::BookReady(_), Some(_)) => {
                Step::record(Change::Refunded).publishing(lent(request)).publishing(returned(request))
            }
            (Loan::Opened | Loan::Announced | Loan::Paying, Heard::RequestCancelled(_), _) => {
                Step::record(Change::Cancelled)
            }
            _ => Step::Nothing,
        })
    }

    fn change_from(event: &Event) -> Option<Change> {
        match &event.data {
            Library::BookLent(lent) => Some(Change::Paid(lent.loan_id.clone())),
            _ => None,
        }
    }

    fn on_insufficient(insufficient: &[InsufficientCounter]) -> Option<Answer> {
        insufficient.first().map(|insufficient| Answer::Short(insufficient.found))
    }
}

fn three_pieces() -> CounterUpdate {
    CounterUpdate { key: "A-1".to_owned(), add: vec![("available", -3), ("reserved", 3)], at_least: ("available", 3) }
}

fn loan_id(request: &Subject) -> Text {
    Text::shortened(&format!("loan of {request}"))
}

fn lent(request: &Subject) -> BookLent {
    BookLent { request_id: request.clone(), loan_id: loan_id(request) }
}

fn returned(request: &Subject) -> FeeReturned {
    FeeReturned { request_id: request.clone(), loan_id: loan_id(request) }
}

fn req_1() -> Subject {
    Subject::new("req_1").unwrap()
}

fn created() -> Event {
    event(requested("req_1"))
}

fn ready() -> Event {
    event(BookReady { request_id: req_1(), copies: 3 })
}

fn cancelled() -> Event {
    event(RequestCancelled { request_id: req_1() })
}

/// Result of a call of a port.
enum Fate {
    Works,
    FailsBefore,
    FailsAfter,
    IsDown,
    Conflicts,
    /// Somebody else is faster, and makes this of the subject.
    LosesTo(Change),
    /// The same, and it is another attempt at the same event.
    LosesToTwin(Change),
    /// Somebody else is faster, and new copies arrive.
    LosesToDelivery,
}

/// A table and a bank, with a fate for each call of them, in the order of the calls.
struct Bench {
    log: MemoryLog,
    world: VirtualTime,
    fates: RefCell<VecDeque<Fate>>,
    calls: Cell<usize>,
    /// Every charge that was asked for, with its attempt; the bank makes only the first of a request.
    charges: RefCell<Vec<(Subject, Attempt)>>,
    /// Number of times that the bank asks to be asked once more.
    pending: Cell<u32>,
    /// True where each call takes some time.
    is_slow: bool,
    /// True where the bank is one of the service's own tables.
    is_own: bool,
}

impl Bench {
    fn new() -> Self {
        let log = MemoryLog::default();
        log.set_counter("A-1", "available", 10);
        Self {
            log,
            world: VirtualTime::new(1),
            fates: RefCell::default(),
            calls: Cell::new(0),
            charges: RefCell::default(),
            pending: Cell::new(0),
            is_slow: false,
            is_own: false,
        }
    }

    fn handle(&self, event: &Event) -> Result<Handled> {
        block_on(self.attempt(event))
    }

    async fn attempt(&self, event: &Event) -> Result<Handled> {
        let process = Process::<Loans, _, _, _>::new(Ledger::new(self, &self.world), self);
        process.handle(event, &Delivery { text: "", deadline: Time::from_millis(0) }).await
    }

    /// Delivers an event as often as a queue would.
    fn deliver(&self, event: &Event) -> Handled {
        let attempts = (0..12).map(|_| self.handle(event));
        attempts.flatten().next().expect("it works in the end")
    }

    fn then(&self, fates: impl IntoIterator<Item = Fate>) -> &Self {
        self.fates.borrow_mut().extend(fates);
        self
    }

    fn rows(&self) -> Vec<Row> {
        block_on(self.log.read(&req_1())).unwrap()
    }

    fn state(&self) -> Loan {
        block_on(Ledger::new(&self.log, &self.world).load::<Loans>(&req_1())).unwrap().state
    }

    /// Story of a subject: what can be told of it when ids and times are left out.
    fn story(&self) -> Story {
        let rows = self.rows().into_iter().map(|row| {
            let events = row.events.iter().map(|text| Event::decode(text).unwrap());
            let events = events.map(|event| (event.event_type(), event.context.sequence)).collect();
            (row.version, row.cause, row.unfinished, row.change, events)
        });
        let charged = self.charges.borrow().iter().map(|(request, _)| request.clone()).collect::<BTreeSet<_>>().len();
        (rows.collect(), self.log.counter("A-1", "reserved"), charged)
    }

    async fn call<T>(&self, call: impl AsyncFn() -> T, conflict: Option<T>) -> Result<T> {
        self.calls.set(self.calls.get() + 1);
        self.pause().await;
        let fate = self.fates.borrow_mut().pop_front().unwrap_or(Fate::Works);
        let result = match (fate, conflict) {
            (Fate::FailsBefore, _) => Err(Failure::transient("failed before")),
            (Fate::IsDown, _) => Err(Failure::unavailable("down")),
            (Fate::FailsAfter, _) => {
                call().await;
                Err(Failure::transient("failed after"))
            }
            (Fate::Conflicts, Some(conflict)) => Ok(conflict),
            _ => Ok(call().await),
        };
        self.pause().await;
        result
    }

    async fn pause(&self) {
        if self.is_slow {
            self.world.sleep(Duration::from_millis(self.world.below(5))).await;
        }
    }
}

type Story = (Vec<(u32, Cause, bool, Option<Value>, Vec<(LibraryType, Option<u64>)>)>, i64, usize);

impl Log for &Bench {
    async fn read(&self, subject: &Subject) -> Result<Vec<Row>> {
        self.call(async || self.log.read(subject).await, None).await?
    }

    async fn append_all(&self, additions: &[Addition<'_>]) -> Result<Appended> {
        let [Addition { subject, row, .. }] = additions else { panic!("more than one is at work") };
        let rival = match self.fates.borrow().front() {
            Some(Fate::LosesTo(change)) => Some(rival_row(row.version, change)),
            Some(Fate::LosesToTwin(change)) => Some(Row { cause: row.cause.clone(), ..rival_row(row.version, change) }),
            Some(Fate::LosesToDelivery) => {
                self.log.set_counter("A-1", "available", 10);
                Some(rival_row(row.version, &Change::Noted(String::new())))
            }
            _ => None,
        };
        if let Some(rival) = rival {
            self.log.append(subject, &rival, &[]).await?;
        }
        self.call(async || self.log.append_all(additions).await, Some(Ok(Appended::Conflict))).await?
    }
}

fn rival_row(version: u32, change: &Change) -> Row {
    Row {
        version,
        at: Time::from_millis(0),
        cause: Cause {
            source: "rival".to_owned(),
            id: version.to_string(),
            event_type: "Rivalry".to_owned(),
            by: None,
        },
        owner: None,
        unfinished: false,
        change: Some(serde_json::to_value(change).unwrap()),
        events: Vec::new(),
    }
}

impl Effects<Loans> for &Bench {
    async fn perform(&self, effect: Charge, attempt: Attempt, _: &Delivery<'_>) -> Result<Answer> {
        let charge = async || {
            self.charges.borrow_mut().push((effect.0.clone(), attempt));
            match self.pending.get() {
                0 => Answer::Charged,
                left => {
                    self.pending.set(left - 1);
                    Answer::Pending
                }
            }
        };
        self.call(charge, None).await
    }

    fn asks_neighbour(&self, _: &Charge) -> bool {
        !self.is_own
    }
}

/// Six requests are charged by one function, and the bank is down for the first five.
#[test]
fn what_asks_no_neighbour_opens_no_circuit_and_is_stopped_by_none() {
    for (is_own, last) in [(false, Err(FailureKind::Deferred)), (true, Ok(Handled::Changed))] {
        let bench = Bench { is_own, ..Bench::new() };
        bench.log.set_counter("A-1", "available", 100);
        let process = Process::<Loans, _, _, _>::new(Ledger::new(&bench, &bench.world), &bench);
        let delivery = Delivery { text: "", deadline: Time::from_millis(0) };
        let handle = |event: &Event| block_on(process.handle(event, &delivery)).map_err(|failure| failure.kind());
        let down = Err(FailureKind::Unavailable);
        for (number, end) in [down, down, down, down, down, last].into_iter().enumerate() {
            let request_id = Subject::new(format!("req_{number}")).unwrap();
            assert_eq!(handle(&event(requested(request_id.as_str()))), Ok(Handled::Changed));
            if end == down {
                bench.then([Fate::Works, Fate::Works, Fate::Works, Fate::IsDown]);
            }
            assert_eq!(handle(&event(BookReady { request_id, copies: 3 })), end, "request {number}, own: {is_own}");
        }
    }
}

#[test]
fn a_request_goes_its_way() {
    let bench = Bench::new();
    assert_eq!(bench.handle(&created()), Ok(Handled::Changed));
    assert_eq!(bench.handle(&ready()), Ok(Handled::Changed));
    assert_eq!(bench.handle(&cancelled()), Ok(Handled::Unchanged));
    assert_eq!(bench.state(), Loan::Paid);
    assert_eq!((bench.log.counter("A-1", "available"), bench.log.counter("A-1", "reserved")), (7, 3));
    assert_eq!(*bench.charges.borrow(), [(req_1(), Attempt::First)]);
    let told: Vec<_> = bench.rows().iter().map(|row| (row.unfinished, row.change.is_some())).collect();
    assert_eq!(told, [(false, true), (true, true), (true, true), (false, false)], "what is told is not stored twice");
}

#[test]
fn one_read_and_one_write_for_a_step_one_read_for_a_duplicate() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    assert_eq!(bench.calls.take(), 2);
    assert_eq!(bench.handle(&created()), Ok(Handled::Duplicate));
    assert_eq!(bench.calls.take(), 1);
}

#[test]
fn what_changes_nothing_writes_nothing() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    let another = another_event(ready().data, 9);
    bench.handle(&ready()).unwrap();
    let rows = bench.rows().len();
    assert_eq!(bench.handle(&another), Ok(Handled::Unchanged));
    assert_eq!(bench.handle(&another), Ok(Handled::Unchanged));
    assert_eq!(bench.rows().len(), rows);
}

#[test]
fn the_outlook_of_an_event_is_what_handling_it_would_come_to_and_nothing_is_done() {
    let bench = Bench::new();
    let outlook = |event: &Event| {
        let process = Process::<Loans, _, _, _>::new(Ledger::new(&bench, &bench.world), &bench);
        let (before, outlook) = (bench.rows(), block_on(process.outlook(event)).unwrap());
        assert_eq!((bench.rows(), bench.charges.borrow().len()), (before, bench.charges.borrow().len()));
        outlook
    };
    let early = |outlook| matches!(outlook, Outlook::Early { .. });
    assert_eq!(outlook(&created()), Outlook::Due);
    assert!(early(outlook(&ready())), "the request comes first");
    assert!(matches!(outlook(&cancelled()), Outlook::Refused { .. }));
    bench.handle(&created()).unwrap();
    assert_eq!(outlook(&created()), Outlook::Handled { row: Some(1) });
    assert_eq!(outlook(&ready()), Outlook::Due);
    let other = another_event(requested("req_1"), 2);
    let begun = "the subject was begun by another BookRequested".to_owned();
    assert_eq!(outlook(&other), Outlook::Refused { reason: begun });
    bench.handle(&ready()).unwrap();
    let [published] = bench.log.published().try_into().unwrap();
    let rows = u32::try_from(bench.rows().len()).unwrap();
    assert_eq!(outlook(&published), Outlook::Handled { row: Some(rows) }, "it was published in the last row");
    assert_eq!(outlook(&another_event(ready().data, 9)), Outlook::Nothing, "no row will ever name it");
    assert_eq!(outlook(&cancelled()), Outlook::Nothing);
}

#[test]
fn an_intent_is_no_outcome() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    // The intent is on record, and then the function dies.
    bench.then([Fate::Works, Fate::Works, Fate::Works, Fate::FailsBefore]);
    assert!(bench.handle(&ready()).is_err());
    let process = Process::<Loans, _, _, _>::new(Ledger::new(&bench, &bench.world), &bench);
    assert!(!block_on(process.outlook(&ready())).unwrap().is_settled());
    bench.deliver(&ready());
    assert!(block_on(process.outlook(&ready())).unwrap().is_settled());
}

#[test]
fn a_duplicate_is_known_by_its_source_and_id_alone() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    let mut lookalike = ready();
    lookalike.context.source = created().context.source;
    lookalike.context.id = created().context.id;
    assert_eq!(bench.handle(&lookalike), Ok(Handled::Duplicate));
    lookalike.context.source = Source::from_static("library/shelf");
    assert_eq!(bench.handle(&lookalike), Ok(Handled::Changed));
}

#[test]
fn an_event_that_was_published_from_here_is_handled() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    bench.handle(&ready()).unwrap();
    let [published] = bench.log.published().try_into().unwrap();
    assert_eq!(bench.handle(&published), Ok(Handled::Duplicate));
}

#[test]
fn a_second_beginning_with_another_id_is_permanent() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    let failure = bench.handle(&another_event(requested("req_1"), 2)).unwrap_err();
    assert_eq!(failure, Failure::permanent("the subject was begun by another BookRequested"));
    bench.handle(&cancelled()).unwrap();
    assert!(bench.handle(&another_event(requested("req_1"), 2)).is_err());
    assert_eq!(bench.handle(&created()), Ok(Handled::Duplicate));
}

#[test]
fn rejections_have_their_kind_and_write_nothing() {
    let bench = Bench::new();
    assert_eq!(bench.handle(&ready()).unwrap_err().kind(), FailureKind::Transient);
    assert_eq!(bench.handle(&cancelled()).unwrap_err().kind(), FailureKind::Permanent);
    assert_eq!(bench.rows(), []);
}

#[test]
fn a_counter_that_is_too_small_is_an_answer() {
    let bench = Bench::new();
    bench.log.set_counter("A-1", "available", 2);
    assert_eq!(bench.handle(&created()), Ok(Handled::Changed));
    assert_eq!(bench.rows()[0].change, Some(json!({ "soldOut": { "found": 2 } })));
    assert_eq!((bench.log.counter("A-1", "available"), bench.log.counter("A-1", "reserved")), (2, 0));
}

#[test]
fn the_answer_of_a_counter_does_not_outlive_a_lost_race() {
    let bench = Bench::new();
    bench.log.set_counter("A-1", "available", 2);
    bench.then([Fate::Works, Fate::Works, Fate::LosesToDelivery]);
    assert_eq!(bench.handle(&created()), Ok(Handled::Changed));
    assert_eq!((bench.state(), bench.log.counter("A-1", "available")), (Loan::Opened, 7));
}

#[test]
fn a_lost_race_is_decided_again() {
    let bench = Bench::new();
    bench.then([Fate::Works, Fate::LosesTo(Change::Noted(String::new()))]);
    assert_eq!(bench.handle(&created()), Ok(Handled::Changed));
    assert_eq!(bench.rows().len(), 2);
    let bench = Bench::new();
    bench.then([Fate::Works, Fate::LosesTo(Change::Opened)]);
    assert_eq!(bench.handle(&created()), Ok(Handled::Unchanged));
    assert_eq!(bench.log.counter("A-1", "reserved"), 0);
}

#[test]
fn lost_races_end() {
    let bench = Bench::new();
    for _ in 0..100 {
        bench.then([Fate::Works, Fate::LosesTo(Change::Noted(String::new()))]);
    }
    assert_eq!(bench.handle(&created()).unwrap_err().kind(), FailureKind::Transient);
    assert_eq!(bench.rows().len(), 24);
}

#[test]
fn an_outcome_survives_a_lost_race() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    // Read, announce, intend, charge; and while the outcome is written the request is cancelled.
    let works = [Fate::Works, Fate::Works, Fate::Works, Fate::Works];
    bench.then(works).then([Fate::LosesTo(Change::Cancelled)]);
    assert_eq!(bench.handle(&ready()), Ok(Handled::Changed));
    assert_eq!(bench.state(), Loan::Refunded);
    assert_eq!(bench.charges.borrow().len(), 1);
    let published: Vec<_> = bench.log.published().iter().map(Event::event_type).collect();
    assert_eq!(published, [LibraryType::BookLent, LibraryType::FeeReturned]);
}

#[test]
fn an_outcome_survives_another_attempt_that_was_faster() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    let works = [Fate::Works, Fate::Works, Fate::Works, Fate::Works];
    bench.then(works).then([Fate::LosesToTwin(Change::Cancelled)]);
    assert_eq!(bench.handle(&ready()), Ok(Handled::Changed));
    assert_eq!(bench.state(), Loan::Refunded);
    assert_eq!(bench.handle(&ready()), Ok(Handled::Duplicate));
}

#[test]
fn an_intent_does_not_mark_its_event_as_handled_and_stands_as_found() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    // The process dies between the second intent and the charge.
    bench.then([Fate::Works, Fate::Works, Fate::Works, Fate::FailsBefore]);
    assert!(bench.handle(&ready()).is_err());
    assert_eq!(bench.state(), Loan::Paying);
    assert_eq!(bench.handle(&ready()), Ok(Handled::Changed));
    assert_eq!(*bench.charges.borrow(), [(req_1(), Attempt::Retry)]);
    assert_eq!(bench.handle(&ready()), Ok(Handled::Duplicate));
}

#[test]
fn who_is_asked_once_more_may_have_acted() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    bench.pending.set(2);
    assert_eq!(bench.handle(&ready()), Ok(Handled::Changed));
    let attempts: Vec<Attempt> = bench.charges.borrow().iter().map(|(_, attempt)| *attempt).collect();
    assert_eq!(attempts, [Attempt::First, Attempt::Retry, Attempt::Retry]);
}

#[test]
fn after_a_lost_race_an_intent_stands_as_found() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    // The first intent is our own, the second is somebody else's, who may have charged already.
    bench.then([Fate::Works, Fate::Works, Fate::LosesTo(Change::Paying)]);
    assert_eq!(bench.handle(&ready()), Ok(Handled::Changed));
    assert_eq!(*bench.charges.borrow(), [(req_1(), Attempt::Retry)]);
}

#[test]
fn colliding_transactions_are_tried_again_after_a_pause_and_not_for_ever() {
    let bench = Bench::new();
    bench.then([Fate::Works]).then((0..7).map(|_| Fate::Conflicts));
    assert_eq!(bench.handle(&created()), Ok(Handled::Changed));
    let paused = VirtualTime::new(1).now().until(bench.world.now());
    assert!(paused > Duration::from_millis(20) && paused < Duration::from_millis(710), "{paused:?}");

    let bench = Bench::new();
    bench.then([Fate::Works]).then((0..8).map(|_| Fate::Conflicts));
    assert_eq!(bench.handle(&created()).unwrap_err().kind(), FailureKind::Transient);
    assert_eq!((bench.rows(), bench.calls.get()), (vec![], 9));
}

#[test]
fn emitted_events_carry_on_their_cause() {
    let bench = Bench::new();
    let mut cause = ready();
    cause.context.trace_state = Some("vendor=1".to_owned());
    bench.handle(&created()).unwrap();
    let works = [Fate::Works, Fate::Works, Fate::Works, Fate::Works];
    bench.then(works).then([Fate::LosesTo(Change::Cancelled)]);
    bench.handle(&cause).unwrap();
    let [first, second] = bench.log.published().try_into().unwrap();
    let trace = |event: &Event| TraceParent::parse(event.context.trace_parent.as_deref().unwrap()).unwrap().to_string();
    let parent = cause.context.trace_parent.clone().unwrap();
    for event in [&first, &second] {
        let context = &event.context;
        assert_eq!((&context.subject, &context.source), (&req_1(), &LOANS));
        assert_eq!(context.correlation_id, cause.context.correlation_id);
        assert_eq!(context.causation_id.as_ref().map(ToString::to_string), Some(cause.context.id.to_string()));
        assert_eq!(context.trace_state.as_deref(), Some("vendor=1"));
        assert_eq!(trace(event)[..36], parent[..36], "the same trace");
        assert_ne!(trace(event)[36..52], parent[36..52], "another span");
        assert_eq!(Event::decode(&serde_json::to_string(event).unwrap()).as_ref(), Ok(event));
    }
    assert_eq!([first.context.sequence, second.context.sequence], [Some(1), Some(2)]);
    assert_ne!(first.context.id, second.context.id);
    assert_ne!(trace(&first), trace(&second));
}

#[test]
fn sequence_numbers_go_on_from_row_to_row() {
    let bench = Bench::new();
    let ledger = Ledger::new(&bench.log, &bench.world);
    let origin = Origin::from(&created());
    for expected in [[1, 2], [3, 4]] {
        let mut history = block_on(ledger.load::<Loans>(&req_1())).unwrap();
        let commit = Commit {
            change: Some(Change::Noted(String::new())),
            events: vec![lent(&req_1()).into(), returned(&req_1()).into()],
            updates: Vec::new(),
            unfinished: false,
        };
        let committed = block_on(ledger.commit(&mut history, &origin, commit)).unwrap();
        let Committed::Done(events) = committed else { panic!("{committed:?}") };
        let sequence: Vec<_> = events.iter().filter_map(|event| event.context.sequence).collect();
        assert_eq!(sequence, expected);
    }
}

#[test]
fn a_change_is_stored_unless_the_event_tells_it() {
    let told = Change::Paid(loan_id(&req_1()));
    for (change, is_stored) in [(None, false), (Some(told), false), (Some(Change::Refunded), true)] {
        let bench = Bench::new();
        let ledger = Ledger::new(&bench.log, &bench.world);
        let commit = Commit { change, ..Commit::publish(lent(&req_1())) };
        let mut history = History::<Loans>::unknown(req_1());
        block_on(ledger.commit(&mut history, &Origin::from(&ready()), commit)).unwrap();
        assert_eq!(bench.rows()[0].change.is_some(), is_stored);
        assert_eq!(bench.state(), history.state);
    }
}

#[test]
fn a_flow_that_begins_here_is_named_after_its_first_event() {
    let bench = Bench::new();
    let ledger = Ledger::new(&bench.log, &bench.world);
    let cause = Cause { source: "api".to_owned(), id: "request-1".to_owned(), event_type: "POST".to_owned(), by: None };
    let origin = Origin {
        cause,
        correlation_id: None,
        causation_id: None,
        extensions: Extensions::new(),
        trace_parent: None,
        trace_state: Some("x=1".to_owned()),
    };
    let mut history = History::unknown(req_1());
    let committed = block_on(ledger.commit::<Loans>(&mut history, &origin, Commit::publish(lent(&req_1())))).unwrap();
    let Committed::Done(events) = committed else { panic!("{committed:?}") };
    let context = &events[0].context;
    assert_eq!(context.correlation_id.as_ref().map(ToString::to_string), Some(context.id.to_string()));
    assert_eq!((&context.causation_id, &context.trace_parent, &context.trace_state), (&None, &None, &None));
    assert_eq!(history.state, Loan::Paid);
}

#[test]
fn a_row_that_is_not_understood_waits_for_the_build_that_does_and_is_not_repeated() {
    for change in [Some(json!({ "paid": ["ada@example.com"] })), Some(json!("ada@example.com")), None] {
        let bench = Bench::new();
        let row = Row { change, ..rival_row(1, &Change::Opened) };
        block_on(bench.log.append(&req_1(), &row, &[])).unwrap();
        let failure = bench.handle(&created()).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Misconfigured);
        assert!(failure.reason().starts_with("row 1 is not understood"), "{failure}");
        assert!(!failure.reason().contains("ada@"), "{failure}");
    }
}

#[track_caller]
fn check_refused(change: Option<Change>, events: Vec<Library>, reason: &str) {
    let bench = Bench::new();
    let ledger = Ledger::new(&bench.log, &bench.world);
    let commit = Commit { change, events, updates: vec![three_pieces()], unfinished: false };
    let committed = block_on(ledger.commit::<Loans>(&mut History::unknown(req_1()), &Origin::from(&created()), commit));
    let failure = committed.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Permanent);
    assert!(failure.reason().starts_with(reason), "{failure}");
    assert_eq!((bench.rows(), bench.log.counter("A-1", "available")), (vec![], 10));
}

/// An event with a title of so many bytes, which no door of the contract lets in.
fn titled(bytes: usize) -> Library {
    let mut request = serde_json::to_value(requested("req_1")).unwrap();
    request["title"] = json!("x");
    let mut request: BookRequested = serde_json::from_value(request).unwrap();
    request.request_id = Subject::shortened("req_1");
    request.notes = vec![Text::shortened(&"x".repeat(200)); bytes / 200];
    request.into()
}

#[cfg(feature = "self-check")]
#[test]
fn an_event_that_its_schema_forbids_is_permanent_and_not_written() {
    let none = BookReady { request_id: req_1(), copies: 0 };
    check_refused(Some(Change::Opened), vec![none.into()], "BookReady is not what its schema says");
}

#[test]
fn a_commit_that_is_too_large_is_permanent_and_not_written() {
    let small = Some(Change::Opened);
    check_refused(small.clone(), vec![titled(210_000)], "BookRequested has");
    check_refused(small, vec![titled(180_000), titled(180_000)], "row 1 has");
    check_refused(Some(Change::Noted("x".repeat(350_000))), vec![], "row 1 has");
    check_refused(None, vec![], "nothing says what happened");
}

#[test]
fn a_crash_at_any_moment_changes_nothing_in_the_end() {
    let events = [created(), ready()];
    let undisturbed = Bench::new();
    for event in &events {
        undisturbed.deliver(event);
    }
    let calls = undisturbed.calls.get();
    assert_eq!(calls, 7, "read, open; read, announce, intend, charge, publish");
    for crash in 0..calls {
        for fate in [Fate::FailsBefore, Fate::FailsAfter] {
            let bench = Bench::new();
            bench.then((0..crash).map(|_| Fate::Works)).then([fate]);
            for event in &events {
                bench.deliver(event);
            }
            assert!(bench.calls.get() > calls, "the crash at call {crash} did not happen");
            assert_eq!(bench.story(), undisturbed.story(), "after a crash at call {crash}");
            assert_eq!(bench.log.published::<Library>().len(), 1, "after a crash at call {crash}");
        }
    }
}

#[test]
fn whoever_is_at_work_at_the_same_time_nothing_happens_twice() {
    let mut endings = BTreeSet::new();
    for seed in 0..300 {
        let bench = Bench { world: VirtualTime::new(seed), is_slow: true, ..Bench::new() };
        let deliver = async |event: Event| {
            bench.world.sleep(Duration::from_millis(bench.world.below(40))).await;
            for _ in 0..50 {
                if bench.attempt(&event).await.is_ok() {
                    return;
                }
                bench.world.sleep(Duration::from_millis(bench.world.below(40))).await;
            }
            panic!("seed {seed}: {} is never handled", event.event_type());
        };
        let events = [created(), created(), ready(), ready(), ready(), created()];
        block_on(async {
            bench.attempt(&created()).await.unwrap();
            join_all(events.into_iter().chain([cancelled()]).map(deliver)).await;
        });
        let (_, set_aside, charged) = bench.story();
        let published = bench.log.published::<Library>();
        let count = |kind| published.iter().filter(|event| event.event_type() == kind).count();
        let sequence: Vec<_> = published.iter().filter_map(|event| event.context.sequence).collect();
        assert_eq!(set_aside, 3, "seed {seed}");
        assert_eq!(count(LibraryType::BookLent), charged, "seed {seed}: each charge is told once");
        assert_eq!(sequence, (1..=published.len() as u64).collect::<Vec<_>>(), "seed {seed}");
        endings.insert(format!("{:?}", bench.state()));
    }
    assert_eq!(endings.into_iter().collect::<Vec<_>>(), ["Cancelled", "Paid", "Refunded"], "all ways were gone");
}
