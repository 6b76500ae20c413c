//! Operations: dead letters on record, mended, sent back, and told what has become of them.
//!
//! Three functions: `letters`, one for each service, collects from every queue of dead letters; `operations-api` shows, edits
//! and drops them, and takes orders to send them back; `redrives` carries these out.

mod api;
mod aws;
mod collector;
mod domain;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod port;
mod reason;
mod redrive;
mod runner;
mod selection;
mod settings;
#[cfg(test)]
mod tests;
mod view;

pub use api::OperationsApi;
#[cfg(feature = "schema")]
pub use api::schemas;
pub use aws::{DynamoOperations, DynamoRecords, SqsQueues};
pub use collector::{Collector, Post};
pub use domain::{
    Arrival, Class, Destination, Entry, Glimpse, Letter, LetterId, Message, Origin, Refused, Sending, State,
};
#[cfg(any(test, feature = "testing"))]
pub use memory::MemoryOperations;
pub use port::{LetterStore, PART, Queues, Records, RedriveStore, Since, Stored};
pub use reason::general;
pub use redrive::{Act, MAX_LETTERS, Outcome, Progress, Redrive, RedriveId, Runner};
pub use runner::RedriveRunner;
pub use selection::Selection;
