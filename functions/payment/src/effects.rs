//! Effects of the service: they ask the provider for what the domain wants done, once, and count what it declines.
//!
//! A decline is put down before its outcome is on record. A crash between the two is a charge that the next attempt finds
//! declined, and puts down once more, under the same time and the same id: that of its charge. Where the order was cancelled
//! meanwhile, it is the cancellation that finds it, and that counts it at its own time: of a record that failed no other time is known.

use onewrite::concurrent::try_all;
use onewrite::external::{External, Settled, cancel, perform_once};
use onewrite::port::Occurrences;
use onewrite::telemetry::{Measure, Observation, Unit, observe};
use onewrite::{Attempt, Delivery, Discrepancy, Effects, Result};
use orderflow_events::{PaymentId, Time};
use tracing::warn;

use crate::domain::{Answer, Effect, Payment, State};
use crate::limit::{Tally, WINDOW, is_reached};
use crate::port::{Charge, PaymentProvider, Refund, Verdict};
use crate::settings::DeclinesPerHour;

/// Effects of payment, on a provider and on the declines that are counted.
#[derive(Clone, Debug)]
pub struct ProviderEffects<P, D> {
    provider: P,
    declines: D,
    limit: DeclinesPerHour,
}

impl<P: PaymentProvider, D: Occurrences> ProviderEffects<P, D> {
    /// Effects on that provider, which is asked until so many of these declines are counted.
    pub fn new(provider: P, declines: D, limit: DeclinesPerHour) -> Self {
        Self { provider, declines, limit }
    }

    /// Counts a charge that was declined: once, whoever finds that and however often.
    async fn count(&self, charge: &Settled<Verdict>, payment: &PaymentId, counted: &[Tally], at: Time) -> Result<()> {
        let Settled::Performed(Verdict::Declined(_)) = charge else { return Ok(()) };
        let whose = counted.iter().map(Tally::as_str);
        try_all(whose.map(|whose| self.declines.record(whose, payment.as_str(), at))).await.map(drop)
    }
}

impl<P: PaymentProvider, D: Occurrences> Effects<Payment> for ProviderEffects<P, D> {
    async fn perform(&self, effect: Effect, attempt: Attempt, _: &Delivery<'_>) -> Result<Answer> {
        match effect {
            Effect::CountDeclines { counted, at } => {
                let whose = counted.iter().map(Tally::as_str);
                let counts = try_all(whose.map(|whose| self.declines.count(whose, at, WINDOW))).await?;
                if is_reached(self.limit.0, &counts) {
                    // One of them is no alarm, but many at once are.
                    warn!("too many declines");
                    let measures = [Measure { name: "Refused", unit: Unit::Count, value: 1.0 }];
                    observe(
                        None,
                        &Observation::Measured { dimensions: &[("Service", "payment")], measures: &measures },
                    );
                    return Ok(Answer::Refused);
                }
                Ok(Answer::Admitted)
            }
            Effect::Charge { payment, amount, method, counted, at } => {
                let charged = perform_once(&self.provider, &payment, &Charge { amount, method }, attempt).await?;
                self.count(&charged, &payment, &counted, at).await?;
                Ok(answer(payment, charged))
            }
            Effect::Cancel { payment, counted, at } => {
                let cancelled = cancel::<Charge>(&self.provider, &payment).await?;
                // Whoever has charged it may have died before it was counted.
                self.count(&cancelled, &payment, &counted, at).await?;
                Ok(answer(payment, cancelled))
            }
            Effect::Refund { payment, refund, amount } => {
                perform_once(&self.provider, &(payment, refund), &Refund { amount }, attempt).await?;
                Ok(Answer::Refunded)
            }
        }
    }

    fn asks_neighbour(&self, effect: &Effect) -> bool {
        match effect {
            Effect::CountDeclines { .. } => false,
            Effect::Charge { .. } | Effect::Cancel { .. } | Effect::Refund { .. } => true,
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
