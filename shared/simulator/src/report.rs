//! Report of a run, or of many.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::faults::FaultKind;
use crate::guarantees::Violation;

/// Figures of a run, and the invariant that broke in it, if one did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Messages that were handed to functions.
    pub deliveries: u64,
    /// Deliveries that had to come again.
    pub retries: u64,
    /// Letters that were parked.
    pub letters: u64,
    /// Letters that were sent back to their queues.
    pub redrives: u64,
    /// Messages that no function can read.
    pub poisoned: u64,
    /// Number of faults of each kind, in the order of [`FaultKind::ALL`].
    pub faults: [u64; FaultKind::ALL.len()],
    /// Number of all faults.
    pub happened: u64,
    /// Number of calls until nothing was left to do.
    pub calls: u64,
    /// Number of times that any task went on.
    pub steps: u64,
    /// Functions and the types of events that they were handed, where there is a trace.
    pub delivered: BTreeSet<(&'static str, String)>,
    /// Observations of the functions, by their names.
    pub observed: BTreeMap<&'static str, u64>,
    /// Virtual time that has passed.
    pub passed: Duration,
    /// Invariant that did not hold.
    pub violation: Option<Violation>,
    /// Trace that was asked for, as a diagram.
    pub trace: String,
}

impl Report {
    /// Adds the figures of another run, and keeps the first violation.
    pub fn add(&mut self, other: &Self) {
        for (total, more) in [
            (&mut self.deliveries, other.deliveries),
            (&mut self.retries, other.retries),
            (&mut self.letters, other.letters),
            (&mut self.redrives, other.redrives),
            (&mut self.poisoned, other.poisoned),
            (&mut self.happened, other.happened),
            (&mut self.calls, other.calls),
            (&mut self.steps, other.steps),
        ] {
            *total += more;
        }
        for (total, more) in self.faults.iter_mut().zip(other.faults) {
            *total += more;
        }
        self.delivered.extend(other.delivered.iter().cloned());
        for (observation, more) in &other.observed {
            *self.observed.entry(observation).or_default() += more;
        }
        self.passed += other.passed;
        if self.violation.is_none() {
            self.violation.clone_from(&other.violation);
        }
    }
}
