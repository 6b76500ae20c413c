//! Goods of an order: set aside, handed out, given back.

use std::convert::Infallible;

use onewrite::{CounterUpdate, Decider, Decision, InsufficientCounter, Rejection, Step, consumes};
use orderflow_events::{
    Event, EventType, GoodsReturned, INVENTORY, InventoryRejected, InventoryReleased, InventoryReserved,
    OrderCancelled, OrderCreated, OrderId, Payload, PaymentFailed, ReturnId, ReturnRequested, ShipmentCreated,
    Shortage, Sku, Source, StockLine, Text, Time,
};
use serde::{Deserialize, Serialize};

use crate::port::{AVAILABLE, RESERVED, REVISION};

/// The inventory service.
#[derive(Clone, Copy, Debug)]
pub enum Inventory {}

consumes!(
    /// Events that move the goods of an order.
    pub enum Heard in Payload { OrderCreated, PaymentFailed, OrderCancelled, ShipmentCreated, ReturnRequested }
);

/// The goods of one order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reservation {
    /// Nobody has asked for any.
    #[default]
    Unknown,
    /// They are set aside.
    Reserved(Vec<StockLine>),
    /// They have left.
    Shipped(Vec<StockLine>),
    /// They have left, and the customer is to send them back.
    Awaited {
        /// The return.
        return_id: ReturnId,
        /// The id of the first event of the order's flow.
        correlation_id: Text,
        /// Goods that are awaited.
        lines: Vec<StockLine>,
    },
    /// The customer has sent them back.
    Returned(Returned),
    /// They were never set aside, or are back: nothing more can happen.
    Closed,
}

/// Goods that a customer has sent back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Returned {
    /// The order's id.
    pub order_id: OrderId,
    /// The return.
    pub return_id: ReturnId,
    /// Goods that are back, one line for each SKU.
    pub lines: Vec<StockLine>,
    /// Time at which it went on record that they are.
    pub received_at: Time,
}

/// Change of the goods of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// They were set aside.
    Reserved(Vec<StockLine>),
    /// There are not enough of them.
    Rejected,
    /// They are available again.
    Released,
    /// They left with a shipment.
    Shipped,
    /// The order was given up before anybody asked for its goods.
    CancelledEarly,
    /// The customer is to send them back.
    Awaited {
        /// The return.
        return_id: ReturnId,
        /// The id of the first event of the order's flow.
        correlation_id: Text,
    },
    /// The customer has sent them back.
    Returned(Returned),
}

/// Reason why goods cannot be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnRefusal {
    /// There is no such order.
    Unknown,
    /// Nobody has asked for their return, or the service has not heard of it yet.
    NotAwaited,
}

/// Counters were too small for what was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short(pub Vec<InsufficientCounter>);

type Next = Step<Change, Infallible, Payload>;

impl Decider for Inventory {
    const SOURCE: Source = INVENTORY;
    const BEGINS: Option<&'static str> = Some(EventType::OrderCreated.as_str());
    type Heard = Heard;
    type State = Reservation;
    type Change = Change;
    type Effect = Infallible;
    type Reply = Short;

    fn evolve(reservation: Reservation, change: Change) -> Reservation {
        match (change, reservation) {
            (Change::Reserved(lines), _) => Reservation::Reserved(lines),
            (Change::Shipped, Reservation::Reserved(lines)) => Reservation::Shipped(lines),
            (Change::Awaited { return_id, correlation_id }, Reservation::Shipped(lines)) => {
                Reservation::Awaited { return_id, correlation_id, lines }
            }
            // There are no others: see `decide`.
            (Change::Shipped | Change::Awaited { .. }, other) => other,
            (Change::Returned(returned), _) => Reservation::Returned(returned),
            (Change::Rejected | Change::Released | Change::CancelledEarly, _) => Reservation::Closed,
        }
    }

    fn decide(reservation: &Reservation, event: &onewrite::Event<Heard>, short: Option<&Short>) -> Decision<Self> {
        let order = event.data.about();
        match (reservation, &event.data, short) {
            (Reservation::Unknown, Heard::OrderCreated(created), None) => {
                Ok(reserve(order, created.details.stock_lines()))
            }
            (Reservation::Unknown, Heard::OrderCreated(_), Some(short)) => reject(order, short),
            (Reservation::Unknown, Heard::OrderCancelled(_), _) => Ok(Step::record(Change::CancelledEarly)),
            (Reservation::Unknown, _, _) => Err(Rejection::TooEarly("the order is not created yet")),
            (Reservation::Reserved(_), Heard::ReturnRequested(_), _) => {
                Err(Rejection::TooEarly("the goods have not left yet"))
            }
            // Goods that are set aside cannot be missing: a stock that says so was changed behind the service's back.
            (Reservation::Reserved(_) | Reservation::Shipped(_), _, Some(Short(insufficient))) => {
                Err(Rejection::Forbidden(format!("the stock does not hold what is reserved: {insufficient:?}")))
            }
            (Reservation::Reserved(lines), Heard::PaymentFailed(_) | Heard::OrderCancelled(_), None) => {
                Ok(give_back(order, lines, release))
            }
            (Reservation::Reserved(lines), Heard::ShipmentCreated(_), None) => {
                Ok(Step::record(Change::Shipped).updating(lines.iter().map(hand_out)))
            }
            (Reservation::Shipped(lines), Heard::OrderCancelled(_), None) => Ok(give_back(order, lines, restock)),
            (Reservation::Shipped(_), Heard::ReturnRequested(requested), None) => {
                let (return_id, correlation_id) = (requested.return_id.clone(), event.context.correlation());
                Ok(Step::record(Change::Awaited { return_id, correlation_id }))
            }
            (
                Reservation::Reserved(_)
                | Reservation::Shipped(_)
                | Reservation::Awaited { .. }
                | Reservation::Returned(_)
                | Reservation::Closed,
                _,
                _,
            ) => Ok(Step::Nothing),
        }
    }

    fn change_from(event: &Event) -> Option<Change> {
        match &event.data {
            Payload::InventoryReserved(reserved) => Some(Change::Reserved(reserved.lines.clone())),
            Payload::InventoryRejected(_) => Some(Change::Rejected),
            Payload::InventoryReleased(_) => Some(Change::Released),
            Payload::GoodsReturned(GoodsReturned { order_id, return_id, lines }) => Some(Change::Returned(Returned {
                order_id: order_id.clone(),
                return_id: return_id.clone(),
                lines: lines.clone(),
                received_at: event.context.time,
            })),
            _ => None,
        }
    }

    fn on_insufficient(insufficient: &[InsufficientCounter]) -> Option<Short> {
        Some(Short(insufficient.to_vec()))
    }
}

impl Reservation {
    /// The id of the first event of the order's flow, while the goods are awaited: nobody asks for it before or after.
    pub(crate) const fn correlation_id(&self) -> Option<&Text> {
        match self {
            Self::Awaited { correlation_id, .. } => Some(correlation_id),
            Self::Unknown | Self::Reserved(_) | Self::Shipped(_) | Self::Returned(_) | Self::Closed => None,
        }
    }
}

/// Next step when the warehouse says that the goods of an order are back: all of them, for a refund is of the whole order.
///
/// # Errors
///
/// Why they cannot be taken back.
pub fn take_back(order: &OrderId, reservation: &Reservation) -> Result<Next, ReturnRefusal> {
    match reservation {
        Reservation::Unknown => Err(ReturnRefusal::Unknown),
        Reservation::Reserved(_) | Reservation::Shipped(_) | Reservation::Closed => Err(ReturnRefusal::NotAwaited),
        Reservation::Awaited { return_id, lines, .. } => {
            let (order_id, return_id) = (order.clone(), return_id.clone());
            let returned = GoodsReturned { order_id, return_id, lines: lines.clone() };
            Ok(Step::publish(returned).updating(lines.iter().map(restock)))
        }
        Reservation::Returned(_) => Ok(Step::Nothing),
    }
}

fn reserve(order: &OrderId, lines: Vec<StockLine>) -> Next {
    let updates: Vec<_> = lines.iter().map(set_aside).collect();
    Step::publish(InventoryReserved { order_id: order.clone(), lines }).updating(updates)
}

fn reject(order: &OrderId, Short(insufficient): &Short) -> Result<Next, Rejection> {
    let shortages = insufficient.iter().map(shortage).collect::<Option<_>>();
    let shortages = shortages.ok_or_else(|| Rejection::Forbidden("a shortage of no goods".to_owned()))?;
    Ok(Step::publish(InventoryRejected { order_id: order.clone(), shortages }))
}

fn shortage(insufficient: &InsufficientCounter) -> Option<Shortage> {
    Some(Shortage {
        sku: Sku::new(insufficient.key.as_str()).ok()?,
        requested: u32::try_from(insufficient.required).ok()?,
        available: insufficient.found.max(0),
    })
}

fn give_back(order: &OrderId, lines: &[StockLine], how: fn(&StockLine) -> CounterUpdate) -> Next {
    Step::publish(InventoryReleased { order_id: order.clone(), lines: lines.to_vec() }).updating(lines.iter().map(how))
}

fn set_aside(line: &StockLine) -> CounterUpdate {
    let pieces = i64::from(line.quantity);
    adjust(line, &[(AVAILABLE, -pieces), (RESERVED, pieces)], (AVAILABLE, pieces))
}

fn release(line: &StockLine) -> CounterUpdate {
    let pieces = i64::from(line.quantity);
    adjust(line, &[(AVAILABLE, pieces), (RESERVED, -pieces)], (RESERVED, pieces))
}

fn hand_out(line: &StockLine) -> CounterUpdate {
    let pieces = i64::from(line.quantity);
    adjust(line, &[(RESERVED, -pieces)], (RESERVED, pieces))
}

fn restock(line: &StockLine) -> CounterUpdate {
    adjust(line, &[(AVAILABLE, i64::from(line.quantity))], (AVAILABLE, 0))
}

fn adjust(line: &StockLine, add: &[(&'static str, i64)], at_least: (&'static str, i64)) -> CounterUpdate {
    let add = add.iter().copied().chain([(REVISION, 1)]).collect();
    CounterUpdate { key: line.sku.to_string(), add, at_least }
}

#[cfg(test)]
mod tests;
