//! From a run that breaks to the shortest one that still does.

use crate::audit::Violation;
use crate::episode::{Plan, run, tell};

/// A run that breaks, made as short as it could be.
pub struct Shrunk {
    /// The shortest run that was found.
    pub plan: Plan,
    /// What breaks in it.
    pub violation: Violation,
    /// The story of the order that shows it.
    pub story: String,
}

/// The most orders that are tried one by one.
const FEW: u64 = 12;

/// Looks for the shortest run that still breaks: fewer orders, then fewer kinds of faults, and of what is left the
/// shortest beginning. Up to the last of its faults a run with a budget is the same as one without.
#[must_use]
pub fn shrink(plan: &Plan) -> Option<Shrunk> {
    let mut search = Search { violation: run(plan).violation?, best: *plan };
    while search.best.orders > 1 && search.takes(Plan { orders: search.best.orders / 2, ..search.best }) {}
    for orders in 1..search.best.orders.min(FEW) {
        if search.takes(Plan { orders, ..search.best }) {
            break;
        }
    }
    for kind in plan.kinds.iter() {
        search.takes(Plan { kinds: search.best.kinds.without(kind), ..search.best });
    }
    let (mut fewest, mut enough) = (0, run(&search.best).happened.min(search.best.budget));
    while fewest < enough {
        let middle = fewest + (enough - fewest) / 2;
        if search.takes(Plan { budget: middle, ..search.best }) {
            enough = middle;
        } else {
            fewest = middle + 1;
        }
    }
    let Search { best, violation } = search;
    let story = tell(&best, violation.order.as_ref()).story;
    Some(Shrunk { plan: best, violation, story })
}

struct Search {
    best: Plan,
    violation: Violation,
}

impl Search {
    /// Takes a shorter run for the best if it breaks too, and answers whether it does.
    fn takes(&mut self, candidate: Plan) -> bool {
        let Some(violation) = run(&candidate).violation else { return false };
        (self.best, self.violation) = (candidate, violation);
        true
    }
}
