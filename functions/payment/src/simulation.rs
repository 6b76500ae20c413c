//! A simulated payment provider: it moves no money, and otherwise behaves like one.
//!
//! What becomes of a charge is chosen by its payment method. The first three have Stripe's names for test cards:
//!
//! | payment method | what happens |
//! |---|---|
//! | `pm_card_visa` | charged |
//! | `pm_card_visa_chargeDeclined` | declined, code `card_declined` |
//! | `pm_card_visa_chargeDeclinedInsufficientFunds` | declined, code `insufficient_funds` |
//! | `pm_sim_unavailable_N`, N = 1–9 | the first N attempts fail in passing, then charged |
//! | any other | declined, code `resource_missing`: Stripe's code for what it has never heard of |
//!
//! It is as honest as real ones about repeated requests: for 24 hours a repetition gets the first answer, and after
//! that it is a new request. A charge is made once more then; a refund is refused, for all the money is back already.
//! What was cancelled is never charged.

#[cfg(any(test, feature = "testing"))]
mod conformance;
mod dynamo;
mod memory;

use std::time::Duration;

use onewrite::port::Clock;
use orderflow_events::{Money, PaymentFailure, PaymentId, PaymentMethod, RefundId, Text, Time};

#[cfg(any(test, feature = "testing"))]
pub use conformance::check_conformance;
pub use dynamo::DynamoBooks;
pub use memory::MemoryBooks;

use crate::provider::{Charge, ChargeRequest, PaymentProvider, ProviderError, Verdict};

/// How long a repeated request is recognised.
pub const KEY_LIFETIME: Duration = Duration::from_hours(24);

/// The simulated provider, on its books.
#[derive(Clone, Debug)]
pub struct Simulation<B, W> {
    books: B,
    clock: W,
}

/// The provider's books: what it has under each payment id.
pub trait Books {
    /// What is there now.
    ///
    /// # Errors
    ///
    /// The books cannot be read.
    async fn entry(&self, payment: &PaymentId) -> Result<Entry, ProviderError>;

    /// Counts an attempt to charge, and answers how many there were with it.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was counted.
    async fn count_attempt(&self, payment: &PaymentId) -> Result<u32, ProviderError>;

    /// Enters what came of a charge at `now`, unless there is a charge that was made after `forgotten`, or it was
    /// cancelled at any time. Answers whether it was entered.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was entered.
    async fn enter_charge(
        &self,
        payment: &PaymentId,
        verdict: &Verdict,
        now: Time,
        forgotten: Time,
    ) -> Result<bool, ProviderError>;

    /// Enters a refund of `now`, unless there is one. Answers whether it was entered.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was entered.
    async fn enter_refund(&self, payment: &PaymentId, refund: &RefundId, now: Time) -> Result<bool, ProviderError>;
}

/// What the books have under one payment id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// What came of the charge, and when.
    pub charge: Option<(Verdict, Time)>,
    /// How often money was taken. More than once is what a client of the provider must never cause.
    pub charges: u32,
    /// The refund, and when it was made.
    pub refund: Option<(RefundId, Time)>,
}

impl<B: Books, W: Clock> Simulation<B, W> {
    /// A provider with these books, and this clock to forget by.
    pub fn new(books: B, clock: W) -> Self {
        Self { books, clock }
    }

    async fn first_verdict(&self, payment: &PaymentId) -> Result<Verdict, ProviderError> {
        let first = self.books.entry(payment).await?.charge.map(|(verdict, _)| verdict);
        first.ok_or_else(|| ProviderError::Unavailable("the books contradict themselves".to_owned()))
    }

    /// The moment up to which requests are forgotten by `now`.
    fn forgotten(now: Time) -> Time {
        let lifetime = i64::try_from(KEY_LIFETIME.as_millis()).unwrap_or(i64::MAX);
        Time::from_millis(now.as_millis().saturating_sub(lifetime))
    }
}

impl<B: Books, W: Clock> PaymentProvider for Simulation<B, W> {
    async fn charge(&self, request: &ChargeRequest) -> Result<Verdict, ProviderError> {
        let payment = &request.payment;
        let verdict = match Behaviour::of(&request.method) {
            Behaviour::Charges { failures } => {
                if failures > 0 && self.books.count_attempt(payment).await? <= failures {
                    return Err(ProviderError::Unavailable("simulated".to_owned()));
                }
                Verdict::Succeeded(request.amount)
            }
            Behaviour::Declines { code, message } => {
                Verdict::Declined(PaymentFailure { code: Text::shortened(code), message: Text::shortened(message) })
            }
        };
        let now = self.clock.now();
        if self.books.enter_charge(payment, &verdict, now, Self::forgotten(now)).await? {
            return Ok(verdict);
        }
        self.first_verdict(payment).await
    }

    async fn find(&self, payment: &PaymentId) -> Result<Option<Charge>, ProviderError> {
        let Entry { charge, refund, .. } = self.books.entry(payment).await?;
        Ok(charge.map(|(verdict, _)| Charge { verdict, refund: refund.map(|(id, _)| id) }))
    }

    async fn cancel(&self, payment: &PaymentId) -> Result<Verdict, ProviderError> {
        // No charge was made before 1970, so that none is forgotten.
        let (cancelled, never) = (Verdict::Cancelled, Time::from_millis(0));
        if self.books.enter_charge(payment, &cancelled, self.clock.now(), never).await? {
            return Ok(cancelled);
        }
        self.first_verdict(payment).await
    }

    async fn refund(&self, payment: &PaymentId, refund: &RefundId, amount: Money) -> Result<(), ProviderError> {
        let refused = |why: &str| Err(ProviderError::Refused(why.to_owned()));
        match self.books.entry(payment).await?.charge {
            Some((Verdict::Succeeded(charged), _)) if charged == amount => {}
            Some((Verdict::Succeeded(_), _)) => return refused("a refund must be of all that was charged"),
            Some((Verdict::Declined(_) | Verdict::Cancelled, _)) | None => {
                return refused("there is no charge of that id to refund");
            }
        }
        let now = self.clock.now();
        if self.books.enter_refund(payment, refund, now).await? {
            return Ok(());
        }
        match self.books.entry(payment).await?.refund {
            Some((id, at)) if id == *refund && at > Self::forgotten(now) => Ok(()),
            Some(_) | None => refused("charge_already_refunded"),
        }
    }
}

impl<T: Books> Books for &T {
    async fn entry(&self, payment: &PaymentId) -> Result<Entry, ProviderError> {
        T::entry(self, payment).await
    }

    async fn count_attempt(&self, payment: &PaymentId) -> Result<u32, ProviderError> {
        T::count_attempt(self, payment).await
    }

    async fn enter_charge(
        &self,
        payment: &PaymentId,
        verdict: &Verdict,
        now: Time,
        forgotten: Time,
    ) -> Result<bool, ProviderError> {
        T::enter_charge(self, payment, verdict, now, forgotten).await
    }

    async fn enter_refund(&self, payment: &PaymentId, refund: &RefundId, now: Time) -> Result<bool, ProviderError> {
        T::enter_refund(self, payment, refund, now).await
    }
}

/// What a payment method makes the simulation do.
enum Behaviour {
    /// Charges, after so many failures that pass.
    Charges { failures: u32 },
    /// Declines.
    Declines { code: &'static str, message: &'static str },
}

impl Behaviour {
    fn of(method: &PaymentMethod) -> Self {
        match method.as_str() {
            "pm_card_visa" => Self::Charges { failures: 0 },
            "pm_card_visa_chargeDeclined" => {
                Self::Declines { code: "card_declined", message: "Your card was declined." }
            }
            "pm_card_visa_chargeDeclinedInsufficientFunds" => {
                Self::Declines { code: "insufficient_funds", message: "Your card has insufficient funds." }
            }
            other => match other.strip_prefix("pm_sim_unavailable_").map(str::as_bytes) {
                Some([digit @ b'1'..=b'9']) => Self::Charges { failures: u32::from(digit - b'0') },
                Some(_) | None => Self::Declines { code: "resource_missing", message: "No such payment method." },
            },
        }
    }
}

/// How often money is taken by a charge that ends like this.
fn taken(verdict: &Verdict) -> u32 {
    match verdict {
        Verdict::Succeeded(_) => 1,
        Verdict::Declined(_) | Verdict::Cancelled => 0,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use onewrite::memory::VirtualTime;

    use super::*;

    #[test]
    fn the_simulation_in_memory_conforms() {
        let world = VirtualTime::new(1);
        let provider = Simulation::new(MemoryBooks::default(), &world);
        check_conformance(&provider, &world).now_or_never().unwrap().unwrap();
    }
}
