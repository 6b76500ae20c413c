//! Attempts that crash, come again, and overlap.

use std::collections::{HashSet, VecDeque};

use futures::FutureExt;
use orderflow_contracts::Event;

use super::Pace;
use crate::batch::Handled;
use crate::failure::{Kind, Outcome};
use crate::port::Chance;

/// What takes more attempts than this never ends.
const MAX_ATTEMPTS: u32 = 1_000;

/// When a message comes again that was not handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redelivery {
    /// At once, before those behind it, as in a FIFO queue.
    AtOnce,
    /// Behind all others, as after a redrive.
    BehindAllOthers,
}

/// Delivers each event of `script` until it is handled, with crashes: one after as many pauses, of all attempts together,
/// as the first of `crashes` says, the next after so many more, and `after_crash` after each.
///
/// # Panics
///
/// An event is not handled: its failure is permanent, or it fails in passing a thousand times.
pub fn deliver(
    script: &[Event],
    crashes: &[u32],
    redelivery: Redelivery,
    after_crash: impl Fn(),
    attempt: &impl AsyncFn(&Event, &Pace) -> Outcome<Handled>,
) {
    let mut crashes = crashes.iter().copied();
    let mut pace = Pace::of(crashes.next().unwrap_or(u32::MAX));
    let mut queue: VecDeque<&Event> = script.iter().collect();
    let mut tries = 0;
    while let Some(event) = queue.pop_front() {
        tries += 1;
        let is_handled = match attempt(event, &pace).now_or_never() {
            Some(Ok(_)) => true,
            Some(Err(failure)) if failure.kind() == Kind::Permanent || tries > MAX_ATTEMPTS => {
                panic!("{}: {failure}", event.kind())
            }
            Some(Err(_)) => false,
            None => {
                pace = Pace::of(crashes.next().unwrap_or(u32::MAX));
                after_crash();
                false
            }
        };
        match redelivery {
            _ if is_handled => {}
            Redelivery::AtOnce => queue.push_front(event),
            Redelivery::BehindAllOthers => queue.push_back(event),
        }
    }
}

/// Lets one attempt at each of `events` be at work at the same time; an event that is there twice was handed out twice.
/// `chance` says whose turn it is, from pause to pause, and one time in `crash_in` it crashes the one that had it, never
/// where that is 0. Answers what a queue hands out again: the events that no attempt has handled.
pub fn overlap(
    events: &[Event],
    crash_in: u64,
    chance: &impl Chance,
    attempt: &impl AsyncFn(&Event, &Pace) -> Outcome<Handled>,
) -> Vec<Event> {
    let paces: Vec<Pace> = events.iter().map(|_| Pace::of(0)).collect();
    let begin = |(event, pace)| (event, pace, attempt(event, pace).boxed_local());
    let mut at_work: Vec<_> = events.iter().zip(&paces).map(begin).collect();
    let mut again = events.to_vec();
    while !at_work.is_empty() {
        let turn = usize::try_from(chance.below(at_work.len() as u64)).unwrap_or_default();
        let (event, pace, attempt) = &mut at_work[turn];
        pace.grant(1);
        let result = attempt.now_or_never();
        if let Some(Ok(_)) = result {
            again.retain(|other| other.context.id != event.context.id);
        }
        if result.is_some() || crash_in > 0 && chance.below(crash_in) == 0 {
            drop(at_work.swap_remove(turn));
        }
    }
    let mut seen = HashSet::new();
    again.retain(|event| seen.insert(event.context.id));
    again
}
