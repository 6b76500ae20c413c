//! Handlers: the port between the messages of a queue and a service.

use envelope::Time;

use crate::failure::Result;
use crate::message::Incoming;

/// Handler of facts: the work of a function on each of them.
pub trait Handle {
    /// Fact that it takes from a message.
    type Incoming: Incoming;

    /// Tells that it has a use for this fact. A fact that it has none for is acknowledged and counted.
    fn consumes(&self, fact: &Self::Incoming) -> bool;

    /// Prepares for the first message, while the function starts and is not throttled.
    async fn warm(&self);

    /// Handles it, completely or not at all: it may be called again with the same fact at any time.
    ///
    /// # Errors
    ///
    /// The reason why the fact is not handled, and whether to try again.
    async fn handle(&self, fact: &Self::Incoming, delivery: &Delivery<'_>) -> Result<Handled>;
}

/// The circumstances in which a fact arrives.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The fact as it was published.
    pub text: &'a str,
    /// Time at which the attempt is over at the latest.
    pub deadline: Time,
}

/// Result of handling a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// Something happened because of it.
    Changed,
    /// The world outside was asked, and nothing had to be written about it.
    Performed,
    /// It made no difference.
    Unchanged,
    /// It had been handled before.
    Duplicate,
    /// This function has no use for its type.
    Ignored,
}
