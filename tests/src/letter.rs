//! Dead letters.

use std::collections::HashMap;

use serde_json::Value;

/// A dead letter, as the operations API shows it.
#[derive(Clone, Debug)]
pub struct Letter(pub(crate) Value);

impl Letter {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.field("id")
    }

    /// The body of the message.
    #[must_use]
    pub fn body(&self) -> &str {
        self.field("body")
    }

    /// True of a row that a relay could not publish.
    #[must_use]
    pub fn is_row(&self) -> bool {
        let body: Value = serde_json::from_str(self.body()).unwrap_or_default();
        body["row"].is_object() && body["stream"].is_string()
    }

    /// A field; empty where there is none.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    /// All its attributes.
    #[must_use]
    pub fn attributes(&self) -> HashMap<String, String> {
        serde_json::from_value(self.0["attributes"].clone()).expect("attributes")
    }

    /// Its history: changes, the oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<&str> {
        self.entries().map(|entry| entry["what"].as_str().expect("a text")).collect()
    }

    /// Reasons of the changes that have one.
    #[must_use]
    pub fn why(&self) -> Vec<String> {
        self.entries().filter_map(|entry| Some(entry["why"].as_str()?.to_owned())).collect()
    }

    /// Bodies that were replaced.
    #[must_use]
    pub fn earlier(&self) -> Vec<String> {
        let earlier = self.0["earlier"].as_object().into_iter().flatten();
        earlier.map(|(_, body)| body.as_str().expect("a text").to_owned()).collect()
    }

    /// Time of its latest failure.
    #[must_use]
    pub fn parked_at(&self) -> &str {
        let parked = self.entries().filter(|entry| ["parked", "parkedAgain"].map(Value::from).contains(&entry["what"]));
        parked.last().and_then(|entry| entry["at"].as_str()).unwrap_or_default()
    }

    fn entries(&self) -> impl Iterator<Item = &Value> {
        self.0["history"].as_array().into_iter().flatten()
    }
}
