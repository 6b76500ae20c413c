use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use futures::executor::block_on;
use futures::future::join_all;
use orderflow_events::{
    EventType, InventoryReleased, InventoryReserved, Money, OrderCancelled, OrderId, Payload, PaymentId,
    PaymentProcessed, PaymentRefunded, RefundId, Source, StockLine, Time,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::decider::{Commit, CounterUpdate, InsufficientCounter, Rejection};
use crate::failure::FailureKind;
use crate::ledger::History;
use crate::memory::sample::{another_event, event, order};
use crate::memory::{MemoryLog, VirtualTime};
use crate::port::Appended;
use crate::row::{Cause, Row};
use crate::trace::TraceParent;

/// A shop that sets goods aside when an order is created, and charges for it, in two intents, when that is confirmed.
struct Shop;

#[derive(Clone, Debug, Default, PartialEq)]
enum Order {
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
    Paid(PaymentId),
    Cancelled,
    Refunded,
    Noted(String),
}

/// What the world outside answers, and the counters.
enum Answer {
    Charged,
    /// Ask once more.
    Pending,
    Short(i64),
}

struct Charge(OrderId);

impl Decider for Shop {
    const SOURCE: Source = Source::PAYMENT;
    const CONSUMES: &'static [EventType] =
        &[EventType::OrderCreated, EventType::InventoryReserved, EventType::OrderCancelled];
    type State = Order;
    type Change = Change;
    type Effect = Charge;
    type Reply = Answer;

    fn evolve(state: Order, change: Change) -> Order {
        match change {
            Change::Opened => Order::Opened,
            Change::SoldOut { .. } => Order::SoldOut,
            Change::Announced => Order::Announced,
            Change::Paying => Order::Paying,
            Change::Paid(_) => Order::Paid,
            Change::Cancelled => Order::Cancelled,
            Change::Refunded => Order::Refunded,
            Change::Noted(_) => state,
        }
    }

    fn decide(state: &Order, event: &Event, answer: Option<&Answer>) -> Result<Step<Change, Charge>, Rejection> {
        let order = &event.context.subject;
        Ok(match (state, event.kind(), answer) {
            (Order::Unknown, EventType::OrderCreated, Some(Answer::Short(found))) => {
                Step::record(Change::SoldOut { found: *found })
            }
            (Order::Unknown, EventType::OrderCreated, _) => Step::record(Change::Opened).updating([three_pieces()]),
            (Order::Unknown, EventType::InventoryReserved, _) => return Err(Rejection::TooEarly("no order yet")),
            (Order::Unknown, ..) => return Err(Rejection::Forbidden("no order".to_owned())),
            (Order::Opened, EventType::InventoryReserved, _) => Step::record_intent(Change::Announced),
            (Order::Announced, EventType::InventoryReserved, _) => Step::record_intent(Change::Paying),
            (Order::Paying, EventType::InventoryReserved, None | Some(Answer::Pending)) => {
                Step::Perform(Charge(order.clone()))
            }
            (Order::Paying, EventType::InventoryReserved, Some(_)) => Step::publish(processed(order)),
            (Order::Cancelled, EventType::InventoryReserved, Some(_)) => {
                Step::record(Change::Refunded).publishing(processed(order)).publishing(refunded(order))
            }
            (Order::Opened | Order::Announced | Order::Paying, EventType::OrderCancelled, _) => {
                Step::record(Change::Cancelled)
            }
            _ => Step::Nothing,
        })
    }

    fn change_from(event: &Event) -> Option<Change> {
        match &event.data {
            Payload::PaymentProcessed(processed) => Some(Change::Paid(processed.payment_id.clone())),
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

fn money() -> Money {
    Money::new(3685, "EUR").unwrap()
}

fn processed(order: &OrderId) -> PaymentProcessed {
    PaymentProcessed { order_id: order.clone(), payment_id: PaymentId::of(order), amount: money() }
}

fn refunded(order: &OrderId) -> PaymentRefunded {
    PaymentRefunded {
        order_id: order.clone(),
        payment_id: PaymentId::of(order),
        refund_id: RefundId::of(order),
        amount: money(),
    }
}

fn ord_1() -> OrderId {
    OrderId::new("ord_1").unwrap()
}

fn created() -> Event {
    event(order("ord_1"))
}

fn reserved() -> Event {
    event(InventoryReserved { order_id: ord_1(), lines: vec![stock_line()] })
}

fn stock_line() -> StockLine {
    StockLine { sku: "A-1".parse().unwrap(), quantity: 3 }
}

fn cancelled() -> Event {
    let cancelled: OrderCancelled =
        serde_json::from_value(json!({ "orderId": "ord_1", "reason": "customerRequest" })).unwrap();
    event(cancelled)
}

/// What happens at a call of a port.
enum Fate {
    Works,
    FailsBefore,
    FailsAfter,
    Conflicts,
    /// Somebody else is faster, and makes this of the order.
    LosesTo(Change),
    /// The same, and it is another attempt at the same event.
    LosesToTwin(Change),
    /// Somebody else is faster, and new goods arrive.
    LosesToDelivery,
}

/// A table and a bank, with a fate for each call of them, in the order of the calls.
struct Bench {
    log: MemoryLog,
    world: VirtualTime,
    fates: RefCell<VecDeque<Fate>>,
    calls: Cell<usize>,
    /// Every charge that was asked for, with its attempt; the bank makes only the first of an order.
    charges: RefCell<Vec<(OrderId, Attempt)>>,
    /// How often the bank asks to be asked once more.
    pending: Cell<u32>,
    /// Whether each call takes some time.
    is_slow: bool,
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
        }
    }

    fn handle(&self, event: &Event) -> Result<Handled> {
        block_on(self.attempt(event))
    }

    async fn attempt(&self, event: &Event) -> Result<Handled> {
        let process = Process::<Shop, _, _, _>::new(Ledger::new(self, &self.world), self);
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
        block_on(self.log.read(&ord_1())).unwrap()
    }

    fn state(&self) -> Order {
        block_on(Ledger::new(&self.log, &self.world).load::<Shop>(&ord_1())).unwrap().state
    }

    /// What can be told of an order when ids and times are left out.
    fn story(&self) -> Story {
        let rows = self.rows().into_iter().map(|row| {
            let events = row.events.iter().map(|event| (event.kind(), event.context.sequence)).collect();
            (row.version, row.cause, row.open, row.change, events)
        });
        let charged = self.charges.borrow().iter().map(|(order, _)| order.clone()).collect::<BTreeSet<_>>().len();
        (rows.collect(), self.log.counter("A-1", "reserved"), charged)
    }

    async fn call<T>(&self, call: impl AsyncFn() -> T, conflict: Option<T>) -> Result<T> {
        self.calls.set(self.calls.get() + 1);
        self.pause().await;
        let fate = self.fates.borrow_mut().pop_front().unwrap_or(Fate::Works);
        let result = match (fate, conflict) {
            (Fate::FailsBefore, _) => Err(Failure::transient("failed before")),
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

type Story = (Vec<(u32, Cause, bool, Option<Value>, Vec<(EventType, Option<u64>)>)>, i64, usize);

impl Log for &Bench {
    async fn read(&self, order: &OrderId) -> Result<Vec<Row>> {
        self.call(async || self.log.read(order).await, None).await?
    }

    async fn append(&self, order: &OrderId, row: &Row, updates: &[CounterUpdate]) -> Result<Appended> {
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
            self.log.append(order, &rival, &[]).await?;
        }
        self.call(async || self.log.append(order, row, updates).await, Some(Ok(Appended::Conflict))).await?
    }
}

fn rival_row(version: u32, change: &Change) -> Row {
    Row {
        version,
        at: Time::from_millis(0),
        cause: Cause { source: "rival".to_owned(), id: version.to_string(), kind: "Rivalry".to_owned() },
        open: false,
        change: Some(serde_json::to_value(change).unwrap()),
        events: Vec::new(),
    }
}

impl Effects<Shop> for &Bench {
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
}

#[test]
fn an_order_goes_its_way() {
    let bench = Bench::new();
    assert_eq!(bench.handle(&created()), Ok(Handled::Changed));
    assert_eq!(bench.handle(&reserved()), Ok(Handled::Changed));
    assert_eq!(bench.handle(&cancelled()), Ok(Handled::Unchanged));
    assert_eq!(bench.state(), Order::Paid);
    assert_eq!((bench.log.counter("A-1", "available"), bench.log.counter("A-1", "reserved")), (7, 3));
    assert_eq!(*bench.charges.borrow(), [(ord_1(), Attempt::First)]);
    let told: Vec<_> = bench.rows().iter().map(|row| (row.open, row.change.is_some())).collect();
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
    let another = another_event(reserved().data, 9);
    bench.handle(&reserved()).unwrap();
    let rows = bench.rows().len();
    assert_eq!(bench.handle(&another), Ok(Handled::Unchanged));
    assert_eq!(bench.handle(&another), Ok(Handled::Unchanged));
    assert_eq!(bench.rows().len(), rows);
}

#[test]
fn a_duplicate_is_known_by_its_source_and_id_alone() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    let mut lookalike = reserved();
    lookalike.context.source = created().context.source;
    lookalike.context.id = created().context.id;
    assert_eq!(bench.handle(&lookalike), Ok(Handled::Duplicate));
    lookalike.context.source = Source::INVENTORY;
    assert_eq!(bench.handle(&lookalike), Ok(Handled::Changed));
}

#[test]
fn an_event_that_was_published_from_here_is_handled() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    bench.handle(&reserved()).unwrap();
    let [published] = bench.log.published().try_into().unwrap();
    assert_eq!(bench.handle(&published), Ok(Handled::Duplicate));
}

#[test]
fn a_second_order_created_with_another_id_is_permanent() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    let failure = bench.handle(&another_event(order("ord_1"), 2)).unwrap_err();
    assert_eq!(failure, Failure::permanent("the order was created by another OrderCreated"));
    bench.handle(&cancelled()).unwrap();
    assert!(bench.handle(&another_event(order("ord_1"), 2)).is_err());
    assert_eq!(bench.handle(&created()), Ok(Handled::Duplicate));
}

#[test]
fn rejections_have_their_kind_and_write_nothing() {
    let bench = Bench::new();
    assert_eq!(bench.handle(&reserved()).unwrap_err().kind(), FailureKind::Transient);
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
    assert_eq!((bench.state(), bench.log.counter("A-1", "available")), (Order::Opened, 7));
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
    // Read, announce, intend, charge; and while the outcome is written the order is cancelled.
    let works = [Fate::Works, Fate::Works, Fate::Works, Fate::Works];
    bench.then(works).then([Fate::LosesTo(Change::Cancelled)]);
    assert_eq!(bench.handle(&reserved()), Ok(Handled::Changed));
    assert_eq!(bench.state(), Order::Refunded);
    assert_eq!(bench.charges.borrow().len(), 1);
    let published: Vec<_> = bench.log.published().iter().map(Event::kind).collect();
    assert_eq!(published, [EventType::PaymentProcessed, EventType::PaymentRefunded]);
}

#[test]
fn an_outcome_survives_another_attempt_that_was_faster() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    let works = [Fate::Works, Fate::Works, Fate::Works, Fate::Works];
    bench.then(works).then([Fate::LosesToTwin(Change::Cancelled)]);
    assert_eq!(bench.handle(&reserved()), Ok(Handled::Changed));
    assert_eq!(bench.state(), Order::Refunded);
    assert_eq!(bench.handle(&reserved()), Ok(Handled::Duplicate));
}

#[test]
fn an_intent_does_not_mark_its_event_as_handled_and_stands_as_found() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    // The process dies between the second intent and the charge.
    bench.then([Fate::Works, Fate::Works, Fate::Works, Fate::FailsBefore]);
    assert!(bench.handle(&reserved()).is_err());
    assert_eq!(bench.state(), Order::Paying);
    assert_eq!(bench.handle(&reserved()), Ok(Handled::Changed));
    assert_eq!(*bench.charges.borrow(), [(ord_1(), Attempt::Retry)]);
    assert_eq!(bench.handle(&reserved()), Ok(Handled::Duplicate));
}

#[test]
fn who_is_asked_once_more_may_have_acted() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    bench.pending.set(2);
    assert_eq!(bench.handle(&reserved()), Ok(Handled::Changed));
    let standings: Vec<Attempt> = bench.charges.borrow().iter().map(|(_, attempt)| *attempt).collect();
    assert_eq!(standings, [Attempt::First, Attempt::Retry, Attempt::Retry]);
}

#[test]
fn after_a_lost_race_an_intent_stands_as_found() {
    let bench = Bench::new();
    bench.handle(&created()).unwrap();
    // The first intent is our own, the second is somebody else's, who may have charged already.
    bench.then([Fate::Works, Fate::Works, Fate::LosesTo(Change::Paying)]);
    assert_eq!(bench.handle(&reserved()), Ok(Handled::Changed));
    assert_eq!(*bench.charges.borrow(), [(ord_1(), Attempt::Retry)]);
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
    let mut cause = reserved();
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
        assert_eq!((&context.subject, &context.source), (&ord_1(), &Source::PAYMENT));
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
        let mut history = block_on(ledger.load::<Shop>(&ord_1())).unwrap();
        let commit = Commit {
            change: Some(Change::Noted(String::new())),
            events: vec![processed(&ord_1()).into(), refunded(&ord_1()).into()],
            updates: Vec::new(),
            open: false,
        };
        let committed = block_on(ledger.commit(&mut history, &origin, commit)).unwrap();
        let Committed::Done(events) = committed else { panic!("{committed:?}") };
        let sequence: Vec<_> = events.iter().filter_map(|event| event.context.sequence).collect();
        assert_eq!(sequence, expected);
    }
}

#[test]
fn a_change_is_stored_unless_the_event_tells_it() {
    let told = Change::Paid(PaymentId::of(&ord_1()));
    for (change, is_stored) in [(None, false), (Some(told), false), (Some(Change::Refunded), true)] {
        let bench = Bench::new();
        let ledger = Ledger::new(&bench.log, &bench.world);
        let commit = Commit { change, ..Commit::publish(processed(&ord_1())) };
        let mut history = History::<Shop>::unknown(ord_1());
        block_on(ledger.commit(&mut history, &Origin::from(&reserved()), commit)).unwrap();
        assert_eq!(bench.rows()[0].change.is_some(), is_stored);
        assert_eq!(bench.state(), history.state);
    }
}

#[test]
fn a_flow_that_begins_here_is_named_after_its_first_event() {
    let bench = Bench::new();
    let ledger = Ledger::new(&bench.log, &bench.world);
    let cause = Cause { source: "api".to_owned(), id: "request-1".to_owned(), kind: "POST".to_owned() };
    let origin = Origin { cause, flow: None, causation: None, trace_parent: None, trace_state: Some("x=1".to_owned()) };
    let mut history = History::unknown(ord_1());
    let committed =
        block_on(ledger.commit::<Shop>(&mut history, &origin, Commit::publish(processed(&ord_1())))).unwrap();
    let Committed::Done(events) = committed else { panic!("{committed:?}") };
    let context = &events[0].context;
    assert_eq!(context.correlation_id.as_ref().map(ToString::to_string), Some(context.id.to_string()));
    assert_eq!((&context.causation_id, &context.trace_parent, &context.trace_state), (&None, &None, &None));
    assert_eq!(history.state, Order::Paid);
}

#[test]
fn a_row_that_is_not_understood_waits_for_the_build_that_does_and_is_not_repeated() {
    for change in [Some(json!({ "paid": "ada@example.com" })), Some(json!("ada@example.com")), None] {
        let bench = Bench::new();
        let row = Row { change, ..rival_row(1, &Change::Opened) };
        block_on(bench.log.append(&ord_1(), &row, &[])).unwrap();
        let failure = bench.handle(&created()).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Misconfigured);
        assert!(failure.reason().starts_with("row 1 is not understood"), "{failure}");
        assert!(!failure.reason().contains("ada@"), "{failure}");
    }
}

#[track_caller]
fn check_refused(change: Option<Change>, events: Vec<Payload>, reason: &str) {
    let bench = Bench::new();
    let ledger = Ledger::new(&bench.log, &bench.world);
    let commit = Commit { change, events, updates: vec![three_pieces()], open: false };
    let committed = block_on(ledger.commit::<Shop>(&mut History::unknown(ord_1()), &Origin::from(&created()), commit));
    let failure = committed.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Permanent);
    assert!(failure.reason().starts_with(reason), "{failure}");
    assert_eq!((bench.rows(), bench.log.counter("A-1", "available")), (vec![], 10));
}

fn released(lines: usize) -> Payload {
    InventoryReleased { order_id: ord_1(), lines: vec![stock_line(); lines] }.into()
}

#[cfg(debug_assertions)]
#[test]
fn what_its_schema_forbids_is_permanent_and_not_written() {
    check_refused(Some(Change::Opened), vec![released(0)], "InventoryReleased is not what its schema says");
}

#[test]
fn what_is_too_large_is_permanent_and_not_written() {
    let small = Some(Change::Opened);
    check_refused(small.clone(), vec![released(8_000)], "InventoryReleased has");
    check_refused(small, vec![released(6_500), released(6_500)], "row 1 has");
    check_refused(Some(Change::Noted("x".repeat(350_000))), vec![], "row 1 has");
    check_refused(None, vec![], "nothing says what happened");
}

#[test]
fn a_crash_at_any_moment_changes_nothing_in_the_end() {
    let events = [created(), reserved()];
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
            assert_eq!(bench.log.published().len(), 1, "after a crash at call {crash}");
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
            panic!("seed {seed}: {} is never handled", event.kind());
        };
        let events = [created(), created(), reserved(), reserved(), reserved(), created()];
        block_on(async {
            bench.attempt(&created()).await.unwrap();
            join_all(events.into_iter().chain([cancelled()]).map(deliver)).await;
        });
        let (_, reserved_pieces, charged) = bench.story();
        let published = bench.log.published();
        let count = |kind| published.iter().filter(|event| event.kind() == kind).count();
        let sequence: Vec<_> = published.iter().filter_map(|event| event.context.sequence).collect();
        assert_eq!(reserved_pieces, 3, "seed {seed}");
        assert_eq!(count(EventType::PaymentProcessed), charged, "seed {seed}: each charge is told once");
        assert_eq!(sequence, (1..=published.len() as u64).collect::<Vec<_>>(), "seed {seed}");
        endings.insert(format!("{:?}", bench.state()));
    }
    assert_eq!(endings.into_iter().collect::<Vec<_>>(), ["Cancelled", "Paid", "Refunded"], "all ways were gone");
}
