//! Effects of the service: they ask the provider for what the domain wants done, once.

use onewrite::external::{Settled, cancel, perform_once};
use onewrite::{Attempt, Delivery, Effects, Result};
use orderflow_events::PaymentId;

use crate::domain::{Answer, Effect, Payment};
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
}

fn answer(payment: PaymentId, charge: Settled<Verdict>) -> Answer {
    match charge {
        Settled::Performed(Verdict::Succeeded(amount)) => Answer::Charged { payment, amount },
        Settled::Performed(Verdict::Declined(reason)) => Answer::Declined { payment, reason },
        Settled::Cancelled => Answer::Cancelled,
    }
}
