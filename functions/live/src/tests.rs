//! Those who watch an order, whoever dies at telling them.

use std::cell::RefCell;

use futures::FutureExt;
use futures::executor::block_on;
use onewrite::access::{Access, NoKeySets};
use onewrite::link::NoLinkKeys;
use onewrite::memory::{MemoryLog, Pace, Paced, VirtualTime};
use onewrite::port::Random;
use onewrite::{Commit, History, Ledger, Origin};
use orderflow_events::{InventoryReserved, OrderId, Payload, Subject, sample};
use orderflow_orders::{Change, Orders, Seen};
use serde_json::{Value, json};

use crate::memory::{MemoryFeed, MemorySockets, MemoryWatches};
use crate::push::Push;
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
>;

/// An order, those who watch it, and one client.
struct Stage {
    world: VirtualTime,
    log: MemoryLog,
    feed: MemoryFeed,
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
            watches: MemoryWatches::default(),
            sockets: MemorySockets::default(),
            history: RefCell::new(History::unknown(subject())),
            client: RefCell::default(),
        }
    }

    fn push<'a>(&'a self, pace: &'a Pace) -> Ports<'a> {
        let ledger = Ledger::new(Paced { port: &self.log, pace }, &self.world);
        let feed = Paced { port: &self.feed, pace };
        Push::new(ledger, feed, Paced { port: &self.watches, pace }, Paced { port: &self.sockets, pace })
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

    /// An attempt to tell, as the stream makes one.
    fn tell(&self, pace: &Pace) -> bool {
        let push = self.push(pace);
        matches!(run(push.tell([OrderId::new(ORDER).unwrap()])), Some(Ok(())))
    }

    /// Hears what the client says, as far as `pace` lets it.
    fn hear(&self, pace: &Pace, kind: &str, body: &Value) -> bool {
        let routes: Routes<_, _, _, _, _, NoKeySets, NoLinkKeys> = Routes::new(self.push(pace), Access::open(), None);
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
    for call in ["send", "hold", "release", "of_topic", "get", "add", "open", "connection", "disconnect", "close"] {
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

#[test]
fn attempts_that_overlap_send_nothing_twice() {
    for seed in 0..300 {
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

mod rights;
