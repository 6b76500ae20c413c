//! Handling one event: from the ledger through the decider, and where it asks for it the world outside, to the ledger.

use std::marker::PhantomData;

use orderflow_contracts::Event;

use crate::batch::{Delivery, Handle, Handled};
use crate::decider::{Decider, Effects, NoEffects, Standing, Step};
use crate::failure::{Failure, Outcome};
use crate::ledger::{Committed, Ledger, Origin};
use crate::port::{Chance, Clock, Log};

/// How many steps one event may take. The longest way that a service knows has six: intent, charge, outcome, intent,
/// refund, outcome. What takes more is losing races, and is better tried again later.
const MAX_STEPS: u32 = 24;

/// A service at work: the decider `D`, its ledger and its hands.
pub struct Process<D, L, W, E = NoEffects> {
    ledger: Ledger<L, W>,
    effects: E,
    decider: PhantomData<D>,
}

impl<D: Decider, L: Log, W: Clock + Chance, E: Effects<D>> Process<D, L, W, E> {
    /// A service on its ledger, with its hands.
    pub fn new(ledger: Ledger<L, W>, effects: E) -> Self {
        Self { ledger, effects, decider: PhantomData }
    }
}

impl<D: Decider, L: Log, W: Clock + Chance, E: Effects<D>> Handle for Process<D, L, W, E> {
    type Fact = Event;

    fn consumes(&self, event: &Event) -> bool {
        D::CONSUMES.contains(&event.kind())
    }

    async fn warm(&self) {
        self.ledger.warm().await;
    }

    async fn handle(&self, event: &Event, delivery: &Delivery<'_>) -> Outcome<Handled> {
        let origin = Origin::from(event);
        let mut history = self.ledger.load::<D>(&event.context.subject).await?;
        // What the world outside answered must not be forgotten, whoever else is at work on the order. What the
        // counters answered holds only as long as nobody is.
        let (mut performed, mut refused) = (None, None);
        let mut standing = Standing::Found;
        for _ in 0..MAX_STEPS {
            if performed.is_none() && history.has_handled(event) {
                return Ok(Handled::Duplicate);
            }
            if history.is_created_otherwise(event) {
                return Err(Failure::permanent("the order was created by another OrderCreated"));
            }
            match D::decide(&history.state, event, performed.as_ref().or(refused.as_ref()))? {
                Step::Nothing if performed.is_some() => return Ok(Handled::Performed),
                Step::Nothing => return Ok(Handled::Unchanged),
                Step::Perform(effect) => {
                    performed = Some(self.effects.perform(effect, standing, delivery).await?);
                    standing = Standing::Found;
                }
                Step::Commit(commit) => {
                    let open = commit.open;
                    match self.ledger.commit(&mut history, &origin, commit).await? {
                        Committed::Done(_) if !open => return Ok(Handled::Changed),
                        Committed::Done(_) => {
                            (performed, refused, standing) = (None, None, Standing::JustIntended);
                        }
                        Committed::LostRace => {
                            history = self.ledger.load(&event.context.subject).await?;
                            (refused, standing) = (None, Standing::Found);
                        }
                        Committed::Short(shortfalls) => {
                            refused = Some(D::refused(&shortfalls).ok_or_else(|| {
                                Failure::permanent(format!("counters are too small: {shortfalls:?}"))
                            })?);
                        }
                    }
                }
            }
        }
        Err(Failure::transient(format!(
            "not settled after {MAX_STEPS} steps: too many others are at work on the order"
        )))
    }
}

#[cfg(test)]
mod tests;
