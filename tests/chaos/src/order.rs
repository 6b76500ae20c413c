//! One order in the records of all services.

use std::collections::{BTreeMap, BTreeSet};

use orderflow_events::{OrderId, PaymentId, ShipmentId};
use orderflow_tests::Service;
use serde_json::Value;

use crate::snapshot::{Booking, Charge, Fact, Row, Snapshot};

/// End of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It has not.
    Open,
    Shipped,
    /// And why.
    Cancelled(String),
}

/// All that is on record about one order.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    pub(crate) id: &'a str,
    /// By service, each by version.
    rows: BTreeMap<Service, Vec<&'a Row>>,
    pub(crate) charge: Option<&'a Charge>,
    pub(crate) booking: Option<&'a Booking>,
    /// The services that have a permanent dead letter about it.
    pub(crate) dead: BTreeSet<Service>,
}

/// All orders that any service has heard of, by id.
pub(crate) fn orders(snapshot: &Snapshot) -> BTreeMap<&str, Order<'_>> {
    let mut orders = BTreeMap::<&str, Order<'_>>::new();
    for (service, rows) in &snapshot.rows {
        for row in rows {
            let order = orders.entry(&row.order).or_insert_with(|| Order::new(&row.order, snapshot));
            order.rows.entry(service).or_default().push(row);
        }
    }
    for rows in orders.values_mut().flat_map(|order| order.rows.values_mut()) {
        rows.sort_by_key(|row| row.version);
    }
    let published: BTreeSet<&str> = snapshot.journal.iter().map(|fact| fact.id.as_str()).collect();
    for letter in snapshot.letters.iter().filter(|letter| letter.is_permanent()) {
        // Poison names orders, too, but no such event was ever published.
        if let Some(fact) = letter.fact()
            && let Some(order) = orders.get_mut(fact.subject.as_str())
            && published.contains(fact.id.as_str())
        {
            order.dead.insert(letter.service);
        }
    }
    orders
}

/// Ends of all orders.
pub(crate) fn ends(snapshot: &Snapshot) -> Vec<End> {
    orders(snapshot).values().map(Order::end).collect()
}

/// The orders of each customer.
pub(crate) fn by_customer<'a>(orders: &BTreeMap<&'a str, Order<'a>>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut by_customer = BTreeMap::<&str, Vec<&str>>::new();
    for order in orders.values() {
        if let Some(customer) = order.customer() {
            by_customer.entry(customer).or_default().push(order.id);
        }
    }
    by_customer
}

impl<'a> Order<'a> {
    fn new(id: &'a str, snapshot: &'a Snapshot) -> Self {
        let ids = OrderId::new(id).ok().map(|id| (PaymentId::of(&id).to_string(), ShipmentId::of(&id).to_string()));
        let (charge, booking) = ids.map_or((None, None), |(payment, shipment)| {
            (snapshot.charges.get(&payment), snapshot.bookings.get(&shipment))
        });
        Self { id, rows: BTreeMap::new(), charge, booking, dead: BTreeSet::new() }
    }

    pub(crate) fn rows_of(&self, service: Service) -> &[&'a Row] {
        self.rows.get(service).map_or(&[], Vec::as_slice)
    }

    /// All events that were committed about it.
    pub(crate) fn facts(&self) -> impl Iterator<Item = &'a Fact> {
        self.rows.values().flatten().flat_map(|row| &row.events)
    }

    pub(crate) fn told(&self, kind: &str) -> Vec<&'a Fact> {
        self.facts().filter(|fact| fact.kind == kind).collect()
    }

    pub(crate) fn has_told(&self, kind: &str) -> bool {
        self.facts().any(|fact| fact.kind == kind)
    }

    /// True if a service has changed something because of an event of that type.
    pub(crate) fn has_acted(&self, service: Service, kind: &str) -> bool {
        self.rows_of(service).iter().any(|row| row.cause.kind == kind)
    }

    /// Customer of the order: the first row has the order in it, be it as an event or as a change.
    pub(crate) fn customer(&self) -> Option<&'a str> {
        let row = self.rows_of("Orders").first()?;
        let told = row.events.iter().find_map(|fact| fact.json.pointer("/data/customer/id"));
        // The change has one name in each version of it.
        let change = || row.change.as_object()?.values().find_map(|change| change.pointer("/order/customer/id"));
        told.or_else(change)?.as_str()
    }

    /// True if there is nothing to pay for it.
    pub(crate) fn is_free(&self) -> bool {
        self.told("OrderCreated").iter().any(|fact| fact.json["data"]["total"]["amount"] == 0)
    }

    pub(crate) fn end(&self) -> End {
        let mut end = End::Open;
        for row in self.rows_of("Orders") {
            if end != End::Open {
                break;
            }
            if row.cause.kind == "ShipmentCreated" {
                end = End::Shipped;
            }
            if let Some(cancelled) = row.events.iter().find(|fact| fact.kind == "OrderCancelled") {
                end = End::Cancelled(cancelled.json["data"]["reason"].as_str().unwrap_or_default().to_owned());
            }
        }
        end
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(self.end(), End::Cancelled(_))
    }

    /// True if its goods are back after a withdrawal.
    pub(crate) fn is_returned(&self) -> bool {
        self.has_told("GoodsReturned")
    }

    /// Goods that it has set aside, and whether they have left or are back.
    pub(crate) fn goods(&self) -> (Vec<(&'a str, i64)>, bool, bool) {
        let reserved = self.told("InventoryReserved");
        let lines = reserved.first().and_then(|fact| fact.json["data"]["lines"].as_array()).into_iter().flatten();
        let line = |line: &'a Value| Some((line["sku"].as_str()?, line["quantity"].as_i64()?));
        let has_left = self.has_acted("Inventory", "ShipmentCreated");
        (lines.filter_map(line).collect(), has_left, self.has_told("InventoryReleased") || self.is_returned())
    }
}
