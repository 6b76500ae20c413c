//! Damage: records that are lost once all is at rest, as no store loses them, to see that a comparison of all records finds it.

use std::cell::RefCell;
use std::rc::Rc;

use onewrite::memory::MemoryLog;
use onewrite::telemetry::Observation;
use orderflow_events::{Envelope, EventId, EventType, OrderId, Time};
use orderflow_operations::Finding;
use simulator::{Append, Observer, Rest, Violation};

use crate::shop::Shop;

/// Damage to what is on record of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The row of that number in that service's table is lost.
    Row(&'static str, u32),
    /// The last row in that service's table is lost.
    LastRow(&'static str),
    /// The entry of an event of that type is lost in the journal.
    Entry(EventType),
}

/// Findings after a damage, of a comparison that heals what it can, and of another one after that.
#[derive(Debug, Default)]
pub struct Found {
    /// The first.
    pub at_first: Vec<Finding>,
    /// The second.
    pub then: Vec<Finding>,
}

/// Observer of a shop, who does damage once its invariants hold, and has the records compared.
pub(crate) struct Damaging {
    pub(crate) shop: Rc<Shop>,
    pub(crate) damage: Damage,
    pub(crate) found: RefCell<Option<Found>>,
}

impl Observer for Damaging {
    fn appended(&self, appends: &[Append<'_>]) -> Result<(), Violation> {
        self.shop.appended(appends)
    }

    fn observed(&self, service: &'static str, event_type: Option<&str>, observation: &Observation<'_>) {
        self.shop.observed(service, event_type, observation);
    }

    /// Ends the run: what the toolkit guarantees besides does not hold any more.
    fn at_rest(&self, rest: &Rest<'_>) -> Result<(), Violation> {
        self.shop.at_rest(rest)?;
        for order in self.shop.audit.orders() {
            self.strike(rest, &order)?;
        }
        let operations = self.shop.operations.borrow().clone();
        let operations = operations.ok_or_else(|| Violation::new("nobody compares the records"))?;
        let (at_first, then) = (operations.reconciled(true), operations.reconciled(false));
        self.found.replace(Some(Found { at_first, then }));
        Err(Violation::new("there was damage"))
    }
}

impl Damaging {
    fn strike(&self, rest: &Rest<'_>, order: &OrderId) -> Result<(), Violation> {
        let rows_of =
            |log: &MemoryLog| log.rows().iter().filter(|(subject, _)| subject.as_str() == order.as_str()).count();
        let row = |service: &str, version: u32| rest.tables[service].lose(&order.into(), version);
        let is_lost = match self.damage {
            Damage::Row(service, version) => row(service, version),
            Damage::LastRow(service) => row(service, u32::try_from(rows_of(&rest.tables[service])).unwrap_or_default()),
            Damage::Entry(event_type) => self.lose_entry(order, event_type),
        };
        if is_lost { Ok(()) } else { Err(Violation::of(order.as_str(), format!("there is no {:?}", self.damage))) }
    }

    fn lose_entry(&self, order: &OrderId, event_type: EventType) -> bool {
        let journal = &self.shop.outside.journal;
        let entries = journal.entries();
        let of_order = entries.iter().filter(|entry| entry.subject.as_str() == order.as_str());
        let mut ids = of_order.filter_map(|entry| {
            let event = serde_json::from_str(&entry.text).ok()?;
            let event = Envelope::from_value(&event, Time::from_millis(0)).ok()?;
            (event.event_type.as_str() == event_type.as_str()).then(|| entry.id.clone())
        });
        let id: Option<EventId> = ids.next();
        id.inspect(|id| journal.lose(id)).is_some()
    }
}
