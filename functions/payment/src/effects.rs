//! The effects of the service: they ask the provider for what the domain wants done.
//!
//! ```text
//!   intent on record ──► find ──► charge ──► outcome on record
//!                         │          └─ a crash here: the next attempt finds the charge
//!                         └─ left out by the attempt that wrote the intent: there is nothing to find yet
//! ```

use onewrite::{Attempt, Delivery, Effects, Result};
use orderflow_events::{Money, PaymentId, RefundId};

use crate::domain::{Answer, Effect, Payment};
use crate::provider::{ChargeRequest, PaymentProvider, Verdict};

/// ProviderEffects on a provider.
#[derive(Clone, Debug)]
pub struct ProviderEffects<P> {
    provider: P,
}

impl<P: PaymentProvider> Effects<Payment> for ProviderEffects<P> {
    async fn perform(&self, effect: Effect, attempt: Attempt, _: &Delivery<'_>) -> Result<Answer> {
        match effect {
            Effect::Charge { payment, amount, method } => {
                self.charge(ChargeRequest { payment, amount, method }, attempt).await
            }
            Effect::Cancel { payment } => Ok(answer(&payment, self.provider.cancel(&payment).await?)),
            Effect::Refund { payment, refund, amount } => self.refund(&payment, &refund, amount, attempt).await,
        }
    }
}

impl<P: PaymentProvider> ProviderEffects<P> {
    /// ProviderEffects on that provider.
    pub fn new(provider: P) -> Self {
        Self { provider }
    }

    async fn charge(&self, request: ChargeRequest, attempt: Attempt) -> Result<Answer> {
        if attempt == Attempt::Retry
            && let Some(charge) = self.provider.find(&request.payment).await?
        {
            return Ok(answer(&request.payment, charge.verdict));
        }
        let verdict = self.provider.charge(&request).await?;
        Ok(answer(&request.payment, verdict))
    }

    async fn refund(&self, payment: &PaymentId, refund: &RefundId, amount: Money, attempt: Attempt) -> Result<Answer> {
        if attempt == Attempt::Retry
            && let Some(charge) = self.provider.find(payment).await?
            && charge.refund.as_ref() == Some(refund)
        {
            return Ok(Answer::Refunded);
        }
        self.provider.refund(payment, refund, amount).await?;
        Ok(Answer::Refunded)
    }
}

fn answer(payment: &PaymentId, verdict: Verdict) -> Answer {
    let payment = payment.clone();
    match verdict {
        Verdict::Succeeded(amount) => Answer::Charged { payment, amount },
        Verdict::Declined(reason) => Answer::Declined { payment, reason },
        Verdict::Cancelled => Answer::Cancelled,
    }
}
