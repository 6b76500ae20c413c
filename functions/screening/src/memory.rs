//! Sightings in memory.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use onewrite::Result;
use orderflow_events::{OrderId, Time};

use crate::fingerprint::Fingerprint;
use crate::port::{MAX_COUNTED, Sightings};

/// Sightings in memory: whose order it was, when, and which.
#[derive(Debug, Default)]
pub struct MemorySightings {
    seen: RefCell<BTreeSet<(Fingerprint, Time, OrderId)>>,
}

impl Sightings for MemorySightings {
    async fn record(&self, whose: &Fingerprint, order: &OrderId, at: Time) -> Result<()> {
        self.seen.borrow_mut().insert((whose.clone(), at, order.clone()));
        Ok(())
    }

    async fn count(&self, whose: &Fingerprint, around: Time, within: Duration) -> Result<u32> {
        let seen = self.seen.borrow();
        let near =
            seen.iter().filter(|(person, at, _)| person == whose && around.until(*at).max(at.until(around)) <= within);
        let orders: HashSet<&OrderId> = near.map(|(_, _, order)| order).collect();
        Ok(u32::try_from(orders.len()).unwrap_or(MAX_COUNTED).min(MAX_COUNTED))
    }
}
