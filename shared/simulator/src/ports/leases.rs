//! Leases.

use std::collections::BTreeSet;
use std::rc::Rc;

use envelope::Time;
use onewrite::Result;
use onewrite::memory::MemoryLeases;
use onewrite::port::{Acquired, Allowances, DoneParts, Leases, NextOfLease};

use crate::caller::Caller;
use crate::safeguard::Safeguard;

/// Table of leases, as a caller may touch it.
#[derive(Clone)]
pub struct LeaseTable {
    /// The caller.
    pub caller: Caller,
    /// The leases.
    pub leases: Rc<MemoryLeases>,
}

impl Leases for LeaseTable {
    async fn acquire(&self, key: &str, owner: &str, now: Time, until: Time) -> Result<Acquired> {
        let (table, key, owner) = (self.clone(), key.to_owned(), owner.to_owned());
        let effect = move || async move {
            let acquired = table.leases.acquire(&key, &owner, now, until).await;
            if matches!(acquired, Ok(Acquired::Mine(_))) {
                let run = &table.caller.run;
                run.check(run.guarantees.leased(&key, &owner, now, until));
            }
            acquired
        };
        self.caller.ask("table", "acquire", effect).await
    }

    async fn record(&self, key: &str, owner: &str, done: &BTreeSet<&'static str>, next: NextOfLease) -> Result<bool> {
        let (table, key, owner, done) = (self.clone(), key.to_owned(), owner.to_owned(), done.clone());
        let effect = move || async move {
            let guarantees = &table.caller.run.guarantees;
            match next {
                NextOfLease::Held => {}
                NextOfLease::Released => guarantees.lease_released(&key, &owner),
                NextOfLease::Done => guarantees.lease_completed(&key, &owner),
            }
            let owner = table.fenced(&key, owner);
            table.leases.record(&key, &owner, &done, next).await
        };
        self.caller.ask("table", "record", effect).await
    }

    async fn done(&self, key: &str) -> Result<DoneParts> {
        let (table, key) = (self.clone(), key.to_owned());
        self.caller.ask("table", "done", move || async move { table.leases.done(&key).await }).await
    }
}

impl Allowances for LeaseTable {
    async fn admit(&self, key: &str, member: &str, most: u32, expires: Time) -> Result<bool> {
        let (table, key, member) = (self.clone(), key.to_owned(), member.to_owned());
        let effect = move || async move { table.leases.admit(&key, &member, most, expires).await };
        self.caller.ask("table", "admit", effect).await
    }
}

impl LeaseTable {
    /// Owner in whose name a lease is changed: the caller, or whoever holds it, where nothing keeps them apart.
    fn fenced(&self, key: &str, owner: String) -> String {
        let run = &self.caller.run;
        if run.lacks(Safeguard::LEASE_FENCE) { run.guarantees.holder(key).unwrap_or(owner) } else { owner }
    }
}
