//! Port to the store of the journal.

use auto_impl::auto_impl;
use onewrite::Result;
use onewrite::feed::{Mark, RecordKey};
use orderflow_events::Envelope;

use crate::entry::Entry;

/// The most events that are read at once: of DynamoDB's `BatchGetItem` the quota.
pub const MAX_READ: usize = 100;

/// Store of entries, which are added and never changed.
#[auto_impl(&)]
pub trait JournalStore {
    /// Adds `entry`, unless the same event is on record already.
    ///
    /// # Errors
    ///
    /// It is unknown whether the event is on record.
    async fn append(&self, entry: Entry) -> Result<Kept>;

    /// Tells that `event` is on record.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn has(&self, event: &Envelope) -> Result<bool>;

    /// Opens the connection, so that the first event need not wait for it. Whether it works out shows soon enough.
    async fn warm(&self);
}

/// Result of adding an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is there now.
    Now,
    /// The event had been on record before, with that mark.
    Before(Mark),
}

/// Events of a journal, for those who read them.
#[auto_impl(&)]
pub trait Events {
    /// Texts of the events of those keys, as they were published, in the order of the keys; `None` where there is none. At most
    /// [so many](MAX_READ), all different.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn texts(&self, keys: &[RecordKey]) -> Result<Vec<Option<String>>>;
}
