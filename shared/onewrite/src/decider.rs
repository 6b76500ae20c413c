//! What a service is: a pure function from what happened and an event to what happens next.

use std::convert::Infallible;

use orderflow_events::{Event, EventType, Payload, Source};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::{Failure, FailureKind, Result};

/// The pure heart of a service. It does no IO and has no clock and no chance, so that it can be tested as a table.
pub trait Decider {
    /// The `source` of the events that the service publishes.
    const SOURCE: Source;
    /// The types that the service has a use for: the same list as its subscription's filter policy.
    const CONSUMES: &'static [EventType];
    /// What the service knows of an order. The default is an order that it has not heard of.
    type State: Default;
    /// What can happen to an order here.
    type Change: Clone + PartialEq + Serialize + DeserializeOwned;
    /// What the service may ask of the world outside; [`Infallible`] where it asks nothing.
    type Effect;
    /// What the world outside may answer.
    type Reply;

    /// The state after `change`. It has no opinion: all rules are in [`Decider::decide`].
    fn evolve(state: Self::State, change: Self::Change) -> Self::State;

    /// What to do about `event`. After an effect was performed for it, `outcome` has the answer, and may not be
    /// forgotten, whatever has become of the order meanwhile.
    ///
    /// # Errors
    ///
    /// The event cannot be handled now, or ever.
    fn decide(
        state: &Self::State,
        event: &Event,
        outcome: Option<&Self::Reply>,
    ) -> Result<Step<Self::Change, Self::Effect>, Rejection>;

    /// The change that a published event tells, if it tells one as it stands: then the row need not store it twice.
    #[must_use]
    fn change_from(event: &Event) -> Option<Self::Change> {
        let _ = event;
        None
    }

    /// The state after the service itself has published `event`, where its id or its time matter here: they are given
    /// to an event when it is committed, and so no change can have them.
    #[must_use]
    fn evolve_published(state: Self::State, event: &Event) -> Self::State {
        let _ = event;
        state
    }

    /// The outcome that it means when updates were refused. `None`, as here, for services that adjust nothing.
    #[must_use]
    fn on_insufficient(insufficient: &[InsufficientCounter]) -> Option<Self::Reply> {
        let _ = insufficient;
        None
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<C, E> {
    /// Nothing changes, nothing is written, and the event is handled.
    Nothing,
    /// Something happened.
    Commit(Commit<C>),
    /// Ask the world outside; decide again with its answer.
    Perform(E),
}

impl<C, E> Step<C, E> {
    /// Something happened, and with it the event is handled.
    #[must_use]
    pub fn record(change: C) -> Self {
        Self::Commit(Commit { change: Some(change), events: Vec::new(), updates: Vec::new(), open: false })
    }

    /// Something happened, and there is more to do for the event: decide again once it is on record.
    #[must_use]
    pub fn record_intent(change: C) -> Self {
        Self::Commit(Commit { change: Some(change), events: Vec::new(), updates: Vec::new(), open: true })
    }

    /// What this event tells happened (see [`Decider::change_from`]), and with it the event at hand is handled.
    #[must_use]
    pub fn publish(payload: impl Into<Payload>) -> Self {
        Self::Commit(Commit::publish(payload))
    }

    /// And this is published.
    #[must_use]
    pub fn publishing(mut self, payload: impl Into<Payload>) -> Self {
        if let Self::Commit(commit) = &mut self {
            commit.events.push(payload.into());
        }
        self
    }

    /// And these counters change with it, or nothing does.
    #[must_use]
    pub fn updating(mut self, updates: impl IntoIterator<Item = CounterUpdate>) -> Self {
        if let Self::Commit(commit) = &mut self {
            commit.updates.extend(updates);
        }
        self
    }
}

/// What is to be written as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit<C> {
    /// What happened; `None` where the published event tells it (see [`Decider::change_from`]).
    pub change: Option<C>,
    /// What is published.
    pub events: Vec<Payload>,
    /// What else changes with it.
    pub updates: Vec<CounterUpdate>,
    /// Whether there is more to do for the event.
    pub open: bool,
}

impl<C> Commit<C> {
    /// What this event tells happened, and nothing else.
    #[must_use]
    pub fn publish(payload: impl Into<Payload>) -> Self {
        Self { change: None, events: vec![payload.into()], updates: Vec::new(), open: false }
    }
}

/// A change of the counters of one item that stands beside the rows, such as the stock of a SKU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterUpdate {
    /// The item's key.
    pub key: String,
    /// What is added to which counter.
    pub add: Vec<(&'static str, i64)>,
    /// The counter that must be at least so large before; a missing counter is 0.
    pub at_least: (&'static str, i64),
}

/// A counter that was too small for an [`CounterUpdate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsufficientCounter {
    /// The item's key.
    pub key: String,
    /// How much the update asked for.
    pub required: i64,
    /// How much there was.
    pub found: i64,
}

/// Why an event cannot be handled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Something must come first, and has not come yet.
    #[error("too early: {0}")]
    TooEarly(&'static str),
    /// A rule forbids it for ever.
    #[error("{0}")]
    Forbidden(String),
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        let kind = match &rejection {
            Rejection::TooEarly(_) => FailureKind::Transient,
            Rejection::Forbidden(_) => FailureKind::Permanent,
        };
        Self::new(kind, rejection.to_string())
    }
}

/// Whether an effect can have been attempted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// This attempt wrote the intent itself, a moment ago: nobody can have acted on it before.
    First,
    /// The intent was found on record, or there is none: somebody may have acted, so the world outside must be asked
    /// what became of it before anything else.
    Retry,
}

/// Effects of a service: performs what its decider asks of the world outside.
pub trait Effects<D: Decider> {
    /// Performs `effect` and answers what came of it. It may be performed again after any crash, so it has to make
    /// sure by itself that this does no harm.
    ///
    /// # Errors
    ///
    /// It is unknown what came of it, or it cannot be performed.
    async fn perform(&self, effect: D::Effect, attempt: Attempt, delivery: &crate::Delivery<'_>) -> Result<D::Reply>;
}

/// Effects of a service that has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEffects;

impl<D: Decider<Effect = Infallible>> Effects<D> for NoEffects {
    async fn perform(&self, effect: Infallible, _: Attempt, _: &crate::Delivery<'_>) -> Result<D::Reply> {
        match effect {}
    }
}
