//! The whole service on ports in memory: duplicates, disorder, and crashes at every call of a port, made to happen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::FutureExt;
use lambda_http::http::Method;
use lambda_http::{Body, Request, RequestExt, http};
use onewrite::access::{Access, KeySets};
use onewrite::memory::{Bench, MemoryIssuer, MemoryKeys, MemoryLog, MemoryOccurrences, Pace, Paced, VirtualTime};
use onewrite::personal::{Key, KeyRing, Keys as _, seal};
use onewrite::port::{Clock, Log, MAX_COUNTED, Random};
use onewrite::{Delivery, FailureKind, Handle, Handled, Ledger, Process, Result};
use orderflow_events::sample;
use orderflow_events::{ClearedBy, Email, Event, HoldFlagged, Payload, Person, SCREENING, Subject, Text, Time};
use serde_json::{Value, json};

use crate::{Screening, ScreeningApi, SightingEffects};

/// The service's tables, and the world around them.
struct Shop {
    world: VirtualTime,
    log: MemoryLog,
    sightings: MemoryOccurrences,
    rule: HoldFlagged,
    keys: MemoryKeys,
}

impl Shop {
    fn new() -> Self {
        let keys = MemoryKeys::default();
        for customer in (0..10).map(|number| format!("cus_{number}_2")).chain(["cus_1".to_owned()]) {
            keys.find_or_create(&customer, &key(), Time::from_millis(0)).now_or_never().unwrap().unwrap();
        }
        Self {
            world: VirtualTime::new(7),
            log: MemoryLog::default(),
            sightings: MemoryOccurrences::default(),
            keys,
            rule: HoldFlagged::No,
        }
    }

    /// One that holds flagged orders.
    fn holding() -> Self {
        Self { rule: HoldFlagged::Yes, ..Self::new() }
    }

    /// Answer to a person's word that an order may be shipped.
    fn clear(&self, order: &str, why: &str) -> (u16, Value) {
        self.clear_at(order, why, &Pace::of(u32::MAX)).now_or_never().unwrap()
    }

    async fn clear_at(&self, order: &str, why: &str, pace: &Pace) -> (u16, Value) {
        let api = ScreeningApi::new(Ledger::new(Paced { port: &self.log, pace }, &self.world), Access::open());
        ask(&api, order, &json!({ "why": why })).await
    }

    /// Orders that were cleared, each with who has.
    fn clearances(&self) -> Vec<(String, ClearedBy)> {
        let cleared = |event: Event| match event.data {
            Payload::OrderCleared(cleared) => Some((cleared.order_id.to_string(), cleared.by)),
            _ => None,
        };
        self.log.published().into_iter().filter_map(cleared).collect()
    }

    fn handle_all<'a>(&self, events: impl IntoIterator<Item = &'a Event>) {
        for event in events {
            assert_eq!(self.handle(event), Ok(Handled::Changed));
        }
    }

    /// The orders that were flagged, and their scores.
    fn flags(&self) -> BTreeMap<String, u8> {
        let published = self.log.published();
        let flags: Vec<(String, u8)> = published
            .iter()
            .filter_map(|event| match &event.data {
                Payload::OrderFlagged(flagged) => {
                    assert_eq!(flagged.held, self.rule == HoldFlagged::Yes);
                    Some((flagged.order_id.to_string(), flagged.score.get()))
                }
                Payload::OrderCleared(_) if self.rule == HoldFlagged::Yes => None,
                other => panic!("{} is published", other.event_type()),
            })
            .collect();
        let number = flags.len();
        let flags = BTreeMap::from_iter(flags);
        assert_eq!(flags.len(), number, "an order is flagged twice");
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
        let effects = SightingEffects::new(Paced { port: &self.sightings, pace }, keys, self.rule);
        let process = Process::<Screening, _, _, _>::new(ledger, effects);
        process.handle(event, &Delivery { text: "", deadline: Time::from_millis(i64::MAX) }).await
    }
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

async fn ask(
    api: &ScreeningApi<impl Log, impl Clock + Random, impl KeySets>,
    order: &str,
    body: &Value,
) -> (u16, Value) {
    ask_as(api, order, body, None).await
}

async fn ask_as(
    api: &ScreeningApi<impl Log, impl Clock + Random, impl KeySets>,
    order: &str,
    body: &Value,
    token: Option<&str>,
) -> (u16, Value) {
    let path = format!("/operations/orders/{order}/clear");
    let mut request =
        http::Request::builder().method(Method::POST).uri(&path).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request: Request = request.body(Body::Text(body.to_string())).unwrap().with_raw_http_path(&path);
    let response = api.answer(&request).await;
    (response.status().as_u16(), serde_json::from_slice(response.body().as_ref()).unwrap())
}

#[test]
fn where_flagged_orders_are_held_all_others_are_cleared_at_once() {
    let shop = Shop::holding();
    let orders = burst(10);
    shop.handle_all(&orders);
    assert_eq!(shop.flags(), only("ord_9", 80));
    let cleared: Vec<_> = (0..9).map(|number| (format!("ord_{number}"), ClearedBy::Screening)).collect();
    assert_eq!(shop.clearances(), cleared);
    for event in &orders {
        assert_eq!(shop.handle(event), Ok(Handled::Duplicate));
    }
    assert_eq!(shop.clearances(), cleared);
}

#[test]
fn a_person_clears_what_is_flagged_once_and_who_and_why_is_on_record() {
    let shop = Shop::holding();
    shop.handle_all(&burst(10));
    let issuer = MemoryIssuer::new("1");
    let api = ScreeningApi::new(Ledger::new(&shop.log, &shop.world), issuer.access());
    let ask = |order: &str, scope: &str, why: &str| {
        let token = issuer.token("grace", scope);
        ask_as(&api, order, &json!({ "why": why }), Some(&token)).now_or_never().unwrap()
    };
    assert_eq!(ask("ord_9", "orders:any", "a friend").0, 403);
    assert_eq!(ask("ord_10", "operations", "a regular customer").0, 404);
    assert_eq!(ask("no.id", "operations", "a regular customer").0, 404);
    assert_eq!(ask("ord_9", "operations", "").0, 422);
    assert!(shop.clearances().iter().all(|(order, _)| order != "ord_9"));
    for why in ["a regular customer", "as I said"] {
        assert_eq!(ask("ord_9", "operations", why), (202, json!({ "orderId": "ord_9" })));
    }
    let of_person: Vec<_> = shop.clearances().into_iter().filter(|(_, by)| *by == ClearedBy::Person).collect();
    assert_eq!(of_person, [("ord_9".to_owned(), ClearedBy::Person)]);
    let published: Vec<Event> = shop.log.published();
    let correlations: BTreeSet<_> = published
        .iter()
        .filter(|event| event.context.subject.as_str() == "ord_9")
        .map(|event| event.context.correlation().to_string())
        .collect();
    assert_eq!(correlations.len(), 1, "it is one flow");
    let rows = shop.log.read(&Subject::shortened("ord_9")).now_or_never().unwrap().unwrap();
    let row = rows.last().unwrap();
    assert_eq!((row.cause.event_type.as_str(), row.cause.by.as_deref()), ("ClearOrder", Some("grace")));
    assert_eq!(row.change, Some(json!({ "clearedByPerson": { "why": "a regular customer" } })));
}

#[test]
fn what_was_judged_under_another_rule_can_be_cleared_too() {
    let mut shop = Shop::new();
    shop.handle_all(&burst(10));
    shop.rule = HoldFlagged::Yes;
    for order in ["ord_0", "ord_9"] {
        assert_eq!(shop.clear(order, "it was placed before the rule changed").0, 202);
    }
    let cleared = ["ord_0", "ord_9"].map(|order| (order.to_owned(), ClearedBy::Person));
    assert_eq!(shop.clearances(), cleared);
}

#[test]
fn a_clearance_that_crashes_anywhere_and_comes_again_is_said_once() {
    for steps in 0..8 {
        let shop = Shop::holding();
        shop.handle_all(&burst(10));
        let _ = shop.clear_at("ord_9", "a regular customer", &Pace::of(steps)).now_or_never();
        assert_eq!(shop.clear("ord_9", "a regular customer").0, 202);
        let of_person = shop.clearances().iter().filter(|(_, by)| *by == ClearedBy::Person).count();
        assert_eq!(of_person, 1, "a crash after {steps} pauses");
    }
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
