//! Ports to the payment provider, somebody else's API in our words, and to the declines that are counted.

use std::time::Duration;

use auto_impl::auto_impl;
use onewrite::Result;
use onewrite::external::{Cancel, External, Request, Settled};
use orderflow_events::{Money, PaymentFailure, PaymentId, PaymentMethod, RefundId, Time};

use crate::limit::Tally;

/// Most declines that are counted; more are as many. It is the greatest limit that there may be, and bounds what one order's
/// reading costs.
pub const MAX_COUNTED: u32 = 100;

/// Declines of each customer, payment method and block of addresses.
#[auto_impl(&)]
pub trait Declines {
    /// Puts down that this charge was declined, once, however often this is done.
    ///
    /// # Errors
    ///
    /// It is unknown whether it is put down.
    async fn record(&self, whose: &Tally, payment: &PaymentId, at: Time) -> Result<()>;

    /// Number of different charges whose declines are put down up to `within` before or after `around`, all that were recorded
    /// before this was asked; at most [`MAX_COUNTED`].
    ///
    /// # Errors
    ///
    /// They cannot be counted.
    async fn count(&self, whose: &Tally, around: Time, within: Duration) -> Result<u32>;
}

/// A company that moves money, such as Stripe or Adyen: implemented by whatever charges, cancels and refunds.
pub trait PaymentProvider: Cancel<Charge> + External<Refund> {}

impl<T: Cancel<Charge> + External<Refund>> PaymentProvider for T {}

/// Charge of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Amount to charge.
    pub amount: Money,
    /// The provider's token of the card or account.
    pub method: PaymentMethod,
}

impl Request for Charge {
    const NAME: &'static str = "charge";
    type Id = PaymentId;
    type Answer = Settled<Verdict>;
}

/// Verdict on a charge: whether money has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// So much was charged.
    Succeeded(Money),
    /// Nothing was charged, and never will be.
    Declined(PaymentFailure),
}

/// Refund of all of a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Amount that was charged.
    pub amount: Money,
}

impl Request for Refund {
    const NAME: &'static str = "refund";
    /// The charge, and our id of the refund: Stripe finds refunds by their charge only.
    type Id = (PaymentId, RefundId);
    type Answer = ();
}
