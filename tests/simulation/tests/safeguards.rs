//! Every safeguard of the system is needed: without it, the simulation finds an invariant that breaks.

use std::collections::BTreeSet;

use orderflow_simulation::live::{Audience, Limits};
use orderflow_simulation::safeguards::{
    self, CLEARANCE, COMPENSATION, CONFIRMATION, DECLINE_LIMIT, FENCE, FIND, PRICING, PROVIDER_KEY, RECIPIENT_LIMIT,
    RECORD_FIRST, WATCH_HOLD, WEBHOOK_NOTE, WEBHOOK_REVISION, WEBHOOK_WAKES,
};
use orderflow_simulation::simulation::{Presence, simulate, simulate_pushed, simulate_watched, simulate_where};
use orderflow_simulation::webhooks::Partner;
use simulator::{FaultKind, FaultKinds, Plan, Report, Safeguard, Trace, shrink};

/// Safeguards that are taken away elsewhere. One the toolkit's own services miss soon (`shared/simulator/tests/library.rs`): the
/// shop has leases for mails alone, two an order, and misses it once in tens of thousands of orders. The others take somebody who
/// places many orders (`limits.rs`).
const ELSEWHERE: [Safeguard; 3] = [Safeguard::LEASE_FENCE, DECLINE_LIMIT, RECIPIENT_LIMIT];

/// Number of orders of an episode.
const EPISODE: u64 = 25;

/// Safeguards of the service for operators, which is at work while they are taken away.
const OF_OPERATIONS: [Safeguard; 2] = [RECORD_FIRST, CONFIRMATION];

/// Safeguards of the webhooks, which partners have while they are taken away.
const OF_WEBHOOKS: [Safeguard; 3] = [WEBHOOK_REVISION, WEBHOOK_WAKES, WEBHOOK_NOTE];

fn run(plan: &Plan) -> Report {
    if plan.without.is_some_and(|without| OF_WEBHOOKS.contains(&without)) {
        return simulate_pushed(plan, &Partner::OF_A_SHOP, Trace::default()).0.run;
    }
    if plan.without == Some(WATCH_HOLD) {
        return simulate_watched(plan, Audience::Everything, Limits::FAR, Trace::default()).0.run;
    }
    let is_at_work = plan.without.is_some_and(|without| OF_OPERATIONS.contains(&without));
    let operations = if is_at_work { Presence::Always } else { Presence::Never };
    simulate_where(operations, plan, Trace::default()).run
}

/// Declares a test for each safeguard: episodes are run without it until an invariant breaks, and within so many orders
/// one must.
macro_rules! safeguards {
    ($($name:ident: $safeguard:expr, within $orders:literal, $plan:expr;)*) => {
        $(
            #[test]
            fn $name() {
                breaks($safeguard, $orders, $plan);
            }
        )*

        #[test]
        fn every_safeguard_is_taken_away() {
            let tried: BTreeSet<&str> = [$($safeguard),*].into_iter().map(|safeguard| safeguard.name).collect();
            let all = safeguards::all().filter(|safeguard| !ELSEWHERE.contains(safeguard));
            assert_eq!(tried, all.map(|safeguard| safeguard.name).collect());
        }
    };
}

safeguards! {
    the_condition_of_the_commit: Safeguard::COMMIT_CONDITION, within 100, PLAIN;
    the_check_whether_an_event_is_handled: Safeguard::HANDLED_CHECK, within 100, PLAIN;
    the_intent_before_an_effect: Safeguard::INTENT, within 600, PLAIN;
    the_check_of_each_published_entry: Safeguard::PUBLISH_ENTRIES, within 400, PLAIN;
    the_names_of_what_failed_in_a_batch: Safeguard::ITEM_FAILURES, within 100, PLAIN;
    the_comparison_with_the_price_table: PRICING, within 100, PLAIN;
    the_wait_for_the_clearance: CLEARANCE, within 400, PLAIN;
    the_compensation_of_the_charge: COMPENSATION, within 100, PLAIN;
    the_providers_idempotency_key: PROVIDER_KEY, within 400,
        storm([FaultKind::Late, FaultKind::Duplicate, FaultKind::Unacknowledged]);
    the_question_before_a_retry: FIND, within 800,
        storm([FaultKind::Lost, FaultKind::CrashBefore, FaultKind::Impatient]);
    the_record_before_a_letters_deletion: RECORD_FIRST, within 100, PLAIN;
    the_confirmation_of_what_is_sent_back: CONFIRMATION, within 800,
        storm([FaultKind::CrashBefore, FaultKind::Refused, FaultKind::Impatient]);
    the_revision_of_a_webhook: WEBHOOK_REVISION, within 800,
        storm([FaultKind::Slow, FaultKind::Frozen, FaultKind::Delayed]);
    the_number_of_a_webhooks_wake_ups: WEBHOOK_WAKES, within 800,
        storm([FaultKind::Slow, FaultKind::Frozen, FaultKind::Delayed]);
    the_note_of_what_is_not_taken: WEBHOOK_NOTE, within 100, PLAIN;
    the_hold_of_a_subscription: WATCH_HOLD, within 400, PLAIN;
    the_fence_at_the_provider: FENCE, within 3_000,
        storm([FaultKind::Refused, FaultKind::Late, FaultKind::Impatient]);
}

/// Every fault, each as frequent as it happens to be.
const PLAIN: Plan = Plan::new(0, EPISODE);

/// Plan of a storm: what takes three faults at one place at nearly the same time, it finds sooner.
fn storm(kinds: [FaultKind; 3]) -> Plan {
    let kinds = kinds.into_iter().fold(FaultKinds::NONE, FaultKinds::with);
    Plan { kinds, intensity: Some(60), ..PLAIN }
}

fn breaks(safeguard: Safeguard, within: u64, plan: Plan) {
    let found = (0..within / plan.subjects).find_map(|seed| {
        let report = run(&Plan { seed, without: Some(safeguard), ..plan });
        Some(((seed + 1) * plan.subjects, report.violation?.what))
    });
    let (orders, what) = found.unwrap_or_else(|| panic!("{within} orders do not miss {}", safeguard.what));
    println!("without {}, within {orders} orders: {what}", safeguard.what);
}

/// A violation is shown as the shortest run that was found, which breaks in the same way, and as the trace of its order.
#[test]
fn what_breaks_is_shown_as_short_as_it_can_be() {
    let plan = Plan { without: Some(COMPENSATION), ..PLAIN };
    let violation = run(&plan).violation.expect("a run that breaks");
    let shrunk = shrink(&plan, violation, |plan, trace| simulate(plan, trace).run);
    assert!(shrunk.plan.subjects < EPISODE / 2, "{:?}", shrunk.plan);
    assert_eq!(run(&shrunk.plan).violation, Some(shrunk.violation.clone()));
    println!("{shrunk}");
    for told in ["OrderCreated", "the provider has charged", "cancelled, OrderCancelled"] {
        assert!(shrunk.trace.contains(told), "the trace does not tell of {told}:\n{}", shrunk.trace);
    }
}
