//! Meaning of the events for the payment of an order: the table of the contract.
//!
//! ```text
//!             OrderCreated       InventoryReserved           charged
//!   unknown ───────────────► due ─────────────────► charging ─────────► paid
//!      │                      │ │ too many declines │   │                │ OrderCancelled, GoodsReturned
//!      │ OrderCancelled       │ └───────────────┐   │   │ declined       ▼
//!      │                      │ OrderCancelled  │   │   │            refunding ──► refunded
//!      ▼                      ▼                 └───┼─► ▼
//!   cancelled ◄───────────────┴─────────────────────┘ failed
//!                               OrderCancelled, and the provider has
//!                               cancelled what it had not charged yet
//! ```
//!
//! Whether too much was declined is asked before the intent is on record, and never after it: from then on somebody may have
//! charged, and only the provider knows.
//!
//! An order of a total of 0 is free: nobody is asked for money, neither there nor back, and the same is said as of any other.
//!
//! An order that is cancelled while it is charging is cancelled at the provider first. So nobody who is still at work on
//! the charge can charge any more, and what was charged before is found, and refunded.

use onewrite::{Decider, Decision, Rejection, Step, consumes};
use orderflow_events::{
    Event, EventType, Extensions, GoodsReturned, InventoryReserved, Money, OrderCancelled, OrderCreated, OrderId,
    PAYMENT, Payload, PaymentFailed, PaymentFailure, PaymentId, PaymentMethod, PaymentProcessed, PaymentRefunded,
    RefundId, Source, Time,
};
use serde::{Deserialize, Serialize};

use crate::limit::{Tally, refusal, tallies};

/// The payment of an order.
#[derive(Clone, Copy, Debug)]
pub enum Payment {}

consumes!(
    /// Events that payment takes.
    pub enum Heard in Payload { OrderCreated, InventoryReserved, OrderCancelled, GoodsReturned }
);

/// State of the payment of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nobody has said anything about the order yet.
    #[default]
    Unknown,
    /// There is nothing to charge: it is paid once its goods are reserved.
    Free {
        /// Total of 0, in its currency.
        total: Money,
    },
    /// It is to be charged once its goods are reserved.
    Due {
        /// Amount to charge.
        total: Money,
        /// Payment method.
        method: PaymentMethod,
        /// Tallies that its decline would be counted by.
        counted: Vec<Tally>,
    },
    /// It may be charged at any moment from now on, or have been charged: only the provider knows.
    Charging {
        /// The id of the charge.
        payment: PaymentId,
        /// Amount to charge.
        total: Money,
        /// Payment method.
        method: PaymentMethod,
        /// Tallies that its decline is counted by.
        counted: Vec<Tally>,
    },
    /// It is charged.
    Paid {
        /// The id of the charge.
        payment: PaymentId,
        /// Amount that was charged.
        amount: Money,
    },
    /// It may be refunded at any moment from now on, or have been refunded: only the provider knows.
    Refunding {
        /// The id of the charge.
        payment: PaymentId,
        /// The id of the refund.
        refund: RefundId,
        /// Amount that goes back.
        amount: Money,
    },
    /// The charge was declined.
    Failed,
    /// It was cancelled before it was charged, and never will be.
    Cancelled,
    /// The money went back.
    Refunded,
}

/// Change of the payment of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// An order was accepted.
    Ordered {
        /// Amount to charge.
        total: Money,
        /// Payment method; none where there is nothing to charge.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        method: Option<PaymentMethod>,
        /// Tallies that its decline is counted by.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        counted: Vec<Tally>,
    },
    /// From here on the provider may be asked to charge.
    ChargeIntended {
        /// The id of the charge.
        payment: PaymentId,
    },
    /// The provider has charged.
    Charged {
        /// The id of the charge.
        payment: PaymentId,
        /// Amount of money.
        amount: Money,
    },
    /// The provider has declined to charge, or was not asked, as too much had been declined.
    Declined,
    /// The order was cancelled before it was charged, and so was the charge, if anybody had meant to charge.
    Cancelled,
    /// From here on the provider may be asked to refund.
    RefundIntended {
        /// The id of the refund.
        refund: RefundId,
    },
    /// The provider has refunded.
    Refunded,
}

/// Effect: what the provider is asked for, and before it whether to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Count the declines, and say whether there are too many to ask the provider once more.
    CountDeclines {
        /// Tallies that they are counted by.
        counted: Vec<Tally>,
        /// Time around which they count.
        at: Time,
    },
    /// See to it that this is charged, or declined, once; and a decline counted.
    Charge {
        /// The id of the charge.
        payment: PaymentId,
        /// Amount of money.
        amount: Money,
        /// Payment method.
        method: PaymentMethod,
        /// Tallies that a decline is counted by.
        counted: Vec<Tally>,
        /// Time of a decline.
        at: Time,
    },
    /// See to it that this is never charged, or find out that it was, or was declined, which is counted.
    Cancel {
        /// The id of the charge.
        payment: PaymentId,
        /// Tallies that a decline is counted by.
        counted: Vec<Tally>,
        /// Time of a decline.
        at: Time,
    },
    /// See to it that this is refunded once.
    Refund {
        /// The id of the charge.
        payment: PaymentId,
        /// The id of the refund.
        refund: RefundId,
        /// Amount of money.
        amount: Money,
    },
}

/// Answer of the provider, and of those who count its declines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The provider may be asked.
    Admitted,
    /// Too much was declined: the provider is not asked.
    Refused,
    /// It is charged.
    Charged {
        /// The id of the charge.
        payment: PaymentId,
        /// Amount of money.
        amount: Money,
    },
    /// It is declined.
    Declined {
        /// The id of the charge.
        payment: PaymentId,
        /// Reason.
        reason: PaymentFailure,
    },
    /// It is not charged, and never will be.
    Cancelled,
    /// It is refunded.
    Refunded,
}

type Next = Step<Change, Effect, Payload>;

impl Decider for Payment {
    const SOURCE: Source = PAYMENT;
    const BEGINS: Option<&'static str> = Some(EventType::OrderCreated.as_str());
    type Heard = Heard;
    type State = State;
    type Change = Change;
    type Effect = Effect;
    type Reply = Answer;

    fn evolve(state: State, change: Change) -> State {
        match (change, state) {
            (Change::Ordered { total, method: Some(method), counted }, _) => State::Due { total, method, counted },
            (Change::Ordered { total, method: None, .. }, _) => State::Free { total },
            (Change::ChargeIntended { payment }, State::Due { total, method, counted }) => {
                State::Charging { payment, total, method, counted }
            }
            (Change::Charged { payment, amount }, _) => State::Paid { payment, amount },
            (Change::Declined, _) => State::Failed,
            (Change::Cancelled, _) => State::Cancelled,
            (Change::RefundIntended { refund }, State::Paid { payment, amount }) => {
                State::Refunding { payment, refund, amount }
            }
            (Change::Refunded, _) => State::Refunded,
            // There are no other intents: see `decide`.
            (Change::ChargeIntended { .. } | Change::RefundIntended { .. }, state) => state,
        }
    }

    fn decide(state: &State, event: &onewrite::Event<Heard>, answer: Option<&Answer>) -> Decision<Self> {
        let order = event.data.about();
        match &event.data {
            Heard::OrderCreated(created) => Ok(on_created(state, created, &event.context.extensions)),
            Heard::InventoryReserved(_) => on_reserved(state, order, event.context.time, answer),
            Heard::OrderCancelled(_) => on_cancelled(state, order, event.context.time, answer),
            Heard::GoodsReturned(_) => on_returned(state, order, answer),
        }
    }

    fn change_from(event: &Event) -> Option<Change> {
        match &event.data {
            Payload::PaymentProcessed(PaymentProcessed { payment_id, amount, .. }) => {
                Some(Change::Charged { payment: payment_id.clone(), amount: *amount })
            }
            Payload::PaymentFailed(_) => Some(Change::Declined),
            Payload::PaymentRefunded(_) => Some(Change::Refunded),
            _ => None,
        }
    }
}

fn on_created(state: &State, created: &OrderCreated, extensions: &Extensions) -> Next {
    match state {
        State::Unknown => {
            let method = created.details.payment_method.clone().filter(|_| !created.total.is_zero());
            let counted = method.as_ref().map(|method| tallies(&created.details, method, extensions));
            Step::record(Change::Ordered { total: created.total, method, counted: counted.unwrap_or_default() })
        }
        _ => Step::Nothing,
    }
}

/// The goods are there: charge. This event is the one whose attempts charge, and so it counts as handled only when it is
/// known what came of it.
fn on_reserved(state: &State, order: &OrderId, at: Time, answer: Option<&Answer>) -> Result<Next, Rejection> {
    Ok(match (state, answer) {
        (State::Unknown, _) => return Err(UNKNOWN),
        (State::Free { total }, _) => charged(Step::record, order, &PaymentId::of(order), *total),
        (State::Due { .. }, Some(Answer::Admitted)) => {
            Step::record_intent(Change::ChargeIntended { payment: PaymentId::of(order) })
        }
        (State::Due { .. }, Some(Answer::Refused)) => declined(order, &PaymentId::of(order), &refusal()),
        (State::Due { counted, .. }, Some(_) | None) => {
            Step::Perform(Effect::CountDeclines { counted: counted.clone(), at })
        }
        (State::Charging { .. }, Some(Answer::Charged { payment, amount })) => {
            charged(Step::record, order, payment, *amount)
        }
        (State::Charging { .. }, Some(Answer::Declined { payment, reason })) => declined(order, payment, reason),
        (State::Charging { .. }, Some(Answer::Cancelled)) => Step::record(Change::Cancelled),
        (
            State::Charging { payment, total, method, counted },
            Some(Answer::Admitted | Answer::Refused | Answer::Refunded) | None,
        ) => {
            let (payment, amount, method) = (payment.clone(), *total, method.clone());
            Step::Perform(Effect::Charge { payment, amount, method, counted: counted.clone(), at })
        }
        (State::Failed | State::Cancelled, Some(Answer::Charged { .. })) => return Err(charged_after_all()),
        (
            State::Paid { .. } | State::Refunding { .. } | State::Failed | State::Cancelled | State::Refunded,
            Some(_) | None,
        ) => Step::Nothing,
    })
}

/// The order is given up: what was charged goes back, and what was not is not charged any more.
fn on_cancelled(state: &State, order: &OrderId, at: Time, answer: Option<&Answer>) -> Result<Next, Rejection> {
    Ok(match (state, answer) {
        (State::Unknown | State::Free { .. } | State::Due { .. }, _)
        | (State::Charging { .. }, Some(Answer::Cancelled)) => Step::record(Change::Cancelled),
        (
            State::Charging { payment, counted, .. },
            Some(Answer::Admitted | Answer::Refused | Answer::Refunded) | None,
        ) => Step::Perform(Effect::Cancel { payment: payment.clone(), counted: counted.clone(), at }),
        (State::Charging { .. }, Some(Answer::Declined { payment, reason })) => declined(order, payment, reason),
        (State::Charging { .. }, Some(Answer::Charged { payment, amount })) => {
            charged(Step::record_intent, order, payment, *amount)
        }
        (State::Paid { .. } | State::Refunding { .. }, _) => give_back(state, order, answer),
        (State::Failed | State::Cancelled, Some(Answer::Charged { .. })) => return Err(charged_after_all()),
        (State::Failed | State::Cancelled | State::Refunded, Some(_) | None) => Step::Nothing,
    })
}

/// The goods are back: what was charged goes back. Goods leave after they are paid, so that there is a charge, or it is
/// about to come on record.
fn on_returned(state: &State, order: &OrderId, answer: Option<&Answer>) -> Result<Next, Rejection> {
    match state {
        State::Unknown => Err(UNKNOWN),
        State::Free { .. } | State::Due { .. } | State::Charging { .. } => Err(Rejection::TooEarly("not paid yet")),
        State::Paid { .. } | State::Refunding { .. } => Ok(give_back(state, order, answer)),
        State::Failed | State::Cancelled | State::Refunded => Ok(Step::Nothing),
    }
}

/// Refund of what was charged, whatever it is for.
fn give_back(state: &State, order: &OrderId, answer: Option<&Answer>) -> Next {
    match state {
        State::Paid { payment, amount } if amount.is_zero() => refunded(order, payment, &RefundId::of(order), *amount),
        State::Paid { .. } => Step::record_intent(Change::RefundIntended { refund: RefundId::of(order) }),
        State::Refunding { payment, refund, amount } => refunding(order, payment, refund, *amount, answer),
        State::Unknown
        | State::Free { .. }
        | State::Due { .. }
        | State::Charging { .. }
        | State::Failed
        | State::Cancelled
        | State::Refunded => Step::Nothing,
    }
}

/// The provider promises that this cannot be.
fn charged_after_all() -> Rejection {
    Rejection::Forbidden(
        "the provider has charged what it had declined or cancelled: a person has to decide".to_owned(),
    )
}

const UNKNOWN: Rejection = Rejection::TooEarly("no OrderCreated yet");

fn charged(record: impl Fn(Change) -> Next, order: &OrderId, payment: &PaymentId, amount: Money) -> Next {
    let change = Change::Charged { payment: payment.clone(), amount };
    record(change).publishing(PaymentProcessed { order_id: order.clone(), payment_id: payment.clone(), amount })
}

fn declined(order: &OrderId, payment: &PaymentId, reason: &PaymentFailure) -> Next {
    Step::record(Change::Declined).publishing(PaymentFailed {
        order_id: order.clone(),
        payment_id: payment.clone(),
        reason: reason.clone(),
    })
}

fn refunding(order: &OrderId, payment: &PaymentId, refund: &RefundId, amount: Money, answer: Option<&Answer>) -> Next {
    if answer != Some(&Answer::Refunded) {
        return Step::Perform(Effect::Refund { payment: payment.clone(), refund: refund.clone(), amount });
    }
    refunded(order, payment, refund, amount)
}

fn refunded(order: &OrderId, payment: &PaymentId, refund: &RefundId, amount: Money) -> Next {
    Step::record(Change::Refunded).publishing(PaymentRefunded {
        order_id: order.clone(),
        payment_id: payment.clone(),
        refund_id: refund.clone(),
        amount,
    })
}

#[cfg(test)]
mod tests;
