//! Keys of links in memory.

use std::cell::Cell;

use crate::failure::{Failure, Result};
use crate::link::{LinkKeySource, LinkKeys};

/// Keys of links in memory: a secret that can be rotated.
#[derive(Debug, Default)]
pub struct MemoryLinkKeys {
    rotations: Cell<u8>,
    is_down: Cell<bool>,
    fetches: Cell<u32>,
    secret: Vec<u8>,
}

impl MemoryLinkKeys {
    /// Keys of a secret of that name. Another of the same name has the same keys.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { secret: name.as_bytes().to_vec(), ..Self::default() }
    }

    /// Makes a new key. The one that has signed until now counts still, the one before it no more.
    pub fn rotate(&self) {
        self.rotations.set(self.rotations.get() + 1);
    }

    /// Lets nobody fetch them, or everybody again.
    pub fn set_down(&self, is_down: bool) {
        self.is_down.set(is_down);
    }

    /// Number of times that they were asked for.
    #[must_use]
    pub fn fetches(&self) -> u32 {
        self.fetches.get()
    }

    fn key(&self, rotation: u8) -> Vec<u8> {
        let mut key = self.secret.clone();
        key.extend([rotation; 32]);
        key
    }
}

impl LinkKeySource for MemoryLinkKeys {
    async fn fetch(&self) -> Result<LinkKeys> {
        self.fetches.set(self.fetches.get() + 1);
        if self.is_down.get() {
            return Err(Failure::unavailable("the keys are down"));
        }
        let rotation = self.rotations.get();
        let previous = rotation.checked_sub(1).map(|rotation| self.key(rotation));
        LinkKeys::new(&self.key(rotation), previous.as_deref())
    }
}
