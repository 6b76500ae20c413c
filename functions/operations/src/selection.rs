//! Selection of letters by what they are.

use serde::{Deserialize, Serialize};

use crate::domain::{Class, Letter, Origin, State};
use crate::reason::general;

/// Properties that letters have in common; one that is absent may be any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// The service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Type of the event.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// Class of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// State.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Subject of the event: the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// Reason, but for the numbers and ids in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Selection {
    /// True of a letter that has all of them.
    #[must_use]
    pub fn has(&self, letter: &Letter) -> bool {
        fn same(wanted: Option<&String>, given: Option<&String>) -> bool {
            wanted.is_none_or(|wanted| given == Some(wanted))
        }
        same(self.service.as_ref(), Some(&letter.service))
            && same(self.event_type.as_ref(), letter.glimpse.event_type.as_ref())
            && same(self.order.as_ref(), letter.glimpse.subject.as_ref())
            && self.class.is_none_or(|class| letter.class == class)
            && self.state.is_none_or(|state| letter.state == state)
            && self.reason.as_ref().is_none_or(|reason| general(reason) == general(&letter.reason))
    }
}

/// True of a letter that can be sent back as it is.
#[must_use]
pub(crate) fn is_sendable(letter: &Letter) -> bool {
    letter.state.is_open() && letter.origin != Origin::Relay
}
