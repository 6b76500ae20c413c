//! Keys of persons in memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use envelope::Time;

use super::pace::Paced;
use crate::failure::{Failure, Result};
use crate::personal::{Key, Keys};

/// Keys by their owners.
#[derive(Debug, Default)]
pub struct MemoryKeys {
    keys: RefCell<BTreeMap<String, Key>>,
    finds: Cell<u32>,
}

impl MemoryKeys {
    /// Number of times that a key was looked for.
    #[must_use]
    pub fn finds(&self) -> u32 {
        self.finds.get()
    }

    /// Owners of keys.
    #[must_use]
    pub fn owners(&self) -> Vec<String> {
        self.keys.borrow().keys().cloned().collect()
    }
}

impl Keys for MemoryKeys {
    async fn find(&self, owner: &str) -> Result<Option<Key>> {
        self.finds.set(self.finds.get() + 1);
        Ok(self.keys.borrow().get(owner).cloned())
    }

    async fn find_or_create(&self, owner: &str, fresh: &Key, _: Time) -> Result<Key> {
        Ok(self.keys.borrow_mut().entry(owner.to_owned()).or_insert_with(|| fresh.clone()).clone())
    }

    async fn erase(&self, owner: &str) -> Result<bool> {
        Ok(self.keys.borrow_mut().remove(owner).is_some())
    }
}

impl<T: Keys> Keys for Paced<'_, T> {
    async fn find(&self, owner: &str) -> Result<Option<Key>> {
        self.pace.pause("before find key").await;
        self.port.find(owner).await
    }

    async fn find_or_create(&self, owner: &str, fresh: &Key, now: Time) -> Result<Key> {
        self.pace.call("create key", self.port.find_or_create(owner, fresh, now), timed_out).await
    }

    async fn erase(&self, owner: &str) -> Result<bool> {
        self.pace.call("erase key", self.port.erase(owner), timed_out).await
    }
}

fn timed_out() -> Failure {
    Failure::transient("timed out")
}
