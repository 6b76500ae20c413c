//! Settings of the journal.

use onewrite::envelope::reads;
use onewrite::feed::MAX_SHARDS;
use orderflow_events::{Faults, Node, Read, Text};

/// Settings: the variable `SETTINGS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the table that has the pages of the feed.
    pub feed_table_name: Text,
    /// Shards of the feed. They may become more, and never fewer.
    pub feed_shards: Shards,
}

reads!(Settings { feed_table_name: required("feedTableName"), feed_shards: required("feedShards") });

/// Number of shards: from 1 to the [most](MAX_SHARDS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shards(pub u8);

impl Read for Shards {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let shards = node.integer(1, i64::from(MAX_SHARDS), faults)?;
        u8::try_from(shards).ok().map(Self)
    }
}
