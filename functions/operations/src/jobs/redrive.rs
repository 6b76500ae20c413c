//! Redrive: a job that sends letters back, step by step, and tells what has become of each.

use std::collections::VecDeque;

use onewrite::envelope::text_type;
use orderflow_events::{Invalid, Time};
use serde::{Deserialize, Serialize};

use crate::domain::id_rule;
use crate::jobs::job::{Head, Job, Progress};

text_type!(
    /// Id of a redrive.
    RedriveId,
    redrive_id_rule,
    { "type": "string", "maxLength": 64, "pattern": "^red_[a-z0-9]+$", "examples": ["red_1ez6m7xhq1v6vjcndwmdyvsfys"] }
);

fn redrive_id_rule(text: &str) -> Result<(), Invalid> {
    id_rule("red_", text)
}

/// The most letters of one redrive.
pub const MAX_LETTERS: usize = 10_000;

/// Redrive without the list of its letters, which is stored beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Redrive {
    /// Head: all that jobs have in common.
    #[serde(flatten)]
    pub head: Head<RedriveId>,
    /// True where it begins with one letter and sends more only once those before are handled.
    pub ramp: bool,
    /// Letters that it sends in a second at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<u32>,
    /// Number of its letters.
    pub total: u32,
    /// Index of the letter that is next.
    pub next: u32,
    /// Number of the step of the ramp.
    pub step: u32,
    /// Index of the letter before which the step ends.
    pub step_end: u32,
    /// Indexes of the letters that were sent and of which it is not known what has become.
    pub open: VecDeque<u32>,
    /// Letters that were sent.
    pub sent: u32,
    /// Letters that were handled.
    pub handled: u32,
    /// Letters that were parked again.
    pub parked_again: u32,
}

/// Next thing that a redrive does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It sends the letter of that index.
    Send(u32),
    /// It looks what has become of the letter of that index.
    Look(u32),
    /// Nothing is left to do.
    Rest,
}

/// Result of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The letter was sent.
    Sent,
    /// The letter need not be sent, for its service has handled it.
    HandledBefore,
    /// The letter cannot be sent: it was dropped, or another redrive has it.
    Skipped,
    /// The letter that was looked at was handled.
    Handled,
    /// It was parked again.
    ParkedAgain,
    /// Nothing is known of it yet.
    Open,
    /// Nothing has been heard of it for so long that nobody waits for it any more.
    Silent,
}

/// Letters of a step of the ramp: 1, 2, 5, 10, 20, 50, 100 …
fn step_size(step: u32) -> u32 {
    let magnitude = 10_u32.saturating_pow(step / 3);
    magnitude.saturating_mul([1, 2, 5][step as usize % 3])
}

impl Redrive {
    /// A redrive of so many letters.
    #[must_use]
    pub fn new(id: RedriveId, by: &str, at: Time, total: u32, ramp: bool, rate_per_second: Option<u32>) -> Self {
        let step_end = if ramp { step_size(0).min(total) } else { total };
        let mut head = Head::new(id, by, at);
        if total == 0 {
            head.progress = Progress::Done;
        }
        Self {
            head,
            ramp,
            rate_per_second,
            total,
            next: 0,
            step: 0,
            step_end,
            open: VecDeque::new(),
            sent: 0,
            handled: 0,
            parked_again: 0,
        }
    }

    /// Letters that have not been sent.
    #[must_use]
    pub const fn left(&self) -> u32 {
        self.total - self.next
    }

    /// The next thing to do. What was sent is looked after in any case, also of a job that sends no more.
    #[must_use]
    pub fn act(&self) -> Act {
        match (self.head.progress, self.open.front()) {
            (Progress::Running, _) if self.next < self.step_end => Act::Send(self.next),
            (_, Some(&index)) => Act::Look(index),
            (_, None) => Act::Rest,
        }
    }

    /// The letters that are sent next, by their indexes: so many at the most, and none of the next step of the ramp.
    #[must_use]
    pub fn to_send(&self, most: usize) -> Vec<u32> {
        (self.next..self.step_end).take(most).collect()
    }

    /// The letters that are looked at next, by their indexes: so many at the most.
    #[must_use]
    pub fn to_look_at(&self, most: usize) -> Vec<u32> {
        self.open.iter().copied().take(most).collect()
    }

    /// Redrive after acts with these outcomes: one change of it, however many there are.
    #[must_use]
    pub fn after(&self, outcomes: &[(Act, Outcome)]) -> Self {
        let mut redrive = self.revised();
        for (act, outcome) in outcomes {
            redrive.count(*act, *outcome);
        }
        redrive
    }

    fn count(&mut self, act: Act, outcome: Outcome) {
        match act {
            // Somebody who has lost the job for a while may bring an old outcome.
            Act::Send(index) if index == self.next => self.next += 1,
            Act::Look(index) if self.open.contains(&index) => self.open.retain(|open| *open != index),
            Act::Send(_) | Act::Look(_) | Act::Rest => return,
        }
        match (outcome, act) {
            (Outcome::Sent, Act::Send(index)) => {
                self.sent += 1;
                self.open.push_back(index);
            }
            (Outcome::Open, Act::Look(index)) => self.open.push_back(index),
            (Outcome::HandledBefore | Outcome::Handled, _) => self.handled += 1,
            (Outcome::ParkedAgain, _) => self.parked_again += 1,
            (Outcome::Sent | Outcome::Open | Outcome::Skipped | Outcome::Silent, _) => {}
        }
        self.go_on();
    }

    /// Ends the job, or begins the next step of its ramp, where it is time.
    fn go_on(&mut self) {
        if self.head.progress != Progress::Running {
            return;
        }
        if self.ramp && self.parked_again > 0 {
            self.head.progress = Progress::Relapsed;
        } else if self.next == self.total && self.open.is_empty() {
            self.head.progress = Progress::Done;
        } else if self.next == self.step_end && self.open.is_empty() {
            self.step += 1;
            self.step_end = self.next.saturating_add(step_size(self.step)).min(self.total);
        }
    }
}

impl Job for Redrive {
    const KIND: &'static str = "redrive";

    type Id = RedriveId;

    fn head(&self) -> &Head<RedriveId> {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head<RedriveId> {
        &mut self.head
    }

    fn is_active(&self) -> bool {
        self.act() != Act::Rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::job::LEASE;

    fn redrive(total: u32, ramp: bool) -> Redrive {
        let id = RedriveId::new("red_1").unwrap();
        Redrive::new(id, "ada", Time::from_millis(0), total, ramp, None)
    }

    /// Runs a redrive whose letters of these indexes are parked again; answers how many were sent before it waited, each time.
    fn run(mut redrive: Redrive, relapses: &[u32]) -> (Redrive, Vec<u32>) {
        let mut waits = Vec::new();
        for _ in 0..100_000 {
            let act = redrive.act();
            let outcome = match act {
                Act::Send(_) => Outcome::Sent,
                Act::Look(index) if relapses.contains(&index) => Outcome::ParkedAgain,
                Act::Look(_) => Outcome::Handled,
                Act::Rest => return (redrive, waits),
            };
            if matches!(act, Act::Look(_)) && waits.last() != Some(&redrive.sent) {
                waits.push(redrive.sent);
            }
            redrive = redrive.after(&[(act, outcome)]);
        }
        panic!("it never ends");
    }

    #[test]
    fn a_ramp_grows_once_all_before_are_handled() {
        let (redrive, waits) = run(redrive(500, true), &[]);
        assert_eq!(waits, [1, 3, 8, 18, 38, 88, 188, 388, 500]);
        assert_eq!((redrive.head.progress, redrive.handled, redrive.left()), (Progress::Done, 500, 0));
    }

    #[test]
    fn a_ramp_stops_at_the_first_relapse_and_says_how_many_are_left() {
        for (relapse, sent) in [(0, 1), (2, 3), (7, 8), (20, 38)] {
            let (redrive, _) = run(redrive(500, true), &[relapse]);
            assert_eq!((redrive.head.progress, redrive.sent, redrive.left()), (Progress::Relapsed, sent, 500 - sent));
            assert_eq!((redrive.parked_again, redrive.handled), (1, sent - 1), "of the others the fate is told, too");
        }
    }

    #[test]
    fn without_a_ramp_all_are_sent_whatever_becomes_of_them() {
        let (redrive, waits) = run(redrive(7, false), &[0, 3]);
        assert_eq!(waits, [7]);
        assert_eq!((redrive.head.progress, redrive.handled, redrive.parked_again), (Progress::Done, 5, 2));
    }

    #[test]
    fn what_is_stopped_sends_no_more_and_looks_after_what_was_sent() {
        let sent = redrive(5, false).after(&[(Act::Send(0), Outcome::Sent)]);
        let stopped = sent.stopped().unwrap();
        assert_eq!(stopped.act(), Act::Look(0));
        let settled = stopped.after(&[(Act::Look(0), Outcome::Handled)]);
        assert_eq!((settled.head.progress, settled.act(), settled.left()), (Progress::Stopped, Act::Rest, 4));
        assert_eq!(settled.stopped(), None);
    }

    #[test]
    fn skipped_and_silent_letters_hold_nobody_up() {
        let redrive = redrive(2, true).after(&[(Act::Send(0), Outcome::Skipped)]);
        assert_eq!(redrive.act(), Act::Send(1));
        let redrive = redrive.after(&[(Act::Send(1), Outcome::Sent)]).after(&[(Act::Look(1), Outcome::Open)]);
        assert_eq!(redrive.act(), Act::Look(1));
        let redrive = redrive.after(&[(Act::Look(1), Outcome::Silent)]);
        assert_eq!((redrive.head.progress, redrive.handled), (Progress::Done, 0));
    }

    #[test]
    fn an_outcome_counts_once() {
        let once = redrive(3, false).after(&[(Act::Send(0), Outcome::Sent)]);
        let twice = once.after(&[(Act::Send(0), Outcome::Sent)]);
        assert_eq!((twice.sent, twice.next, twice.open.len()), (1, 1, 1));
        let looked = twice.after(&[(Act::Look(0), Outcome::Handled)]).after(&[(Act::Look(0), Outcome::Handled)]);
        assert_eq!(looked.handled, 1);
    }

    #[test]
    fn a_job_is_one_runs_own_until_its_time_is_up() {
        let now = Time::from_millis(1);
        let later = now.after(LEASE);
        let taken = redrive(1, false).taken("a", now).unwrap();
        assert!(taken.taken("b", now).is_none());
        assert!(taken.taken("a", now).is_some());
        assert!(taken.taken("b", later).is_some());
        assert!(taken.run_by(None).taken("b", now).is_some());
    }

    #[test]
    fn acts_at_once_come_to_what_they_come_to_one_by_one() {
        let begun = redrive(9, true).after(&[(Act::Send(0), Outcome::Sent), (Act::Look(0), Outcome::Handled)]);
        assert_eq!(begun.to_send(10), [1, 2], "what is sent is of one step");
        let sent = begun.after(&[(Act::Send(1), Outcome::Sent), (Act::Send(2), Outcome::Sent)]);
        assert_eq!((sent.head.revision, sent.to_look_at(10), sent.to_look_at(1)), (3, vec![1, 2], vec![1]));
        let looks = [(Act::Look(1), Outcome::ParkedAgain), (Act::Look(2), Outcome::Handled)];
        let one_by_one = looks.iter().fold(sent.clone(), |redrive, look| redrive.after(&[*look]));
        let at_once = sent.after(&looks);
        assert_eq!(Redrive { head: at_once.head.clone(), ..one_by_one }, at_once);
        assert_eq!((at_once.head.progress, at_once.handled, at_once.parked_again), (Progress::Relapsed, 2, 1));
    }
}
