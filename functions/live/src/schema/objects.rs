//! Objects of the schema. None has anything of a person: who they are, the API tells over HTTP.

use async_graphql::{Enum, ID, InputValueError, InputValueResult, Json, Scalar, ScalarType, SimpleObject, Value};
use orderflow_events::{CancellationReason as Reason, Money as Amount, Time};
use orderflow_inventory::Stock as Counted;
use orderflow_orders::{Known, Payment as Charge, Return as Sent, Seen, Shipment as Parcel, Status};

use crate::domain;

/// A time of RFC 3339, in UTC.
struct DateTime(Time);

#[Scalar]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Ok(Self(Time::new(text).map_err(InputValueError::custom)?)),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// Something that has happened to an order.
#[derive(SimpleObject)]
pub(crate) struct OrderUpdate {
    /// 1, 2, 3 … within the order, without a gap. A client that comes back says the last that it has, as `after`.
    sequence: u32,
    /// Type of the event.
    #[graphql(name = "type")]
    event_type: String,
    /// Time at which it happened.
    time: DateTime,
    /// The order as it then stood.
    order: Order,
}

/// An event, as it was published. Personal data in it is sealed.
#[derive(SimpleObject)]
pub(crate) struct Event {
    /// Position after it. A client that comes back says the last that it has, as `after`.
    cursor: String,
    /// Its id. Together with the source it tells a duplicate.
    id: ID,
    /// Its producer.
    source: String,
    /// Its type.
    #[graphql(name = "type")]
    kind: String,
    /// Its subject: the order.
    subject: Option<String>,
    /// Time at which it happened.
    time: Option<String>,
    /// Its data.
    data: Option<Json<serde_json::Value>>,
}

/// Orders and money of late, and what waits for a person.
#[derive(SimpleObject)]
pub(crate) struct Board {
    /// Time at which it was so.
    at: DateTime,
    /// Steps that orders have reached in each of the last 60 minutes, one entry for each currency; none of a minute without any.
    minutes: Vec<Tally>,
    /// The same of each of the last 24 hours: payments and refunds alone.
    hours: Vec<Tally>,
    /// SKUs that were paid for in this hour and the one before, what has brought most first: ten of each currency.
    skus: Vec<Sold>,
    /// Dead letters for which somebody has to do something: of each service that has any.
    letters: Vec<OpenLetters>,
}

/// Dead letters of a service for which somebody has to do something.
#[derive(SimpleObject)]
struct OpenLetters {
    /// The service.
    service: String,
    /// Number of them.
    count: u32,
    /// Time at which the oldest failed first.
    oldest: DateTime,
}

/// Orders that have reached a step within a span of time, and their totals in the smallest unit of a currency.
#[derive(SimpleObject)]
struct Tally {
    /// Begin of the span.
    at: DateTime,
    /// Currency of the orders (ISO 4217).
    currency: String,
    /// Orders that were placed.
    created: i64,
    /// Their totals.
    created_amount: i64,
    /// Orders whose goods were set aside.
    reserved: i64,
    /// Their totals.
    reserved_amount: i64,
    /// Orders that were paid.
    paid: i64,
    /// Their totals.
    paid_amount: i64,
    /// Orders that were shipped.
    shipped: i64,
    /// Their totals.
    shipped_amount: i64,
    /// Orders that were given up.
    cancelled: i64,
    /// Their totals.
    cancelled_amount: i64,
    /// Orders whose payment was given back.
    refunded: i64,
    /// Their totals.
    refunded_amount: i64,
    /// Pieces that were set aside.
    set_aside: i64,
    /// Pieces that were made available again.
    released: i64,
}

/// Pieces of a SKU that were paid for.
#[derive(SimpleObject)]
struct Sold {
    /// The SKU.
    sku: ID,
    /// Currency of its price (ISO 4217).
    currency: String,
    /// Number of pieces.
    pieces: i64,
    /// Revenue, in the currency's smallest unit.
    amount: i64,
}

/// An order.
#[derive(SimpleObject)]
pub(crate) struct Order {
    /// Its id.
    id: ID,
    /// Its progress.
    status: OrderStatus,
    /// Reason for which it was given up, if it was.
    cancellation_reason: Option<CancellationReason>,
    /// The buyer.
    customer: Customer,
    /// The goods that are bought.
    lines: Vec<Line>,
    /// Amount that is to be paid.
    total: Money,
    /// The charge, once there is one.
    payment: Option<Payment>,
    /// The shipment, once there is one.
    shipment: Option<Shipment>,
    /// The return of its goods, if the customer withdrew after they were shipped.
    #[graphql(name = "return")]
    goods_return: Option<Return>,
    /// Time at which it was placed.
    created_at: DateTime,
    /// Time of the last of its events.
    updated_at: DateTime,
    /// Every event about it, in the sequence of its updates.
    timeline: Vec<OrderEvent>,
}

/// Progress of an order. It never moves back.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
#[graphql(remote = "orderflow_orders::OrderStatus")]
pub(crate) enum OrderStatus {
    /// It was accepted.
    Created,
    /// Its goods are set aside.
    Reserved,
    /// It is paid.
    Paid,
    /// It is on its way to the customer.
    Shipped,
    /// It was given up.
    Cancelled,
}

/// Reason for which an order was given up.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
enum CancellationReason {
    /// The customer asked for it.
    CustomerRequest,
    /// Goods are missing.
    OutOfStock,
    /// The payment was declined, or did not come in time.
    PaymentFailed,
}

/// A customer.
#[derive(SimpleObject)]
struct Customer {
    /// The shop's own id of the customer.
    id: ID,
    /// True of one whose data is erased.
    erased: bool,
}

/// Goods of an order.
#[derive(SimpleObject)]
struct Line {
    /// The goods.
    sku: ID,
    /// Number of pieces.
    quantity: u32,
    /// The price of one piece.
    unit_price: Money,
}

/// An amount of money.
#[derive(SimpleObject)]
struct Money {
    /// In the currency's smallest unit, such as cents.
    amount: i64,
    /// Code of ISO 4217.
    currency: String,
}

/// The charge of an order.
#[derive(SimpleObject)]
struct Payment {
    /// Its id.
    id: ID,
    /// Amount that was charged.
    amount: Money,
    /// True once it was given back.
    refunded: bool,
}

/// The shipment of an order.
#[derive(SimpleObject)]
struct Shipment {
    /// Its id.
    id: ID,
    /// The carrier.
    carrier: String,
    /// The carrier's number to follow it by.
    tracking_number: String,
    /// True once the carrier gave it up.
    cancelled: bool,
}

/// The return of an order's goods, after a withdrawal.
#[derive(SimpleObject)]
struct Return {
    /// Its id.
    id: ID,
    /// Time at which the customer withdrew.
    requested_at: DateTime,
    /// Time at which the goods were back, once they are.
    received_at: Option<DateTime>,
    /// True once the payment was given back.
    refunded: bool,
}

/// An event about an order.
#[derive(SimpleObject)]
struct OrderEvent {
    /// Its id.
    id: ID,
    /// Its type.
    #[graphql(name = "type")]
    event_type: String,
    /// Time at which it happened.
    time: DateTime,
}

/// Part of the orders of a customer.
#[derive(SimpleObject)]
pub(crate) struct OrderConnection {
    /// The orders, what was placed first comes first.
    pub(crate) nodes: Vec<Order>,
    /// Place of this part among all.
    pub(crate) page_info: PageInfo,
}

/// Place of a part of a list.
#[derive(SimpleObject)]
pub(crate) struct PageInfo {
    /// True if there is more behind it.
    pub(crate) has_next_page: bool,
    /// For `after`, to go on behind it.
    pub(crate) end_cursor: Option<String>,
}

/// Stock of a SKU.
#[derive(SimpleObject)]
pub(crate) struct Stock {
    /// The goods.
    sku: ID,
    /// Pieces on the shelf.
    on_hand: i64,
    /// Pieces that are set aside for orders.
    reserved: i64,
    /// Pieces that can be had.
    available: i64,
}

impl From<&domain::OrderUpdate> for OrderUpdate {
    fn from(update: &domain::OrderUpdate) -> Self {
        let domain::OrderUpdate { sequence, seen, order } = update;
        let (event_type, time) = (seen.event_type.clone(), DateTime(seen.time));
        Self { sequence: *sequence, event_type, time, order: Order::from(order.as_ref()) }
    }
}

impl From<&domain::FeedEvent> for Event {
    fn from(listed: &domain::FeedEvent) -> Self {
        let domain::FeedEvent { cursor, event } = listed;
        let text = |name: &str| event[name].as_str().map(ToOwned::to_owned);
        Self {
            cursor: cursor.clone(),
            id: ID(text("id").unwrap_or_default()),
            source: text("source").unwrap_or_default(),
            kind: text("type").unwrap_or_default(),
            subject: text("subject"),
            time: text("time"),
            data: event.get("data").cloned().map(Json),
        }
    }
}

impl From<&domain::BoardUpdate> for Board {
    fn from(update: &domain::BoardUpdate) -> Self {
        let domain::BoardUpdate { digest: _, board, letters } = update;
        let orderflow_analytics::Board { at, minutes, hours, skus } = board;
        Self {
            at: DateTime(*at),
            minutes: minutes.iter().map(Tally::from).collect(),
            hours: hours.iter().map(Tally::from).collect(),
            skus: skus.iter().map(Sold::from).collect(),
            letters: letters.iter().map(OpenLetters::from).collect(),
        }
    }
}

impl From<&domain::ServiceLetters> for OpenLetters {
    fn from(letters: &domain::ServiceLetters) -> Self {
        let domain::ServiceLetters { service, count, oldest } = letters;
        Self { service: service.clone(), count: *count, oldest: DateTime(*oldest) }
    }
}

impl From<&orderflow_analytics::BoardTally> for Tally {
    fn from(tally: &orderflow_analytics::BoardTally) -> Self {
        Self {
            at: DateTime(tally.at),
            currency: tally.currency.clone(),
            created: tally.created,
            created_amount: tally.created_amount,
            reserved: tally.reserved,
            reserved_amount: tally.reserved_amount,
            paid: tally.paid,
            paid_amount: tally.paid_amount,
            shipped: tally.shipped,
            shipped_amount: tally.shipped_amount,
            cancelled: tally.cancelled,
            cancelled_amount: tally.cancelled_amount,
            refunded: tally.refunded,
            refunded_amount: tally.refunded_amount,
            set_aside: tally.set_aside,
            released: tally.released,
        }
    }
}

impl From<&orderflow_analytics::BoardSold> for Sold {
    fn from(sold: &orderflow_analytics::BoardSold) -> Self {
        let (sku, currency) = (ID(sold.sku.clone()), sold.currency.clone());
        Self { sku, currency, pieces: sold.pieces, amount: sold.amount }
    }
}

impl From<&Known> for Order {
    fn from(known: &Known) -> Self {
        let created = &known.created;
        let times = || known.timeline.iter().map(|seen| seen.time);
        let never = Time::from_millis(0);
        let lines = created.details.lines.iter().map(|line| Line {
            sku: ID(line.sku.to_string()),
            quantity: line.quantity.get(),
            unit_price: line.unit_price.into(),
        });
        Self {
            id: ID(created.order_id.to_string()),
            status: known.status.into(),
            cancellation_reason: match known.status {
                Status::Cancelled(reason) => Some(reason.into()),
                Status::Open(_) | Status::Shipped => None,
            },
            customer: Customer { id: ID(created.details.customer.id.to_string()), erased: known.is_erased },
            lines: lines.collect(),
            total: created.total.into(),
            payment: known.payment.as_ref().map(Payment::from),
            shipment: known.shipment.as_ref().map(Shipment::from),
            goods_return: known.goods_return.as_ref().map(Return::from),
            created_at: DateTime(times().next().unwrap_or(never)),
            updated_at: DateTime(times().max().unwrap_or(never)),
            timeline: known.timeline.iter().map(OrderEvent::from).collect(),
        }
    }
}

impl From<Status> for OrderStatus {
    fn from(status: Status) -> Self {
        orderflow_orders::OrderStatus::from(status).into()
    }
}

impl From<Reason> for CancellationReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::CustomerRequest => Self::CustomerRequest,
            Reason::OutOfStock => Self::OutOfStock,
            Reason::PaymentFailed => Self::PaymentFailed,
        }
    }
}

impl From<Amount> for Money {
    fn from(money: Amount) -> Self {
        Self { amount: money.amount(), currency: money.currency().to_owned() }
    }
}

impl From<&Charge> for Payment {
    fn from(payment: &Charge) -> Self {
        let Charge { payment_id, amount, refunded } = payment;
        Self { id: ID(payment_id.to_string()), amount: (*amount).into(), refunded: *refunded }
    }
}

impl From<&Parcel> for Shipment {
    fn from(shipment: &Parcel) -> Self {
        let Parcel { shipment_id, carrier, tracking_number, cancelled } = shipment;
        Self {
            id: ID(shipment_id.to_string()),
            carrier: carrier.to_string(),
            tracking_number: tracking_number.to_string(),
            cancelled: *cancelled,
        }
    }
}

impl From<&Sent> for Return {
    fn from(sent: &Sent) -> Self {
        let Sent { return_id, requested_at, received_at, refunded } = sent;
        Self {
            id: ID(return_id.to_string()),
            requested_at: DateTime(*requested_at),
            received_at: received_at.map(DateTime),
            refunded: *refunded,
        }
    }
}

impl From<&Seen> for OrderEvent {
    fn from(seen: &Seen) -> Self {
        Self { id: ID(seen.id.to_string()), event_type: seen.event_type.clone(), time: DateTime(seen.time) }
    }
}

impl Stock {
    /// Stock of that SKU.
    pub(crate) fn of(sku: &str, stock: &Counted) -> Self {
        let Counted { available, reserved, .. } = *stock;
        Self { sku: ID(sku.to_owned()), on_hand: stock.on_hand(), reserved, available }
    }
}
