//! Entry of the journal: an event, as it was published.

use onewrite::feed::{Mark, RecordKey};
use onewrite::{Failure, Result, Slot};
use orderflow_events::{Envelope, EventId, Source, Subject, Time};

/// The largest entry: DynamoDB takes 400 KB with all names (its quota for an item).
const MAX_BYTES: usize = 350_000;

/// One event on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The subject of the event: for a known type, the order.
    pub subject: Subject,
    /// The event's id.
    pub id: EventId,
    /// Producer of the event. Together with the id it tells a duplicate.
    pub source: Source,
    /// The event as it was published, to the letter.
    pub text: String,
    /// Time at which it was put on record.
    pub recorded_at: Time,
    /// Place of the feed after which it is listed.
    pub mark: Mark,
}

impl Entry {
    /// The entry for an event that is put on record at `recorded_at`, and listed after `mark`.
    ///
    /// # Errors
    ///
    /// It is too large, and always will be.
    pub fn of(event: &Envelope, text: &str, recorded_at: Time, mark: Mark) -> Result<Self> {
        let entry = Self {
            subject: event.context.subject.clone(),
            id: event.context.id.clone(),
            source: event.context.source.clone(),
            text: text.to_owned(),
            recorded_at,
            mark,
        };
        let bytes: usize = entry.attributes().iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > MAX_BYTES {
            return Err(Failure::permanent(format!("the entry has {bytes} bytes of {MAX_BYTES}")));
        }
        Ok(entry)
    }

    /// The entry as it is stored: all events of a subject under one key, and in the order of their ids, which is that of
    /// the time at which they happened. What the event's text says is nowhere else, so that of most entries one write unit
    /// is enough. The slot and the time are the key of the index `ByTime`.
    #[must_use]
    pub fn attributes(&self) -> [(&'static str, String); 6] {
        let RecordKey(pk, sk) = self.key();
        [
            ("pk", pk),
            ("sk", sk),
            ("event", self.text.clone()),
            ("at", self.recorded_at.to_string()),
            ("slot", Slot::of(self.subject.as_str(), self.recorded_at).to_string()),
            ("mark", self.mark.to_string()),
        ]
    }

    /// Its key in the table.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        RecordKey(self.subject.to_string(), format!("{}#{}", self.id, self.source))
    }
}
