//! Runner of redrives: takes each on, act by act, so that whoever goes on after a crash knows where.

use std::time::Duration;

use onewrite::personal::{KeyRing, Keys};
use onewrite::port::{Clock, Random};
use onewrite::{Failure, FailureKind, Outlook, Result};
use orderflow_events::Time;
use tracing::{info, warn};

use crate::domain::{Letter, LetterId, State};
use crate::jobs::inquiry::outlooks;
use crate::jobs::job::{Job, LEASE};
use crate::jobs::redrive::{Act, Outcome, Redrive, RedriveId};
use crate::port::{Consumers, JobStore, LetterStore, PART, PartStore, Queues, Since, Stored};
use crate::sealing::{ERASED, body, message};

/// Number of attempts at a letter that others are changing.
const MAX_RACES: u32 = 20;

/// Time after which nobody waits for a letter any more whose service does not say that it is handled, and that has not come
/// back: longer than the longest back-off.
const SILENCE: Duration = Duration::from_mins(20);

/// Time that letters are looked after which no redrive waits for any more.
const FOLLOWED_FOR: Duration = Duration::from_hours(24);

/// Pause before the next look at letters of which nothing is known yet.
const PAUSE: Duration = Duration::from_secs(1);

/// Time for which a run goes on looking though nothing changes. Then the next minute's looks.
const IDLE: Duration = Duration::from_secs(10);

/// Result of taking a redrive on.
enum Advance {
    /// Nothing is left to do, or another run is at it.
    Ended,
    /// It waits for letters.
    Waits {
        /// True if anything but looking was done.
        has_changed: bool,
    },
}

/// Runs the redrives that are on record.
pub(crate) struct RedriveRunner<'a, S, R, V, N, W> {
    store: S,
    keys: &'a KeyRing<R, V>,
    stack: N,
    world: W,
}

impl<'a, S, R, V, N, W> RedriveRunner<'a, S, R, V, N, W>
where
    S: LetterStore + JobStore + PartStore,
    R: Keys,
    V: Clock + Random,
    N: Queues + Consumers,
    W: Clock,
{
    /// A runner on that store, whose letters those keys open, for that stack.
    pub(crate) fn new(store: S, keys: &'a KeyRing<R, V>, stack: N, world: W) -> Self {
        Self { store, keys, stack, world }
    }

    /// Takes all redrives on until nothing is left to do, or its time is up.
    ///
    /// # Errors
    ///
    /// The reason why one of them does not go on; the others did.
    pub(crate) async fn run(&self, run: &str, deadline: Time) -> Result<()> {
        let mut failed = None;
        self.follow(deadline).await?;
        let mut changed_at = self.world.now();
        loop {
            let mut is_waiting = false;
            for redrive in self.store.active::<Redrive>().await? {
                match self.advance(&redrive.head.id, run, deadline).await {
                    Ok(Advance::Ended) => {}
                    Ok(Advance::Waits { has_changed }) => {
                        is_waiting = true;
                        if has_changed {
                            changed_at = self.world.now();
                        }
                    }
                    Err(failure) => {
                        warn!(
                            redrive = redrive.head.id.as_str(),
                            reason = failure.reason(),
                            "a redrive does not go on"
                        );
                        failed = Some(failure);
                    }
                }
            }
            let is_idle = changed_at.until(self.world.now()) > IDLE;
            if !is_waiting || is_idle || failed.is_some() || self.is_late(deadline) {
                return failed.map_or(Ok(()), Err);
            }
            self.world.sleep(PAUSE).await;
        }
    }

    fn is_late(&self, deadline: Time) -> bool {
        self.world.now().until(deadline) < PAUSE * 5
    }

    /// Takes one redrive on as far as it goes now.
    async fn advance(&self, id: &RedriveId, run: &str, deadline: Time) -> Result<Advance> {
        let now = self.world.now();
        let take = |redrive: &Redrive| redrive.taken(run, now);
        let Some(redrive) = self.change(id, take).await? else { return Ok(Advance::Ended) };
        let advanced = self.advance_own(redrive, deadline).await;
        self.change(id, |redrive| Some(redrive.run_by(None))).await?;
        advanced
    }

    async fn advance_own(&self, mut redrive: Redrive, deadline: Time) -> Result<Advance> {
        let id = &redrive.head.id.clone();
        let mut has_changed = false;
        // Every open letter is looked at once.
        let mut looks = redrive.open.len();
        loop {
            let act = redrive.act();
            let outcome = match act {
                Act::Rest => break,
                _ if self.is_late(deadline) => break,
                Act::Look(_) if looks == 0 => break,
                Act::Send(index) => self.send(&redrive, index).await?,
                Act::Look(index) => {
                    looks -= 1;
                    self.look(&redrive, index).await?
                }
            };
            let Some(changed) = self.change(id, |redrive| Some(redrive.after(act, outcome))).await? else { break };
            has_changed |= outcome != Outcome::Open;
            if outcome == Outcome::Sent {
                looks += 1;
                if let Some(rate) = redrive.rate_per_second {
                    self.world.sleep(Duration::from_secs(1) / rate.max(1)).await;
                }
            }
            redrive = changed;
        }
        Ok(if redrive.is_active() { Advance::Waits { has_changed } } else { Advance::Ended })
    }

    /// Changes a redrive as it stands on record; none where `change` answers none.
    async fn change(&self, id: &RedriveId, change: impl Fn(&Redrive) -> Option<Redrive>) -> Result<Option<Redrive>> {
        crate::jobs::change::change(&self.store, id.as_str(), change).await
    }

    async fn letter_at(&self, redrive: &Redrive, index: u32) -> Result<Option<Letter>> {
        let size = u32::try_from(PART).unwrap_or(u32::MAX);
        let part = self.store.part(&redrive.head.id, index / size).await?;
        let id: Option<&LetterId> = part.get((index % size) as usize);
        match id {
            Some(id) => self.store.letter(id).await,
            None => Err(Failure::permanent("a redrive has no letter of that index")),
        }
    }

    /// Sends a letter back. Between the claim and its confirmation it may be sent once more, by whoever goes on after a
    /// crash; never is it claimed and forgotten.
    async fn send(&self, redrive: &Redrive, index: u32) -> Result<Outcome> {
        for _ in 0..MAX_RACES {
            let Some(letter) = self.letter_at(redrive, index).await? else { return Ok(Outcome::Skipped) };
            let is_own = letter.sending.as_ref().is_some_and(|sending| sending.redrive == redrive.head.id.as_str());
            let claimed = match letter.state {
                State::Handled => return Ok(Outcome::HandledBefore),
                State::Dropped => return Ok(Outcome::Skipped),
                State::Sent if !is_own => return Ok(Outcome::Skipped),
                State::Sent if letter.sending.as_ref().is_some_and(|sending| sending.is_confirmed) => {
                    return Ok(Outcome::Sent);
                }
                // It was parked again before anybody had counted it.
                State::ParkedAgain if is_own => return Ok(Outcome::Sent),
                State::Sent => letter,
                State::Waiting | State::ParkedAgain => {
                    let Some(body) = body(&self.store, self.keys, &letter).await? else {
                        return Ok(Outcome::Skipped);
                    };
                    if self.is_handled(&letter, &body).await? {
                        return Ok(Outcome::HandledBefore);
                    }
                    let claimed = letter.claimed(redrive.head.id.as_str(), &redrive.head.by, self.world.now());
                    let Ok(claimed) = claimed else { return Ok(Outcome::Skipped) };
                    if self.store.put(&claimed, Since::Revision(letter.revision)).await? == Stored::Changed {
                        continue;
                    }
                    claimed
                }
            };
            self.deliver(&claimed).await?;
            return Ok(Outcome::Sent);
        }
        Err(Failure::transient(format!("a letter lost {MAX_RACES} races")))
    }

    async fn deliver(&self, letter: &Letter) -> Result<()> {
        let sent = match message(&self.store, self.keys, &letter.id, &letter.message).await? {
            Some(message) => {
                let redriven = message.redriven(&letter.id, letter.sends);
                self.stack.send(&letter.destination.queue_url, &redriven).await
            }
            // Since it was claimed.
            None => Err(Failure::permanent(ERASED)),
        };
        let after = match sent {
            Ok(()) => letter.confirmed(),
            Err(failure) if failure.kind() == FailureKind::Permanent => {
                letter.unsendable(failure.reason(), self.world.now())
            }
            Err(failure) => return Err(failure),
        };
        info!(letter = letter.id.as_str(), sends = letter.sends, "letter sent back");
        // Who has changed it meanwhile has seen it come back, and knows more.
        self.store.put(&after, Since::Revision(letter.revision)).await.map(drop)
    }

    async fn look(&self, redrive: &Redrive, index: u32) -> Result<Outcome> {
        let Some(letter) = self.letter_at(redrive, index).await? else { return Ok(Outcome::Silent) };
        let sending = letter.sending.as_ref().filter(|sending| sending.redrive == redrive.head.id.as_str());
        match (letter.state, sending) {
            (State::Handled, _) => Ok(Outcome::Handled),
            (State::Sent, Some(_)) if self.is_sent_handled(&letter).await? => Ok(Outcome::Handled),
            (State::Sent, Some(sending)) if sending.at.until(self.world.now()) > SILENCE => Ok(Outcome::Silent),
            (State::Sent, Some(_)) => Ok(Outcome::Open),
            // Whatever has happened to it since: it came back first.
            (State::Sent, None) | (State::Waiting | State::ParkedAgain | State::Dropped, _) => Ok(Outcome::ParkedAgain),
        }
    }

    /// Asks its service whether a letter is handled, and puts that on record.
    async fn is_handled(&self, letter: &Letter, body: &str) -> Result<bool> {
        let outlooks = outlooks(&self.stack, &letter.destination.function, &[body]).await?;
        let row = match outlooks.into_iter().next().unwrap_or(Outlook::Unknown) {
            Outlook::Handled { row } => row,
            Outlook::Nothing => None,
            Outlook::Due | Outlook::Early { .. } | Outlook::Refused { .. } | Outlook::Unknown => return Ok(false),
        };
        if let Some(handled) = letter.handled(row, self.world.now()) {
            // Whoever looks next finds the same.
            self.store.put(&handled, Since::Revision(letter.revision)).await?;
        }
        Ok(true)
    }

    /// The same of a letter that was sent. Of what nobody can open any more, nobody can ask.
    async fn is_sent_handled(&self, letter: &Letter) -> Result<bool> {
        match body(&self.store, self.keys, letter).await? {
            Some(body) => self.is_handled(letter, &body).await,
            None => Ok(false),
        }
    }

    /// Looks after the letters that were sent of late, whoever waits for them; those that were claimed by a run that died
    /// before it had sent them, it sends.
    async fn follow(&self, deadline: Time) -> Result<()> {
        let mut after = None;
        while !self.is_late(deadline) {
            let letters = self.store.page(State::Sent, after.as_deref()).await?;
            let Some(last) = letters.last() else { return Ok(()) };
            after = Some(last.place());
            for letter in &letters {
                let Some(sending) = &letter.sending else { continue };
                let since = sending.at.until(self.world.now());
                if !sending.is_confirmed && since > LEASE {
                    self.deliver(letter).await?;
                } else if since < FOLLOWED_FOR {
                    self.is_sent_handled(letter).await?;
                }
            }
        }
        Ok(())
    }
}
