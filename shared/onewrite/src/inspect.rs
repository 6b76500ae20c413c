//! Inspection: a consumer is asked what it would do with an event, and does nothing.
//!
//! Only the service itself can tell that an event is handled: where nothing was to be done about it there is no row. So who
//! wants to know asks the consumer, by an invocation of its function with `{"inspect": …}`: it reads its ledger, decides,
//! and answers what that comes to.

use envelope::{Subject, Time};
use serde::{Deserialize, Serialize};

/// Questions to a consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inquiry {
    /// Bodies of messages that it may have handled: the answers are in the same order.
    #[serde(default)]
    pub events: Vec<String>,
    /// Subjects to compare with the world outside: the answers are in the same order.
    #[serde(default)]
    pub subjects: Vec<Subject>,
    /// Time since which nothing may have changed about a subject that is compared: what is under way is not settled yet.
    /// None compares none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_since: Option<Time>,
}

/// Answers of a consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// Outlook of each event.
    pub events: Vec<Outlook>,
    /// Discrepancies of each subject.
    pub subjects: Vec<Vec<Discrepancy>>,
}

/// Result that an event would have if it came now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "outlook")]
pub enum Outlook {
    /// It is handled: on record in the row of that number, where rows have numbers.
    Handled {
        /// Number of the row among those of its subject.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        row: Option<u32>,
    },
    /// Nothing is to be done about it, or its effects are done: no row will ever name it.
    Nothing,
    /// Something would happen: it is not handled yet.
    Due,
    /// Something must come first.
    Early {
        /// The reason.
        reason: String,
    },
    /// It would be refused for ever.
    Refused {
        /// The reason.
        reason: String,
    },
    /// The service has no record by which it could tell.
    Unknown,
}

impl Outlook {
    /// True where nothing is left to be done.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        match self {
            Self::Handled { .. } | Self::Nothing => true,
            Self::Due | Self::Early { .. } | Self::Refused { .. } | Self::Unknown => false,
        }
    }
}

/// Kind of a discrepancy where a service has something on record that it does not understand.
pub const UNREADABLE: &str = "unreadable";

/// Difference between what a service has on record and what the world outside says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discrepancy {
    /// Kind of what is different, such as `charge`.
    pub kind: String,
    /// The difference in a sentence.
    pub detail: String,
}
