//! Register of a simulated company: what it has performed, under the ids of its clients.

use auto_impl::auto_impl;
use envelope::Time;
use serde::de::DeserializeOwned;

use crate::failure::{Failure, Result};

/// Store of a simulated company: what it has under each id of its clients'.
#[auto_impl(&)]
pub trait Register {
    /// Everything that is under `id`.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn entry(&self, id: &str) -> Result<Entry>;

    /// Counts an attempt, and answers how many there were with it.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was counted.
    async fn count_attempt(&self, id: &str) -> Result<u32>;

    /// Adds an effect, unless the last one was performed after `forgotten`, or it was cancelled. Answers whether it was
    /// added.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was added.
    async fn perform(&self, id: &str, effect: &Performed, forgotten: Time) -> Result<bool>;

    /// Cancels what was not performed yet. To cancel twice is to cancel once.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was cancelled.
    async fn cancel(&self, id: &str) -> Result<()>;
}

/// Entry of a register: everything under one id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Effects, the last one last. A second one is what a client must never cause.
    pub performed: Vec<Performed>,
    /// True where it was cancelled before it was performed.
    pub cancelled: bool,
}

/// Effect that a company has performed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Performed {
    /// The company's answer, as JSON.
    pub answer: String,
    /// Time at which it was performed.
    pub at: Time,
}

impl Performed {
    /// The answer.
    ///
    /// # Errors
    ///
    /// It is of another type.
    pub fn answer<A: DeserializeOwned>(&self) -> Result<A> {
        serde_json::from_str(&self.answer).map_err(|_| Failure::permanent("an answer on record is not understood"))
    }
}
