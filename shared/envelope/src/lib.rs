#![doc = include_str!("../README.md")]

mod context;
mod contract;
pub mod describe;
mod event;
mod id;
#[cfg(test)]
mod properties;
mod read;
#[cfg(feature = "sample")]
pub mod sample;
#[cfg(any(test, feature = "strategy"))]
pub mod strategy;
mod text;
mod time;

#[cfg(feature = "schema")]
pub use context::event_schema;
pub use context::{Context, Envelope, Extensions, KNOWN, SPEC_VERSION};
pub use contract::{About, Contract, EventType, Heard};
pub use describe::PLAIN;
pub use event::{DecodeError, Event};
pub use id::{EventId, Subject, derive_id};
pub use read::{Fault, Faults, Node, Read, parse};
pub use text::{Invalid, Source, Text, is_plain, plain, token};
pub use time::{Time, WRITABLE_MS};

/// For the macros of this crate alone.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "schema")]
    pub use schemars;
    pub use serde;
}
