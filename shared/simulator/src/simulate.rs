//! Simulation of one plan: events come in, everything goes wrong, and in the end all must be well.

use std::rc::Rc;

use crate::at_rest;
use crate::guarantees::Violation;
use crate::observer::Observer;
use crate::operator::Which;
use crate::plan::Plan;
use crate::report::Report;
use crate::run::Run;
use crate::stack::Stack;
use crate::trace::Trace;

/// Number of steps that a run may take for each subject before it counts as one that never ends.
const MAX_STEPS_OF_A_SUBJECT: u64 = 60_000;

/// Number of times that an operator sends dead letters back before they give up.
const MAX_REDRIVES: u32 = 6;

/// Number of times that they send all of them back in the first minutes, whatever the letters say.
const MAX_HASTY_REDRIVES: u32 = 3;

/// Longest pauses before letters are sent back, in days, one of them at random.
const REDRIVE_DAYS: [u64; 4] = [0, 0, 1, 4];

/// Runs a plan: `start` puts a stack together and starts whoever sends it something; then everything comes to rest, and
/// the guarantees of the toolkit and the observer's invariants are checked.
pub fn simulate(
    plan: &Plan,
    trace: Trace,
    observer: Rc<dyn Observer>,
    start: impl FnOnce(&Rc<Run>) -> Rc<Stack>,
) -> Report {
    let run = Run::new(plan.seed, plan.faults(), plan.without, trace, observer);
    let begin = run.executor.now();
    let stack = start(&run);
    settle(&stack, plan.subjects);
    let calls = run.faults.calls();
    if !run.is_violated() {
        run.check(at_rest::check(&stack));
    }
    let report = Report {
        deliveries: run.tally.deliveries.get(),
        retries: run.tally.retries.get(),
        letters: run.tally.letters.get(),
        redrives: run.tally.redrives.get(),
        poisoned: stack.topics().iter().map(|topic| topic.poisoned()).sum(),
        faults: run.faults.counts(),
        happened: run.faults.happened(),
        calls,
        steps: run.executor.steps(),
        delivered: run.tally.delivered.borrow().clone(),
        observed: run.tally.observed.borrow().clone(),
        passed: begin.until(run.executor.now()),
        violation: run.violation(),
        trace: run.trace.diagram(),
    };
    run.executor.clear();
    report
}

/// Lets everything come to rest, with an operator who sends letters back: at once, while everything is under way; and when
/// all else is quiet.
fn settle(stack: &Rc<Stack>, subjects: u64) {
    let run = &stack.run;
    let limit = subjects.max(10) * MAX_STEPS_OF_A_SUBJECT;
    let hasty = Rc::clone(stack);
    run.spawn(async move {
        for _ in 0..MAX_HASTY_REDRIVES {
            hasty.run.sleep_ms(hasty.run.faults.below(200_000)).await;
            Rc::clone(hasty.operator()).redrive(hasty.services(), 0, Which::All);
        }
    });
    for round in 0..=MAX_REDRIVES {
        run.executor.run(|| run.is_violated() || run.executor.steps() > limit);
        if run.executor.steps() > limit {
            run.check(Err(Violation::new(format!("no end after {limit} steps"))));
        }
        // At the last round all has been tried: a letter that is left stays one.
        if run.is_violated() || round == MAX_REDRIVES {
            return;
        }
        // The first time while things still go wrong, and then in peace.
        if round > 0 {
            run.faults.end();
            run.disarm();
        }
        let days = run.faults.pick(&REDRIVE_DAYS);
        let sent = Rc::clone(stack.operator()).redrive(stack.services(), days * 86_400_000, Which::Curable);
        if sent == 0 && run.faults.are_over() {
            return;
        }
    }
}
