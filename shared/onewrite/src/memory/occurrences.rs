//! Occurrences in memory.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use envelope::Time;

use super::pace::Paced;
use crate::failure::{Failure, Result};
use crate::port::{MAX_COUNTED, Occurrences};

/// Occurrences in memory: whose, when, and which.
#[derive(Debug, Default)]
pub struct MemoryOccurrences {
    occurrences: RefCell<BTreeSet<(String, Time, String)>>,
}

impl Occurrences for MemoryOccurrences {
    async fn record(&self, whose: &str, id: &str, at: Time) -> Result<()> {
        self.occurrences.borrow_mut().insert((whose.to_owned(), at, id.to_owned()));
        Ok(())
    }

    async fn count(&self, whose: &str, around: Time, within: Duration) -> Result<u32> {
        let occurrences = self.occurrences.borrow();
        let near = occurrences
            .iter()
            .filter(|(other, at, _)| other == whose && around.until(*at).max(at.until(around)) <= within);
        let ids: HashSet<&String> = near.map(|(_, _, id)| id).collect();
        Ok(u32::try_from(ids.len()).unwrap_or(MAX_COUNTED).min(MAX_COUNTED))
    }
}

impl<T: Occurrences> Occurrences for Paced<'_, T> {
    async fn record(&self, whose: &str, id: &str, at: Time) -> Result<()> {
        self.pace.call("record", self.port.record(whose, id, at), timed_out).await
    }

    async fn count(&self, whose: &str, around: Time, within: Duration) -> Result<u32> {
        self.pace.call("count", self.port.count(whose, around, within), timed_out).await
    }
}

fn timed_out() -> Failure {
    Failure::transient("timed out")
}
