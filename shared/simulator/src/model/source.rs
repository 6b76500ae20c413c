//! Event sources of Lambda: they invoke functions, and see to what becomes of the messages.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage, SqsMessageAttribute};
use envelope::Time;
use futures::channel::oneshot;
use futures::future::{Either, LocalBoxFuture, select};
use onewrite::port::Clock;
use onewrite::relay::Record;
use onewrite::{Attribute, Result};

use crate::caller::Caller;
use crate::faults::FaultKind;
use crate::head::Head;
use crate::model::queue::{Message, StandardQueue};
use crate::model::stream::Shard;
use crate::run::{Run, count};
use crate::safeguard::Safeguard;
use crate::settings::{RelaySettings, Settings};

/// Longest time for which a source waits for more messages, in milliseconds, where it does.
const MAX_WINDOW_MS: u64 = 5_000;

/// Longest time for which a function takes no messages, in milliseconds, one of them at random.
const DOWN_MS: [u64; 3] = [60_000, 7_200_000, 400_000_000];

/// Shortest and longest pause before a stream's batch is tried again, in milliseconds.
const RETRY_MS: (u64, u64) = (50, 10_000);

/// Consumer of a queue, as Lambda sees it.
pub trait Consumer {
    /// Handles a batch.
    fn run(&self, event: SqsEvent, deadline: Time) -> LocalBoxFuture<'_, SqsBatchResponse>;
}

/// Consumer of a stream, as Lambda sees it.
pub trait StreamConsumer {
    /// Handles a batch.
    fn run(&self, records: Vec<Record>, deadline: Time) -> LocalBoxFuture<'_, Result<()>>;
}

/// Invokes a function that answers a request, and answers what comes back: nothing, where it dies or takes too long.
pub async fn invoke<T: 'static>(
    run: &Rc<Run>,
    timeout: Duration,
    work: impl Future<Output = T> + 'static,
) -> Option<T> {
    let (done, answer) = oneshot::channel();
    let time_up = run.executor.sleep(timeout);
    run.spawn(async move {
        if let Either::Left((response, _)) = select(pin!(work), time_up).await {
            let _ = done.send(response);
        }
    });
    answer.await.ok()
}

/// Invokes `consumer` for the messages of `queue`, for ever.
pub async fn serve(caller: Caller, settings: Settings, queue: Rc<StandardQueue>, consumer: Rc<dyn Consumer>) {
    let run = Rc::clone(&caller.run);
    let slots = Rc::new(Slots::new(settings.maximum_concurrency));
    if run.faults.strikes(FaultKind::Down) {
        let (begin, pause) = (run.faults.below(20_000), run.faults.below(run.faults.pick(&DOWN_MS)));
        close(&run, &slots, begin, pause);
    }
    let window = if run.faults.strikes(FaultKind::Batching) {
        Duration::from_millis(run.faults.below(MAX_WINDOW_MS))
    } else {
        settings.batching_window
    };
    loop {
        let slot = slots.take().await;
        let most = 1 + usize::try_from(run.faults.below(settings.batch_size as u64)).unwrap_or(0);
        let messages = queue.receive_batch(most, window).await;
        if run.faults.strikes(FaultKind::Throttled) {
            continue;
        }
        let (caller, queue, consumer) = (caller.clone(), Rc::clone(&queue), Rc::clone(&consumer));
        run.spawn(async move {
            handle(&caller, settings.timeout, &queue, &*consumer, messages).await;
            drop(slot);
        });
    }
}

/// Closes all slots for a while.
fn close(run: &Rc<Run>, slots: &Rc<Slots>, begin_ms: u64, pause_ms: u64) {
    let (clock, slots) = (Rc::clone(run), Rc::clone(slots));
    run.spawn(async move {
        clock.sleep_ms(begin_ms).await;
        slots.closed.set(true);
        clock.sleep_ms(pause_ms).await;
        slots.closed.set(false);
        slots.wake();
    });
}

async fn handle(
    caller: &Caller,
    timeout: Duration,
    queue: &StandardQueue,
    consumer: &dyn Consumer,
    messages: Vec<Message>,
) {
    let run = &caller.run;
    for message in &messages {
        count(&run.tally.deliveries);
        let what = || format!("receives {} ({})", Head::of(&message.body).described(), message.receives);
        caller.tell_of(&message.subject, what);
    }
    if messages.iter().any(|message| run.kills(caller.name, &message.subject)) {
        run.sleep_ms(1).await;
        return run.executor.die().await;
    }
    if run.trace.is_on() {
        let delivered = messages.iter().map(|message| (caller.name, Head::of(&message.body).event_type.into_owned()));
        run.tally.delivered.borrow_mut().extend(delivered);
    }
    let deadline = caller.now().after(timeout);
    let mut event = SqsEvent::default();
    event.records = messages.iter().map(|message| to_record(&queue.name, message)).collect();
    let response = match select(consumer.run(event, deadline), pin!(run.executor.sleep(timeout))).await {
        Either::Left((response, _)) => response,
        // Its time is up, and Lambda ends the process.
        Either::Right(_) => return,
    };
    let failures = response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str());
    let failed: HashSet<&str> = failures.filter(|_| !run.lacks(Safeguard::ITEM_FAILURES)).collect();
    for message in &messages {
        if failed.contains(message.id.to_string().as_str()) {
            count(&run.tally.retries);
        } else if !run.faults.strikes(FaultKind::Unacknowledged) {
            queue.delete(message.receipt());
        }
    }
}

fn to_record(queue: &str, message: &Message) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.event_source_arn = Some(queue.to_owned());
    record.message_id = Some(message.id.to_string());
    record.receipt_handle = Some(message.receipt().to_text());
    record.body = Some(message.body.to_string());
    record.attributes.insert("ApproximateReceiveCount".to_owned(), message.receives.to_string());
    let sent_at = message.sent_at.map_or(0, Time::as_millis);
    record.attributes.insert("SentTimestamp".to_owned(), sent_at.to_string());
    for (name, attribute) in &*message.attributes {
        if let Attribute::Text(data_type, value) = attribute {
            let mut attribute = SqsMessageAttribute::default();
            attribute.data_type = Some(data_type.clone());
            attribute.string_value = Some(value.clone());
            record.message_attributes.insert(name.clone(), attribute);
        }
    }
    record
}

/// Invokes `consumer` for the records of `shard`, for ever: one invocation after the other, the same records again until
/// they are handled.
pub async fn serve_stream(caller: Caller, settings: RelaySettings, shard: Rc<Shard>, consumer: Rc<dyn StreamConsumer>) {
    let run = Rc::clone(&caller.run);
    let (mut pause_ms, mut most) = (RETRY_MS.0, settings.batch_size);
    loop {
        let records = shard.next(most).await;
        let count = records.len();
        let (running, consumer) = (caller.clone(), Rc::clone(&consumer));
        let handled = invoke(&run, settings.timeout, async move {
            let deadline = running.now().after(settings.timeout);
            consumer.run(records, deadline).await
        });
        if handled.await.is_some_and(|result| result.is_ok()) {
            shard.pass(&run.faults, count);
            (pause_ms, most) = (RETRY_MS.0, settings.batch_size);
        } else {
            run.sleep_ms(pause_ms).await;
            pause_ms = (pause_ms * 2).min(RETRY_MS.1);
            if settings.bisects {
                most = count.div_ceil(2);
            }
        }
    }
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
