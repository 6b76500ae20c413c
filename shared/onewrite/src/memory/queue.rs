//! Queues of a consumer in memory: what it does to them is remembered.

use std::cell::RefCell;
use std::collections::HashSet;

use crate::failure::{Failure, Result};
use crate::park::DeadLetter;
use crate::port::{DeadLetters, Visibility};

/// Messages that were handed out, visibilities that were set, and letters that were parked.
#[derive(Debug, Default)]
pub struct MemoryQueue {
    handed_out: RefCell<HashSet<String>>,
    visibilities: RefCell<Vec<(String, u32)>>,
    letters: RefCell<Vec<DeadLetter>>,
}

impl MemoryQueue {
    /// Notes that a message was handed out with this receipt handle.
    pub fn hand_out(&self, receipt: impl Into<String>) {
        self.handed_out.borrow_mut().insert(receipt.into());
    }

    /// Every receipt handle and the seconds that were set for it, in order.
    #[must_use]
    pub fn visibilities(&self) -> Vec<(String, u32)> {
        self.visibilities.borrow().clone()
    }

    /// The letters, in order.
    #[must_use]
    pub fn letters(&self) -> Vec<DeadLetter> {
        self.letters.borrow().clone()
    }
}

impl Visibility for MemoryQueue {
    async fn set(&self, changes: &[(String, u32)]) -> Result<()> {
        if changes.len() > 10 {
            return Err(Failure::permanent("more than ten messages"));
        }
        let handed_out = self.handed_out.borrow();
        let (known, unknown): (Vec<_>, Vec<_>) =
            changes.iter().cloned().partition(|(receipt, _)| handed_out.contains(receipt));
        self.visibilities.borrow_mut().extend(known);
        if unknown.is_empty() { Ok(()) } else { Err(Failure::transient("a message was not handed out")) }
    }
}

impl DeadLetters for MemoryQueue {
    async fn park(&self, letter: &DeadLetter) -> Result<()> {
        self.letters.borrow_mut().push(letter.clone());
        Ok(())
    }
}
