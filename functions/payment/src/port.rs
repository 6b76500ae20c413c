//! Port to the payment provider: somebody else's API in our words.

use onewrite::external::{Cancel, External, Request, Settled};
use orderflow_events::{Money, PaymentFailure, PaymentId, PaymentMethod, RefundId};

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
