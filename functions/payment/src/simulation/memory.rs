//! The provider's books in memory.

use std::cell::RefCell;
use std::collections::HashMap;

use orderflow_events::{PaymentId, RefundId, Time};

use super::{Books, Entry, taken};
use crate::provider::{ProviderError, Verdict};

/// Entries and attempts by payment id.
#[derive(Debug, Default)]
pub struct MemoryBooks {
    entries: RefCell<HashMap<PaymentId, Entry>>,
    attempts: RefCell<HashMap<PaymentId, u32>>,
}

impl Books for MemoryBooks {
    async fn entry(&self, payment: &PaymentId) -> Result<Entry, ProviderError> {
        Ok(self.entries.borrow().get(payment).cloned().unwrap_or_default())
    }

    async fn count_attempt(&self, payment: &PaymentId) -> Result<u32, ProviderError> {
        let mut attempts = self.attempts.borrow_mut();
        let count = attempts.entry(payment.clone()).or_default();
        *count += 1;
        Ok(*count)
    }

    async fn enter_charge(
        &self,
        payment: &PaymentId,
        verdict: &Verdict,
        now: Time,
        forgotten: Time,
    ) -> Result<bool, ProviderError> {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.entry(payment.clone()).or_default();
        let stays = |(verdict, at): &(Verdict, Time)| *at > forgotten || *verdict == Verdict::Cancelled;
        if entry.charge.as_ref().is_some_and(stays) {
            return Ok(false);
        }
        entry.charge = Some((verdict.clone(), now));
        entry.charges += taken(verdict);
        Ok(true)
    }

    async fn enter_refund(&self, payment: &PaymentId, refund: &RefundId, now: Time) -> Result<bool, ProviderError> {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.entry(payment.clone()).or_default();
        if entry.refund.is_some() {
            return Ok(false);
        }
        entry.refund = Some((refund.clone(), now));
        Ok(true)
    }
}
