//! Facts of an order, and the entries that they make in the counts.
//!
//! What an order counts for follows from the set of its facts, and every count is a sum. So the order in which they come makes no
//! difference: a fact that comes before the order itself, of which nobody knows the currency yet, is remembered, and counted
//! with it, in the minute in which it happened.
//!
//! An entry is put down under the event's own id, so that put down twice it is there once: to count takes no row. Rows have what has to
//! be remembered, and nothing else: the order, once it is counted, and what comes before it.

use onewrite::{Decider, Decision, Step, consumes};
use orderflow_events::{
    EventId, EventType, InventoryReleased, InventoryReserved, Money, OrderCancelled, OrderCreated, Payload,
    PaymentProcessed, PaymentRefunded, ShipmentCreated, Source, StockLine, Time,
};
use serde::{Deserialize, Serialize};

use crate::tally::{
    CANCELLED, CANCELLED_AMOUNT, CREATED, CREATED_AMOUNT, Entry, Goods, PAID, PAID_AMOUNT, REFUNDED, REFUNDED_AMOUNT,
    RELEASED, RESERVED, RESERVED_AMOUNT, SET_ASIDE, SHIPPED, SHIPPED_AMOUNT,
};

/// The analytics service.
#[derive(Clone, Copy, Debug)]
pub enum Analytics {}

consumes!(
    /// Events that are counted.
    pub enum Heard in Payload {
        OrderCreated,
        InventoryReserved,
        InventoryReleased,
        PaymentProcessed,
        PaymentRefunded,
        ShipmentCreated,
        OrderCancelled,
    }
);

/// Order, as far as what its facts count for depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sale {
    /// It has not been heard of, but these facts of it have.
    Unknown(Vec<Fact>),
    /// It was placed.
    Placed(Placed),
}

impl Default for Sale {
    fn default() -> Self {
        Self::Unknown(Vec::new())
    }
}

/// Change of what is remembered of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// A fact came before the order, and waits for it.
    Early(Fact),
    /// The order was placed. It is counted, and all that had waited for it.
    Placed(Placed),
}

/// Fact of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Id of the event that tells it.
    pub id: EventId,
    /// Time at which it happened.
    pub at: Time,
    /// The fact itself.
    pub what: What,
}

/// Kind of a fact, with all of it that is counted. It has nobody in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// It was placed.
    Created,
    /// So many pieces are set aside.
    Reserved(i64),
    /// So many pieces are available again.
    Released(i64),
    /// It is paid.
    Paid,
    /// The payment was given back.
    Refunded,
    /// It is on its way.
    Shipped,
    /// It was given up.
    Cancelled,
}

/// Order that was placed, as far as it is counted. It has nobody in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Amount that is to be paid.
    pub total: Money,
    /// The goods.
    pub goods: Vec<Goods>,
}

/// Entries that are to be put down, each with the time at which its fact happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count(pub Vec<(Time, Entry)>);

/// So many entries are put down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted(pub usize);

impl Decider for Analytics {
    const SOURCE: Source = Source::from_static("orderflow/analytics");
    const BEGINS: Option<&'static str> = Some(EventType::OrderCreated.as_str());
    type Heard = Heard;
    type State = Sale;
    type Change = Change;
    type Effect = Count;
    type Reply = Counted;

    fn evolve(sale: Sale, change: Change) -> Sale {
        match (sale, change) {
            (Sale::Unknown(mut early), Change::Early(fact)) => {
                early.push(fact);
                Sale::Unknown(early)
            }
            (Sale::Unknown(_), Change::Placed(placed)) => Sale::Placed(placed),
            (placed @ Sale::Placed(_), Change::Early(_) | Change::Placed(_)) => placed,
        }
    }

    fn decide(sale: &Sale, event: &onewrite::Event<Heard>, counted: Option<&Counted>) -> Decision<Self> {
        let fact = |what| Fact { id: event.context.id.clone(), at: event.context.time, what };
        Ok(match (sale, Telling::of(&event.data)) {
            (Sale::Unknown(early), Telling::Order(placed)) => {
                let facts: Vec<Fact> = early.iter().cloned().chain([fact(What::Created)]).collect();
                // What has come early in the meantime waits for the order as well.
                if counted == Some(&Counted(facts.len())) {
                    Step::record(Change::Placed(placed))
                } else {
                    Step::Perform(placed.count(&facts))
                }
            }
            (Sale::Unknown(_), Telling::Of(what)) => Step::record(Change::Early(fact(what))),
            (Sale::Placed(_), Telling::Order(_)) => Step::Nothing,
            (Sale::Placed(placed), Telling::Of(what)) => match counted {
                None => Step::Perform(placed.count(&[fact(what)])),
                Some(_) => Step::Nothing,
            },
        })
    }
}

/// News that an event has of an order: the order, or something else about it.
enum Telling {
    Order(Placed),
    Of(What),
}

impl Telling {
    fn of(heard: &Heard) -> Self {
        Self::Of(match heard {
            Heard::OrderCreated(created) => return Self::Order(Placed::of(created)),
            Heard::InventoryReserved(InventoryReserved { lines, .. }) => What::Reserved(pieces(lines)),
            Heard::InventoryReleased(InventoryReleased { lines, .. }) => What::Released(pieces(lines)),
            Heard::PaymentProcessed(PaymentProcessed { .. }) => What::Paid,
            Heard::PaymentRefunded(PaymentRefunded { .. }) => What::Refunded,
            Heard::ShipmentCreated(ShipmentCreated { .. }) => What::Shipped,
            Heard::OrderCancelled(OrderCancelled { .. }) => What::Cancelled,
        })
    }
}

fn pieces(lines: &[StockLine]) -> i64 {
    lines.iter().map(|line| i64::from(line.quantity)).sum()
}

impl Placed {
    fn of(OrderCreated { details, total, .. }: &OrderCreated) -> Self {
        let mut goods: Vec<Goods> = Vec::new();
        for line in &details.lines {
            let pieces = i64::from(line.quantity.get());
            let amount = pieces * line.unit_price.amount();
            match goods.iter_mut().find(|known| known.sku == line.sku) {
                Some(known) => {
                    known.pieces += pieces;
                    known.amount += amount;
                }
                None => goods.push(Goods { sku: line.sku.clone(), pieces, amount }),
            }
        }
        Self { total: *total, goods }
    }

    /// Entries of these facts of the order.
    fn count(&self, facts: &[Fact]) -> Count {
        Count(facts.iter().map(|fact| (fact.at, self.entry(fact))).collect())
    }

    fn entry(&self, fact: &Fact) -> Entry {
        let amount = self.total.amount();
        let counters = match fact.what {
            What::Created => vec![(CREATED, 1), (CREATED_AMOUNT, amount)],
            What::Reserved(pieces) => vec![(RESERVED, 1), (RESERVED_AMOUNT, amount), (SET_ASIDE, pieces)],
            What::Released(pieces) => vec![(RELEASED, pieces)],
            What::Paid => vec![(PAID, 1), (PAID_AMOUNT, amount)],
            What::Refunded => vec![(REFUNDED, 1), (REFUNDED_AMOUNT, amount)],
            What::Shipped => vec![(SHIPPED, 1), (SHIPPED_AMOUNT, amount)],
            What::Cancelled => vec![(CANCELLED, 1), (CANCELLED_AMOUNT, amount)],
        };
        Entry {
            id: fact.id.clone(),
            currency: self.total.currency().to_string(),
            counters: counters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            sold: if fact.what == What::Paid { self.goods.clone() } else { Vec::new() },
        }
    }
}

#[cfg(test)]
mod tests;
