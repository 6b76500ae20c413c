//! Observer of the shop: its invariants, at every moment and at rest.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use onewrite::Row;
use onewrite::feed::Page;
use onewrite::memory::MemoryLog;
use onewrite::telemetry::Observation;
use orderflow_events::{Event, HoldFlagged, OrderFlagged, OrderId, Payload};
use simulator::{Append, Observer, Rest, Violation};

use crate::audit::Audit;
use crate::invariants_at_rest;
use crate::names::ORDERS;
use crate::operations::{Manner, Operations};
use crate::outside::Outside;

/// The shop, apart from its services.
#[derive(Default)]
pub struct Shop {
    /// Auditor.
    pub audit: Audit,
    /// World outside the services' tables.
    pub outside: Outside,
    /// Rule whether orders that are flagged wait for a person.
    pub rule: HoldFlagged,
    /// Whoever hears of orders that are held.
    pub(crate) on_hold: RefCell<Option<Rc<OnHold>>>,
    /// Manner of the operator who uses the service for operators; none where somebody sends dead letters back by hand.
    pub manner: Option<Manner>,
    /// That service, once it is started.
    pub operations: RefCell<Option<Rc<Operations>>>,
    /// Those who watch, in a run in which somebody does.
    pub(crate) live: RefCell<Option<Rc<dyn Onlookers>>>,
    /// Follower of the feed, in a run in which there is one.
    pub(crate) follower: RefCell<Option<Rc<dyn Follower>>>,
    /// Findings of the comparison at rest, of each of which a letter tells.
    findings: Cell<u64>,
    letters: RefCell<BTreeMap<String, BTreeSet<&'static str>>>,
    listener: Option<Box<Listener>>,
}

/// Whoever hears of an order that is held.
pub(crate) type OnHold = dyn Fn(&OrderId);

/// Those who watch what happens, as it happens.
pub(crate) trait Onlookers {
    /// A row of an order is on record.
    fn row(self: Rc<Self>, order: &OrderId);

    /// A page was added to the feed.
    fn page(self: Rc<Self>);

    /// Something was counted.
    fn counted(self: Rc<Self>);

    /// Checks that each was told all, once nothing is left to do: of orders by the table of those.
    ///
    /// # Errors
    ///
    /// One who was told less, or something else.
    fn check(&self, orders: &MemoryLog) -> Result<(), Violation>;
}

/// Follower of the feed, beside those whom a clock calls.
pub(crate) trait Follower {
    /// Hears of a page that was added.
    fn page(self: Rc<Self>, shard: u8, position: u64, page: &Page);

    /// Checks what there is once nothing is left to do.
    ///
    /// # Errors
    ///
    /// An invariant that does not hold.
    fn check(self: Rc<Self>) -> Result<(), Violation>;
}

/// Listener to what the functions observe of themselves: each by its service, with the type of the event.
pub type Listener = dyn Fn(&'static str, Option<&str>, &Observation<'_>);

impl Shop {
    /// Shop whose functions have a listener.
    #[must_use]
    pub fn listened_to(listener: Box<Listener>) -> Self {
        Self { listener: Some(listener), ..Self::default() }
    }

    /// The same shop, which holds flagged orders or does not.
    #[must_use]
    pub fn with_rule(self, rule: HoldFlagged) -> Self {
        Self { rule, ..self }
    }

    /// The same shop, in which an operator of that manner uses the service for operators, or nobody does.
    #[must_use]
    pub fn with_operator(self, manner: Option<Manner>) -> Self {
        Self { manner, ..self }
    }

    /// Number of findings of the comparison at rest, of each of which a letter tells.
    #[must_use]
    pub const fn findings(&self) -> u64 {
        self.findings.get()
    }

    /// Services that have a dead letter of an order, once all is at rest.
    #[must_use]
    pub fn letters_of(&self, order: &OrderId) -> BTreeSet<&'static str> {
        self.letters.borrow().get(order.as_str()).cloned().unwrap_or_default()
    }
}

impl Shop {
    /// A page was added to the feed.
    pub(crate) fn listed(&self, shard: u8, position: u64, page: &Page) {
        let (follower, live) = (self.follower.borrow().clone(), self.live.borrow().clone());
        if let Some(follower) = follower {
            follower.page(shard, position, page);
        }
        if let Some(live) = live {
            live.page();
        }
    }

    /// Something was counted.
    pub(crate) fn counted(&self) {
        let live = self.live.borrow().clone();
        if let Some(live) = live {
            live.counted();
        }
    }
}

/// Orders of which a row says that they are held.
fn held(row: &Row) -> impl Iterator<Item = OrderId> {
    row.events.iter().filter_map(|text| match Event::decode(text).ok()?.data {
        Payload::OrderFlagged(OrderFlagged { order_id, held: true, .. }) => Some(order_id),
        _ => None,
    })
}

impl Observer for Shop {
    fn appended(&self, appends: &[Append<'_>]) -> Result<(), Violation> {
        self.audit.appended(appends)?;
        let live = self.live.borrow().clone();
        for append in appends.iter().filter(|append| append.service == ORDERS) {
            if let (Some(live), Ok(order)) = (&live, OrderId::new(append.addition.subject.as_str())) {
                Rc::clone(live).row(&order);
            }
        }
        let on_hold = self.on_hold.borrow().clone();
        for order in appends.iter().flat_map(|append| held(append.addition.row)) {
            if let Some(on_hold) = &on_hold {
                on_hold(&order);
            }
        }
        Ok(())
    }

    fn observed(&self, service: &'static str, event_type: Option<&str>, observation: &Observation<'_>) {
        if let Some(listener) = &self.listener {
            listener(service, event_type, observation);
        }
    }

    fn at_rest(&self, rest: &Rest<'_>) -> Result<(), Violation> {
        self.letters.replace(rest.letters.clone());
        invariants_at_rest::check(&self.audit, &self.outside, rest)?;
        if let (Some(live), Some(orders)) = (&*self.live.borrow(), rest.tables.get(ORDERS)) {
            live.check(orders)?;
        }
        let operations = self.operations.borrow().clone();
        if let Some(operations) = operations {
            self.findings.set(operations.check()?);
        }
        let follower = self.follower.borrow().clone();
        follower.map_or(Ok(()), Follower::check)
    }

    fn footprint(&self) -> Vec<(&'static str, u64)> {
        let (messages, _) = self.audit.messages();
        let letters = self.operations.borrow().as_ref().map_or(0, |operations| operations.count());
        vec![
            ("entries of the journal", self.outside.journal.len() as u64),
            ("messages", messages),
            ("letters", letters),
        ]
    }
}
