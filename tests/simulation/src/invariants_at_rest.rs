//! Invariants of the contract that hold once nothing is left to do.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use futures::FutureExt;
use onewrite::feed::RecordKey;
use onewrite::memory::{MemoryLog, VirtualTime};
use onewrite::personal::{Keys, open};
use onewrite::port::{Clock, Log};
use onewrite::{Decider, Ledger, Result as Outcome, Sweep};
use orderflow_analytics::{Counts, Tally};
use orderflow_events::{Event, OrderId, Payload, PaymentId, Person, ShipmentId};
use orderflow_inventory::{Inventory, Reservation};
use orderflow_notification::{Channel, Notification, State as NotificationState, TOLD_WITHIN};
use orderflow_orders::{Known, Order, Orders, Progress, Status};
use orderflow_simulated::{Carrier, Provider};
use simulator::{Rest, Violation};

use crate::audit::{Audit, Message, Promise};
use crate::names::{ANALYTICS, INTAKE, INVENTORY, NOTIFICATION, ORDERS};
use crate::notices;
use crate::outside::{GONE, Outside};

const A_DAY: Duration = Duration::from_hours(24);

/// Money of the SKUs.
const SOLD: &str = "sold";

/// Longer than any run takes, by its own clock.
const A_YEAR: Duration = Duration::from_hours(365 * 24);

/// Checks all of them.
///
/// # Errors
///
/// The first that does not hold.
pub fn check(audit: &Audit, outside: &Outside, rest: &Rest<'_>) -> Result<(), Violation> {
    check_journal(outside, rest)?;
    for order in audit.orders() {
        check_status(rest, &order)?;
        check_order(audit, outside, rest, &order)?;
        check_messages(audit, outside, rest, &order)?;
    }
    check_open(audit, rest)?;
    check_counts(outside, rest)?;
    notices::check(outside)?;
    check_promises(audit, rest)
}

/// Every event of the journal that is counted counts once, with its order's total: as the sums over all minutes and SKUs tell,
/// those that are made and those of the minutes that are not summed yet. Where analytics has a dead letter there is nothing to
/// compare: somebody has to see to it first.
fn check_counts(outside: &Outside, rest: &Rest<'_>) -> Result<(), Violation> {
    if rest.letters.values().any(|services| services.contains(ANALYTICS)) {
        return Ok(());
    }
    let events: Vec<Event> =
        outside.journal.entries().iter().filter_map(|entry| Event::decode(&entry.text).ok()).collect();
    let totals: HashMap<&str, i64> = events
        .iter()
        .filter_map(|event| match &event.data {
            Payload::OrderCreated(created) => Some((created.order_id.as_str(), created.total.amount())),
            _ => None,
        })
        .collect();
    let mut expected: BTreeMap<&str, i64> = BTreeMap::new();
    for event in &events {
        let (name, of_money) = match &event.data {
            Payload::OrderCreated(_) => ("created", "createdAmount"),
            Payload::InventoryReserved(_) => ("reserved", "reservedAmount"),
            Payload::PaymentProcessed(_) => ("paid", "paidAmount"),
            Payload::PaymentRefunded(_) => ("refunded", "refundedAmount"),
            Payload::ShipmentCreated(_) => ("shipped", "shippedAmount"),
            Payload::OrderCancelled(_) => ("cancelled", "cancelledAmount"),
            _ => continue,
        };
        let Some(total) = totals.get(event.context.subject.as_str()) else { continue };
        *expected.entry(name).or_default() += 1;
        *expected.entry(of_money).or_default() += total;
        if name == "paid" {
            *expected.entry(SOLD).or_default() += total;
        }
    }
    let times = || events.iter().map(|event| event.context.time);
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return Ok(()) };
    let counts = Counts::new(&*outside.counts);
    let counted = counts.read(first, last.after(A_DAY), first);
    let Some(Ok(counted)) = counted.now_or_never() else { return Err(Violation::new("the counts cannot be read")) };
    let mut all = Tally::default();
    for tally in counted.values() {
        all.add(tally);
    }
    let mut found: BTreeMap<&str, i64> = BTreeMap::new();
    for (name, value) in all.steps.values().flatten() {
        *found.entry(name).or_default() += value;
    }
    let sold = all.skus.values().flat_map(BTreeMap::values).map(|sold| sold.amount).sum();
    found.insert(SOLD, sold);
    for (name, expected) in expected {
        let found = found.get(name).copied().unwrap_or_default();
        if found != expected {
            return Err(Violation::new(format!("{name} is counted {found} times, and not {expected}")));
        }
    }
    Ok(())
}

/// Number of orders that were shipped.
#[must_use]
pub fn shipped(orders: &[OrderId], table: &MemoryLog) -> u64 {
    let is_shipped =
        |order: &&OrderId| known(table, order).is_some_and(|known| matches!(known.status, Status::Shipped));
    orders.iter().filter(is_shipped).count() as u64
}

/// Every committed event is in the journal, once, and every entry of the journal in the feed, once.
fn check_journal(outside: &Outside, rest: &Rest<'_>) -> Result<(), Violation> {
    let entries = outside.journal.entries();
    let journal: HashSet<String> = entries.iter().map(|entry| entry.id.to_string()).collect();
    if journal.len() != entries.len() {
        return Err(Violation::new("the journal has an event twice"));
    }
    let listed = outside.feed.records();
    let feed: HashSet<&RecordKey> = listed.iter().collect();
    if feed.len() != listed.len() {
        return Err(Violation::new("the feed has an event twice"));
    }
    if let Some(entry) = entries.iter().find(|entry| !feed.contains(&entry.key())) {
        return Err(Violation::new(format!("the event {} is not in the feed", entry.id)));
    }
    match rest.events.iter().find(|id| !journal.contains(*id)) {
        Some(id) => Err(Violation::new(format!("the event {id} is not in the journal"))),
        None => Ok(()),
    }
}

fn load<D: Decider>(log: &MemoryLog, order: &OrderId) -> Option<D::State> {
    let ledger = Ledger::new(log, VirtualTime::new(0));
    ledger.load::<D>(&order.into()).now_or_never()?.ok().map(|history| history.state)
}

/// The order, as the orders service knows it.
#[must_use]
pub fn known(log: &MemoryLog, order: &OrderId) -> Option<Box<Known>> {
    match load::<Orders>(log, order)? {
        Order::Known(known) => Some(known),
        Order::Unknown => None,
    }
}

/// Answer of a store in memory, which is there at once.
fn now<T: Default>(answer: impl Future<Output = Outcome<T, impl Sized>>) -> T {
    answer.now_or_never().and_then(Result::ok).unwrap_or_default()
}

/// An order is shipped or cancelled, and all that belongs to it fits.
fn check_order(audit: &Audit, outside: &Outside, rest: &Rest<'_>, order: &OrderId) -> Result<(), Violation> {
    let violation = |what: String| Err(Violation::of(order.as_str(), what));
    let letters: Option<&BTreeSet<&str>> = rest.letters.get(order.as_str());
    let has_letter = |service: &str| letters.is_some_and(|letters| letters.contains(service));
    let Some(known) = known(&rest.tables[ORDERS], order) else {
        return if has_letter(INTAKE) { Ok(()) } else { violation("an order is lost".to_owned()) };
    };
    let (payment, shipment, time) = (PaymentId::of(order), ShipmentId::of(order), VirtualTime::new(0));
    let (provider, carrier) = (Provider::new(&*outside.provider, &time), Carrier::new(&*outside.carrier, &time));
    let (charges, refund) = (now(provider.times_charged(&payment)), now(provider.find_refund(&payment)));
    let is_shipped = now(carrier.times_booked(&shipment)) > 0 && !now(carrier.is_voided(&shipment));
    let due = usize::from(!audit.is_free(order));
    let goods = load::<Inventory>(&rest.tables[INVENTORY], order);
    let is_back = matches!(goods, Some(Reservation::Returned(_)));
    match known.status {
        Status::Open(Progress::Created | Progress::Reserved)
            if known.timeline.first().is_some_and(|seen| audit.is_overdue(seen.time)) =>
        {
            violation("an order keeps its goods for ever, and is not paid".to_owned())
        }
        Status::Open(progress) if letters.is_none() => violation(format!("an order is for ever {progress:?}")),
        Status::Shipped if charges != due || refund.is_some() != (is_back && due > 0) => {
            violation(format!("a shipped order was charged {charges} times, and refunded: {refund:?}; back: {is_back}"))
        }
        Status::Shipped if !returns_agree(&known, goods.as_ref()) => {
            violation(format!("the return is {:?}, and the goods are {goods:?}", known.goods_return))
        }
        Status::Shipped if !is_shipped => violation("a shipped order has no shipment".to_owned()),
        Status::Cancelled(_) if charges > 0 && refund.is_none() => {
            violation("the charge of a cancelled order was not refunded".to_owned())
        }
        Status::Cancelled(_) if is_shipped && !has_letter("shipping") => {
            violation("the shipment of a cancelled order was not voided".to_owned())
        }
        Status::Cancelled(_) if !matches!(goods, Some(Reservation::Closed)) => {
            violation(format!("the goods of a cancelled order are {goods:?}"))
        }
        Status::Open(_) | Status::Shipped | Status::Cancelled(_) => Ok(()),
    }
}

/// Goods of a shipped order are away, awaited or back, as its return says; and once they are back, so is the money.
fn returns_agree(known: &Known, goods: Option<&Reservation>) -> bool {
    match (&known.goods_return, goods) {
        (None, Some(Reservation::Shipped(_))) => true,
        (Some(back), Some(Reservation::Awaited { return_id, .. })) => {
            back.return_id == *return_id && back.received_at.is_none() && !back.refunded
        }
        (Some(back), Some(Reservation::Returned(returned))) => {
            back.return_id == returned.return_id && back.received_at == Some(returned.received_at) && back.refunded
        }
        _ => false,
    }
}

/// Only what has a letter is open, and so late one day; a sweep finds that out, and nothing else is in the index after it.
fn check_open(audit: &Audit, rest: &Rest<'_>) -> Result<(), Violation> {
    let (table, time) = (&*rest.tables[ORDERS], VirtualTime::new(0));
    // Whatever the run took, all of it is long ago.
    time.pass(A_YEAR);
    let is_open = |order: &OrderId| known(table, order).is_some_and(|known| !Orders::is_over(&Order::Known(known)));
    let open: Vec<OrderId> = audit.orders().into_iter().filter(is_open).collect();
    if let Some(order) = open.iter().find(|order| !rest.letters.contains_key(order.as_str())) {
        return Err(Violation::of(order.as_str(), "nothing is left to do, and it is told as open"));
    }
    let sweep = Sweep::new(Ledger::new(table, &time), table, A_DAY);
    let swept = sweep.run::<Orders>(time.now().after(A_DAY)).now_or_never().and_then(Result::ok).unwrap_or_default();
    // What is over has left the index. It may then hear of a shipment that the carrier does not void: of that a letter tells.
    let cancelled = open
        .iter()
        .filter(|order| known(table, order).is_some_and(|known| matches!(known.status, Status::Cancelled(_))));
    let least = open.len() - cancelled.count();
    if swept.open != swept.forgotten || !(least as u64..=open.len() as u64).contains(&swept.open) {
        let what = format!("a sweep tells of {} open orders, and there are {}", swept.open, open.len());
        return Err(open.first().map_or_else(|| Violation::new(&what), |order| Violation::of(order.as_str(), &what)));
    }
    Ok(())
}

/// Number of messages that each customer gets by mail: one when there are goods, one when it is over, one of a withdrawal
/// after that.
fn check_messages(audit: &Audit, outside: &Outside, rest: &Rest<'_>, order: &OrderId) -> Result<(), Violation> {
    let Some(known) = known(&rest.tables[ORDERS], order) else { return Ok(()) };
    let unreachable = unreachable(&rest.tables[NOTIFICATION], order);
    let (has_letter, messages) = (rest.letters.contains_key(order.as_str()), audit.told_of(order));
    let person = person(outside, &known);
    let may_be_erased = audit.may_be_erased(known.created.details.customer.id.as_str());
    match (&person, known.is_erased) {
        (None, _) if !may_be_erased => {
            return Err(Violation::of(order.as_str(), "nobody can open who has placed it"));
        }
        (Some(_), true) => return Err(Violation::of(order.as_str(), "who is erased can be opened still")),
        _ => {}
    }
    let has_wrong_links = |one: &&Message| one.body.contains("access=") != known.is_of_guest();
    if let Some(mail) = messages.iter().filter(|one| one.channel == "mail").find(has_wrong_links) {
        let what = format!("a mail has a link, or none, to the wrong customer: {mail:?}");
        return Err(Violation::of(order.as_str(), what));
    }
    // Of what somebody has sent back so late nobody is told: by the clock of a function, which may be ahead.
    let is_old = known.timeline.first().is_some_and(|seen| seen.time.until(rest.now) + A_DAY > TOLD_WITHIN);
    let is_gone = person.as_ref().is_some_and(|person| person.email.as_str().starts_with(GONE));
    for (channel, name, expected) in [(Channel::Email, "mail", true), (Channel::Sms, "sms", false)] {
        let count = |is: fn(&Message) -> bool| messages.iter().filter(|one| one.channel == name && is(one)).count();
        let (thanks, shipped, cancelled) =
            (count(Message::is_thanks), count(Message::is_shipped), count(Message::is_cancelled));
        let (withdrawn, all) = (count(Message::is_withdrawn), count(|_| true));
        let withdrawals = usize::from(known.goods_return.is_some());
        let is_right = match known.status {
            _ if unreachable.contains(&channel) => all == 0,
            // They were told until they were erased.
            _ if person.is_none() => true,
            Status::Shipped => {
                let is_complete = (thanks, shipped, withdrawn) == (1, 1, withdrawals);
                cancelled == 0 && withdrawn <= withdrawals && (has_letter || !expected || is_old || is_complete)
            }
            Status::Cancelled(_) => has_letter || !expected || is_old || cancelled == 1,
            Status::Open(_) => cancelled == 0,
        };
        let are_known = all == thanks + shipped + cancelled + withdrawn;
        if !is_right || thanks > 1 || shipped > 1 || cancelled > 1 || !are_known {
            let what = format!("{name}: of an order that is {:?} the customer was told {messages:?}", known.status);
            return Err(Violation::of(order.as_str(), what));
        }
    }
    if is_gone && !has_letter && !is_old && !unreachable.contains(&Channel::Email) {
        return Err(Violation::of(order.as_str(), "it is on record nowhere that the customer is not reached"));
    }
    Ok(())
}

/// Person who has placed an order.
fn person(outside: &Outside, known: &Known) -> Option<Person> {
    let details = &known.created.details;
    let key = outside.keys.find(details.customer.id.as_str()).now_or_never()?.ok()??;
    open(details.personal.sealed()?, &key).ok()
}

/// Channels that notification has found to reach nobody.
#[must_use]
pub fn unreachable(table: &MemoryLog, order: &OrderId) -> BTreeSet<Channel> {
    match load::<Notification>(table, order) {
        Some(NotificationState::Known(customer) | NotificationState::Cancelled(customer)) => customer.unreachable,
        Some(NotificationState::Unknown) | None => BTreeSet::new(),
    }
}

/// The status never moves back.
fn check_status(rest: &Rest<'_>, order: &OrderId) -> Result<(), Violation> {
    let rank = |status: Status| match status {
        Status::Open(progress) => progress as u8,
        Status::Cancelled(_) => 8,
        Status::Shipped => 9,
    };
    let (mut last, seen) = (0, MemoryLog::default());
    for row in now(rest.tables[ORDERS].read(&order.into())) {
        let _ = seen.append(&order.into(), &row, &[]).now_or_never();
        let Some(known) = known(&seen, order) else { continue };
        let now = rank(known.status);
        if now < last || (last >= 8 && now != last) {
            return Err(Violation::of(order.as_str(), format!("row {} moves the status back", row.version)));
        }
        last = now;
    }
    Ok(())
}

/// All that customers were told is so.
fn check_promises(audit: &Audit, rest: &Rest<'_>) -> Result<(), Violation> {
    for (order, promise) in audit.promises() {
        let known = known(&rest.tables[ORDERS], &order);
        let status = known.as_ref().map(|known| known.status);
        let is_erased = known.as_ref().is_some_and(|known| known.is_erased);
        let goods_return = known.and_then(|known| known.goods_return);
        let kept = match promise {
            Promise::Placed => status.is_some(),
            Promise::Cancelled => matches!(status, Some(Status::Cancelled(_))),
            Promise::Shipped => matches!(status, Some(Status::Shipped)),
            Promise::Returning => goods_return.is_some(),
            Promise::Returned => goods_return.is_some_and(|back| back.received_at.is_some()),
            Promise::Erased => is_erased && !matches!(status, Some(Status::Open(_))),
        };
        if !kept {
            let what = format!("a customer was told {promise:?}, and it is {status:?}");
            return Err(Violation::of(order.as_str(), what));
        }
    }
    Ok(())
}
