//! Journal: the append-only record of all that happened.
//!
//! It takes every event, whatever its type, looks at nothing but the envelope, and keeps the text as it was published,
//! to the letter. An event that comes again is recognised by its key, so that one write without a read is all it takes. The events
//! that are put on record at one moment are listed by one more: a page of the feed, which others read in the order of its pages.

mod api;
mod aws;
mod entry;
mod handler;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod port;
mod settings;

pub use api::FeedApi;
#[cfg(feature = "schema")]
pub use api::schemas;
pub use aws::DynamoJournal;
pub use entry::Entry;
pub use handler::Journal;
#[cfg(any(test, feature = "testing"))]
pub use memory::MemoryJournal;
pub use port::{Events, JournalStore, Kept, MAX_READ};
pub use settings::{Settings, Shards};
