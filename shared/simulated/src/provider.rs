//! A simulated payment provider: it moves no money, and otherwise behaves like one.
//!
//! The end of a charge is chosen by its payment method. The first three have Stripe's names for test cards:
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
//! A request that was cancelled is never charged.

use onewrite::external::Settled;
use onewrite::external::simulated::{Register, Simulated};
use onewrite::port::Clock;
use onewrite::{Failure, Result};
use orderflow_events::{Money, PaymentFailure, PaymentId, PaymentMethod, RefundId, Text};
use serde::{Deserialize, Serialize};

/// Simulated payment provider: charges, each with a refund or none.
#[derive(Clone, Debug)]
pub struct Provider<G, C> {
    memory: Simulated<G, C>,
}

/// Verdict on a charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// So much was charged.
    Succeeded(Money),
    /// Nothing was charged, and never will be.
    Declined(PaymentFailure),
}

impl<G: Register, C: Clock> Provider<G, C> {
    /// A provider with this register, and this clock to forget by.
    pub fn new(register: G, clock: C) -> Self {
        Self { memory: Simulated::new(register, clock) }
    }

    /// Charges, or declines to, or says that it was cancelled: all three are answers.
    ///
    /// # Errors
    ///
    /// Transient, as the payment method asks for; or those of the register.
    pub async fn charge(&self, id: &PaymentId, amount: Money, method: &PaymentMethod) -> Result<Settled<Verdict>> {
        let verdict = match Behaviour::of(method) {
            Behaviour::Charges { failures } => {
                if self.memory.fails(id.as_str(), failures).await? {
                    return Err(Failure::unavailable("the payment provider is unavailable: simulated"));
                }
                Verdict::Succeeded(amount)
            }
            Behaviour::Declines { code, message } => {
                Verdict::Declined(PaymentFailure { code: Text::shortened(code), message: Text::shortened(message) })
            }
        };
        self.memory.perform(id.as_str(), verdict).await
    }

    /// The charge of that id; `None` if none was asked for.
    ///
    /// # Errors
    ///
    /// Those of the register.
    pub async fn find_charge(&self, id: &PaymentId) -> Result<Option<Settled<Verdict>>> {
        self.memory.find(id.as_str()).await
    }

    /// Sees to it that nothing is charged under that id, unless it was before.
    ///
    /// # Errors
    ///
    /// Those of the register.
    pub async fn cancel_charge(&self, id: &PaymentId) -> Result<Settled<Verdict>> {
        self.memory.cancel(id.as_str()).await
    }

    /// Number of times that money was taken under that id. More than once is what a client must never cause.
    ///
    /// # Errors
    ///
    /// Those of the register.
    pub async fn times_charged(&self, id: &PaymentId) -> Result<usize> {
        let verdicts: Vec<Verdict> = self.memory.history(id.as_str()).await?;
        Ok(verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Succeeded(_))).count())
    }

    /// Gives back all of a charge.
    ///
    /// # Errors
    ///
    /// Permanent where nothing is left of the charge, or was charged at all, or not that much; or those of the register.
    pub async fn refund(&self, charge: &PaymentId, id: &RefundId, amount: Money) -> Result<()> {
        match self.find_charge(charge).await? {
            Some(Settled::Performed(Verdict::Succeeded(charged))) if charged == amount => {}
            Some(Settled::Performed(Verdict::Succeeded(_))) => {
                return refused("a refund must be of all that was charged");
            }
            Some(Settled::Performed(Verdict::Declined(_)) | Settled::Cancelled) | None => {
                return refused("there is no charge of that id to refund");
            }
        }
        match self.memory.perform_for_good(&refund_of(charge), id.clone()).await? {
            Some(first) if first == *id => Ok(()),
            Some(_) | None => refused("charge_already_refunded"),
        }
    }

    /// The refund of a charge, if it was given back.
    ///
    /// # Errors
    ///
    /// Those of the register.
    pub async fn find_refund(&self, charge: &PaymentId) -> Result<Option<RefundId>> {
        Ok(self.memory.history(&refund_of(charge)).await?.pop())
    }
}

/// The key of a charge's only refund in the register.
fn refund_of(charge: &PaymentId) -> String {
    format!("refund#{charge}")
}

fn refused<T>(why: &str) -> Result<T> {
    Err(Failure::permanent(format!("the payment provider refuses: {why}")))
}

/// Reaction to a payment method.
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

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use onewrite::FailureKind;
    use onewrite::external::simulated::{KEY_LIFETIME, MemoryRegister};
    use onewrite::memory::VirtualTime;
    use orderflow_events::OrderId;

    use super::*;

    fn provider(world: &VirtualTime) -> Provider<MemoryRegister, &VirtualTime> {
        Provider::new(MemoryRegister::default(), world)
    }

    fn payment(order: &str) -> PaymentId {
        PaymentId::of(&OrderId::new(order).unwrap())
    }

    fn euros(amount: i64) -> Money {
        Money::new(amount * 100, "EUR").unwrap()
    }

    fn method(method: &str) -> PaymentMethod {
        PaymentMethod::new(method).unwrap()
    }

    #[test]
    fn the_payment_method_chooses_the_verdict() {
        let world = VirtualTime::new(1);
        let provider = provider(&world);
        for (name, code) in [
            ("pm_card_visa", None),
            ("pm_card_visa_chargeDeclined", Some("card_declined")),
            ("pm_card_visa_chargeDeclinedInsufficientFunds", Some("insufficient_funds")),
            ("pm_card_mastercard", Some("resource_missing")),
            ("pm_sim_unavailable_0", Some("resource_missing")),
            ("pm_sim_unavailable_10", Some("resource_missing")),
        ] {
            let verdict = block_on(provider.charge(&payment(name), euros(19), &method(name)));
            let declined = match verdict.unwrap() {
                Settled::Performed(Verdict::Declined(reason)) => Some(reason.code.to_string()),
                Settled::Performed(Verdict::Succeeded(amount)) => (amount != euros(19)).then(|| amount.to_string()),
                Settled::Cancelled => panic!("{name} was cancelled"),
            };
            assert_eq!(declined.as_deref(), code, "{name}");
            let charged = block_on(provider.times_charged(&payment(name)));
            assert_eq!(charged, Ok(usize::from(code.is_none())), "{name}");
        }
    }

    #[test]
    fn passing_failures_pass_for_each_charge_by_itself() {
        let world = VirtualTime::new(1);
        let provider = provider(&world);
        for (order, name, failures) in [("one", "pm_sim_unavailable_2", 2), ("other", "pm_sim_unavailable_9", 9)] {
            let charge = || block_on(provider.charge(&payment(order), euros(19), &method(name)));
            for _ in 0..failures {
                assert_eq!(charge().map_err(|failure| failure.kind()), Err(FailureKind::Unavailable), "{name}");
            }
            for _ in 0..2 {
                assert_eq!(charge(), Ok(Settled::Performed(Verdict::Succeeded(euros(19)))), "{name}");
            }
            assert_eq!(block_on(provider.times_charged(&payment(order))), Ok(1));
        }
    }

    #[test]
    fn a_charge_whose_key_is_forgotten_is_made_again() {
        let world = VirtualTime::new(1);
        let provider = provider(&world);
        let charge = |amount| block_on(provider.charge(&payment("a"), amount, &method("pm_card_visa")));
        assert_eq!(charge(euros(19)), Ok(Settled::Performed(Verdict::Succeeded(euros(19)))));
        assert_eq!(charge(euros(1)), Ok(Settled::Performed(Verdict::Succeeded(euros(19)))), "the first answer again");
        world.pass(KEY_LIFETIME);
        assert_eq!(charge(euros(1)), Ok(Settled::Performed(Verdict::Succeeded(euros(1)))), "a new charge");
        assert_eq!(block_on(provider.times_charged(&payment("a"))), Ok(2));
    }

    #[test]
    fn all_of_a_charge_is_refunded_once() {
        let world = VirtualTime::new(1);
        let provider = provider(&world);
        let refund = |order, id, amount| {
            let refunded = block_on(provider.refund(&payment(order), &RefundId::new(id).unwrap(), amount));
            refunded.map_err(|failure| failure.kind())
        };
        let refused = Err(FailureKind::Permanent);
        assert_eq!(refund("a", "rfd_1", euros(19)), refused, "before the charge");
        for (order, name) in [("a", "pm_card_visa"), ("b", "pm_card_visa_chargeDeclined")] {
            block_on(provider.charge(&payment(order), euros(19), &method(name))).unwrap();
        }
        block_on(provider.cancel_charge(&payment("c"))).unwrap();
        assert_eq!(refund("b", "rfd_1", euros(19)), refused, "nothing was charged");
        assert_eq!(refund("c", "rfd_1", euros(19)), refused, "it was cancelled");
        assert_eq!(refund("a", "rfd_1", euros(1)), refused, "another amount");
        assert_eq!(block_on(provider.find_refund(&payment("a"))), Ok(None));
        for _ in 0..2 {
            assert_eq!(refund("a", "rfd_1", euros(19)), Ok(()));
        }
        assert_eq!(refund("a", "rfd_2", euros(19)), refused, "another refund of the same");
        world.pass(KEY_LIFETIME);
        assert_eq!(refund("a", "rfd_1", euros(19)), refused, "the repetition is forgotten");
        let refund = block_on(provider.find_refund(&payment("a")));
        assert_eq!(refund, Ok(Some(RefundId::new("rfd_1").unwrap())), "what was done is not");
    }
}
