//! Search for a run that breaks an invariant, and for the shortest one that still does.

use std::fmt;

use crate::guarantees::Violation;
use crate::plan::Plan;
use crate::report::Report;
use crate::trace::Trace;

/// Number of subjects up to which each number is tried.
const FEW: u64 = 12;

/// Run that breaks an invariant, made as short as it could be.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// Plan of the shortest run that was found.
    pub plan: Plan,
    /// Invariant that breaks in it.
    pub violation: Violation,
    /// Trace of the subject that shows it.
    pub trace: String,
}

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\n{}\n{:?}", self.violation.what, self.trace, self.plan)
    }
}

/// Runs so many plans, each with the next seed, and answers the sum of their reports; or the first that breaks an
/// invariant, as short as it could be made.
///
/// # Errors
///
/// A run that breaks an invariant.
pub fn search(plan: &Plan, runs: u64, simulate: impl Fn(&Plan, Trace) -> Report) -> Result<Report, Box<Shrunk>> {
    let mut total = Report::default();
    for seed in plan.seed..plan.seed + runs {
        let plan = Plan { seed, ..*plan };
        let report = simulate(&plan, Trace::default());
        if let Some(violation) = report.violation {
            return Err(Box::new(shrink(&plan, violation, &simulate)));
        }
        total.add(&report);
    }
    Ok(total)
}

/// Looks for the shortest run that still breaks as a plan does: fewer subjects, then fewer kinds of faults, and of what is
/// left the shortest beginning. Up to the last of its faults a run with a budget is the same as one without.
pub fn shrink(plan: &Plan, violation: Violation, simulate: impl Fn(&Plan, Trace) -> Report) -> Shrunk {
    let run = |plan: &Plan| simulate(plan, Trace::default());
    let mut search = Search { violation, best: *plan };
    while search.best.subjects > 1 && search.takes(&run, Plan { subjects: search.best.subjects / 2, ..search.best }) {}
    for subjects in 1..search.best.subjects.min(FEW) {
        if search.takes(&run, Plan { subjects, ..search.best }) {
            break;
        }
    }
    for kind in plan.kinds.iter() {
        search.takes(&run, Plan { kinds: search.best.kinds.without(kind), ..search.best });
    }
    let (mut fewest, mut enough) = (0, run(&search.best).happened.min(search.best.budget));
    while fewest < enough {
        let middle = fewest + (enough - fewest) / 2;
        if search.takes(&run, Plan { budget: middle, ..search.best }) {
            enough = middle;
        } else {
            fewest = middle + 1;
        }
    }
    let Search { best, violation } = search;
    let trace = violation.subject.as_deref().map_or_else(Trace::of_none, Trace::of);
    let trace = simulate(&best, trace).trace;
    Shrunk { plan: best, violation, trace }
}

struct Search {
    best: Plan,
    violation: Violation,
}

impl Search {
    /// Takes a shorter run for the best if it breaks too, and answers whether it does.
    fn takes(&mut self, run: &impl Fn(&Plan) -> Report, candidate: Plan) -> bool {
        let Some(violation) = run(&candidate).violation else { return false };
        (self.best, self.violation) = (candidate, violation);
        true
    }
}
