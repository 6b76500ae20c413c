//! Handlers: the port between the messages of a queue and a service.

use std::time::Duration;

use envelope::{Subject, Time};

use crate::failure::Result;
use crate::inspect::{Discrepancy, Outlook};
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

    /// Result that handling this fact would have now. Nothing is done.
    ///
    /// # Errors
    ///
    /// The records cannot be read.
    async fn outlook(&self, fact: &Self::Incoming) -> Result<Outlook> {
        let _ = fact;
        Ok(Outlook::Unknown)
    }

    /// Discrepancies between the records of `subject` and the world outside, unless a row of it is younger than
    /// `quiet_since`. None, as here, where a service asks nothing of the world outside.
    ///
    /// # Errors
    ///
    /// The records cannot be read, or the world outside does not answer.
    async fn audit(&self, subject: &Subject, quiet_since: Time) -> Result<Vec<Discrepancy>> {
        let _ = (subject, quiet_since);
        Ok(Vec::new())
    }

    /// Time for which a neighbour that its facts need has been down; `None` while none is, or where it has none. Meanwhile
    /// the source of the facts is slowed.
    fn outage(&self) -> Option<Duration> {
        None
    }
}

/// Time of an invocation that is kept to park and put back what failed. A record that is at work then is given up, as if
/// the function had crashed in it.
pub(crate) const RESERVE: Duration = Duration::from_millis(750);

/// Least time that must be left, beyond the reserve, to begin with another record.
pub(crate) const LEAST: Duration = Duration::from_secs(1);

/// The circumstances in which a fact arrives.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The fact as it was published.
    pub text: &'a str,
    /// Time at which the attempt is over at the latest.
    pub deadline: Time,
}

impl Delivery<'_> {
    /// Tells that at `time` an effect may no longer begin: it would be given up before its answer.
    #[must_use]
    pub fn is_too_late(&self, time: Time) -> bool {
        time.until(self.deadline) < RESERVE + LEAST
    }
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

impl Handled {
    /// Its name in a trace.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Performed => "performed",
            Self::Unchanged => "unchanged",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
        }
    }
}
