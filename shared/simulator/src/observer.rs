//! Observer of a run: the invariants of whoever is simulated.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use envelope::Time;
use onewrite::memory::MemoryLog;
use onewrite::port::Addition;
use onewrite::telemetry::Observation;

use crate::guarantees::Violation;

/// Observer of everything that becomes a fact, at the moment at which it does, and of what there is in the end.
///
/// Each of its methods answers with the invariant that it finds broken, if it finds one; the run ends there.
pub trait Observer {
    /// Notes the rows that one write has added to a service's table, as the ledger asked for them: all of them are in it.
    ///
    /// # Errors
    ///
    /// An invariant that they have broken.
    fn appended(&self, appends: &[Append<'_>]) -> Result<(), Violation> {
        let _ = appends;
        Ok(())
    }

    /// Notes that an event reached the topic; again, where it is published again.
    ///
    /// # Errors
    ///
    /// An invariant that the event has broken.
    fn published(&self, subject: &str, message: &str) -> Result<(), Violation> {
        let _ = (subject, message);
        Ok(())
    }

    /// Notes what a function of that service observes of itself, its relay included.
    fn observed(&self, service: &'static str, event_type: Option<&str>, observation: &Observation<'_>) {
        let _ = (service, event_type, observation);
    }

    /// Checks what there is once nothing is left to do.
    ///
    /// # Errors
    ///
    /// An invariant that does not hold at rest.
    fn at_rest(&self, rest: &Rest<'_>) -> Result<(), Violation> {
        let _ = rest;
        Ok(())
    }

    /// Counts what there is of everything that an event can change beyond the services' tables. What comes again at
    /// rest must leave it as it is.
    fn footprint(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// Observer that sees nothing: the guarantees of the toolkit are checked without it.
impl Observer for () {}

/// Row that was added, and the table that has it.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    /// Name of the service.
    pub service: &'static str,
    /// The row, its subject, and the counters that changed with it.
    pub addition: Addition<'a>,
    /// The service's table, with the row in it.
    pub table: &'a MemoryLog,
}

/// State of everything once nothing is left to do.
#[derive(Clone, Copy, Debug)]
pub struct Rest<'a> {
    /// Tables by service.
    pub tables: &'a BTreeMap<&'static str, Rc<MemoryLog>>,
    /// By subject, the services that have a dead letter of it.
    pub letters: &'a BTreeMap<String, BTreeSet<&'static str>>,
    /// Ids of all events that were committed or published.
    pub events: &'a BTreeSet<String>,
    /// Time at which all is at rest.
    pub now: Time,
}
