//! Rule of a notice, and its state: what is found, and what is told.

use std::time::Duration;

use data_encoding::HEXLOWER;
use onewrite::envelope::{Pattern, reads};
use orderflow_events::{Email, Faults, Money, Node, Read, Text, Time, parse};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The most matches that a digest shows one by one; more are counted.
const SHOWN: usize = 50;

/// The longest time between two digests, in minutes: a week.
const MAX_MINUTES: i64 = 10_080;

/// Bytes of a rule's digest that make its key.
const KEY_BYTES: usize = 16;

/// Rule of a notice: which events are told of, to whom, and how often at the most.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Pattern that an event has to match. A condition over several events of an order is none: each event is looked at by itself.
    pub matching: Pattern,
    /// Address that the digests go to; that of a list, where there are several people.
    pub to: Email,
    /// Time in which there is one digest at the most.
    pub every: Every,
}

reads!(Rule { matching: required("match"), to: required("to"), every: required("every") });

/// Time in which there is one digest at the most, in whole minutes: from one to a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every(pub Duration);

impl Read for Every {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let minutes = node.integer(1, MAX_MINUTES, faults)?;
        u64::try_from(minutes).ok().map(|minutes| Self(Duration::from_mins(minutes)))
    }
}

impl Rule {
    /// Key of its state. Another pattern or address is another rule, which begins anew; another time is not.
    #[must_use]
    pub fn key(&self) -> String {
        let said = format!("{}\n{}", self.matching.document(), self.to.to_ascii());
        let digest = Sha256::digest(said.as_bytes());
        HEXLOWER.encode(digest.get(..KEY_BYTES).unwrap_or_default())
    }
}

/// State of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Cursor of the feed up to which all that matches is found.
    pub cursor: String,
    /// Number of the digests that were told.
    pub told: u64,
    /// Time of the last of them.
    pub told_at: Option<Time>,
    /// Matches that no digest has yet.
    pub waiting: Found,
    /// Digest that is being told: fixed, so that whoever goes on after a crash tells the same.
    pub telling: Option<Found>,
}

/// Matches of a digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The first of them, in the order of the feed.
    pub matches: Vec<Match>,
    /// Number of those after them.
    pub more: u64,
}

/// Event that matches, with no more of it than a digest says. Nobody is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// Id of the event.
    pub id: String,
    /// Type of the event.
    pub event_type: String,
    /// Time at which it happened, as the event says.
    pub time: String,
    /// The order.
    pub order: String,
    /// Its amount, if it has one.
    pub amount: Option<Money>,
}

impl Match {
    /// An event of the feed, as a digest tells of it.
    #[must_use]
    pub fn of(event: &Value) -> Self {
        let text = |name: &str| Text::shortened(event[name].as_str().unwrap_or_default()).to_string();
        let money = |name: &str| parse::<Money>(&event["data"][name]).ok();
        Self {
            id: text("id"),
            event_type: text("type"),
            time: text("time"),
            order: text("subject"),
            amount: money("total").or_else(|| money("amount")),
        }
    }
}

impl Found {
    /// Number of the matches.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.matches.len() as u64 + self.more
    }

    fn add(&mut self, one: Match) {
        if self.matches.len() < SHOWN { self.matches.push(one) } else { self.more += 1 }
    }
}

impl State {
    /// State of a rule that begins at that cursor: of what was before nobody is told.
    #[must_use]
    pub fn begun(cursor: impl Into<String>) -> Self {
        Self { cursor: cursor.into(), told: 0, told_at: None, waiting: Found::default(), telling: None }
    }

    /// The state with what matches up to a later cursor.
    #[must_use]
    pub fn found(mut self, cursor: String, matches: impl IntoIterator<Item = Match>) -> Self {
        self.cursor = cursor;
        matches.into_iter().for_each(|one| self.waiting.add(one));
        self
    }

    /// The state in which all that waits is being told, if it is time. The first digest need not wait: its matches are news.
    #[must_use]
    pub fn due(mut self, every: Duration, now: Time) -> Self {
        let is_time = self.told_at.is_none_or(|at| at.until(now) >= every);
        if self.telling.is_none() && self.waiting.count() > 0 && is_time {
            self.telling = Some(std::mem::take(&mut self.waiting));
        }
        self
    }

    /// The state once its digest is told, at that time.
    #[must_use]
    pub fn told(mut self, at: Time) -> Self {
        if self.telling.take().is_some() {
            self.told += 1;
            self.told_at = Some(at);
        }
        self
    }

    /// Number of the digest that is being told, or is next.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.told + 1
    }
}

#[cfg(test)]
mod tests;
