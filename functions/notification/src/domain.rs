//! Messages to the customer: which, and when.

use std::collections::BTreeSet;

use onewrite::{Cause, Decider, Decision, Rejection, Step, consumes};
use orderflow_events::{
    CancellationReason, Country, EventType, IN_CLEAR, InventoryReserved, Money, OrderCancelled, OrderCreated, OrderId,
    Payload, Person, Personal, ReturnId, ReturnRequested, ShipmentCreated, Source, StockLine, Text, Time, is_guest,
};
use serde::{Deserialize, Serialize};

/// The rules of notification.
#[derive(Clone, Copy, Debug)]
pub enum Notification {}

consumes!(
    /// Events that are the customer's business. A payment is none by itself: the goods are reserved before it and leave after
    /// it, and the mail about a cancellation says what becomes of the money.
    pub enum Heard in Payload { OrderCreated, InventoryReserved, ShipmentCreated, OrderCancelled, ReturnRequested }
);

/// State of an order: what notification knows of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It has not heard of the order.
    #[default]
    Unknown,
    /// It knows whom to tell.
    Known(Customer),
    /// It knows whom to tell, and that there is no success to tell of any more.
    Cancelled(Customer),
}

/// Customer of an order, and where nobody is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// Contact of the customer.
    pub contact: Contact,
    /// Channels that have turned out to reach nobody: they are not tried again for the order.
    pub unreachable: BTreeSet<Channel>,
    /// True once nobody can open the contact any more: there is nobody to tell.
    pub is_erased: bool,
}

/// Contact of a customer, sealed, and the total of the order: no more of it is stored here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The customer, whose key it is sealed with.
    pub customer: Text,
    /// Name to greet by, address for mails, and number for short messages as the customer wrote it.
    pub personal: Personal<Person>,
    /// Country of the shipping address, in which a number without a country code is dialled.
    pub country: Country,
    /// Total of the order.
    pub total: Money,
}

/// Channel that a customer is told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Channel {
    /// Mails.
    Email,
    /// Short messages.
    Sms,
}

impl Channel {
    /// Name of the channel, in logs and leases.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }
}

/// Change of an order in notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// The order became known, and with it the customer.
    Met(Contact),
    /// The order was cancelled.
    Cancelled,
    /// The customer cannot be reached by these channels.
    Unreachable {
        /// The channels.
        channels: BTreeSet<Channel>,
    },
    /// Nobody knows the customer any more.
    Erased,
    /// The customer was not told of one event by these channels: whoever is reached by them has had as many messages that day as
    /// anybody may.
    Limited {
        /// The channels.
        channels: BTreeSet<Channel>,
    },
}

/// Something to tell a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tell {
    /// The event that is told of. The same event is told once on each channel.
    pub cause: Cause,
    /// Time of the event.
    pub at: Time,
    /// The order that it is about.
    pub order: OrderId,
    /// Customer to tell.
    pub customer: Customer,
    /// Message to the customer.
    pub message: Message,
}

/// Message to a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// We have your order, and the goods for it.
    Received {
        /// Goods that are set aside.
        lines: Vec<StockLine>,
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
        /// Time of it: the customer's proof, where they asked.
        at: Time,
    },
    /// We have your withdrawal, and wait for the goods.
    Withdrawn {
        /// The return.
        return_id: ReturnId,
        /// Time of the withdrawal: the customer's proof.
        at: Time,
    },
}

/// Result of telling a customer something, on every channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Channels that turned out to reach nobody.
    pub unreachable: BTreeSet<Channel>,
    /// True if nobody knows the customer any more, and so nobody was told.
    pub is_erased: bool,
    /// Channels by which the recipient may get nothing more that day.
    pub limited: BTreeSet<Channel>,
}

impl Decider for Notification {
    /// Notification publishes nothing, so that no event has this source.
    const SOURCE: Source = Source::from_static("orderflow/notification");

    const BEGINS: Option<&'static str> = Some(EventType::OrderCreated.as_str());
    type Heard = Heard;
    type State = State;
    type Change = Change;
    type Effect = Tell;
    type Reply = Told;

    fn evolve(state: State, change: Change) -> State {
        match (state, change) {
            (_, Change::Met(contact)) => {
                State::Known(Customer { contact, unreachable: BTreeSet::new(), is_erased: false })
            }
            (State::Known(customer) | State::Cancelled(customer), Change::Cancelled) => State::Cancelled(customer),
            (State::Known(customer), Change::Unreachable { channels }) => State::Known(customer.without(channels)),
            (State::Cancelled(customer), Change::Unreachable { channels }) => {
                State::Cancelled(customer.without(channels))
            }
            (State::Known(customer), Change::Erased) => State::Known(Customer { is_erased: true, ..customer }),
            (State::Cancelled(customer), Change::Erased) => State::Cancelled(Customer { is_erased: true, ..customer }),
            (state, Change::Limited { .. }) => state,
            (State::Unknown, Change::Cancelled | Change::Unreachable { .. } | Change::Erased) => State::Unknown,
        }
    }

    /// A cancellation leaves its event open: it is handled once the customer is told, and that is on record in the leases,
    /// not here. An event that comes again is told again, and the leases see to it that nobody hears it twice.
    fn decide(state: &State, event: &onewrite::Event<Heard>, told: Option<&Told>) -> Decision<Self> {
        if let Some(told) = told {
            return Ok(on_told(state, told));
        }
        Ok(match (state, &event.data) {
            (State::Unknown, Heard::OrderCreated(order)) => Step::record(Change::Met(Contact::of(order)?)),
            (State::Unknown, _) => return Err(Rejection::TooEarly("the customer is not known yet")),
            (State::Known(_) | State::Cancelled(_), Heard::OrderCreated(_))
            | (State::Cancelled(_), Heard::InventoryReserved(_) | Heard::ShipmentCreated(_)) => Step::Nothing,
            (State::Known(_), Heard::OrderCancelled(_)) => Step::record_intent(Change::Cancelled),
            (State::Known(customer), Heard::InventoryReserved(reserved)) => {
                tell(customer, event, Message::Received { lines: reserved.lines.clone() })
            }
            (State::Known(customer), Heard::ShipmentCreated(shipment)) => {
                let (carrier, tracking_number) = (shipment.carrier.clone(), shipment.tracking_number.clone());
                tell(customer, event, Message::Shipped { carrier, tracking_number })
            }
            (State::Cancelled(customer), Heard::OrderCancelled(OrderCancelled { reason, .. })) => {
                tell(customer, event, Message::Cancelled { reason: *reason, at: event.context.time })
            }
            // It is owed to whoever withdraws, and no success.
            (State::Known(customer) | State::Cancelled(customer), Heard::ReturnRequested(requested)) => {
                let (return_id, at) = (requested.return_id.clone(), event.context.time);
                tell(customer, event, Message::Withdrawn { return_id, at })
            }
        })
    }
}

type Next = Step<Change, Tell, Payload>;

fn tell(customer: &Customer, event: &onewrite::Event<Heard>, message: Message) -> Next {
    if customer.is_erased {
        return Step::Nothing;
    }
    let (cause, order) = (Cause::of(&event.context, event.data.event_type()), event.data.about().clone());
    Step::Perform(Tell { cause, at: event.context.time, order, customer: customer.clone(), message })
}

/// A channel that reaches nobody is an outcome, and as such on record: a dead letter would ask for a person, who could do
/// nothing about it. So is a customer who is erased, and a channel by which the recipient may get nothing more; of the channels
/// what lasts is recorded first, and the other is found out again.
fn on_told(state: &State, told: &Told) -> Next {
    let (State::Known(customer) | State::Cancelled(customer)) = state else { return Step::Nothing };
    if told.is_erased {
        return if customer.is_erased { Step::Nothing } else { Step::record(Change::Erased) };
    }
    let channels: BTreeSet<Channel> = told.unreachable.difference(&customer.unreachable).copied().collect();
    match (channels.is_empty(), told.limited.is_empty()) {
        (true, true) => Step::Nothing,
        (false, true) => Step::record(Change::Unreachable { channels }),
        (false, false) => Step::record_intent(Change::Unreachable { channels }),
        (true, false) => Step::record(Change::Limited { channels: told.limited.clone() }),
    }
}

impl Customer {
    fn without(mut self, channels: BTreeSet<Channel>) -> Self {
        self.unreachable.extend(channels);
        self
    }
}

impl Contact {
    fn of(order: &OrderCreated) -> Result<Self, Rejection> {
        let personal = order.details.personal.sealed().ok_or_else(|| Rejection::Forbidden(IN_CLEAR.to_owned()))?;
        Ok(Self {
            customer: order.details.customer.id.clone(),
            personal: personal.clone(),
            country: order.details.shipping_address.country,
            total: order.total,
        })
    }

    /// True of a guest, who reaches the order by nothing but a link.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        is_guest(&self.customer)
    }
}

#[cfg(test)]
mod tests;
