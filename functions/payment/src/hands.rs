//! The hands of the service: they ask the provider for what the domain wants done.
//!
//! ```text
//!   intent on record ──► find ──► charge ──► outcome on record
//!                         │          └─ a crash here: the next attempt finds the charge
//!                         └─ left out by the attempt that wrote the intent: there is nothing to find yet
//! ```

use orderflow_consumer::{Delivery, Effects, Outcome, Standing};
use orderflow_contracts::{Money, PaymentId, RefundId};

use crate::domain::{Answer, Effect, Payment};
use crate::provider::{ChargeRequest, PaymentProvider, Verdict};

/// Hands on a provider.
#[derive(Clone, Debug)]
pub struct Hands<P> {
    provider: P,
}

impl<P: PaymentProvider> Effects<Payment> for Hands<P> {
    async fn perform(&self, effect: Effect, standing: Standing, _: &Delivery<'_>) -> Outcome<Answer> {
        match effect {
            Effect::Charge { payment, amount, method } => {
                self.charge(ChargeRequest { payment, amount, method }, standing).await
            }
            Effect::Cancel { payment } => Ok(answer(&payment, self.provider.cancel(&payment).await?)),
            Effect::Refund { payment, refund, amount } => self.refund(&payment, &refund, amount, standing).await,
        }
    }
}

impl<P: PaymentProvider> Hands<P> {
    /// Hands on that provider.
    pub fn new(provider: P) -> Self {
        Self { provider }
    }

    async fn charge(&self, request: ChargeRequest, standing: Standing) -> Outcome<Answer> {
        if standing == Standing::Found
            && let Some(charge) = self.provider.find(&request.payment).await?
        {
            return Ok(answer(&request.payment, charge.verdict));
        }
        let verdict = self.provider.charge(&request).await?;
        Ok(answer(&request.payment, verdict))
    }

    async fn refund(
        &self,
        payment: &PaymentId,
        refund: &RefundId,
        amount: Money,
        standing: Standing,
    ) -> Outcome<Answer> {
        if standing == Standing::Found
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
