//! Jobs: what operators have asked for is taken on each minute, all kinds of it side by side.

pub(crate) mod change;
pub(crate) mod inquiry;
pub(crate) mod job;
pub(crate) mod reconciler;
pub(crate) mod reconciliation;
pub(crate) mod redrive;
pub(crate) mod redrives;
pub(crate) mod replay;
pub(crate) mod replays;

use std::collections::BTreeSet;
use std::time::Duration;

use onewrite::envelope::derive_id;
use onewrite::personal::{KeyRing, Keys};
use onewrite::port::{Clock, Random};
use onewrite::{Failure, Result};
use orderflow_events::Time;
use tracing::warn;

use self::change::change;
use self::job::Job;
use self::reconciler::Reconciler;
use self::reconciliation::Reconciliation;
use self::redrives::{Followed, RedriveRunner};
use self::replay::Replay;
use self::replays::ReplayRunner;
use crate::port::{Archive, Consumers, Directory, JobStore, LetterStore, Outboxes, PartStore, Queues, Relays};

/// Pause before the next look at jobs that wait.
const PAUSE: Duration = Duration::from_secs(1);

/// Time for which a run goes on looking though nothing changes. Then the next minute's looks.
const IDLE: Duration = Duration::from_secs(10);

/// Time of a run that is kept to end a page.
const RESERVE: Duration = Duration::from_secs(25);

/// Runs the jobs that are on record.
pub struct Jobs<S, R, N, W> {
    store: S,
    keys: KeyRing<R, W>,
    stack: N,
    world: W,
    followed: Followed,
}

impl<S, R, N, W> Jobs<S, R, N, W>
where
    S: LetterStore + JobStore + PartStore,
    R: Keys,
    N: Archive + Consumers + Directory + Outboxes + Queues + Relays,
    W: Clock + Random,
{
    /// A runner on that store, whose letters those keys open, for that stack.
    pub fn new(store: S, keys: KeyRing<R, W>, stack: N, world: W) -> Self {
        Self { store, keys, stack, world, followed: Followed::default() }
    }

    /// Takes all jobs on until nothing is left to do, or its time is up.
    ///
    /// # Errors
    ///
    /// The reason why one of them does not go on; the others did.
    pub async fn run(&self, deadline: Time) -> Result<()> {
        let mut drawn = [0; 16];
        self.world.fill(&mut drawn);
        let run = derive_id("run_", &[&format!("{:032x}", u128::from_be_bytes(drawn))]);
        let redrives = RedriveRunner::new(&self.store, &self.keys, &self.stack, &self.world, &self.followed);
        let replays = ReplayRunner::new(&self.store, &self.stack, &self.world);
        let reconciler = Reconciler::new(&self.store, &self.stack, &self.world);
        let (of_redrives, of_replays, of_reconciliations) = futures::join!(
            redrives.run(&run, deadline),
            self.run_pages(&run, deadline, async |replay: &Replay| replays.advance(replay).await),
            self.run_pages(&run, deadline, async |job: &Reconciliation| reconciler.advance(job).await),
        );
        of_redrives.and(of_replays).and(of_reconciliations)
    }

    /// Takes the jobs of one kind on by a page each, in turn, as long as one has another page. Jobs that wait are looked at
    /// again for a while; one that fails is left to the next run, and holds up no other.
    async fn run_pages<J: Job>(
        &self,
        run: &str,
        deadline: Time,
        advance: impl AsyncFn(&J) -> Result<bool>,
    ) -> Result<()> {
        let mut failed: Option<Failure> = None;
        let mut left_alone = BTreeSet::<String>::new();
        let mut changed_at = self.world.now();
        loop {
            let (mut is_waiting, mut has_more) = (false, false);
            for known in self.store.active::<J>().await? {
                if left_alone.contains(known.id()) {
                    continue;
                }
                let now = self.world.now();
                if now.until(deadline) < RESERVE {
                    return failed.map_or(Ok(()), Err);
                }
                let Some(job) = change(&self.store, known.id(), |job: &J| job.taken(run, now)).await? else { continue };
                let advanced = if job.is_active() { advance(&job).await } else { Ok(false) };
                change(&self.store, job.id(), |job: &J| Some(job.run_by(None))).await?;
                match advanced {
                    Ok(true) => has_more = true,
                    Ok(false) => is_waiting |= job.is_active(),
                    Err(failure) => {
                        warn!(job = job.id(), reason = failure.reason(), "a job does not go on");
                        left_alone.insert(job.id().to_owned());
                        failed = Some(failure);
                    }
                }
            }
            if has_more {
                changed_at = self.world.now();
                continue;
            }
            if !is_waiting || changed_at.until(self.world.now()) > IDLE {
                return failed.map_or(Ok(()), Err);
            }
            self.world.sleep(PAUSE).await;
        }
    }
}
