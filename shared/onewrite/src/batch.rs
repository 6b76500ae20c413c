//! One invocation: records in, and out those that have to come again.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures::FutureExt;
use futures::future::{Either, join_all, select};
use lambda_runtime::{LambdaEvent, service_fn};
use orderflow_events::Time;
use tracing::{Instrument, Span, error, field, info, info_span, warn};

use crate::backoff::backoff_seconds;
use crate::config::QueueSettings;
use crate::failure::{Failure, FailureKind, Result};
use crate::message::{Incoming, open};
use crate::park::DeadLetter;
use crate::port::{Clock, DeadLetters, Random, Visibility};
use crate::telemetry;

/// What is kept of the invocation's time to park and put back what failed. A record that is at work then is given up, as
/// if the function had crashed in it.
const RESERVE: Duration = Duration::from_millis(750);

/// What is kept, of that, for the answer: without it Lambda takes every record of the batch for failed.
const ANSWER: Duration = Duration::from_millis(150);

/// SQS changes the visibility of so many messages at once (its quota).
const MAX_CHANGES: usize = 10;

/// How much time must be left, beyond the reserve, to begin with another record.
const LEAST: Duration = Duration::from_secs(1);

/// How long after one another the groups come again that ended with their function. Visibility is counted in whole
/// seconds, so that one second could be none.
const APART_SECONDS: u32 = 2;

/// How long SQS may take to note that.
const SET_APART_LIMIT: Duration = Duration::from_secs(1);

/// What a function does with one fact.
pub trait Handle {
    /// What it takes from a message.
    type Incoming: Incoming;

    /// Whether it has a use for this fact. What it has none for is acknowledged and counted.
    fn consumes(&self, fact: &Self::Incoming) -> bool;

    /// Prepares for the first message, while the function starts and is not throttled.
    async fn warm(&self);

    /// Handles it, completely or not at all: it may be called again with the same fact at any time.
    ///
    /// # Errors
    ///
    /// Why the fact is not handled, and whether to try again.
    async fn handle(&self, fact: &Self::Incoming, delivery: &Delivery<'_>) -> Result<Handled>;
}

/// The circumstances in which a fact arrives.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The fact as it was published.
    pub text: &'a str,
    /// When the attempt is over at the latest.
    pub deadline: Time,
}

/// How a fact was handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// Something happened because of it.
    Changed,
    /// The world outside was asked, and nothing had to be written about it.
    Performed,
    /// It made no difference.
    Unchanged,
    /// It had been handled before.
    Duplicate,
    /// This function has no use for its type.
    Ignored,
}

/// The invocations of one queue's consumer.
pub struct Batch<H, Q, W> {
    handler: H,
    queue: Q,
    world: W,
    settings: QueueSettings,
}

/// What becomes of a record.
enum Fate {
    /// It is acknowledged.
    Acknowledged,
    /// It comes again after so many seconds.
    Again(u32),
}

impl<H: Handle, Q: Visibility + DeadLetters, W: Clock + Random> Batch<H, Q, W> {
    /// The consumer of a queue.
    pub fn new(handler: H, queue: Q, world: W, settings: QueueSettings) -> Self {
        Self { handler, queue, world, settings }
    }

    /// What handles the facts.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// Handles the records of one invocation, which ends at `deadline`.
    ///
    /// Records of one message group are handled in their order, the groups side by side. When a record has to come
    /// again, those behind it in its group do too, after the same back-off: a longer wait would hold the group back, and
    /// a shorter one is safe only on a queue that is as strict about the order of a group as SQS itself.
    ///
    /// A record that kills the function fails all of the batch. If that has happened to any record before, the groups
    /// are set apart first, so that each comes again by itself.
    pub async fn run(&self, event: SqsEvent, deadline: Time) -> SqsBatchResponse {
        let mut groups = BTreeMap::<String, Vec<SqsMessage>>::new();
        for (index, record) in event.records.into_iter().enumerate() {
            let group = record.attributes.get("MessageGroupId").cloned();
            // A record of a standard queue is a group of its own.
            groups.entry(group.unwrap_or_else(|| format!("\0{index}"))).or_default().push(record);
        }
        let groups: Vec<Vec<SqsMessage>> = groups.into_values().collect();
        self.set_apart(&groups, deadline).await;
        let again = join_all(groups.into_iter().map(|records| self.run_group(records, deadline))).await.concat();
        self.put_back(&again, deadline).await;
        let mut response = SqsBatchResponse::default();
        for (record, _) in again {
            response.add_failure(record.message_id.unwrap_or_default());
        }
        response
    }

    async fn run_group(&self, records: Vec<SqsMessage>, deadline: Time) -> Vec<(SqsMessage, u32)> {
        let mut again = Vec::new();
        for record in records {
            let before = again.last().map(|(_, seconds)| *seconds);
            let waits = before.is_some() || self.time_left(deadline, RESERVE) < LEAST;
            // A message at its last receive has no other chance: it does not wait for one that could not be parked, and
            // is attempted in whatever time is left.
            let fate = if waits && !self.is_last_receive(&record) {
                Fate::Again(before.unwrap_or_default())
            } else {
                self.run_record(&record, deadline).await
            };
            if let Fate::Again(seconds) = fate {
                again.push((record, seconds));
            }
        }
        again
    }

    fn is_last_receive(&self, record: &SqsMessage) -> bool {
        receive_count(record) >= self.settings.max_receive_count
    }

    fn time_left(&self, deadline: Time, reserve: Duration) -> Duration {
        self.world.now().until(deadline).saturating_sub(reserve)
    }

    /// Does `work`, unless it takes longer than `limit`.
    async fn in_time<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let time_up = pin!(self.world.sleep(limit));
        match select(pin!(work), time_up).await {
            Either::Left((result, _)) => Some(result),
            Either::Right(_) => None,
        }
    }

    async fn run_record(&self, record: &SqsMessage, deadline: Time) -> Fate {
        let receive_count = receive_count(record);
        let span = info_span!(
            "record",
            request_id = telemetry::request_id(),
            cold_start = telemetry::is_cold_start(),
            message_id = record.message_id,
            receive_count,
            order_id = field::Empty,
            event_id = field::Empty,
            event_type = field::Empty,
        );
        async {
            match self.attempt(record, deadline).await {
                Ok(handled) => {
                    info!(?handled, "handled");
                    Fate::Acknowledged
                }
                Err(failure) => self.settle(record, failure, deadline).await,
            }
        }
        .instrument(span)
        .await
    }

    /// Handles one record; a panic and a time-out are failures of this record alone.
    async fn attempt(&self, record: &SqsMessage, deadline: Time) -> Result<Handled> {
        let attempt = AssertUnwindSafe(self.handle(record, deadline)).catch_unwind();
        match self.in_time(self.time_left(deadline, RESERVE), attempt).await {
            Some(Ok(result)) => result,
            Some(Err(_panic)) => Err(Failure::transient("the handler panicked")),
            None => Err(time_up()),
        }
    }

    async fn handle(&self, record: &SqsMessage, deadline: Time) -> Result<Handled> {
        let (fact, text) = open::<H::Incoming>(record.body.as_deref().unwrap_or_default())?;
        let span = Span::current();
        span.record("order_id", fact.context().subject.as_str());
        span.record("event_id", field::display(fact.context().id));
        span.record("event_type", fact.kind());
        if !self.handler.consumes(&fact) {
            return Ok(Handled::Ignored);
        }
        self.handler.handle(&fact, &Delivery { text: &text, deadline }).await
    }

    /// Decides what becomes of a record that failed.
    async fn settle(&self, record: &SqsMessage, failure: Failure, deadline: Time) -> Fate {
        let seconds = backoff_seconds(receive_count(record), self.settings.max_backoff_seconds, &self.world);
        let retryable = failure.kind().is_retryable();
        match failure.kind() {
            FailureKind::Misconfigured => error!(reason = failure.reason(), "failed: the deployment must be mended"),
            FailureKind::Transient => warn!(reason = failure.reason(), "failed, may pass"),
            FailureKind::Permanent => warn!(reason = failure.reason(), "failed for ever"),
        }
        if retryable && !self.is_last_receive(record) {
            return Fate::Again(seconds);
        }
        let letter = DeadLetter::about(record, &failure, &self.settings.function, self.world.now());
        let parked = self.in_time(self.time_left(deadline, ANSWER), self.queue.park(&letter)).await;
        match parked.unwrap_or_else(|| Err(time_up())) {
            Ok(()) => {
                warn!(retryable, "parked in the dead-letter queue");
                Fate::Acknowledged
            }
            // The message stays where it is. After its last receive SQS itself moves it, without the reason.
            Err(parking) => {
                error!(reason = parking.reason(), "not parked");
                Fate::Again(seconds)
            }
        }
    }

    /// Lets the groups of a batch come again each at its own time, after the end of this invocation, unless they are
    /// done with by then.
    ///
    /// What dies with its function comes again at the same moment, is received together once more, and dies together
    /// once more: up to the last receive, at which SQS moves all of it, and not only the message that kills. A dead
    /// function leaves no word about it, so this is done before the work begins, and only where a record was handed out
    /// before: what is received for the first time costs nothing.
    async fn set_apart(&self, groups: &[Vec<SqsMessage>], deadline: Time) {
        if groups.len() < 2 || groups.iter().flatten().all(|record| receive_count(record) < 2) {
            return;
        }
        let end = u32::try_from(self.time_left(deadline, Duration::ZERO).as_secs() + 1).unwrap_or(u32::MAX);
        let moments = (1..).map(|turn: u32| end.saturating_add(turn.saturating_mul(APART_SECONDS)));
        let records = groups.iter().zip(moments).flat_map(|(group, moment)| group.iter().map(move |one| (one, moment)));
        let limit = self.time_left(deadline, RESERVE).min(SET_APART_LIMIT);
        self.set_visibility(records, limit).await;
    }

    async fn put_back(&self, again: &[(SqsMessage, u32)], deadline: Time) {
        let records = again.iter().map(|(record, seconds)| (record, *seconds));
        self.set_visibility(records, self.time_left(deadline, ANSWER)).await;
    }

    /// If it fails, the messages come back after the queue's own time-out: at a worse moment, but none is lost.
    async fn set_visibility(&self, records: impl Iterator<Item = (&SqsMessage, u32)>, limit: Duration) {
        let changes = records.filter_map(|(record, seconds)| Some((record.receipt_handle.clone()?, seconds)));
        let changes: Vec<(String, u32)> = changes.collect();
        let set = join_all(changes.chunks(MAX_CHANGES).map(|changes| self.queue.set(changes)));
        let results = self.in_time(limit, set).await.unwrap_or_else(|| vec![Err(time_up())]);
        for failure in results.into_iter().filter_map(Result::err) {
            warn!(request_id = telemetry::request_id(), reason = failure.reason(), "visibility not changed");
        }
    }
}

fn time_up() -> Failure {
    Failure::transient("the function's time was up")
}

/// How often SQS has handed out the record, this time included.
fn receive_count(record: &SqsMessage) -> u32 {
    record.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// Serves a queue's invocations until Lambda ends the process.
///
/// # Errors
///
/// The Lambda Runtime API cannot be reached.
pub async fn serve<H, Q, W>(batch: Batch<H, Q, W>) -> Result<(), lambda_runtime::Error>
where
    H: Handle,
    Q: Visibility + DeadLetters,
    W: Clock + Random,
{
    batch.handler().warm().await;
    let batch = &batch;
    lambda_runtime::run(service_fn(async |invocation: LambdaEvent<SqsEvent>| {
        let deadline = telemetry::begin(&invocation.context);
        let response = batch.run(invocation.payload, deadline).await;
        telemetry::end();
        Ok::<_, std::convert::Infallible>(response)
    }))
    .await
}

#[cfg(test)]
mod tests;
