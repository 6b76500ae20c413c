//! Screening of a new order: it is looked at once, and the verdict stands.
//!
//! ```text
//!             OrderCreated                 how many were seen
//!   unknown ──────────────► (put down, count) ──────────────► screened, and OrderFlagged where it is suspicious
//!                                   │                            │ a person's word
//!                                   │ not suspicious, and        ▼
//!                                   └──────────────────────► cleared, and OrderCleared
//!                                     flagged orders are held
//! ```
//!
//! A person's word counts for any order that was looked at and is not cleared, whatever the rule is by now: what was judged under
//! another rule may wait for it.
//!
//! To put an order down among those seen has no intent before it: it is done under the order's own id, and so as often
//! as one likes. Whoever ordered is sealed, and opened by the effect, which tells of them no more than the rules ask for; what
//! nobody can open any more has no points. Every order leaves a row, also one that is not suspicious: else a duplicate of it would be judged again,
//! by orders that came later.

use onewrite::{Decider, Decision, Step, consumes};
use orderflow_events::{
    ClearedBy, Event, EventType, HoldFlagged, OrderCleared, OrderCreated, OrderFlagged, OrderId, Payload, PersonalData,
    SCREENING, Score, Source, Text, Time,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nobody has said anything about it yet.
    #[default]
    Unknown,
    /// It was looked at, and nobody has cleared it.
    Screened {
        /// The id of the first event of the order's flow; none where the order was not flagged, so that nobody waits for a word.
        correlation_id: Option<Text>,
    },
    /// It may be shipped, as far as fraud goes.
    Cleared,
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
        /// The id of the first event of the order's flow.
        correlation_id: Text,
    },
    /// It was not suspicious enough, and others wait for that word.
    Cleared {
        /// Score of the order.
        score: Score,
    },
    /// A person has cleared it.
    ClearedByPerson {
        /// The reason that they gave.
        why: Text,
    },
}

/// Findings about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Findings {
    /// Orders around it.
    pub seen: Seen,
    /// Rule of the stack.
    pub rule: HoldFlagged,
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
    type Reply = Findings;

    fn evolve(_: State, change: Change) -> State {
        match change {
            Change::Passed { .. } => State::Screened { correlation_id: None },
            Change::Flagged { correlation_id, .. } => State::Screened { correlation_id: Some(correlation_id) },
            Change::Cleared { .. } | Change::ClearedByPerson { .. } => State::Cleared,
        }
    }

    fn decide(state: &State, event: &onewrite::Event<Heard>, findings: Option<&Findings>) -> Decision<Self> {
        let Heard::OrderCreated(created) = &event.data;
        Ok(match (state, findings) {
            (State::Unknown, None) => Step::Perform(Sighting::of(event, created)),
            (State::Unknown, Some(findings)) => judge(created, *findings),
            (State::Screened { .. } | State::Cleared, _) => Step::Nothing,
        })
    }

    fn change_from(event: &Event) -> Option<Change> {
        match &event.data {
            Payload::OrderFlagged(flagged) => {
                Some(Change::Flagged { score: flagged.score, correlation_id: event.context.correlation() })
            }
            _ => None,
        }
    }
}

fn judge(created: &OrderCreated, Findings { seen, rule }: Findings) -> Next {
    let assessment = assess(created, seen);
    let (order_id, score) = (created.order_id.clone(), assessment.score);
    match (assessment.is_suspicious(), rule) {
        (true, rule) => {
            let held = rule == HoldFlagged::Yes;
            Step::publish(OrderFlagged { order_id, score, reasons: assessment.reasons, held })
        }
        (false, HoldFlagged::Yes) => {
            Step::record(Change::Cleared { score }).publishing(OrderCleared { order_id, by: ClearedBy::Screening })
        }
        (false, HoldFlagged::No) => Step::record(Change::Passed { score }),
    }
}

impl State {
    /// The id of the first event of the flow of an order that a word is awaited about.
    pub(crate) const fn correlation_id(&self) -> Option<&Text> {
        match self {
            Self::Screened { correlation_id } => correlation_id.as_ref(),
            Self::Unknown | Self::Cleared => None,
        }
    }
}

/// Next step when a person says, for that reason, that an order may be shipped. It is nothing for an order that is cleared.
///
/// # Errors
///
/// Nobody has looked at the order yet: there may be none.
pub(crate) fn clear(state: &State, order: &OrderId, why: Text) -> Result<Next, NotScreened> {
    match state {
        State::Unknown => Err(NotScreened),
        State::Screened { .. } => Ok(Step::record(Change::ClearedByPerson { why })
            .publishing(OrderCleared { order_id: order.clone(), by: ClearedBy::Person })),
        State::Cleared => Ok(Step::Nothing),
    }
}

/// Refusal to clear an order that nobody has looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotScreened;

#[cfg(test)]
mod tests;
