//! Feed in memory.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::failure::{Failure, Result};
use crate::feed::{FeedLog, Page, RecordKey};

/// Pages in memory, by their shards.
#[derive(Debug, Default)]
pub struct MemoryFeed {
    shards: RefCell<HashMap<u8, Vec<Page>>>,
}

impl MemoryFeed {
    /// All keys, shard after shard.
    #[must_use]
    pub fn records(&self) -> Vec<RecordKey> {
        let shards = self.shards.borrow();
        shards.values().flatten().flat_map(|page| page.records.iter().cloned()).collect()
    }

    /// Number of pages.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.shards.borrow().values().map(Vec::len).sum()
    }
}

impl FeedLog for MemoryFeed {
    async fn append(&self, shard: u8, position: u64, page: &Page) -> Result<bool> {
        let mut shards = self.shards.borrow_mut();
        let pages = shards.entry(shard).or_default();
        let index = usize::try_from(position).unwrap_or(usize::MAX).saturating_sub(1);
        if index > pages.len() {
            return Err(Failure::permanent("there is no page before it"));
        }
        let is_new = index == pages.len();
        if is_new {
            pages.push(page.clone());
        }
        Ok(is_new)
    }

    async fn after(&self, shard: u8, position: u64, most: u16) -> Result<Vec<(u64, Page)>> {
        let shards = self.shards.borrow();
        let pages = shards.get(&shard).into_iter().flatten();
        let skipped = usize::try_from(position).unwrap_or(usize::MAX);
        Ok((position + 1..).zip(pages.skip(skipped).take(most.into()).cloned()).collect())
    }

    async fn head(&self, shard: u8) -> Result<u64> {
        Ok(self.shards.borrow().get(&shard).map_or(0, |pages| pages.len() as u64))
    }
}
