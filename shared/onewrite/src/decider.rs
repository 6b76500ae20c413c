//! The `Decider` trait: a service as a pure state machine, from what happened and an event to what happens next.

use std::convert::Infallible;

use envelope::{Event, Extensions, Heard, Source};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::{Failure, FailureKind, Result};
use crate::handle::Delivery;
use crate::inspect::Discrepancy;

/// The events of the application that a decider belongs to.
pub type ContractOf<D> = <<D as Decider>::Heard as Heard>::Contract;

/// Result of deciding about an event: the next step, or a rejection.
pub type Decision<D> = Result<Step<<D as Decider>::Change, <D as Decider>::Effect, ContractOf<D>>, Rejection>;

/// Pure state machine of a service. It does no IO and has no clock and no randomness, so that it can be tested as a table.
pub trait Decider {
    /// The `source` of the events that the service publishes.
    const SOURCE: Source;
    /// Name of the type that begins a subject, if there is one: a second event of this type about a known subject, with
    /// another id, is refused for ever. It is read from rows, too, and so may be of a type that is not consumed.
    const BEGINS: Option<&'static str> = None;
    /// The events that the service takes: see [`consumes!`](envelope::consumes).
    type Heard: Heard;
    /// State of one subject. The default is a subject that the service has not heard of.
    type State: Default;
    /// Change of a subject's state: what a row records.
    type Change: Clone + PartialEq + Serialize + DeserializeOwned;
    /// Request to the world outside; [`Infallible`] where nothing is asked.
    type Effect;
    /// Reply of the world outside.
    type Reply;

    /// The state after `change`. It judges nothing: all rules are in [`Decider::decide`].
    fn evolve(state: Self::State, change: Self::Change) -> Self::State;

    /// The next step for `event`. After an effect was performed for it, `reply` has the answer, and may not be forgotten,
    /// whatever has become of the subject meanwhile.
    ///
    /// # Errors
    ///
    /// The event cannot be handled now, or ever.
    fn decide(state: &Self::State, event: &Event<Self::Heard>, reply: Option<&Self::Reply>) -> Decision<Self>
    where
        Self: Sized;

    /// The change that a published event tells, if it tells one as it stands: then the row need not store it twice.
    #[must_use]
    fn change_from(event: &Event<ContractOf<Self>>) -> Option<Self::Change>
    where
        Self: Sized,
    {
        let _ = event;
        None
    }

    /// The state after the service itself has published `event`, where its id or its time matter here: they are given
    /// to an event when it is committed, and so no change can have them.
    #[must_use]
    fn evolve_published(state: Self::State, event: &Event<ContractOf<Self>>) -> Self::State
    where
        Self: Sized,
    {
        let _ = event;
        state
    }

    /// Owner of the subject that the published `event` begins, such as the member who borrows a book: the first row has it, and an
    /// [index](crate::port::OwnedSubjects) finds the subject by it. Nobody, as here, for most services.
    #[must_use]
    fn owner(event: &Event<ContractOf<Self>>) -> Option<&str>
    where
        Self: Sized,
    {
        let _ = event;
        None
    }

    /// Extension attributes of the events that are published because of `event`. None, as here, for most services.
    #[must_use]
    fn extensions(event: &Event<Self::Heard>) -> Extensions
    where
        Self: Sized,
    {
        let _ = event;
        Extensions::new()
    }

    /// The subject has come to its end: nothing more has to happen. Never, as here, for services of whose subjects nobody
    /// [asks](crate::Sweep) which are open.
    #[must_use]
    fn is_over(state: &Self::State) -> bool {
        let _ = state;
        false
    }

    /// The reply that counters mean which were too small. `None`, as here, for services that have no counters.
    #[must_use]
    fn on_insufficient(insufficient: &[InsufficientCounter]) -> Option<Self::Reply> {
        let _ = insufficient;
        None
    }
}

/// Next step of a service for an event: `C` is its change, `E` its effect, and `P` the application's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<C, E, P> {
    /// Nothing changes, nothing is written, and the event is handled.
    Nothing,
    /// Something happened.
    Commit(Commit<C, P>),
    /// Ask the world outside; decide again with its answer.
    Perform(E),
}

impl<C, E, P> Step<C, E, P> {
    /// Something happened, and with it the event is handled.
    #[must_use]
    pub fn record(change: C) -> Self {
        Self::Commit(Commit { change: Some(change), events: Vec::new(), updates: Vec::new(), unfinished: false })
    }

    /// Something happened, and there is more to do for the event: decide again once it is on record.
    #[must_use]
    pub fn record_intent(change: C) -> Self {
        Self::Commit(Commit { change: Some(change), events: Vec::new(), updates: Vec::new(), unfinished: true })
    }

    /// Commits the change that this event tells (see [`Decider::change_from`]); with it the event at hand is handled.
    #[must_use]
    pub fn publish(payload: impl Into<P>) -> Self {
        Self::Commit(Commit::publish(payload))
    }

    /// And this is published.
    #[must_use]
    pub fn publishing(mut self, payload: impl Into<P>) -> Self {
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

/// Parts of one conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit<C, P> {
    /// The change; `None` where the published event tells it (see [`Decider::change_from`]).
    pub change: Option<C>,
    /// The events that are published.
    pub events: Vec<P>,
    /// The counters that change with it.
    pub updates: Vec<CounterUpdate>,
    /// More is to be done for the event, as after an intent: it is not handled yet.
    pub unfinished: bool,
}

impl<C, P> Commit<C, P> {
    /// Commit of the change that this event tells, and of nothing else.
    #[must_use]
    pub fn publish(payload: impl Into<P>) -> Self {
        Self { change: None, events: vec![payload.into()], updates: Vec::new(), unfinished: false }
    }
}

/// A change of the counters of one item that stands beside the rows, such as the copies of a book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterUpdate {
    /// The item's key.
    pub key: String,
    /// Counters, each with the amount that is added to it.
    pub add: Vec<(&'static str, i64)>,
    /// The counter that must be at least so large before; a missing counter is 0.
    pub at_least: (&'static str, i64),
}

impl CounterUpdate {
    /// Joins another update of the same item and of the same condition's counter: both are made at once.
    pub(crate) fn join(&mut self, other: &Self) {
        self.at_least.1 += other.at_least.1;
        for (counter, amount) in &other.add {
            match self.add.iter_mut().find(|(known, _)| known == counter) {
                Some((_, sum)) => *sum += amount,
                None => self.add.push((counter, *amount)),
            }
        }
    }
}

/// A counter that was too small for an [`CounterUpdate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsufficientCounter {
    /// The item's key.
    pub key: String,
    /// Amount that the update asked for.
    pub required: i64,
    /// Amount that there was.
    pub found: i64,
}

/// Reason why an event cannot be handled.
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

/// Attempt at an effect: the first, or one that may repeat another.
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
    async fn perform(&self, effect: D::Effect, attempt: Attempt, delivery: &Delivery<'_>) -> Result<D::Reply>;

    /// Tells that an effect asks the neighbour, so that one which is down is spared it, and its result says whether the neighbour
    /// is up. True, as here, for all that has nothing else to ask; false for what only looks at tables of the service's own.
    fn asks_neighbour(&self, effect: &D::Effect) -> bool {
        let _ = effect;
        true
    }

    /// Tells that an effect which leaves no row is done, such as a mail. False, as here, where every effect leaves one.
    ///
    /// # Errors
    ///
    /// The records of it cannot be read.
    async fn is_performed(&self, effect: &D::Effect) -> Result<bool> {
        let _ = effect;
        Ok(false)
    }

    /// Discrepancies between a state that was not touched for long and the world outside. None, as here, where it cannot
    /// be asked.
    ///
    /// # Errors
    ///
    /// The world outside does not answer.
    async fn audit(&self, state: &D::State) -> Result<Vec<Discrepancy>> {
        let _ = state;
        Ok(Vec::new())
    }
}

/// Effects of a service that has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEffects;

impl<D: Decider<Effect = Infallible>> Effects<D> for NoEffects {
    async fn perform(&self, effect: Infallible, _: Attempt, _: &Delivery<'_>) -> Result<D::Reply> {
        match effect {}
    }
}
