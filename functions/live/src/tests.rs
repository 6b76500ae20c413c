//! Those who watch an order, whoever dies at telling them.

mod pasts;
mod rights;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use futures::executor::block_on;
use onewrite::access::{Access, NoKeySets};
use onewrite::link::NoLinkKeys;
use onewrite::memory::{MemoryLog, Pace, Paced, VirtualTime};
use onewrite::port::{Clock, Random};
use onewrite::{Commit, Delivery, FailureKind, Handle, History, Ledger, Origin, Process};
use orderflow_analytics::{Analytics, CountEffects, MemoryCounts};
use orderflow_events::{InventoryReserved, OrderId, Payload, Subject, sample};
use orderflow_operations::{
    Arrival, Class, Destination, Letter, LetterStore, MemoryOperations, Message, Origin as DeadLetterOrigin, Since,
};
use orderflow_orders::{Change, Orders, Seen};
use serde_json::{Value, json};

use crate::aws::{MOST_OF_PART, part_of};
use crate::board::ShopBoard;
use crate::domain::{Right, Topic};
use crate::memory::{MemoryFeed, MemorySockets, MemoryWatches};
use crate::port::{Added, PAGE, Watch, Watches};
use crate::push::{Facts, Push};
use crate::routes::{Event, Routes};

const ORDER: &str = "ord_1";

const QUERY: &str =
    "subscription ($id: ID!, $after: Int) { order(id: $id, after: $after) { sequence type order { status } } }";

type Ports<'a> = Push<
    Paced<'a, &'a MemoryLog>,
    &'a VirtualTime,
    Paced<'a, &'a MemoryWatches>,
    Paced<'a, &'a MemorySockets>,
    Paced<'a, &'a MemoryFeed>,
    ShopBoard<&'a MemoryCounts, &'a MemoryOperations>,
>;

/// An order, those who watch it, and one client.
struct Stage {
    world: VirtualTime,
    log: MemoryLog,
    feed: MemoryFeed,
    rows_of_counts: MemoryLog,
    counts: MemoryCounts,
    letters: MemoryOperations,
    watches: MemoryWatches,
    sockets: MemorySockets,
    history: RefCell<History<Orders>>,
    client: RefCell<Client>,
}

/// A client that comes back when its connection is closed, and says what it has.
#[derive(Default)]
struct Client {
    connections: u32,
    /// Texts of the present connection that it has looked at.
    seen: usize,
    is_subscribed: bool,
    sequences: Vec<u64>,
    errors: Vec<Value>,
}

impl Client {
    fn connection(&self) -> String {
        format!("connection-{}", self.connections)
    }
}

impl Stage {
    fn new() -> Self {
        Self {
            world: VirtualTime::new(1),
            log: MemoryLog::default(),
            feed: MemoryFeed::default(),
            rows_of_counts: MemoryLog::default(),
            counts: MemoryCounts::default(),
            letters: MemoryOperations::default(),
            watches: MemoryWatches::default(),
            sockets: MemorySockets::default(),
            history: RefCell::new(History::unknown(subject())),
            client: RefCell::default(),
        }
    }

    fn push<'a>(&'a self, pace: &'a Pace) -> Ports<'a> {
        let ledger = Ledger::new(Paced { port: &self.log, pace }, &self.world);
        let feed = Paced { port: &self.feed, pace };
        let board = ShopBoard::new(&self.counts, &self.letters);
        Push::new(ledger, feed, board, Paced { port: &self.watches, pace }, Paced { port: &self.sockets, pace })
    }

    /// The order gets a row.
    fn commit(&self, commit: Commit<Change, Payload>) {
        let ledger = Ledger::new(&self.log, &self.world);
        let origin = Origin::from(&sample::event(sample::order(ORDER)));
        block_on(ledger.commit(&mut self.history.borrow_mut(), &origin, commit)).unwrap();
    }

    fn begin(&self) {
        self.commit(Commit::publish(sample::order(ORDER)));
    }

    fn go_on(&self, number: u8) {
        let order_id = OrderId::new(ORDER).unwrap();
        let fact: Payload = InventoryReserved { order_id, lines: Vec::new() }.into();
        let seen = Seen::from(&sample::another_event(fact, number));
        self.commit(Commit {
            change: Some(Change::Reserved(seen)),
            events: Vec::new(),
            updates: Vec::new(),
            unfinished: false,
        });
    }

    /// Analytics counts an order of this moment.
    fn count_order(&self, number: u8) {
        let (ledger, effects) =
            (Ledger::new(&self.rows_of_counts, &self.world), CountEffects::new(&self.counts, &self.world));
        let service = Process::<Analytics, _, _, _>::new(ledger, effects);
        let mut created = sample::another_event(sample::order(&format!("ord_{number}")), number);
        created.context.time = self.world.now();
        let delivery = Delivery { text: "", deadline: created.context.time };
        block_on(service.handle(&created, &delivery)).unwrap();
    }

    /// A message of a service fails, in that class.
    fn park(&self, service: &str, class: Class) {
        let destination =
            Destination { queue_url: "q".to_owned(), function: "f".to_owned(), is_journal: false, is_door: false };
        let arrival = Arrival {
            service: service.to_owned(),
            origin: DeadLetterOrigin::Consumer,
            source_queue: "q".to_owned(),
            destination,
            message: Message { body: format!("{class:?} at {}", self.world.now()), attributes: BTreeMap::new() },
            class,
            reason: "a test".to_owned(),
            failed_at: self.world.now(),
            function: "f".to_owned(),
            receives: 1,
            mark: None,
        };
        let letter = Letter::collected(None, arrival.letter_id(), &arrival).unwrap();
        block_on(self.letters.put(&letter, Since::New)).unwrap();
    }

    /// An attempt to tell, as the stream makes one.
    fn tell(&self, pace: &Pace) -> bool {
        let push = self.push(pace);
        matches!(run(push.tell([OrderId::new(ORDER).unwrap()])), Some(Ok(())))
    }

    /// Somebody watches the order from its beginning, by a subscription of their connection.
    fn add(&self, connection: &str, subscription: &str) -> Added {
        let topic = Topic::Order(OrderId::new(ORDER).unwrap());
        let query = format!("subscription {{ order(id: \"{ORDER}\") {{ sequence }} }}");
        self.try_watch(connection, subscription, &topic, &query, "0")
    }

    /// So many events have happened.
    fn happen(&self, count: u32) {
        for _ in 0..count {
            self.feed.add(json!({ "id": "1", "source": "s", "type": "t" }));
        }
    }

    /// Somebody watches a topic from that position.
    fn watch_from(&self, connection: &str, subscription: &str, topic: &Topic, query: &str, position: &str) {
        assert_eq!(self.try_watch(connection, subscription, topic, query, position), Added::Done);
    }

    fn try_watch(&self, connection: &str, subscription: &str, topic: &Topic, query: &str, position: &str) -> Added {
        self.sockets.connect(connection);
        let (right, expires) = (Right::Anybody, self.world.now());
        block_on(self.watches.open(connection, &right, expires)).unwrap();
        let watch = Watch {
            topic: topic.clone(),
            connection: connection.to_owned(),
            subscription: subscription.to_owned(),
            right,
            request: json!({ "query": query }).to_string(),
            position: position.to_owned(),
            turn: String::new(),
            holder: None,
        };
        block_on(self.watches.add(&watch, expires)).unwrap()
    }

    /// Hears what the client says, as far as `pace` lets it.
    fn hear(&self, pace: &Pace, kind: &str, body: &Value) -> bool {
        let routes: Routes<_, _, _, _, _, _, NoKeySets, NoLinkKeys> =
            Routes::new(self.push(pace), Access::open(), None);
        let connection = self.client.borrow().connection();
        let event = json!({
            "requestContext": { "connectionId": connection, "eventType": kind },
            "headers": { "sec-websocket-protocol": "graphql-transport-ws" },
            "body": body.to_string(),
        });
        let event: Event = serde_json::from_value(event).unwrap();
        run(routes.answer(&event)).is_some_and(|answered| answered.is_ok())
    }

    /// One turn of the client: it looks at what has come, connects if it has to, and subscribes. Where a function dies at what it
    /// says, the gateway tells it so, and it connects anew.
    fn turn(&self, pace: &Pace) {
        self.look();
        let connection = self.client.borrow().connection();
        if !self.sockets.is_open(&connection) {
            // The gateway tells of the one that is gone.
            self.hear(&Pace::of(u32::MAX), "DISCONNECT", &Value::Null);
            let mut client = self.client.borrow_mut();
            client.connections += 1;
            (client.seen, client.is_subscribed) = (0, false);
            self.sockets.connect(&client.connection());
            drop(client);
            if !self.hear(pace, "MESSAGE", &json!({ "type": "connection_init" })) {
                return self.lose();
            }
            self.look();
        }
        if !self.client.borrow().is_subscribed && self.sockets.is_open(&self.client.borrow().connection()) {
            self.client.borrow_mut().is_subscribed = true;
            let after = self.client.borrow().sequences.last().copied().unwrap_or(0);
            let payload = json!({ "query": QUERY, "variables": { "id": ORDER, "after": after } });
            if !self.hear(pace, "MESSAGE", &json!({ "id": "1", "type": "subscribe", "payload": payload })) {
                return self.lose();
            }
        }
        self.look();
    }

    fn lose(&self) {
        self.look();
        let connection = self.client.borrow().connection();
        self.sockets.lose(&connection);
    }

    fn look(&self) {
        let mut client = self.client.borrow_mut();
        let texts = self.sockets.received(&client.connection());
        for text in texts.iter().skip(client.seen) {
            let message: Value = serde_json::from_str(text).unwrap();
            match message["type"].as_str().unwrap() {
                "next" => {
                    let sequence = message["payload"]["data"]["order"]["sequence"].as_u64();
                    client.sequences.push(sequence.unwrap_or_else(|| panic!("{message}")));
                }
                "error" => client.errors.push(message["payload"].clone()),
                _ => {}
            }
        }
        client.seen = texts.len();
    }

    /// Lets all come to rest: the stream tells until it has told, and the client looks.
    fn settle(&self) {
        let whole = Pace::of(u32::MAX);
        for _ in 0..3 {
            self.turn(&whole);
            assert!(self.tell(&whole));
        }
        self.turn(&whole);
    }

    fn sequences(&self) -> Vec<u64> {
        self.client.borrow().sequences.clone()
    }
}

/// Lets an attempt go on until it ends, or stands still where its pace is used up: then it has died. It may sleep.
fn run<T>(attempt: impl Future<Output = T>) -> Option<T> {
    let mut attempt = std::pin::pin!(attempt);
    (0..1_000).find_map(|_| attempt.as_mut().now_or_never())
}

fn subject() -> Subject {
    Subject::new(ORDER).unwrap()
}

#[test]
fn a_client_is_told_what_it_has_missed_and_then_what_happens() {
    let stage = Stage::new();
    stage.begin();
    stage.go_on(1);
    stage.settle();
    assert_eq!(stage.sequences(), [1, 2]);
    stage.go_on(2);
    stage.settle();
    assert_eq!(stage.sequences(), [1, 2, 3]);
    assert_eq!(stage.client.borrow().connections, 1);
    assert_eq!(stage.client.borrow().errors, Vec::<Value>::new());
}

#[test]
fn nothing_is_missed_and_nothing_comes_twice_wherever_an_attempt_dies() {
    for place in 0..60 {
        let stage = Stage::new();
        stage.begin();
        // The functions of the routes die after so many calls, and those that push after as many.
        stage.turn(&Pace::of(place));
        stage.turn(&Pace::of(u32::MAX));
        for number in 1..=4 {
            stage.go_on(number);
            stage.tell(&Pace::of(place));
            if number == 2 {
                stage.lose();
                stage.turn(&Pace::of(place));
            }
        }
        stage.settle();
        assert_eq!(stage.sequences(), [1, 2, 3, 4, 5], "after {place} calls");
        stage.lose();
        stage.hear(&Pace::of(u32::MAX), "DISCONNECT", &Value::Null);
        assert!(stage.watches.is_empty(), "after {place} calls: {:?}", stage.watches);
    }
}

#[test]
fn an_answer_that_is_lost_loses_nothing() {
    for call in ["send", "hold", "release", "page", "get", "add", "open", "connection", "disconnect", "close"] {
        for loses_push in [true, false] {
            let stage = Stage::new();
            stage.begin();
            let (push, routes) = if loses_push { (Some(call), None) } else { (None, Some(call)) };
            let pace = |call: Option<&'static str>| call.map_or(Pace::of(u32::MAX), Pace::losing);
            stage.turn(&pace(routes));
            stage.go_on(1);
            stage.tell(&pace(push));
            stage.settle();
            stage.go_on(2);
            stage.tell(&pace(push));
            stage.settle();
            assert_eq!(stage.sequences(), [1, 2, 3], "{call}");
        }
    }
}

/// The table takes no more writes for the moment: nobody's connection is closed for that.
#[test]
fn what_could_not_be_held_is_tried_again_and_closes_nobody() {
    for (times, is_told) in [(1, true), (6, true), (7, false)] {
        let stage = Stage::new();
        stage.begin();
        for connection in ["a", "b"] {
            stage.add(connection, "1");
        }
        stage.watches.fail_holds(times, FailureKind::Transient);
        assert_eq!(stage.tell(&Pace::of(u32::MAX)), is_told, "{times}");
        let told = ["a", "b"].iter().filter(|connection| stage.sockets.received(connection).len() == 1);
        assert_eq!(told.count(), 1 + usize::from(is_told), "{times}: the other is told all the same");
        assert!(stage.tell(&Pace::of(u32::MAX)), "by the record of the stream");
        for connection in ["a", "b"] {
            assert!(stage.sockets.is_open(connection), "{times}");
            assert_eq!(stage.sockets.received(connection).len(), 1, "{times}");
        }
    }
}

/// It is held by that name, and by no other.
#[test]
fn a_hold_that_was_done_and_not_answered_closes_nobody() {
    let stage = Stage::new();
    stage.begin();
    stage.add("a", "1");
    assert!(stage.tell(&Pace::losing("hold")));
    stage.go_on(1);
    assert!(stage.tell(&Pace::of(u32::MAX)));
    assert!(stage.sockets.is_open("a"));
    assert_eq!(stage.sockets.received("a").len(), 2);
}

/// A release that was throttled is tried again, for what was sent is known: no connection is closed for a table that is busy for a moment.
#[test]
fn what_could_not_be_released_is_tried_again_for_a_moment_and_sent_once() {
    for (times, kind, stays) in [
        (0, FailureKind::Transient, true),
        (2, FailureKind::Transient, true),
        (3, FailureKind::Unavailable, true),
        (4, FailureKind::Transient, false),
        (u32::MAX, FailureKind::Transient, false),
        (1, FailureKind::Misconfigured, false),
        (1, FailureKind::Permanent, false),
    ] {
        let stage = Stage::new();
        stage.begin();
        stage.add("a", "1");
        // A hold that had to be tried again leaves no less for the release.
        stage.watches.fail_holds(3, FailureKind::Transient);
        stage.watches.fail_releases(times, kind);
        assert!(stage.tell(&Pace::of(u32::MAX)), "{times} times {kind:?}");
        assert_eq!(stage.sockets.is_open("a"), stays, "{times} times {kind:?}");
        assert_eq!(stage.watches.is_empty(), !stays, "{times} times {kind:?}");
        stage.watches.fail_releases(0, kind);
        stage.go_on(1);
        assert!(stage.tell(&Pace::of(u32::MAX)), "{times} times {kind:?}");
        assert_eq!(stage.sockets.received("a").len(), 1 + usize::from(stays), "{times} times {kind:?}");
    }
}

/// It is released: nobody holds it by that name any more.
#[test]
fn a_release_that_was_done_and_not_answered_closes_nobody() {
    let stage = Stage::new();
    stage.begin();
    stage.add("a", "1");
    assert!(stage.tell(&Pace::losing("release")));
    assert!(stage.sockets.is_open("a"));
    assert_eq!(stage.sockets.received("a").len(), 1);
}

/// Others take whoever holds it for dead then.
#[test]
fn a_release_that_takes_its_time_is_not_tried_again() {
    let stage = Stage::new();
    stage.begin();
    stage.add("a", "1");
    stage.watches.fail_releases(1, FailureKind::Unavailable);
    let pace = Pace::until("before release");
    let push = stage.push(&pace);
    let mut telling = std::pin::pin!(push.tell([OrderId::new(ORDER).unwrap()]));
    for _ in 0..10 {
        assert!(telling.as_mut().now_or_never().is_none());
    }
    stage.world.pass(Duration::from_secs(2));
    pace.release();
    assert_eq!(run(telling), Some(Ok(())));
    assert!(!stage.sockets.is_open("a"));
    assert!(stage.watches.is_empty());
}

/// It would be in the way of each update.
#[test]
fn a_subscription_whose_connection_is_lost_is_forgotten_once_its_client_is_gone() {
    for is_held in [false, true] {
        let stage = Stage::new();
        stage.begin();
        stage.add("a", "1");
        if is_held {
            let key = Topic::key_of(&OrderId::new(ORDER).unwrap());
            let watch = block_on(stage.watches.get(&key, "a", "1")).unwrap().unwrap();
            block_on(stage.watches.hold(&watch, "one who has died")).unwrap();
        }
        stage.watches.lose_connection("a");
        stage.sockets.lose("a");
        assert!(stage.tell(&Pace::of(u32::MAX)));
        assert!(stage.watches.is_empty(), "{:?}", stage.watches);
    }
}

/// A read of the feed that takes its time holds up those alone who wait for the same.
#[test]
fn who_is_elsewhere_in_the_feed_waits_for_nobody() {
    let stage = Stage::new();
    stage.feed.add(json!({ "id": "1", "source": "s", "type": "t" }));
    let (slow, quick) = (Pace::of(0), Pace::of(u32::MAX));
    let (slow_push, push) = (stage.push(&slow), stage.push(&quick));
    let Facts::Events(reads) = block_on(push.facts(&Topic::Events(None))).unwrap() else { panic!("no feed") };
    let mut first = std::pin::pin!(slow_push.feed_after("0", None, &reads));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(push.feed_after("1", None, &reads).now_or_never().is_some(), "another place");
    let mut same = std::pin::pin!(push.feed_after("0", None, &reads));
    assert!(same.as_mut().now_or_never().is_none(), "the same place: one read for both");
    slow.grant(2);
    assert_eq!(first.now_or_never().unwrap().unwrap().updates.len(), 1);
    assert_eq!(same.now_or_never().unwrap().unwrap().updates.len(), 1);
}

#[test]
fn attempts_that_overlap_send_nothing_twice() {
    for seed in 0..100 {
        let stage = Stage::new();
        let chance = VirtualTime::new(seed);
        stage.begin();
        stage.turn(&Pace::of(u32::MAX));
        for number in 1..=3 {
            stage.go_on(number);
        }
        let paces: Vec<Pace> = (0..3).map(|_| Pace::of(0)).collect();
        let attempts = paces.iter().map(|pace| {
            let push = self::Stage::push(&stage, pace);
            (pace, async move { push.tell([OrderId::new(ORDER).unwrap()]).await }.boxed_local())
        });
        let mut at_work: Vec<_> = attempts.collect();
        for _ in 0..2_000 {
            if at_work.is_empty() {
                break;
            }
            let turn = usize::try_from(chance.below(at_work.len() as u64)).unwrap();
            let (pace, attempt) = &mut at_work[turn];
            pace.grant(1);
            if attempt.now_or_never().is_some() || chance.below(40) == 0 {
                drop(at_work.swap_remove(turn));
            }
        }
        drop(at_work);
        stage.settle();
        assert_eq!(stage.sequences(), [1, 2, 3, 4], "seed {seed}");
    }
}

#[test]
fn an_order_that_nobody_watches_costs_one_look_and_each_who_watches_three_calls() {
    for watchers in [0, 1, 50] {
        // A call has two pauses, and the reading of rows one.
        let calls = if watchers == 0 { 2 } else { 2 + 1 + 6 * watchers };
        for (pauses, is_enough) in [(calls, true), (calls - 1, false)] {
            let stage = Stage::new();
            stage.begin();
            for number in 0..watchers {
                let connection = number.to_string();
                assert_eq!(stage.add(&connection, "1"), Added::Done);
            }
            assert_eq!(stage.tell(&Pace::of(pauses)), is_enough, "{watchers} who watch, {pauses} pauses");
            let told = (0..watchers).filter(|number| stage.sockets.received(&number.to_string()).len() == 1).count();
            assert!(!is_enough || told == usize::try_from(watchers).unwrap());
        }
    }
}

#[test]
fn an_order_has_a_hundred_who_watch_it_and_a_connection_twenty_subscriptions() {
    let stage = Stage::new();
    stage.begin();
    for number in 0..100 {
        assert_eq!(stage.add(&number.to_string(), "1"), Added::Done);
    }
    assert_eq!(stage.add("one more", "1"), Added::TopicFull);
    // Whoever is told so is told by the protocol, and stays connected.
    stage.turn(&Pace::of(u32::MAX));
    assert_eq!(stage.client.borrow().errors[0][0]["extensions"]["code"], "FORBIDDEN");
    let connection = stage.client.borrow().connection();
    assert!(stage.sockets.is_open(&connection));

    for number in 0..90 {
        block_on(stage.watches.close(&number.to_string())).unwrap();
    }
    for number in 0..20 {
        assert_eq!(stage.add("busy", &number.to_string()), Added::Done);
    }
    assert_eq!(stage.add("busy", "20"), Added::ConnectionFull);
}

#[test]
fn a_topic_is_told_page_by_page_and_what_is_not_understood_holds_up_nobody() {
    let stage = Stage::new();
    stage.begin();
    let watchers = 100;
    assert!(watchers <= PAGE, "an order has one page");
    for number in 0..watchers {
        stage.add(&number.to_string(), "1");
    }
    stage.watches.damage("7", "1");
    assert!(stage.tell(&Pace::of(u32::MAX)));
    for number in 0..watchers {
        let connection = number.to_string();
        let is_understood = number != 7;
        assert_eq!(stage.sockets.is_open(&connection), is_understood, "{number}");
        assert_eq!(stage.sockets.received(&connection).len(), usize::from(is_understood), "{number}");
    }
    assert_eq!(block_on(stage.watches.connection("7")).unwrap(), None);
}

#[test]
fn a_client_that_ends_a_subscription_is_told_nothing_by_it_whichever_word_comes_first() {
    let whole = Pace::of(u32::MAX);
    for (words, told) in [(["subscribe", "complete"], 1), (["complete", "subscribe"], 0)] {
        let stage = Stage::new();
        stage.begin();
        stage.sockets.connect("connection-0");
        assert!(stage.hear(&whole, "MESSAGE", &json!({ "type": "connection_init" })));
        for word in words {
            let payload = json!({ "query": QUERY, "variables": { "id": ORDER, "after": 0 } });
            assert!(stage.hear(&whole, "MESSAGE", &json!({ "id": "1", "type": word, "payload": payload })));
        }
        stage.go_on(1);
        assert!(stage.tell(&whole));
        let received = stage.sockets.received("connection-0");
        assert_eq!(received.iter().filter(|text| text.contains("\"next\"")).count(), told, "{words:?}");
        assert!(stage.sockets.is_open("connection-0"));
        // The connection itself is left, and no subscription.
        assert_eq!(stage.watches.len(), 1, "{words:?}");
    }
}

#[test]
fn a_client_that_ends_what_never_was_over_and_over_is_closed() {
    let (whole, stage) = (Pace::of(u32::MAX), Stage::new());
    stage.sockets.connect("connection-0");
    assert!(stage.hear(&whole, "MESSAGE", &json!({ "type": "connection_init" })));
    for number in 0..=20 {
        assert!(stage.sockets.is_open("connection-0"), "{number}");
        assert!(stage.hear(&whole, "MESSAGE", &json!({ "id": number.to_string(), "type": "complete" })));
    }
    assert!(!stage.sockets.is_open("connection-0"));
    assert!(stage.watches.is_empty());
}

#[test]
fn an_attempt_that_is_asked_twice_holds_once() {
    let stage = Stage::new();
    stage.add("a", "1");
    let watch = block_on(stage.watches.get(&Topic::key_of(&OrderId::new(ORDER).unwrap()), "a", "1")).unwrap().unwrap();
    for (holder, holds) in [("x", true), ("x", true), ("y", false)] {
        assert_eq!(block_on(stage.watches.hold(&watch, holder)), Ok(holds), "{holder}");
    }
}

#[test]
fn an_event_costs_each_who_watches_three_calls_and_all_of_them_two_reads_and_a_look_for_each_page() {
    let most = u32::try_from(Topic::Events(None).most()).unwrap();
    let calls = |watchers: u32| watchers.div_ceil(u32::try_from(PAGE).unwrap()) + 2 + 3 * watchers;
    assert_eq!(calls(most), 30_102, "as docs/live.md says");
    // A call has two pauses.
    for (watchers, lacking) in [(most, 0), (500, 1)] {
        let stage = Stage::new();
        for number in 0..watchers {
            let query = "subscription { events { cursor } }";
            stage.watch_from(&number.to_string(), "1", &Topic::Events(None), query, "0");
        }
        stage.happen(1);
        let pace = Pace::of(2 * calls(watchers) - lacking);
        let is_enough = lacking == 0;
        assert_eq!(run(stage.push(&pace).tell_events()), is_enough.then_some(Ok(())), "{watchers} who watch");
        if is_enough {
            assert!((0..watchers).all(|number| stage.sockets.received(&number.to_string()).len() == 1));
        }
    }
}

#[test]
fn an_order_costs_nothing_by_ten_thousand_who_watch_others() {
    let stage = Stage::new();
    stage.begin();
    for number in 0..10_000 {
        let other = Topic::Order(OrderId::new(format!("ord_other_{number}")).unwrap());
        stage.watch_from(&format!("other-{number}"), "1", &other, QUERY, "0");
    }
    // A look, and the reading of rows and three calls for one that is told. A call has two pauses, the reading one.
    assert!(stage.tell(&Pace::of(2)), "nobody watches it");
    assert_eq!(stage.add("own", "1"), Added::Done);
    assert!(stage.tell(&Pace::of(2 + 1 + 6)));
    assert_eq!(stage.sockets.received("own").len(), 1);
}

/// Connections as API Gateway names them, by chance: no part of a topic is full before the topic is.
#[test]
fn the_subscriptions_to_a_topic_are_spread_over_its_parts() {
    let chance = VirtualTime::new(1);
    let mut parts = BTreeMap::<String, usize>::new();
    for _ in 0..Topic::Board.most() {
        let mut drawn = [0; 11];
        chance.fill(&mut drawn);
        let connection = data_encoding::BASE64URL.encode(&drawn);
        *parts.entry(part_of(&format!("{connection}#1"))).or_default() += 1;
    }
    assert_eq!(parts.len(), 32);
    assert!(parts.values().all(|count| (200..MOST_OF_PART).contains(count)), "{parts:?}");
    // The same for good: what one version has written another finds.
    assert_eq!(part_of("L0SM9cOFvHcCIhw=#1"), "1");
}
