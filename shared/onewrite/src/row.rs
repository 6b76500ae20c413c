//! What a service remembers of an order: rows that are added and never changed.

use orderflow_events::{Event, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What made a row: an event, or a request from outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// Who said it: an event's `source`, or the API.
    pub source: String,
    /// The event's `id`, or the request's. Together with the source it tells a duplicate.
    pub id: String,
    /// The event's `type`, or what the request asks for.
    #[serde(rename = "type")]
    pub kind: String,
}

impl From<&Event> for Cause {
    fn from(event: &Event) -> Self {
        let context = &event.context;
        Self { source: context.source.to_string(), id: context.id.to_string(), kind: event.kind().as_str().to_owned() }
    }
}

/// One step of an order in one service.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// 1, 2, 3 … within the order. Two rows of one version cannot be.
    pub version: u32,
    /// When it was written: for people, and never for a decision.
    pub at: Time,
    /// What made it.
    pub cause: Cause,
    /// Whether there is more to do for the cause, as after an intent: then the row does not mark it as handled.
    pub open: bool,
    /// What happened, in the service's own terms. Absent where the published event tells it.
    pub change: Option<Value>,
    /// The events that are published because of it.
    pub events: Vec<Event>,
}
