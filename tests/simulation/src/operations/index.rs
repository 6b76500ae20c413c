//! Index of the journal in memory, by time and by subject, as its table has them.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use onewrite::Slot;
use orderflow_journal::{Entry, MemoryJournal};
use orderflow_operations::{Glimpse, Range, Recorded};

/// Journal and its index.
pub struct JournalIndex {
    journal: Rc<MemoryJournal>,
    /// Number of the entries that are in the index.
    indexed: Cell<usize>,
    slots: RefCell<HashMap<Slot, Vec<Recorded>>>,
    subjects: RefCell<HashMap<String, Vec<(String, Recorded)>>>,
    events: RefCell<HashSet<(String, String)>>,
}

impl JournalIndex {
    /// Index of that journal.
    pub fn of(journal: &Rc<MemoryJournal>) -> Self {
        Self {
            journal: Rc::clone(journal),
            indexed: Cell::new(0),
            slots: RefCell::default(),
            subjects: RefCell::default(),
            events: RefCell::default(),
        }
    }

    /// Entries of a slot in a range, the oldest first.
    pub fn slot(&self, slot: Slot, range: Range) -> Vec<Recorded> {
        self.refresh();
        let slots = self.slots.borrow();
        let entries = slots.get(&slot).into_iter().flatten();
        let mut entries: Vec<Recorded> =
            entries.filter(|entry| (range.from..=range.to).contains(&entry.at)).cloned().collect();
        entries.sort_by_key(|entry| entry.at);
        entries
    }

    /// Entries of a subject, in the order of their ids.
    pub fn of_subject(&self, subject: &str) -> Vec<Recorded> {
        self.refresh();
        let mut entries = self.subjects.borrow().get(subject).cloned().unwrap_or_default();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries.into_iter().map(|(_, entry)| entry).collect()
    }

    /// Tells of each event that it is on record.
    pub fn has(&self, events: &[Glimpse]) -> Vec<bool> {
        self.refresh();
        let known = self.events.borrow();
        let has = |event: &Glimpse| {
            let key = event.source.clone().zip(event.id.clone());
            key.is_some_and(|key| known.contains(&key))
        };
        events.iter().map(has).collect()
    }

    /// Adds what has come since; all over again, where something was lost.
    fn refresh(&self) {
        if self.journal.len() < self.indexed.get() {
            self.indexed.set(0);
            self.slots.take();
            self.subjects.take();
            self.events.take();
        }
        let new = self.journal.entries_after(self.indexed.get());
        self.indexed.set(self.indexed.get() + new.len());
        let (mut slots, mut subjects) = (self.slots.borrow_mut(), self.subjects.borrow_mut());
        for Entry { subject, id, source, text, recorded_at, .. } in new {
            let recorded = Recorded { at: recorded_at, text };
            slots.entry(Slot::of(subject.as_str(), recorded_at)).or_default().push(recorded.clone());
            subjects.entry(subject.to_string()).or_default().push((format!("{id}#{source}"), recorded));
            self.events.borrow_mut().insert((source.to_string(), id.to_string()));
        }
    }
}
