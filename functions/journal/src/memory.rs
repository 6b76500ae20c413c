//! The journal in memory.

use std::cell::RefCell;
use std::collections::HashMap;

use onewrite::Result;
use onewrite::feed::RecordKey;
use orderflow_events::Envelope;

use crate::entry::Entry;
use crate::port::{Events, JournalStore, Kept};

/// Entries in memory.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    entries: RefCell<Vec<Entry>>,
    /// Places of the entries, by their keys.
    places: RefCell<HashMap<RecordKey, usize>>,
}

impl MemoryJournal {
    /// The entries, in the order in which they were added.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.borrow().clone()
    }

    fn find(&self, key: &RecordKey) -> Option<Entry> {
        self.places.borrow().get(key).and_then(|place| self.entries.borrow().get(*place).cloned())
    }
}

impl JournalStore for MemoryJournal {
    async fn append(&self, entry: Entry) -> Result<Kept> {
        if let Some(known) = self.find(&entry.key()) {
            return Ok(Kept::Before(known.mark));
        }
        let mut entries = self.entries.borrow_mut();
        self.places.borrow_mut().insert(entry.key(), entries.len());
        entries.push(entry);
        Ok(Kept::Now)
    }

    async fn has(&self, event: &Envelope) -> Result<bool> {
        let context = &event.context;
        let key = RecordKey(context.subject.to_string(), format!("{}#{}", context.id, context.source));
        Ok(self.find(&key).is_some())
    }

    async fn warm(&self) {}
}

impl Events for MemoryJournal {
    async fn texts(&self, keys: &[RecordKey]) -> Result<Vec<Option<String>>> {
        Ok(keys.iter().map(|key| self.find(key).map(|entry| entry.text)).collect())
    }
}
