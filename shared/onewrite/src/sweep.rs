//! Sweep: closes the subjects that have come to their end, ends those that nothing else will, and counts those that are open.
//!
//! A ledger with an index of [what is open](OpenSubjects) has the first row of each subject in it. Nothing of the way of a
//! subject takes it out again, so that no event waits for that; a sweep does, once a minute or so. What it did not come to
//! is still there for the next.

use std::ops::AddAssign;
use std::time::Duration;

use envelope::{EventId, Extensions, Subject, Text, Time};
use futures::future::{join_all, try_join_all};
use tracing::{error, info, warn};

use crate::decider::{Commit, ContractOf, Decider};
use crate::failure::{Failure, FailureKind, Result};
use crate::ledger::{Committed, History, Ledger, Origin};
use crate::port::{Clock, Log, OpenSubjects, Random};
use crate::row::Cause;
use crate::slot::SHARDS;
use crate::telemetry::within_root_span;
use crate::trace::TraceParent;

/// Age below which nobody looks whether a subject is over: most are, before they are so old.
const YOUNG: Duration = Duration::from_secs(30);

/// Age from which a subject is forgotten, and not only late: no retry takes so long.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);

/// Subjects of a shard that are looked at side by side.
const AT_ONCE: usize = 10;

/// Time before the deadline at which a sweep looks at nothing more, and only counts.
const RESERVE: Duration = Duration::from_secs(5);

/// Subjects that are told by name.
const NAMED: usize = 10;

/// Sweep over the open subjects of a service.
pub struct Sweep<L, W, O> {
    ledger: Ledger<L, W>,
    index: O,
    late_after: Duration,
}

/// Result of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Number of subjects that are open. What is younger than half a minute may be over already, and so may be what the time
    /// was too short for.
    pub open: u64,
    /// Number of those that were begun too long ago, but not more than a day ago.
    pub late: u64,
    /// Number of those that were begun more than a day ago. They wait for a person, and say nothing of how it goes now: were they
    /// counted as late, nobody would notice that others are.
    pub forgotten: u64,
    /// Number of subjects that were found to be over, and were closed.
    pub closed: u64,
    /// Number of subjects that the sweep itself has made an end of.
    pub ended: u64,
    /// The ones that have been open for longest, each with the time at which it was begun; ten at most.
    pub oldest: Vec<(Subject, Time)>,
}

impl AddAssign for Swept {
    fn add_assign(&mut self, other: Self) {
        self.open += other.open;
        self.late += other.late;
        self.forgotten += other.forgotten;
        self.closed += other.closed;
        self.ended += other.ended;
        self.oldest.extend(other.oldest);
        self.oldest.sort_by_key(|(_, begun)| *begun);
        self.oldest.truncate(NAMED);
    }
}

/// End of a subject that nothing else will make an end of, such as one that waits for what never comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending<C, P> {
    /// The name of the row's cause, such as `CancelUnpaid`.
    pub name: &'static str,
    /// Commit that ends it, by the ordinary conditional write: if somebody else is faster nothing is written, and the next sweep looks
    /// again.
    pub commit: Commit<C, P>,
    /// The id of the first event of the subject's flow.
    pub correlation_id: Option<Text>,
}

/// Ending of a subject of a service.
pub type EndingOf<D> = Ending<<D as Decider>::Change, ContractOf<D>>;

impl<L: Log, W: Clock + Random, O: OpenSubjects> Sweep<L, W, O> {
    /// A sweep over the index of that ledger; a subject is late when it was begun so long ago, which has to be less than a day:
    /// from then on it is forgotten.
    pub fn new(ledger: Ledger<L, W>, index: O, late_after: Duration) -> Self {
        Self { ledger, index, late_after }
    }

    /// Looks at the open subjects, those that have been open for longest first, and closes what is over. It can be run by
    /// several at once, and be cut off anywhere.
    ///
    /// # Errors
    ///
    /// The index cannot be read. A subject that cannot be is counted as open.
    pub async fn run<D: Decider>(&self, deadline: Time) -> Result<Swept> {
        self.run_ending::<D>(deadline, async |_, _| Ok(None)).await
    }

    /// The same, and makes the end of those of which `ending` has one: for a state, and the time since the subject was begun. It is
    /// asked of each subject that is old enough to be looked at, and not over.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run). What cannot be written, and what `ending` fails at, counts as open.
    pub async fn run_ending<D: Decider>(
        &self,
        deadline: Time,
        ending: impl AsyncFn(&D::State, Duration) -> Result<Option<EndingOf<D>>>,
    ) -> Result<Swept> {
        let ending = &ending;
        let shards = try_join_all((0..SHARDS).map(|shard| self.shard::<D>(shard, deadline, ending))).await?;
        let mut swept = Swept::default();
        for shard in shards {
            swept += shard;
        }
        Ok(swept)
    }

    async fn shard<D: Decider>(
        &self,
        shard: u8,
        deadline: Time,
        ending: &impl AsyncFn(&D::State, Duration) -> Result<Option<EndingOf<D>>>,
    ) -> Result<Swept> {
        let (mut swept, mut after) = (Swept::default(), None::<String>);
        loop {
            let page = self.index.page(shard, after.as_deref()).await?;
            for entries in page.subjects.chunks(AT_ONCE) {
                let looks = join_all(entries.iter().map(|entry| self.look::<D>(entry, deadline, ending))).await;
                for look in looks {
                    swept += look;
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(swept),
            }
        }
    }

    async fn look<D: Decider>(
        &self,
        entry: &(Subject, Time),
        deadline: Time,
        ending: &impl AsyncFn(&D::State, Duration) -> Result<Option<EndingOf<D>>>,
    ) -> Swept {
        let (subject, begun) = entry;
        let now = self.ledger.world().now();
        let age = begun.until(now);
        let is_looked_at = age >= YOUNG && now.until(deadline) > RESERVE;
        let found = if is_looked_at { self.found::<D>(subject, age, ending).await } else { Found::default() };
        let ended = u64::from(found.is_ended);
        if found.is_closed {
            return Swept { closed: 1, ended, ..Swept::default() };
        }
        let (is_late, is_forgotten) = (age >= self.late_after, age >= FORGOTTEN_AFTER);
        let (late, forgotten) = (u64::from(is_late && !is_forgotten), u64::from(is_forgotten));
        Swept { open: 1, late, forgotten, closed: 0, ended, oldest: vec![entry.clone()] }
    }

    /// Looks at a subject: ends it, if there is an ending, and closes it if it is over, by that or before.
    async fn found<D: Decider>(
        &self,
        subject: &Subject,
        age: Duration,
        ending: &impl AsyncFn(&D::State, Duration) -> Result<Option<EndingOf<D>>>,
    ) -> Found {
        let mut found = Found::default();
        let look = async {
            let mut history = self.ledger.load::<D>(subject).await?;
            if !D::is_over(&history.state)
                && let Some(ending) = ending(&history.state, age).await?
            {
                let name = ending.name;
                found.is_ended = self.end(&mut history, ending).await?;
                if found.is_ended {
                    info!(subject = subject.as_str(), name, "ended");
                }
            }
            if D::is_over(&history.state) {
                self.index.close(subject).await?;
                found.is_closed = true;
            }
            Ok(())
        };
        if let Err(failure) = look.await {
            tell(subject, &failure);
        }
        found
    }

    /// Writes the end of a subject, unless somebody else writes something meanwhile. It is a trace of its own.
    async fn end<D: Decider>(&self, history: &mut History<D>, ending: EndingOf<D>) -> Result<bool> {
        let (world, mut random) = (self.ledger.world(), [0; 10]);
        world.fill(&mut random);
        let id = EventId::v7(u64::try_from(world.now().as_millis()).unwrap_or(0), random);
        let cause = Cause {
            source: format!("{}/sweep", D::SOURCE),
            id: id.to_string(),
            event_type: ending.name.to_owned(),
            by: None,
        };
        let origin = Origin {
            cause,
            correlation_id: ending.correlation_id,
            causation_id: None,
            extensions: Extensions::new(),
            trace_parent: Some(TraceParent::new(world)),
            trace_state: None,
        };
        let commit = self.ledger.commit(history, &origin, ending.commit);
        match within_root_span(ending.name, commit).await? {
            Committed::Done(_) => Ok(true),
            Committed::LostRace | Committed::Short(_) => Ok(false),
        }
    }
}

/// Result of a look at a subject.
#[derive(Default)]
struct Found {
    is_ended: bool,
    is_closed: bool,
}

fn tell(subject: &Subject, failure: &Failure) {
    let (subject, reason) = (subject.as_str(), failure.reason());
    match failure.kind() {
        // Such as a right that is missing: then each subject would be late one day.
        FailureKind::Misconfigured => error!(subject, reason, "not looked at: the deployment must be mended"),
        FailureKind::Transient | FailureKind::Unavailable | FailureKind::Deferred | FailureKind::Permanent => {
            warn!(subject, reason, "not looked at");
        }
    }
}

#[cfg(test)]
mod tests;
