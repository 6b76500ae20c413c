//! Runner of redrives: takes each on, act by act, so that whoever goes on after a crash knows where.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use onewrite::personal::{KeyRing, Keys};
use onewrite::port::{Clock, Random};
use onewrite::{Failure, FailureKind, Outlook, Result};
use orderflow_events::Time;
use tracing::{info, warn};

use crate::domain::{Letter, LetterId, State};
use crate::jobs::inquiry::outlooks;
use crate::jobs::job::{Job, LEASE};
use crate::jobs::redrive::{Act, Outcome, Redrive, RedriveId};
use crate::message::Message;
use crate::port::{Consumers, JobStore, LetterStore, PART, PartStore, Queues, Since, Stored};
use crate::sealing::{ERASED, messages};

/// Number of attempts at a letter that others are changing.
const MAX_RACES: u32 = 20;

/// Time after which nobody waits for a letter any more whose service does not say that it is handled, and that has not come
/// back: longer than the longest back-off.
const SILENCE: Duration = Duration::from_mins(20);

/// Time that letters are looked after by each run which no redrive waits for any more.
const FOLLOWED_FOR: Duration = Duration::from_hours(24);

/// Turns of those that were sent before that, as to a consumer that is off for days: each has one an hour, which is longer than
/// some runs are apart.
const TURNS: i64 = 12;
const TURN_MS: i64 = 3_600_000 / TURNS;

/// Pause before the next look at letters of which nothing is known yet.
const PAUSE: Duration = Duration::from_secs(1);

/// Time for which a run goes on looking though nothing changes. Then the next minute's looks.
const IDLE: Duration = Duration::from_secs(10);

/// Letters that are sent at once: SQS takes so many in a batch. After a crash so many may be sent twice.
const SENT_AT_ONCE: usize = 10;

/// Letters that are looked at at once: so many are one inquiry to a service.
const LOOKED_AT_ONCE: usize = 25;

/// Least time that a redrive gets before the next has its turn.
const SHARE: Duration = Duration::from_secs(8);

/// Place of the last letter that a run has looked after, if it came to no end. It lasts as long as the function does: the
/// first run of a new one begins with the oldest letter.
#[derive(Debug, Default)]
pub(crate) struct Followed(Mutex<Option<String>>);

impl Followed {
    fn place(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn end_at(&self, place: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }
}

/// Parts of the list of a redrive's letters that were read, by their numbers.
type List = BTreeMap<u32, Vec<LetterId>>;

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
    followed: &'a Followed,
}

impl<'a, S, R, V, N, W> RedriveRunner<'a, S, R, V, N, W>
where
    S: LetterStore + JobStore + PartStore,
    R: Keys,
    V: Clock + Random,
    N: Queues + Consumers,
    W: Clock,
{
    /// A runner on that store, whose letters those keys open, for that stack. It goes on looking after letters where `followed` says.
    pub(crate) fn new(store: S, keys: &'a KeyRing<R, V>, stack: N, world: W, followed: &'a Followed) -> Self {
        Self { store, keys, stack, world, followed }
    }

    /// Takes all redrives on until nothing is left to do, or its time is up. One that fails is left to the next run, and holds up no
    /// other. Nor does one that is slow: the time that is left is shared between those that have not had their turn. Before them,
    /// letters are looked after that nobody waits for; after half of the time no question about these is begun.
    ///
    /// # Errors
    ///
    /// The reason why one of them does not go on; the others did.
    pub(crate) async fn run(&self, run: &str, deadline: Time) -> Result<()> {
        // What is wrong with letters of before is no reason to leave those of now alone.
        let begun_at = self.world.now();
        let mut failed = self.follow(begun_at.after(begun_at.until(deadline) / 2)).await.err();
        let mut left_alone = BTreeSet::<String>::new();
        let mut changed_at = self.world.now();
        loop {
            let mut is_waiting = false;
            let mut active = self.store.active::<Redrive>().await?;
            active.retain(|redrive| !left_alone.contains(redrive.id()));
            for (redrive, others) in active.iter().zip((0..active.len()).rev()) {
                let now = self.world.now();
                let share = now.until(deadline) / u32::try_from(others + 1).unwrap_or(u32::MAX);
                let turn_ends = now.after(share.max(SHARE)).min(deadline);
                match self.advance(&redrive.head.id, run, turn_ends).await {
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
                        left_alone.insert(redrive.id().to_owned());
                        failed = Some(failure);
                    }
                }
            }
            let is_idle = changed_at.until(self.world.now()) > IDLE;
            if !is_waiting || is_idle || self.is_late(deadline) {
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
        let mut list = List::default();
        // Every open letter is looked at once.
        let mut looks = redrive.open.len();
        while !self.is_late(deadline) {
            let outcomes: Vec<(Act, Outcome)> = match redrive.act() {
                Act::Rest => break,
                Act::Look(_) if looks == 0 => break,
                Act::Send(_) => {
                    let indexes = redrive.to_send(sent_at_once(redrive.rate_per_second));
                    let ids = self.listed(&redrive, &indexes, &mut list).await?;
                    let outcomes = self.send(&redrive, &ids).await?;
                    indexes.into_iter().map(Act::Send).zip(outcomes).collect()
                }
                Act::Look(_) => {
                    let indexes = redrive.to_look_at(looks.min(LOOKED_AT_ONCE));
                    looks -= indexes.len();
                    let ids = self.listed(&redrive, &indexes, &mut list).await?;
                    let outcomes = self.look(&redrive, &ids).await?;
                    indexes.into_iter().map(Act::Look).zip(outcomes).collect()
                }
            };
            let Some(changed) = self.change(id, |redrive| Some(redrive.after(&outcomes))).await? else { break };
            has_changed |= outcomes.iter().any(|(_, outcome)| *outcome != Outcome::Open);
            let sent = outcomes.iter().filter(|(_, outcome)| *outcome == Outcome::Sent).count();
            looks += sent;
            if let Some(rate) = redrive.rate_per_second.filter(|_| sent > 0) {
                self.world.sleep(Duration::from_secs(sent as u64) / rate.max(1)).await;
            }
            redrive = changed;
        }
        Ok(if redrive.is_active() { Advance::Waits { has_changed } } else { Advance::Ended })
    }

    /// Changes a redrive as it stands on record; none where `change` answers none.
    async fn change(&self, id: &RedriveId, change: impl Fn(&Redrive) -> Option<Redrive>) -> Result<Option<Redrive>> {
        crate::jobs::change::change(&self.store, id.as_str(), change).await
    }

    /// Ids of the letters of these indexes. A part of the list never changes, and is read once.
    async fn listed(&self, redrive: &Redrive, indexes: &[u32], list: &mut List) -> Result<Vec<LetterId>> {
        let size = u32::try_from(PART).unwrap_or(u32::MAX);
        let mut ids = Vec::new();
        for index in indexes {
            let part = match list.entry(index / size) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(self.store.part(&redrive.head.id, index / size).await?),
            };
            let id = part.get((index % size) as usize);
            ids.push(id.cloned().ok_or_else(|| Failure::permanent("a redrive has no letter of that index"))?);
        }
        Ok(ids)
    }

    /// Sends letters back. Between the claim of one and its confirmation it may be sent once more, by whoever goes on after a
    /// crash; never is it claimed and forgotten.
    async fn send(&self, redrive: &Redrive, ids: &[LetterId]) -> Result<Vec<Outcome>> {
        let mut outcomes = BTreeMap::<&LetterId, Outcome>::new();
        let mut claimed = Vec::new();
        for _ in 0..MAX_RACES {
            let open: Vec<LetterId> = ids.iter().filter(|id| !outcomes.contains_key(id)).cloned().collect();
            if open.is_empty() {
                self.deliver(&claimed).await.into_iter().collect::<Result<()>>()?;
                return Ok(ids.iter().map(|id| outcomes.get(id).copied().unwrap_or(Outcome::Skipped)).collect());
            }
            let mut free = Vec::new();
            let found = self.store.letters_of(&open).await?;
            for (id, letter) in ids.iter().filter(|id| open.contains(id)).zip(found) {
                match letter.map(|letter| (standing(&letter, redrive), letter)) {
                    None => drop(outcomes.insert(id, Outcome::Skipped)),
                    Some((Standing::Told(outcome), _)) => drop(outcomes.insert(id, outcome)),
                    Some((Standing::Claimed, letter)) => {
                        if outcomes.insert(id, Outcome::Sent).is_none() {
                            claimed.push(letter);
                        }
                    }
                    Some((Standing::Free, letter)) => free.push((id, letter)),
                }
            }
            let asked: Vec<&Letter> = free.iter().map(|(_, letter)| letter).collect();
            let asked = self.are_handled(&asked).await;
            let claims = free.iter().zip(asked).map(async |((id, letter), is_handled)| match is_handled {
                Ok(is_handled) => Ok((*id, self.claim(redrive, letter, is_handled).await?)),
                Err(failure) => Err(failure),
            });
            for claim in join_all(claims).await {
                match claim? {
                    (_, Claim::Lost) => {}
                    (id, Claim::None(outcome)) => drop(outcomes.insert(id, outcome)),
                    (id, Claim::Done(letter)) => {
                        outcomes.insert(id, Outcome::Sent);
                        claimed.push(*letter);
                    }
                }
            }
        }
        Err(Failure::transient(format!("a letter lost {MAX_RACES} races")))
    }

    async fn claim(&self, redrive: &Redrive, letter: &Letter, is_handled: IsHandled) -> Result<Claim> {
        match is_handled {
            IsHandled::Yes => return Ok(Claim::None(Outcome::HandledBefore)),
            IsHandled::Erased => return Ok(Claim::None(Outcome::Skipped)),
            IsHandled::No => {}
        }
        let claimed = letter.claimed(redrive.id(), &redrive.head.by, self.world.now());
        let Ok(claimed) = claimed else { return Ok(Claim::None(Outcome::Skipped)) };
        let stored = self.store.put(&claimed, Since::Revision(letter.revision)).await?;
        Ok(if stored == Stored::Done { Claim::Done(Box::new(claimed)) } else { Claim::Lost })
    }

    /// Delivers letters that are claimed, those of one queue together, and tells of each, in their order, that it is settled: in its
    /// queue, or parked again because that will never take it.
    async fn deliver(&self, letters: &[Letter]) -> Vec<Result<()>> {
        let all: Vec<&Letter> = letters.iter().collect();
        let messages = match messages(&self.store, self.keys, &all).await {
            Ok(messages) => messages,
            Err(failure) => return vec![Err(failure); letters.len()],
        };
        let mut queues = BTreeMap::<&str, Vec<(usize, Message)>>::new();
        let mut sent: Vec<Result<()>> = vec![Ok(()); letters.len()];
        for (place, (letter, message)) in letters.iter().zip(messages).enumerate() {
            match message {
                Ok(Some(message)) => {
                    let redriven = message.redriven(&letter.id, letter.sends);
                    queues.entry(&letter.destination.queue_url).or_default().push((place, redriven));
                }
                // Since it was claimed.
                Ok(None) => sent[place] = Err(Failure::permanent(ERASED)),
                Err(failure) => sent[place] = Err(failure),
            }
        }
        let sendings = queues.into_iter().map(async |(queue_url, messages)| {
            let (places, messages): (Vec<usize>, Vec<Message>) = messages.into_iter().unzip();
            let sent = self.stack.send(queue_url, &messages).await;
            let sent = sent.unwrap_or_else(|failure| vec![Err(failure); places.len()]);
            places.into_iter().zip(sent).collect::<Vec<_>>()
        });
        for (place, result) in join_all(sendings).await.into_iter().flatten() {
            sent[place] = result;
        }
        join_all(letters.iter().zip(sent).map(async |(letter, sent)| self.settle(letter, sent).await)).await
    }

    async fn settle(&self, letter: &Letter, sent: Result<()>) -> Result<()> {
        let after = match sent {
            Ok(()) => letter.confirmed(),
            Err(failure) if failure.kind() == FailureKind::Permanent => {
                letter.unsendable(failure.reason(), self.world.now())
            }
            Err(failure) => return Err(failure),
        };
        info!(letter = letter.id.as_str(), sends = letter.sends, state = after.state.as_str(), "letter sent back");
        // Who has changed it meanwhile has seen it come back, and knows more.
        self.store.put(&after, Since::Revision(letter.revision)).await.map(drop)
    }

    async fn look(&self, redrive: &Redrive, ids: &[LetterId]) -> Result<Vec<Outcome>> {
        let letters = self.store.letters_of(ids).await?;
        let sending_of = |letter: &Letter| letter.sending.clone().filter(|sending| sending.redrive == redrive.id());
        let watched: Vec<&Letter> = letters
            .iter()
            .flatten()
            .filter(|letter| letter.state == State::Sent && sending_of(letter).is_some())
            .collect();
        let mut handled = BTreeSet::new();
        for (letter, is_handled) in watched.iter().zip(self.are_handled(&watched).await) {
            if is_handled? == IsHandled::Yes {
                handled.insert(letter.id.clone());
            }
        }
        let outcome = |letter: &Letter| match (letter.state, sending_of(letter)) {
            (State::Handled, _) => Outcome::Handled,
            (State::Sent, Some(_)) if handled.contains(&letter.id) => Outcome::Handled,
            (State::Sent, Some(sending)) if sending.at.until(self.world.now()) > SILENCE => Outcome::Silent,
            (State::Sent, Some(_)) => Outcome::Open,
            // Whatever has happened to it since: it came back first.
            (State::Sent, None) | (State::Waiting | State::ParkedAgain | State::Dropped, _) => Outcome::ParkedAgain,
        };
        Ok(letters.iter().map(|letter| letter.as_ref().map_or(Outcome::Silent, outcome)).collect())
    }

    /// Asks the services of letters whether these are handled, each service about all of its own at once, and puts that on record.
    async fn are_handled(&self, letters: &[&Letter]) -> Vec<Result<IsHandled>> {
        let bodies = match self.bodies(letters).await {
            Ok(bodies) => bodies,
            Err(failure) => return vec![Err(failure); letters.len()],
        };
        let mut answers: Vec<Result<IsHandled>> = vec![Ok(IsHandled::No); letters.len()];
        let mut functions = BTreeMap::<&str, Vec<(usize, &str)>>::new();
        for (place, (letter, body)) in letters.iter().zip(&bodies).enumerate() {
            match body {
                Ok(Some(body)) => functions.entry(&letter.destination.function).or_default().push((place, body)),
                // Of what nobody can open any more, nobody can ask.
                Ok(None) => answers[place] = Ok(IsHandled::Erased),
                Err(failure) => answers[place] = Err(failure.clone()),
            }
        }
        let inquiries = functions.into_iter().map(async |(function, asked)| {
            let bodies: Vec<&str> = asked.iter().map(|(_, body)| *body).collect();
            let told = match outlooks(&self.stack, function, &bodies).await {
                Ok(outlooks) => outlooks.into_iter().map(Ok).collect(),
                Err(failure) => vec![Err(failure); asked.len()],
            };
            let told = asked.into_iter().zip(told);
            join_all(told.map(async |((place, _), outlook)| (place, self.told(letters[place], outlook).await))).await
        });
        for (place, answer) in join_all(inquiries).await.into_iter().flatten() {
            answers[place] = answer;
        }
        answers
    }

    async fn told(&self, letter: &Letter, outlook: Result<Outlook>) -> Result<IsHandled> {
        let row = match outlook? {
            Outlook::Handled { row } => row,
            Outlook::Nothing => None,
            Outlook::Due | Outlook::Early { .. } | Outlook::Refused { .. } | Outlook::Unknown => {
                return Ok(IsHandled::No);
            }
        };
        if let Some(handled) = letter.handled(row, self.world.now()) {
            // Whoever looks next finds the same.
            self.store.put(&handled, Since::Revision(letter.revision)).await?;
        }
        Ok(IsHandled::Yes)
    }

    /// Bodies of letters, in their order; none where nobody can open it any more.
    async fn bodies(&self, letters: &[&Letter]) -> Result<Vec<Result<Option<String>>>> {
        let long: Vec<&Letter> = letters.iter().copied().filter(|letter| letter.short_body.is_none()).collect();
        let found = if long.is_empty() { Vec::new() } else { messages(&self.store, self.keys, &long).await? };
        let mut found = found.into_iter();
        let bodies = letters.iter().map(|letter| match &letter.short_body {
            Some(body) => Ok(Some(body.clone())),
            None => found.next().unwrap_or(Ok(None)).map(|message| message.map(|message| message.body)),
        });
        Ok(bodies.collect())
    }

    /// Looks after the letters that were sent of late, whoever waits for them; those that were claimed by a run that died
    /// before it had sent them, it sends. A service that does not answer, or whose queue does not, holds up no other. It begins
    /// where the run before has ended for want of time, and comes to those before last.
    async fn follow(&self, until: Time) -> Result<()> {
        let begun_after = self.followed.place();
        let (mut after, mut is_second_round) = (begun_after.clone(), begun_after.is_none());
        let (mut failed, mut silent) = (None, BTreeSet::<String>::new());
        'pages: loop {
            let mut letters = self.store.page(State::Sent, after.as_deref()).await?;
            if is_second_round && let Some(begun_after) = &begun_after {
                letters.retain(|letter| letter.place() <= *begun_after);
            }
            if letters.is_empty() {
                after = None;
                if is_second_round {
                    break;
                }
                is_second_round = true;
            }
            // In the order of their places: whoever goes on misses none.
            for some in letters.chunks(LOOKED_AT_ONCE) {
                if self.is_late(until) {
                    break 'pages;
                }
                after = some.last().map(Letter::place);
                if let Some(failure) = self.follow_some(some, &mut silent).await {
                    failed = Some(failure);
                }
            }
        }
        self.followed.end_at(after);
        failed.map_or(Ok(()), Err)
    }

    /// Looks after some letters; answers what is wrong with the last of those that it cannot look after.
    async fn follow_some(&self, letters: &[Letter], silent: &mut BTreeSet<String>) -> Option<Failure> {
        let now = self.world.now();
        let (mut forgotten, mut watched, mut failed) = (Vec::new(), Vec::new(), None);
        for letter in letters {
            let Some(sending) = &letter.sending else { continue };
            let since = sending.at.until(now);
            if !sending.is_confirmed && since > LEASE {
                forgotten.push(letter.clone());
            } else if (since < FOLLOWED_FOR || has_turn(&letter.id, now))
                && !silent.contains(&letter.destination.function)
            {
                watched.push(letter);
            }
        }
        for some in forgotten.chunks(SENT_AT_ONCE) {
            failed = self.deliver(some).await.into_iter().filter_map(Result::err).next_back().or(failed);
        }
        for (letter, answer) in watched.iter().zip(self.are_handled(&watched).await) {
            if let Err(failure) = answer {
                silent.insert(letter.destination.function.clone());
                failed = Some(failure);
            }
        }
        failed
    }
}

/// Standing of a letter that a redrive is to send.
enum Standing {
    /// It is told already what comes of it.
    Told(Outcome),
    /// It is claimed by the redrive itself, and nobody knows whether it was sent.
    Claimed,
    /// It may be claimed.
    Free,
}

fn standing(letter: &Letter, redrive: &Redrive) -> Standing {
    let own = letter.sending.as_ref().filter(|sending| sending.redrive == redrive.id());
    match (letter.state, own) {
        (State::Handled, _) => Standing::Told(Outcome::HandledBefore),
        (State::Dropped, _) | (State::Sent, None) => Standing::Told(Outcome::Skipped),
        (State::Sent, Some(own)) if own.is_confirmed => Standing::Told(Outcome::Sent),
        // It was parked again before anybody had counted it.
        (State::ParkedAgain, Some(_)) => Standing::Told(Outcome::Sent),
        (State::Sent, Some(_)) => Standing::Claimed,
        (State::Waiting | State::ParkedAgain, _) => Standing::Free,
    }
}

/// Result of a claim.
enum Claim {
    /// The letter is the redrive's own.
    Done(Box<Letter>),
    /// Somebody else has changed it: it is read once more.
    Lost,
    /// There is nothing to claim.
    None(Outcome),
}

/// Answer of a service about a letter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IsHandled {
    Yes,
    No,
    /// Nobody can open it any more, and so nobody can ask.
    Erased,
}

/// Letters that are sent at once, at the most as many as in a second: SQS takes them in one call.
pub(crate) fn sent_at_once(rate_per_second: Option<u32>) -> usize {
    rate_per_second.map_or(SENT_AT_ONCE, |rate| SENT_AT_ONCE.min(rate.max(1) as usize))
}

/// True in one turn of each hour, which depends on the letter: of many not all are looked at by one run.
fn has_turn(letter: &LetterId, now: Time) -> bool {
    let place: i64 = letter.as_str().bytes().map(i64::from).sum();
    (now.as_millis().div_euclid(TURN_MS) - place).rem_euclid(TURNS) == 0
}
