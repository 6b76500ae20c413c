//! Leases in memory.

use std::cell::RefCell;
use std::collections::HashMap;

use envelope::Time;

use crate::failure::Result;
use crate::port::{Acquired, Leases};

/// Leases by their keys.
#[derive(Debug, Default)]
pub struct MemoryLeases {
    leases: RefCell<HashMap<String, Held>>,
}

#[derive(Debug)]
struct Held {
    owner: String,
    until: Time,
    done: bool,
}

impl Leases for MemoryLeases {
    async fn acquire(&self, key: &str, owner: &str, now: Time, until: Time) -> Result<Acquired> {
        let mut leases = self.leases.borrow_mut();
        match leases.get(key) {
            Some(Held { done: true, .. }) => return Ok(Acquired::Done),
            Some(held) if held.until > now && held.owner != owner => return Ok(Acquired::Held),
            Some(_) | None => {}
        }
        leases.insert(key.to_owned(), Held { owner: owner.to_owned(), until, done: false });
        Ok(Acquired::Mine)
    }

    async fn complete(&self, key: &str, owner: &str) -> Result<bool> {
        let mut leases = self.leases.borrow_mut();
        let Some(held) = leases.get_mut(key).filter(|held| held.owner == owner) else { return Ok(false) };
        held.done = true;
        Ok(true)
    }

    async fn release(&self, key: &str, owner: &str) -> Result<()> {
        let mut leases = self.leases.borrow_mut();
        if let Some(held) = leases.get_mut(key).filter(|held| held.owner == owner) {
            held.until = Time::from_millis(0);
        }
        Ok(())
    }
}
