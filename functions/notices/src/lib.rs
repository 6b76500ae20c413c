//! Notices: tells the shop's staff by mail what has happened, by conditions of theirs, in digests.
//!
//! A rule is an event pattern, an address, and a number of minutes: what matches is gathered, and told in a digest, of which there
//! is at most one in so many minutes. It is a follower of the feed, and no service: it hears nothing by a queue, decides nothing
//! about an order, and nobody waits for it. The feed lists each event once and for ever, so that a cursor in the state of a rule is
//! all that it takes to tell of each event once, whatever was down meanwhile.
//!
//! - `domain` is a rule and its state: pure, and without IO.
//! - `effects` is one run of the clock: it reads the feed, and sends what is due behind a lease.
//! - `wording` finds the words, from the templates in `templates/`. A digest has types, times, amounts and ids in it, and nobody.

mod aws;
mod domain;
mod effects;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod port;
mod settings;
mod wording;

pub use aws::DynamoNotices;
pub use domain::{Every, Found, Match, Rule, State};
pub use effects::Notices;
#[cfg(any(test, feature = "testing"))]
pub use memory::MemoryNotices;
pub use port::{NoticeStore, Stored};
pub use settings::Settings;

#[cfg(test)]
mod tests;
