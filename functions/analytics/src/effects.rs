//! Effects of the service: entries of the counts are put down, those of one batch together.
//!
//! Nobody waits for a count. So whoever has one to put down waits for the others of its batch, and one item has them all.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::channel::oneshot;
use onewrite::port::Clock;
use onewrite::{Attempt, Delivery, Effects, Failure, Result};
use orderflow_events::Time;
use tracing::warn;

use crate::counts::Counts;
use crate::domain::{Analytics, Count, Counted};
use crate::port::CountStore;
use crate::tally::{CREATED, Entry};

/// Time for which the others of a batch are waited for: they are read from the table at the same moment.
const GATHERING: Duration = Duration::from_millis(20);

/// Least time of events between two looks of one function at what is to be summed, in milliseconds.
const SUMS_EVERY_MS: i64 = 60_000;

/// Effects of analytics, on the counts.
pub struct CountEffects<S, W> {
    counts: Counts<S>,
    world: W,
    waiting: Mutex<Vec<Waiting>>,
    is_led: AtomicBool,
    looked_at_ms: AtomicI64,
}

/// Entries that wait for the others.
struct Waiting {
    entries: Vec<(Time, Entry)>,
    answer: oneshot::Sender<Result<()>>,
}

impl<S: CountStore, W: Clock> CountEffects<S, W> {
    /// Effects on these counts.
    pub fn new(counts: S, world: W) -> Self {
        Self {
            counts: Counts::new(counts),
            world,
            waiting: Mutex::default(),
            is_led: AtomicBool::new(false),
            looked_at_ms: AtomicI64::new(i64::MIN),
        }
    }

    /// Puts entries down, with those of others. The first who comes leads: waits for a moment, and puts down what there is then.
    async fn put(&self, entries: Vec<(Time, Entry)>) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.lock().push(Waiting { entries, answer });
        if !self.is_led.swap(true, Ordering::AcqRel) {
            let mut lead = Lead(Some(self));
            self.world.sleep(GATHERING).await;
            lead.0 = None;
            // Who comes from here on leads the next group, even if it goes with this one.
            self.is_led.store(false, Ordering::Release);
            let waiting = std::mem::take(&mut *self.lock());
            let entries: Vec<_> = waiting.iter().flat_map(|one| one.entries.iter().cloned()).collect();
            let result = self.counts.put(&entries).await;
            for one in waiting {
                // Who has given up waiting hears nothing, and puts its entries down when it comes again.
                let _ = one.answer.send(result.clone());
            }
        }
        answered.await.unwrap_or_else(|_| Err(Failure::transient("the write that it was a part of was given up")))
    }

    /// Sums up what is over as of the newest of these entries, once a minute of their time: where the events of an hour come late and in
    /// order, or all over again, a minute is summed once it is over for them, and not anew at each of its entries. None is of the
    /// future. Where it does not work out an entry of a minute later tries again.
    async fn sum_up(&self, newest: Time) {
        let now = newest.min(self.world.now());
        let last = self.looked_at_ms.load(Ordering::Acquire);
        if now.as_millis() < last.saturating_add(SUMS_EVERY_MS) {
            return;
        }
        let looked = self.looked_at_ms.compare_exchange(last, now.as_millis(), Ordering::AcqRel, Ordering::Acquire);
        if looked.is_ok()
            && let Err(failure) = self.counts.sum_up(now).await
        {
            warn!(reason = failure.reason(), "the minutes that are over are not summed");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: CountStore, W: Clock> Effects<Analytics> for CountEffects<S, W> {
    async fn perform(&self, Count(entries): Count, _: Attempt, _: &Delivery<'_>) -> Result<Counted> {
        let (counted, newest) = (Counted(entries.len()), entries.iter().map(|(at, _)| *at).max());
        self.put(entries).await?;
        if let Some(newest) = newest {
            self.sum_up(newest).await;
        }
        Ok(counted)
    }

    fn asks_neighbour(&self, _: &Count) -> bool {
        false
    }

    async fn is_performed(&self, Count(entries): &Count) -> Result<bool> {
        // The first count of an order leaves a row behind it, and nothing is done before that.
        let is_first = entries.iter().any(|(_, entry)| entry.counters.contains_key(CREATED));
        Ok(!is_first && self.counts.has(entries).await?)
    }
}

/// Lead of a group, until it is put down. Where it is dropped before that, as at the end of an invocation, all who wait hear that
/// nobody knows.
struct Lead<'a, S, W>(Option<&'a CountEffects<S, W>>);

impl<S, W> Drop for Lead<'_, S, W> {
    fn drop(&mut self) {
        if let Some(effects) = self.0 {
            effects.is_led.store(false, Ordering::Release);
            effects.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}
