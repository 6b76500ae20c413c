//! Services of the stack, as their directory has them.

use serde::{Deserialize, Deserializer};

/// A service: what operations know of it, and all that they do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Source of its events.
    pub source: String,
    /// Name of its consumer's function.
    pub function: String,
    /// URL of its queue.
    pub queue_url: String,
    /// Log group of that function.
    pub log_group: String,
    /// Name of its table, if it has one.
    #[serde(deserialize_with = "filled")]
    pub table: Option<String>,
    /// Type of that table.
    pub table_type: TableType,
    /// True if that table has an index of the subjects that are open.
    pub has_open_index: bool,
    /// Name of its relay's function, if it has one.
    #[serde(deserialize_with = "filled")]
    pub relay: Option<String>,
    /// Types of the events that it consumes; all if there are none.
    #[serde(deserialize_with = "list")]
    pub event_types: Vec<String>,
}

/// Type of a service's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TableType {
    /// Rows without events.
    Ledger,
    /// Rows with events.
    Outbox,
    /// Every event.
    Journal,
    /// It works on another service's.
    None,
}

impl Service {
    /// Tells that it consumes events of that type.
    #[must_use]
    pub fn consumes(&self, event_type: &str) -> bool {
        self.event_types.is_empty() || self.event_types.iter().any(|known| known == event_type)
    }

    /// Tells that facts of the topic reach it. What has no table of its own is a door for others.
    #[must_use]
    pub fn hears_facts(&self) -> bool {
        self.table_type != TableType::None
    }

    /// The table in which its open subjects are known.
    #[must_use]
    pub fn open_index(&self) -> Option<&str> {
        self.table.as_deref().filter(|_| self.has_open_index)
    }

    /// Its outbox: its table and its relay.
    #[must_use]
    pub fn outbox(&self) -> Option<(&str, &str)> {
        self.table.as_deref().zip(self.relay.as_deref())
    }
}

/// Name of the table of the journal, if there is a journal.
#[must_use]
pub(crate) fn journal_of(services: &[Service]) -> Option<&str> {
    let mut journals = services.iter().filter(|service| service.table_type == TableType::Journal);
    journals.next().and_then(|service| service.table.as_deref())
}

/// A text that is empty where there is nothing.
fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(|text| Some(text).filter(|text| !text.is_empty()))
}

/// Words with commas between them.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_the_directory_is_read() {
        let entry = r#"{"name": "shipping", "source": "orderflow/shipping", "function": "f", "queueUrl": "q",
            "logGroup": "g", "table": "t", "tableType": "outbox", "hasOpenIndex": true, "relay": "r", "eventTypes": "OrderCreated, PaymentProcessed"}"#;
        let service: Service = serde_json::from_str(entry).unwrap();
        assert_eq!(service.event_types, ["OrderCreated", "PaymentProcessed"]);
        assert_eq!((service.consumes("OrderCreated"), service.consumes("OrderFlagged")), (true, false));
        assert_eq!((service.outbox(), service.open_index()), (Some(("t", "r")), Some("t")));
        assert_eq!(journal_of(std::slice::from_ref(&service)), None);
        let entry =
            entry.replace("outbox", "journal").replace("OrderCreated, PaymentProcessed", "").replace("\"r\"", "\"\"");
        let journal: Service = serde_json::from_str(&entry).unwrap();
        assert!(journal.consumes("anything"));
        assert_eq!((journal.outbox(), journal_of(&[service, journal.clone()])), (None, Some("t")));
    }
}
