//! Rows of a service's table: added, and never changed.

use std::fmt::Display;

use envelope::{Context, Contract, Event, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Cause of a row: an event, or a request from outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// Sender: an event's `source`, or the API.
    pub source: String,
    /// The event's `id`, or the request's. Together with the source it tells a duplicate.
    pub id: String,
    /// The event's `type`, or the name of the request.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Subject of the caller, where the cause is a request of somebody who is signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl Cause {
    /// The event with these attributes, of that type.
    #[must_use]
    pub fn of(context: &Context, event_type: impl Display) -> Self {
        let (source, id) = (context.source.to_string(), context.id.to_string());
        Self { source, id, event_type: event_type.to_string(), by: None }
    }
}

impl<P: Contract> From<&Event<P>> for Cause {
    fn from(event: &Event<P>) -> Self {
        Self::of(&event.context, event.event_type())
    }
}

/// One step of one subject in one service: its change of state, the record that its cause is handled, its place in the
/// audit trail, and its outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// 1, 2, 3 … within the subject. Two rows of one version cannot be.
    pub version: u32,
    /// Time of writing: for people, and never for a decision.
    pub at: Time,
    /// Cause of the row.
    pub cause: Cause,
    /// Owner of the subject, in its first row, if it has one: see [`Decider::owner`](crate::Decider::owner).
    pub owner: Option<String>,
    /// More is to be done for the cause, as after an intent: then the row does not mark it as handled.
    pub unfinished: bool,
    /// The change, in the service's own terms. Absent where the published event tells it.
    pub change: Option<Value>,
    /// The events that are published because of it, each the text of a CloudEvent in structured JSON: the relay publishes
    /// them to the letter.
    pub events: Vec<String>,
}
