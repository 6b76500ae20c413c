//! Long pasts, and boards that are read for many: to the end, and as seldom as can be.

use std::cell::Cell;

use futures::future::join;
use onewrite::Result;
use orderflow_events::Time;

use super::*;
use crate::domain::{Ahead, BoardUpdate};
use crate::port::{Boards, Feed};
use crate::push::GOES_ON_FOR;

/// Events of a long past: 75 reads.
const PAST: u32 = 1_500;

const EVENTS: &str = "subscription ($after: String) { events(after: $after) { cursor } }";

/// A feed or a board that takes its time.
struct Slow<'a, T> {
    port: T,
    world: &'a VirtualTime,
    takes: Duration,
    reads: Cell<u32>,
}

impl<T: Feed> Feed for &Slow<'_, T> {
    async fn after(&self, position: &str, pattern: Option<&Value>, most: usize) -> Result<Ahead> {
        self.world.pass(self.takes);
        self.port.after(position, pattern, most).await
    }

    async fn end(&self) -> Result<String> {
        self.port.end().await
    }
}

impl<T: Boards> Boards for &Slow<'_, T> {
    async fn board(&self, now: Time) -> Result<BoardUpdate> {
        self.reads.set(self.reads.get() + 1);
        let board = self.port.board(now).await;
        self.world.sleep(self.takes).await;
        board
    }
}

impl Stage {
    fn slow<T>(&self, port: T, takes: Duration) -> Slow<'_, T> {
        Slow { port, world: &self.world, takes, reads: Cell::new(0) }
    }

    fn shop_board(&self) -> ShopBoard<&MemoryCounts, &MemoryOperations> {
        ShopBoard::new(&self.counts, &self.letters)
    }

    /// Cursors of the events that a connection was told, as they came.
    fn cursors(&self, connection: &str) -> Vec<u32> {
        let texts = self.sockets.received(connection);
        let messages = texts.iter().map(|text| serde_json::from_str::<Value>(text).unwrap());
        let next = messages.filter(|message| message["type"] == "next");
        let cursor = |message: Value| message["payload"]["data"]["events"]["cursor"].as_str().unwrap().parse().unwrap();
        next.map(cursor).collect()
    }

    fn count_boards(&self, connection: &str) -> usize {
        self.sockets.received(connection).iter().filter(|text| text.contains("\"next\"")).count()
    }
}

fn range(from: u32, to: u32) -> Vec<u32> {
    (from..=to).collect()
}

#[test]
fn a_reader_with_a_long_past_is_told_all_of_it_in_order_and_holds_up_nobody() {
    let stage = Stage::new();
    stage.happen(PAST);
    for (connection, position) in [("past", "0"), ("present", "1499")] {
        stage.watch_from(connection, "e", &Topic::Events(None), "subscription { events { cursor } }", position);
    }
    // Whoever is up to date hears of the next while the past is told.
    let pace = Pace::of(1_500);
    let push = stage.push(&pace);
    let mut telling = std::pin::pin!(push.tell_events());
    assert!(telling.as_mut().now_or_never().is_none());
    stage.happen(1);
    pace.grant(1_000);
    assert!(telling.as_mut().now_or_never().is_none());
    assert!(stage.cursors("past").len() < PAST as usize);
    assert_eq!(stage.cursors("present"), [PAST, PAST + 1]);
    pace.grant(u32::MAX / 2);
    assert_eq!(run(telling), Some(Ok(())));
    assert_eq!(stage.cursors("past"), range(1, PAST + 1));
}

#[test]
fn a_past_that_is_too_long_for_an_attempt_is_told_by_those_that_follow() {
    let stage = Stage::new();
    stage.happen(PAST);
    stage.watch_from("past", "e", &Topic::Events(None), "subscription { events { cursor } }", "0");
    let whole = Pace::of(u32::MAX);
    let feed = stage.slow(&stage.feed, Duration::from_millis(250));
    let mut attempts = 0;
    loop {
        attempts += 1;
        let ledger = Ledger::new(Paced { port: &stage.log, pace: &whole }, &stage.world);
        let push = Push::new(ledger, &feed, stage.shop_board(), &stage.watches, &stage.sockets);
        let begun_at = stage.world.now();
        let told = run(push.tell_events()).unwrap();
        assert!(begun_at.until(stage.world.now()) < 2 * GOES_ON_FOR);
        match told {
            Ok(()) => break,
            Err(failure) => assert!(failure.kind().is_retryable()),
        }
    }
    assert_eq!(stage.cursors("past"), range(1, PAST));
    assert_eq!(attempts, 2, "of 75 reads at 0.25 s");
}

/// They are told all the same, each once: whoever has been told costs the next attempt no call.
#[test]
fn of_more_who_watch_than_an_attempt_has_the_time_for_the_next_tells_the_rest() {
    let stage = Stage::new();
    let connections: Vec<String> = (0..250).map(|number| format!("connection-{number}")).collect();
    for connection in &connections {
        stage.watch_from(connection, "e", &Topic::Events(None), "subscription { events { cursor } }", "0");
    }
    stage.happen(1);
    let feed = stage.slow(&stage.feed, GOES_ON_FOR / 2);
    let told = |connection: &&String| stage.cursors(connection) == [1];
    let mut attempts = Vec::new();
    loop {
        let push =
            Push::new(Ledger::new(&stage.log, &stage.world), &feed, stage.shop_board(), &stage.watches, &stage.sockets);
        let begun_at = stage.world.now();
        let answer = run(push.tell_events()).unwrap();
        assert!(begun_at.until(stage.world.now()) < 2 * GOES_ON_FOR);
        attempts.push(connections.iter().filter(told).count());
        match answer {
            Ok(()) => break,
            Err(failure) => assert!(failure.kind().is_retryable()),
        }
    }
    // Each page has two reads, of which those behind the last event are one for all: half of the time each.
    assert_eq!(attempts, [100, 200, 250]);
    assert!(connections.iter().all(|connection| stage.sockets.is_open(connection)));
}

#[test]
fn a_past_is_told_wherever_an_attempt_dies() {
    for place in (0..3_000).step_by(397) {
        let stage = Stage::new();
        stage.happen(500);
        stage.watch_from("past", "e", &Topic::Events(None), "subscription { events { cursor } }", "0");
        let is_done = matches!(run(stage.push(&Pace::of(place)).tell_events()), Some(Ok(())));
        assert_eq!(run(stage.push(&Pace::of(u32::MAX)).tell_events()), Some(Ok(())), "after {place}");
        let told = stage.cursors("past");
        // Who is closed comes back with what it has.
        let is_open = stage.sockets.is_open("past");
        assert_eq!(told, range(1, if is_open { 500 } else { u32::try_from(told.len()).unwrap() }), "after {place}");
        assert!(is_open || !is_done, "after {place}");
    }
}

/// Rest of a past that is too long for one attempt: it is told to whoever comes back.
#[test]
fn whoever_subscribes_is_told_their_past_to_the_end() {
    for takes in [Duration::ZERO, Duration::from_millis(250)] {
        let stage = Stage::new();
        stage.happen(PAST);
        let feed = stage.slow(&stage.feed, takes);
        let (mut told, mut connections) = (Vec::<u32>::new(), 0);
        while told.len() < PAST as usize {
            connections += 1;
            let connection = format!("past-{connections}");
            stage.sockets.connect(&connection);
            let push = Push::new(
                Ledger::new(&stage.log, &stage.world),
                &feed,
                stage.shop_board(),
                &stage.watches,
                &stage.sockets,
            );
            let routes: Routes<_, _, _, _, _, _, NoKeySets, NoLinkKeys> = Routes::new(push, Access::open(), None);
            let after = told.last().map(u32::to_string);
            let payload = json!({ "query": EVENTS, "variables": { "after": after } });
            for message in
                [json!({ "type": "connection_init" }), json!({ "id": "e", "type": "subscribe", "payload": payload })]
            {
                let event = json!({
                    "requestContext": { "connectionId": connection, "eventType": "MESSAGE" }, "body": message.to_string(),
                });
                assert!(run(routes.answer(&serde_json::from_value(event).unwrap())).unwrap().is_ok());
            }
            let new = stage.cursors(&connection);
            assert!(!new.is_empty(), "each attempt goes further");
            told.extend(new);
            assert_eq!(stage.sockets.is_open(&connection), told.len() == PAST as usize);
        }
        assert_eq!(told, range(1, PAST));
        assert_eq!(connections, if takes.is_zero() { 1 } else { 2 });
    }
}

const BOARD: &str = "subscription { board { minutes { created } letters { service count } } }";

/// Each waits for whom it finds sending, and has to read anew: all of them together.
#[test]
fn attempts_that_meet_at_the_board_read_it_for_all_who_watch_at_once() {
    let stage = Stage::new();
    for number in 0..50 {
        stage.watch_from(&number.to_string(), "b", &Topic::Board, BOARD, "");
    }
    let (first, second) = (Pace::until("before send"), Pace::of(u32::MAX));
    let [one, other] = [(); 2].map(|()| stage.slow(stage.shop_board(), Duration::from_millis(10)));
    let push = |pace, board| {
        let (watches, sockets) = (Paced { port: &stage.watches, pace }, Paced { port: &stage.sockets, pace });
        Push::new(Ledger::new(&stage.log, &stage.world), &stage.feed, board, watches, sockets)
    };
    let (sending, waiting) = (push(&first, &one), push(&second, &other));
    let mut sending = std::pin::pin!(sending.tell_board());
    for _ in 0..1_000 {
        assert!(sending.as_mut().now_or_never().is_none());
    }
    stage.count_order(1);
    let mut waiting = std::pin::pin!(waiting.tell_board());
    for _ in 0..3 {
        assert!(waiting.as_mut().now_or_never().is_none());
    }
    first.release();
    assert_eq!(block_on(join(sending, waiting)), (Ok(()), Ok(())));
    let told: Vec<usize> = (0..50).map(|number| stage.count_boards(&number.to_string())).collect();
    assert_eq!(told, [2; 50], "the board, and the other one");
    assert_eq!(one.reads.get(), 1);
    assert!(other.reads.get() <= 4, "{} reads of one board for 50 who watch", other.reads.get());
}

#[test]
fn a_ping_reads_the_board_once_for_all_that_watch_it() {
    let stage = Stage::new();
    for number in 0..5 {
        stage.watch_from("a", &number.to_string(), &Topic::Board, BOARD, "");
    }
    stage.watch_from("b", "e", &Topic::Events(None), "subscription { events { cursor } }", "0");
    let board = stage.slow(stage.shop_board(), Duration::ZERO);
    let push = || Push::new(Ledger::new(&stage.log, &stage.world), &stage.feed, &board, &stage.watches, &stage.sockets);
    assert_eq!(run(push().tell_board_to("a")), Some(Ok(())));
    assert_eq!((stage.count_boards("a"), board.reads.get()), (5, 1));
    assert_eq!(run(push().tell_board_to("b")), Some(Ok(())));
    assert_eq!((stage.count_boards("b"), board.reads.get()), (0, 1), "it watches something else");
}

/// The index of the letters comes after their table.
#[test]
fn letters_are_counted_once_more_if_anybody_watches() {
    let stage = Stage::new();
    // A look, with its two pauses.
    assert_eq!(stage.push(&Pace::of(2)).tell_letters().now_or_never(), Some(Ok(())), "nobody watches");
    stage.watch_from("a", "b", &Topic::Board, BOARD, "");
    let whole = Pace::of(u32::MAX);
    let push = stage.push(&whole);
    let mut telling = std::pin::pin!(push.tell_letters());
    assert!(telling.as_mut().now_or_never().is_none());
    assert_eq!(stage.count_boards("a"), 1);
    stage.park("shipping", Class::Permanent);
    assert_eq!(run(telling), Some(Ok(())));
    assert_eq!(stage.count_boards("a"), 2);
    assert!(stage.sockets.received("a")[1].contains("shipping"));
}

/// It kept the connection open before there was a board.
#[test]
fn a_ping_closes_nobody_for_what_passes() {
    for (call, is_told) in [("watching", false), ("get", false), ("hold", true), ("none", true)] {
        let stage = Stage::new();
        let connection = stage.client.borrow().connection();
        stage.watch_from(&connection, "b", &Topic::Board, BOARD, "");
        assert!(stage.hear(&Pace::losing(call), "MESSAGE", &json!({ "type": "ping" })), "{call}");
        assert!(stage.sockets.is_open(&connection), "{call}");
        assert!(stage.sockets.received(&connection)[0].contains("pong"), "{call}");
        assert_eq!(stage.count_boards(&connection) == 1, is_told, "{call}");
    }
}
