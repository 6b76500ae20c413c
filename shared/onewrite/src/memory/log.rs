//! Table of a service in memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use envelope::{Contract, Event, Subject, Time};

use crate::decider::{CounterUpdate, InsufficientCounter};
use crate::failure::Result;
use crate::port::{Addition, Appended, Log, OpenPage, OpenSubjects, OwnedSubjects, merged};
use crate::row::Row;
use crate::slot::shard_of;

/// Entries of the index of the open subjects that are answered at once.
const PAGE: usize = 10;

/// Rows and counters.
#[derive(Debug, Default)]
pub struct MemoryLog {
    rows: RefCell<HashMap<Subject, Vec<Row>>>,
    counters: RefCell<BTreeMap<(String, &'static str), i64>>,
    published: RefCell<Vec<String>>,
    closed: RefCell<HashSet<Subject>>,
}

impl MemoryLog {
    /// Sets a counter.
    pub fn set_counter(&self, key: &str, counter: &'static str, value: i64) {
        self.counters.borrow_mut().insert((key.to_owned(), counter), value);
    }

    /// The value of a counter; 0 if it was never set.
    #[must_use]
    pub fn counter(&self, key: &str, counter: &'static str) -> i64 {
        self.counters.borrow().get(&(key.to_owned(), counter)).copied().unwrap_or(0)
    }

    /// All counters of an item; nothing if none of them was ever set: then there is no such item.
    #[must_use]
    pub fn counters(&self, key: &str) -> BTreeMap<&'static str, i64> {
        let counters = self.counters.borrow();
        let of_the_item = counters.iter().filter(|((item, _), _)| item == key);
        of_the_item.map(|((_, counter), value)| (*counter, *value)).collect()
    }

    /// Every counter, by its item's key and its name.
    #[must_use]
    pub fn all_counters(&self) -> BTreeMap<(String, &'static str), i64> {
        self.counters.borrow().clone()
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.borrow().values().map(Vec::len).sum()
    }

    /// Tells that there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All rows, those of one subject together and in their order.
    #[must_use]
    pub fn rows(&self) -> Vec<(Subject, Row)> {
        let rows = self.rows.borrow();
        let mut subjects: Vec<(&Subject, &Vec<Row>)> = rows.iter().collect();
        subjects.sort_unstable_by_key(|(subject, _)| subject.as_str());
        let of = |(subject, rows): (&Subject, &Vec<Row>)| -> Vec<(Subject, Row)> {
            rows.iter().map(|row| (subject.clone(), row.clone())).collect()
        };
        subjects.into_iter().flat_map(of).collect()
    }

    /// Loses a row, as no table does: who compares records has to find it. Answers whether there was one.
    pub fn lose(&self, subject: &Subject, version: u32) -> bool {
        let mut rows = self.rows.borrow_mut();
        let Some(rows) = rows.get_mut(subject) else { return false };
        let before = rows.len();
        rows.retain(|row| row.version != version);
        rows.len() < before
    }

    /// Every event that was committed, in the order of the commits: what the table's stream carries.
    ///
    /// # Panics
    ///
    /// One of them is none of this contract.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test should notice at once that an event is not what was committed")]
    pub fn published<P: Contract>(&self) -> Vec<Event<P>> {
        self.published.borrow().iter().map(|text| Event::decode(text).expect("an event of this contract")).collect()
    }
}

impl Log for MemoryLog {
    async fn read(&self, subject: &Subject) -> Result<Vec<Row>> {
        Ok(self.rows.borrow().get(subject).cloned().unwrap_or_default())
    }

    async fn append_all(&self, additions: &[Addition<'_>]) -> Result<Appended> {
        let updates = merged(additions)?;
        let mut rows = self.rows.borrow_mut();
        let is_taken = |Addition { subject, row, .. }: &Addition<'_>| {
            rows.get(subject).is_some_and(|rows| rows.iter().any(|other| other.version == row.version))
        };
        if additions.iter().any(is_taken) {
            return Ok(Appended::LostRace);
        }
        let insufficient: Vec<InsufficientCounter> =
            updates.iter().filter_map(|update| self.insufficient(update)).collect();
        if !insufficient.is_empty() {
            return Ok(Appended::Short(insufficient));
        }
        for CounterUpdate { key, add, .. } in updates {
            for (counter, delta) in add {
                *self.counters.borrow_mut().entry((key.clone(), counter)).or_default() += delta;
            }
        }
        for Addition { subject, row, .. } in additions {
            let rows = rows.entry((*subject).clone()).or_default();
            rows.push((*row).clone());
            rows.sort_by_key(|row| row.version);
            self.published.borrow_mut().extend(row.events.iter().cloned());
        }
        Ok(Appended::Done)
    }
}

impl MemoryLog {
    fn insufficient(&self, update: &CounterUpdate) -> Option<InsufficientCounter> {
        let (counter, required) = update.at_least;
        let found = self.counter(&update.key, counter);
        (found < required).then(|| InsufficientCounter { key: update.key.clone(), required, found })
    }
}

impl OpenSubjects for MemoryLog {
    async fn page(&self, shard: u8, after: Option<&str>) -> Result<OpenPage> {
        let cursor_of = |(subject, at): &(Subject, Time)| format!("{at} {subject}");
        let mut open = self.open();
        open.retain(|entry| {
            shard_of(entry.0.as_str()) == shard && after.is_none_or(|after| cursor_of(entry).as_str() > after)
        });
        open.sort_by_key(cursor_of);
        let has_more = open.len() > PAGE;
        open.truncate(PAGE);
        Ok(OpenPage { next: open.last().filter(|_| has_more).map(cursor_of), subjects: open })
    }

    async fn count(&self, before: Time) -> Result<u64> {
        Ok(self.open().iter().filter(|(_, at)| *at < before).count() as u64)
    }

    async fn close(&self, subject: &Subject) -> Result<()> {
        self.closed.borrow_mut().insert(subject.clone());
        Ok(())
    }
}

impl OwnedSubjects for MemoryLog {
    async fn owned_by(&self, owner: &str) -> Result<Vec<Subject>> {
        let rows = self.rows.borrow();
        let first = rows.iter().filter_map(|(subject, rows)| Some((subject, rows.first()?)));
        let mut found: Vec<(Time, &Subject)> = first
            .filter(|(_, row)| row.owner.as_deref() == Some(owner))
            .map(|(subject, row)| (row.at, subject))
            .collect();
        found.sort();
        Ok(found.into_iter().map(|(_, subject)| subject.clone()).collect())
    }
}

impl MemoryLog {
    /// Subjects that were begun and not closed, each with the time of its first row.
    fn open(&self) -> Vec<(Subject, Time)> {
        let (rows, closed) = (self.rows.borrow(), self.closed.borrow());
        let open = rows.iter().filter(|(subject, _)| !closed.contains(subject));
        open.filter_map(|(subject, rows)| Some((subject.clone(), rows.first()?.at))).collect()
    }
}
