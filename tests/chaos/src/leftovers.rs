//! Rows that are left of those who watched, once they are gone.
//!
//! A connection that is closed leaves no row. The function that hears of its end may be killed at that, and does not hear of it again: then
//! its rows stay until somebody is to be told of the same topic and finds nobody there, and at the latest until their time to live is
//! over.

use std::collections::BTreeSet;
use std::time::Duration;

use orderflow_events::Time;
use orderflow_tests::Shop;
use serde::Deserialize;

use crate::audit::{Rule, Violation};

/// Longest time for which a row is kept.
const KEPT: Duration = Duration::from_hours(3);

/// Beginnings of the partitions of those topics of which there is more to tell with any order: the events of all, and the board.
const OF_ALL: [&str; 2] = ["e#", "b#"];

/// Row of the table of who watches, as it is stored: a connection, a subscription, or a part of a topic.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pk: String,
    sk: String,
    /// End of its time to live, in seconds since 1970.
    #[serde(default)]
    expires_at: Option<i64>,
    /// Times that somebody has begun to join a part of a topic, of which this says so. It is of no connection, and stays.
    #[serde(default)]
    joins: Option<u64>,
}

impl Row {
    /// Connection that it is of.
    fn connection(&self) -> Option<&str> {
        match self.pk.strip_prefix("c#") {
            Some(connection) => Some(connection),
            None if self.joins.is_some() => None,
            None => self.sk.split('#').next(),
        }
    }

    /// True of a subscription to the events of all or to the board.
    fn is_of_all(&self) -> bool {
        self.joins.is_none() && OF_ALL.iter().any(|topic| self.pk.starts_with(topic))
    }
}

/// Rows at three moments after the storm.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looks {
    /// Rows while all who watch were connected.
    pub(crate) connected: Vec<Row>,
    /// Rows once they were gone.
    pub(crate) gone: Vec<Row>,
    /// Rows once something had happened of which those who watch all events and the board would have been told.
    pub(crate) told: Vec<Row>,
}

/// Rows of all who watch, and what is left of those who have watched.
pub(crate) async fn rows(shop: &Shop) -> Vec<Row> {
    let items = shop.scan(shop.output("LiveTableName")).await.into_iter();
    items.map(|item| serde_dynamo::from_item(item).expect("a row of who watches has a key")).collect()
}

/// Breaches of what closed connections are to leave, of which so many were closed after the storm. Of those before it a function may have
/// been killed at the end.
pub(crate) fn audit_leftovers(looks: &Looks, closed: usize, now: Time) -> Vec<Violation> {
    let mut details = BTreeSet::new();
    let (connected, gone) = (connections(&looks.connected), connections(&looks.gone));
    let without_rows = connected.difference(&gone).count();
    if without_rows < closed {
        details.insert(format!(
            "{closed} connections were closed with nothing wrong, and {without_rows} have left no row"
        ));
    }
    for row in looks.told.iter().filter(|row| row.is_of_all()) {
        details.insert(format!("{} {} is still told, and nobody is connected", row.pk, row.sk));
    }
    let latest = now.after(KEPT).as_millis() / 1_000;
    for row in looks.connected.iter().chain(&looks.gone).chain(&looks.told) {
        if row.expires_at.is_none_or(|end| end > latest) {
            details.insert(format!("{} {} stays for too long, until {:?}", row.pk, row.sk, row.expires_at));
        }
    }
    details.into_iter().map(|detail| Violation { rule: Rule::LeftBehind, order: None, detail }).collect()
}

fn connections(rows: &[Row]) -> BTreeSet<&str> {
    rows.iter().filter_map(Row::connection).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_SECONDS: i64 = 1_767_225_600;
    const HOUR: i64 = 3_600;

    fn row(pk: &str, sk: &str) -> Row {
        Row { pk: pk.to_owned(), sk: sk.to_owned(), expires_at: Some(NOW_SECONDS + HOUR), joins: None }
    }

    fn part(pk: &str, sk: &str) -> Row {
        Row { joins: Some(1), ..row(pk, sk) }
    }

    /// Connection with a subscription under a topic.
    fn watching(connection: &str, topic: &str) -> [Row; 2] {
        [row(&format!("c#{connection}"), "#"), row(topic, &format!("{connection}#1"))]
    }

    /// Two are connected, and of a third something is left, as of one at whose end the function was killed.
    fn looks() -> Looks {
        let parts = [part("e#", "7"), part("b#", "c")];
        let left = watching("c", "o#ord_2");
        let connected = [watching("a", "e#7"), watching("b", "o#ord_1"), left.clone()].concat();
        let gone = [left, parts.clone()].concat();
        Looks { connected: [connected, parts.to_vec()].concat(), told: gone.clone(), gone }
    }

    fn check(damage: impl FnOnce(&mut Looks), breaches: usize) {
        let mut looks = looks();
        damage(&mut looks);
        let found = audit_leftovers(&looks, 2, Time::from_millis(NOW_SECONDS * 1_000));
        assert_eq!(found.len(), breaches, "{found:?}");
        assert!(found.iter().all(|violation| violation.rule == Rule::LeftBehind));
    }

    #[test]
    fn a_connection_that_is_closed_with_nothing_wrong_leaves_no_row() {
        check(|_| {}, 0);
        for rest in watching("b", "o#ord_1") {
            check(|looks| looks.gone.push(rest), 1);
        }
        // They were never there.
        check(|looks| looks.connected.retain(|row| row.connection() != Some("a")), 1);
    }

    #[test]
    fn what_is_left_of_others_is_gone_with_the_next_push() {
        for topic in ["e#7", "b#c"] {
            check(|looks| looks.gone.extend(watching("d", topic)), 0);
            check(|looks| looks.told.extend(watching("d", topic)), 1);
        }
        check(|looks| looks.told.extend(watching("d", "o#ord_3")), 0);
    }

    #[test]
    fn whatever_is_left_has_an_end_within_three_hours() {
        let until = |end: Option<i64>| {
            move |looks: &mut Looks| {
                for row in &mut looks.told {
                    row.expires_at = end;
                }
            }
        };
        check(until(Some(NOW_SECONDS + 3 * HOUR)), 0);
        check(until(Some(NOW_SECONDS + 3 * HOUR + 1)), 4);
        check(until(None), 4);
    }
}
