//! Heads of events: as much of a CloudEvent as the models and the trace need.

use std::borrow::Cow;

use serde::Deserialize;

/// Attributes of a CloudEvent; empty where a text has none, or is no JSON object.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Head<'a> {
    /// Its id.
    #[serde(borrow, default)]
    pub(crate) id: Cow<'a, str>,
    /// Its type.
    #[serde(rename = "type", borrow, default)]
    pub(crate) event_type: Cow<'a, str>,
    /// Its subject.
    #[serde(borrow, default)]
    pub(crate) subject: Cow<'a, str>,
}

impl<'a> Head<'a> {
    /// Head of the event in a text.
    pub(crate) fn of(text: &'a str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Type, for the trace.
    pub(crate) fn described(self) -> String {
        if self.event_type.is_empty() { "what is no event".to_owned() } else { self.event_type.into_owned() }
    }
}
