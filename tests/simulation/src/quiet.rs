//! The invariants of the contract that hold once all is quiet.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use futures::FutureExt;
use onewrite::memory::MemoryLog;
use onewrite::port::Log;
use onewrite::{Decider, Ledger};
use orderflow_events::{OrderId, PaymentId, ShipmentId};
use orderflow_inventory::{Inventory, Reservation};
use orderflow_orders::{Known, Order, Orders, Status};
use orderflow_simulated::{Carrier, Provider};

use crate::audit::Promise;
use crate::episode::is_permanent;
use crate::stack::Stack;
use crate::world::Site;

/// Checks all of them.
pub fn check(stack: &Rc<Stack>) {
    check_queues(stack);
    let letters = letters(stack);
    check_events(stack);
    let site = stack.operator();
    for order in stack.world.audit.orders() {
        check_order(stack, &site, &order, letters.get(order.as_str()));
    }
    check_promises(stack, &site);
    if !stack.world.audit.is_violated() {
        check_rest(stack);
    }
}

/// How many orders were shipped.
#[must_use]
pub fn shipped(stack: &Stack) -> u64 {
    let orders = stack.world.audit.orders();
    let site = stack.operator();
    let is_shipped =
        |order: &&OrderId| known(stack, &site, order).is_some_and(|known| matches!(known.status, Status::Shipped));
    orders.iter().filter(is_shipped).count() as u64
}

/// No message is left anywhere but among the dead letters, and what is there can never be handled.
fn check_queues(stack: &Stack) {
    let audit = &stack.world.audit;
    for line in &stack.lines {
        if line.queue.count() > 0 {
            audit.violate(None, format!("{} messages are left in the queue of {}", line.queue.count(), line.name));
        }
    }
    if stack.streams.iter().any(|stream| stream.shards().iter().any(|shard| !shard.is_empty())) {
        audit.violate(None, "a stream has records left");
    }
    if !stack.relay_letters.letters().is_empty() {
        audit.violate(None, "the relay has dead letters");
    }
}

/// By order, the functions that have a letter of it.
fn letters(stack: &Stack) -> HashMap<String, HashSet<&'static str>> {
    let mut by_order: HashMap<String, HashSet<&'static str>> = HashMap::new();
    let mut junk = HashSet::new();
    for line in &stack.lines {
        for letter in line.dead_letters.look() {
            if !is_permanent(&letter) {
                let what = format!("a letter of {} cannot be redriven: {:?}", line.name, letter.attributes);
                stack.world.audit.violate(OrderId::new(&*letter.group).ok().as_ref(), what);
            }
            // A letter may be parked twice: when the answer was lost, and the next attempt came late.
            if letter.group.starts_with("junk") {
                junk.insert((line.name, letter.group.clone()));
            }
            let order = letter.group.split('~').next().unwrap_or_default();
            by_order.entry(order.to_owned()).or_default().insert(line.name);
        }
        if line.undeliverable.count() > 0 {
            stack.world.audit.violate(None, format!("{} has undeliverable messages", line.name));
        }
    }
    let sent = stack.world.faults.counts()[crate::faults::Kind::Poison as usize];
    if junk.len() as u64 != sent {
        let what = format!("{sent} messages of junk were sent, and {} are dead letters", junk.len());
        stack.world.audit.violate(None, what);
    }
    by_order
}

/// Every committed event reached the topic, and the journal.
fn check_events(stack: &Stack) {
    let audit = &stack.world.audit;
    if let Some((id, order)) = audit.unpublished().into_iter().next() {
        audit.violate(Some(&order), format!("the event {id} was committed and never reached the topic"));
    }
    let entries = stack.tables.journal.entries();
    let journal: HashSet<String> = entries.iter().map(|entry| entry.id.to_string()).collect();
    if journal.len() != entries.len() {
        audit.violate(None, "the journal has an event twice");
    }
    let mut missing: Vec<String> = audit.events().difference(&journal).cloned().collect();
    missing.sort();
    if let Some(id) = missing.first() {
        audit.violate(None, format!("{} events are not in the journal, such as {id}", missing.len()));
    }
}

fn load<D: Decider>(log: &Rc<MemoryLog>, site: &Site, order: &OrderId) -> Option<D::State> {
    let ledger = Ledger::new(&**log, site.clone());
    ledger.load::<D>(order).now_or_never()?.ok().map(|history| history.state)
}

fn known(stack: &Stack, site: &Site, order: &OrderId) -> Option<Box<Known>> {
    match load::<Orders>(&stack.tables.orders, site, order)? {
        Order::Known(known) => Some(known),
        Order::Unknown => None,
    }
}

/// An order is shipped or cancelled, and all that belongs to it fits.
fn check_order(stack: &Stack, site: &Site, order: &OrderId, letters: Option<&HashSet<&'static str>>) {
    let violate = |what: String| stack.world.audit.violate(Some(order), what);
    let has_letter = |function: &str| letters.is_some_and(|letters| letters.contains(function));
    check_status(stack, site, order);
    let Some(known) = known(stack, site, order) else {
        if !has_letter("orders") {
            violate("an order is lost".to_owned());
        }
        return;
    };
    let tables = &stack.tables;
    let (payment, shipment) = (PaymentId::of(order), ShipmentId::of(order));
    let provider = Provider::new(&*tables.books, site);
    let carrier = Carrier::new(&*tables.register, site);
    let charges = provider.times_charged(&payment).now_or_never().and_then(Result::ok).unwrap_or_default();
    let refund = provider.find_refund(&payment).now_or_never().and_then(Result::ok).flatten();
    let bookings = carrier.times_booked(&shipment).now_or_never().and_then(Result::ok).unwrap_or_default();
    let is_voided = carrier.is_voided(&shipment).now_or_never().and_then(Result::ok).unwrap_or_default();
    let is_shipped = bookings > 0 && !is_voided;
    let goods = load::<Inventory>(&tables.inventory, site, order);
    match known.status {
        Status::Open(progress) if letters.is_none() => violate(format!("an order is for ever {progress:?}")),
        Status::Open(_) => {}
        Status::Shipped => {
            if charges != 1 || refund.is_some() {
                violate(format!("a shipped order was charged {charges} times, and refunded: {refund:?}"));
            }
            if !is_shipped {
                violate("a shipped order has no shipment".to_owned());
            }
            if !matches!(goods, Some(Reservation::Shipped(_))) {
                violate(format!("the goods of a shipped order are {goods:?}"));
            }
        }
        Status::Cancelled(_) => {
            if charges > 0 && refund.is_none() {
                violate("the charge of a cancelled order was not refunded".to_owned());
            }
            if is_shipped && !has_letter("shipping") {
                violate("the shipment of a cancelled order was not voided".to_owned());
            }
            if !matches!(goods, Some(Reservation::Closed)) {
                violate(format!("the goods of a cancelled order are {goods:?}"));
            }
        }
    }
}

/// The status never moves back.
fn check_status(stack: &Stack, site: &Site, order: &OrderId) {
    let rank = |status: Status| match status {
        Status::Open(progress) => progress as u8,
        Status::Cancelled(_) => 8,
        Status::Shipped => 9,
    };
    let rows = stack.tables.orders.read(order).now_or_never().and_then(Result::ok).unwrap_or_default();
    let mut last = 0;
    let seen = MemoryLog::default();
    for row in rows {
        let _ = seen.append(order, &row, &[]).now_or_never();
        let ledger = Ledger::new(&seen, site.clone());
        let Some(Ok(history)) = ledger.load::<Orders>(order).now_or_never() else { continue };
        if let Order::Known(known) = history.state {
            let now = rank(known.status);
            if now < last || (last >= 8 && now != last) {
                stack.world.audit.violate(Some(order), format!("row {} moves the status back", row.version));
            }
            last = now;
        }
    }
}

/// What customers were told is so.
fn check_promises(stack: &Stack, site: &Site) {
    for (order, promise) in stack.world.audit.promises() {
        let status = known(stack, site, &order).map(|known| known.status);
        let kept = match promise {
            Promise::Placed => status.is_some(),
            Promise::Cancelled => matches!(status, Some(Status::Cancelled(_))),
            Promise::Shipped => matches!(status, Some(Status::Shipped)),
        };
        if !kept {
            stack.world.audit.violate(Some(&order), format!("a customer was told {promise:?}, and it is {status:?}"));
        }
    }
}

/// One order of so many is asked whether anything is left to do: that takes as long as all that was done before.
const ASKED: usize = 8;

/// Nothing is left to do: every event is delivered once more to everyone, and changes nothing. An event that was
/// acknowledged without being handled would now be.
fn check_rest(stack: &Rc<Stack>) {
    let before = footprint(stack);
    let world = &stack.world;
    let asked: HashSet<OrderId> = world.audit.orders().into_iter().step_by(ASKED).collect();
    for entry in stack.tables.journal.entries().iter().filter(|entry| asked.contains(&entry.order)) {
        for (line, subscription) in stack.lines.iter().zip(stack.topic.subscriptions()) {
            let wants = subscription.filter.as_ref().is_none_or(|types| types.iter().any(|k| k.as_str() == entry.kind));
            if wants {
                let text = Rc::from(entry.text.as_str());
                let id = format!("once more {}", entry.id);
                line.queue.send(entry.order.as_str(), text, std::collections::BTreeMap::new(), &id);
            }
        }
    }
    world.executor.run(|| world.audit.is_violated());
    let after = footprint(stack);
    if before != after {
        let changed: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
        world.audit.violate(None, format!("events that come again change something: {changed:?}"));
    }
}

/// How much there is of everything that an event can change.
fn footprint(stack: &Stack) -> Vec<(&'static str, u64)> {
    let tables = &stack.tables;
    let (messages, _) = stack.world.audit.messages();
    vec![
        ("events", stack.world.audit.events().len() as u64),
        ("rows of orders", tables.orders.len() as u64),
        ("rows of inventory", tables.inventory.len() as u64),
        ("rows of payment", tables.payment.len() as u64),
        ("rows of shipping", tables.shipping.len() as u64),
        ("rows of screening", tables.screening.len() as u64),
        ("rows of notification", tables.notification.len() as u64),
        ("entries of the journal", tables.journal.entries().len() as u64),
        ("messages", messages),
    ]
}
