//! Leases in memory.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use envelope::Time;

use crate::failure::Result;
use crate::port::{Acquired, Allowances, DoneParts, Leases, NextOfLease};

/// Leases, and allowances, by their keys.
#[derive(Debug, Default)]
pub struct MemoryLeases {
    leases: RefCell<HashMap<String, Held>>,
    allowances: RefCell<HashMap<String, BTreeSet<String>>>,
}

#[derive(Debug)]
struct Held {
    owner: String,
    until: Time,
    parts: BTreeSet<String>,
    done: bool,
}

impl Leases for MemoryLeases {
    async fn acquire(&self, key: &str, owner: &str, now: Time, until: Time) -> Result<Acquired> {
        let mut leases = self.leases.borrow_mut();
        let parts = match leases.get(key) {
            Some(Held { done: true, .. }) => return Ok(Acquired::Done),
            Some(held) if held.until > now && held.owner != owner => return Ok(Acquired::Held),
            Some(held) => held.parts.clone(),
            None => BTreeSet::new(),
        };
        leases.insert(key.to_owned(), Held { owner: owner.to_owned(), until, parts: parts.clone(), done: false });
        Ok(Acquired::Mine(parts))
    }

    async fn record(&self, key: &str, owner: &str, done: &BTreeSet<&'static str>, next: NextOfLease) -> Result<bool> {
        let mut leases = self.leases.borrow_mut();
        let Some(held) = leases.get_mut(key).filter(|held| held.owner == owner) else { return Ok(false) };
        held.parts.extend(done.iter().map(|part| (*part).to_owned()));
        match next {
            NextOfLease::Held => {}
            NextOfLease::Released => held.until = Time::from_millis(0),
            NextOfLease::Done => held.done = true,
        }
        Ok(true)
    }

    async fn done(&self, key: &str) -> Result<DoneParts> {
        let leases = self.leases.borrow();
        let done = |lease: &Held| DoneParts { all: lease.done, parts: lease.parts.clone() };
        Ok(leases.get(key).map(done).unwrap_or_default())
    }
}

impl Allowances for MemoryLeases {
    async fn admit(&self, key: &str, member: &str, most: u32, _: Time) -> Result<bool> {
        let mut allowances = self.allowances.borrow_mut();
        let members = allowances.entry(key.to_owned()).or_default();
        let has_place = members.is_empty() || members.len() < most as usize || members.contains(member);
        if has_place {
            members.insert(member.to_owned());
        }
        Ok(has_place)
    }
}
