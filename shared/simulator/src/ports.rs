//! Ports of the toolkit on the models: every call takes time, and may go wrong in every way.

mod keys;
mod leases;
mod occurrences;
mod queue;
mod table;
mod topic;

pub use keys::KeyTable;
pub use leases::LeaseTable;
pub use occurrences::OccurrenceTable;
pub use queue::{QueuePort, Queues, RelayLetters};
pub use table::Table;
pub use topic::TopicPort;
