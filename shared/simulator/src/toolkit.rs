//! Types of the toolkit that the simulator hands on, and the few questions that it asks of an event.
//!
//! Everything else in this crate uses them by these names, so that one place says where they come from.

use onewrite::{Decider, Row};

pub(crate) use orderflow_events::{OrderId as Subject, Time};
pub(crate) use orderflow_relay::{Entry, Refusal, Relay, Topic};

/// SNS takes so many messages in a batch (its quota for `PublishBatch`).
pub(crate) const MAX_BATCH_ENTRIES: usize = orderflow_relay::MAX_BATCH_ENTRIES;

/// Types that a service consumes, as its subscription's filter policy lists them.
pub(crate) fn consumed_by<D: Decider>() -> Vec<&'static str> {
    D::CONSUMES.iter().map(|kind| kind.as_str()).collect()
}

/// Id and type of each event of a row.
pub(crate) fn events_of(row: &Row) -> impl Iterator<Item = (String, &'static str)> {
    row.events.iter().map(|event| (event.context.id.to_string(), event.kind().as_str()))
}

/// Events of a row as its table stores them.
pub(crate) fn stored_events(row: &Row) -> String {
    serde_json::to_string(&row.events).unwrap_or_default()
}
