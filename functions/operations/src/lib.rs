//! Operations: dead letters on record, mended, sent back, and told what has become of them.
//!
//! Three functions: `letters`, one for each service, collects from every queue of dead letters; `operations-api` shows, edits
//! and drops them, tells of orders, and takes jobs on; `jobs` carries these out: redrives, replays and reconciliations.

mod api;
mod archive;
mod attempt;
mod aws;
mod collector;
mod console;
mod domain;
mod gauges;
mod jobs;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod message;
mod pages;
mod persons;
mod port;
mod reason;
mod sealing;
mod selection;
mod service;
mod settings;
#[cfg(test)]
mod tests;
mod view;

pub use api::OperationsApi;
#[cfg(feature = "schema")]
pub use api::schemas;
pub use archive::{Range, Recorded, SlotPage};
pub use aws::{AwsStack, DynamoOperations};
pub use collector::{Collector, Post};
pub use domain::{
    Arrival, Class, Destination, Entry, Glimpse, Letter, LetterId, Origin, Refused, Sending, State, letter_id_of,
};
pub use gauges::observe_letters;
pub use jobs::Jobs;
pub use jobs::job::{Head, Job, Progress, Runner};
pub use jobs::reconciliation::{Finding, OutboxRow, Reconciliation, ReconciliationId, RowPage};
pub use jobs::redrive::{Act, MAX_LETTERS, Outcome, Redrive, RedriveId};
pub use jobs::replay::{Replay, ReplayId, Wanted};
#[cfg(any(test, feature = "testing"))]
pub use memory::MemoryOperations;
pub use message::{Kept, Message};
pub use persons::{Persons, UNOWNED_KEPT};
pub use port::{
    Archive, Backlog, Consumers, Depth, Directory, Gauges, JobStore, LetterStore, Logs, OpenLetters, Outboxes, PART,
    PartStore, Queues, Relays, Since, Stored,
};
pub use reason::general;
pub use selection::Selection;
pub use service::{Service, TableType};
