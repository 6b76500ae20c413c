//! Declines in memory.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use onewrite::Result;
use orderflow_events::{PaymentId, Time};

use crate::limit::Tally;
use crate::port::{Declines, MAX_COUNTED};

/// Declines in memory: whose it was, when, and of which charge.
#[derive(Debug, Default)]
pub struct MemoryDeclines {
    declines: RefCell<BTreeSet<(Tally, Time, PaymentId)>>,
}

impl Declines for MemoryDeclines {
    async fn record(&self, whose: &Tally, payment: &PaymentId, at: Time) -> Result<()> {
        self.declines.borrow_mut().insert((whose.clone(), at, payment.clone()));
        Ok(())
    }

    async fn count(&self, whose: &Tally, around: Time, within: Duration) -> Result<u32> {
        let declines = self.declines.borrow();
        let near = declines
            .iter()
            .filter(|(tally, at, _)| tally == whose && around.until(*at).max(at.until(around)) <= within);
        let payments: HashSet<&PaymentId> = near.map(|(_, _, payment)| payment).collect();
        Ok(u32::try_from(payments.len()).unwrap_or(MAX_COUNTED).min(MAX_COUNTED))
    }
}
