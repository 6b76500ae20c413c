//! Order: its state, and the changes that move it.

use std::convert::Infallible;

use onewrite::{Decider, Decision, Rejection, Step, consumes};
use orderflow_events::{
    CancellationReason, Context, Event, EventId, EventType, InventoryRejected, InventoryReserved, Money, ORDERS,
    OrderCancelled, OrderCreated, Payload, PaymentFailed, PaymentId, PaymentProcessed, PaymentRefunded,
    ShipmentCancelled, ShipmentCreated, ShipmentId, Source, Text, Time,
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
    /// Every event about it, in the order in which the service has learned of them.
    pub timeline: Vec<Seen>,
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
    /// What was charged.
    pub amount: Money,
    /// Whether it was given back.
    pub refunded: bool,
}

/// The shipment of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Shipment {
    /// Its id.
    pub shipment_id: ShipmentId,
    /// Who carries it.
    pub carrier: Text,
    /// The carrier's number to follow it by.
    pub tracking_number: Text,
    /// Whether the carrier gave it up.
    pub cancelled: bool,
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
    /// When it happened.
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
}

/// Reason why an order cannot be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelRefusal {
    /// There is no such order.
    Unknown,
    /// It is on its way already.
    Shipped,
}

type Next = Step<Change, Infallible, Payload>;

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
                timeline: vec![seen],
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
            Heard::InventoryRejected(_) => {
                known.cancelled(CancellationReason::OutOfStock, Some(seen(EventType::InventoryRejected)))
            }
            Heard::PaymentFailed(_) => {
                known.cancelled(CancellationReason::PaymentFailed, Some(seen(EventType::PaymentFailed)))
            }
        })
    }

    fn change_from(event: &Event) -> Option<Change> {
        let Payload::OrderCreated(created) = &event.data else { return None };
        let (seen, correlation_id) = (Seen::from(event), event.context.correlation());
        Some(Change::Created { seen, correlation_id, order: Box::new(created.clone()) })
    }

    fn evolve_published(mut order: Order, event: &Event) -> Order {
        // A creation tells of itself; a cancellation is known here only once it has an id and a time.
        if let (Order::Known(known), EventType::OrderCancelled) = (&mut order, event.event_type()) {
            known.timeline.push(Seen::from(event));
        }
        order
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

impl Known {
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
            // An order is created once: the ledger refuses any other creation.
            Change::Created { .. } => {}
            Change::Reserved(seen) => {
                self.advance(Progress::Reserved);
                self.timeline.push(seen);
            }
            Change::Paid(seen, payment) => {
                self.advance(Progress::Paid);
                // The refund may have been heard of before the payment.
                let refunded = self.has_seen(EventType::PaymentRefunded);
                self.payment = Some(Payment { refunded, ..payment });
                self.timeline.push(seen);
            }
            Change::Shipped(seen, shipment) => {
                if let Status::Open(_) = self.status {
                    self.status = Status::Shipped;
                }
                let cancelled = self.has_seen(EventType::ShipmentCancelled);
                self.shipment = Some(Shipment { cancelled, ..shipment });
                self.timeline.push(seen);
            }
            Change::Refunded(seen) => {
                if let Some(payment) = &mut self.payment {
                    payment.refunded = true;
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
        }
    }

    fn advance(&mut self, to: Progress) {
        if let Status::Open(progress) = &mut self.status {
            *progress = to.max(*progress);
        }
    }

    fn has_seen(&self, event_type: EventType) -> bool {
        self.timeline.iter().any(|seen| seen.event_type == event_type.as_str())
    }
}

#[cfg(test)]
mod tests {
    use orderflow_events::sample;
    use orderflow_events::{
        InventoryRejected, InventoryReleased, InventoryReserved, OrderFlagged, OrderId, PaymentFailed, PaymentFailure,
        PaymentProcessed, PaymentRefunded, ShipmentCancelled, ShipmentCreated, Shortage, Sku, StockLine,
    };

    use super::*;

    fn id() -> OrderId {
        OrderId::new("ord_1").unwrap()
    }

    fn fact(kind: EventType) -> Event {
        let (order_id, sku) = (id(), Sku::new("A-1").unwrap());
        let (payment_id, shipment_id) = (PaymentId::of(&order_id), ShipmentId::of(&order_id));
        let amount = Money::new(3685, "EUR").unwrap();
        let text = Text::shortened;
        let lines = vec![StockLine { sku: sku.clone(), quantity: 3 }];
        let payload: Payload = match kind {
            EventType::OrderCreated => sample::order("ord_1").into(),
            EventType::OrderCancelled => OrderCancelled { order_id, reason: CancellationReason::OutOfStock }.into(),
            EventType::InventoryReserved => InventoryReserved { order_id, lines }.into(),
            EventType::InventoryRejected => {
                InventoryRejected { order_id, shortages: vec![Shortage { sku, requested: 3, available: 1 }] }.into()
            }
            EventType::InventoryReleased => InventoryReleased { order_id, lines }.into(),
            EventType::PaymentProcessed => PaymentProcessed { order_id, payment_id, amount }.into(),
            EventType::PaymentFailed => {
                let reason = PaymentFailure { code: text("card_declined"), message: text("Declined.") };
                PaymentFailed { order_id, payment_id, reason }.into()
            }
            EventType::PaymentRefunded => {
                let refund_id = orderflow_events::RefundId::of(&order_id);
                PaymentRefunded { order_id, payment_id, refund_id, amount }.into()
            }
            EventType::ShipmentCreated => {
                let (carrier, tracking_number) = (text("Carrier"), text("T-1"));
                ShipmentCreated { order_id, shipment_id, carrier, tracking_number }.into()
            }
            EventType::ShipmentCancelled => ShipmentCancelled { order_id, shipment_id }.into(),
            EventType::OrderFlagged => {
                OrderFlagged { order_id, score: 90.try_into().unwrap(), reasons: Vec::new() }.into()
            }
        };
        sample::event(payload)
    }

    /// The next step for an event; a creation is recorded by the API and the intake.
    fn decide(order: &Order, event: &Event) -> Decision<Orders> {
        match event.heard::<Heard>() {
            Some(heard) => Orders::decide(order, &heard, None),
            None => Ok(Orders::change_from(event).map_or(Step::Nothing, Step::record)),
        }
    }

    /// The order after `given`, as the ledger folds it: the change of each decision, and then what it published.
    fn order_after(given: &[EventType]) -> Order {
        given.iter().fold(Order::default(), |order, kind| match decide(&order, &fact(*kind)) {
            Ok(Step::Commit(commit)) => {
                let order = Orders::evolve(order, commit.change.unwrap());
                commit
                    .events
                    .into_iter()
                    .map(sample::event)
                    .fold(order, |order, event| Orders::evolve_published(order, &event))
            }
            Ok(Step::Nothing) => order,
            other => panic!("{kind} is not possible: {other:?}"),
        })
    }

    #[derive(Debug, PartialEq)]
    enum Then {
        /// Too early.
        Early,
        /// Nothing changes.
        Nothing,
        /// The fact is kept, nothing is published, and the order has that status.
        Kept(Status),
        /// The order is cancelled, and that is published.
        Cancelled(CancellationReason),
    }

    fn then(given: &[EventType], when: EventType) -> Then {
        let order = order_after(given);
        let commit = match decide(&order, &fact(when)) {
            Err(Rejection::TooEarly(_)) => return Then::Early,
            Ok(Step::Nothing) => return Then::Nothing,
            Ok(Step::Commit(commit)) => commit,
            other => panic!("{when}: {other:?}"),
        };
        let Order::Known(known) = Orders::evolve(order, commit.change.unwrap()) else { panic!("{when}: unknown") };
        assert!(known.timeline.contains(&Seen::from(&fact(when))), "{when} is not in the timeline");
        assert!(!commit.unfinished);
        match (commit.events.as_slice(), known.status) {
            ([], status) => Then::Kept(status),
            ([Payload::OrderCancelled(cancelled)], Status::Cancelled(reason)) if cancelled.reason == reason => {
                Then::Cancelled(reason)
            }
            other => panic!("{when}: {other:?}"),
        }
    }

    use CancellationReason::{OutOfStock, PaymentFailed as Declined};
    use EventType as E;
    use Progress::{Created, Paid, Reserved};

    const OPEN: &[E] = &[E::OrderCreated];
    const RESERVED: &[E] = &[E::OrderCreated, E::InventoryReserved];
    const PAID: &[E] = &[E::OrderCreated, E::PaymentProcessed];
    const CANCELLED: &[E] = &[E::OrderCreated, E::InventoryRejected];
    const SHIPPED: &[E] = &[E::OrderCreated, E::InventoryReserved, E::PaymentProcessed, E::ShipmentCreated];

    #[test]
    fn every_event_in_every_state() {
        let (cancelled, shipped) = (Then::Kept(Status::Cancelled(OutOfStock)), Then::Kept(Status::Shipped));
        let open = |progress| Then::Kept(Status::Open(progress));
        for (given, when, expected) in [
            // unknown
            (&[][..], E::InventoryReserved, Then::Early),
            (&[], E::PaymentProcessed, Then::Early),
            (&[], E::ShipmentCreated, Then::Early),
            (&[], E::InventoryRejected, Then::Early),
            (&[], E::PaymentFailed, Then::Early),
            (&[], E::PaymentRefunded, Then::Early),
            (&[], E::ShipmentCancelled, Then::Early),
            // open
            (OPEN, E::InventoryReserved, open(Reserved)),
            (OPEN, E::PaymentProcessed, open(Paid)),
            (OPEN, E::ShipmentCreated, Then::Kept(Status::Shipped)),
            (OPEN, E::InventoryRejected, Then::Cancelled(OutOfStock)),
            (OPEN, E::PaymentFailed, Then::Cancelled(Declined)),
            (OPEN, E::PaymentRefunded, open(Created)),
            (OPEN, E::ShipmentCancelled, open(Created)),
            (RESERVED, E::PaymentProcessed, open(Paid)),
            (RESERVED, E::PaymentFailed, Then::Cancelled(Declined)),
            (PAID, E::InventoryReserved, open(Paid)),
            (PAID, E::ShipmentCreated, Then::Kept(Status::Shipped)),
            // cancelled
            (CANCELLED, E::InventoryReserved, Then::Kept(Status::Cancelled(OutOfStock))),
            (CANCELLED, E::PaymentProcessed, Then::Kept(Status::Cancelled(OutOfStock))),
            (CANCELLED, E::ShipmentCreated, Then::Kept(Status::Cancelled(OutOfStock))),
            (CANCELLED, E::PaymentRefunded, Then::Kept(Status::Cancelled(OutOfStock))),
            (CANCELLED, E::ShipmentCancelled, cancelled),
            (CANCELLED, E::InventoryRejected, Then::Nothing),
            (CANCELLED, E::PaymentFailed, Then::Nothing),
            // shipped
            (SHIPPED, E::InventoryReserved, Then::Kept(Status::Shipped)),
            (SHIPPED, E::PaymentProcessed, Then::Kept(Status::Shipped)),
            (SHIPPED, E::ShipmentCreated, Then::Kept(Status::Shipped)),
            (SHIPPED, E::PaymentRefunded, Then::Kept(Status::Shipped)),
            (SHIPPED, E::ShipmentCancelled, shipped),
            (SHIPPED, E::InventoryRejected, Then::Nothing),
            (SHIPPED, E::PaymentFailed, Then::Nothing),
        ] {
            assert_eq!(then(given, when), expected, "{when} after {given:?}");
        }
    }

    #[test]
    fn a_customer_may_cancel_until_the_goods_are_on_their_way() {
        for (given, expected) in [
            (&[][..], Err(CancelRefusal::Unknown)),
            (OPEN, Ok(true)),
            (RESERVED, Ok(true)),
            (PAID, Ok(true)),
            (CANCELLED, Ok(false)),
            (SHIPPED, Err(CancelRefusal::Shipped)),
        ] {
            let step = cancel(&order_after(given));
            let expected = expected.map(|changes| {
                let payload = OrderCancelled { order_id: id(), reason: CancellationReason::CustomerRequest };
                let change = Change::Cancelled(CancellationReason::CustomerRequest, None);
                if changes { Step::record(change).publishing(payload) } else { Step::Nothing }
            });
            assert_eq!(step, expected, "{given:?}");
        }
    }

    #[test]
    fn what_was_paid_and_shipped_is_known_in_any_order() {
        let whole = |given: &[EventType]| {
            let Order::Known(known) = order_after(given) else { panic!("unknown") };
            (known.payment.unwrap().refunded, known.shipment.unwrap().cancelled)
        };
        let forth =
            [E::OrderCreated, E::PaymentProcessed, E::ShipmentCreated, E::PaymentRefunded, E::ShipmentCancelled];
        let back = [E::OrderCreated, E::ShipmentCancelled, E::PaymentRefunded, E::ShipmentCreated, E::PaymentProcessed];
        assert_eq!(whole(&forth), (true, true));
        assert_eq!(whole(&back), (true, true));
        assert_eq!(whole(&forth[..3]), (false, false));
    }

    #[test]
    fn the_timeline_has_the_cancellation_itself() {
        let Order::Known(known) = order_after(CANCELLED) else { panic!("unknown") };
        let kinds: Vec<&str> = known.timeline.iter().map(|seen| seen.event_type.as_str()).collect();
        assert_eq!(kinds, ["OrderCreated", "InventoryRejected", "OrderCancelled"]);
    }
}
