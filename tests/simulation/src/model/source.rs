//! The event sources of Lambda: they start functions, and see to what becomes of the messages.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage, SqsMessageAttribute};
use futures::channel::oneshot;
use futures::future::{Either, LocalBoxFuture, select};
use onewrite::port::Clock;
use onewrite::{Attribute, Result};
use orderflow_events::Time;

use crate::faults::Kind;
use crate::model::queue::{FifoQueue, MAX_BATCH, Message};
use crate::model::stream::Shard;
use crate::world::{Site, count};

/// A consumer of a queue, as Lambda sees it.
pub trait Consumer {
    /// Handles a batch.
    fn run(&self, event: SqsEvent, deadline: Time) -> LocalBoxFuture<'_, SqsBatchResponse>;
}

/// A consumer of a stream, as Lambda sees it.
pub trait StreamConsumer {
    /// Handles a batch.
    fn run(&self, event: aws_lambda_events::dynamodb::Event, deadline: Time) -> LocalBoxFuture<'_, Result<()>>;
}

/// How a function is run.
pub struct Function {
    /// Who it is, and by which clock.
    pub site: Site,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// How many invocations there may be at once.
    pub concurrency: u32,
}

/// Runs `consumer` for the messages of `queue`, for ever.
pub async fn serve(function: Rc<Function>, queue: Rc<FifoQueue>, consumer: Rc<dyn Consumer>) {
    let slots = Rc::new(Slots::new(function.concurrency));
    let world = Rc::clone(&function.site.world);
    if world.faults.strikes(Kind::Down) {
        let pause = [60_000, 7_200_000, 400_000_000][usize::try_from(world.faults.below(3)).unwrap_or(0)];
        let (begin, pause) = (world.faults.below(20_000), world.faults.below(pause));
        let slots = Rc::clone(&slots);
        let world = Rc::clone(&world);
        world.clone().spawn(async move {
            world.sleep_ms(begin).await;
            slots.closed.set(true);
            world.sleep_ms(pause).await;
            slots.closed.set(false);
            slots.wake();
        });
    }
    loop {
        let slot = slots.take().await;
        let most = 1 + usize::try_from(world.faults.below(MAX_BATCH as u64)).unwrap_or(0);
        let messages = queue.receive(most).await;
        let (function, queue, consumer) = (Rc::clone(&function), Rc::clone(&queue), Rc::clone(&consumer));
        world.spawn(async move {
            invoke(&function, &queue, &*consumer, messages).await;
            drop(slot);
        });
    }
}

async fn invoke(function: &Function, queue: &FifoQueue, consumer: &dyn Consumer, messages: Vec<Message>) {
    let (site, world) = (&function.site, &function.site.world);
    for message in &messages {
        count(&world.tally.deliveries);
        world
            .story
            .tell_of(&message.group, site, || format!("receives {} ({})", what(&message.body), message.receives));
    }
    if messages.iter().any(|message| world.audit.kills(site.name, &message.group)) {
        world.sleep_ms(1).await;
        return world.executor.die().await;
    }
    if world.story.is_told() {
        let delivered = messages.iter().map(|message| (site.name, what(&message.body)));
        world.tally.delivered.borrow_mut().extend(delivered);
    }
    let deadline = site.now().after(function.timeout);
    let mut event = SqsEvent::default();
    event.records = messages.iter().map(to_record).collect();
    let response = match select(consumer.run(event, deadline), pin!(world.executor.sleep(function.timeout))).await {
        Either::Left((response, _)) => response,
        // Its time is up, and Lambda ends the process.
        Either::Right(_) => return,
    };
    let failed: HashSet<&str> =
        response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect();
    for message in &messages {
        if failed.contains(message.id.to_string().as_str()) {
            count(&world.tally.retries);
        } else if !world.faults.strikes(Kind::Unacknowledged) {
            queue.delete(message.receipt);
        }
    }
}

fn to_record(message: &Message) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = Some(message.id.to_string());
    record.receipt_handle = Some(message.receipt.to_string());
    record.body = Some(message.body.to_string());
    record.attributes.insert("MessageGroupId".to_owned(), message.group.to_string());
    record.attributes.insert("ApproximateReceiveCount".to_owned(), message.receives.to_string());
    for (name, attribute) in &message.attributes {
        if let Attribute::Text(data_type, value) = attribute {
            let mut attribute = SqsMessageAttribute::default();
            attribute.data_type = Some(data_type.clone());
            attribute.string_value = Some(value.clone());
            record.message_attributes.insert(name.clone(), attribute);
        }
    }
    record
}

/// Runs `consumer` for the records of `shard`, for ever: one invocation after the other, the same records again until
/// they are handled.
pub async fn serve_stream(function: Rc<Function>, shard: Rc<Shard>, consumer: Rc<dyn StreamConsumer>) {
    let world = Rc::clone(&function.site.world);
    let mut pause_ms = 50;
    loop {
        let event = shard.next().await;
        let records = event.records.len();
        // Where the process dies, nothing is sent.
        let (done, answer) = oneshot::channel();
        let (running, consumer) = (Rc::clone(&function), Rc::clone(&consumer));
        world.spawn(async move {
            let deadline = running.site.now().after(running.timeout);
            let time_up = pin!(running.site.world.executor.sleep(running.timeout));
            if let Either::Left((Ok(()), _)) = select(consumer.run(event, deadline), time_up).await {
                let _ = done.send(());
            }
        });
        if answer.await.is_ok() {
            shard.pass(&world, records);
            pause_ms = 50;
        } else {
            world.sleep_ms(pause_ms).await;
            pause_ms = (pause_ms * 2).min(10_000);
        }
    }
}

/// The type of an event, for the story.
#[must_use]
pub fn what(body: &str) -> String {
    let document: Option<serde_json::Value> = serde_json::from_str(body).ok();
    document.and_then(|document| document["type"].as_str().map(str::to_owned)).unwrap_or_else(|| "junk".to_owned())
}

/// Invocations that may be under way at once.
struct Slots {
    free: Cell<u32>,
    closed: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

struct Slot(Rc<Slots>);

impl Slots {
    fn new(count: u32) -> Self {
        Self { free: Cell::new(count), closed: Cell::new(false), waiting: RefCell::new(None) }
    }

    async fn take(self: &Rc<Self>) -> Slot {
        poll_fn(|context| {
            if self.free.get() > 0 && !self.closed.get() {
                self.free.set(self.free.get() - 1);
                return Poll::Ready(());
            }
            self.waiting.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
        Slot(Rc::clone(self))
    }

    fn wake(&self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.free.set(self.0.free.get() + 1);
        self.0.wake();
    }
}
