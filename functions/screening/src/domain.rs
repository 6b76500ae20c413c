//! Screening of a new order: it is looked at once, and the verdict stands.
//!
//! ```text
//!             OrderCreated                 how many were seen
//!   unknown ──────────────► (put down, count) ──────────────► screened, and OrderFlagged where it is suspicious
//! ```
//!
//! To put an order down among those seen has no intent before it: it is done under the order's own id, and so as often
//! as one likes. Whoever ordered is sealed, and opened by the effect, which tells of them no more than the rules ask for; what
//! nobody can open any more has no points. Every order leaves a row, also one that is not suspicious: else a duplicate of it would be judged again,
//! by orders that came later.

use onewrite::{Decider, Decision, Step, consumes};
use orderflow_events::{
    Event, EventType, OrderCreated, OrderFlagged, OrderId, Payload, PersonalData, SCREENING, Score, Source, Text, Time,
};
use serde::{Deserialize, Serialize};

use crate::rules::{Seen, assess};

/// The screening service.
#[derive(Clone, Copy, Debug)]
pub enum Screening {}

consumes!(
    /// Events that screening looks at.
    pub enum Heard in Payload { OrderCreated }
);

/// State of an order: what is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nobody has said anything about it yet.
    #[default]
    Unknown,
    /// It was looked at.
    Screened,
}

/// Change of an order in screening. None of it has a personal datum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It was not suspicious enough.
    Passed {
        /// Score of the order.
        score: Score,
    },
    /// It was suspicious.
    Flagged {
        /// Score of the order.
        score: Score,
    },
}

/// Put this order down among those seen, and count those around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The order.
    pub order: OrderId,
    /// Time at which it was created, by its event.
    pub at: Time,
    /// The customer.
    pub customer: Text,
    /// Person who ordered.
    pub personal: PersonalData,
}

impl Sighting {
    fn of(event: &onewrite::Event<Heard>, created: &OrderCreated) -> Self {
        Self {
            order: created.order_id.clone(),
            at: event.context.time,
            customer: created.details.customer.id.clone(),
            personal: created.details.personal.clone(),
        }
    }
}

type Next = Step<Change, Sighting, Payload>;

impl Decider for Screening {
    const SOURCE: Source = SCREENING;
    const BEGINS: Option<&'static str> = Some(EventType::OrderCreated.as_str());
    type Heard = Heard;
    type State = State;
    type Change = Change;
    type Effect = Sighting;
    type Reply = Seen;

    fn evolve(_: State, change: Change) -> State {
        match change {
            Change::Passed { .. } | Change::Flagged { .. } => State::Screened,
        }
    }

    fn decide(state: &State, event: &onewrite::Event<Heard>, seen: Option<&Seen>) -> Decision<Self> {
        let Heard::OrderCreated(created) = &event.data;
        Ok(match (state, seen) {
            (State::Unknown, None) => Step::Perform(Sighting::of(event, created)),
            (State::Unknown, Some(seen)) => judge(created, *seen),
            (State::Screened, _) => Step::Nothing,
        })
    }

    fn change_from(event: &Event) -> Option<Change> {
        match &event.data {
            Payload::OrderFlagged(flagged) => Some(Change::Flagged { score: flagged.score }),
            _ => None,
        }
    }
}

fn judge(created: &OrderCreated, seen: Seen) -> Next {
    let assessment = assess(created, seen);
    if !assessment.is_suspicious() {
        return Step::record(Change::Passed { score: assessment.score });
    }
    let order_id = created.order_id.clone();
    Step::publish(OrderFlagged { order_id, score: assessment.score, reasons: assessment.reasons })
}

#[cfg(test)]
mod tests;
