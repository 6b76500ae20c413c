//! What a consumer does to its queues, remembered.

use std::cell::RefCell;

use crate::failure::Outcome;
use crate::park::Letter;
use crate::port::{DeadLetters, Visibility};

/// Visibilities that were set, and letters that were parked.
#[derive(Debug, Default)]
pub struct MemoryQueue {
    visibilities: RefCell<Vec<(String, u32)>>,
    letters: RefCell<Vec<Letter>>,
}

impl MemoryQueue {
    /// Every receipt handle and the seconds that were set for it, in order.
    #[must_use]
    pub fn visibilities(&self) -> Vec<(String, u32)> {
        self.visibilities.borrow().clone()
    }

    /// The letters, in order.
    #[must_use]
    pub fn letters(&self) -> Vec<Letter> {
        self.letters.borrow().clone()
    }
}

impl Visibility for MemoryQueue {
    async fn set(&self, changes: &[(String, u32)]) -> Outcome<()> {
        self.visibilities.borrow_mut().extend_from_slice(changes);
        Ok(())
    }
}

impl DeadLetters for MemoryQueue {
    async fn park(&self, letter: &Letter) -> Outcome<()> {
        let mut letters = self.letters.borrow_mut();
        let known = letter.deduplication.is_some() && letters.iter().any(|l| l.deduplication == letter.deduplication);
        if !known {
            letters.push(letter.clone());
        }
        Ok(())
    }
}
