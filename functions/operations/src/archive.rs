//! Entries of the journal.

use orderflow_events::Time;

use crate::domain::Glimpse;

/// Entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Time at which it was put on record.
    pub at: Time,
    /// The event, to the letter as it was published.
    pub text: String,
}

impl Recorded {
    /// Attributes of the event.
    #[must_use]
    pub fn glimpse(&self) -> Glimpse {
        Glimpse::of(&self.text)
    }
}

/// Entries of one slot, and where the next ones begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotPage {
    /// The entries, the oldest first.
    pub entries: Vec<Recorded>,
    /// Cursor of the next page of the slot.
    pub next: Option<String>,
}

/// Range of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Its beginning.
    pub from: Time,
    /// Its end.
    pub to: Time,
}
