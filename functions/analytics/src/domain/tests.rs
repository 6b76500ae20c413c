use std::collections::BTreeMap;

use onewrite::Commit;
use orderflow_events::sample;
use orderflow_events::{CancellationReason, Event, OrderId, PaymentId, RefundId, ShipmentId, Text};

use super::*;
use crate::tally::{Counters, Tally};

fn id() -> OrderId {
    OrderId::new("ord_1").unwrap()
}

/// An event of each type that is heard, in the order of a way that ends with a refund; a minute apart.
fn way() -> Vec<Event> {
    let (order_id, total) = (id(), sample::order("ord_1").total);
    let lines = sample::order("ord_1").details.stock_lines();
    let payment_id = PaymentId::of(&order_id);
    let payloads: Vec<Payload> = vec![
        sample::order("ord_1").into(),
        InventoryReserved { order_id: order_id.clone(), lines: lines.clone() }.into(),
        PaymentProcessed { order_id: order_id.clone(), payment_id: payment_id.clone(), amount: total }.into(),
        ShipmentCreated {
            order_id: order_id.clone(),
            shipment_id: ShipmentId::of(&order_id),
            carrier: Text::shortened("C"),
            tracking_number: Text::shortened("T"),
        }
        .into(),
        OrderCancelled { order_id: order_id.clone(), reason: CancellationReason::CustomerRequest }.into(),
        InventoryReleased { order_id: order_id.clone(), lines }.into(),
        PaymentRefunded { refund_id: RefundId::of(&order_id), order_id, payment_id, amount: total }.into(),
    ];
    let begin = Time::new("2026-11-22T23:57:30Z").unwrap().as_millis();
    let at = |minute: usize| Time::from_millis(begin + 60_000 * i64::try_from(minute).unwrap());
    let mut events: Vec<Event> = payloads.into_iter().map(sample::event).collect();
    events.iter_mut().enumerate().for_each(|(minute, event)| event.context.time = at(minute));
    events
}

/// Entries that are put down of an order, and what is remembered of it.
#[derive(Default)]
struct Seen {
    sale: Sale,
    entries: Vec<(Time, Entry)>,
}

impl Seen {
    /// Handles an event; whether a row was written.
    fn handle(&mut self, event: &Event) -> bool {
        let (event, mut counted) = (event.heard().unwrap(), None);
        loop {
            match Analytics::decide(&self.sale, &event, counted.as_ref()).unwrap() {
                Step::Nothing => return false,
                Step::Perform(Count(entries)) => {
                    counted = Some(Counted(entries.len()));
                    self.entries.extend(entries);
                }
                Step::Commit(Commit { change, .. }) => {
                    self.sale = Analytics::evolve(std::mem::take(&mut self.sale), change.unwrap());
                    return true;
                }
            }
        }
    }

    /// Sums of each time.
    fn tallies(&self) -> BTreeMap<Time, Tally> {
        let mut at: BTreeMap<Time, Vec<&Entry>> = BTreeMap::new();
        self.entries.iter().for_each(|(time, entry)| at.entry(*time).or_default().push(entry));
        at.into_iter().map(|(time, entries)| (time, Tally::of(entries))).collect()
    }
}

/// Counts of events in that order.
fn counts<'a>(events: impl IntoIterator<Item = &'a Event>) -> BTreeMap<Time, Tally> {
    let mut seen = Seen::default();
    for event in events {
        seen.handle(event);
    }
    seen.tallies()
}

/// Every order of the numbers below `count` (Heap 1963).
fn permutations(count: usize) -> Vec<Vec<usize>> {
    fn go(k: usize, items: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
        if k <= 1 {
            return all.push(items.clone());
        }
        for at in 0..k {
            go(k - 1, items, all);
            items.swap(if k.is_multiple_of(2) { at } else { 0 }, k - 1);
        }
    }
    let (mut items, mut all) = ((0..count).collect(), Vec::new());
    go(count, &mut items, &mut all);
    all
}

fn counters(counters: &[(&str, i64)]) -> Counters {
    counters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

#[test]
fn each_fact_counts_at_its_time() {
    let events = way();
    let total = sample::order("ord_1").total.amount();
    let pieces: i64 = sample::order("ord_1").details.lines.iter().map(|line| i64::from(line.quantity.get())).sum();
    let found = counts(&events);
    assert_eq!(found.len(), events.len());
    for (event, expected) in events.iter().zip([
        vec![(CREATED, 1), (CREATED_AMOUNT, total)],
        vec![(RESERVED, 1), (RESERVED_AMOUNT, total), (SET_ASIDE, pieces)],
        vec![(PAID, 1), (PAID_AMOUNT, total)],
        vec![(SHIPPED, 1), (SHIPPED_AMOUNT, total)],
        vec![(CANCELLED, 1), (CANCELLED_AMOUNT, total)],
        vec![(RELEASED, pieces)],
        vec![(REFUNDED, 1), (REFUNDED_AMOUNT, total)],
    ]) {
        let tally = &found[&event.context.time];
        assert_eq!(tally.steps, BTreeMap::from([("EUR".to_owned(), counters(&expected))]), "{event:?}");
        let sold: Vec<_> = tally.skus.values().flat_map(BTreeMap::values).collect();
        let sums = (sold.iter().map(|sold| sold.pieces).sum(), sold.iter().map(|sold| sold.amount).sum());
        let is_paid = matches!(event.data, Payload::PaymentProcessed(_));
        assert_eq!(sums, if is_paid { (pieces, total) } else { (0, 0) }, "{event:?}");
    }
}

/// All 5,040 of them: the counts are the same to the last.
#[test]
fn the_counts_are_the_same_in_whatever_order_the_events_come() {
    let events = way();
    let expected = counts(&events);
    for order in permutations(events.len()) {
        assert_eq!(counts(order.iter().map(|at| &events[*at])), expected, "{order:?}");
    }
}

#[test]
fn what_comes_before_the_order_waits_for_it_in_a_row_and_what_comes_after_it_takes_none() {
    let (events, mut seen) = (way(), Seen::default());
    assert!(seen.handle(&events[2]) && seen.handle(&events[1]));
    assert_eq!(seen.tallies(), BTreeMap::new(), "nobody knows its currency");
    assert!(seen.handle(&events[0]));
    assert_eq!(seen.tallies(), counts(&events[..3]));
    for event in &events[3..] {
        assert!(!seen.handle(event), "{event:?}");
    }
    assert_eq!(seen.tallies(), counts(&events));
}

/// Somebody else has put an early fact on record while the order was counted.
#[test]
fn what_came_while_the_order_was_counted_is_counted_with_it() {
    let (events, mut sale) = (way(), Sale::default());
    let created = events[0].heard().unwrap();
    let Ok(Step::Perform(Count(first))) = Analytics::decide(&sale, &created, None) else { panic!() };
    assert_eq!(first.len(), 1);
    let Ok(Step::Commit(early)) = Analytics::decide(&sale, &events[2].heard().unwrap(), None) else { panic!() };
    sale = Analytics::evolve(sale, early.change.unwrap());
    let Ok(Step::Perform(Count(second))) = Analytics::decide(&sale, &created, Some(&Counted(1))) else { panic!() };
    assert_eq!(second.len(), 2);
    assert!(matches!(Analytics::decide(&sale, &created, Some(&Counted(2))), Ok(Step::Commit(_))));
}

#[test]
fn goods_of_one_sku_are_one() {
    let mut order = sample::order("ord_1");
    let line = order.details.lines[0].clone();
    order.details.lines = vec![line.clone(), line.clone()];
    let placed = Placed::of(&order);
    let [goods] = placed.goods.as_slice() else { panic!("{placed:?}") };
    assert_eq!((&goods.sku, goods.pieces), (&line.sku, 2 * i64::from(line.quantity.get())));
}
