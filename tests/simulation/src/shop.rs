//! Observer of the shop: its invariants, at every moment and at rest.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use onewrite::Row;
use onewrite::telemetry::Observation;
use orderflow_events::{Event, HoldFlagged, OrderFlagged, OrderId, Payload};
use simulator::{Append, Observer, Rest, Violation};

use crate::audit::Audit;
use crate::invariants_at_rest;
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
    letters: RefCell<BTreeMap<String, BTreeSet<&'static str>>>,
    listener: Option<Box<Listener>>,
}

/// Whoever hears of an order that is held.
pub(crate) type OnHold = dyn Fn(&OrderId);

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

    /// Services that have a dead letter of an order, once all is at rest.
    #[must_use]
    pub fn letters_of(&self, order: &OrderId) -> BTreeSet<&'static str> {
        self.letters.borrow().get(order.as_str()).cloned().unwrap_or_default()
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
        invariants_at_rest::check(&self.audit, &self.outside, rest)
    }

    fn footprint(&self) -> Vec<(&'static str, u64)> {
        let (messages, _) = self.audit.messages();
        vec![("entries of the journal", self.outside.journal.entries().len() as u64), ("messages", messages)]
    }
}
