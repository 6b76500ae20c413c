//! What every orderflow function stands on: exactly-once effects on at-least-once delivery.
//!
//! A queue delivers an event at least once, in an order that is never assumed, to functions that may die at any line.
//! A service says what an event means, as a pure [`Decider`]; this crate does the rest:
//!
//! - [`Batch`] takes the records of an SQS invocation apart, runs the orders side by side, retries what may pass with
//!   exponential back-off, and parks in a dead-letter queue what cannot.
//! - [`Process`] handles one event: read the order's rows, fold them, decide, and commit the decision together with the
//!   events that it publishes on the next version. That one conditional write is the idempotency record, the change of
//!   state, the audit trail and the outbox.
//! - [`Failure`] is transient or permanent, and every error says which.
//!
//! All IO, time and chance are behind the narrow traits in [`port`]. [`aws`] has them for real, [`memory`] in memory.

pub mod aws;
mod backoff;
mod batch;
pub mod config;
mod decider;
mod failure;
pub mod http;
mod lease;
mod ledger;
pub mod memory;
mod message;
mod park;
pub mod port;
mod process;
mod row;
mod self_check;
pub mod telemetry;
mod trace;

pub use backoff::backoff_seconds;
pub use batch::{Batch, Delivery, Handle, Handled, serve};
pub use decider::{Adjustment, Commit, Decider, Effects, NoEffects, Rejection, Shortfall, Standing, Step};
pub use failure::{Failure, Kind, Outcome};
pub use lease::{Lease, Leased, with_lease};
pub use ledger::{Committed, History, Ledger, Origin};
pub use message::Fact;
pub use park::{Attribute, Letter};
pub use process::Process;
pub use row::{Cause, Row};
pub use trace::TraceParent;
