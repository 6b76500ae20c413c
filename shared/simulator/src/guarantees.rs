//! Guarantees of the toolkit, checked at every moment against what is really there.
//!
//! Only what a step has touched is looked at, so that a run of a million steps is no slower for it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};

use envelope::Time;

/// Invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant, and how it broke.
    pub what: String,
    /// The subject that shows it, where it is one.
    pub subject: Option<String>,
}

impl Violation {
    /// Violation that no single subject shows.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), subject: None }
    }

    /// Violation that `subject` shows.
    #[must_use]
    pub fn of(subject: &str, what: impl Into<String>) -> Self {
        Self { what: what.into(), subject: Some(subject.to_owned()) }
    }
}

/// Record of the events and leases of a run.
#[derive(Debug, Default)]
pub struct Guarantees {
    committed: RefCell<HashMap<String, String>>,
    published: RefCell<HashSet<String>>,
    leases: RefCell<HashMap<String, Lease>>,
    leases_given: Cell<u64>,
}

#[derive(Debug)]
struct Lease {
    owner: String,
    until: Time,
    done: bool,
}

impl Guarantees {
    /// Notes that an event was committed. Ids are unique.
    pub(crate) fn committed(&self, subject: &str, id: String) -> Result<(), Violation> {
        let mut committed = self.committed.borrow_mut();
        if committed.contains_key(&id) {
            return Err(Violation::of(subject, format!("two events have the id {id}")));
        }
        committed.insert(id, subject.to_owned());
        Ok(())
    }

    /// Notes that an event reached the topic.
    pub(crate) fn published(&self, id: &str) {
        let mut published = self.published.borrow_mut();
        if !published.contains(id) {
            published.insert(id.to_owned());
        }
    }

    /// Ids of all events that were committed or published.
    #[must_use]
    pub fn events(&self) -> BTreeSet<String> {
        self.published.borrow().iter().chain(self.committed.borrow().keys()).cloned().collect()
    }

    /// Number of those events.
    pub(crate) fn events_count(&self) -> u64 {
        let published = self.published.borrow();
        let committed = self.committed.borrow();
        (published.len() + committed.keys().filter(|id| !published.contains(*id)).count()) as u64
    }

    /// Every committed event reached the topic.
    pub(crate) fn check_published(&self) -> Result<(), Violation> {
        let published = self.published.borrow();
        let committed = self.committed.borrow();
        let missing = committed.iter().filter(|(id, _)| !published.contains(*id)).min();
        missing.map_or(Ok(()), |(id, subject)| {
            Err(Violation::of(subject, format!("the event {id} was committed and never reached the topic")))
        })
    }

    /// Notes that `owner` was given a lease, and that it is `now` by their clock. Nobody is given one that another
    /// holds, or whose effect is done.
    pub(crate) fn leased(&self, key: &str, owner: &str, now: Time, until: Time) -> Result<(), Violation> {
        self.leases_given.set(self.leases_given.get() + 1);
        let mut leases = self.leases.borrow_mut();
        let before = leases.insert(key.to_owned(), Lease { owner: owner.to_owned(), until, done: false });
        match before.filter(|lease| lease.owner != owner) {
            Some(lease) if lease.done => Err(Violation::new(format!("the lease {key} was given for what is done"))),
            Some(lease) if lease.until > now => {
                Err(Violation::new(format!("the lease {key} was given while somebody else held it")))
            }
            _ => Ok(()),
        }
    }

    /// Notes that `owner` says that the effect behind a lease is done. It counts if the lease is theirs.
    pub(crate) fn lease_completed(&self, key: &str, owner: &str) {
        if let Some(lease) = self.leases.borrow_mut().get_mut(key).filter(|lease| lease.owner == owner) {
            lease.done = true;
        }
    }

    /// Notes that `owner` gives a lease up. It counts if the lease is theirs.
    pub(crate) fn lease_released(&self, key: &str, owner: &str) {
        if let Some(lease) = self.leases.borrow_mut().get_mut(key).filter(|lease| lease.owner == owner) {
            lease.until = Time::from_millis(0);
        }
    }

    /// Number of times that anybody was given a lease.
    pub fn leases_given(&self) -> u64 {
        self.leases_given.get()
    }

    /// Holder of a lease.
    pub(crate) fn holder(&self, key: &str) -> Option<String> {
        self.leases.borrow().get(key).map(|lease| lease.owner.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_committed_once_and_published() {
        let guarantees = Guarantees::default();
        assert_eq!(guarantees.committed("a", "1".to_owned()), Ok(()));
        let again = guarantees.committed("b", "1".to_owned());
        assert_eq!(again, Err(Violation::of("b", "two events have the id 1")));
        assert_eq!(guarantees.check_published().unwrap_err().subject.as_deref(), Some("a"));
        for id in ["1", "2"] {
            guarantees.published(id);
        }
        assert_eq!(guarantees.check_published(), Ok(()));
        assert_eq!(guarantees.events().len() as u64, guarantees.events_count());
    }

    #[test]
    fn a_lease_is_given_to_one_at_a_time_and_never_for_what_is_done() {
        let at = |second: i64| Time::from_millis(second * 1_000);
        let guarantees = Guarantees::default();
        assert_eq!(guarantees.leased("mail", "a", at(0), at(10)), Ok(()));
        assert!(guarantees.leased("mail", "b", at(9), at(20)).is_err(), "it is held");
        assert_eq!(guarantees.leased("mail", "c", at(20), at(30)), Ok(()), "it has run out");
        guarantees.lease_released("mail", "b");
        assert!(guarantees.leased("mail", "d", at(21), at(40)).is_err(), "it was not b's to release");
        guarantees.lease_released("mail", "d");
        assert_eq!(guarantees.leased("mail", "e", at(22), at(40)), Ok(()));
        guarantees.lease_completed("mail", "e");
        assert!(guarantees.leased("mail", "f", at(50), at(60)).is_err(), "it is done");
    }
}
