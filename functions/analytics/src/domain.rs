//! Facts of an order, and the counts that they make.
//!
//! What an order counts for follows from the set of its facts, and every count is a sum. So the order in which they come makes no
//! difference: a fact that comes before the order itself, of which nobody knows the currency yet, is remembered, and counted
//! with it, in the minute in which it happened.

use std::convert::Infallible;

use onewrite::{CounterUpdate, Decider, Decision, Step, consumes};
use orderflow_events::{
    EventType, InventoryReleased, InventoryReserved, Money, OrderCancelled, OrderCreated, Payload, PaymentProcessed,
    PaymentRefunded, ShipmentCreated, Sku, Source, StockLine, Subject, Time,
};
use serde::{Deserialize, Serialize};

use crate::port::{
    CANCELLED, CANCELLED_AMOUNT, CREATED, CREATED_AMOUNT, PAID, PAID_AMOUNT, REFUNDED, REFUNDED_AMOUNT, RELEASED,
    RESERVED, RESERVED_AMOUNT, SET_ASIDE, SHIPPED, SHIPPED_AMOUNT, SOLD, Span, key, shard_of,
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

/// Fact of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
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
    Created {
        /// Amount that is to be paid.
        total: Money,
        /// The goods.
        goods: Vec<Goods>,
    },
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

/// Goods of one SKU in an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goods {
    /// The SKU.
    pub sku: Sku,
    /// Number of pieces.
    pub pieces: i64,
    /// Their price, in minor units of the order's currency.
    pub amount: i64,
}

impl Decider for Analytics {
    const SOURCE: Source = Source::from_static("orderflow/analytics");
    const BEGINS: Option<&'static str> = Some(EventType::OrderCreated.as_str());
    type Heard = Heard;
    type State = Vec<Fact>;
    type Change = Fact;
    type Effect = Infallible;
    type Reply = Infallible;

    fn evolve(mut facts: Vec<Fact>, fact: Fact) -> Vec<Fact> {
        facts.push(fact);
        facts
    }

    fn decide(facts: &Vec<Fact>, event: &onewrite::Event<Heard>, _: Option<&Infallible>) -> Decision<Self> {
        let fact = Fact { at: event.context.time, what: What::of(&event.data) };
        let updates = newly_counted(&event.context.subject, facts, &fact);
        Ok(Step::record(fact).updating(updates))
    }
}

impl What {
    fn of(heard: &Heard) -> Self {
        match heard {
            Heard::OrderCreated(OrderCreated { details, total, .. }) => {
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
                Self::Created { total: *total, goods }
            }
            Heard::InventoryReserved(InventoryReserved { lines, .. }) => Self::Reserved(pieces(lines)),
            Heard::InventoryReleased(InventoryReleased { lines, .. }) => Self::Released(pieces(lines)),
            Heard::PaymentProcessed(PaymentProcessed { .. }) => Self::Paid,
            Heard::PaymentRefunded(PaymentRefunded { .. }) => Self::Refunded,
            Heard::ShipmentCreated(ShipmentCreated { .. }) => Self::Shipped,
            Heard::OrderCancelled(OrderCancelled { .. }) => Self::Cancelled,
        }
    }
}

fn pieces(lines: &[StockLine]) -> i64 {
    lines.iter().map(|line| i64::from(line.quantity)).sum()
}

/// Counts that a new fact adds to those that its order counts for already.
fn newly_counted(order: &Subject, before: &[Fact], new: &Fact) -> Vec<CounterUpdate> {
    let placed = before.iter().chain([new]).find_map(|fact| match &fact.what {
        What::Created { total, goods } => Some((*total, goods.as_slice())),
        _ => None,
    });
    let Some((total, goods)) = placed else { return Vec::new() };
    let sale = Sale { shard: shard_of(order), total, goods };
    let mut updates = match &new.what {
        // With it all that was remembered counts.
        What::Created { .. } => before.iter().flat_map(|fact| sale.counts(fact)).collect(),
        _ => Vec::new(),
    };
    updates.extend(sale.counts(new));
    joined(updates)
}

/// Order, as far as what it counts for depends on it.
struct Sale<'a> {
    shard: u32,
    total: Money,
    goods: &'a [Goods],
}

impl Sale<'_> {
    /// Counts of one fact.
    fn counts(&self, fact: &Fact) -> Vec<CounterUpdate> {
        let amount = self.total.amount();
        let minute = |counters: Vec<(&'static str, i64)>| self.update(Span::Minute, fact.at, "", counters);
        let hour = |counters: Vec<(&'static str, i64)>| self.update(Span::Hour, fact.at, "", counters);
        match fact.what {
            What::Created { .. } => vec![minute(vec![(CREATED, 1), (CREATED_AMOUNT, amount)])],
            What::Reserved(pieces) => vec![minute(vec![(RESERVED, 1), (RESERVED_AMOUNT, amount), (SET_ASIDE, pieces)])],
            What::Released(pieces) => vec![minute(vec![(RELEASED, pieces)])],
            What::Paid => {
                let sold = |goods: &Goods| {
                    let counters = vec![(SOLD, goods.pieces), (PAID_AMOUNT, goods.amount)];
                    self.update(Span::Sku, fact.at, goods.sku.as_str(), counters)
                };
                let paid = vec![(PAID, 1), (PAID_AMOUNT, amount)];
                [minute(paid.clone()), hour(paid)].into_iter().chain(self.goods.iter().map(sold)).collect()
            }
            What::Refunded => {
                let refunded = vec![(REFUNDED, 1), (REFUNDED_AMOUNT, amount)];
                vec![minute(refunded.clone()), hour(refunded)]
            }
            What::Shipped => vec![minute(vec![(SHIPPED, 1), (SHIPPED_AMOUNT, amount)])],
            What::Cancelled => vec![minute(vec![(CANCELLED, 1), (CANCELLED_AMOUNT, amount)])],
        }
    }

    fn update(&self, span: Span, at: Time, of: &str, add: Vec<(&'static str, i64)>) -> CounterUpdate {
        let rest = format!("{of} {}", self.total.currency());
        // Nothing is ever taken from a count, and so none stands in the way. It is the same for all: updates of one item that go into
        // one write have one condition.
        CounterUpdate { key: key(span, at, self.shard, rest.trim_start()), add, at_least: (CREATED, 0) }
    }
}

/// The same updates, each item once, as one write wants it.
fn joined(updates: Vec<CounterUpdate>) -> Vec<CounterUpdate> {
    let mut all: Vec<CounterUpdate> = Vec::new();
    for update in updates {
        match all.iter_mut().find(|known| known.key == update.key) {
            Some(known) => {
                for (name, amount) in update.add {
                    match known.add.iter_mut().find(|(other, _)| *other == name) {
                        Some((_, sum)) => *sum += amount,
                        None => known.add.push((name, amount)),
                    }
                }
            }
            None => all.push(update),
        }
    }
    all
}

#[cfg(test)]
mod tests;
