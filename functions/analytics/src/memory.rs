//! Counts in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;

use onewrite::{Failure, Result};

use crate::port::{CountStore, Key};

/// The largest item of DynamoDB, with what its key takes.
const MAX_BYTES: usize = 399_000;

/// Items in memory.
#[derive(Debug, Default)]
pub struct MemoryCounts {
    items: RefCell<BTreeMap<Key, String>>,
}

impl MemoryCounts {
    /// All items, by their keys.
    #[must_use]
    pub fn items(&self) -> BTreeMap<Key, String> {
        self.items.borrow().clone()
    }
}

impl CountStore for MemoryCounts {
    async fn get(&self, key: &Key) -> Result<Option<String>> {
        Ok(self.items.borrow().get(key).cloned())
    }

    async fn range(&self, partition: &str, from: &str, to: &str) -> Result<Vec<(String, String)>> {
        if from > to {
            return Ok(Vec::new());
        }
        let items = self.items.borrow();
        let found = items.range(Key::new(partition, from)..=Key::new(partition, to));
        Ok(found.map(|(key, text)| (key.sort.clone(), text.clone())).collect())
    }

    async fn put(&self, key: &Key, text: &str) -> Result<()> {
        if text.len() > MAX_BYTES {
            return Err(Failure::permanent("an item is too large"));
        }
        self.items.borrow_mut().insert(key.clone(), text.to_owned());
        Ok(())
    }

    async fn replace(&self, key: &Key, before: Option<&str>, text: &str) -> Result<bool> {
        let is_there = self.items.borrow().get(key).map(String::as_str) == before;
        if is_there {
            self.put(key, text).await?;
        }
        Ok(is_there)
    }

    async fn warm(&self) {}
}
