//! One run: orders come in, everything goes wrong, and in the end all must be well.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use onewrite::Attribute;
use orderflow_events::{OrderId, Time};

use crate::audit::Violation;
use crate::customers::{self, Script};
use crate::faults::{Faults, Kind, Kinds, Planned};
use crate::model::queue::{FifoQueue, Message};
use crate::quiet;
use crate::sabotage::Sabotage;
use crate::stack::{Line, Stack};
use crate::story::Story;
use crate::world::{World, count};

/// How many steps a run may take for each order before it counts as one that never ends.
const MAX_STEPS_OF_AN_ORDER: u64 = 60_000;

/// How often an operator sends the dead letters back before they give up.
const MAX_REDRIVES: u32 = 6;

/// How often they send all of them back in the first minutes, whatever the letters say.
const MAX_HASTY_REDRIVES: u32 = 3;

/// What is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The seed: two runs of one plan are the same.
    pub seed: u64,
    /// How many orders come in.
    pub orders: u64,
    /// Which kinds of faults there are.
    pub kinds: Kinds,
    /// How much more often than usual each of them happens; drawn where it is none.
    pub weather: Option<u32>,
    /// After so many faults all goes well.
    pub budget: u64,
    /// One fault at one call, instead of all others.
    pub planned: Option<Planned>,
    /// The safeguard that is taken away.
    pub sabotage: Option<Sabotage>,
    /// One order by a script, instead of all others.
    pub script: Option<Script>,
}

impl Plan {
    /// So many orders, with all faults.
    #[must_use]
    pub const fn new(seed: u64, orders: u64) -> Self {
        Self {
            seed,
            orders,
            kinds: Kinds::ALL,
            weather: None,
            budget: u64::MAX,
            planned: None,
            sabotage: None,
            script: None,
        }
    }

    /// One order by a script, and at most one fault.
    #[must_use]
    pub const fn scripted(script: Script, planned: Option<Planned>) -> Self {
        Self { kinds: Kinds::NONE, planned, script: Some(script), ..Self::new(0, 1) }
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The orders that there were in the end.
    pub orders: u64,
    /// Of these, the ones that were shipped.
    pub shipped: u64,
    /// Messages that were handed to functions.
    pub deliveries: u64,
    /// Deliveries that had to come again.
    pub retries: u64,
    /// Letters that were parked.
    pub letters: u64,
    /// Letters that were sent back.
    pub redrives: u64,
    /// Mails and short messages.
    pub messages: u64,
    /// Of these, those that were sent again after a crash.
    pub repeated_messages: u64,
    /// How often something went wrong, in the order of [`Kind::ALL`].
    pub faults: [u64; Kind::ALL.len()],
    /// How many faults there were.
    pub happened: u64,
    /// How many calls there were until all was quiet.
    pub calls: u64,
    /// How often any task went on.
    pub steps: u64,
    /// Which function was handed an event of which type.
    pub delivered: BTreeSet<(&'static str, String)>,
    /// How much time has passed in the run.
    pub passed: Duration,
    /// The invariant that did not hold.
    pub violation: Option<Violation>,
    /// The story of the order that was asked for.
    pub story: String,
}

impl Report {
    /// Adds the figures of another run, and keeps the first violation.
    pub fn add(&mut self, other: &Self) {
        for (total, more) in [
            (&mut self.orders, other.orders),
            (&mut self.shipped, other.shipped),
            (&mut self.deliveries, other.deliveries),
            (&mut self.retries, other.retries),
            (&mut self.letters, other.letters),
            (&mut self.redrives, other.redrives),
            (&mut self.messages, other.messages),
            (&mut self.repeated_messages, other.repeated_messages),
            (&mut self.happened, other.happened),
            (&mut self.calls, other.calls),
            (&mut self.steps, other.steps),
        ] {
            *total += more;
        }
        for (total, more) in self.faults.iter_mut().zip(other.faults) {
            *total += more;
        }
        self.delivered.extend(other.delivered.iter().cloned());
        self.passed += other.passed;
        if self.violation.is_none() {
            self.violation.clone_from(&other.violation);
        }
    }
}

/// Runs a plan.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    tell(plan, None)
}

/// Runs a plan, and tells the story of an order.
#[must_use]
pub fn tell(plan: &Plan, order: Option<&OrderId>) -> Report {
    let faults = Faults::new(plan.seed, plan.kinds, plan.weather, plan.budget).with(plan.planned);
    let story = order.map_or_else(Story::default, Story::about);
    let world = World::new(plan.seed, faults, plan.sabotage, story);
    let begin = world.executor.now();
    let stack = Stack::start(&world);
    customers::fill_shelves(&stack, plan.orders);
    match plan.script {
        Some(script) => customers::arrive_by(&stack, script),
        None => customers::arrive(&stack, plan.seed, plan.orders),
    }
    settle(&stack, plan);
    let calls = world.faults.calls();
    if !world.audit.is_violated() {
        quiet::check(&stack);
    }
    let report = Report { calls, ..report(&stack, begin) };
    world.executor.clear();
    report
}

/// Lets everything come to rest, with an operator who sends letters back: at once, while everything is under way; and when
/// all else is quiet.
fn settle(stack: &Rc<Stack>, plan: &Plan) {
    let world = &stack.world;
    let limit = plan.orders.max(10) * MAX_STEPS_OF_AN_ORDER;
    let hasty = Rc::clone(stack);
    world.spawn(async move {
        for _ in 0..MAX_HASTY_REDRIVES {
            hasty.world.sleep_ms(hasty.world.faults.below(200_000)).await;
            redrive(&hasty, 0, |_| true);
        }
    });
    for round in 0..=MAX_REDRIVES {
        world.executor.run(|| world.audit.is_violated() || world.executor.steps() > limit);
        if world.executor.steps() > limit {
            world.audit.violate(None, format!("no end after {limit} steps"));
        }
        if world.audit.is_violated() {
            return;
        }
        // The first time while things still go wrong, and then in peace.
        if round > 0 {
            world.faults.end();
            world.audit.disarm();
        }
        let days = [0, 0, 1, 4][usize::try_from(world.faults.below(4)).unwrap_or(0)];
        let sent = redrive(stack, days * 86_400_000, |letter| !is_permanent(letter));
        if sent == 0 && world.faults.are_over() {
            return;
        }
    }
}

/// Sends letters back, after so long. Answers how many there were.
fn redrive(stack: &Rc<Stack>, delay_ms: u64, which: fn(&Message) -> bool) -> usize {
    let send_back = |line: &Line| {
        [&line.dead_letters, &line.undeliverable].map(|letters| send_back(stack, line, letters, delay_ms, which))
    };
    stack.lines.iter().flat_map(send_back).sum()
}

fn send_back(stack: &Rc<Stack>, line: &Line, letters: &FifoQueue, delay_ms: u64, which: fn(&Message) -> bool) -> usize {
    let (sent, kept): (Vec<_>, Vec<_>) = letters.drain().into_iter().partition(which);
    for letter in kept {
        letters.keep(letter);
    }
    let number = sent.len();
    for letter in sent {
        let world = Rc::clone(&stack.world);
        count(&world.tally.redrives);
        world.story.tell_of(&letter.group, &stack.operator(), || format!("redrives a letter of {}", line.name));
        let (queue, from) = (Rc::clone(&line.queue), letters.name.clone());
        stack.world.spawn(async move {
            world.sleep_ms(delay_ms).await;
            let deduplication = format!("redriven {from} {} {}", letter.id, world.executor.millis());
            queue.send(&letter.group, letter.body, letter.attributes, &deduplication);
        });
    }
    number
}

/// Whether a letter says that it can never be handled.
#[must_use]
pub fn is_permanent(letter: &Message) -> bool {
    match letter.attributes.get("failure-class") {
        Some(Attribute::Text(_, class)) => class == "permanent",
        _ => false,
    }
}

fn report(stack: &Stack, begin: Time) -> Report {
    let world = &stack.world;
    let (messages, repeated_messages) = world.audit.messages();
    Report {
        orders: world.audit.orders().len() as u64,
        shipped: quiet::shipped(stack),
        deliveries: world.tally.deliveries.get(),
        retries: world.tally.retries.get(),
        letters: world.tally.letters.get(),
        redrives: world.tally.redrives.get(),
        messages,
        repeated_messages,
        faults: world.faults.counts(),
        happened: world.faults.happened(),
        calls: 0,
        steps: world.executor.steps(),
        delivered: world.tally.delivered.borrow().clone(),
        passed: begin.until(world.executor.now()),
        violation: world.audit.violation(),
        story: world.story.diagram(),
    }
}
