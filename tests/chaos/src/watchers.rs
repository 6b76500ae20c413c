//! Those who watch: the client of GraphQL over WebSocket that others have written, whose sockets are cut while all else goes wrong, and
//! what it must have been told in the end.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use orderflow_events::scope::{EVENTS_READ, ORDERS_ANY};
use orderflow_tests::{Shop, node_packages};
use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::audit::{Rule, Violation};

/// Client of the live functions.
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/watch.mjs");

/// Longer than any run.
const LIFETIME: Duration = Duration::from_hours(24);

/// All who watch. They are one process, with a socket for each order.
pub(crate) struct Watchers(Mutex<Option<Child>>);

/// Updates that they were told.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Told {
    /// Sequences of the updates of each order that was watched, as they came.
    pub(crate) orders: BTreeMap<String, Vec<usize>>,
    /// Events of all orders, each by source and id, as they came.
    pub(crate) events: Vec<String>,
    /// Number of boards.
    pub(crate) boards: u64,
    /// Errors that were the last word about something.
    errors: Vec<serde_json::Value>,
    /// Connections, each of which was acknowledged.
    pub(crate) connections: u64,
    /// Sockets that were cut.
    pub(crate) cuts: u64,
}

impl Watchers {
    /// Starts them, if there are packages of Node.js to do it with: they watch the events of all orders and the board.
    pub(crate) fn start(shop: &Shop) -> Option<Self> {
        let packages = node_packages()?;
        let token = shop.tokens.token("watcher", &format!("{ORDERS_ANY} {EVENTS_READ}"), LIFETIME).expect("a token");
        let mut node = Command::new("node");
        node.arg(CLIENT).arg(packages).arg(shop.output("LiveUrl")).arg(token).kill_on_drop(true);
        let child = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node starts");
        Some(Self(Mutex::new(Some(child))))
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
        let mut child = self.0.lock().await;
        if let Some(input) = child.as_mut().and_then(|child| child.stdin.as_mut()) {
            input.write_all(format!("{line}\n").as_bytes()).await.expect("they listen");
        }
    }

    /// All that they were told. They are gone then.
    pub(crate) async fn told(&self) -> Told {
        let child = self.0.lock().await.take().expect("they are asked once");
        // Its input is closed first.
        let output = child.wait_with_output().await.expect("they come to an end");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

/// Breaches of what they are promised: each update of an order once and in sequence, to the last of so many, and the events of all
/// orders as the feed has them.
pub(crate) fn audit_told(told: &Told, updates: &BTreeMap<String, usize>, feed: &[String]) -> Vec<Violation> {
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
    if told.events != feed {
        let place = told.events.iter().zip(feed).take_while(|(one, other)| one == other).count();
        let (count, other) = (told.events.len(), feed.len());
        let detail = format!("of {other} events of the feed {count} were told; they are the same up to the {place}th");
        violations.push(violation(None, detail));
    }
    violations.extend(told.errors.iter().map(|error| violation(None, format!("whoever watches was told {error}"))));
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(sequences: &[usize], events: &[&str]) -> Told {
        let events = events.iter().map(|event| (*event).to_owned()).collect();
        Told { orders: BTreeMap::from([("ord_1".to_owned(), sequences.to_vec())]), events, ..Told::default() }
    }

    #[test]
    fn whoever_watches_is_told_each_update_once_and_in_order() {
        let updates = BTreeMap::from([("ord_1".to_owned(), 3)]);
        let feed = ["a".to_owned(), "b".to_owned()];
        let error = Told { errors: vec![json!({ "message": "no" })], ..told(&[1, 2, 3], &["a", "b"]) };
        for (told, breaches) in [
            (told(&[1, 2, 3], &["a", "b"]), 0),
            (told(&[1, 3], &["a", "b"]), 1),
            (told(&[1, 2, 2, 3], &["a", "b"]), 1),
            (told(&[2, 1, 3], &["a", "b"]), 1),
            (told(&[1, 2], &["a", "b"]), 1),
            (told(&[1, 2, 3, 4], &["a", "b"]), 1),
            (told(&[], &["a", "b"]), 1),
            (told(&[1, 2, 3], &["b", "a"]), 1),
            (told(&[1, 2, 3], &["a"]), 1),
            (told(&[1, 2, 3], &["a", "b", "b"]), 1),
            (error, 1),
        ] {
            assert_eq!(audit_told(&told, &updates, &feed).len(), breaches, "{told:?}");
        }
    }
}
