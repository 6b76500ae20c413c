//! Leases.

use std::rc::Rc;

use envelope::Time;
use onewrite::Result;
use onewrite::memory::MemoryLeases;
use onewrite::port::{Acquired, Leases};

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
            if acquired == Ok(Acquired::Mine) {
                let run = &table.caller.run;
                run.check(run.guarantees.leased(&key, &owner, now, until));
            }
            acquired
        };
        self.caller.ask("table", "acquire", effect).await
    }

    async fn complete(&self, key: &str, owner: &str) -> Result<bool> {
        let (table, key, owner) = (self.clone(), key.to_owned(), owner.to_owned());
        let effect = move || async move {
            table.caller.run.guarantees.lease_completed(&key, &owner);
            let owner = table.fenced(&key, owner);
            table.leases.complete(&key, &owner).await
        };
        self.caller.ask("table", "complete", effect).await
    }

    async fn release(&self, key: &str, owner: &str) -> Result<()> {
        let (table, key, owner) = (self.clone(), key.to_owned(), owner.to_owned());
        let effect = move || async move {
            table.caller.run.guarantees.lease_released(&key, &owner);
            let owner = table.fenced(&key, owner);
            table.leases.release(&key, &owner).await
        };
        self.caller.ask("table", "release", effect).await
    }
}

impl LeaseTable {
    /// Owner in whose name a lease is changed: the caller, or whoever holds it, where nothing keeps them apart.
    fn fenced(&self, key: &str, owner: String) -> String {
        let run = &self.caller.run;
        if run.lacks(Safeguard::LEASE_FENCE) { run.guarantees.holder(key).unwrap_or(owner) } else { owner }
    }
}
