//! A service in memory, whose attempts crash, come again, and overlap.

use std::collections::{HashSet, VecDeque};
use std::fmt::Debug;

use envelope::{Contract, Event, EventType as _, Heard};
use futures::FutureExt;

use super::{MemoryLog, Pace, VirtualTime};
use crate::decider::Decider;
use crate::failure::{FailureKind, Result};
use crate::handle::Handled;
use crate::ledger::Ledger;
use crate::port::Random;
use envelope::sample::another_event;

/// Most attempts: what takes more never ends.
const MAX_ATTEMPTS: u32 = 1_000;

/// Redelivery of a message that was not handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redelivery {
    /// At once, before all others.
    AtOnce,
    /// Behind all others, as after a redrive.
    BehindAllOthers,
}

/// Mishap of an attempt.
#[derive(Clone, Copy, Debug)]
pub enum Mishap {
    /// It crashes at the first pause of that name, such as `before append`.
    Crash(&'static str),
    /// Its first call of that name, such as `append`, takes effect and times out.
    TimeOut(&'static str),
}

/// A service on ports in memory that are [`Paced`](super::Paced), and what can happen to it.
pub trait Bench {
    /// The events of the application.
    type Contract: Contract;

    /// One attempt at `event`, which goes as far as `pace` lets it.
    async fn attempt(&self, event: &Event<Self::Contract>, pace: &Pace) -> Result<Handled>;

    /// The service's table.
    fn log(&self) -> &MemoryLog;

    /// Step between a mishap and the next attempt; nothing by itself.
    fn after_mishap(&self) {}

    /// The types of all events that were published.
    fn published(&self) -> Vec<&'static str> {
        self.log().published::<Self::Contract>().iter().map(|event| event.event_type().as_str()).collect()
    }

    /// An attempt that nothing holds up.
    ///
    /// # Errors
    ///
    /// The kind of the failure: whether it may pass.
    ///
    /// # Panics
    ///
    /// It waits for something else than its pace.
    #[expect(clippy::expect_used, reason = "a bench says by a panic what is wrong")]
    fn handle(&self, event: &Event<Self::Contract>) -> Result<Handled, FailureKind> {
        let handled = self.attempt(event, &Pace::of(u32::MAX)).now_or_never().expect("nothing holds it");
        handled.map_err(|failure| failure.kind())
    }

    /// An attempt that crashes at the first pause of that name, such as `before append`.
    ///
    /// # Panics
    ///
    /// It never comes there.
    fn crash(&self, event: &Event<Self::Contract>, place: &'static str) {
        self.suffer(event, Mishap::Crash(place));
    }

    /// An attempt to which that happens.
    ///
    /// # Panics
    ///
    /// It never comes there, or a time-out is no failure that may pass.
    fn suffer(&self, event: &Event<Self::Contract>, mishap: Mishap) {
        let pace = match mishap {
            Mishap::Crash(place) => Pace::until(place),
            Mishap::TimeOut(call) => Pace::losing(call),
        };
        let handled = self.attempt(event, &pace).now_or_never();
        let happened = match (mishap, &handled) {
            (Mishap::Crash(_), handled) => handled.is_none(),
            (Mishap::TimeOut(_), handled) => {
                matches!(handled, Some(Err(failure)) if failure.kind() == FailureKind::Transient)
            }
        };
        assert!(happened, "no {mishap:?} in {}, but {handled:?}", event.event_type());
        self.after_mishap();
    }

    /// Delivers each event until it is handled, one after the other.
    ///
    /// # Panics
    ///
    /// See [`Bench::deliver`].
    fn deliver_all(&self, events: impl IntoIterator<Item = Event<Self::Contract>>) {
        let events: Vec<Event<Self::Contract>> = events.into_iter().collect();
        self.deliver(&events, &[], Redelivery::AtOnce);
    }

    /// Delivers each event until it is handled, with crashes: one after as many pauses, of all attempts together, as the
    /// first of `crashes` says, the next after so many more.
    ///
    /// # Panics
    ///
    /// An event is not handled: its failure is permanent, or it fails in passing a thousand times.
    fn deliver(&self, events: &[Event<Self::Contract>], crashes: &[u32], redelivery: Redelivery) {
        let mut crashes = crashes.iter().copied();
        let mut pace = Pace::of(crashes.next().unwrap_or(u32::MAX));
        let mut queue: VecDeque<&Event<Self::Contract>> = events.iter().collect();
        let mut attempts = 0;
        while let Some(event) = queue.pop_front() {
            attempts += 1;
            let is_handled = match self.attempt(event, &pace).now_or_never() {
                Some(Ok(_)) => true,
                Some(Err(failure)) if failure.kind() == FailureKind::Permanent || attempts > MAX_ATTEMPTS => {
                    panic!("{}: {failure}", event.event_type())
                }
                Some(Err(_)) => false,
                None => {
                    pace = Pace::of(crashes.next().unwrap_or(u32::MAX));
                    self.after_mishap();
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

    /// Lets one attempt at each of `events` be at work at the same time; an event that is there twice was handed out
    /// twice. `chance` says whose turn it is, from pause to pause, and one time in `crash_in` it crashes the one that had
    /// it, never where that is 0. Answers what a queue hands out again: the events that no attempt has handled.
    fn overlap(
        &self,
        events: &[Event<Self::Contract>],
        crash_in: u64,
        chance: &impl Random,
    ) -> Vec<Event<Self::Contract>> {
        let paces: Vec<Pace> = events.iter().map(|_| Pace::of(0)).collect();
        let begin = |(event, pace)| (event, pace, self.attempt(event, pace).boxed_local());
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
        again.retain(|event| seen.insert(event.context.id.clone()));
        again
    }

    /// Lets each event of `script` come as far as the pause beside it, or to its end where there is no such pause, and then
    /// wants the first of them, which begins the subject, to be refused for ever once it has another id. Answers the state, as far
    /// as its name goes.
    ///
    /// # Panics
    ///
    /// It is not refused; or the same event again is no duplicate, or something is published.
    #[expect(clippy::expect_used, reason = "a bench says by a panic what is wrong")]
    fn refuse_another_beginning<D>(&self, script: &[(Event<Self::Contract>, &'static str)]) -> String
    where
        D: Decider<State: Debug, Heard: Heard<Contract = Self::Contract>>,
    {
        for (event, place) in script {
            let _ = self.attempt(event, &Pace::until(place)).now_or_never();
        }
        let (first, _) = script.first().expect("an event that begins the subject");
        let ledger = Ledger::new(self.log(), VirtualTime::new(0));
        let history = ledger.load::<D>(&first.context.subject).now_or_never().expect("nothing holds it");
        let state = format!("{:?}", history.expect("rows that are understood").state);
        let published = self.published();
        assert_eq!(self.handle(first), Ok(Handled::Duplicate), "{state}");
        assert_eq!(self.handle(&another_event(first.data.clone(), 1)), Err(FailureKind::Permanent), "{state}");
        assert_eq!(self.published(), published, "{state}");
        state.split([' ', '(']).next().unwrap_or_default().to_owned()
    }
}
