//! Effects of the service: they ask the provider for what the domain wants done, once.

use onewrite::external::{External, Settled, cancel, perform_once};
use onewrite::{Attempt, Delivery, Discrepancy, Effects, Result};
use orderflow_events::PaymentId;

use crate::domain::{Answer, Effect, Payment, State};
use crate::port::{Charge, PaymentProvider, Refund, Verdict};

/// Effects of payment, on a provider.
#[derive(Clone, Debug)]
pub struct ProviderEffects<P> {
    provider: P,
}

impl<P: PaymentProvider> ProviderEffects<P> {
    /// Effects on that provider.
    pub fn new(provider: P) -> Self {
        Self { provider }
    }
}

impl<P: PaymentProvider> Effects<Payment> for ProviderEffects<P> {
    async fn perform(&self, effect: Effect, attempt: Attempt, _: &Delivery<'_>) -> Result<Answer> {
        match effect {
            Effect::Charge { payment, amount, method } => {
                let charged = perform_once(&self.provider, &payment, &Charge { amount, method }, attempt).await?;
                Ok(answer(payment, charged))
            }
            Effect::Cancel { payment } => {
                let cancelled = cancel::<Charge>(&self.provider, &payment).await?;
                Ok(answer(payment, cancelled))
            }
            Effect::Refund { payment, refund, amount } => {
                perform_once(&self.provider, &(payment, refund), &Refund { amount }, attempt).await?;
                Ok(Answer::Refunded)
            }
        }
    }

    /// A charge or a refund that the provider has made, and whose outcome never came on record.
    async fn audit(&self, state: &State) -> Result<Vec<Discrepancy>> {
        match state {
            State::Charging { payment, .. } => {
                let charge = External::<Charge>::find(&self.provider, payment).await?;
                let Some(Settled::Performed(Verdict::Succeeded(amount))) = charge else { return Ok(Vec::new()) };
                Ok(vec![discrepancy("charge", format!("{payment} was charged, {amount}, and no row says so"))])
            }
            State::Refunding { payment, refund, amount } => {
                let refunded = External::<Refund>::find(&self.provider, &(payment.clone(), refund.clone())).await?;
                if refunded.is_none() {
                    return Ok(Vec::new());
                }
                Ok(vec![discrepancy("refund", format!("{payment} was refunded, {amount}, and no row says so"))])
            }
            State::Unknown
            | State::Free { .. }
            | State::Due { .. }
            | State::Paid { .. }
            | State::Failed
            | State::Cancelled
            | State::Refunded => Ok(Vec::new()),
        }
    }
}

fn discrepancy(kind: &str, detail: String) -> Discrepancy {
    Discrepancy { kind: kind.to_owned(), detail }
}

fn answer(payment: PaymentId, charge: Settled<Verdict>) -> Answer {
    match charge {
        Settled::Performed(Verdict::Succeeded(amount)) => Answer::Charged { payment, amount },
        Settled::Performed(Verdict::Declined(reason)) => Answer::Declined { payment, reason },
        Settled::Cancelled => Answer::Cancelled,
    }
}
