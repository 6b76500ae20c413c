//! Those who watch: the client of GraphQL over WebSocket that others have written, whose sockets are cut while all else goes wrong, and
//! what it must have been told in the end.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use orderflow_events::Time;
use orderflow_events::scope::{EVENTS_READ, ORDERS_ANY};
use orderflow_tests::{Shop, node_packages};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::audit::{Rule, Violation};
use crate::customer::LIFETIME;

/// Client of the live functions.
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/watch.mjs");

/// Time within which they listen, and come to an end.
const PATIENCE: Duration = Duration::from_mins(1);

/// Span of the board's minutes, in milliseconds: so many, and the present one.
const MINUTE_MS: i64 = 60_000;
const EARLIER_MINUTES: i64 = 59;

/// All who watch. They are one process, with a socket for each order.
pub(crate) struct Watchers {
    node: Mutex<Option<Child>>,
    /// They did not listen.
    are_deaf: Cell<bool>,
    patience: Duration,
}

/// Updates that they were told.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Told {
    /// Sequences of the updates of each order that was watched, as they came.
    pub(crate) orders: BTreeMap<String, Vec<usize>>,
    /// Events of all orders, each by source and id, as they came.
    pub(crate) events: Vec<String>,
    /// Number of boards.
    pub(crate) boards: u64,
    /// The last of them.
    pub(crate) board: Value,
    /// Errors that were the last word about something.
    errors: Vec<Value>,
    /// Connections, each of which was acknowledged.
    pub(crate) connections: u64,
    /// Sockets that were cut.
    pub(crate) cuts: u64,
}

impl Told {
    /// Sockets that they had in the end: one for each order, one for the events of all, and one for the board.
    pub(crate) fn sockets(&self) -> usize {
        self.orders.len() + 2
    }
}

impl Watchers {
    /// Starts them, if there are packages of Node.js to do it with: they watch the events of all orders and the board.
    pub(crate) fn start(shop: &Shop) -> Option<Self> {
        let packages = node_packages()?;
        let token = shop.tokens.token("watcher", &format!("{ORDERS_ANY} {EVENTS_READ}"), LIFETIME).expect("a token");
        let mut node = Command::new("node");
        node.arg(CLIENT).arg(packages).arg(shop.output("LiveUrl")).arg(token);
        Some(Self::of(&mut node, PATIENCE))
    }

    fn of(node: &mut Command, patience: Duration) -> Self {
        let child = node.kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        Self { node: Mutex::new(Some(child)), are_deaf: Cell::new(false), patience }
    }

    /// They watch that order, too, from its beginning.
    pub(crate) async fn watch(&self, order: &str) {
        self.say(order).await;
    }

    /// No socket is cut from now on.
    pub(crate) async fn calm(&self) {
        self.say("calm").await;
    }

    async fn say(&self, line: &str) {
        let mut node = self.node.lock().await;
        let Some(input) = node.as_mut().and_then(|child| child.stdin.as_mut()) else { return };
        let text = format!("{line}\n");
        let said = timeout(self.patience, input.write_all(text.as_bytes())).await;
        self.are_deaf.set(self.are_deaf.get() || !said.is_ok_and(|said| said.is_ok()));
    }

    /// All that they were told. They are gone then.
    ///
    /// # Errors
    ///
    /// They have died, or hang.
    pub(crate) async fn told(&self) -> Result<Told, String> {
        let child = self.node.lock().await.take().ok_or("they were asked before")?;
        // Its input is closed first.
        let output = timeout(self.patience, child.wait_with_output()).await;
        let output = output.map_err(|_| "whoever watches does not come to an end")?;
        let output = output.map_err(|error| format!("whoever watches cannot be waited for: {error}"))?;
        let told = serde_json::from_slice(&output.stdout);
        let told = told.map_err(|error| format!("whoever watches has died, with {}: {error}", output.status))?;
        if self.are_deaf.get() { Err("whoever watches did not listen".to_owned()) } else { Ok(told) }
    }
}

/// Events of each shard of the feed, by source and id, in their order.
pub(crate) type Shards = BTreeMap<String, Vec<String>>;

/// Breaches of what they are promised: each update of an order once and in sequence, to the last of so many, and the events of all
/// orders once, those of each shard of the feed in its order. Which of two shards is told first hangs on when their pages were seen.
pub(crate) fn audit_told(told: &Told, updates: &BTreeMap<String, usize>, feed: &Shards) -> Vec<Violation> {
    let violation =
        |order: Option<&String>, detail: String| Violation { rule: Rule::ToldWrongly, order: order.cloned(), detail };
    let mut violations = Vec::new();
    for (order, sequences) in &told.orders {
        let count = updates.get(order).copied().unwrap_or_default();
        if !sequences.iter().copied().eq(1..=count) {
            violations
                .push(violation(Some(order), format!("of {count} updates whoever watches was told {sequences:?}")));
        }
    }
    let shards: BTreeMap<_, _> =
        feed.iter().flat_map(|(shard, events)| events.iter().map(move |event| (event, shard))).collect();
    let mut of_shards: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in &told.events {
        match shards.get(event) {
            Some(shard) => of_shards.entry(*shard).or_default().push(event),
            None => violations.push(violation(None, format!("{event} was told, and the feed does not have it"))),
        }
    }
    for (shard, events) in feed {
        let told = of_shards.remove(shard).unwrap_or_default();
        if !told.iter().copied().eq(events) {
            let same = told.iter().copied().zip(events).take_while(|(one, other)| one == other).count();
            let next = |event: Option<&String>| event.map_or("nothing", String::as_str).to_owned();
            let detail = format!(
                "of {} events of shard {shard} of the feed {} were told; after {same} that are the same {} is told, and the feed has {}",
                events.len(),
                told.len(),
                next(told.get(same).copied()),
                next(events.get(same))
            );
            violations.push(violation(None, detail));
        }
    }
    violations.extend(told.errors.iter().map(|error| violation(None, format!("whoever watches was told {error}"))));
    violations
}

/// Breaches of the same at the board: the last that was told, against what the API answers of the counts and of the letters once all is quiet.
pub(crate) fn audit_board(told: &Value, counts: &Value, status: &Value) -> Vec<Violation> {
    // Minutes that both still have.
    let begin = [told, counts].into_iter().filter_map(|board| Time::new(board["at"].as_str()?).ok()).max();
    let begin = begin.map_or(0, |at| (at.as_millis().div_euclid(MINUTE_MS) - EARLIER_MINUTES) * MINUTE_MS);
    let letters = [&told["letters"], &status["openLetters"]].map(by_service);
    let mut violations = Vec::new();
    for (what, told, known) in [
        ("minutes", numbers(&told["minutes"], begin), numbers(&counts["minutes"], begin)),
        ("hours", numbers(&told["hours"], 0), numbers(&counts["hours"], 0)),
        ("letters", format!("{:?}", letters[0]), format!("{:?}", letters[1])),
    ] {
        if told != known {
            let detail = format!("the last board that was told has the {what} {told}, and they are {known}");
            violations.push(Violation { rule: Rule::ToldWrongly, order: None, detail });
        }
    }
    violations
}

/// Numbers that are asked for, of each span of time and currency, from a time on in milliseconds, to be compared.
fn numbers(tallies: &Value, begin: i64) -> String {
    const NAMES: [&str; 8] =
        ["created", "createdAmount", "paid", "paidAmount", "refunded", "refundedAmount", "shipped", "cancelled"];
    let mut known = BTreeMap::new();
    for tally in tallies.as_array().into_iter().flatten() {
        let [at, currency] = ["at", "currency"].map(|name| tally[name].as_str().unwrap_or_default());
        if Time::new(at).is_ok_and(|at| at.as_millis() >= begin) {
            known.insert([at, currency], NAMES.map(|name| tally[name].as_i64().unwrap_or_default()));
        }
    }
    format!("{known:?}")
}

/// Open letters of each service; none where nobody has counted them.
fn by_service(letters: &Value) -> Option<BTreeMap<&str, u64>> {
    let mut counts = BTreeMap::new();
    for letter in letters.as_array()? {
        *counts.entry(letter["service"].as_str()?).or_default() += letter["count"].as_u64()?;
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_board_has_the_counts_and_the_letters_that_there_are() {
        let tally = |at: &str, created: u32| json!({ "at": at, "currency": "EUR", "created": created, "paid": 1 });
        let (minute, hour) = ("2026-01-01T12:10:00.000Z", "2026-01-01T12:00:00.000Z");
        let board = |at: &str, created: u32, letters: Value| {
            let minutes = [tally("2026-01-01T11:11:00.000Z", 9), tally(minute, created)];
            json!({ "at": at, "minutes": minutes, "hours": [tally(hour, 0)], "letters": letters })
        };
        let letters = json!([{ "service": "payment", "count": 3 }]);
        let told = board("2026-01-01T12:10:01.000Z", 2, letters.clone());
        let classes = json!([{ "service": "payment", "count": 1 }, { "service": "payment", "count": 2 }]);
        let status = json!({ "openLetters": classes });
        let mut later = board("2026-01-01T12:11:01.000Z", 2, Value::Null);
        later["minutes"].as_array_mut().unwrap().remove(0);
        let (mut other_hour, mut more) = (later.clone(), later.clone());
        other_hour["hours"][0]["paid"] = json!(2);
        more["minutes"].as_array_mut().unwrap().push(tally("2026-01-01T12:11:00.000Z", 1));
        for (told, counts, status, breaches) in [
            (&told, &later, &status, 0),
            (&told, &board("2026-01-01T12:10:02.000Z", 2, Value::Null), &status, 0),
            (&told, &board("2026-01-01T12:10:02.000Z", 3, Value::Null), &status, 1),
            (&told, &other_hour, &status, 1),
            (&told, &more, &status, 1),
            (&told, &later, &json!({ "openLetters": letters }), 0),
            (&told, &later, &json!({ "openLetters": [] }), 1),
            (&told, &later, &json!({}), 1),
            (&Value::Null, &later, &status, 3),
        ] {
            assert_eq!(audit_board(told, counts, status).len(), breaches, "{told} {counts} {status}");
        }
    }

    #[tokio::test]
    async fn whoever_watches_may_die_or_hang_and_the_run_goes_on() {
        let told = r#"cat > /dev/null; echo '{"orders":{},"events":[],"boards":1,"board":{},"errors":[],"connections":1,"cuts":2}'"#;
        for (script, expected) in [
            (told, Ok(2)),
            ("exit 1", Err("has died, with exit status: 1")),
            ("cat > /dev/null; echo '{'", Err("has died, with exit status: 0")),
            ("exec sleep 600", Err("does not come to an end")),
        ] {
            let watchers = Watchers::of(Command::new("sh").args(["-c", script]), Duration::from_secs(2));
            watchers.watch("ord_1").await;
            watchers.calm().await;
            match (watchers.told().await, expected) {
                (Ok(told), Ok(cuts)) => assert_eq!(told.cuts, cuts),
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{script}: {reason}"),
                (told, _) => panic!("{script}: {told:?}"),
            }
        }
    }

    #[tokio::test]
    async fn whoever_does_not_listen_is_a_violation() {
        let script = "exec <&-; sleep 1; echo '{\"orders\":{},\"events\":[],\"boards\":1,\"board\":{},\"errors\":[],\"connections\":1,\"cuts\":2}'";
        let watchers = Watchers::of(Command::new("sh").args(["-c", script]), Duration::from_secs(10));
        while !watchers.are_deaf.get() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            watchers.watch("ord_1").await;
        }
        assert!(watchers.told().await.is_err_and(|reason| reason.contains("did not listen")));
    }

    fn told(sequences: &[usize], events: &[&str]) -> Told {
        let events = events.iter().map(|event| (*event).to_owned()).collect();
        Told { orders: BTreeMap::from([("ord_1".to_owned(), sequences.to_vec())]), events, ..Told::default() }
    }

    #[test]
    fn whoever_watches_is_told_each_update_once_and_in_order() {
        let updates = BTreeMap::from([("ord_1".to_owned(), 3)]);
        let feed = [("0", ["a", "b"].as_slice()), ("1", &["x"])];
        let feed =
            feed.map(|(shard, events)| (shard.to_owned(), events.iter().map(|event| (*event).to_owned()).collect()));
        let feed = BTreeMap::from(feed);
        let error = Told { errors: vec![json!({ "message": "no" })], ..told(&[1, 2, 3], &["a", "b", "x"]) };
        for (told, breaches) in [
            (told(&[1, 2, 3], &["a", "b", "x"]), 0),
            (told(&[1, 2, 3], &["x", "a", "b"]), 0),
            (told(&[1, 2, 3], &["a", "x", "b"]), 0),
            (told(&[1, 3], &["a", "b", "x"]), 1),
            (told(&[1, 2, 2, 3], &["a", "b", "x"]), 1),
            (told(&[2, 1, 3], &["a", "b", "x"]), 1),
            (told(&[1, 2], &["a", "b", "x"]), 1),
            (told(&[1, 2, 3, 4], &["a", "b", "x"]), 1),
            (told(&[], &["a", "b", "x"]), 1),
            (told(&[1, 2, 3], &["b", "a", "x"]), 1),
            (told(&[1, 2, 3], &["a", "x"]), 1),
            (told(&[1, 2, 3], &["a", "b"]), 1),
            (told(&[1, 2, 3], &["a", "b", "x", "b"]), 1),
            (told(&[1, 2, 3], &["a", "b", "x", "of nobody"]), 1),
            (told(&[1, 2, 3], &["a", "a", "x"]), 1),
            (told(&[1, 2, 3], &[]), 2),
            (error, 1),
        ] {
            assert_eq!(audit_told(&told, &updates, &feed).len(), breaches, "{told:?}");
        }
    }
}
