//! FIFO topic in memory.

use std::cell::RefCell;
use std::time::Duration;

use envelope::Time;

use crate::failure::{Failure, Result};
use crate::port::Clock;
use crate::relay::{Entry, MAX_BATCH_ENTRIES, Refusal, Topic};

/// Time for which SNS knows an id again (the deduplication interval of its FIFO topics).
const DEDUPLICATION_INTERVAL: Duration = Duration::from_mins(5);

/// SNS takes so many bytes in a batch, all messages together (its quota).
const MAX_BYTES: usize = 262_144;

/// A FIFO topic in memory: it remembers what was published, and is as strict as SNS.
///
/// Like the stack's own, it knows an id again for five minutes, in its group. It refuses a batch as a whole that is
/// empty, has more than ten events, or more than 262,144 bytes; it refuses no event for itself.
#[derive(Debug)]
pub struct MemoryTopic<C> {
    clock: C,
    published: RefCell<Vec<(Time, Entry)>>,
}

impl<C> MemoryTopic<C> {
    /// A topic that nothing was published to, with this clock to forget ids by.
    pub fn new(clock: C) -> Self {
        Self { clock, published: RefCell::default() }
    }

    /// Every event that reached the subscribers, in order.
    #[must_use]
    pub fn published(&self) -> Vec<Entry> {
        self.published.borrow().iter().map(|(_, entry)| entry.clone()).collect()
    }
}

impl<C: Clock> Topic for MemoryTopic<C> {
    fn name(&self) -> &'static str {
        "events"
    }

    async fn publish(&self, batch: &[Entry]) -> Result<Vec<Refusal>> {
        let refused = |code: &str| Err(Failure::permanent(format!("PublishBatch: {code}")));
        if batch.is_empty() {
            return refused("EmptyBatchRequest");
        }
        if batch.len() > MAX_BATCH_ENTRIES {
            return refused("TooManyEntriesInBatchRequest");
        }
        if batch.iter().map(|entry| entry.message.len()).sum::<usize>() > MAX_BYTES {
            return refused("BatchRequestTooLong");
        }
        let (now, mut published) = (self.clock.now(), self.published.borrow_mut());
        for entry in batch {
            let is_known = published.iter().any(|(at, known)| {
                known.id == entry.id && known.group == entry.group && at.until(now) < DEDUPLICATION_INTERVAL
            });
            if !is_known {
                published.push((now, entry.clone()));
            }
        }
        Ok(Vec::new())
    }

    async fn warm(&self) {}
}

/// Limits that an emulator does not show: it takes batches that are too long, and five minutes of its are five minutes.
#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use envelope::EventId;
    use futures::FutureExt;
    use serde_json::Value;

    use super::*;
    use crate::memory::VirtualTime;
    use crate::relay::OutboxRow;

    fn entry(group: &str, id: u8, bytes: usize) -> Entry {
        Entry {
            message: "x".repeat(bytes),
            group: group.to_owned(),
            id: EventId::v7(0, [id; 10]),
            committed_at: None,
            row: Rc::new(OutboxRow(Value::Null)),
        }
    }

    fn publish(topic: &MemoryTopic<&VirtualTime>, batch: &[Entry]) -> Result<Vec<Refusal>> {
        topic.publish(batch).now_or_never().unwrap()
    }

    #[test]
    fn a_batch_is_measured_as_a_whole() {
        let world = VirtualTime::new(1);
        for (bytes, taken) in [([262_144, 0], true), ([131_072, 131_072], true), ([131_072, 131_073], false)] {
            let topic = MemoryTopic::new(&world);
            let batch = [entry("a", 1, bytes[0]), entry("b", 2, bytes[1])];
            assert_eq!(publish(&topic, &batch).is_ok(), taken, "{bytes:?}");
            assert_eq!(topic.published().len(), if taken { 2 } else { 0 }, "{bytes:?}");
        }
    }

    #[test]
    fn an_id_is_known_for_five_minutes_in_its_group() {
        let world = VirtualTime::new(1);
        let topic = MemoryTopic::new(&world);
        for (pass, group, published) in [(0, "a", 1), (299, "a", 1), (0, "b", 2), (1, "a", 3), (298, "b", 3)] {
            world.pass(Duration::from_secs(pass));
            assert_eq!(publish(&topic, &[entry(group, 1, 1)]), Ok(Vec::new()));
            assert_eq!(topic.published().len(), published, "{group} after {pass} s");
        }
    }
}
