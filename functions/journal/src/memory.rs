//! The journal in memory.

use std::cell::RefCell;

use orderflow_consumer::Outcome;

use crate::entry::Entry;
use crate::store::{Appended, JournalStore};

/// Entries in memory.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    entries: RefCell<Vec<Entry>>,
}

impl MemoryJournal {
    /// The entries, in the order in which they were added.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.borrow().clone()
    }
}

impl JournalStore for MemoryJournal {
    async fn append(&self, entry: Entry) -> Outcome<Appended> {
        let mut entries = self.entries.borrow_mut();
        let key = |entry: &Entry| (entry.order.clone(), entry.id, entry.source.clone());
        if entries.iter().any(|other| key(other) == key(&entry)) {
            return Ok(Appended::Before);
        }
        entries.push(entry);
        Ok(Appended::Done)
    }

    async fn warm(&self) {}
}
