//! The journal in memory.

use std::cell::RefCell;
use std::collections::HashMap;

use onewrite::Result;
use onewrite::feed::{Mark, RecordKey};
use orderflow_events::{Envelope, EventId};

use crate::entry::{Entry, key_of};
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

    /// Entries that were added after the first so many.
    #[must_use]
    pub fn entries_after(&self, count: usize) -> Vec<Entry> {
        self.entries.borrow().get(count..).unwrap_or_default().to_vec()
    }

    /// Number of the entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Tells that there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.borrow().is_empty()
    }

    /// Loses the entry of an event, as no journal does: who compares records has to find it.
    pub fn lose(&self, event: &EventId) {
        let mut entries = self.entries.borrow_mut();
        entries.retain(|entry| entry.id != *event);
        self.places.replace(entries.iter().enumerate().map(|(place, entry)| (entry.key(), place)).collect());
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

    async fn mark_of(&self, event: &Envelope) -> Result<Option<Mark>> {
        Ok(self.find(&key_of(event)).map(|entry| entry.mark))
    }

    async fn warm(&self) {}
}

impl Events for MemoryJournal {
    async fn texts(&self, keys: &[RecordKey]) -> Result<Vec<Option<String>>> {
        Ok(keys.iter().map(|key| self.find(key).map(|entry| entry.text)).collect())
    }
}
