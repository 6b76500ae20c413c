//! Simulation of the shop: a plan, and the customers who come.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use orderflow_events::{HoldFlagged, OrderId};
use orderflow_notification::Channel;
use orderflow_orders::Status;
use serde_json::Value;
use simulator::{FaultKinds, Plan, PlannedFault, Trace};

use crate::audit::Message;
use crate::chores::{self, Chore};
use crate::customers::{self, Answer, Door, Script};
use crate::damage::{Damage, Damaging, Found};
use crate::invariants_at_rest::{known, shipped, unreachable};
use crate::live::{Audience, Limits, Live, Watched};
use crate::names::{NOTIFICATION, ORDERS};
use crate::operations::Manner;
use crate::operator;
use crate::services::System;
use crate::shop::{Listener, Shop};
use crate::webhooks::{Partner, Pushed, Webhooks};

/// Figures of a run, and of the shop in it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Figures of the run.
    pub run: simulator::Report,
    /// Orders that there were in the end.
    pub orders: u64,
    /// Orders that were shipped.
    pub shipped: u64,
    /// Mails and short messages.
    pub messages: u64,
    /// Messages that had been sent before.
    pub repeated_messages: u64,
    /// Findings of the comparison of all records at rest, of each of which a dead letter tells.
    pub findings: u64,
}

impl Report {
    /// Adds the figures of another run, and keeps the first violation.
    pub fn add(&mut self, other: &Self) {
        self.run.add(&other.run);
        self.orders += other.orders;
        self.shipped += other.shipped;
        self.messages += other.messages;
        self.repeated_messages += other.repeated_messages;
        self.findings += other.findings;
    }
}

/// Presence of the service for operators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// It is at work in every fourth run; in the others somebody sends dead letters back by hand.
    BySeed,
    /// It is at work.
    Always,
    /// It is not there: somebody sends dead letters back by hand.
    #[default]
    Never,
}

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BySeed => "by-seed",
            Self::Always => "always",
            Self::Never => "never",
        })
    }
}

impl FromStr for Presence {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::BySeed, Self::Always, Self::Never];
        all.into_iter()
            .find(|one| one.to_string() == name)
            .ok_or_else(|| format!("{name} is none of {}", all.map(|one| one.to_string()).join(", ")))
    }
}

impl Presence {
    const fn of(self, plan: &Plan) -> bool {
        match self {
            Self::BySeed => plan.seed % 4 == 1,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Runs a plan: so many customers, each of whom does as they please.
#[must_use]
pub fn simulate(plan: &Plan, trace: Trace) -> Report {
    simulate_where(Presence::Never, plan, trace)
}

/// Runs a plan with or without the service for operators.
#[must_use]
pub fn simulate_where(operations: Presence, plan: &Plan, trace: Trace) -> Report {
    let shop = Shop::default().with_rule(rule_of(plan)).with_operator(operations.of(plan).then_some(Manner::Busy));
    simulate_with(plan, trace, shop, |system| customers::arrive(system, plan.seed, plan.subjects))
}

/// Runs a plan with somebody who listens to what the functions observe of themselves.
#[must_use]
pub fn simulate_observed(plan: &Plan, listener: Box<Listener>) -> Report {
    let shop = Shop::listened_to(listener).with_rule(rule_of(plan));
    simulate_with(plan, Trace::default(), shop, |system| {
        customers::arrive(system, plan.seed, plan.subjects);
    })
}

/// Every third run is of a stack that holds flagged orders.
const fn rule_of(plan: &Plan) -> HoldFlagged {
    if plan.seed.is_multiple_of(3) { HoldFlagged::Yes } else { HoldFlagged::No }
}

/// Runs one order by a script, with at most one fault.
#[must_use]
pub fn simulate_script(script: Script, planned: Option<PlannedFault>, trace: Trace) -> Report {
    let plan = Plan { kinds: FaultKinds::NONE, planned, ..Plan::new(0, 1) };
    simulate_with(&plan, trace, Shop::default().with_rule(script.rule), |system| customers::arrive_by(system, script))
}

/// Runs one order by a script, which somebody watches, with at most one fault. Answers with what has become of who watches, too.
#[must_use]
pub fn simulate_watched_script(
    script: Script,
    planned: Option<PlannedFault>,
    audience: Audience,
    limits: Limits,
    trace: Trace,
) -> (Report, Watched) {
    let plan = Plan { kinds: FaultKinds::NONE, planned, ..Plan::new(0, 1) };
    let shop = Shop::default().with_rule(script.rule);
    simulate_watched_with(&plan, audience, limits, trace, shop, |system| customers::arrive_by(system, script))
}

/// Runs a plan in which each order is watched, likewise.
#[must_use]
pub fn simulate_watched(plan: &Plan, audience: Audience, limits: Limits, trace: Trace) -> (Report, Watched) {
    let shop = Shop::default().with_rule(rule_of(plan));
    simulate_watched_with(plan, audience, limits, trace, shop, |system| {
        customers::arrive(system, plan.seed, plan.subjects);
    })
}

fn simulate_watched_with(
    plan: &Plan,
    audience: Audience,
    limits: Limits,
    trace: Trace,
    shop: Shop,
    arrive: impl FnOnce(&Rc<System>),
) -> (Report, Watched) {
    let watching = Rc::<RefCell<Option<Rc<Live>>>>::default();
    let started = Rc::clone(&watching);
    let report = simulate_with(plan, trace, shop, move |system| {
        let live = Live::start(&system.stack, &system.shop, audience, limits);
        system.shop.live.replace(Some(Rc::clone(&live) as _));
        started.replace(Some(live));
        arrive(system);
    });
    let watched = watching.take().map_or_else(Watched::default, |live| live.watched());
    (report, watched)
}

/// Runs one order by a script, whose events are posted to those partners, with at most one fault.
#[must_use]
pub fn simulate_pushed_script(
    script: Script,
    partners: &[Partner],
    planned: Option<PlannedFault>,
    trace: Trace,
) -> (Report, Pushed) {
    let plan = Plan { kinds: FaultKinds::NONE, planned, ..Plan::new(0, 1) };
    let shop = Shop::default().with_rule(script.rule);
    simulate_pushed_with(&plan, trace, shop, partners, |system| customers::arrive_by(system, script))
}

/// Runs a plan whose events are posted to those partners.
#[must_use]
pub fn simulate_pushed(plan: &Plan, partners: &[Partner], trace: Trace) -> (Report, Pushed) {
    let shop = Shop::default().with_rule(rule_of(plan));
    simulate_pushed_with(plan, trace, shop, partners, |system| customers::order(system, plan.seed, plan.subjects))
}

fn simulate_pushed_with(
    plan: &Plan,
    trace: Trace,
    shop: Shop,
    partners: &[Partner],
    arrive: impl FnOnce(&Rc<System>),
) -> (Report, Pushed) {
    let pushing = Rc::<RefCell<Option<Rc<Webhooks>>>>::default();
    let started = Rc::clone(&pushing);
    let report = simulate_with(plan, trace, shop, move |system| {
        started.replace(Some(system.start_webhooks(partners)));
        arrive(system);
    });
    let pushed = pushing.take().map(|webhooks| webhooks.figures()).unwrap_or_default();
    (report, pushed)
}

/// Runs one order about which an operator has a chore, with at most one fault. Answers with the number of the call with which the
/// operator begins.
#[must_use]
pub fn simulate_chore(chore: Chore, planned: Option<PlannedFault>, trace: Trace) -> (Report, u64) {
    let plan = Plan { kinds: FaultKinds::NONE, planned, ..Plan::new(0, 1) };
    let shop = Shop::default().with_operator(Some(Manner::Told));
    let begins_at = Rc::default();
    let report = simulate_with(&plan, trace, shop, |system| {
        chores::prepare(system, chore);
        customers::arrive_by(system, Script::SHIPPED);
        if let Some(operations) = &*system.shop.operations.borrow() {
            chores::attend(operations, chore, &begins_at);
        }
    });
    (report, begins_at.get())
}

/// Runs one order without a fault until nothing is left to do, loses records of it, and has all records compared.
///
/// # Panics
///
/// An invariant was broken before there was damage.
#[must_use]
pub fn simulate_damage(script: Script, damage: Damage) -> Found {
    let shop = Shop::default().with_operator(Some(Manner::Told));
    let shop = Rc::new(shop);
    let damaging = Rc::new(Damaging { shop: Rc::clone(&shop), damage, found: RefCell::default() });
    let plan = Plan { kinds: FaultKinds::NONE, ..Plan::new(0, 1) };
    let run = simulator::simulate(&plan, Trace::default(), Rc::clone(&damaging) as _, |run| {
        let system = System::start(run, Rc::clone(&shop));
        customers::fill_shelves(&system, plan.subjects);
        customers::arrive_by(&system, script);
        Rc::clone(&system.stack)
    });
    shop.operations.take();
    damaging.found.take().unwrap_or_else(|| panic!("{:?}", run.violation))
}

/// Runs somebody who tries one stolen card within a minute, as often as the plan has orders, and as many honest customers beside
/// them.
#[must_use]
pub fn simulate_trier(plan: &Plan, trace: Trace) -> Report {
    let shop = Shop::default();
    if plan.kinds != FaultKinds::NONE {
        shop.audit.expect_faults();
    }
    simulate_with(plan, trace, shop, |system| customers::arrive_beside_a_trier(system, plan.subjects))
}

/// End of one order that somebody has written by hand.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Status and body of the API's answer.
    pub answer: Option<(u16, Value)>,
    /// Status of the order in the end, if there is one.
    pub status: Option<Status>,
    /// Number of times that money was asked for.
    pub charges: usize,
    /// Messages to the customer.
    pub messages: Vec<Message>,
    /// Channels on record as reaching nobody.
    pub unreachable: BTreeSet<Channel>,
    /// Services that have a dead letter.
    pub letters: BTreeSet<&'static str>,
}

/// Runs one order as it is written, without a fault, until nothing is left to do.
///
/// # Panics
///
/// An invariant is broken.
#[must_use]
pub fn simulate_order(door: Door) -> Outcome {
    let shop = Rc::<Shop>::default();
    let (answer, order) = (Rc::<Answer>::default(), Rc::<RefCell<Option<OrderId>>>::default());
    let plan = Plan { kinds: FaultKinds::NONE, ..Plan::new(0, 1) };
    let mut tables = None;
    let (answered, placed) = (Rc::clone(&answer), Rc::clone(&order));
    let run = simulator::simulate(&plan, Trace::default(), Rc::clone(&shop) as _, |run| {
        let system = System::start(run, Rc::clone(&shop));
        customers::fill_shelves(&system, plan.subjects);
        tables = Some(system.stack.tables());
        let stack = Rc::clone(&system.stack);
        run.spawn(async move { customers::send(&system, door, &answered, &placed).await });
        stack
    });
    assert_eq!(run.violation, None);
    let (Some(tables), Some(order)) = (tables, order.take()) else {
        return Outcome { answer: answer.take(), ..Outcome::default() };
    };
    Outcome {
        answer: answer.take(),
        status: known(&tables[ORDERS], &order).map(|known| known.status),
        charges: shop.audit.charges_of(&order),
        messages: shop.audit.told_of(&order),
        unreachable: unreachable(&tables[NOTIFICATION], &order),
        letters: shop.letters_of(&order),
    }
}

fn simulate_with(plan: &Plan, trace: Trace, shop: Shop, arrive: impl FnOnce(&Rc<System>)) -> Report {
    let shop = Rc::new(shop);
    let mut tables = None;
    let run = simulator::simulate(plan, trace, Rc::clone(&shop) as _, |run| {
        let system = System::start(run, Rc::clone(&shop));
        customers::fill_shelves(&system, plan.subjects);
        operator::attend(&system);
        arrive(&system);
        tables = Some(system.stack.tables());
        Rc::clone(&system.stack)
    });
    operator::leave(&shop);
    let orders = shop.audit.orders();
    let (messages, repeated_messages) = shop.audit.messages();
    let shipped = tables.and_then(|mut tables| tables.remove(ORDERS)).map_or(0, |table| shipped(&orders, &table));
    let findings = shop.findings();
    shop.operations.take();
    shop.live.take();
    shop.follower.take();
    Report { run, orders: orders.len() as u64, shipped, messages, repeated_messages, findings }
}
