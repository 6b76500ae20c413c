//! Group commit: what is appended at one moment, and changes the same counters, goes into the table in one write.
//!
//! Ten subjects that change one counter side by side are ten transactions on one item, of which nine collide. Together they
//! are one transaction, which changes the counter once by the sum.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use envelope::Subject;
use futures::channel::oneshot;

use crate::backoff::collision_pause;
use crate::decider::CounterUpdate;
use crate::failure::{Failure, Result};
use crate::port::{Addition, Appended, Clock, Log, Random, merged};
use crate::readers::{Readers, lock};
use crate::row::Row;
use crate::telemetry::{Observation, observe};

/// Number of attempts at a write that collides with another: several functions that change one counter at the same moment.
pub(crate) const MAX_COLLISIONS: u32 = 8;

/// Most items of one write (DynamoDB's quota for a transaction).
const MAX_ITEMS: usize = 100;

/// Group commit of one ledger.
#[derive(Default)]
pub(crate) struct GroupCommit {
    waiting: Mutex<Vec<Waiting>>,
    is_led: AtomicBool,
    readers: Readers,
}

/// Append that waits for its group.
struct Waiting {
    subject: Subject,
    row: Row,
    updates: Vec<CounterUpdate>,
    answer: oneshot::Sender<Result<Appended>>,
}

impl Waiting {
    fn addition(&self) -> Addition<'_> {
        Addition { subject: &self.subject, row: &self.row, updates: &self.updates }
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        self.updates.iter().map(|update| update.key.as_str())
    }
}

impl GroupCommit {
    /// Reads, and lets those wait who are about to append until it is done.
    pub(crate) async fn reading<T>(&self, read: impl Future<Output = T>) -> T {
        let _reader = self.readers.enter();
        read.await
    }

    /// Appends a row. One that changes counters waits for those who read at this moment, and goes with them.
    ///
    /// The first who comes leads: writes for all who wait, until nobody does.
    pub(crate) async fn append(
        &self,
        log: &impl Log,
        world: &(impl Clock + Random),
        addition: Addition<'_>,
    ) -> Result<Appended> {
        if addition.updates.is_empty() {
            return append_past_collisions(log, world, &[addition]).await;
        }
        let (answer, answered) = oneshot::channel();
        let Addition { subject, row, updates } = addition;
        let waiting = Waiting { subject: subject.clone(), row: row.clone(), updates: updates.to_vec(), answer };
        lock(&self.waiting).push(waiting);
        if !self.is_led.swap(true, Ordering::AcqRel) {
            let _lead = Lead(self);
            self.readers.gone(world).await;
            while let Some(group) = self.next_group() {
                write(log, world, group).await;
            }
        }
        answered.await.unwrap_or_else(|_| Err(Failure::transient("the write that it was a part of was given up")))
    }

    fn next_group(&self) -> Option<Vec<Waiting>> {
        let mut waiting = lock(&self.waiting);
        let mut group = Vec::new();
        // Who joins may have a counter in common with somebody who was passed over.
        while let Some(next) = waiting.iter().position(|next| joins(&group, next)) {
            group.push(waiting.remove(next));
        }
        (!group.is_empty()).then_some(group)
    }
}

/// Tells that `next` may go with the group: it changes a counter that the group changes.
fn joins(group: &[Waiting], next: &Waiting) -> bool {
    let has_common_key = group.iter().flat_map(Waiting::keys).any(|key| next.keys().any(|other| other == key));
    let is_other_subject = group.iter().all(|member| member.subject != next.subject);
    let additions: Vec<_> = group.iter().chain([next]).map(Waiting::addition).collect();
    let fits = || merged(&additions).is_ok_and(|updates| additions.len() + updates.len() <= MAX_ITEMS);
    group.is_empty() || (has_common_key && is_other_subject && fits())
}

/// Writes a group, and answers everybody in it. Where one of them stands in the way, nothing was done for any: it is
/// written by halves, until that one is alone.
async fn write(log: &impl Log, world: &(impl Clock + Random), group: Vec<Waiting>) {
    let mut parts = vec![group];
    while let Some(mut part) = parts.pop() {
        let additions: Vec<_> = part.iter().map(Waiting::addition).collect();
        let result = append_past_collisions(log, world, &additions).await;
        if part.len() > 1 && is_undone(&result) {
            let later = part.split_off(part.len() / 2);
            parts.extend([later, part]);
        } else {
            for member in part {
                // Who has given up waiting hears nothing, and finds the row when it comes again.
                let _ = member.answer.send(result.clone());
            }
        }
    }
}

/// Tells a result that one member has brought about for all.
fn is_undone(result: &Result<Appended>) -> bool {
    match result {
        Ok(Appended::LostRace | Appended::Short(_)) => true,
        Ok(Appended::Done | Appended::Conflict) => false,
        Err(failure) => !failure.kind().is_retryable(),
    }
}

/// Appends, and where a collision comes of it tries again, so often as is worth it.
async fn append_past_collisions(
    log: &impl Log,
    world: &(impl Clock + Random),
    additions: &[Addition<'_>],
) -> Result<Appended> {
    for attempt in 1..MAX_COLLISIONS {
        let appended = log.append_all(additions).await?;
        if appended != Appended::Conflict {
            return Ok(appended);
        }
        for addition in additions {
            observe(Some(&addition.row.cause.event_type), &Observation::Conflict);
        }
        world.sleep(collision_pause(attempt, world)).await;
    }
    log.append_all(additions).await
}

/// Lead of the group. Where it is dropped half-way, as at the end of an invocation, all who wait hear that nobody knows.
struct Lead<'a>(&'a GroupCommit);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.0.is_led.store(false, Ordering::Release);
        lock(&self.0.waiting).clear();
    }
}

#[cfg(test)]
mod tests;
