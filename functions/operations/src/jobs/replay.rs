//! Replay: a job that sends events of the journal to one consumer once more, and tells what has become of them.
//!
//! ```text
//!   sending ──► page after page of the journal: those that the consumer has not handled go into its queue
//!      └─► following ──► the same pages once more: handled, parked, or not yet
//! ```

use onewrite::envelope::text_type;
use orderflow_events::{Invalid, Time};
use serde::{Deserialize, Serialize};

use crate::archive::{Range, Recorded};
use crate::domain::id_rule;
use crate::jobs::job::{Head, Job, Progress};
use crate::service::Service;

text_type!(
    /// Id of a replay.
    ReplayId,
    replay_id_rule,
    { "type": "string", "maxLength": 64, "pattern": "^rep_[a-z0-9]+$", "examples": ["rep_1ez6m7xhq1v6vjcndwmdyvsfys"] }
);

fn replay_id_rule(text: &str) -> Result<(), Invalid> {
    id_rule("rep_", text)
}

/// Replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// Head: all that jobs have in common.
    #[serde(flatten)]
    pub head: Head<ReplayId>,
    /// The consumer.
    pub service: String,
    /// Events that are sent.
    pub wanted: Wanted,
    /// Events that it sends in a second at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<u32>,
    /// Its phase.
    pub phase: Phase,
    /// Cursor of the phase's next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Events that were looked at in the first phase, and are the consumer's.
    pub total: u32,
    /// Events that were sent.
    pub sent: u32,
    /// Events that are handled.
    pub handled: u32,
    /// Events that are dead letters.
    pub parked_again: u32,
    /// Events that the consumer would refuse, which were not sent.
    pub refused: u32,
    /// Time since which the next page waits for events that are not handled yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Time>,
}

/// Events that a replay sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    /// All of this order; else those of a range of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// Only of this type.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// Put on record at this time or later.
    pub from: Time,
    /// Put on record at this time or earlier.
    pub to: Time,
}

impl Wanted {
    /// The range of time.
    #[must_use]
    pub const fn range(&self) -> Range {
        Range { from: self.from, to: self.to }
    }

    /// Tells an entry of the range that is wanted, and that the service consumes.
    #[must_use]
    pub fn has(&self, service: &Service, entry: &Recorded) -> bool {
        let event_type = entry.glimpse().event_type.unwrap_or_default();
        service.consumes(&event_type) && self.event_type.as_ref().is_none_or(|wanted| *wanted == event_type)
    }
}

/// Phase of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// It sends.
    Sending,
    /// It looks what has become of what it has sent.
    Following,
    /// It is over.
    Over,
}

/// Results of one page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events of the page that are the consumer's.
    pub total: u32,
    /// Events that were sent.
    pub sent: u32,
    /// Events that are handled.
    pub handled: u32,
    /// Events that are dead letters.
    pub parked: u32,
    /// Events that would be refused.
    pub refused: u32,
    /// Events of which nothing is known yet.
    pub open: u32,
}

impl Replay {
    /// A replay to that service.
    #[must_use]
    pub fn new(head: Head<ReplayId>, service: String, wanted: Wanted, rate_per_second: Option<u32>) -> Self {
        Self {
            head,
            service,
            wanted,
            rate_per_second,
            phase: Phase::Sending,
            cursor: None,
            total: 0,
            sent: 0,
            handled: 0,
            parked_again: 0,
            refused: 0,
            waiting_since: None,
        }
    }

    /// Events whose end is not known.
    #[must_use]
    pub const fn left(&self) -> u32 {
        self.total.saturating_sub(self.handled + self.parked_again + self.refused)
    }

    /// Replay after a page of its phase, whose next one begins at `next`.
    #[must_use]
    pub fn after(&self, tally: Tally, next: Option<String>) -> Self {
        let mut replay = Self { waiting_since: None, ..self.revised() };
        match self.phase {
            Phase::Sending => {
                replay.total += tally.total;
                replay.sent += tally.sent;
                replay.refused += tally.refused;
            }
            Phase::Following => {
                replay.handled += tally.handled;
                replay.parked_again += tally.parked;
            }
            Phase::Over => return replay,
        }
        replay.cursor = next;
        if replay.cursor.is_none() {
            replay.phase = if self.phase == Phase::Sending { Phase::Following } else { Phase::Over };
            if replay.phase == Phase::Over && replay.head.progress == Progress::Running {
                replay.head.progress = Progress::Done;
            }
        }
        replay
    }

    /// Replay whose next page has events that are not handled yet.
    #[must_use]
    pub fn waiting(&self, now: Time) -> Self {
        let waiting_since = Some(self.waiting_since.unwrap_or(now));
        Self { waiting_since, ..self.revised() }
    }
}

impl Job for Replay {
    const KIND: &'static str = "replay";

    type Id = ReplayId;

    fn head(&self) -> &Head<ReplayId> {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head<ReplayId> {
        &mut self.head
    }

    fn is_active(&self) -> bool {
        self.phase != Phase::Over
    }

    fn cut_off(&mut self) {
        self.phase = Phase::Over;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay() -> Replay {
        let (from, to) = (Time::from_millis(0), Time::from_millis(1));
        let head = Head::new(ReplayId::new("rep_1").unwrap(), "ada", from);
        Replay::new(head, "shipping".to_owned(), Wanted { order: None, event_type: None, from, to }, None)
    }

    #[test]
    fn each_phase_goes_through_all_pages() {
        let page = Tally { total: 5, sent: 3, refused: 1, ..Tally::default() };
        let first = replay().after(page, Some("2".to_owned()));
        assert_eq!((first.phase, first.total, first.sent, first.left()), (Phase::Sending, 5, 3, 4));
        let sent = first.after(page, None);
        assert_eq!((sent.phase, sent.total, sent.cursor.as_deref()), (Phase::Following, 10, None));
        let looked = Tally { total: 5, handled: 3, parked: 1, refused: 1, ..Tally::default() };
        let over = sent.after(looked, Some("2".to_owned())).after(looked, None);
        assert_eq!((over.phase, over.head.progress, over.left()), (Phase::Over, Progress::Done, 0));
        assert_eq!((over.handled, over.parked_again, over.refused), (6, 2, 2));
        assert!(!over.is_active());
    }

    #[test]
    fn what_is_stopped_stays_stopped() {
        let stopped = replay().stopped().unwrap();
        assert_eq!((stopped.is_active(), stopped.stopped()), (false, None));
        assert_eq!(stopped.after(Tally { sent: 1, ..Tally::default() }, None).sent, 0);
    }

    #[test]
    fn a_page_waits_since_its_first_look() {
        let (first, later) = (Time::from_millis(5), Time::from_millis(9));
        let waiting = replay().waiting(first).waiting(later);
        assert_eq!(waiting.waiting_since, Some(first));
        assert_eq!(waiting.after(Tally::default(), None).waiting_since, None);
    }
}
