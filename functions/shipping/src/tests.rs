//! The whole service on ports in memory: crashes and overlaps at every call of a port, made to happen.
//!
//! Each port call has a pause before it and one after it. Where an attempt's [`Pace`] is used up it stands still there,
//! as a function that hangs; dropping it is a crash.

use std::collections::BTreeSet;
use std::pin::pin;

use futures::FutureExt;
use onewrite::external::Settled;
use onewrite::external::conformance::{check_cancel, check_external};
use onewrite::external::simulated::{KEY_LIFETIME, MemoryRegister};
use onewrite::memory::{Bench, MemoryKeys, MemoryLog, Mishap, Pace, Paced, Redelivery, VirtualTime};
use onewrite::personal::{Key, KeyRing, Keys as _, seal};
use onewrite::{Delivery, FailureKind, Handle, Handled, Ledger, Process, Result};
use orderflow_events::sample;
use orderflow_events::{
    CancellationReason, ClearedBy, Event, HoldFlagged, OrderCancelled, OrderCleared, OrderId, Payload, PaymentId,
    PaymentProcessed, ShipmentId, Text, Time,
};
use orderflow_simulated::{Carrier, Parcel};

use crate::{Booking, CarrierEffects, Shipping, Void};

#[test]
fn an_order_is_shipped_once_it_is_paid() {
    let shop = Shop::new();
    assert_eq!(shop.handle(&created(BERLIN)), Ok(Handled::Changed));
    assert_eq!(shop.handle(&paid()), Ok(Handled::Changed));
    assert_eq!(shop.handle(&paid()), Ok(Handled::Duplicate));
    assert_eq!(shop.published(), ["ShipmentCreated"]);
    let Payload::ShipmentCreated(told) = &shop.log.published()[0].data else { panic!("another event") };
    let booking = shop.carrier().find_booking(&told.shipment_id).now_or_never().unwrap().unwrap();
    let (carrier, tracking_number) = (told.carrier.clone(), told.tracking_number.clone());
    assert_eq!(booking, Some(Settled::Performed(Parcel { carrier, tracking_number })));
    shop.check_parcels();
}

#[test]
fn where_flagged_orders_are_held_an_order_is_shipped_once_it_is_paid_and_cleared_in_any_order() {
    for script in [[paid(), cleared()], [cleared(), paid()]] {
        let shop = Shop::holding();
        let [first, second] = &script;
        shop.deliver_all([created(BERLIN)]);
        assert_eq!(shop.handle(first), Ok(Handled::Changed));
        assert_eq!(shop.handle(first), Ok(Handled::Duplicate));
        assert_eq!((shop.published(), shop.bookings()), (vec![], 0), "one word is not enough");
        assert_eq!(shop.handle(second), Ok(Handled::Changed));
        assert_eq!(shop.handle(second), Ok(Handled::Duplicate));
        assert_eq!(shop.handle(first), Ok(Handled::Duplicate));
        assert_eq!(shop.published(), ["ShipmentCreated"]);
        shop.check_parcels();
    }
}

#[test]
fn what_is_held_stays_so_until_it_is_cleared_or_cancelled_whatever_becomes_of_the_rule() {
    for (ends, published) in [(cleared(), &["ShipmentCreated"][..]), (cancelled(), &[])] {
        let mut shop = Shop::holding();
        shop.deliver_all([created(BERLIN), paid()]);
        shop.rule = HoldFlagged::No;
        shop.deliver_all([paid()]);
        assert_eq!(shop.published(), [""; 0]);
        shop.deliver_all([ends]);
        assert_eq!(shop.published(), published);
        shop.deliver_all([cleared(), paid()]);
        assert_eq!(shop.published(), published);
        shop.check_parcels();
    }
}

#[test]
fn a_word_of_the_rule_says_nothing_of_a_carrier_that_is_down() {
    let (shop, other) = (Shop::holding(), PaymentProcessed { order_id: OrderId::new("ord_2").unwrap(), ..payment() });
    let process = Process::<Shipping, _, _, _>::new(
        Ledger::new(&shop.log, &shop.world),
        CarrierEffects::new(shop.carrier(), KeyRing::new(&shop.keys, &shop.world), shop.rule),
    );
    let handle = |event: &Event| {
        let delivery = Delivery { text: "", deadline: Time::from_millis(i64::MAX) };
        process.handle(event, &delivery).now_or_never().unwrap().map_err(|failure| failure.kind())
    };
    // The carrier fails, until nobody is let through to it any more; the order that is held is held all the same.
    let orders: Vec<OrderId> = (3..9).map(|number| OrderId::new(format!("ord_{number}")).unwrap()).collect();
    handle(&sample::event(sample::order("ord_2"))).unwrap();
    for order in &orders {
        let Payload::OrderCreated(mut down) = created("SIM-UNAVAILABLE-9").data else { panic!("another event") };
        down.order_id = order.clone();
        handle(&sample::event(down)).unwrap();
        handle(&sample::event(OrderCleared { order_id: order.clone(), by: ClearedBy::Screening })).unwrap();
        let payment = PaymentProcessed { order_id: order.clone(), ..payment() };
        assert!(handle(&sample::event(payment)).is_err());
    }
    assert!(process.outage().is_some(), "the breaker is open");
    assert_eq!(handle(&sample::event(other)), Ok(Handled::Changed));
    assert!(process.outage().is_some(), "and stays so");
}

#[test]
fn the_attempt_that_wrote_an_intent_asks_nothing_first() {
    let shop = Shop::new();
    for event in [created(BERLIN), paid(), cancelled()] {
        let pace = Pace::until("before find");
        assert_eq!(shop.attempt(&event, &pace).now_or_never(), Some(Ok(Handled::Changed)));
    }
    assert_eq!(shop.published(), ["ShipmentCreated", "ShipmentCancelled"]);
}

#[test]
fn a_payment_before_the_order_is_known_is_early() {
    let shop = Shop::new();
    assert_eq!(shop.handle(&paid()), Err(FailureKind::Transient));
    shop.deliver_all([created(BERLIN), paid()]);
    assert_eq!(shop.published(), ["ShipmentCreated"]);
}

#[test]
fn failures_that_pass_are_tried_again_until_they_have_passed() {
    let shop = Shop::new();
    shop.deliver_all([created("SIM-UNAVAILABLE-9")]);
    for _ in 0..9 {
        assert_eq!(shop.handle(&paid()), Err(FailureKind::Unavailable));
    }
    assert_eq!(shop.handle(&paid()), Ok(Handled::Changed));
    assert_eq!((shop.published(), shop.bookings()), (vec!["ShipmentCreated"], 1));
}

#[test]
fn a_booking_that_the_carrier_refuses_is_permanent_and_the_order_can_still_be_cancelled() {
    let shop = Shop::new();
    shop.deliver_all([created("SIM-REFUSED")]);
    assert_eq!(shop.handle(&paid()), Err(FailureKind::Permanent));
    assert_eq!(shop.handle(&paid()), Err(FailureKind::Permanent), "after a redrive");
    assert_eq!(shop.handle(&cancelled()), Ok(Handled::Changed));
    assert_eq!(shop.handle(&paid()), Ok(Handled::Unchanged));
    assert_eq!((shop.published(), shop.bookings()), (vec![], 0));
}

#[test]
fn an_order_that_is_created_by_another_event_is_refused_in_every_state() {
    let mut states = BTreeSet::new();
    for script in [
        vec![(created(BERLIN), END)],
        vec![(created(BERLIN), END), (paid(), "before book")],
        vec![(created(BERLIN), END), (paid(), END)],
        vec![(created(BERLIN), END), (cancelled(), END)],
        vec![(created(BERLIN), END), (paid(), END), (cancelled(), "before void")],
        vec![(created(BERLIN), END), (paid(), END), (cancelled(), END)],
    ] {
        states.insert(Shop::new().refuse_another_beginning::<Shipping>(&script));
    }
    for word in [paid(), cleared()] {
        let script = [(created(BERLIN), END), (word, END)];
        states.insert(Shop::holding().refuse_another_beginning::<Shipping>(&script));
    }
    let all = ["Booking", "Cancelled", "Cleared", "Held", "Ready", "Shipped", "Voided", "Voiding"];
    assert_eq!(states.iter().map(String::as_str).collect::<Vec<_>>(), all);
}

#[test]
fn a_void_that_the_carrier_refuses_is_permanent() {
    let shop = Shop::new();
    shop.deliver_all([created("SIM-NO-VOID"), paid()]);
    assert_eq!(shop.handle(&cancelled()), Err(FailureKind::Permanent));
    assert_eq!(shop.handle(&cancelled()), Err(FailureKind::Permanent), "after a redrive");
    assert_eq!(shop.handle(&paid()), Ok(Handled::Duplicate));
    assert_eq!(shop.published(), ["ShipmentCreated"]);
}

/// A person may have called the carrier meanwhile.
#[test]
fn a_shipment_that_was_voided_by_hand_is_found_so() {
    let shop = Shop::new();
    shop.deliver_all([created(BERLIN), paid()]);
    shop.crash(&cancelled(), "before void");
    shop.carrier().void(&shipment()).now_or_never().unwrap().unwrap();
    shop.world.pass(KEY_LIFETIME);
    assert_eq!(shop.handle(&cancelled()), Ok(Handled::Changed));
    assert_eq!(shop.published(), ["ShipmentCreated", "ShipmentCancelled"]);
}

#[test]
fn what_the_carrier_refuses_is_told_without_the_address() {
    let shop = Shop::new();
    shop.deliver_all([created("SIM-REFUSED")]);
    let keys = KeyRing::new(&shop.keys, &shop.world);
    let effects = CarrierEffects::new(shop.carrier(), keys, shop.rule);
    let process = Process::<Shipping, _, _, _>::new(Ledger::new(&shop.log, &shop.world), effects);
    let delivery = Delivery { text: "", deadline: Time::from_millis(i64::MAX) };
    let failure = process.handle(&paid(), &delivery).now_or_never().unwrap().unwrap_err();
    assert_eq!(failure.reason(), "book: the carrier refuses: it does not deliver there");
}

/// A booking of when somebody still knew the recipient is found. Nothing is booked after that, and the payment waits for
/// the cancellation.
#[test]
fn nothing_is_shipped_to_a_recipient_who_is_erased() {
    for (place, waits, published) in
        [(END, true, &[][..]), ("before book", true, &[]), ("after book", false, &BOTH[..])]
    {
        let shop = Shop::new();
        shop.deliver_all([created(BERLIN)]);
        if place != END {
            shop.crash(&paid(), place);
        }
        assert_eq!(shop.keys.erase("cus_1").now_or_never(), Some(Ok(true)));
        for _ in 0..2 {
            let handled = shop.handle(&paid());
            assert_eq!(handled == Err(FailureKind::Transient), waits, "{handled:?}, crash {place}");
        }
        assert_eq!(shop.handle(&cancelled()), Ok(Handled::Changed));
        assert!(shop.handle(&paid()).is_ok(), "it waits no more");
        assert_eq!(shop.published(), published, "crash {place}");
        shop.check_parcels();
    }
}

#[test]
fn what_the_carrier_did_although_it_timed_out_is_found_and_done_once() {
    for (booking, cancelling, published) in [
        (Mishap::TimeOut("book"), Mishap::TimeOut("void"), &BOTH[..]),
        (Mishap::Crash("after book"), Mishap::TimeOut("cancel"), &BOTH),
        (Mishap::Crash("before book"), Mishap::TimeOut("cancel"), &[]),
    ] {
        let shop = Shop::new();
        shop.deliver_all([created(BERLIN)]);
        for (event, mishap) in [(paid(), booking), (cancelled(), cancelling)] {
            shop.suffer(&event, mishap);
        }
        shop.deliver_all([cancelled(), paid()]);
        assert_eq!(shop.published(), published);
        shop.check_parcels();
    }
}

#[test]
fn an_order_can_be_cancelled_at_every_moment_of_its_way() {
    for (script, published) in [
        (vec![cancelled(), created(BERLIN), paid()], vec![]),
        // Nobody remembers the first of them, so that nobody can tell the second.
        (vec![cancelled(), created(BERLIN), sample::another_event(created(BERLIN).data, 1), paid()], vec![]),
        (vec![created(BERLIN), cancelled(), paid()], vec![]),
        (vec![created(BERLIN), paid(), cancelled()], BOTH.to_vec()),
        (vec![created(BERLIN), paid(), cancelled(), cancelled(), paid()], BOTH.to_vec()),
    ] {
        let shop = Shop::new();
        shop.deliver_all(script);
        assert_eq!(shop.published(), published);
        shop.check_parcels();
    }
}

#[test]
fn a_cancellation_settles_a_booking_whose_function_crashed_in_it() {
    for (place, published) in [("before book", vec![]), ("after book", BOTH.to_vec())] {
        let shop = Shop::new();
        shop.deliver_all([created(BERLIN)]);
        shop.crash(&paid(), place);
        assert_eq!(shop.handle(&cancelled()), Ok(Handled::Changed), "crash {place}");
        shop.deliver_all([paid()]);
        assert_eq!(shop.published(), published, "crash {place}");
        shop.check_parcels();
    }
}

#[test]
fn a_booking_that_reaches_the_carrier_after_the_cancellation_is_not_made() {
    let shop = Shop::new();
    shop.deliver_all([created(BERLIN)]);
    let (event, pace) = (paid(), Pace::until("before book"));
    let mut booking = pin!(shop.attempt(&event, &pace));
    assert!(booking.as_mut().now_or_never().is_none());
    assert_eq!(shop.handle(&cancelled()), Ok(Handled::Changed));
    // It is handed out once more, and over, before the first attempt goes on, and dies at its end.
    assert_eq!(shop.handle(&paid()), Ok(Handled::Unchanged));
    pace.hold("after book");
    assert!(booking.now_or_never().is_none());
    assert_eq!((shop.published(), shop.bookings()), (vec![], 0));
}

#[test]
fn a_cancellation_that_crashed_at_the_carrier_is_heard_of_by_whoever_books() {
    let shop = Shop::new();
    shop.deliver_all([created(BERLIN)]);
    shop.crash(&paid(), "before book");
    shop.crash(&cancelled(), "after cancel");
    assert_eq!(shop.handle(&paid()), Ok(Handled::Changed));
    assert_eq!(shop.handle(&cancelled()), Ok(Handled::Unchanged));
    assert_eq!((shop.published(), shop.bookings()), (vec![], 0));
}

#[test]
fn what_the_carrier_has_done_without_a_row_is_told() {
    for (script, kinds) in [
        ((vec![created(BERLIN)], [(paid(), "before book")]), &[][..]),
        ((vec![created(BERLIN)], [(paid(), "after book")]), &["label"]),
        ((vec![created(BERLIN), paid()], [(cancelled(), "before void")]), &[]),
        ((vec![created(BERLIN), paid()], [(cancelled(), "after void")]), &["void"]),
    ] {
        let shop = Shop::new();
        let (before, [crashed]) = script;
        shop.deliver_all(before);
        let (event, place) = crashed;
        shop.crash(&event, place);
        assert_eq!(shop.discrepancies(), kinds, "crash {place}");
        shop.deliver_all([event]);
        assert_eq!(shop.discrepancies(), [""; 0], "it is on record now");
    }
}

#[test]
fn attempts_that_overlap_book_once() {
    for place in ["before book", "after book", "before append"] {
        let shop = Shop::new();
        shop.deliver_all([created(BERLIN)]);
        let (event, pace) = (paid(), Pace::until(place));
        let mut slow = pin!(shop.attempt(&event, &pace));
        assert!(slow.as_mut().now_or_never().is_none());
        assert_eq!(shop.handle(&paid()), Ok(Handled::Changed), "held {place}");
        pace.release();
        assert!(slow.now_or_never().is_some_and(|handled| handled.is_ok()), "held {place}");
        assert_eq!((shop.published(), shop.bookings()), (vec!["ShipmentCreated"], 1), "held {place}");
    }
}

#[test]
fn the_adapter_to_the_simulated_carrier_conforms() {
    let (shop, address) = (Shop::new(), sample::person().shipping_address);
    let (carrier, booking) = (shop.carrier(), Booking { address });
    let late = ShipmentId::new("shp_late").unwrap();
    check_cancel(&carrier, (&shipment(), &booking), (&late, &booking)).now_or_never().unwrap().unwrap();
    check_external(&carrier, &shipment(), &Void).now_or_never().unwrap().unwrap();
}

/// Every message comes again at once after a crash, or behind all others, and the carrier has forgotten its keys by
/// then. Two crashes at any two pauses.
#[test]
fn crashes_at_any_pause_change_nothing() {
    for (script, in_order) in [
        (vec![created(BERLIN), paid()], &BOTH[..1]),
        (vec![created("SIM-UNAVAILABLE-1"), paid()], &BOTH[..1]),
        (vec![created(BERLIN), cleared(), paid(), cancelled()], &BOTH),
        (vec![created(BERLIN), paid(), cancelled()], &BOTH),
    ] {
        for (first, second) in pairs(40) {
            let shop = Shop::new();
            shop.deliver(&script, &[first, second], Redelivery::AtOnce);
            assert_eq!(shop.published(), in_order, "crashes at {first} and {second}");
            shop.check_parcels();

            let shop = Shop::new();
            shop.deliver(&script, &[first, second], Redelivery::BehindAllOthers);
            let published = shop.published();
            let late: &[&str] = if script.len() > 2 { &[] } else { in_order };
            assert!(published == in_order || published == late, "crashes at {first} and {second}: {published:?}");
            shop.check_parcels();
        }
    }
}

/// The same where flagged orders are held: whichever word comes last, with whatever crash, ships the order once.
#[test]
fn crashes_at_any_pause_ship_what_is_held_once_it_is_cleared() {
    for script in [vec![created(BERLIN), paid(), cleared()], vec![created(BERLIN), cleared(), paid()]] {
        for (first, second) in pairs(40) {
            for redelivery in [Redelivery::AtOnce, Redelivery::BehindAllOthers] {
                let shop = Shop::holding();
                shop.deliver(&script, &[first, second], redelivery);
                assert_eq!(shop.published(), BOTH[..1], "crashes at {first} and {second}");
                shop.check_parcels();
            }
        }
    }
}

/// The payment and the clearance take their steps in any order, with a cancellation between them or without.
#[test]
fn the_payment_and_the_clearance_in_any_order_agree() {
    let mut seen = BTreeSet::new();
    for seed in 0..1_000 {
        for events in [vec![paid(), cleared(), paid(), cleared()], vec![paid(), cleared(), cancelled()]] {
            let shop = Shop::holding();
            shop.deliver_all([created(BERLIN)]);
            let again = shop.overlap(&events, 20, &VirtualTime::new(seed));
            shop.world.pass(KEY_LIFETIME);
            shop.deliver_all(again);
            shop.check_parcels();
            seen.insert((events.len(), shop.published().join(" ")));
        }
    }
    let both = BOTH.join(" ");
    let all = [(3, ""), (3, both.as_str()), (4, "ShipmentCreated")].map(|(events, text)| (events, text.to_owned()));
    assert_eq!(seen, all.into(), "every end of the story was seen");
}

/// Two booking attempts and the cancelling one take their steps in any order, and each may crash. Only what no attempt has
/// acknowledged comes again.
#[test]
fn attempts_that_overlap_in_any_order_agree() {
    let mut seen = BTreeSet::new();
    for (seed, postal_code) in (0..1_500).flat_map(|seed| [(seed, BERLIN), (seed, "SIM-UNAVAILABLE-1")]) {
        let shop = Shop::new();
        shop.deliver_all([created(postal_code)]);
        let events = [paid(), cancelled(), paid()];
        let again = shop.overlap(&events, 20, &VirtualTime::new(seed));
        shop.world.pass(KEY_LIFETIME);
        shop.deliver_all(again);
        shop.check_parcels();
        seen.insert(shop.published().join(" "));
    }
    let all = ["", "ShipmentCreated ShipmentCancelled"];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), all, "every end of the story was seen");
}

/// Crash point that no attempt reaches.
const END: &str = "at the end";
const BERLIN: &str = "10115";
const BOTH: [&str; 2] = ["ShipmentCreated", "ShipmentCancelled"];

/// The service's table, the carrier, and the world around them.
struct Shop {
    world: VirtualTime,
    log: MemoryLog,
    register: MemoryRegister,
    rule: HoldFlagged,
    keys: MemoryKeys,
}

impl Shop {
    /// Kinds of what the records and the carrier say differently.
    fn discrepancies(&self) -> Vec<String> {
        let keys = KeyRing::new(&self.keys, &self.world);
        let effects = CarrierEffects::new(self.carrier(), keys, self.rule);
        let process = Process::<Shipping, _, _, _>::new(Ledger::new(&self.log, &self.world), effects);
        let subject = created(BERLIN).context.subject;
        let audit = process.audit(&subject, Time::from_millis(i64::MAX)).now_or_never().unwrap().unwrap();
        assert_eq!(
            process.audit(&subject, Time::from_millis(0)).now_or_never(),
            Some(Ok(Vec::new())),
            "it is too young"
        );
        audit.into_iter().map(|discrepancy| discrepancy.kind).collect()
    }

    fn new() -> Self {
        let (log, register, keys) = (MemoryLog::default(), MemoryRegister::default(), MemoryKeys::default());
        keys.find_or_create("cus_1", &key(), Time::from_millis(0)).now_or_never().unwrap().unwrap();
        Self { world: VirtualTime::new(7), log, register, keys, rule: HoldFlagged::No }
    }

    /// One that holds flagged orders.
    fn holding() -> Self {
        Self { rule: HoldFlagged::Yes, ..Self::new() }
    }

    fn carrier(&self) -> Carrier<&MemoryRegister, &VirtualTime> {
        Carrier::new(&self.register, &self.world)
    }

    fn bookings(&self) -> usize {
        self.carrier().times_booked(&shipment()).now_or_never().unwrap().unwrap()
    }

    /// Booked and voided at most once, and exactly what was told.
    fn check_parcels(&self) {
        let is_voided = self.carrier().is_voided(&shipment()).now_or_never().unwrap().unwrap();
        let told = |kind| self.published().iter().filter(|published| **published == kind).count();
        assert_eq!(self.bookings(), told("ShipmentCreated"), "bookings");
        assert_eq!(usize::from(is_voided), told("ShipmentCancelled"), "voids");
        assert!(self.bookings() <= 1, "booked twice");
    }
}

impl Bench for Shop {
    type Contract = Payload;

    fn log(&self) -> &MemoryLog {
        &self.log
    }

    async fn attempt(&self, event: &Event, pace: &Pace) -> Result<Handled> {
        let ledger = Ledger::new(Paced { port: &self.log, pace }, &self.world);
        let keys = KeyRing::new(Paced { port: &self.keys, pace }, &self.world);
        let effects = CarrierEffects::new(Paced { port: self.carrier(), pace }, keys, self.rule);
        let process = Process::<Shipping, _, _, _>::new(ledger, effects);
        process.handle(event, &Delivery { text: "", deadline: Time::from_millis(i64::MAX) }).await
    }

    /// By the time a message comes again the carrier has forgotten its keys.
    fn after_mishap(&self) {
        self.world.pass(KEY_LIFETIME);
    }
}

/// All pairs of numbers below `bound`.
fn pairs(bound: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..bound).flat_map(move |first| (0..bound).map(move |second| (first, second)))
}

fn order() -> OrderId {
    OrderId::new("ord_1").unwrap()
}

fn shipment() -> ShipmentId {
    ShipmentId::of(&order())
}

fn created(postal_code: &str) -> Event {
    let (mut order, mut person) = (sample::order("ord_1"), sample::person());
    person.shipping_address.postal_code = Text::new(postal_code).ok();
    order.details.personal = seal(&person, &key(), [0; 12]).unwrap().into();
    sample::event(order)
}

/// Key of the customer.
fn key() -> Key {
    Key::new(sample::KEY_NAME.parse().unwrap(), sample::KEY).unwrap()
}

fn paid() -> Event {
    sample::event(payment())
}

fn payment() -> PaymentProcessed {
    let (payment_id, amount) = (PaymentId::of(&order()), sample::order("ord_1").total);
    PaymentProcessed { order_id: order(), payment_id, amount }
}

fn cleared() -> Event {
    sample::event(OrderCleared { order_id: order(), by: ClearedBy::Person })
}

fn cancelled() -> Event {
    sample::event(OrderCancelled { order_id: order(), reason: CancellationReason::CustomerRequest })
}
