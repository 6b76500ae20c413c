//! Keys of persons.

use std::rc::Rc;

use envelope::Time;
use onewrite::Result;
use onewrite::memory::MemoryKeys;
use onewrite::personal::{Key, Keys};

use crate::caller::Caller;

/// Table of the keys of persons, as a caller may touch it.
#[derive(Clone)]
pub struct KeyTable {
    /// The caller.
    pub caller: Caller,
    /// The keys.
    pub keys: Rc<MemoryKeys>,
}

impl Keys for KeyTable {
    async fn find(&self, owner: &str) -> Result<Option<Key>> {
        let (keys, owner) = (Rc::clone(&self.keys), owner.to_owned());
        self.caller.ask("table", "find key", move || async move { keys.find(&owner).await }).await
    }

    async fn find_or_create(&self, owner: &str, fresh: &Key, now: Time) -> Result<Key> {
        let (keys, owner, fresh) = (Rc::clone(&self.keys), owner.to_owned(), fresh.clone());
        let effect = move || async move { keys.find_or_create(&owner, &fresh, now).await };
        self.caller.ask("table", "create key", effect).await
    }

    async fn erase(&self, owner: &str) -> Result<bool> {
        let (keys, owner) = (Rc::clone(&self.keys), owner.to_owned());
        self.caller.ask("table", "erase key", move || async move { keys.erase(&owner).await }).await
    }
}
