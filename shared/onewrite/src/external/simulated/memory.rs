//! A simulated company's register in memory.

use std::cell::RefCell;
use std::collections::HashMap;

use envelope::Time;

use super::register::{Entry, Performed, Register};
use crate::failure::Result;

/// Entries and attempts by id.
#[derive(Debug, Default)]
pub struct MemoryRegister {
    entries: RefCell<HashMap<String, Entry>>,
    attempts: RefCell<HashMap<String, u32>>,
}

impl Register for MemoryRegister {
    async fn entry(&self, id: &str) -> Result<Entry> {
        Ok(self.entries.borrow().get(id).cloned().unwrap_or_default())
    }

    async fn count_attempt(&self, id: &str) -> Result<u32> {
        let mut attempts = self.attempts.borrow_mut();
        let count = attempts.entry(id.to_owned()).or_default();
        *count += 1;
        Ok(*count)
    }

    async fn perform(&self, id: &str, effect: &Performed, forgotten: Time) -> Result<bool> {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.entry(id.to_owned()).or_default();
        if entry.cancelled || entry.performed.last().is_some_and(|last| last.at > forgotten) {
            return Ok(false);
        }
        entry.performed.push(effect.clone());
        Ok(true)
    }

    async fn cancel(&self, id: &str) -> Result<()> {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.entry(id.to_owned()).or_default();
        entry.cancelled = entry.performed.is_empty();
        Ok(())
    }
}
