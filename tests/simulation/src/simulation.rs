//! Simulation of the shop: a plan, and the customers who come.

use std::rc::Rc;

use simulator::{FaultKinds, Plan, PlannedFault, Trace};

use crate::customers::{self, Script};
use crate::invariants_at_rest::shipped;
use crate::names::ORDERS;
use crate::services::System;
use crate::shop::Shop;

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
}

impl Report {
    /// Adds the figures of another run, and keeps the first violation.
    pub fn add(&mut self, other: &Self) {
        self.run.add(&other.run);
        self.orders += other.orders;
        self.shipped += other.shipped;
        self.messages += other.messages;
        self.repeated_messages += other.repeated_messages;
    }
}

/// Runs a plan: so many customers, each of whom does as they please.
#[must_use]
pub fn simulate(plan: &Plan, trace: Trace) -> Report {
    simulate_with(plan, trace, |system| customers::arrive(system, plan.seed, plan.subjects))
}

/// Runs one order by a script, with at most one fault.
#[must_use]
pub fn simulate_script(script: Script, planned: Option<PlannedFault>, trace: Trace) -> Report {
    let plan = Plan { kinds: FaultKinds::NONE, planned, ..Plan::new(0, 1) };
    simulate_with(&plan, trace, |system| customers::arrive_by(system, script))
}

fn simulate_with(plan: &Plan, trace: Trace, arrive: impl FnOnce(&Rc<System>)) -> Report {
    let shop = Rc::<Shop>::default();
    let mut tables = None;
    let run = simulator::simulate(plan, trace, Rc::clone(&shop) as _, |run| {
        let system = System::start(run, Rc::clone(&shop));
        customers::fill_shelves(&system, plan.subjects);
        arrive(&system);
        tables = Some(system.stack.tables());
        Rc::clone(&system.stack)
    });
    let orders = shop.audit.orders();
    let (messages, repeated_messages) = shop.audit.messages();
    let shipped = tables.and_then(|mut tables| tables.remove(ORDERS)).map_or(0, |table| shipped(&orders, &table));
    Report { run, orders: orders.len() as u64, shipped, messages, repeated_messages }
}
