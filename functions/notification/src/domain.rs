//! Messages to the customer: which, and when.

use onewrite::{Cause, Decider, Decision, Rejection, Step, consumes};
use orderflow_events::{
    CancellationReason, Email, EventType, Line, Money, OrderCancelled, OrderCreated, OrderId, Payload, PaymentFailed,
    PaymentProcessed, PaymentRefunded, ShipmentCreated, Source, Text,
};
use serde::{Deserialize, Serialize};

/// The rules of notification.
#[derive(Clone, Copy, Debug)]
pub enum Notification {}

consumes!(
    /// Events that are the customer's business.
    pub enum Heard in Payload {
        OrderCreated,
        PaymentProcessed,
        PaymentFailed,
        PaymentRefunded,
        ShipmentCreated,
        OrderCancelled,
    }
);

/// State of an order: what notification knows of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It has not heard of the order.
    #[default]
    Unknown,
    /// It knows whom to tell.
    Known(Contact),
    /// It knows whom to tell, and that there is no success to tell of any more.
    Cancelled(Contact),
}

/// Contact of a customer: no more of the customer is stored here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Address for mails.
    pub email: Email,
    /// Number for short messages, as the customer wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Text>,
}

/// Change of an order in notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// The order became known, and with it the customer.
    Met(Contact),
    /// The order was cancelled.
    Cancelled,
}

/// Something to tell a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tell {
    /// The event that is told of. The same event is told once on each channel.
    pub cause: Cause,
    /// The order that it is about.
    pub order: OrderId,
    /// Contact of the customer to tell.
    pub contact: Contact,
    /// Message to the customer.
    pub message: Message,
}

/// Message to a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// We have your order.
    Received {
        /// Lines of the order: the goods that are bought.
        lines: Vec<Line>,
        /// Total to be paid.
        total: Money,
    },
    /// We have your money.
    Paid {
        /// Amount of money.
        amount: Money,
    },
    /// Your payment was declined.
    Declined {
        /// Reason, in the provider's words for people.
        reason: Text,
    },
    /// You get your money back.
    Refunded {
        /// Amount of money.
        amount: Money,
    },
    /// Your goods are on their way.
    Shipped {
        /// Carrier of the goods.
        carrier: Text,
        /// The carrier's number to follow them by.
        tracking_number: Text,
    },
    /// Your order was given up.
    Cancelled {
        /// Reason.
        reason: CancellationReason,
    },
}

impl Decider for Notification {
    /// Notification publishes nothing, so that no event has this source.
    const SOURCE: Source = Source::from_static("orderflow/notification");

    const BEGINS: Option<&'static str> = Some(EventType::OrderCreated.as_str());
    type Heard = Heard;
    type State = State;
    type Change = Change;
    type Effect = Tell;
    /// It is told, on every channel.
    type Reply = ();

    fn evolve(state: State, change: Change) -> State {
        match (state, change) {
            (_, Change::Met(contact)) => State::Known(contact),
            (State::Known(contact) | State::Cancelled(contact), Change::Cancelled) => State::Cancelled(contact),
            (State::Unknown, Change::Cancelled) => State::Unknown,
        }
    }

    /// Both changes leave their event open: it is handled once the customer is told, and that is on record in the
    /// leases, not here. An event that comes again is told again, and the leases see to it that nobody hears it twice.
    fn decide(state: &State, event: &onewrite::Event<Heard>, told: Option<&()>) -> Decision<Self> {
        if told.is_some() {
            return Ok(Step::Nothing);
        }
        match (state, &event.data) {
            (State::Unknown, Heard::OrderCreated(order)) => Ok(Step::record_intent(Change::Met(Contact::of(order)))),
            (State::Unknown, _) => Err(Rejection::TooEarly("the customer is not known yet")),
            (State::Known(_), Heard::OrderCancelled(_)) => Ok(Step::record_intent(Change::Cancelled)),
            (State::Known(contact), _) => Ok(tell(contact, event)),
            (State::Cancelled(_), data) if Message::of(data).is_success() => Ok(Step::Nothing),
            (State::Cancelled(contact), _) => Ok(tell(contact, event)),
        }
    }
}

fn tell(contact: &Contact, event: &onewrite::Event<Heard>) -> Step<Change, Tell, Payload> {
    let (order, message) = (event.data.about().clone(), Message::of(&event.data));
    Step::Perform(Tell {
        cause: Cause::of(&event.context, event.data.event_type()),
        order,
        contact: contact.clone(),
        message,
    })
}

impl Contact {
    fn of(order: &OrderCreated) -> Self {
        let customer = &order.details.customer;
        Self { email: customer.email.clone(), phone: customer.phone.clone() }
    }
}

impl Message {
    /// Message about an event.
    pub(crate) fn of(heard: &Heard) -> Self {
        match heard {
            Heard::OrderCreated(order) => Self::Received { lines: order.details.lines.clone(), total: order.total },
            Heard::PaymentProcessed(payment) => Self::Paid { amount: payment.amount },
            Heard::PaymentFailed(payment) => Self::Declined { reason: payment.reason.message.clone() },
            Heard::PaymentRefunded(refund) => Self::Refunded { amount: refund.amount },
            Heard::ShipmentCreated(shipment) => {
                let (carrier, tracking_number) = (shipment.carrier.clone(), shipment.tracking_number.clone());
                Self::Shipped { carrier, tracking_number }
            }
            Heard::OrderCancelled(cancelled) => Self::Cancelled { reason: cancelled.reason },
        }
    }

    /// Success: the customer would take it for the order going well. After a cancellation that would be a lie.
    fn is_success(&self) -> bool {
        match self {
            Self::Received { .. } | Self::Paid { .. } | Self::Shipped { .. } => true,
            Self::Declined { .. } | Self::Refunded { .. } | Self::Cancelled { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests;
