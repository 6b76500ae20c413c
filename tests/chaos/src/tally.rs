//! Counts of all that has happened so far.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// Kind of a count. Within a kind each name has a count of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Acts of customers.
    Order,
    /// Ends of orders.
    End,
    /// Functions that were killed.
    Kill,
    /// Faults of the proxy.
    Fault,
    /// Events that were sent once more.
    Duplicate,
    /// Messages that can never be handled.
    Poison,
    /// Calls that were held against the role of the function that made them.
    Right,
    /// Messages of the dead-letter queues.
    Letter,
    /// Letters that were sent back.
    Redrive,
    /// Updates that whoever watches was told.
    Told,
    /// Sockets that were cut.
    Cut,
}

/// Counts of everything.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: RefCell<BTreeMap<(Kind, String), u64>>,
}

impl Tally {
    pub(crate) fn count(&self, kind: Kind, name: impl Into<String>) {
        self.add(kind, name, 1);
    }

    pub(crate) fn add(&self, kind: Kind, name: impl Into<String>, count: u64) {
        *self.counts.borrow_mut().entry((kind, name.into())).or_default() += count;
    }

    /// Counts what happened to a function, by what the template calls it: `orderflow-PaymentFunction-0C428D223317D`.
    pub(crate) fn count_function(&self, kind: Kind, function: &str) {
        let name = function.split('-').find_map(|part| part.strip_suffix("Function"));
        self.count(kind, name.unwrap_or(function));
    }

    pub(crate) fn total(&self, kind: Kind) -> u64 {
        self.of(kind).iter().map(|(_, count)| count).sum()
    }

    /// The names of a kind with their counts, by name.
    pub(crate) fn of(&self, kind: Kind) -> Vec<(String, u64)> {
        let counts = self.counts.borrow();
        counts.iter().filter(|((of, _), _)| *of == kind).map(|((_, name), count)| (name.clone(), *count)).collect()
    }
}
