//! External effects: requests to somebody else's API, such as a charge, that can be asked for later by an id of ours.
//!
//! Such an API does its work once for a request that is repeated under one id, but only for a while: idempotency keys are
//! forgotten, at Stripe after 24 hours, and a message may come back much later. What it has done it can be asked for
//! ever. So the intent goes on record before the first request, and whoever finds an intent that is not their own asks
//! before they repeat anything:
//!
//! ```text
//!   intent on record ──► find ──► perform ──► reply on record
//!                         │          └─ a crash here: the next attempt finds it
//!                         └─ left out by the attempt that wrote the intent: there is nothing to find yet
//! ```
//!
//! Nobody can take back a request that is on its way. To give up what is intended is therefore to cancel it where it is
//! performed, before anything is recorded:
//!
//! ```text
//!   intent on record ──► cancel ──► reply on record: it never happens, or it had happened and is to be compensated
//!                          └─ from here on whoever still performs it is told that it is cancelled
//! ```
//!
//! A service implements [`Request`] for each of its requests, its adapter to the API implements [`External`] and, for
//! what can be given up, [`Cancel`]. Its effects are then a `match` on [`perform_once`] and [`cancel`]. `conformance`
//! is what an adapter has to keep, and [`simulated`] the memory of an API that is not there.

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
#[cfg(any(test, feature = "testing"))]
mod paced;
pub mod simulated;

use auto_impl::auto_impl;

use crate::decider::Attempt;
use crate::failure::Result;
use crate::telemetry::spans;

/// Request to an API outside, without the id that it is made under: the id is the idempotency key.
pub trait Request {
    /// Name of the effect in failures and in tests: a verb, such as `charge`.
    const NAME: &'static str;
    /// Id of ours that the request is made under, and the effect is known by.
    type Id;
    /// Answer of the API: also a refusal is one, if the service can go on from there. [`Settled`] for what can be
    /// cancelled.
    type Answer;
}

/// Port to an API that performs requests of one kind.
#[auto_impl(&)]
pub trait External<R: Request> {
    /// Finds the answer that the request under that id has had, however long ago; `None` if it never arrived.
    ///
    /// # Errors
    ///
    /// The API cannot be asked.
    async fn find(&self, id: &R::Id) -> Result<Option<R::Answer>>;

    /// Performs the request, or repeats its first answer while the id is recognised, or says that it was cancelled.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was performed, or the API will not perform it.
    async fn perform(&self, id: &R::Id, request: &R) -> Result<R::Answer>;
}

/// Port to an API whose requests can be given up.
#[auto_impl(&)]
pub trait Cancel<R: Request>: External<R> {
    /// Sees to it that nothing is performed under that id, by whatever request, however late it arrives. What was
    /// performed before stays, and is the answer. At Stripe this is to cancel an intent to charge.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was cancelled.
    async fn cancel(&self, id: &R::Id) -> Result<R::Answer>;
}

/// End of a request that could be cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled<A> {
    /// It was performed, with this answer.
    Performed(A),
    /// It was not performed, and never will be: it was cancelled first.
    Cancelled,
}

impl<A> Settled<A> {
    /// The same end with the answer in other words.
    pub fn map<B>(self, map: impl FnOnce(A) -> B) -> Settled<B> {
        match self {
            Self::Performed(answer) => Settled::Performed(map(answer)),
            Self::Cancelled => Settled::Cancelled,
        }
    }
}

/// Performs a request whose intent is on record, unless an earlier attempt has.
///
/// # Errors
///
/// It is unknown whether it was performed, or the API will not perform it.
pub async fn perform_once<R: Request>(
    port: &impl External<R>,
    id: &R::Id,
    request: &R,
    attempt: Attempt,
) -> Result<R::Answer> {
    let found = match attempt {
        Attempt::First => Ok(None),
        Attempt::Retry => traced::<R, _>("find", port.find(id)).await,
    };
    let answer = match found {
        Ok(None) => traced::<R, _>("perform", port.perform(id, request)).await,
        Ok(Some(answer)) => Ok(answer),
        Err(failure) => Err(failure),
    };
    answer.map_err(|failure| failure.during(R::NAME))
}

/// Cancels a request whose intent is on record, or learns what became of it.
///
/// # Errors
///
/// It is unknown whether it was cancelled.
pub async fn cancel<R: Request>(port: &impl Cancel<R>, id: &R::Id) -> Result<R::Answer> {
    let cancelled = traced::<R, _>("cancel", port.cancel(id)).await;
    cancelled.map_err(|failure| failure.during(&format!("cancel {}", R::NAME)))
}

/// Does a call of the API in a span of its own.
async fn traced<R: Request, T>(verb: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
    let span = spans::request_outside(verb, R::NAME);
    let result = span.follow(call).await;
    span.note(&result);
    result
}

#[cfg(test)]
mod tests;
