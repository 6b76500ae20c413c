#![doc = include_str!("../README.md")]

#[doc(hidden)]
pub mod __private;
mod context;
mod contract;
pub mod describe;
mod event;
mod id;
mod pattern;
mod personal;
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
pub use pattern::Pattern;
pub use personal::{KeyName, NONCE_BYTES, Personal, SealedParts, TAG_BYTES, sealed_header};
pub use read::{Fault, Faults, Node, Read, parse};
pub use text::{Invalid, Source, Text, is_plain, plain, token};
pub use time::{Time, WRITABLE_MS};
