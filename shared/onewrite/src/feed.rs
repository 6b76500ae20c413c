//! Feed: all that is put on record, once each, in an order that its readers can rely on.
//!
//! The records are elsewhere, in a table that they are put into once and stay in. The feed is a log of their keys, in a few
//! shards. A page of a shard has the next position, and is written on the condition that nobody has taken it, by somebody who has
//! seen the page before: so no page becomes visible before one that a reader has to see first, however long its writer stalls.
//!
//! ```text
//!  mark: shard 3, after page 17 ──► put the record, with its mark ──► append page 18 of shard 3, if there is none
//!                                                                        │
//!            read the pages after the mark: which has the key? ◄─────────┘ somebody else did
//! ```
//!
//! A crash between the record and its page leaves a record that is not listed. Whoever is told of it again finds it, and lists it by
//! its mark: it is in none of the pages up to that, and not in those after it, for these are read before another is written. So it is
//! listed once, whoever else does the same at that moment.

mod cursor;
mod log;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use cursor::Cursor;
pub use log::{FeedLog, MAX_SHARDS, Mark, Page, RecordKey};
pub use reader::{Listed, end, read};
pub use writer::FeedWriter;
