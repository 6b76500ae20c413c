use std::collections::BTreeSet;

use futures::executor::block_on;
use onewrite::memory::{Bench, MemoryLog, Pace, Paced, Redelivery, VirtualTime};
use onewrite::{Cause, Committed, Delivery, FailureKind, Handle, Handled, Ledger, NoEffects, Origin, Process, Result};
use orderflow_events::{CancellationReason, PaymentFailure, PaymentId, ShipmentId, Subject, Text, Time, sample};

use super::*;

/// Facts about one order, by the letter with which they begin below.
fn fact(kind: EventType, order: &str) -> Event {
    let order_id = OrderId::new(order).unwrap();
    let payment_id = PaymentId::of(&order_id);
    let text = Text::shortened;
    sample::event(match kind {
        EventType::OrderCreated => Payload::from(sample::order(order)),
        EventType::OrderCancelled => OrderCancelled { order_id, reason: CancellationReason::CustomerRequest }.into(),
        EventType::PaymentFailed => {
            let reason = PaymentFailure { code: text("card_declined"), message: text("Declined.") };
            PaymentFailed { order_id, payment_id, reason }.into()
        }
        EventType::ShipmentCreated => {
            let shipment_id = ShipmentId::of(&order_id);
            ShipmentCreated { order_id, shipment_id, carrier: text("C"), tracking_number: text("T") }.into()
        }
        EventType::ReturnRequested => ReturnRequested { return_id: ReturnId::of(&order_id), order_id }.into(),
        other => panic!("inventory has no use for {other}"),
    })
}

/// A shop with 5 pieces of `A-1` and 4 of `B-2`; the sample order takes 3 and 1.
struct Shop {
    log: MemoryLog,
    world: VirtualTime,
}

impl Shop {
    fn new() -> Self {
        let log = MemoryLog::default();
        for (sku, pieces) in [("A-1", 5), ("B-2", 4)] {
            log.set_counter(sku, AVAILABLE, pieces);
        }
        Self { log, world: VirtualTime::new(1) }
    }

    /// Nothing is oversold, and what is set aside is what the orders have that are neither released nor shipped.
    fn check_stock(&self) {
        let orders = ["ord_1", "ord_2"].map(|order| OrderId::new(order).unwrap());
        let ledger = Ledger::new(&self.log, &self.world);
        let load = |order: &OrderId| block_on(ledger.load::<Inventory>(&Subject::from(order))).unwrap().state;
        let open = orders.iter().filter(|order| matches!(load(order), Reservation::Reserved(_))).count();
        let open = i64::try_from(open).unwrap();
        let [(available, reserved), _] = self.stock();
        assert_eq!(reserved, 3 * open, "reserved");
        assert!(available >= 0, "oversold");
    }

    /// The warehouse says that the goods of an order are back.
    fn take_back(&self, order: &str) -> std::result::Result<bool, ReturnRefusal> {
        let order = OrderId::new(order).unwrap();
        let ledger = Ledger::new(&self.log, &self.world);
        let mut history = block_on(ledger.load::<Inventory>(&Subject::from(&order))).unwrap();
        let Step::Commit(commit) = take_back(&order, &history.state)? else { return Ok(false) };
        let origin = Origin::from(&fact(EventType::OrderCreated, order.as_str()));
        let cause = Cause { source: "warehouse".to_owned(), ..origin.cause };
        let committed = block_on(ledger.commit(&mut history, &Origin { cause, ..origin }, commit)).unwrap();
        assert!(matches!(committed, Committed::Done(_)), "{committed:?}");
        Ok(true)
    }

    /// Available and reserved pieces of both SKUs.
    fn stock(&self) -> [(i64, i64); 2] {
        ["A-1", "B-2"].map(|sku| (self.log.counter(sku, AVAILABLE), self.log.counter(sku, RESERVED)))
    }
}

impl Bench for Shop {
    type Contract = Payload;

    fn log(&self) -> &MemoryLog {
        &self.log
    }

    async fn attempt(&self, event: &Event, pace: &Pace) -> Result<Handled> {
        let ledger = Ledger::new(Paced { port: &self.log, pace }, &self.world);
        let process = Process::<Inventory, _, _, _>::new(ledger, NoEffects);
        process.handle(event, &Delivery { text: "", deadline: Time::from_millis(i64::MAX) }).await
    }
}

use EventType as E;

const FULL: [(i64, i64); 2] = [(5, 0), (4, 0)];
const HELD: [(i64, i64); 2] = [(2, 3), (3, 1)];
const GONE: [(i64, i64); 2] = [(2, 0), (3, 0)];

/// Orders in every state, and what the stock is then.
const UNKNOWN: &[E] = &[];
const SET_ASIDE: &[E] = &[E::OrderCreated];
const SHIPPED: &[E] = &[E::OrderCreated, E::ShipmentCreated];
const RELEASED: &[E] = &[E::OrderCreated, E::PaymentFailed];
const RESTOCKED: &[E] = &[E::OrderCreated, E::ShipmentCreated, E::OrderCancelled];
const CANCELLED: &[E] = &[E::OrderCancelled];
const AWAITED: &[E] = &[E::OrderCreated, E::ShipmentCreated, E::ReturnRequested];

#[test]
fn every_event_in_every_state() {
    let (changed, nothing) = (|| Ok(Handled::Changed), || Ok(Handled::Unchanged));
    let (early, refused) = (|| Err(FailureKind::Transient), || Err(FailureKind::Permanent));
    let columns = [E::OrderCreated, E::PaymentFailed, E::OrderCancelled, E::ShipmentCreated, E::ReturnRequested];
    for (given, then, stocks) in [
        (UNKNOWN, [changed(), early(), changed(), early(), early()], [HELD, FULL, FULL, FULL, FULL]),
        (SET_ASIDE, [refused(), changed(), changed(), changed(), early()], [HELD, FULL, FULL, GONE, HELD]),
        (SHIPPED, [refused(), nothing(), changed(), nothing(), changed()], [GONE, GONE, FULL, GONE, GONE]),
        (AWAITED, [refused(), nothing(), nothing(), nothing(), nothing()], [GONE; 5]),
        (RELEASED, [refused(), nothing(), nothing(), nothing(), nothing()], [FULL; 5]),
        (RESTOCKED, [refused(), nothing(), nothing(), nothing(), nothing()], [FULL; 5]),
        (CANCELLED, [nothing(), nothing(), nothing(), nothing(), nothing()], [FULL; 5]),
    ] {
        for ((when, then), stock) in columns.into_iter().zip(then).zip(stocks) {
            let shop = Shop::new();
            for kind in given {
                assert_eq!(shop.handle(&fact(*kind, "ord_1")), Ok(Handled::Changed), "{kind} of {given:?}");
            }
            let before = shop.stock();
            for kind in given {
                assert_eq!(shop.handle(&fact(*kind, "ord_1")), Ok(Handled::Duplicate), "{kind} of {given:?}");
            }
            assert_eq!(shop.stock(), before, "{given:?} twice");
            // Another event of the type: whether it was handled before is not what decides.
            let event = sample::another_event(fact(when, "ord_1").data, 1);
            assert_eq!(shop.handle(&event), then, "{when} after {given:?}");
            assert_eq!(shop.stock(), stock, "{when} after {given:?}");
        }
    }
}

#[test]
fn goods_are_taken_back_where_they_are_awaited_and_once() {
    for (given, then, stock) in [
        (UNKNOWN, Err(ReturnRefusal::Unknown), FULL),
        (SET_ASIDE, Err(ReturnRefusal::NotAwaited), HELD),
        (SHIPPED, Err(ReturnRefusal::NotAwaited), GONE),
        (AWAITED, Ok(true), FULL),
        (RELEASED, Err(ReturnRefusal::NotAwaited), FULL),
        (RESTOCKED, Err(ReturnRefusal::NotAwaited), FULL),
        (CANCELLED, Err(ReturnRefusal::NotAwaited), FULL),
    ] {
        let shop = Shop::new();
        for kind in given {
            shop.handle(&fact(*kind, "ord_1")).unwrap();
        }
        assert_eq!(shop.take_back("ord_1"), then, "{given:?}");
        assert_eq!(shop.take_back("ord_1"), then.map(|_| false), "{given:?}, again");
        assert_eq!(shop.stock(), stock, "{given:?}");
        if then.is_ok() {
            assert_eq!(shop.published(), ["InventoryReserved", "GoodsReturned"]);
            // Whatever else is heard of the order, its goods came back once.
            for kind in [E::PaymentFailed, E::OrderCancelled, E::ShipmentCreated, E::ReturnRequested] {
                let event = sample::another_event(fact(kind, "ord_1").data, 1);
                assert_eq!(shop.handle(&event), Ok(Handled::Unchanged), "{kind}");
            }
            assert_eq!(shop.stock(), FULL);
        }
    }
}

/// The request for a return may overtake the shipment.
#[test]
fn a_return_is_awaited_in_any_order_of_arrival() {
    let shop = Shop::new();
    shop.handle(&fact(E::OrderCreated, "ord_1")).unwrap();
    assert_eq!(shop.handle(&fact(E::ReturnRequested, "ord_1")), Err(FailureKind::Transient));
    shop.handle(&fact(E::ShipmentCreated, "ord_1")).unwrap();
    assert_eq!(shop.handle(&fact(E::ReturnRequested, "ord_1")), Ok(Handled::Changed));
    assert_eq!(shop.take_back("ord_1"), Ok(true));
    let returned = shop.log.published::<Payload>().pop().unwrap();
    let Payload::GoodsReturned(GoodsReturned { return_id, lines, .. }) = &returned.data else { panic!("{returned:?}") };
    assert_eq!((return_id, lines.len()), (&ReturnId::of(&OrderId::new("ord_1").unwrap()), 2));
}

/// The ledger does not even ask about another creation of a known order. If it did, this would be the answer.
#[test]
fn a_creation_changes_nothing_for_a_known_order() {
    let created = fact(E::OrderCreated, "ord_1");
    let (order_id, correlation_id) = (OrderId::new("ord_1").unwrap(), Text::shortened("1"));
    let return_id = ReturnId::of(&order_id);
    let (lines, received_at) = (Vec::new(), Time::from_millis(0));
    for known in [
        Reservation::Reserved(Vec::new()),
        Reservation::Shipped(Vec::new()),
        Reservation::Awaited { return_id: return_id.clone(), correlation_id, lines: Vec::new() },
        Reservation::Returned(Returned { order_id, return_id, lines, received_at }),
        Reservation::Closed,
    ] {
        assert_eq!(Inventory::decide(&known, &created.heard().unwrap(), None), Ok(Step::Nothing), "{known:?}");
    }
}

/// Every message comes again at once after a crash, or behind all others. Two crashes at any two pauses.
#[test]
fn crashes_at_any_pause_change_nothing() {
    for (script, stock) in [
        (SET_ASIDE, HELD),
        (SHIPPED, GONE),
        (RELEASED, FULL),
        (RESTOCKED, FULL),
        (AWAITED, GONE),
        (&[E::OrderCreated, E::OrderCancelled], FULL),
    ] {
        let script: Vec<Event> = script.iter().map(|kind| fact(*kind, "ord_1")).collect();
        for (first, second) in (0..12).flat_map(|first| (0..12).map(move |second| (first, second))) {
            for redelivery in [Redelivery::AtOnce, Redelivery::BehindAllOthers] {
                let shop = Shop::new();
                shop.deliver(&script, &[first, second], redelivery);
                assert_eq!(shop.stock(), stock, "crashes at {first} and {second}, then {redelivery:?}");
            }
        }
    }
}

/// An order that is shipped and cancelled, and one that wants what it has set aside, take their steps in any order,
/// and each may crash.
#[test]
fn attempts_that_overlap_in_any_order_agree() {
    let mut seen = BTreeSet::new();
    for seed in 0..2_000 {
        let shop = Shop::new();
        let ord_1 = [E::OrderCreated, E::OrderCancelled, E::ShipmentCreated, E::OrderCreated, E::OrderCancelled];
        let mut events: Vec<Event> = ord_1.into_iter().map(|kind| fact(kind, "ord_1")).collect();
        events.push(fact(E::OrderCreated, "ord_2"));
        let again = shop.overlap(&events, 30, &VirtualTime::new(seed));
        shop.check_stock();
        shop.deliver(&again, &[], Redelivery::BehindAllOthers);
        shop.check_stock();
        let of_2 =
            shop.log.published::<Payload>().into_iter().filter(|event| event.context.subject.as_str() == "ord_2");
        let of_2: Vec<_> = of_2.map(|event| event.event_type()).collect();
        let expected = if of_2 == [E::InventoryReserved] { HELD } else { FULL };
        assert_eq!(shop.stock(), expected, "seed {seed}: all of the cancelled order is back");
        seen.insert(shop.published().join(" "));
    }
    // The cancelled order was set aside and came back, or never was; the other one got its goods, or came too late.
    for story in ["InventoryReserved", "InventoryReserved InventoryReleased InventoryReserved"] {
        assert!(seen.contains(story), "{seen:?}");
    }
    assert!(seen.iter().any(|story| story.contains("InventoryRejected")), "{seen:?}");
}

#[test]
fn each_step_is_published_as_it_stands() {
    for (given, expected) in [
        (&[E::OrderCreated, E::PaymentFailed][..], &["InventoryReserved", "InventoryReleased"][..]),
        (&[E::OrderCreated, E::ShipmentCreated], &["InventoryReserved"]),
        (&[E::OrderCreated, E::ShipmentCreated, E::OrderCancelled], &["InventoryReserved", "InventoryReleased"]),
        (&[E::OrderCancelled, E::OrderCreated], &[]),
    ] {
        let shop = Shop::new();
        for kind in given {
            shop.handle(&fact(*kind, "ord_1")).unwrap();
        }
        assert_eq!(shop.published(), expected, "{given:?}");
    }
}

#[test]
fn all_lines_are_reserved_or_none_and_what_is_missing_is_told() {
    let shop = Shop::new();
    shop.handle(&fact(E::OrderCreated, "ord_1")).unwrap();
    shop.handle(&fact(E::OrderCreated, "ord_2")).unwrap();
    assert_eq!(shop.published(), ["InventoryReserved", "InventoryRejected"]);
    assert_eq!(shop.stock(), HELD);
    let Payload::InventoryRejected(rejected) = shop.log.published().remove(1).data else { panic!("another type") };
    let shortages: Vec<_> = rejected.shortages.iter().map(|s| (s.sku.as_str(), s.requested, s.available)).collect();
    assert_eq!(shortages, [("A-1", 3, 2)]);
    // An order that was rejected stays rejected, and gives nothing back.
    for kind in [E::PaymentFailed, E::OrderCancelled, E::ShipmentCreated] {
        assert_eq!(shop.handle(&fact(kind, "ord_2")), Ok(Handled::Unchanged));
    }
    assert_eq!(shop.handle(&sample::another_event(sample::order("ord_2"), 1)), Err(FailureKind::Permanent));
    assert_eq!(shop.stock(), HELD);
}

#[test]
fn a_stock_that_was_changed_behind_the_back_is_told_and_not_made_worse() {
    let shop = Shop::new();
    shop.handle(&fact(E::OrderCreated, "ord_1")).unwrap();
    shop.log.set_counter("A-1", RESERVED, 1);
    let failure = block_on(shop.attempt(&fact(E::PaymentFailed, "ord_1"), &Pace::of(u32::MAX))).unwrap_err();
    assert!(!failure.kind().is_retryable() && failure.reason().contains("A-1"), "{failure}");
    assert_eq!(shop.stock(), [(2, 1), (3, 1)]);
}
