use std::collections::BTreeMap;

use orderflow_events::sample;
use orderflow_events::{CancellationReason, Event, OrderId, PaymentId, RefundId, ShipmentId, Text};

use super::*;

type Counts = BTreeMap<(String, &'static str), i64>;

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

/// Counts of events in that order.
fn counts<'a>(events: impl IntoIterator<Item = &'a Event>) -> Counts {
    let (mut facts, mut counts) = (Vec::new(), Counts::new());
    for event in events {
        let Ok(Step::Commit(commit)) = Analytics::decide(&facts, &event.heard().unwrap(), None) else {
            panic!("{event:?}")
        };
        for update in commit.updates {
            for (name, amount) in update.add {
                *counts.entry((update.key.clone(), name)).or_default() += amount;
            }
        }
        facts = Analytics::evolve(facts, commit.change.unwrap());
    }
    counts
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

#[test]
fn each_fact_counts_in_its_minute_and_money_in_its_hour() {
    let shard = shard_of(&Subject::from(&id()));
    let events = way();
    let total = sample::order("ord_1").total.amount();
    let pieces: i64 = sample::order("ord_1").details.lines.iter().map(|line| i64::from(line.quantity.get())).sum();
    let late = |minute: &str| format!("minute 2026-11-22T23 {shard}#{minute} EUR");
    let early = |minute: &str| format!("minute 2026-11-23T00 {shard}#{minute} EUR");
    for (at, key, expected) in [
        (0, late("57"), vec![(CREATED, 1), (CREATED_AMOUNT, total)]),
        (1, late("58"), vec![(RESERVED, 1), (RESERVED_AMOUNT, total), (SET_ASIDE, pieces)]),
        (2, late("59"), vec![(PAID, 1), (PAID_AMOUNT, total)]),
        (2, format!("hour 2026-11-22 {shard}#23 EUR"), vec![(PAID, 1), (PAID_AMOUNT, total)]),
        (3, early("00"), vec![(SHIPPED, 1), (SHIPPED_AMOUNT, total)]),
        (4, early("01"), vec![(CANCELLED, 1), (CANCELLED_AMOUNT, total)]),
        (5, early("02"), vec![(RELEASED, pieces)]),
        (6, early("03"), vec![(REFUNDED, 1), (REFUNDED_AMOUNT, total)]),
        (6, format!("hour 2026-11-23 {shard}#00 EUR"), vec![(REFUNDED, 1), (REFUNDED_AMOUNT, total)]),
    ] {
        let found = if at == 0 { counts([&events[0]]) } else { counts([&events[0], &events[at]]) };
        for (name, value) in expected {
            assert_eq!(found.get(&(key.clone(), name)), Some(&value), "{key} {name}: {found:?}");
        }
    }
    let found = counts(&events);
    let of_skus: Vec<_> = found.iter().filter(|((key, _), _)| key.starts_with("sku ")).collect();
    let sum =
        |name: &str| of_skus.iter().filter(|((_, other), _)| *other == name).map(|(_, value)| **value).sum::<i64>();
    assert_eq!((sum(SOLD), sum(PAID_AMOUNT)), (pieces, total), "{of_skus:?}");
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
fn what_comes_before_the_order_waits_for_it() {
    let events = way();
    assert_eq!(counts(&events[1..]), Counts::new(), "nobody knows its currency");
}

#[test]
fn an_update_has_each_item_once_and_one_condition() {
    let mut order = sample::order("ord_1");
    let line = order.details.lines[0].clone();
    order.details.lines = vec![line.clone(), line];
    let (mut created, paid) = (sample::event(order), way().remove(2));
    created.context.time = paid.context.time;
    let facts = vec![Fact { at: paid.context.time, what: What::Paid }];
    let Ok(Step::Commit(commit)) = Analytics::decide(&facts, &created.heard().unwrap(), None) else { panic!() };
    let mut keys: Vec<&str> = commit.updates.iter().map(|update| update.key.as_str()).collect();
    let all = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), all);
    assert!(commit.updates.iter().all(|update| update.at_least == (CREATED, 0)));
}
