//! Withdrawal from the contract, within the period that the law gives for it (Directive 2011/83/EU, Articles 9 to 11a).
//!
//! Before the goods have left it cancels the order; after that it asks for their return, and the order stays shipped.

use onewrite::Step;
use orderflow_events::{CancellationReason, EventType, ReturnId, ReturnRequested, Time};

use super::{Known, Next, Order, Seen, Status};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Withdrawal period, in days after the one on which the goods were shipped.
///
/// The law counts 14 days from the delivery, of which the shop hears nothing. So the period is counted from the shipment,
/// and must be longer by all that may lie between: a period that ends too early takes a right away, and one that ends late
/// only gives more than it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithdrawalPeriod {
    days: u32,
}

impl WithdrawalPeriod {
    /// The period in days.
    #[must_use]
    pub const fn of_days(days: u32) -> Self {
        Self { days }
    }

    /// The first moment at which it is over. The day of the shipment does not count, and the last one counts to its end
    /// (Regulation 1182/71, Article 3), by the calendar of UTC.
    #[must_use]
    pub fn end(self, shipped_at: Time) -> Time {
        let day = shipped_at.as_millis().div_euclid(DAY_MS);
        Time::from_millis((day + i64::from(self.days) + 1) * DAY_MS)
    }

    fn is_over(self, shipped_at: Time, now: Time) -> bool {
        now >= self.end(shipped_at)
    }
}

/// Reason why a customer cannot withdraw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithdrawalRefusal {
    /// There is no such order.
    Unknown,
    /// The period is over.
    Late,
}

/// Outcome of a withdrawal for the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It is cancelled: nothing has to be sent back.
    Cancelled,
    /// Its goods are to be sent back, and then it is refunded.
    Return,
}

/// A withdrawal that is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawn<'a> {
    /// Outcome for the order.
    pub outcome: Outcome,
    /// The event that tells of it.
    pub seen: &'a Seen,
}

/// Next step when the customer withdraws. Of an order that is cancelled, for whatever reason, or that is to be returned
/// already, nothing has to be done.
///
/// # Errors
///
/// Why it cannot be done.
pub fn withdraw(order: &Order, period: WithdrawalPeriod, now: Time) -> Result<Next, WithdrawalRefusal> {
    let Order::Known(known) = order else { return Err(WithdrawalRefusal::Unknown) };
    match (known.status, &known.goods_return) {
        (Status::Open(_), _) => Ok(known.cancelled(CancellationReason::CustomerRequest, None)),
        (Status::Cancelled(_), _) | (Status::Shipped, Some(_)) => Ok(Step::Nothing),
        (Status::Shipped, None) if known.shipped_at().is_some_and(|shipped_at| period.is_over(shipped_at, now)) => {
            Err(WithdrawalRefusal::Late)
        }
        (Status::Shipped, None) => {
            let order_id = known.created.order_id.clone();
            Ok(Step::publish(ReturnRequested { return_id: ReturnId::of(&order_id), order_id }))
        }
    }
}

impl Known {
    fn shipped_at(&self) -> Option<Time> {
        self.seen(EventType::ShipmentCreated).map(|seen| seen.time)
    }

    /// The withdrawal from it, once it is cancelled or its goods are to be sent back.
    #[must_use]
    pub fn withdrawn(&self) -> Option<Withdrawn<'_>> {
        let (outcome, event_type) = match self.status {
            Status::Open(_) => return None,
            Status::Cancelled(_) => (Outcome::Cancelled, EventType::OrderCancelled),
            Status::Shipped => (Outcome::Return, EventType::ReturnRequested),
        };
        self.seen(event_type).map(|seen| Withdrawn { outcome, seen })
    }
}
