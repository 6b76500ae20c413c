//! Persons in clear that a message may have.

use std::time::Duration;

use orderflow_events::{Event, Payload, Text};
use serde_json::Value;

/// Time for which a message can be opened at least of which nobody can tell whose it is.
pub const UNOWNED_KEPT: Duration = Duration::from_hours(90 * 24);

/// Persons in clear that a message may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Persons {
    /// None.
    Nobody,
    /// One customer of that id.
    Customer(Text),
    /// Nobody can tell.
    Unknown,
}

impl Persons {
    /// Persons in the body of a message; `is_foreign` is true of what others have written themselves, who send it to a door, or have
    /// edited a letter.
    #[must_use]
    pub fn of(body: &str, is_foreign: bool) -> Self {
        let document = unwrapped(body);
        if !is_foreign && document.as_ref().is_some_and(has_nobody) {
            return Self::Nobody;
        }
        // An id that nobody may have is no owner of a key.
        let customer = document.as_ref().and_then(|document| document["data"]["customer"]["id"].as_str());
        customer.and_then(|id| Text::new(id).ok()).map_or(Self::Unknown, Self::Customer)
    }
}

/// Extension of an event that was edited: the id that it had.
pub(crate) const EDITED_FROM: &str = "editedfrom";

/// Tells of a document that it is an event of ours as it was published, and nobody is in clear in it.
fn has_nobody(document: &Value) -> bool {
    let is_edited = document.get(EDITED_FROM).is_some();
    !is_edited
        && Event::from_value(document).is_ok_and(|event| match event.data {
            Payload::OrderCreated(created) => created.details.personal.sealed().is_some(),
            _ => true,
        })
}

/// The document in a body, out of what SNS may have wrapped it in.
pub(crate) fn unwrapped(body: &str) -> Option<Value> {
    let document = serde_json::from_str::<Value>(body).ok()?;
    let wrapped = document["Message"].as_str().filter(|_| document["Type"] == "Notification");
    Some(wrapped.and_then(|inner| serde_json::from_str(inner).ok()).unwrap_or(document))
}
