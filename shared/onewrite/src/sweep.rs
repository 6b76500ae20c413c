//! Sweep: closes the subjects that have come to their end, and counts those that are open.
//!
//! A ledger with an index of [what is open](OpenSubjects) has the first row of each subject in it. Nothing of the way of a
//! subject takes it out again, so that no event waits for that; a sweep does, once a minute or so. What it did not come to
//! is still there for the next.

use std::ops::AddAssign;
use std::time::Duration;

use envelope::{Subject, Time};
use futures::future::{join_all, try_join_all};
use tracing::{error, warn};

use crate::decider::Decider;
use crate::failure::{Failure, FailureKind, Result};
use crate::ledger::Ledger;
use crate::port::{Clock, Log, OpenSubjects, Random};
use crate::slot::SHARDS;

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
    /// The ones that have been open for longest, each with the time at which it was begun; ten at most.
    pub oldest: Vec<(Subject, Time)>,
}

impl AddAssign for Swept {
    fn add_assign(&mut self, other: Self) {
        self.open += other.open;
        self.late += other.late;
        self.forgotten += other.forgotten;
        self.closed += other.closed;
        self.oldest.extend(other.oldest);
        self.oldest.sort_by_key(|(_, begun)| *begun);
        self.oldest.truncate(NAMED);
    }
}

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
        let shards = try_join_all((0..SHARDS).map(|shard| self.shard::<D>(shard, deadline))).await?;
        let mut swept = Swept::default();
        for shard in shards {
            swept += shard;
        }
        Ok(swept)
    }

    async fn shard<D: Decider>(&self, shard: u8, deadline: Time) -> Result<Swept> {
        let (mut swept, mut after) = (Swept::default(), None::<String>);
        loop {
            let page = self.index.page(shard, after.as_deref()).await?;
            for entries in page.subjects.chunks(AT_ONCE) {
                let looks = join_all(entries.iter().map(|entry| self.look::<D>(entry, deadline))).await;
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

    async fn look<D: Decider>(&self, entry: &(Subject, Time), deadline: Time) -> Swept {
        let (subject, begun) = entry;
        let now = self.ledger.world().now();
        let age = begun.until(now);
        let is_looked_at = age >= YOUNG && now.until(deadline) > RESERVE;
        if is_looked_at && self.is_closed::<D>(subject).await {
            return Swept { closed: 1, ..Swept::default() };
        }
        let (is_late, is_forgotten) = (age >= self.late_after, age >= FORGOTTEN_AFTER);
        let (late, forgotten) = (u64::from(is_late && !is_forgotten), u64::from(is_forgotten));
        Swept { open: 1, late, forgotten, closed: 0, oldest: vec![entry.clone()] }
    }

    async fn is_closed<D: Decider>(&self, subject: &Subject) -> bool {
        let close = async {
            let is_over = D::is_over(&self.ledger.load::<D>(subject).await?.state);
            if is_over {
                self.index.close(subject).await?;
            }
            Ok(is_over)
        };
        close.await.unwrap_or_else(|failure: Failure| {
            let (subject, reason) = (subject.as_str(), failure.reason());
            match failure.kind() {
                // Such as a right that is missing: then each subject would be late one day.
                FailureKind::Misconfigured => error!(subject, reason, "not looked at: the deployment must be mended"),
                FailureKind::Transient | FailureKind::Unavailable | FailureKind::Deferred | FailureKind::Permanent => {
                    warn!(subject, reason, "not looked at");
                }
            }
            false
        })
    }
}

#[cfg(test)]
mod tests;
