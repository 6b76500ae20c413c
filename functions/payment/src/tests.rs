//! The whole service on ports in memory: crashes and overlaps at every call of a port, made to happen.
//!
//! Each port call has a pause before it and one after it. Where an attempt's [`Pace`] is used up it stands still there,
//! as a function that hangs; dropping it is a crash.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;
use onewrite::external::External;
use onewrite::external::conformance::{check_cancel, check_external};
use onewrite::external::simulated::{KEY_LIFETIME, MemoryRegister};
use onewrite::memory::{Bench, MemoryLog, MemoryOccurrences, Mishap, Pace, Paced, Redelivery, VirtualTime};
use onewrite::port::Occurrences as _;
use onewrite::{Delivery, FailureKind, Handle, Handled, Ledger, Process, Result};
use orderflow_events::sample;
use orderflow_events::{
    AddressBlock, CancellationReason, Event, InventoryReserved, Money, OrderCancelled, OrderId, Payload, PaymentId,
    PaymentMethod, RefundId, Text, Time,
};
use orderflow_simulated::Provider;

use crate::{Charge, DeclinesPerHour, Payment, ProviderEffects, Refund, Tally};

#[test]
fn an_order_is_charged_once_its_goods_are_reserved() {
    let shop = Shop::new();
    assert_eq!(shop.handle(&created("pm_card_visa")), Ok(Handled::Changed));
    assert_eq!(shop.handle(&reserved()), Ok(Handled::Changed));
    assert_eq!(shop.handle(&reserved()), Ok(Handled::Duplicate));
    assert_eq!(shop.published(), ["PaymentProcessed"]);
    assert_eq!(shop.charges(), 1);
}

#[test]
fn the_attempt_that_wrote_an_intent_asks_nothing_first() {
    let shop = Shop::new();
    for event in [created(VISA), reserved(), cancelled()] {
        let pace = Pace::until("before find");
        assert_eq!(shop.attempt(&event, &pace).now_or_never(), Some(Ok(Handled::Changed)));
    }
    assert_eq!(shop.published(), ["PaymentProcessed", "PaymentRefunded"]);
}

#[test]
fn goods_that_are_reserved_before_the_order_is_known_are_early() {
    let shop = Shop::new();
    assert_eq!(shop.handle(&reserved()), Err(FailureKind::Transient));
    shop.deliver_all([created("pm_card_visa"), reserved()]);
    assert_eq!(shop.published(), ["PaymentProcessed"]);
}

#[test]
fn a_decline_is_told_with_its_reason() {
    let shop = Shop::new();
    shop.deliver_all([created("pm_card_visa_chargeDeclinedInsufficientFunds"), reserved(), cancelled()]);
    assert_eq!(shop.published(), ["PaymentFailed"]);
    let Payload::PaymentFailed(failed) = &shop.log.published()[0].data else { panic!("another event") };
    assert_eq!(failed.reason.code.as_str(), "insufficient_funds");
}

#[test]
fn failures_that_pass_are_tried_again_until_they_have_passed() {
    let shop = Shop::new();
    shop.deliver_all([created("pm_sim_unavailable_9")]);
    for _ in 0..9 {
        assert_eq!(shop.handle(&reserved()), Err(FailureKind::Unavailable));
    }
    assert_eq!(shop.handle(&reserved()), Ok(Handled::Changed));
    assert_eq!((shop.published(), shop.charges()), (vec!["PaymentProcessed"], 1));
}

#[test]
fn what_the_provider_did_although_it_timed_out_is_found_and_done_once() {
    for (charging, cancelling, published) in [
        (Mishap::TimeOut("charge"), Mishap::TimeOut("refund"), &["PaymentProcessed", "PaymentRefunded"][..]),
        (Mishap::Crash("after charge"), Mishap::TimeOut("cancel"), &["PaymentProcessed", "PaymentRefunded"]),
        (Mishap::Crash("before charge"), Mishap::TimeOut("cancel"), &[]),
    ] {
        let shop = Shop::new();
        shop.deliver_all([created(VISA)]);
        for (event, mishap) in [(reserved(), charging), (cancelled(), cancelling)] {
            shop.suffer(&event, mishap);
        }
        shop.deliver_all([cancelled(), reserved()]);
        assert_eq!(shop.published(), published);
        shop.check_money();
    }
}

#[test]
fn an_order_can_be_cancelled_at_every_moment_of_its_way() {
    for (script, published) in [
        (vec![cancelled(), created(VISA), reserved()], vec![]),
        // Nobody remembers the first of them, so that nobody can tell the second.
        (vec![cancelled(), created(VISA), sample::another_event(created(VISA).data, 1), reserved()], vec![]),
        (vec![created(VISA), cancelled(), reserved()], vec![]),
        (vec![created(VISA), reserved(), cancelled()], vec!["PaymentProcessed", "PaymentRefunded"]),
        (
            vec![created(VISA), reserved(), cancelled(), cancelled(), reserved()],
            vec!["PaymentProcessed", "PaymentRefunded"],
        ),
    ] {
        let shop = Shop::new();
        shop.deliver_all(script);
        assert_eq!(shop.published(), published);
        shop.check_money();
    }
}

#[test]
fn a_cancellation_settles_a_charge_whose_function_crashed_in_it() {
    for (place, published) in [("before charge", vec![]), ("after charge", vec!["PaymentProcessed", "PaymentRefunded"])]
    {
        let shop = Shop::new();
        shop.deliver_all([created(VISA)]);
        shop.crash(&reserved(), place);
        assert_eq!(shop.handle(&cancelled()), Ok(Handled::Changed), "crash {place}");
        shop.deliver_all([reserved()]);
        assert_eq!(shop.published(), published, "crash {place}");
        shop.check_money();
    }
}

#[test]
fn a_charge_that_reaches_the_provider_after_the_cancellation_is_not_made() {
    let shop = Shop::new();
    shop.deliver_all([created(VISA)]);
    let (event, pace) = (reserved(), Pace::until("before charge"));
    let mut charging = pin!(shop.attempt(&event, &pace));
    assert!(charging.as_mut().now_or_never().is_none());
    assert_eq!(shop.handle(&cancelled()), Ok(Handled::Changed));
    // It is handed out once more, and over, before the first attempt goes on, and dies at its end.
    assert_eq!(shop.handle(&reserved()), Ok(Handled::Unchanged));
    pace.hold("after charge");
    assert!(charging.now_or_never().is_none());
    assert_eq!((shop.published(), shop.charges()), (vec![], 0));
}

#[test]
fn a_cancellation_that_crashed_at_the_provider_is_heard_of_by_whoever_charges() {
    let shop = Shop::new();
    shop.deliver_all([created(VISA)]);
    shop.crash(&reserved(), "before charge");
    shop.crash(&cancelled(), "after cancel");
    assert_eq!(shop.handle(&reserved()), Ok(Handled::Changed));
    assert_eq!(shop.handle(&cancelled()), Ok(Handled::Unchanged));
    assert_eq!((shop.published(), shop.charges()), (vec![], 0));
}

#[test]
fn a_cancellation_that_finds_no_charge_leaves_nothing_to_do() {
    let shop = Shop::new();
    shop.deliver_all([created("pm_sim_unavailable_9")]);
    assert_eq!(shop.handle(&reserved()), Err(FailureKind::Unavailable));
    assert_eq!(shop.handle(&cancelled()), Ok(Handled::Changed));
    assert_eq!(shop.handle(&reserved()), Ok(Handled::Unchanged));
    assert_eq!((shop.published(), shop.charges()), (vec![], 0));
}

#[test]
fn what_the_provider_has_done_without_a_row_is_told() {
    for (script, kinds) in [
        ((vec![created(VISA)], [(reserved(), "before charge")]), &[][..]),
        ((vec![created(VISA)], [(reserved(), "after charge")]), &["charge"]),
        ((vec![created(DECLINED)], [(reserved(), "after charge")]), &[]),
        ((vec![created(VISA), reserved()], [(cancelled(), "before refund")]), &[]),
        ((vec![created(VISA), reserved()], [(cancelled(), "after refund")]), &["refund"]),
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
fn attempts_that_overlap_charge_once() {
    for place in ["before charge", "after charge", "before append"] {
        let shop = Shop::new();
        shop.deliver_all([created(VISA)]);
        let (event, pace) = (reserved(), Pace::until(place));
        let mut slow = pin!(shop.attempt(&event, &pace));
        assert!(slow.as_mut().now_or_never().is_none());
        assert_eq!(shop.handle(&reserved()), Ok(Handled::Changed), "held {place}");
        pace.release();
        assert!(slow.now_or_never().is_some_and(|handled| handled.is_ok()), "held {place}");
        assert_eq!((shop.published(), shop.charges()), (vec!["PaymentProcessed"], 1), "held {place}");
    }
}

#[test]
fn an_order_that_is_created_by_another_event_is_refused_in_every_state() {
    let mut states = BTreeSet::new();
    for script in [
        vec![(created(VISA), END)],
        vec![(created(VISA), END), (reserved(), "before charge")],
        vec![(created(VISA), END), (reserved(), END)],
        vec![(created(DECLINED), END), (reserved(), END)],
        vec![(created(VISA), END), (cancelled(), END)],
        vec![(created(VISA), END), (reserved(), END), (cancelled(), "before refund")],
        vec![(created(VISA), END), (reserved(), END), (cancelled(), END)],
    ] {
        states.insert(Shop::new().refuse_another_beginning::<Payment>(&script));
    }
    let all = ["Cancelled", "Charging", "Due", "Failed", "Paid", "Refunded", "Refunding"];
    assert_eq!(states.iter().map(String::as_str).collect::<Vec<_>>(), all);
}

#[test]
fn a_refund_that_the_provider_refuses_is_permanent() {
    let shop = Shop::new();
    shop.deliver_all([created(VISA), reserved()]);
    let by_hand = RefundId::new("rfd_by_hand").unwrap();
    shop.provider().refund(&payment(), &by_hand, money()).now_or_never().unwrap().unwrap();
    assert_eq!(shop.handle(&cancelled()), Err(FailureKind::Permanent));
    assert_eq!(shop.handle(&cancelled()), Err(FailureKind::Permanent), "after a redrive");
    assert_eq!(shop.published(), ["PaymentProcessed"]);
}

#[test]
fn the_adapter_to_the_simulated_provider_conforms() {
    let shop = Shop::new();
    let (provider, method) = (shop.provider(), PaymentMethod::new(VISA).unwrap());
    let charge = Charge { amount: money(), method };
    let late = PaymentId::new("pay_late").unwrap();
    check_cancel(&provider, (&payment(), &charge), (&late, &charge)).now_or_never().unwrap().unwrap();
    let id = (payment(), RefundId::of(&order()));
    check_external(&provider, &id, &Refund { amount: money() }).now_or_never().unwrap().unwrap();
}

/// An order of a customer, by a payment method, from an address.
struct Payer<'a> {
    customer: &'a str,
    method: &'a str,
    address: &'a str,
}

impl Shop {
    /// Makes the order with that number of a payer, whose goods are reserved so many milliseconds after the first.
    fn buy(&self, number: u32, after_ms: u64, payer: &Payer<'_>) {
        self.deliver_all(bought(number, after_ms, payer));
    }

    /// Codes of the declines, in order.
    fn codes(&self) -> Vec<String> {
        let code = |event: Event| match event.data {
            Payload::PaymentFailed(failed) => Some(failed.reason.code.to_string()),
            _ => None,
        };
        self.log.published().into_iter().filter_map(code).collect()
    }

    /// Number of the orders with these numbers that the provider was asked for.
    fn asked(&self, orders: std::ops::Range<u32>) -> usize {
        let id = |number| PaymentId::of(&OrderId::new(format!("ord_{number}")).unwrap());
        let found = |number| External::<Charge>::find(&self.provider(), &id(number)).now_or_never();
        orders.filter(|number| found(*number).unwrap().unwrap().is_some()).count()
    }
}

fn bought(number: u32, after_ms: u64, payer: &Payer<'_>) -> [Event; 2] {
    let mut order = sample::order(&format!("ord_{number}"));
    order.details.payment_method = PaymentMethod::new(payer.method).ok();
    order.details.customer.id = Text::new(payer.customer).unwrap();
    let (mut created, mut reserved) = (
        sample::event(order),
        sample::event(InventoryReserved {
            order_id: OrderId::new(format!("ord_{number}")).unwrap(),
            lines: Vec::new(),
        }),
    );
    let block = AddressBlock::of(payer.address.parse().unwrap()).unwrap();
    created.context.extensions.extend([block.into_extension()]);
    reserved.context.time = reserved.context.time.after(Duration::from_millis(after_ms));
    [created, reserved]
}

/// Of a thousand declines in a minute few reach the provider, by whatever they have in common; and of a thousand honest orders
/// beside them none is refused.
#[test]
fn who_tries_cards_is_stopped_and_nobody_beside_them() {
    for common in ["customer", "method", "address"] {
        let shop = Shop::new();
        for number in 0..1_000 {
            let (after_ms, own) = (u64::from(number) * 60, format!("{number}"));
            let [customer, method, address] =
                [format!("cus_{own}"), format!("pm_card_stolen_{own}"), address(100, number)];
            let honest = Payer { customer: &format!("ada_{own}"), method: VISA, address: &self::address(101, number) };
            let mut thief = Payer { customer: &customer, method: &method, address: &address };
            match common {
                "customer" => thief.customer = "mallory",
                "method" => thief.method = "pm_card_stolen",
                _ => thief.address = "203.0.113.7",
            }
            shop.buy(number, after_ms, &thief);
            shop.buy(1_000 + number, after_ms, &honest);
        }
        let codes = shop.codes();
        assert_eq!(codes.len(), 1_000, "an honest order was refused beside those of one {common}");
        let refused = codes.iter().filter(|code| *code == "tooManyDeclines").count();
        assert_eq!(refused, 1_000 - LIMIT.0 as usize, "one {common}");
        assert_eq!((shop.asked(0..1_000), shop.asked(1_000..2_000)), (LIMIT.0 as usize, 1_000), "one {common}");
    }
}

/// Address that nobody else has in its block.
fn address(first: u8, number: u32) -> String {
    format!("{first}.{}.{}.7", number / 250, number % 250)
}

#[test]
fn after_an_hour_a_payer_may_try_again() {
    let hour_ms = 3_600_000;
    let shop = Shop::new();
    let payer = Payer { customer: "ada", method: DECLINED, address: "203.0.113.7" };
    (0..LIMIT.0).for_each(|number| shop.buy(number, 0, &payer));
    (0..3).for_each(|late| shop.buy(100 + late, hour_ms + u64::from(late), &payer));
    let number = |code| shop.codes().iter().filter(|other| *other == code).count();
    assert_eq!(
        (number("tooManyDeclines"), number("card_declined")),
        (1, LIMIT.0 as usize + 2),
        "the last is out by then"
    );
}

/// One decline is one, however often its event comes and wherever its attempts crash.
#[test]
fn a_decline_counts_once() {
    let payer = Payer { customer: "ada", method: DECLINED, address: "203.0.113.7" };
    for crash in 0..20 {
        let shop = Shop::new();
        let [created, reserved] = bought(1, 0, &payer);
        shop.deliver(&[created, reserved.clone()], &[crash, crash + 1], Redelivery::AtOnce);
        let _ = shop.handle(&reserved);
        let tally = Tally::of_method(&PaymentMethod::new(DECLINED).unwrap());
        let count = shop.declines.count(tally.as_str(), reserved.context.time, Duration::from_hours(1));
        assert_eq!(count.now_or_never(), Some(Ok(1)), "crash at {crash}");
    }
}

/// Wherever the charge has crashed, its decline is counted by whoever finds it: here by a cancellation.
#[test]
fn a_decline_that_a_cancellation_finds_is_counted() {
    let payer = Payer { customer: "ada", method: DECLINED, address: "203.0.113.7" };
    let mut found = 0;
    for crash in 0..20 {
        let shop = Shop::new();
        let [created, reserved] = bought(1, 0, &payer);
        shop.deliver_all([created]);
        let _ = shop.attempt(&reserved, &Pace::of(crash)).now_or_never();
        shop.handle(&cancelled()).unwrap();
        let _ = shop.handle(&reserved);
        let tally = Tally::of_method(&PaymentMethod::new(DECLINED).unwrap());
        let count = shop.declines.count(tally.as_str(), reserved.context.time, Duration::from_hours(1));
        let declined = u32::from(shop.published().contains(&"PaymentFailed"));
        assert_eq!(count.now_or_never(), Some(Ok(declined)), "crash at {crash}");
        found += declined;
    }
    assert!((1..20).contains(&found), "{found}");
}

/// Two attempts at one order, of which one was admitted before the limit was reached, and the other was not: whoever writes
/// first decides, and nobody is charged whose payment has failed.
#[test]
fn who_was_admitted_is_not_charged_once_another_attempt_has_refused() {
    let shop = Shop::new();
    let payer = Payer { customer: "ada", method: VISA, address: "203.0.113.7" };
    let [created, reserved] = bought(1, 0, &payer);
    shop.deliver_all([created]);
    let pace = Pace::until("before append");
    let mut admitted = pin!(shop.attempt(&reserved, &pace));
    assert!(admitted.as_mut().now_or_never().is_none());
    let tally = Tally::of_method(&PaymentMethod::new(VISA).unwrap());
    for number in 0..LIMIT.0 {
        let id = PaymentId::of(&OrderId::new(format!("ord_other_{number}")).unwrap());
        shop.declines.record(tally.as_str(), id.as_str(), reserved.context.time).now_or_never().unwrap().unwrap();
    }
    assert_eq!(shop.handle(&reserved), Ok(Handled::Changed));
    pace.release();
    assert_eq!(admitted.now_or_never(), Some(Ok(Handled::Performed)), "there is nothing left to do");
    assert_eq!((shop.published(), shop.asked(1..2)), (vec!["PaymentFailed"], 0));
}

/// The other way round: once the intent is on record nobody refuses any more.
#[test]
fn who_was_refused_does_not_decline_what_another_attempt_has_charged() {
    let shop = Shop::new();
    let payer = Payer { customer: "ada", method: VISA, address: "203.0.113.7" };
    let [created, reserved] = bought(1, 0, &payer);
    shop.deliver_all([created]);
    let tally = Tally::of_method(&PaymentMethod::new(VISA).unwrap());
    let pace = Pace::until("before charge");
    let mut charging = pin!(shop.attempt(&reserved, &pace));
    assert!(charging.as_mut().now_or_never().is_none());
    for number in 0..LIMIT.0 {
        let id = PaymentId::of(&OrderId::new(format!("ord_other_{number}")).unwrap());
        shop.declines.record(tally.as_str(), id.as_str(), reserved.context.time).now_or_never().unwrap().unwrap();
    }
    assert_eq!(shop.handle(&reserved), Ok(Handled::Changed));
    pace.release();
    assert!(charging.now_or_never().is_some_and(|handled| handled.is_ok()));
    assert_eq!((shop.published(), shop.asked(1..2)), (vec!["PaymentProcessed"], 1));
}

/// Every message comes again at once after a crash, or behind all others, and the provider has forgotten its keys by
/// then. Two crashes at any two pauses.
#[test]
fn crashes_at_any_pause_change_nothing() {
    let refunded: &[&str] = &["PaymentProcessed", "PaymentRefunded"];
    for (script, in_order) in [
        (vec![created(VISA), reserved()], &refunded[..1]),
        (vec![created("pm_sim_unavailable_1"), reserved()], &refunded[..1]),
        (vec![created(DECLINED), reserved()], &["PaymentFailed"]),
        (vec![created(VISA), reserved(), cancelled()], refunded),
    ] {
        for (first, second) in pairs(44) {
            let shop = Shop::new();
            shop.deliver(&script, &[first, second], Redelivery::AtOnce);
            assert_eq!(shop.published(), in_order, "crashes at {first} and {second}");
            shop.check_money();

            let shop = Shop::new();
            shop.deliver(&script, &[first, second], Redelivery::BehindAllOthers);
            let published = shop.published();
            let late: &[&str] = if script.len() > 2 { &[] } else { in_order };
            assert!(published == in_order || published == late, "crashes at {first} and {second}: {published:?}");
            shop.check_money();
        }
    }
}

/// Two charging attempts and the cancelling one take their steps in any order, and each may crash. Only what no attempt
/// has acknowledged comes again.
#[test]
fn attempts_that_overlap_in_any_order_agree() {
    let mut seen = BTreeSet::new();
    for (seed, method) in (0..1_500).flat_map(|seed| [(seed, VISA), (seed, DECLINED), (seed, "pm_sim_unavailable_1")]) {
        let shop = Shop::new();
        shop.deliver_all([created(method)]);
        let events = [reserved(), cancelled(), reserved()];
        let again = shop.overlap(&events, 20, &VirtualTime::new(seed));
        shop.world.pass(KEY_LIFETIME);
        shop.deliver_all(again);
        shop.check_money();
        seen.insert(shop.published().join(" "));
    }
    let all = ["", "PaymentFailed", "PaymentProcessed PaymentRefunded"];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), all, "every end of the story was seen");
}

/// Crash point that no attempt reaches.
const END: &str = "at the end";
const VISA: &str = "pm_card_visa";
const DECLINED: &str = "pm_card_visa_chargeDeclined";
/// Limit of the template.
const LIMIT: DeclinesPerHour = DeclinesPerHour(10);

/// The service's table, the provider, and the world around them.
struct Shop {
    world: VirtualTime,
    log: MemoryLog,
    register: MemoryRegister,
    declines: MemoryOccurrences,
}

impl Shop {
    /// Kinds of what the records and the provider say differently.
    fn discrepancies(&self) -> Vec<String> {
        let process = Process::<Payment, _, _, _>::new(
            Ledger::new(&self.log, &self.world),
            ProviderEffects::new(self.provider(), &self.declines, LIMIT),
        );
        let subject = created(VISA).context.subject;
        let audit = process.audit(&subject, Time::from_millis(i64::MAX)).now_or_never().unwrap().unwrap();
        assert_eq!(
            process.audit(&subject, Time::from_millis(0)).now_or_never(),
            Some(Ok(Vec::new())),
            "it is too young"
        );
        audit.into_iter().map(|discrepancy| discrepancy.kind).collect()
    }

    fn new() -> Self {
        let (log, register, declines) = (MemoryLog::default(), MemoryRegister::default(), MemoryOccurrences::default());
        Self { world: VirtualTime::new(7), log, register, declines }
    }

    fn provider(&self) -> Provider<&MemoryRegister, &VirtualTime> {
        Provider::new(&self.register, &self.world)
    }

    fn charges(&self) -> usize {
        self.provider().times_charged(&payment()).now_or_never().unwrap().unwrap()
    }

    /// Charged and refunded at most once, and exactly what was told.
    fn check_money(&self) {
        let refund = self.provider().find_refund(&payment()).now_or_never().unwrap().unwrap();
        let told = |kind| self.published().iter().filter(|published| **published == kind).count();
        assert_eq!(self.charges(), told("PaymentProcessed"), "charges");
        assert_eq!(usize::from(refund.is_some()), told("PaymentRefunded"), "refunds");
        assert!(self.charges() <= 1, "charged twice");
    }
}

impl Bench for Shop {
    type Contract = Payload;

    fn log(&self) -> &MemoryLog {
        &self.log
    }

    async fn attempt(&self, event: &Event, pace: &Pace) -> Result<Handled> {
        let ledger = Ledger::new(Paced { port: &self.log, pace }, &self.world);
        let declines = Paced { port: &self.declines, pace };
        let effects = ProviderEffects::new(Paced { port: self.provider(), pace }, declines, LIMIT);
        let process = Process::<Payment, _, _, _>::new(ledger, effects);
        process.handle(event, &Delivery { text: "", deadline: Time::from_millis(i64::MAX) }).await
    }

    /// By the time a message comes again the provider has forgotten its keys.
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

fn payment() -> PaymentId {
    PaymentId::of(&order())
}

fn money() -> Money {
    sample::order("ord_1").total
}

fn created(method: &str) -> Event {
    let mut order = sample::order("ord_1");
    order.details.payment_method = PaymentMethod::new(method).ok();
    sample::event(order)
}

fn reserved() -> Event {
    sample::event(InventoryReserved { order_id: order(), lines: Vec::new() })
}

fn cancelled() -> Event {
    sample::event(OrderCancelled { order_id: order(), reason: CancellationReason::CustomerRequest })
}
