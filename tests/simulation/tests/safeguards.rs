//! Every safeguard of the system is needed: without it, the simulation finds an invariant that breaks.
//!
//! One is not: that the messages of an order come one after the other. Any order of arrival is right; see the last test.

use orderflow_simulation::episode::{Plan, Report, run};
use orderflow_simulation::faults::{Kind, Kinds};
use orderflow_simulation::sabotage::Sabotage;
use orderflow_simulation::shrink::shrink;

/// How many orders an episode has.
const EPISODE: u64 = 25;

/// Runs episodes without a safeguard until an invariant breaks: within so many orders it must.
#[track_caller]
fn breaks(sabotage: Sabotage, within: u64) {
    breaks_in(sabotage, within, Plan::new(0, EPISODE));
}

#[track_caller]
fn breaks_in(sabotage: Sabotage, within: u64, plan: Plan) {
    let found = (0..within / plan.orders).find_map(|seed| {
        let report = run(&Plan { seed, sabotage: Some(sabotage), ..plan });
        Some(((seed + 1) * plan.orders, report.violation?.what))
    });
    let (orders, what) = found.unwrap_or_else(|| panic!("{within} orders do not miss {}", sabotage.what()));
    println!("without {}, within {orders} orders: {what}", sabotage.what());
}

/// What takes three faults at one place at nearly the same time, a storm of them finds sooner.
fn storm(kinds: [Kind; 3]) -> Plan {
    let kinds = kinds.into_iter().fold(Kinds::NONE, Kinds::with);
    Plan { kinds, weather: Some(60), ..Plan::new(0, EPISODE) }
}

#[test]
fn the_condition_of_the_commit() {
    breaks(Sabotage::CommitCondition, 100);
}

#[test]
fn the_check_whether_an_event_is_handled() {
    breaks(Sabotage::HandledCheck, 100);
}

#[test]
fn the_check_of_each_published_entry() {
    breaks(Sabotage::PublishEntries, 400);
}

#[test]
fn the_providers_idempotency_key() {
    breaks_in(Sabotage::ProviderKey, 400, storm([Kind::Late, Kind::Duplicate, Kind::Unacknowledged]));
}

#[test]
fn the_fencing_of_the_lease() {
    // It takes three at one lease, and so many messages that overlap.
    let storm = storm([Kind::Refused, Kind::Late, Kind::Unacknowledged]);
    breaks_in(Sabotage::LeaseFence, 4_000, Plan { orders: 200, ..storm });
}

#[test]
fn the_compensation_of_the_charge() {
    breaks(Sabotage::Compensation, 100);
}

#[test]
fn the_intent_before_a_charge() {
    breaks(Sabotage::Intent, 600);
}

#[test]
fn the_question_before_a_retry() {
    breaks_in(Sabotage::Find, 800, storm([Kind::Lost, Kind::CrashAfter, Kind::Impatient]));
}

#[test]
fn the_fence_at_the_provider() {
    breaks_in(Sabotage::Fence, 3_000, storm([Kind::Refused, Kind::Late, Kind::Impatient]));
}

#[test]
fn the_parked_messages_own_deduplication_id() {
    breaks(Sabotage::ParkedId, 200);
}

/// What breaks is shown as the shortest run that was found, which breaks in the same way, and as the story of its order.
#[test]
fn what_breaks_is_shown_as_short_as_it_can_be() {
    let plan = Plan { sabotage: Some(Sabotage::Compensation), ..Plan::new(0, EPISODE) };
    let shrunk = shrink(&plan).expect("a run that breaks");
    assert!(shrunk.plan.orders < EPISODE / 2, "{:?}", shrunk.plan);
    assert_eq!(run(&shrunk.plan).violation, Some(shrunk.violation.clone()));
    println!("{}\n{}", shrunk.violation.what, shrunk.story);
    for told in ["OrderCreated", "the provider has charged", "cancelled, OrderCancelled"] {
        assert!(shrunk.story.contains(told), "the story does not tell of {told}:\n{}", shrunk.story);
    }
}

#[test]
fn nothing_rests_on_the_order_within_a_group() {
    let total = |sabotage| {
        (0..16).fold(Report::default(), |mut total, seed| {
            let report = run(&Plan { seed, sabotage, ..Plan::new(seed, EPISODE) });
            assert_eq!(report.violation, None, "seed {seed}");
            total.add(&report);
            total
        })
    };
    let (with, without) = (total(None), total(Some(Sabotage::GroupOrder)));
    for (what, one) in [("with", &with), ("without", &without)] {
        println!("{what} it: {} deliveries, {} to come again, {} letters", one.deliveries, one.retries, one.letters);
    }
    assert_ne!(with.steps, without.steps, "it was not taken away");
}
