//! Occurrences that are counted.

use std::rc::Rc;
use std::time::Duration;

use envelope::Time;
use onewrite::Result;
use onewrite::memory::MemoryOccurrences;
use onewrite::port::Occurrences;

use crate::caller::Caller;

/// Table of occurrences, as a caller may touch it.
#[derive(Clone)]
pub struct OccurrenceTable {
    /// The caller.
    pub caller: Caller,
    /// The occurrences.
    pub occurrences: Rc<MemoryOccurrences>,
}

impl Occurrences for OccurrenceTable {
    async fn record(&self, whose: &str, id: &str, at: Time) -> Result<()> {
        let (occurrences, whose, id) = (Rc::clone(&self.occurrences), whose.to_owned(), id.to_owned());
        let effect = move || async move { occurrences.record(&whose, &id, at).await };
        self.caller.ask("table", "record occurrence", effect).await
    }

    async fn count(&self, whose: &str, around: Time, within: Duration) -> Result<u32> {
        let (occurrences, whose) = (Rc::clone(&self.occurrences), whose.to_owned());
        let effect = move || async move { occurrences.count(&whose, around, within).await };
        self.caller.ask("table", "count occurrences", effect).await
    }
}
