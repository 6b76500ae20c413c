//! Port to the store of the journal.

use auto_impl::auto_impl;
use onewrite::{Projected, Result};
use orderflow_events::Envelope;

use crate::entry::Entry;

/// Store of entries, which are added and never changed.
#[auto_impl(&)]
pub trait JournalStore {
    /// Adds `entry`, unless the same event is on record already.
    ///
    /// # Errors
    ///
    /// It is unknown whether the event is on record.
    async fn append(&self, entry: Entry) -> Result<Projected>;

    /// Tells that `event` is on record.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn has(&self, event: &Envelope) -> Result<bool>;

    /// Opens the connection, so that the first event need not wait for it. Whether it works out shows soon enough.
    async fn warm(&self);
}
