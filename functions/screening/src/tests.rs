//! The whole service on ports in memory: duplicates, disorder, and crashes at every call of a port, made to happen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::FutureExt;
use onewrite::memory::{Bench, MemoryKeys, MemoryLog, Pace, Paced, VirtualTime};
use onewrite::personal::{Key, KeyRing, Keys as _, seal};
use onewrite::port::Log;
use onewrite::{Delivery, Failure, FailureKind, Handle, Handled, Ledger, Process, Result};
use orderflow_events::sample;
use orderflow_events::{Email, Event, OrderId, Payload, Person, SCREENING, Subject, Text, Time};

use crate::{Fingerprint, MAX_COUNTED, MemorySightings, Screening, SightingEffects, Sightings};

/// The service's tables, and the world around them.
struct Shop {
    world: VirtualTime,
    log: MemoryLog,
    sightings: MemorySightings,
    keys: MemoryKeys,
}

impl Shop {
    fn new() -> Self {
        let keys = MemoryKeys::default();
        for customer in (0..10).map(|number| format!("cus_{number}_2")).chain(["cus_1".to_owned()]) {
            keys.find_or_create(&customer, &key(), Time::from_millis(0)).now_or_never().unwrap().unwrap();
        }
        Self { world: VirtualTime::new(7), log: MemoryLog::default(), sightings: MemorySightings::default(), keys }
    }

    fn handle_all<'a>(&self, events: impl IntoIterator<Item = &'a Event>) {
        for event in events {
            assert_eq!(self.handle(event), Ok(Handled::Changed));
        }
    }

    /// The orders that were flagged, and their scores.
    fn flags(&self) -> BTreeMap<String, u8> {
        let published = self.log.published();
        let flags: BTreeMap<String, u8> = published
            .iter()
            .map(|event| match &event.data {
                Payload::OrderFlagged(flagged) => (flagged.order_id.to_string(), flagged.score.get()),
                other => panic!("{} is published", other.event_type()),
            })
            .collect();
        assert_eq!(flags.len(), published.len(), "an order is flagged twice");
        flags
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
        let effects = SightingEffects::new(Paced { port: &self.sightings, pace }, keys);
        let process = Process::<Screening, _, _, _>::new(ledger, effects);
        process.handle(event, &Delivery { text: "", deadline: Time::from_millis(i64::MAX) }).await
    }
}

impl<T: Sightings> Sightings for Paced<'_, T> {
    async fn record(&self, whose: &Fingerprint, order: &OrderId, at: Time) -> Result<()> {
        self.pace.call("record", self.port.record(whose, order, at), timed_out).await
    }

    async fn count(&self, whose: &Fingerprint, around: Time, within: Duration) -> Result<u32> {
        self.pace.call("count", self.port.count(whose, around, within), timed_out).await
    }
}

fn timed_out() -> Failure {
    Failure::transient("timed out")
}

/// The creation of Ada's order of that number, so many minutes after her first.
fn order(number: u32, minute: u64) -> Event {
    let mut event = sample::event(sample::order(&format!("ord_{number}")));
    event.context.time = event.context.time.after(Duration::from_mins(minute));
    event
}

/// So many orders of Ada's, one a minute.
fn burst(orders: u32) -> Vec<Event> {
    (0..orders).map(|number| order(number, number.into())).collect()
}

fn by(mut event: Event, customer: &str, email: &str) -> Event {
    let Payload::OrderCreated(order) = &mut event.data else { panic!("another event") };
    order.details.customer.id = Text::new(customer).unwrap();
    let person = Person { email: Email::new(email).unwrap(), ..sample::person() };
    order.details.personal = seal(&person, &key(), [0; 12]).unwrap().into();
    event
}

/// Key of every customer.
fn key() -> Key {
    Key::new(sample::KEY_NAME.parse().unwrap(), sample::KEY).unwrap()
}

fn none() -> BTreeMap<String, u8> {
    BTreeMap::new()
}

/// Only that order, with that score.
fn only(order: &str, score: u8) -> BTreeMap<String, u8> {
    BTreeMap::from([(order.to_owned(), score)])
}

#[test]
fn the_tenth_order_within_an_hour_is_flagged_from_screening() {
    let shop = Shop::new();
    shop.handle_all(&burst(9));
    assert_eq!(shop.flags(), none());
    let tenth = order(9, 9);
    shop.handle_all([&tenth]);
    assert_eq!(shop.flags(), only("ord_9", 80));
    let [flag] = shop.log.published().try_into().unwrap();
    assert_eq!(flag.context.source, SCREENING);
    assert_eq!(flag.context.causation_id, Some(Text::shortened(tenth.context.id.as_ref())));
    let Payload::OrderFlagged(flagged) = flag.data else { panic!("another event") };
    let codes: Vec<&str> = flagged.reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert_eq!(codes, ["customerVelocity", "emailVelocity"]);
}

#[test]
fn a_duplicate_counts_once_and_the_verdict_stands() {
    let shop = Shop::new();
    let orders = burst(9);
    shop.handle_all(&orders);
    for _ in 0..3 {
        for event in &orders {
            assert_eq!(shop.handle(event), Ok(Handled::Duplicate));
        }
    }
    assert_eq!(shop.flags(), none());
    shop.handle_all([&order(9, 9)]);
    // Now that there are ten, those before are as suspicious; but what was said of them stays said.
    for event in &orders {
        assert_eq!(shop.handle(event), Ok(Handled::Duplicate));
    }
    assert_eq!(shop.flags(), only("ord_9", 80));
}

#[test]
fn an_order_that_is_created_twice_is_a_fault_and_counts_once() {
    let shop = Shop::new();
    let mut again = sample::another_event(sample::order("ord_0"), 1);
    again.context.time = again.context.time.after(Duration::from_mins(1));
    // The first of them crashes between counting and its verdict, and both are put down.
    assert!(shop.attempt(&order(0, 0), &Pace::until("before append")).now_or_never().is_none());
    shop.handle_all([&again]);
    assert_eq!(shop.handle(&order(0, 0)), Err(FailureKind::Permanent));
    shop.handle_all(&burst(9)[1..]);
    assert_eq!(shop.flags(), none(), "they are nine");
}

#[test]
fn the_window_is_one_of_the_events_times_and_not_of_the_clock() {
    for (minutes, flags) in [(60, only("ord_9", 80)), (61, none())] {
        let shop = Shop::new();
        for number in 0..9 {
            shop.handle_all([&order(number, 0)]);
            shop.world.pass(Duration::from_hours(24));
        }
        shop.handle_all([&order(9, minutes)]);
        assert_eq!(shop.flags(), flags, "{minutes} minutes later");
    }
}

#[test]
fn whoever_comes_last_sees_all_of_a_burst_in_whatever_order_it_arrives() {
    let orders = burst(10);
    for last in 0..10 {
        let shop = Shop::new();
        let (before, after) = orders.split_at(last);
        shop.handle_all(after[1..].iter().chain(before.iter().rev()));
        assert_eq!(shop.flags(), none());
        shop.handle_all([&after[0]]);
        assert_eq!(shop.flags(), only(&format!("ord_{last}"), 80));
    }
}

/// Nobody knows any more under which address they ordered: they are a customer still, and no mailbox.
#[test]
fn what_nobody_can_open_has_no_points() {
    let shop = Shop::new();
    shop.handle_all(&burst(5));
    assert_eq!(shop.keys.erase("cus_1").now_or_never(), Some(Ok(true)));
    let disposable = |number| by(order(number, 5), "cus_1", "ada@mailinator.com");
    shop.handle_all(&(5..12).map(disposable).collect::<Vec<_>>());
    assert_eq!(shop.flags(), none(), "40 points of the customer, and none else");
}

#[test]
fn customers_and_addresses_are_counted_apart() {
    let shop = Shop::new();
    for number in 0..10 {
        // One customer under many addresses, and another one's address under many customers.
        shop.handle_all([
            &by(order(number, 0), "cus_1", &format!("{number}@example.com")),
            &by(order(100 + number, 0), &format!("cus_{number}_2"), "ada@example.com"),
        ]);
    }
    assert_eq!(shop.flags(), none(), "40 points are not enough");
    shop.handle_all([&by(order(200, 0), "cus_1", "Ada+200@Example.com")]);
    assert_eq!(shop.flags(), only("ord_200", 80));
}

#[test]
fn more_orders_than_are_counted_are_as_many() {
    let shop = Shop::new();
    shop.handle_all(&(0..120).map(|number| order(number, 0)).collect::<Vec<_>>());
    let flags = shop.flags();
    assert_eq!((flags.len(), flags["ord_119"]), (111, 80));
    let detail = format!("{MAX_COUNTED} orders of this customer within 60 minutes");
    let published = shop.log.published();
    let Payload::OrderFlagged(last) = &published.last().unwrap().data else { panic!("another event") };
    assert_eq!(last.reasons[0].detail.as_str(), detail);
}

/// Number of pauses that an attempt passes.
fn pauses() -> u32 {
    let passes = |steps: &u32| Shop::new().attempt(&order(0, 0), &Pace::of(*steps)).now_or_never().is_some();
    (0..100).find(passes).unwrap()
}

#[test]
fn a_crash_at_any_moment_is_as_if_nothing_had_been() {
    assert_eq!(
        pauses(),
        15,
        "a read, a key, that of the fingerprints, which is made, two records, two counts, an append"
    );
    for (first, second) in (0..pauses()).flat_map(|first| (0..pauses()).map(move |second| (first, second))) {
        // The ninth order and the tenth crash twice each; the ninth is not flagged for that, and the tenth is.
        let shop = Shop::new();
        shop.handle_all(&burst(8));
        for event in [order(8, 8), order(9, 9)] {
            for steps in [first, second] {
                let _ = shop.attempt(&event, &Pace::of(steps)).now_or_never();
            }
            assert!(matches!(shop.handle(&event), Ok(Handled::Changed | Handled::Duplicate)));
        }
        assert_eq!(shop.flags(), only("ord_9", 80), "crashes after {first} and {second} pauses");
    }
}

#[test]
fn attempts_that_overlap_agree_and_one_of_a_burst_sees_all_of_it() {
    let mut seen = BTreeSet::new();
    for seed in 0..500 {
        let shop = Shop::new();
        shop.handle_all(&burst(8));
        // The last two of ten, each of them handed out twice.
        let events = [order(8, 8), order(8, 8), order(9, 9), order(9, 9)];
        let again = shop.overlap(&events, 0, &VirtualTime::new(seed));
        assert_eq!(again, []);
        let flags = shop.flags();
        // The other may have seen the last one under its customer, and not yet under its address.
        assert_eq!(flags.values().max(), Some(&80), "{flags:?}");
        seen.insert(flags.into_keys().collect::<Vec<_>>().join(" "));
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["ord_8", "ord_8 ord_9", "ord_9"], "always one, at the least");
}

#[test]
fn nothing_that_is_kept_names_anybody() {
    let shop = Shop::new();
    shop.handle_all(&burst(10));
    let rows = shop.log.read(&Subject::shortened("ord_9")).now_or_never().unwrap().unwrap();
    let kept = format!("{rows:?} {:?}", shop.sightings);
    for personal in ["ada@example.com", "cus_1", "Lovelace", "Analytical", "4930123456"] {
        assert!(!kept.contains(personal), "{personal}");
    }
}
