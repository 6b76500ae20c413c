//! Handling of one event: from the ledger through the decider, and the effects that it asks for, back to the ledger.

use std::marker::PhantomData;
use std::time::Duration;

use envelope::{Event, Heard, Subject, Time};

use crate::breaker::CircuitBreaker;
use crate::decider::{Attempt, ContractOf, Decider, Effects, NoEffects, Rejection, Step};
use crate::failure::{Failure, Result};
use crate::handle::{Delivery, Handle, Handled};
use crate::inspect::{Discrepancy, Outlook};
use crate::ledger::{Committed, Ledger, Origin};
use crate::port::{Clock, Log, Random};

/// Most steps that one event may take. A long way has six: intent, effect, outcome, and once more for its compensation. What
/// takes more is losing races, and is better tried again later.
const MAX_STEPS: u32 = 24;

/// A service at work: the decider `D`, its ledger and its effects.
pub struct Process<D, L, W, E = NoEffects> {
    ledger: Ledger<L, W>,
    effects: E,
    breaker: CircuitBreaker,
    decider: PhantomData<D>,
}

impl<D: Decider, L: Log, W: Clock + Random, E: Effects<D>> Process<D, L, W, E> {
    /// A service on its ledger, with its effects.
    pub fn new(ledger: Ledger<L, W>, effects: E) -> Self {
        Self { ledger, effects, breaker: CircuitBreaker::default(), decider: PhantomData }
    }
}

impl<D: Decider, L: Log, W: Clock + Random, E: Effects<D>> Handle for Process<D, L, W, E> {
    type Incoming = Event<ContractOf<D>>;

    fn consumes(&self, event: &Self::Incoming) -> bool {
        <D::Heard as Heard>::TYPES.contains(&event.event_type())
    }

    async fn warm(&self) {
        self.ledger.warm().await;
    }

    async fn handle(&self, event: &Self::Incoming, delivery: &Delivery<'_>) -> Result<Handled> {
        let Some(heard) = event.heard::<D::Heard>() else { return Ok(Handled::Ignored) };
        let origin = Origin { extensions: D::extensions(&heard), ..Origin::from(event) };
        let mut history = self.ledger.load::<D>(&event.context.subject).await?;
        // The answer of the world outside must not be forgotten, whoever else is at work on the subject. That of the
        // counters holds only as long as nobody is.
        let (mut performed, mut refused) = (None, None);
        let mut attempt = Attempt::Retry;
        for _ in 0..MAX_STEPS {
            if performed.is_none() && history.has_handled(event) {
                return Ok(Handled::Duplicate);
            }
            if history.is_begun_otherwise(event) {
                let event_type = event.event_type();
                return Err(Failure::permanent(format!("the subject was begun by another {event_type}")));
            }
            match D::decide(&history.state, &heard, performed.as_ref().or(refused.as_ref()))? {
                Step::Nothing if performed.is_some() => return Ok(Handled::Performed),
                Step::Nothing => return Ok(Handled::Unchanged),
                Step::Perform(effect) => {
                    let asks_neighbour = self.effects.asks_neighbour(&effect);
                    let effect = self.effects.perform(effect, attempt, delivery);
                    let (world, subject) = (self.ledger.world(), &event.context.subject);
                    performed = Some(if asks_neighbour {
                        self.breaker.call(world, subject, effect).await?
                    } else {
                        effect.await?
                    });
                    attempt = Attempt::Retry;
                }
                Step::Commit(commit) => {
                    let unfinished = commit.unfinished;
                    match self.ledger.commit(&mut history, &origin, commit).await? {
                        Committed::Done(_) if !unfinished => return Ok(Handled::Changed),
                        Committed::Done(_) => {
                            (performed, refused, attempt) = (None, None, Attempt::First);
                        }
                        Committed::LostRace => {
                            history = self.ledger.load(&event.context.subject).await?;
                            (refused, attempt) = (None, Attempt::Retry);
                        }
                        Committed::Short(insufficient) => {
                            refused = Some(D::on_insufficient(&insufficient).ok_or_else(|| {
                                Failure::permanent(format!("counters are too small: {insufficient:?}"))
                            })?);
                        }
                    }
                }
            }
        }
        Err(Failure::transient(format!(
            "not settled after {MAX_STEPS} steps: too many others are at work on the subject"
        )))
    }

    async fn outlook(&self, event: &Self::Incoming) -> Result<Outlook> {
        let Some(heard) = event.heard::<D::Heard>() else { return Ok(Outlook::Nothing) };
        let history = self.ledger.load::<D>(&event.context.subject).await?;
        if let Some(row) = history.row_of(event) {
            return Ok(Outlook::Handled { row: Some(row) });
        }
        if history.is_begun_otherwise(event) {
            let event_type = event.event_type();
            return Ok(Outlook::Refused { reason: format!("the subject was begun by another {event_type}") });
        }
        Ok(match D::decide(&history.state, &heard, None) {
            Ok(Step::Nothing) => Outlook::Nothing,
            Ok(Step::Perform(effect)) if self.effects.is_performed(&effect).await? => Outlook::Nothing,
            Ok(Step::Commit(_) | Step::Perform(_)) => Outlook::Due,
            Err(Rejection::TooEarly(reason)) => Outlook::Early { reason: reason.to_owned() },
            Err(Rejection::Forbidden(reason)) => Outlook::Refused { reason },
        })
    }

    async fn audit(&self, subject: &Subject, quiet_since: Time) -> Result<Vec<Discrepancy>> {
        let history = self.ledger.load::<D>(subject).await?;
        match history.changed_at() {
            Some(changed_at) if changed_at <= quiet_since => self.effects.audit(&history.state).await,
            Some(_) | None => Ok(Vec::new()),
        }
    }

    fn outage(&self) -> Option<Duration> {
        self.breaker.outage(self.ledger.world())
    }
}

#[cfg(test)]
mod tests;
