//! Log of a feed: pages of keys, in shards.

use std::fmt;
use std::str::FromStr;

use auto_impl::auto_impl;
use envelope::{Invalid, Time};
use serde::{Deserialize, Serialize};

use crate::failure::Result;

/// The most shards of a feed.
pub const MAX_SHARDS: u8 = 64;

/// Log of keys, in shards of pages, which are added and never changed.
#[auto_impl(&, Rc)]
pub trait FeedLog {
    /// Adds the page of that position, unless there is one: tells whether it was added. Positions begin at 1, and the page before
    /// must be there.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was added.
    async fn append(&self, shard: u8, position: u64, page: &Page) -> Result<bool>;

    /// The pages of a shard after that position, in their order: so many, or all that there are, however large. None that was added
    /// before is missing, so fewer are its end.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or a page is not understood.
    async fn after(&self, shard: u8, position: u64, most: u16) -> Result<Vec<(u64, Page)>>;

    /// Position of the last page of a shard; 0 where there is none.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    async fn head(&self, shard: u8) -> Result<u64>;
}

/// Page of a feed: keys that were added together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Time at which it was written, by the writer's clock. Readers merge the shards by it, and nothing else rests on it.
    pub at: Time,
    /// Keys of the records, at least one.
    pub records: Vec<RecordKey>,
}

/// Key of a record in its table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordKey(
    /// Partition key.
    pub String,
    /// Sort key.
    pub String,
);

/// Place of the feed after which a record is listed, kept with the record: it is in no page up to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The shard.
    pub shard: u8,
    /// Position of a page.
    pub after: u64,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.shard, self.after)
    }
}

impl FromStr for Mark {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::rule("must be a shard and a position, such as 3#17".to_owned());
        let (shard, after) = text.split_once('#').ok_or_else(invalid)?;
        let shard = shard.parse().ok().filter(|shard| *shard < MAX_SHARDS).ok_or_else(invalid)?;
        Ok(Self { shard, after: after.parse().map_err(|_| invalid())? })
    }
}
