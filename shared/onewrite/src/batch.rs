//! One invocation: records in, and out those that have to come again.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::time::Duration;

use aws_lambda_events::sns::SnsEvent;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use envelope::{Subject, Time};
use futures::FutureExt;
use futures::future::{Either, LocalBoxFuture, select};
use tracing::{Instrument, Span, info_span, warn};

use crate::backoff::{any_of, hidden_seconds};
use crate::concurrent::{all, try_all};
use crate::config::QueueSettings;
use crate::failure::{Failure, FailureKind, Result};
use crate::handle::{Delivery, Handle, Handled, LEAST, RESERVE};
use crate::inspect::{Answers, Discrepancy, Inquiry, Outlook, UNREADABLE};
use crate::message::{Incoming, open};
use crate::park::DeadLetter;
use crate::port::{Clock, DeadLetters, Random, Visibility};
use crate::telemetry::{self, Observation, observe, spans};

/// Time, of the reserve, that is kept for the answer: without it Lambda takes every record of the batch for failed.
const ANSWER: Duration = Duration::from_millis(150);

/// SQS changes the visibility of so many messages at once (its quota).
const MAX_CHANGES: usize = 10;

/// Distance, in seconds, between the moments at which the messages come again that ended with their function. Visibility
/// is counted in whole seconds, so that one second could be none.
const APART_SECONDS: u32 = 2;

/// Longest time that SQS may take to set messages apart.
const SET_APART_LIMIT: Duration = Duration::from_secs(1);

/// Events or subjects of an inquiry that are looked at side by side.
const INSPECTED_AT_ONCE: usize = 10;

/// The invocations of one queue's consumer.
pub struct Batch<H, Q, W> {
    handler: H,
    queue: Q,
    world: W,
    settings: QueueSettings,
}

/// Result of an attempt at a record.
enum Fate {
    /// It is acknowledged.
    Acknowledged,
    /// It comes again after so many seconds.
    Again(u32),
}

/// A record whose message has been opened.
struct Received<I> {
    record: SqsMessage,
    opened: Result<Opened<I>>,
}

/// A fact, its type, and its own text as it was published.
struct Opened<I> {
    fact: I,
    event_type: String,
    text: String,
}

impl<I: Incoming> Received<I> {
    fn open(record: SqsMessage, received: Time) -> Self {
        // Even a reader that panics costs its own record only.
        let read = || open::<I>(record.body.as_deref().unwrap_or_default(), received);
        let opened = match catch_unwind(AssertUnwindSafe(read)) {
            Ok(Ok((fact, text))) => Ok(Opened { event_type: fact.event_type(), fact, text }),
            Ok(Err(error)) => Err(error.into()),
            Err(_panic) => Err(panicked()),
        };
        Self { record, opened }
    }

    fn subject(&self) -> Option<&str> {
        self.opened.as_ref().ok().map(|opened| opened.fact.context().subject.as_str())
    }

    fn event_type(&self) -> Option<&str> {
        self.opened.as_ref().ok().map(|opened| opened.event_type.as_str())
    }

    fn time(&self) -> Option<Time> {
        self.opened.as_ref().ok().map(|opened| opened.fact.context().time)
    }
}

/// Records of one subject together, in the order of their time; what could not be opened stands alone. What was received most
/// often comes first: where not all get a turn, such as at a pace, none goes without for ever.
fn by_subject<I: Incoming>(records: Vec<Received<I>>) -> Vec<Vec<Received<I>>> {
    let mut subjects = BTreeMap::<String, Vec<Received<I>>>::new();
    for (index, record) in records.into_iter().enumerate() {
        // A subject has no control characters.
        let subject = record.subject().map_or_else(|| format!("\0{index}"), str::to_owned);
        subjects.entry(subject).or_default().push(record);
    }
    let mut subjects: Vec<_> = subjects.into_values().collect();
    for records in &mut subjects {
        records.sort_by_key(Received::time);
    }
    subjects.sort_by_key(|records| Reverse(records.iter().map(|received| receive_count(&received.record)).max()));
    subjects
}

impl<H: Handle, Q: Visibility + DeadLetters, W: Clock + Random> Batch<H, Q, W> {
    /// The consumer of a queue.
    pub fn new(handler: H, queue: Q, world: W, settings: QueueSettings) -> Self {
        Self { handler, queue, world, settings }
    }

    /// The handler of the facts.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// Handles the records of one invocation, which ends at `deadline`.
    ///
    /// Records of one subject are handled one after the other, in the order of their `time`, for at the same moment they
    /// would only lose races against each other; the subjects are handled side by side. Each record's fate is its own: one
    /// that has to come again holds up no other.
    ///
    /// A record that kills the function fails all of the batch. If that has happened to any record before, all are set
    /// apart first, so that each comes again by itself.
    pub async fn run(&self, event: SqsEvent, deadline: Time) -> SqsBatchResponse {
        let received = self.world.now();
        let records: Vec<_> = event.records.into_iter().map(|record| Received::open(record, received)).collect();
        self.set_apart(&records, deadline).await;
        let subjects = by_subject(records).into_iter().map(|records| self.run_subject(records, deadline));
        let again = all(subjects).await.concat();
        self.slow_down(&again, deadline).await;
        self.put_back(&again, deadline).await;
        let mut response = SqsBatchResponse::default();
        for (record, _) in again {
            response.add_failure(record.message_id.unwrap_or_default());
        }
        response
    }

    async fn run_subject(&self, records: Vec<Received<H::Incoming>>, deadline: Time) -> Vec<(SqsMessage, u32)> {
        let mut again = Vec::new();
        for received in records {
            let is_late = self.time_left(deadline, RESERVE) < LEAST;
            // A message at its last receive has no other chance: it is attempted in whatever time is left.
            let fate = if is_late && !self.is_last_receive(&received.record) {
                put_back(&received, FailureKind::Deferred, 0)
            } else {
                self.run_record(&received, deadline).await
            };
            if let Fate::Again(seconds) = fate {
                again.push((received.record, seconds));
            }
        }
        again
    }

    /// Handles the facts that SNS hands to the function itself, past any queue. Each is attempted, whatever becomes of the
    /// others; Lambda repeats an invocation that failed, and what was handled is known then.
    ///
    /// # Errors
    ///
    /// Facts that were not handled, with the reason of the first.
    pub async fn run_notifications(&self, event: SnsEvent, deadline: Time) -> Result<()> {
        let (count, received) = (event.records.len(), self.world.now());
        let messages = event.records.into_iter().map(|record| {
            let mut message = SqsMessage::default();
            message.message_id = Some(record.sns.message_id);
            message.body = Some(record.sns.message);
            Received::<H::Incoming>::open(message, received)
        });
        let mut failures = Vec::new();
        for fact in by_subject(messages.collect()).into_iter().flatten() {
            let attempt = self.attempt(&fact, deadline).instrument(span_of(&fact));
            failures.extend(traced(&fact, received).follow(attempt).await.err());
        }
        let failed = failures.len();
        match failures.into_iter().next() {
            None => Ok(()),
            Some(first) => Err(first.during(&format!("{failed} of {count} facts were not handled"))),
        }
    }

    /// Tells what the events of an inquiry would come to, and compares its subjects with the world outside. Nothing is done. What fails
    /// for ever, as where a row is not understood, is the answer about that one: it would be refused, or is [`UNREADABLE`].
    ///
    /// # Errors
    ///
    /// The records cannot be read, or the world outside does not answer, within the time.
    pub async fn inspect(&self, inquiry: &Inquiry, deadline: Time) -> Result<Answers> {
        let received = self.world.now();
        let inspect = async {
            let mut answers = Answers::default();
            for events in inquiry.events.chunks(INSPECTED_AT_ONCE) {
                let outlooks = events.iter().map(|body| self.outlook(body, received));
                answers.events.extend(try_all(outlooks).await?);
            }
            for subjects in inquiry.subjects.chunks(INSPECTED_AT_ONCE) {
                let quiet_since = inquiry.quiet_since.unwrap_or(Time::from_millis(0));
                let audits = subjects.iter().map(|subject| self.audit(subject, quiet_since));
                answers.subjects.extend(try_all(audits).await?);
            }
            Ok(answers)
        };
        self.in_time(self.time_left(deadline, ANSWER), inspect).await.unwrap_or_else(|| Err(time_up()))
    }

    async fn outlook(&self, body: &str, received: Time) -> Result<Outlook> {
        let outlook = match open::<H::Incoming>(body, received) {
            Ok((fact, _)) if self.handler.consumes(&fact) => self.handler.outlook(&fact).await,
            Ok(_) => Ok(Outlook::Nothing),
            Err(error) => Err(error.into()),
        };
        // That is about this one, and the others are answered all the same.
        outlook.or_else(|failure| {
            let reason = failure.reason().to_owned();
            if failure.kind().is_retryable() { Err(failure) } else { Ok(Outlook::Refused { reason }) }
        })
    }

    async fn audit(&self, subject: &Subject, quiet_since: Time) -> Result<Vec<Discrepancy>> {
        self.handler.audit(subject, quiet_since).await.or_else(|failure| {
            let discrepancy = Discrepancy { kind: UNREADABLE.to_owned(), detail: failure.reason().to_owned() };
            if failure.kind().is_retryable() { Err(failure) } else { Ok(vec![discrepancy]) }
        })
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

    async fn run_record(&self, received: &Received<H::Incoming>, deadline: Time) -> Fate {
        let run = async {
            match self.attempt(received, deadline).await {
                Ok(_) => Fate::Acknowledged,
                Err(failure) => self.settle(received, failure, deadline).await,
            }
        };
        traced(received, self.world.now()).follow(run.instrument(span_of(received))).await
    }

    /// Handles one record; a panic and a time-out are failures of this record alone.
    async fn attempt(&self, received: &Received<H::Incoming>, deadline: Time) -> Result<Handled> {
        let attempt = AssertUnwindSafe(self.handle(received, deadline)).catch_unwind();
        let handled = match self.in_time(self.time_left(deadline, RESERVE), attempt).await {
            Some(Ok(result)) => result,
            Some(Err(_panic)) => Err(panicked()),
            None => Err(time_up()),
        };
        let observation = match &handled {
            Ok(handled) => Observation::Handled { handled: *handled, age: self.age(received) },
            Err(failure) => Observation::Failed(failure),
        };
        observe(received.event_type(), &observation);
        handled
    }

    fn age(&self, received: &Received<H::Incoming>) -> Duration {
        received.time().map(|time| time.until(self.world.now())).unwrap_or_default()
    }

    async fn handle(&self, received: &Received<H::Incoming>, deadline: Time) -> Result<Handled> {
        let Opened { fact, text, .. } = received.opened.as_ref().map_err(Clone::clone)?;
        if !self.handler.consumes(fact) {
            return Ok(Handled::Ignored);
        }
        // In a box of no certain type: what is within is large, and is not to be moved by, or looked into with, each layer
        // around it.
        let delivery = Delivery { text, deadline };
        let handling: LocalBoxFuture<'_, Result<Handled>> = Box::pin(self.handler.handle(fact, &delivery));
        handling.await
    }

    /// Decides what becomes of a record that failed.
    async fn settle(&self, received: &Received<H::Incoming>, failure: Failure, deadline: Time) -> Fate {
        let record = &received.record;
        let (attempts, cap) = (receive_count(record), self.settings.max_backoff_seconds);
        let seconds = any_of(&hidden_seconds(&failure, attempts, cap, self.handler.outage()), &self.world);
        let retryable = failure.kind().is_retryable();
        // What was never tried is not given up: if it is never to be tried, SQS itself moves it in the end.
        if retryable && (failure.kind() == FailureKind::Deferred || !self.is_last_receive(record)) {
            return put_back(received, failure.kind(), seconds);
        }
        let letter = DeadLetter::about(record, &failure, &self.settings.function, self.world.now());
        let parked = self.in_time(self.time_left(deadline, ANSWER), self.queue.park(&letter)).await;
        match parked.unwrap_or_else(|| Err(time_up())) {
            Ok(()) => {
                observe(received.event_type(), &Observation::Parked { retryable });
                Fate::Acknowledged
            }
            // The message stays where it is. After its last receive SQS itself moves it, without the reason.
            Err(parking) => {
                observe(received.event_type(), &Observation::NotParked(&parking));
                put_back(received, failure.kind(), seconds)
            }
        }
    }

    /// Lets the records of a batch come again each at its own time, after the end of this invocation, unless they are
    /// done with by then.
    ///
    /// Messages that die with their function come again at the same moment, are received together once more, and die
    /// together once more: up to the last receive, at which SQS moves all of them, and not only the message that kills.
    /// A dead function leaves no word about it, so this is done before the work begins, and only where a record was
    /// handed out before: what is received for the first time costs nothing.
    async fn set_apart(&self, records: &[Received<H::Incoming>], deadline: Time) {
        if records.len() < 2 || records.iter().all(|received| receive_count(&received.record) < 2) {
            return;
        }
        let end = u32::try_from(self.time_left(deadline, Duration::ZERO).as_secs() + 1).unwrap_or(u32::MAX);
        let moments = (1..).map(|turn: u32| end.saturating_add(turn.saturating_mul(APART_SECONDS)));
        let records = records.iter().map(|received| &received.record).zip(moments);
        let limit = self.time_left(deadline, RESERVE).min(SET_APART_LIMIT);
        self.set_visibility(records, limit).await;
    }

    /// Stays until the invocation's time is over, while a neighbour is down.
    ///
    /// A source has as many invocations under way as its maximum concurrency, and takes no more messages while they last. If
    /// they ended at once, it would go on to the end of the queue: each message would lose a receive, and be hidden, of which
    /// SQS lets 120,000 be at a time and then gives out none, not even those that need no neighbour.
    async fn slow_down(&self, again: &[(SqsMessage, u32)], deadline: Time) {
        if !again.is_empty() && self.handler.outage().is_some() {
            self.world.sleep(self.time_left(deadline, RESERVE)).await;
        }
    }

    async fn put_back(&self, again: &[(SqsMessage, u32)], deadline: Time) {
        let records = again.iter().map(|(record, seconds)| (record, *seconds));
        self.set_visibility(records, self.time_left(deadline, ANSWER)).await;
    }

    /// If it fails, the messages come back after the queue's own time-out: at a worse moment, but none is lost.
    async fn set_visibility(&self, records: impl Iterator<Item = (&SqsMessage, u32)>, limit: Duration) {
        let changes = records.filter_map(|(record, seconds)| Some((record.receipt_handle.clone()?, seconds)));
        let changes: Vec<(String, u32)> = changes.collect();
        let set = all(changes.chunks(MAX_CHANGES).map(|changes| self.queue.set(changes)));
        let results = self.in_time(limit, set).await.unwrap_or_else(|| vec![Err(time_up())]);
        for failure in results.into_iter().filter_map(Result::err) {
            warn!(request_id = telemetry::request_id(), reason = failure.reason(), "visibility not changed");
        }
    }
}

/// Span of one record, with all its fields from the beginning: each that is added later is formatted anew. The id of a
/// message is told only where it is all that is known, and a start only where it is cold: each line is paid for by its bytes.
fn span_of<E: Incoming>(Received { record, opened }: &Received<E>) -> Span {
    let (request_id, cold_start) = (telemetry::request_id(), telemetry::is_cold_start().then_some(true));
    let receive_count = receive_count(record);
    if let Ok(Opened { fact, event_type, .. }) = opened {
        info_span!(
            "record",
            request_id,
            cold_start,
            receive_count,
            subject = fact.context().subject.as_str(),
            event_id = %fact.context().id,
            event_type,
        )
    } else {
        info_span!("record", request_id, cold_start, message_id = &record.message_id, receive_count)
    }
}

/// Span of the processing of one record, for whoever collects them.
fn traced<E: Incoming>(Received { record, opened }: &Received<E>, now: Time) -> spans::Span {
    spans::process(record, opened.as_ref().ok().map(|opened| &opened.fact), now)
}

/// Lets a record come again after so many seconds.
fn put_back<E: Incoming>(received: &Received<E>, kind: FailureKind, hidden_seconds: u32) -> Fate {
    observe(received.event_type(), &Observation::PutBack { kind, hidden_seconds });
    Fate::Again(hidden_seconds)
}

fn panicked() -> Failure {
    Failure::transient("the handler panicked")
}

fn time_up() -> Failure {
    Failure::transient("the function's time was up")
}

/// Receive count: how often SQS has handed out the record, this time included.
fn receive_count(record: &SqsMessage) -> u32 {
    record.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests;
