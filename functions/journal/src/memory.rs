//! The journal in memory.

use std::cell::RefCell;
use std::collections::HashSet;

use onewrite::{Projected, Result};
use orderflow_events::{Envelope, EventId, Source, Subject};

use crate::entry::Entry;
use crate::port::JournalStore;

/// Entries in memory.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    entries: RefCell<Vec<Entry>>,
    keys: RefCell<HashSet<(Subject, EventId, Source)>>,
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
        self.entries.borrow_mut().retain(|entry| entry.id != *event);
        self.keys.borrow_mut().retain(|(_, id, _)| id != event);
    }
}

impl JournalStore for MemoryJournal {
    async fn append(&self, entry: Entry) -> Result<Projected> {
        if !self.keys.borrow_mut().insert((entry.subject.clone(), entry.id.clone(), entry.source.clone())) {
            return Ok(Projected::Before);
        }
        self.entries.borrow_mut().push(entry);
        Ok(Projected::Now)
    }

    async fn has(&self, event: &Envelope) -> Result<bool> {
        let context = &event.context;
        let key = (context.subject.clone(), context.id.clone(), context.source.clone());
        Ok(self.keys.borrow().contains(&key))
    }

    async fn warm(&self) {}
}
