//! Simulated companies: the memory of an API that is not there, as honest about repeated requests as real ones are.
//!
//! For [`KEY_LIFETIME`] a repetition gets the first answer; after that it is a new request. An effect is found for ever,
//! and so is a cancellation. A simulation of a company adds what it makes of which request, and its failures.

#[cfg(feature = "aws")]
mod dynamo;
mod memory;
mod register;

use std::time::Duration;

use envelope::Time;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Settled;
use crate::failure::{Failure, Result};
use crate::port::Clock;

#[cfg(feature = "aws")]
pub use dynamo::DynamoRegister;
pub use memory::MemoryRegister;
pub use register::{Entry, Performed, Register};

/// Time for which a repeated request is recognised: Stripe forgets its idempotency keys after 24 hours.
pub const KEY_LIFETIME: Duration = Duration::from_hours(24);

/// Idempotency of a simulated company, on its register.
#[derive(Clone, Debug)]
pub struct Simulated<G, C> {
    register: G,
    clock: C,
}

impl<G: Register, C: Clock> Simulated<G, C> {
    /// A company with this register, and this clock to forget by.
    pub fn new(register: G, clock: C) -> Self {
        Self { register, clock }
    }

    /// Tells that this attempt is one of the first so many, which fail.
    ///
    /// # Errors
    ///
    /// Those of the register.
    pub async fn fails(&self, id: &str, first_attempts: u32) -> Result<bool> {
        Ok(first_attempts > 0 && self.register.count_attempt(id).await? <= first_attempts)
    }

    /// Everything that was performed under `id`, the last one last.
    ///
    /// # Errors
    ///
    /// Those of the register.
    pub async fn history<A: DeserializeOwned>(&self, id: &str) -> Result<Vec<A>> {
        self.register.entry(id).await?.performed.iter().map(Performed::answer).collect()
    }

    /// Result of the request under `id`; `None` if it never arrived.
    ///
    /// # Errors
    ///
    /// Those of the register.
    pub async fn find<A: DeserializeOwned>(&self, id: &str) -> Result<Option<Settled<A>>> {
        let entry = self.register.entry(id).await?;
        match entry.performed.last() {
            Some(performed) => Ok(Some(Settled::Performed(performed.answer()?))),
            None => Ok(entry.cancelled.then_some(Settled::Cancelled)),
        }
    }

    /// Performs a request with this answer, unless it is recognised, or was cancelled. Once it is forgotten it is
    /// performed again.
    ///
    /// # Errors
    ///
    /// Those of the register.
    pub async fn perform<A: Serialize + DeserializeOwned>(&self, id: &str, answer: A) -> Result<Settled<A>> {
        let now = self.clock.now();
        if self.register.perform(id, &performed(&answer, now)?, forgotten(now)).await? {
            return Ok(Settled::Performed(answer));
        }
        self.settled(id).await
    }

    /// Performs a request with this answer, unless that was done before. A repetition has the first answer for as long
    /// as it is recognised, and after that none: what cannot be done twice, such as to give back all of the money, is
    /// refused then.
    ///
    /// # Errors
    ///
    /// Those of the register.
    pub async fn perform_for_good<A: Serialize + DeserializeOwned>(&self, id: &str, answer: A) -> Result<Option<A>> {
        // Nothing was performed before 1970, so that nothing is forgotten.
        let (now, never) = (self.clock.now(), Time::from_millis(0));
        if self.register.perform(id, &performed(&answer, now)?, never).await? {
            return Ok(Some(answer));
        }
        let entry = self.register.entry(id).await?;
        let recognised = entry.performed.last().filter(|first| first.at > forgotten(now));
        recognised.map(Performed::answer).transpose()
    }

    /// Cancels the request under `id`, unless it was performed before.
    ///
    /// # Errors
    ///
    /// Those of the register.
    pub async fn cancel<A: DeserializeOwned>(&self, id: &str) -> Result<Settled<A>> {
        self.register.cancel(id).await?;
        self.settled(id).await
    }

    async fn settled<A: DeserializeOwned>(&self, id: &str) -> Result<Settled<A>> {
        self.find(id).await?.ok_or_else(|| Failure::transient(format!("the register has lost {id}")))
    }
}

fn performed(answer: &impl Serialize, at: Time) -> Result<Performed> {
    let answer = serde_json::to_string(answer);
    let answer = answer.map_err(|_| Failure::permanent("an answer cannot be put on record"))?;
    Ok(Performed { answer, at })
}

/// The moment up to which requests are forgotten by `now`.
fn forgotten(now: Time) -> Time {
    let lifetime = i64::try_from(KEY_LIFETIME.as_millis()).unwrap_or(i64::MAX);
    Time::from_millis(now.as_millis().saturating_sub(lifetime))
}
