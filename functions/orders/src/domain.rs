//! Order: its state, and the changes that move it.

pub(crate) mod erasure;
pub(crate) mod withdrawal;

use std::convert::Infallible;

use onewrite::{Decider, Decision, Ending, EndingOf, Rejection, Step, consumes};
use orderflow_events::{
    CancellationReason, Context, Event, EventId, EventType, GoodsReturned, InventoryRejected, InventoryReserved, Money,
    ORDERS, OrderCancelled, OrderCreated, Payload, PaymentFailed, PaymentId, PaymentProcessed, PaymentRefunded,
    ReturnId, ShipmentCancelled, ShipmentCreated, ShipmentId, Source, Text, Time, is_guest,
};
use serde::{Deserialize, Serialize};

/// The orders service.
#[derive(Clone, Copy, Debug)]
pub enum Orders {}

consumes!(
    /// Events that move an order.
    pub enum Heard in Payload {
        InventoryReserved,
        InventoryRejected,
        PaymentProcessed,
        PaymentFailed,
        PaymentRefunded,
        ShipmentCreated,
        ShipmentCancelled,
        GoodsReturned,
    }
);

/// An order, as the orders service knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Nobody has created it.
    #[default]
    Unknown,
    /// It was created.
    Known(Box<Known>),
}

/// An order that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Order as it was placed.
    pub created: OrderCreated,
    /// The id of the first event of the order's flow.
    pub correlation_id: Text,
    /// Status of the order.
    pub status: Status,
    /// The charge, once there is one.
    pub payment: Option<Payment>,
    /// The shipment, once there is one.
    pub shipment: Option<Shipment>,
    /// The return of the goods, once the customer has asked for it.
    pub goods_return: Option<Return>,
    /// Every event about it, in the order in which the service has learned of them.
    pub timeline: Vec<Seen>,
    /// Time up to which links to it count no more; none where nobody has revoked any.
    pub links_revoked_at: Option<Time>,
    /// True once its customer was erased: nobody can tell any more who they were.
    pub is_erased: bool,
}

/// Status of an order: how far it is. It never moves back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It goes on.
    Open(Progress),
    /// It was given up.
    Cancelled(CancellationReason),
    /// It is on its way to the customer.
    Shipped,
}

/// Progress of an order that goes on. A later step implies the earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// It was accepted.
    Created,
    /// Its goods are set aside.
    Reserved,
    /// It is paid.
    Paid,
}

/// The charge of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Its id.
    pub payment_id: PaymentId,
    /// Amount that was charged.
    pub amount: Money,
    /// True once it was given back.
    pub refunded: bool,
}

/// The shipment of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Shipment {
    /// Its id.
    pub shipment_id: ShipmentId,
    /// The carrier.
    pub carrier: Text,
    /// The carrier's number to follow it by.
    pub tracking_number: Text,
    /// True once the carrier gave it up.
    pub cancelled: bool,
}

/// The return of an order's goods, after a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Return {
    /// Its id.
    pub return_id: ReturnId,
    /// Time at which the customer withdrew.
    pub requested_at: Time,
    /// Time at which the goods were back, once they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub received_at: Option<Time>,
    /// True once the payment was given back.
    pub refunded: bool,
}

/// An event that the service has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Seen {
    /// Its id.
    pub id: EventId,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Time at which it happened.
    pub time: Time,
}

impl From<&Event> for Seen {
    fn from(event: &Event) -> Self {
        Self::of(&event.context, event.event_type())
    }
}

impl Seen {
    fn of(context: &Context, event_type: EventType) -> Self {
        Self { id: context.id.clone(), event_type: event_type.to_string(), time: context.time }
    }
}

/// Change of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It was created, by the API or by another producer.
    Created {
        /// The event that says so.
        seen: Seen,
        /// The id of the first event of the flow.
        correlation_id: Text,
        /// The order itself.
        order: Box<OrderCreated>,
    },
    /// Its goods are set aside.
    Reserved(Seen),
    /// It is paid.
    Paid(Seen, Payment),
    /// The carrier took it.
    Shipped(Seen, Shipment),
    /// The payment was given back.
    Refunded(Seen),
    /// The carrier gave the shipment up.
    ShipmentCancelled(Seen),
    /// It was given up: because of an event, or because the customer asked.
    Cancelled(CancellationReason, Option<Seen>),
    /// The customer withdrew, and sends the goods back.
    ReturnRequested(Seen, ReturnId),
    /// The goods are back.
    GoodsReturned(Seen),
    /// Links to it that were issued until then count no more.
    LinksRevoked(Time),
    /// Its customer was erased.
    Erased,
}

/// Reason why an order cannot be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelRefusal {
    /// There is no such order.
    Unknown,
    /// It is on its way already.
    Shipped,
}

/// Next step of an order.
pub(crate) type Next = Step<Change, Infallible, Payload>;

impl Decider for Orders {
    const SOURCE: Source = ORDERS;
    const BEGINS: Option<&'static str> = Some(EventType::OrderCreated.as_str());
    type Heard = Heard;
    type State = Order;
    type Change = Change;
    type Effect = Infallible;
    type Reply = Infallible;

    fn evolve(order: Order, change: Change) -> Order {
        match (order, change) {
            (Order::Unknown, Change::Created { seen, correlation_id, order }) => Order::Known(Box::new(Known {
                created: *order,
                correlation_id,
                status: Status::Open(Progress::Created),
                payment: None,
                shipment: None,
                goods_return: None,
                timeline: vec![seen],
                links_revoked_at: None,
                is_erased: false,
            })),
            (Order::Known(mut known), change) => {
                known.add(change);
                Order::Known(known)
            }
            (Order::Unknown, _) => Order::Unknown,
        }
    }

    fn decide(order: &Order, event: &onewrite::Event<Heard>, _: Option<&Infallible>) -> Decision<Self> {
        let Order::Known(known) = order else { return Err(Rejection::TooEarly("the order is not created yet")) };
        let seen = |event_type| Seen::of(&event.context, event_type);
        Ok(match &event.data {
            Heard::InventoryReserved(_) => Step::record(Change::Reserved(seen(EventType::InventoryReserved))),
            Heard::PaymentProcessed(paid) => {
                if paid.amount != known.created.total {
                    return Err(Rejection::Forbidden("the payment is not of the order's total".to_owned()));
                }
                let payment = Payment { payment_id: paid.payment_id.clone(), amount: paid.amount, refunded: false };
                Step::record(Change::Paid(seen(EventType::PaymentProcessed), payment))
            }
            Heard::ShipmentCreated(shipped) => {
                let shipment = Shipment {
                    shipment_id: shipped.shipment_id.clone(),
                    carrier: shipped.carrier.clone(),
                    tracking_number: shipped.tracking_number.clone(),
                    cancelled: false,
                };
                Step::record(Change::Shipped(seen(EventType::ShipmentCreated), shipment))
            }
            Heard::PaymentRefunded(_) => Step::record(Change::Refunded(seen(EventType::PaymentRefunded))),
            Heard::ShipmentCancelled(_) => Step::record(Change::ShipmentCancelled(seen(EventType::ShipmentCancelled))),
            Heard::GoodsReturned(_) => Step::record(Change::GoodsReturned(seen(EventType::GoodsReturned))),
            Heard::InventoryRejected(_) => {
                known.failed(CancellationReason::OutOfStock, seen(EventType::InventoryRejected))?
            }
            Heard::PaymentFailed(_) => {
                known.failed(CancellationReason::PaymentFailed, seen(EventType::PaymentFailed))?
            }
        })
    }

    fn change_from(event: &Event) -> Option<Change> {
        let (seen, correlation_id) = (Seen::from(event), event.context.correlation());
        match &event.data {
            Payload::OrderCreated(created) => {
                Some(Change::Created { seen, correlation_id, order: Box::new(created.clone()) })
            }
            Payload::PersonalDataErased(_) => Some(Change::Erased),
            Payload::ReturnRequested(requested) => Some(Change::ReturnRequested(seen, requested.return_id.clone())),
            _ => None,
        }
    }

    fn is_over(order: &Order) -> bool {
        match order {
            Order::Unknown => false,
            Order::Known(known) => match known.status {
                Status::Open(_) => false,
                // A return begins days after the order has left the index of those that are open, and never enters it again.
                Status::Shipped => true,
                // Whatever went out comes back: goods and money.
                Status::Cancelled(_) => {
                    known.payment.as_ref().is_none_or(|payment| payment.refunded)
                        && known.shipment.as_ref().is_none_or(|shipment| shipment.cancelled)
                }
            },
        }
    }

    fn evolve_published(mut order: Order, event: &Event) -> Order {
        let Order::Known(known) = &mut order else { return order };
        match event.event_type() {
            // Others tell of themselves; a cancellation is known here only once it has an id and a time.
            EventType::OrderCancelled => known.timeline.push(Seen::from(event)),
            // It comes alone, or with the cancellation of an order that was open.
            EventType::PersonalDataErased => {
                known.is_erased = true;
                known.timeline.push(Seen::from(event));
            }
            _ => {}
        }
        order
    }

    fn owner(event: &Event) -> Option<&str> {
        match &event.data {
            Payload::OrderCreated(created) => Some(created.details.customer.id.as_str()),
            _ => None,
        }
    }
}

/// Next step when the customer asks to cancel.
///
/// # Errors
///
/// Why it cannot be done.
pub fn cancel(order: &Order) -> Result<Next, CancelRefusal> {
    match order {
        Order::Unknown => Err(CancelRefusal::Unknown),
        Order::Known(known) => match known.status {
            Status::Open(_) | Status::Cancelled(_) => Ok(known.cancelled(CancellationReason::CustomerRequest, None)),
            Status::Shipped => Err(CancelRefusal::Shipped),
        },
    }
}

/// End of an order that is unpaid for longer than anybody waits: it is given up like one whose payment is declined, so that its goods
/// are released, and a payment that comes after all is refunded. None of an order that is paid, or over.
#[must_use]
pub(crate) fn cancel_unpaid(order: &Order) -> Option<EndingOf<Orders>> {
    let Order::Known(known) = order else { return None };
    match known.status {
        Status::Open(Progress::Created | Progress::Reserved) => {
            let Step::Commit(commit) = known.cancelled(CancellationReason::PaymentFailed, None) else { return None };
            let correlation_id = Some(known.correlation_id.clone());
            Some(Ending { name: "CancelUnpaid", commit, correlation_id })
        }
        Status::Open(Progress::Paid) | Status::Cancelled(_) | Status::Shipped => None,
    }
}

/// Next step when somebody asks that no link to the order that was issued until `at` counts any more. Only a guest's order
/// has links.
#[must_use]
pub(crate) fn revoke_links(order: &Order, at: Time) -> Next {
    match order {
        Order::Known(known) if known.is_of_guest() => Step::record(Change::LinksRevoked(at)),
        Order::Known(_) | Order::Unknown => Step::Nothing,
    }
}

impl Known {
    /// True of the order of a guest.
    #[must_use]
    pub fn is_of_guest(&self) -> bool {
        is_guest(&self.created.details.customer.id)
    }

    /// True of a link to the order that was issued at that time, and not revoked since.
    #[must_use]
    pub fn counts_link_of(&self, issued_at: Time) -> bool {
        self.is_of_guest() && self.links_revoked_at.is_none_or(|revoked_at| revoked_at < issued_at)
    }

    /// A step failed that had to succeed before the order could be shipped.
    fn failed(&self, reason: CancellationReason, because: Seen) -> Result<Next, Rejection> {
        match self.status {
            Status::Open(_) | Status::Cancelled(_) => Ok(self.cancelled(reason, Some(because))),
            Status::Shipped => {
                let why = "the order is shipped already: goods are left unpaid, or were never there, and a person has to decide";
                Err(Rejection::Forbidden(why.to_owned()))
            }
        }
    }

    /// The first reason counts: what is cancelled stays as it is, and what is shipped too.
    fn cancelled(&self, reason: CancellationReason, because: Option<Seen>) -> Next {
        match self.status {
            Status::Open(_) => Step::record(Change::Cancelled(reason, because))
                .publishing(OrderCancelled { order_id: self.created.order_id.clone(), reason }),
            Status::Cancelled(_) | Status::Shipped => Step::Nothing,
        }
    }

    fn add(&mut self, change: Change) {
        match change {
            // An order is created once: the ledger refuses any other creation. Of an erasure the event that tells of it does
            // this: see `evolve_published`.
            Change::Created { .. } | Change::Erased => {}
            Change::Reserved(seen) => {
                self.advance(Progress::Reserved);
                self.timeline.push(seen);
            }
            Change::Paid(seen, payment) => {
                self.advance(Progress::Paid);
                // The refund may have been heard of before the payment.
                let refunded = self.seen(EventType::PaymentRefunded).is_some();
                self.payment = Some(Payment { refunded, ..payment });
                self.timeline.push(seen);
            }
            Change::Shipped(seen, shipment) => {
                if let Status::Open(_) = self.status {
                    self.status = Status::Shipped;
                }
                let cancelled = self.seen(EventType::ShipmentCancelled).is_some();
                self.shipment = Some(Shipment { cancelled, ..shipment });
                self.timeline.push(seen);
            }
            Change::Refunded(seen) => {
                if let Some(payment) = &mut self.payment {
                    payment.refunded = true;
                }
                if let Some(goods_return) = &mut self.goods_return {
                    goods_return.refunded = true;
                }
                self.timeline.push(seen);
            }
            Change::ShipmentCancelled(seen) => {
                if let Some(shipment) = &mut self.shipment {
                    shipment.cancelled = true;
                }
                self.timeline.push(seen);
            }
            Change::Cancelled(reason, because) => {
                self.status = Status::Cancelled(reason);
                self.timeline.extend(because);
            }
            Change::ReturnRequested(seen, return_id) => {
                // As of the others: whatever else is known of it may have come first.
                let received_at = self.seen(EventType::GoodsReturned).map(|seen| seen.time);
                let refunded = self.seen(EventType::PaymentRefunded).is_some();
                self.goods_return = Some(Return { return_id, requested_at: seen.time, received_at, refunded });
                self.timeline.push(seen);
            }
            Change::GoodsReturned(seen) => {
                if let Some(goods_return) = &mut self.goods_return {
                    goods_return.received_at.get_or_insert(seen.time);
                }
                self.timeline.push(seen);
            }
            Change::LinksRevoked(at) => self.links_revoked_at = self.links_revoked_at.max(Some(at)),
        }
    }

    fn advance(&mut self, to: Progress) {
        if let Status::Open(progress) = &mut self.status {
            *progress = to.max(*progress);
        }
    }

    /// The first event of that type on the timeline.
    fn seen(&self, event_type: EventType) -> Option<&Seen> {
        self.timeline.iter().find(|seen| seen.event_type == event_type.as_str())
    }
}

#[cfg(test)]
mod tests;
