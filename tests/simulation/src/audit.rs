//! The invariants of the contract that hold at every moment, checked at every step, by what is really there.
//!
//! Only what a step has touched is looked at, so that a run of a million steps is no slower for it.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use onewrite::external::Settled;
use onewrite::external::simulated::Register;
use onewrite::memory::MemoryLog;
use onewrite::port::Clock;
use onewrite::{CounterUpdate, Result, Row};
use orderflow_events::{OrderId, Payload, PaymentId, ShipmentId, Sku, StockLine, Time};
use orderflow_inventory::{AVAILABLE, RESERVED, Stock};
use orderflow_payment::Verdict;
use orderflow_simulated::Provider;

use crate::ports::Table;
use crate::world::{Site, count};

/// A service with a table of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Orders.
    Orders,
    /// Inventory.
    Inventory,
    /// Payment.
    Payment,
    /// Shipping.
    Shipping,
    /// Screening.
    Screening,
    /// Notification.
    Notification,
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which, and how.
    pub what: String,
    /// The order that shows it, where it is one.
    pub order: Option<OrderId>,
}

/// Who looks after the invariants.
#[derive(Default)]
pub struct Audit {
    violation: RefCell<Option<Violation>>,
    orders: RefCell<HashSet<OrderId>>,
    by_payment: RefCell<HashMap<PaymentId, OrderId>>,
    by_shipment: RefCell<HashMap<ShipmentId, OrderId>>,
    committed: RefCell<HashMap<String, OrderId>>,
    published: RefCell<HashSet<String>>,
    holdings: RefCell<HashMap<OrderId, Holding>>,
    shelves: RefCell<HashMap<Sku, Shelf>>,
    leases: RefCell<HashMap<String, Lease>>,
    acquired: Cell<u64>,
    messages: RefCell<HashMap<(&'static str, String), u32>>,
    sent: Cell<u64>,
    killers: RefCell<HashSet<(&'static str, OrderId)>>,
    promises: RefCell<Vec<(OrderId, Promise)>>,
}

/// What a customer was told by the API, and may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// The order is placed.
    Placed,
    /// The order is cancelled.
    Cancelled,
    /// The order is shipped, and cannot be cancelled.
    Shipped,
}

struct Holding {
    lines: Vec<StockLine>,
    has_left: bool,
}

#[derive(Default)]
struct Shelf {
    on_hand: i64,
    reserved: i64,
}

struct Lease {
    owner: String,
    until: Time,
    done: bool,
}

impl Audit {
    /// The first violation that was found.
    pub fn violation(&self) -> Option<Violation> {
        self.violation.borrow().clone()
    }

    /// Whether one was found.
    pub fn is_violated(&self) -> bool {
        self.violation.borrow().is_some()
    }

    /// Notes a violation.
    pub fn violate(&self, order: Option<&OrderId>, what: impl Into<String>) {
        let mut violation = self.violation.borrow_mut();
        if violation.is_none() {
            *violation = Some(Violation { what: what.into(), order: order.cloned() });
        }
    }

    /// An order is on its way into the system.
    pub fn met(&self, order: &OrderId) {
        if self.orders.borrow_mut().insert(order.clone()) {
            self.by_payment.borrow_mut().insert(PaymentId::of(order), order.clone());
            self.by_shipment.borrow_mut().insert(ShipmentId::of(order), order.clone());
        }
    }

    /// All orders, in the order of their ids.
    pub fn orders(&self) -> Vec<OrderId> {
        let mut orders: Vec<OrderId> = self.orders.borrow().iter().cloned().collect();
        orders.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        orders
    }

    /// From now on a message of that order kills that function.
    pub fn add_killer(&self, function: &'static str, order: &OrderId) {
        self.killers.borrow_mut().insert((function, order.clone()));
    }

    /// Whether a message of that order kills that function.
    pub fn kills(&self, function: &str, order: &str) -> bool {
        let killers = self.killers.borrow();
        !killers.is_empty() && killers.iter().any(|(who, what)| *who == function && what.as_str() == order)
    }

    /// Somebody has mended what kills.
    pub fn disarm(&self) {
        self.killers.borrow_mut().clear();
    }

    /// A customer was told something.
    pub fn promised(&self, order: &OrderId, promise: Promise) {
        self.promises.borrow_mut().push((order.clone(), promise));
    }

    /// What customers were told.
    pub fn promises(&self) -> Vec<(OrderId, Promise)> {
        self.promises.borrow().clone()
    }

    /// An event reached the topic.
    pub fn published(&self, id: &str) {
        if !self.published.borrow().contains(id) {
            self.published.borrow_mut().insert(id.to_owned());
        }
    }

    /// The committed events that never reached the topic.
    pub fn unpublished(&self) -> Vec<(String, OrderId)> {
        let published = self.published.borrow();
        let committed = self.committed.borrow();
        let mut missing: Vec<_> = committed
            .iter()
            .filter(|(id, _)| !published.contains(*id))
            .map(|(id, o)| (id.clone(), o.clone()))
            .collect();
        missing.sort();
        missing
    }

    /// Every event that was committed or published, by its id.
    pub fn events(&self) -> HashSet<String> {
        self.published.borrow().iter().chain(self.committed.borrow().keys()).cloned().collect()
    }

    /// An event was published by somebody else.
    pub fn published_by_others(&self, id: &str, order: &OrderId) {
        self.committed.borrow_mut().insert(id.to_owned(), order.clone());
    }

    /// A row was added.
    pub fn appended(&self, table: &Table, order: &OrderId, row: &Row, updates: &[CounterUpdate]) {
        for event in &row.events {
            let known = self.committed.borrow_mut().insert(event.context.id.to_string(), order.clone());
            if known.is_some() {
                self.violate(Some(order), format!("two events have the id {}", event.context.id));
            }
        }
        match table.service {
            Service::Orders if row.version == 1 => self.met(order),
            Service::Inventory => self.moved(order, row, updates, &table.log),
            _ => {}
        }
    }

    /// Goods have moved: those that a row tells of, and only those.
    fn moved(&self, order: &OrderId, row: &Row, updates: &[CounterUpdate], log: &MemoryLog) {
        let mut holdings = self.holdings.borrow_mut();
        let mut shelves = self.shelves.borrow_mut();
        let mut moves = |line: &StockLine, on_hand: i64, reserved: i64| {
            let entry = shelves.entry(line.sku.clone()).or_default();
            entry.on_hand += on_hand * i64::from(line.quantity);
            entry.reserved += reserved * i64::from(line.quantity);
        };
        match (row.events.first().map(|event| &event.data), holdings.get_mut(order)) {
            (Some(Payload::InventoryReserved(reserved)), None) => {
                reserved.lines.iter().for_each(|line| moves(line, 0, 1));
                holdings.insert(order.clone(), Holding { lines: reserved.lines.clone(), has_left: false });
            }
            (Some(Payload::InventoryReserved(_)), Some(_)) => {
                self.violate(Some(order), "goods were reserved twice for one order");
            }
            (Some(Payload::InventoryReleased(_)), Some(holding)) => {
                let has_left = holding.has_left;
                holding.lines.iter().for_each(|line| if has_left { moves(line, 1, 0) } else { moves(line, 0, -1) });
                holdings.remove(order);
            }
            (Some(Payload::InventoryReleased(_)), None) => {
                self.violate(Some(order), "goods were released that nobody held");
            }
            (None, Some(holding)) if !updates.is_empty() => {
                if holding.has_left {
                    self.violate(Some(order), "goods left twice for one order");
                }
                holding.has_left = true;
                holding.lines.iter().for_each(|line| moves(line, -1, -1));
            }
            _ => {}
        }
        for update in updates {
            if let Ok(sku) = Sku::new(&*update.key) {
                self.check_shelf(Some(order), &sku, shelves.get(&sku), log);
            }
        }
    }

    /// Somebody has counted a shelf: what is on hand is what they say.
    pub fn counted(&self, log: &MemoryLog, sku: &Sku, stock: Stock) {
        let mut shelves = self.shelves.borrow_mut();
        shelves.entry(sku.clone()).or_default().on_hand = stock.on_hand();
        self.check_shelf(None, sku, shelves.get(sku), log);
    }

    fn check_shelf(&self, order: Option<&OrderId>, sku: &Sku, truth: Option<&Shelf>, log: &MemoryLog) {
        let (available, reserved) = (log.counter(sku.as_str(), AVAILABLE), log.counter(sku.as_str(), RESERVED));
        let (on_hand, open) = truth.map_or((0, 0), |truth| (truth.on_hand, truth.reserved));
        if available < 0 || reserved < 0 {
            self.violate(order, format!("{sku} is oversold: {available} available, {reserved} reserved"));
        }
        if reserved != open {
            self.violate(order, format!("{sku} has {reserved} reserved, and open reservations of {open}"));
        }
        if available + reserved != on_hand {
            self.violate(
                order,
                format!("{sku} has {available} available and {reserved} reserved of {on_hand} on hand"),
            );
        }
    }

    /// The provider was asked to charge.
    pub fn charged(&self, site: &Site, payment: &PaymentId, charges: usize, verdict: &Result<Settled<Verdict>>) {
        let order = self.by_payment.borrow().get(payment).cloned();
        if let Some(order) = &order {
            site.world.story.tell_of(order.as_str(), site, || match verdict {
                Ok(Settled::Performed(Verdict::Succeeded(_))) => format!("the provider has charged {charges} times"),
                Ok(Settled::Performed(Verdict::Declined(_)) | Settled::Cancelled) => {
                    "the provider has declined".to_owned()
                }
                Err(error) => error.to_string(),
            });
        }
        if charges > 1 {
            self.violate(order.as_ref(), format!("an order was charged {charges} times"));
        }
        if charges == 1 && order.is_none() {
            self.violate(None, format!("a charge {payment} belongs to no order"));
        }
    }

    /// The provider was asked to refund.
    pub fn refunded(&self, site: &Site, payment: &PaymentId, charges: usize, done: bool) {
        let order = self.by_payment.borrow().get(payment).cloned();
        if let Some(order) = &order {
            site.world.story.tell_of(order.as_str(), site, || format!("the provider has refunded: {done}"));
        }
        if done && charges != 1 {
            self.violate(order.as_ref(), "an order was refunded that had not been charged");
        }
    }

    /// The carrier was asked to take a shipment.
    pub async fn booked<G: Register, C: Clock>(
        &self,
        site: &Site,
        shipment: &ShipmentId,
        bookings: usize,
        provider: &Provider<G, C>,
    ) {
        let order = self.by_shipment.borrow().get(shipment).cloned();
        let Some(order) = order else {
            if bookings > 0 {
                self.violate(None, format!("a shipment {shipment} belongs to no order"));
            }
            return;
        };
        site.world.story.tell_of(order.as_str(), site, || format!("the carrier has booked {bookings} times"));
        if bookings > 1 {
            self.violate(Some(&order), format!("a shipment was booked {bookings} times"));
        }
        let charges = provider.times_charged(&PaymentId::of(&order)).await.unwrap_or_default();
        if bookings > 0 && charges == 0 {
            self.violate(Some(&order), "a shipment was booked without a charge");
        }
    }

    /// The carrier was asked to give a shipment up.
    pub fn voided(&self, site: &Site, shipment: &ShipmentId, done: bool) {
        if let Some(order) = self.by_shipment.borrow().get(shipment) {
            site.world.story.tell_of(order.as_str(), site, || format!("the carrier has voided: {done}"));
        }
    }

    /// Somebody was given a lease, and by their clock it is `now`.
    pub fn leased(&self, key: &str, owner: &str, now: Time, until: Time) {
        count(&self.acquired);
        let mut leases = self.leases.borrow_mut();
        if let Some(lease) = leases.get(key).filter(|lease| lease.owner != owner) {
            if lease.done {
                self.violate(None, format!("the lease {key} was given for what is done"));
            } else if lease.until > now {
                self.violate(None, format!("the lease {key} was given while somebody else held it"));
            }
        }
        leases.insert(key.to_owned(), Lease { owner: owner.to_owned(), until, done: false });
    }

    /// Somebody says that what a lease is for is done. It counts if the lease is theirs.
    pub fn lease_completed(&self, key: &str, owner: &str) {
        if let Some(lease) = self.leases.borrow_mut().get_mut(key).filter(|lease| lease.owner == owner) {
            lease.done = true;
        }
    }

    /// Somebody gives a lease up. It counts if the lease is theirs.
    pub fn lease_released(&self, key: &str, owner: &str) {
        if let Some(lease) = self.leases.borrow_mut().get_mut(key).filter(|lease| lease.owner == owner) {
            lease.until = Time::from_millis(0);
        }
    }

    /// Whose lease it is.
    pub fn holder(&self, key: &str) -> Option<String> {
        self.leases.borrow().get(key).map(|lease| lease.owner.clone())
    }

    /// A customer was told something.
    pub fn told(&self, _: &Site, channel: &'static str, what: &str) {
        count(&self.sent);
        *self.messages.borrow_mut().entry((channel, what.to_owned())).or_default() += 1;
        if self.sent.get() > self.acquired.get() {
            self.violate(None, format!("a message was sent without a lease: {what}"));
        }
    }

    /// How many messages were sent, and how many of them again, after a crash between sending and recording or a lost answer.
    pub fn messages(&self) -> (u64, u64) {
        (self.sent.get(), self.sent.get() - self.messages.borrow().len() as u64)
    }
}
