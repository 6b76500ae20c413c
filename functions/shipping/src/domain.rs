//! Meaning of the events for the shipment of an order: the table of the contract.
//!
//! ```text
//!             OrderCreated         PaymentProcessed            booked
//!   unknown ───────────────► ready ────────────────► booking ─────────► shipped
//!      │                       │                        │                  │ OrderCancelled
//!      │ OrderCancelled        │ OrderCancelled         │                  ▼
//!      ▼                       ▼                        │               voiding ──► voided
//!   cancelled ◄────────────────┴────────────────────────┘
//!                               OrderCancelled, and the carrier has
//!                               cancelled what it had not booked yet
//! ```
//!
//! Where flagged orders are held, an order ships once it is paid *and* cleared, whichever is heard first:
//!
//! ```text
//!            OrderCleared               PaymentProcessed
//!   ready ───────────────► cleared ───────────────────────┐
//!      │                                                  ├──► booking
//!      └─────────────────► held ──────────────────────────┘
//!        PaymentProcessed             OrderCleared
//! ```
//!
//! Whether they are, is asked as the payment of an order that nobody has cleared comes in. An order that is held then stays so,
//! whatever becomes of the rule.
//!
//! An order that is cancelled while it is booking is cancelled at the carrier first. So nobody who is still at work on the
//! booking can book any more, and what was booked before is found, and voided.
//!
//! The recipient is sealed. Where nobody can open that any more before the goods are booked, nothing is: whoever erases a
//! person cancels the orders that are open, and until that is heard of the payment is early.

use onewrite::{Decider, Decision, Rejection, Step, consumes};
use orderflow_events::{
    Event, EventType, HoldFlagged, IN_CLEAR, Money, OrderCancelled, OrderCleared, OrderCreated, OrderId, Payload,
    PaymentProcessed, Person, Personal, SHIPPING, ShipmentCancelled, ShipmentCreated, ShipmentId, Source, Text,
};
use serde::{Deserialize, Serialize};

/// The shipment of an order.
#[derive(Clone, Copy, Debug)]
pub enum Shipping {}

consumes!(
    /// Events that shipping takes.
    pub enum Heard in Payload { OrderCreated, PaymentProcessed, OrderCleared, OrderCancelled }
);

/// Recipient of an order: sealed, for the one who asks the carrier to open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The customer, whose key it is sealed with.
    pub customer: Text,
    /// The person, and their address.
    pub personal: Personal<Person>,
}

/// State of the shipment of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nobody has said anything about the order yet.
    #[default]
    Unknown,
    /// It is to be shipped once it is paid.
    Ready {
        /// The recipient.
        recipient: Recipient,
        /// Amount that the order costs.
        total: Money,
    },
    /// It is cleared, and to be shipped once it is paid.
    Cleared {
        /// The recipient.
        recipient: Recipient,
        /// Amount that the order costs.
        total: Money,
    },
    /// It is paid, and to be shipped once it is cleared.
    Held {
        /// The recipient.
        recipient: Recipient,
        /// Amount that the order costs.
        total: Money,
    },
    /// It may be booked at any moment from now on, or have been booked: only the carrier knows.
    Booking {
        /// The id of the shipment.
        shipment: ShipmentId,
        /// The recipient.
        recipient: Recipient,
        /// Amount that the order costs.
        total: Money,
    },
    /// The carrier has it.
    Shipped {
        /// The id of the shipment.
        shipment: ShipmentId,
    },
    /// It may be voided at any moment from now on, or have been voided: only the carrier knows.
    Voiding {
        /// The id of the shipment.
        shipment: ShipmentId,
    },
    /// It was cancelled before it was booked, and never will be.
    Cancelled,
    /// The carrier has given it up.
    Voided,
}

/// Change of the shipment of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// An order was accepted.
    Ordered {
        /// The recipient.
        recipient: Recipient,
        /// Amount that the order costs.
        total: Money,
    },
    /// It was cleared before it was paid.
    Cleared,
    /// It was paid before it was cleared, where flagged orders are held.
    Held,
    /// From here on the carrier may be asked to take it.
    BookingIntended {
        /// The id of the shipment.
        shipment: ShipmentId,
    },
    /// The carrier has taken it.
    Booked {
        /// The id of the shipment.
        shipment: ShipmentId,
    },
    /// The order was cancelled before it was booked, and so was the booking, if anybody had meant to book.
    Cancelled,
    /// From here on the carrier may be asked to give it up.
    VoidIntended,
    /// The carrier has given it up.
    Voided,
}

/// Effect that the carrier is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Tell whether an order that nobody has cleared may be shipped.
    AskRule,
    /// See to it that this is booked once.
    Book {
        /// The id of the shipment.
        shipment: ShipmentId,
        /// The recipient.
        recipient: Recipient,
    },
    /// See to it that this is never booked, or find out that it was.
    Cancel {
        /// The id of the shipment.
        shipment: ShipmentId,
    },
    /// See to it that this is voided.
    Void {
        /// The id of the shipment.
        shipment: ShipmentId,
    },
}

/// Answer of the carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is the rule of the stack.
    Rule(HoldFlagged),
    /// It is booked.
    Booked {
        /// The id of the shipment.
        shipment: ShipmentId,
        /// Carrier of the shipment.
        carrier: Text,
        /// The carrier's number to follow it by.
        tracking_number: Text,
    },
    /// It is not booked, and never will be.
    Cancelled,
    /// It is voided.
    Voided,
    /// It is not booked, and cannot be: nobody knows the recipient any more.
    NoRecipient,
}

type Next = Step<Change, Effect, Payload>;

impl Decider for Shipping {
    const SOURCE: Source = SHIPPING;
    const BEGINS: Option<&'static str> = Some(EventType::OrderCreated.as_str());
    type Heard = Heard;
    type State = State;
    type Change = Change;
    type Effect = Effect;
    type Reply = Answer;

    fn evolve(state: State, change: Change) -> State {
        match (change, state) {
            (Change::Ordered { recipient, total }, _) => State::Ready { recipient, total },
            (Change::Cleared, State::Ready { recipient, total }) => State::Cleared { recipient, total },
            (Change::Held, State::Ready { recipient, total }) => State::Held { recipient, total },
            (
                Change::BookingIntended { shipment },
                State::Ready { recipient, total }
                | State::Cleared { recipient, total }
                | State::Held { recipient, total },
            ) => State::Booking { shipment, recipient, total },
            (Change::Booked { shipment }, _) => State::Shipped { shipment },
            (Change::VoidIntended, State::Shipped { shipment }) => State::Voiding { shipment },
            (Change::Cancelled, _) => State::Cancelled,
            (Change::Voided, _) => State::Voided,
            // There are no others: see `decide`.
            (Change::Cleared | Change::Held | Change::BookingIntended { .. } | Change::VoidIntended, state) => state,
        }
    }

    fn decide(state: &State, event: &onewrite::Event<Heard>, answer: Option<&Answer>) -> Decision<Self> {
        let order = event.data.about();
        match &event.data {
            Heard::OrderCreated(created) => on_created(state, created),
            Heard::PaymentProcessed(paid) => {
                check_amount(state, paid)?;
                on_paid(state, order, answer)
            }
            Heard::OrderCleared(_) => on_cleared(state, order, answer),
            Heard::OrderCancelled(_) => on_cancelled(state, order, answer),
        }
    }

    fn change_from(event: &Event) -> Option<Change> {
        match &event.data {
            Payload::ShipmentCreated(created) => Some(Change::Booked { shipment: created.shipment_id.clone() }),
            Payload::ShipmentCancelled(_) => Some(Change::Voided),
            _ => None,
        }
    }
}

fn on_created(state: &State, created: &OrderCreated) -> Result<Next, Rejection> {
    let State::Unknown = state else { return Ok(Step::Nothing) };
    let (customer, personal) = (created.details.customer.id.clone(), created.details.personal.sealed());
    let personal = personal.ok_or_else(|| Rejection::Forbidden(IN_CLEAR.to_owned()))?.clone();
    Ok(Step::record(Change::Ordered { recipient: Recipient { customer, personal }, total: created.total }))
}

/// Goods are shipped for what they cost, and for nothing else.
fn check_amount(state: &State, paid: &PaymentProcessed) -> Result<(), Rejection> {
    match state {
        State::Ready { total, .. }
        | State::Cleared { total, .. }
        | State::Held { total, .. }
        | State::Booking { total, .. }
            if *total != paid.amount =>
        {
            Err(Rejection::Forbidden("the payment is not of the order's total".to_owned()))
        }
        _ => Ok(()),
    }
}

/// The order is paid: ship it, unless it has to be cleared first.
fn on_paid(state: &State, order: &OrderId, answer: Option<&Answer>) -> Result<Next, Rejection> {
    Ok(match (state, answer) {
        (State::Ready { .. }, Some(Answer::Rule(HoldFlagged::No))) | (State::Cleared { .. }, _) => intend(order),
        (State::Ready { .. }, Some(Answer::Rule(HoldFlagged::Yes))) => Step::record(Change::Held),
        (
            State::Ready { .. },
            Some(Answer::Booked { .. } | Answer::Cancelled | Answer::Voided | Answer::NoRecipient) | None,
        ) => Step::Perform(Effect::AskRule),
        (State::Held { .. }, _) => Step::Nothing,
        (state, answer) => book(state, order, answer)?,
    })
}

/// The order is cleared: ship it, if it is paid.
fn on_cleared(state: &State, order: &OrderId, answer: Option<&Answer>) -> Result<Next, Rejection> {
    Ok(match state {
        State::Ready { .. } => Step::record(Change::Cleared),
        State::Cleared { .. } => Step::Nothing,
        State::Held { .. } => intend(order),
        state => book(state, order, answer)?,
    })
}

fn intend(order: &OrderId) -> Next {
    Step::record_intent(Change::BookingIntended { shipment: ShipmentId::of(order) })
}

/// Nothing is missing any more. The event at hand is one whose attempts book, and so it counts as handled only when it is known
/// what came of it.
fn book(state: &State, order: &OrderId, answer: Option<&Answer>) -> Result<Next, Rejection> {
    Ok(match (state, answer) {
        (State::Unknown, _) => return Err(UNKNOWN),
        (State::Booking { .. }, Some(Answer::Booked { shipment, carrier, tracking_number })) => {
            booked(Step::record, order, shipment, carrier, tracking_number)
        }
        (State::Booking { .. }, Some(Answer::Cancelled)) => Step::record(Change::Cancelled),
        (State::Booking { .. }, Some(Answer::NoRecipient)) => return Err(NO_RECIPIENT),
        (State::Booking { shipment, recipient, .. }, Some(Answer::Voided | Answer::Rule(_)) | None) => {
            Step::Perform(Effect::Book { shipment: shipment.clone(), recipient: recipient.clone() })
        }
        (State::Cancelled, Some(Answer::Booked { .. })) => return Err(booked_after_all()),
        (
            State::Ready { .. }
            | State::Cleared { .. }
            | State::Held { .. }
            | State::Shipped { .. }
            | State::Voiding { .. }
            | State::Cancelled
            | State::Voided,
            Some(_) | None,
        ) => Step::Nothing,
    })
}

/// The order is given up: what was booked is voided, and what was not is not booked any more.
fn on_cancelled(state: &State, order: &OrderId, answer: Option<&Answer>) -> Result<Next, Rejection> {
    Ok(match (state, answer) {
        (State::Unknown | State::Ready { .. } | State::Cleared { .. } | State::Held { .. }, _)
        | (State::Booking { .. }, Some(Answer::Cancelled)) => Step::record(Change::Cancelled),
        (State::Booking { shipment, .. }, Some(Answer::Voided | Answer::Rule(_) | Answer::NoRecipient) | None) => {
            Step::Perform(Effect::Cancel { shipment: shipment.clone() })
        }
        (State::Booking { .. }, Some(Answer::Booked { shipment, carrier, tracking_number })) => {
            booked(Step::record_intent, order, shipment, carrier, tracking_number)
        }
        (State::Shipped { .. }, _) => Step::record_intent(Change::VoidIntended),
        (State::Voiding { shipment }, _) => voiding(order, shipment, answer),
        (State::Cancelled, Some(Answer::Booked { .. })) => return Err(booked_after_all()),
        (State::Cancelled | State::Voided, Some(_) | None) => Step::Nothing,
    })
}

/// The carrier promises that this cannot be.
fn booked_after_all() -> Rejection {
    Rejection::Forbidden("the carrier has booked what it had cancelled: a person has to decide".to_owned())
}

const UNKNOWN: Rejection = Rejection::TooEarly("no OrderCreated yet");

const NO_RECIPIENT: Rejection =
    Rejection::TooEarly("the recipient is erased, and OrderCancelled, which says so, has not come yet");

fn booked(
    record: impl Fn(Change) -> Next,
    order: &OrderId,
    shipment: &ShipmentId,
    carrier: &Text,
    tracking_number: &Text,
) -> Next {
    record(Change::Booked { shipment: shipment.clone() }).publishing(ShipmentCreated {
        order_id: order.clone(),
        shipment_id: shipment.clone(),
        carrier: carrier.clone(),
        tracking_number: tracking_number.clone(),
    })
}

fn voiding(order: &OrderId, shipment: &ShipmentId, answer: Option<&Answer>) -> Next {
    if answer != Some(&Answer::Voided) {
        return Step::Perform(Effect::Void { shipment: shipment.clone() });
    }
    Step::record(Change::Voided)
        .publishing(ShipmentCancelled { order_id: order.clone(), shipment_id: shipment.clone() })
}

#[cfg(test)]
mod tests;
