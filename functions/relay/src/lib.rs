//! The relay: the one door by which facts leave.
//!
//! Each service's table is its outbox: a row that has events reaches the relay through the table's stream, and the relay
//! publishes them. It may publish them again after a crash, which is harmless: they keep their ids, and every consumer
//! is idempotent.

pub mod memory;
mod outbox;
mod relay;
mod topic;

pub use outbox::{Entry, MAX_BATCH_BYTES, MAX_BATCH_ENTRIES, Outbox, OutboxRow, Unpublishable, read_row};
pub use relay::{RESERVE, Relay};
pub use topic::{Refusal, SnsTopic, Topic};
