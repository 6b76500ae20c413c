//! Invocations of a consumer: by its queue, by a topic directly, or with an inquiry.

use aws_lambda_events::sns::SnsEvent;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use envelope::Time;
use lambda_runtime::{LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::batch::Batch;
use crate::failure::{Failure, Result};
use crate::handle::Handle;
use crate::inspect::{Answers, Inquiry};
use crate::port::{Clock, DeadLetters, Random, Visibility};
use crate::{runtime, telemetry};

/// Invocation of a consumer, by its source.
#[derive(Debug)]
enum Invocation {
    Sqs(SqsEvent),
    Sns(SnsEvent),
    Inspect(Inquiry),
}

/// Answer to an invocation.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    /// The records to come again, for SQS.
    Batch(SqsBatchResponse),
    /// Nothing, for SNS.
    Nothing,
    /// The answers to an inquiry.
    Inspected(Answers),
}

impl Invocation {
    /// Tells events of SQS and of SNS apart. Both types are lenient, and would take any JSON object for an event without
    /// records, which would then be acknowledged.
    fn read(payload: &RawValue) -> Result<Self> {
        if let Ok(Question { inspect }) = serde_json::from_str(payload.get()) {
            return Ok(Self::Inspect(inspect));
        }
        let source = serde_json::from_str::<Records>(payload.get()).ok().and_then(Records::source);
        let unknown = |_| Failure::permanent("the event of the queue or the topic is not understood");
        match source.as_deref() {
            Some("aws:sqs") => serde_json::from_str(payload.get()).map(Self::Sqs).map_err(unknown),
            Some("aws:sns") => serde_json::from_str(payload.get()).map(Self::Sns).map_err(unknown),
            Some(_) | None => Err(Failure::permanent("the invocation is neither an event of SQS nor of SNS")),
        }
    }
}

/// An invocation with an inquiry, and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    inspect: Inquiry,
}

/// The records of an invocation, of which only the source counts.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Records {
    records: Vec<SourceOfRecord>,
}

#[derive(Deserialize)]
struct SourceOfRecord {
    #[serde(rename = "eventSource", alias = "EventSource")]
    source: String,
}

impl Records {
    /// The one source of all records.
    fn source(self) -> Option<String> {
        let first = self.records.first()?.source.clone();
        self.records.iter().all(|record| record.source == first).then_some(first)
    }
}

/// Serves a queue's invocations until Lambda ends the process. Subscribed to a topic directly, the function handles the
/// same facts; what is neither an event of SQS nor of SNS fails, and is never acknowledged.
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
    runtime::run(service_fn(async |invocation: LambdaEvent<Box<RawValue>>| {
        let deadline = telemetry::begin(&invocation.context);
        let answer = answer(batch, &invocation.payload, deadline).await;
        telemetry::end();
        answer.map_err(lambda_runtime::Error::from)
    }))
    .await
}

/// The answer to one invocation.
pub(crate) async fn answer<H, Q, W>(batch: &Batch<H, Q, W>, payload: &RawValue, deadline: Time) -> Result<Answer>
where
    H: Handle,
    Q: Visibility + DeadLetters,
    W: Clock + Random,
{
    match Invocation::read(payload)? {
        Invocation::Sqs(event) => Ok(Answer::Batch(batch.run(event, deadline).await)),
        Invocation::Sns(event) => batch.run_notifications(event, deadline).await.map(|()| Answer::Nothing),
        Invocation::Inspect(inquiry) => batch.inspect(&inquiry, deadline).await.map(Answer::Inspected),
    }
}

#[cfg(test)]
mod tests;
