//! The FIFO topic of SNS, and what is subscribed to it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::{Rc, Weak};
use std::time::Duration;

use onewrite::{Failure, Result};
use orderflow_events::{EventType, Time};
use orderflow_relay::{Entry, MAX_BATCH_ENTRIES, Refusal, Topic};
use serde::Deserialize;

use crate::faults::Kind;
use crate::model::queue::FifoQueue;
use crate::sabotage::Sabotage;
use crate::world::World;

/// For how long SNS knows a deduplication id again (its documented interval).
const DEDUPLICATION_INTERVAL: Duration = Duration::from_mins(5);

/// SNS takes so many bytes in a batch, all messages together (its quota).
const MAX_BYTES: usize = 262_144;

/// How long a message is on its way to the queues.
const DELIVERY_MS: u64 = 20;

/// A FIFO topic whose ids are known again in each group, as the stack's is.
pub struct FifoTopic {
    world: Weak<World>,
    subscriptions: Vec<Subscription>,
    recent: RefCell<HashMap<(String, String), Time>>,
}

/// A queue that is subscribed.
pub struct Subscription {
    /// The queue.
    pub queue: Rc<FifoQueue>,
    /// The types that its filter policy lets through; all where there is none.
    pub filter: Option<Vec<EventType>>,
    /// Where messages go that cannot be delivered.
    pub undeliverable: Rc<FifoQueue>,
}

impl Subscription {
    fn wants(&self, kind: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.iter().any(|wanted| wanted.as_str() == kind))
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
}

impl FifoTopic {
    /// A topic with these subscriptions.
    pub fn new(world: &Rc<World>, subscriptions: Vec<Subscription>) -> Self {
        Self { world: Rc::downgrade(world), subscriptions, recent: RefCell::default() }
    }

    /// Publishes one event, unless it was published within the last five minutes.
    pub fn publish_one(&self, group: &str, deduplication: &str, message: &str) {
        let Some(world) = self.world.upgrade() else { return };
        let now = world.executor.now();
        world.audit.published(deduplication);
        let key = (group.to_owned(), deduplication.to_owned());
        if self.recent.borrow().get(&key).is_some_and(|at| at.until(now) < DEDUPLICATION_INTERVAL) {
            return;
        }
        self.recent.borrow_mut().insert(key, now);
        let kind = serde_json::from_str::<Head>(message).map_or_else(|_| Cow::from(""), |head| head.kind);
        let text: Rc<str> = Rc::from(message);
        let mut queues = Vec::new();
        for subscription in self.subscriptions.iter().filter(|subscription| subscription.wants(&kind)) {
            if world.faults.strikes(Kind::Undeliverable) {
                subscription.undeliverable.send(group, Rc::clone(&text), BTreeMap::new(), deduplication);
                continue;
            }
            if world.faults.strikes(Kind::Duplicate) {
                let (world, queue) = (Rc::clone(&world), Rc::clone(&subscription.queue));
                let (group, text) = (group.to_owned(), Rc::clone(&text));
                let again = format!("{deduplication} again");
                let delay = world
                    .faults
                    .below([100, 60_000, 600_000, 200_000_000][usize::try_from(world.faults.below(4)).unwrap_or(0)]);
                Rc::clone(&world.executor).spawn(async move {
                    world.sleep_ms(delay).await;
                    queue.send(&group, text, BTreeMap::new(), &again);
                });
            }
            queues.push(Rc::clone(&subscription.queue));
        }
        let (group, deduplication) = (group.to_owned(), deduplication.to_owned());
        Rc::clone(&world.executor).spawn(async move {
            world.sleep_ms(DELIVERY_MS).await;
            // Each message in a group of its own: nothing keeps them in order.
            let group = if world.lacks(Sabotage::GroupOrder) { format!("{group}~{deduplication}") } else { group };
            for queue in queues {
                queue.send(&group, Rc::clone(&text), BTreeMap::new(), &deduplication);
                if world.faults.strikes(Kind::Overtaking) {
                    queue.overtake(&group);
                }
            }
        });
    }

    /// The subscriptions.
    pub fn subscriptions(&self) -> &[Subscription] {
        &self.subscriptions
    }
}

/// What the relay asks for happens at once.
impl Topic for FifoTopic {
    async fn publish(&self, batch: &[Entry]) -> Result<Vec<Refusal>> {
        let refused = |code: &str| Err(Failure::permanent(code));
        if batch.is_empty() {
            return refused("EmptyBatchRequest");
        }
        if batch.len() > MAX_BATCH_ENTRIES {
            return refused("TooManyEntriesInBatchRequest");
        }
        if batch.iter().map(|entry| entry.message.len()).sum::<usize>() > MAX_BYTES {
            return refused("BatchRequestTooLong");
        }
        for entry in batch {
            self.publish_one(entry.group.as_str(), &entry.id.to_string(), &entry.message);
        }
        Ok(Vec::new())
    }

    async fn warm(&self) {}
}
