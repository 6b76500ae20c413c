//! Topics of SNS, and the standard queues that are subscribed to them.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::{Rc, Weak};
use std::time::Duration;

use envelope::Time;
use onewrite::relay::{Entry, MAX_BATCH_ENTRIES, Refusal, Topic};
use onewrite::{Attribute, Failure, Result};
use serde_json::Value;

use crate::faults::FaultKind;
use crate::head::Head;
use crate::model::queue::{Message, StandardQueue};
use crate::run::Run;

/// SNS knows a deduplication id again for so long (its documented interval).
const DEDUPLICATION_INTERVAL: Duration = Duration::from_mins(5);

/// SNS takes so many bytes in a batch, all messages together (its quota).
const MAX_BYTES: usize = 262_144;

/// Time that a message is on its way to a queue, in milliseconds.
const DELIVERY_MS: u64 = 20;

/// Longest that a message is late, in milliseconds, one of them at random.
const DELAYED_MS: [u64; 3] = [1_000, 60_000, 600_000];

/// Longest that it takes until a message is delivered a second time, in milliseconds, one of them at random.
const AGAIN_MS: [u64; 4] = [100, 60_000, 600_000, 200_000_000];

/// Attribute of messages that no function can read, with a number of their own.
pub const POISON: &str = "poison";

/// Standard topic: what it takes it delivers, sooner or later, in any order and at times twice, to each queue whose filter
/// policy lets it through, or to the dead letters of the subscription.
pub struct StandardTopic {
    run: Weak<Run>,
    subscriptions: RefCell<Vec<Subscription>>,
    published: RefCell<Vec<(Rc<str>, Rc<str>)>>,
    poisoned: RefCell<Vec<(&'static str, Rc<str>)>>,
}

/// FIFO topic, of all facts: it knows a deduplication id again in its message group.
///
/// On the way to a standard queue order and group are lost, so that the subscriptions are those of a standard topic.
pub struct FifoTopic {
    /// Its subscriptions.
    pub fanout: Rc<StandardTopic>,
    recent: RefCell<HashMap<(String, String), Time>>,
}

/// Subscription of a standard queue.
#[derive(Clone)]
pub struct Subscription {
    /// Name of the service that consumes the queue.
    pub service: &'static str,
    /// The queue.
    pub queue: Rc<StandardQueue>,
    /// Types that the filter policy lets through; all where there is none.
    pub filter: Option<Vec<&'static str>>,
    /// Dead letters of the subscription: what cannot be delivered.
    pub undeliverable: Rc<StandardQueue>,
}

impl Subscription {
    /// True if the filter policy lets that type through.
    #[must_use]
    pub fn wants(&self, kind: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.contains(&kind))
    }
}

impl StandardTopic {
    /// Topic that nobody has subscribed to.
    #[must_use]
    pub fn new(run: &Rc<Run>) -> Self {
        Self {
            run: Rc::downgrade(run),
            subscriptions: RefCell::default(),
            published: RefCell::default(),
            poisoned: RefCell::default(),
        }
    }

    /// Subscribes a queue.
    pub fn subscribe(&self, subscription: Subscription) {
        self.subscriptions.borrow_mut().push(subscription);
    }

    /// Takes a type out of the filter policy of a service's subscription, as if it had been forgotten there.
    pub fn unsubscribe(&self, service: &str, event_type: &str) {
        for subscription in self.subscriptions.borrow_mut().iter_mut().filter(|known| known.service == service) {
            if let Some(filter) = &mut subscription.filter {
                filter.retain(|wanted| *wanted != event_type);
            }
        }
    }

    /// Publishes a message.
    pub fn publish(&self, message: &str) {
        self.take(&Head::of(message), message);
    }

    fn take(&self, head: &Head<'_>, message: &str) {
        let Some(run) = self.run.upgrade() else { return };
        let (subject, text): (Rc<str>, Rc<str>) = (Rc::from(&*head.subject), Rc::from(message));
        self.published.borrow_mut().push((Rc::clone(&subject), Rc::clone(&text)));
        for subscription in
            self.subscriptions.borrow().iter().filter(|subscription| subscription.wants(&head.event_type))
        {
            self.deliver(&run, subscription, &subject, &text);
        }
    }

    fn deliver(&self, run: &Rc<Run>, subscription: &Subscription, subject: &Rc<str>, text: &Rc<str>) {
        let (faults, queue) = (&run.faults, &subscription.queue);
        let message = || Message::new(Rc::clone(subject), Rc::clone(text));
        if faults.strikes(FaultKind::Killer) {
            run.arm(subscription.service, subject);
        }
        if faults.strikes(FaultKind::Poison) {
            queue.send(self.poison(run, subscription, text));
        }
        if faults.strikes(FaultKind::Undeliverable) {
            return subscription.undeliverable.send(message());
        }
        if faults.strikes(FaultKind::Duplicate) {
            queue.send_late(message(), DELIVERY_MS + faults.below(faults.pick(&AGAIN_MS)));
        }
        let delay = if faults.strikes(FaultKind::Delayed) { faults.below(faults.pick(&DELAYED_MS)) } else { 0 };
        queue.send_late(message(), DELIVERY_MS + delay);
    }

    /// Message that no function can read, with a number of its own.
    fn poison(&self, run: &Run, subscription: &Subscription, text: &str) -> Message {
        let body: Rc<str> =
            Rc::from(spoiled(text, run.faults.below(if subscription.filter.is_some() { 6 } else { 4 })));
        self.poisoned.borrow_mut().push((subscription.service, Rc::clone(&body)));
        let number = format!("{} {}", subscription.service, self.poisoned());
        let attributes = BTreeMap::from([(POISON.to_owned(), Attribute::Text("String".to_owned(), number))]);
        Message { attributes: Rc::new(attributes), ..Message::new(Rc::from(POISON), body) }
    }

    /// Subscriptions.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.subscriptions.borrow().clone()
    }

    /// Subject and text of every message that it took, in their order.
    #[must_use]
    pub fn published(&self) -> Vec<(Rc<str>, Rc<str>)> {
        self.published.borrow().clone()
    }

    /// Number of messages that no function can read.
    #[must_use]
    pub fn poisoned(&self) -> u64 {
        self.poisoned.borrow().len() as u64
    }

    /// Services and the bodies of the messages that they cannot read, in their order.
    #[must_use]
    pub fn poison_sent(&self) -> Vec<(&'static str, Rc<str>)> {
        self.poisoned.borrow().clone()
    }
}

impl FifoTopic {
    /// Topic that nobody has subscribed to.
    #[must_use]
    pub fn new(run: &Rc<Run>) -> Self {
        Self { fanout: Rc::new(StandardTopic::new(run)), recent: RefCell::default() }
    }

    /// Publishes an event, unless it was published within the last five minutes.
    pub fn publish_one(&self, group: &str, deduplication: &str, message: &str) {
        let Some(run) = self.fanout.run.upgrade() else { return };
        let head = Head::of(message);
        run.guarantees.published(deduplication);
        run.check(run.observer.published(&head.subject, deduplication));
        let (now, key) = (run.executor.now(), (group.to_owned(), deduplication.to_owned()));
        if self.recent.borrow().get(&key).is_some_and(|at| at.until(now) < DEDUPLICATION_INTERVAL) {
            return;
        }
        self.recent.borrow_mut().insert(key, now);
        self.fanout.take(&head, message);
    }
}

/// Event that nobody can read any more. The first four are no `CloudEvents` at all; what the others say, no consumer of
/// certain types knows.
fn spoiled(text: &str, how: u64) -> String {
    let Ok(mut event) = serde_json::from_str::<Value>(text) else { return "{}".to_owned() };
    match how {
        0 => return text.chars().take(text.chars().count() / 2).collect(),
        1 => return "{}".to_owned(),
        2 => event["id"] = Value::Null,
        3 => event["specversion"] = "0.3".into(),
        4 => event["dataschema"] = "urn:nobody:1".into(),
        _ => event["type"] = "NobodyKnows".into(),
    }
    event.to_string()
}

/// Calls of a relay: what it asks for happens at once.
impl Topic for FifoTopic {
    fn name(&self) -> &'static str {
        "events"
    }

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
            self.publish_one(&entry.group, entry.id.as_str(), &entry.message);
        }
        Ok(Vec::new())
    }

    async fn warm(&self) {}
}
