//! A consumer's queue and its dead-letter queue, on SQS.

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue};

use super::{System, classify};
use crate::batch::{Batch, Handle, serve};
use crate::config::QueueSettings;
use crate::failure::{Failure, Result};
use crate::park::{Attribute, DeadLetter};
use crate::port::{DeadLetters, Visibility};

/// Handles the messages of a queue until Lambda ends the process: what a consumer's `main` comes to.
///
/// # Errors
///
/// The Lambda Runtime API cannot be reached.
pub async fn consume(
    settings: QueueSettings,
    handler: impl Handle,
    aws: &SdkConfig,
) -> Result<(), lambda_runtime::Error> {
    let queue = SqsQueue::new(Client::new(aws), &settings.queue_url, &settings.dead_letter_queue_url);
    serve(Batch::new(handler, queue, System, settings)).await
}

/// A queue and its dead-letter queue.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    queue_url: String,
    dead_letters: SqsDeadLetters,
}

impl SqsQueue {
    /// The queues at these URLs.
    pub fn new(client: Client, queue_url: impl Into<String>, dead_letter_queue_url: impl Into<String>) -> Self {
        let dead_letters = SqsDeadLetters::new(client.clone(), dead_letter_queue_url);
        Self { client, queue_url: queue_url.into(), dead_letters }
    }
}

/// A dead-letter queue alone, for a function that has no queue of its own.
#[derive(Clone, Debug)]
pub struct SqsDeadLetters {
    client: Client,
    queue_url: String,
}

impl SqsDeadLetters {
    /// The queue at that URL.
    pub fn new(client: Client, queue_url: impl Into<String>) -> Self {
        Self { client, queue_url: queue_url.into() }
    }
}

impl Visibility for SqsQueue {
    async fn set(&self, changes: &[(String, u32)]) -> Result<()> {
        let mut request = self.client.change_message_visibility_batch().queue_url(&self.queue_url);
        for (index, (receipt, seconds)) in changes.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(receipt)
                .visibility_timeout(i32::try_from(*seconds).unwrap_or(i32::MAX));
            request = request.entries(entry.build().map_err(|error| Failure::permanent(error.to_string()))?);
        }
        let answer = request.send().await.map_err(|error| classify("ChangeMessageVisibilityBatch", &error))?;
        // Failures of single entries come with status 200.
        match answer.failed() {
            [] => Ok(()),
            [first, ..] => Err(Failure::transient(format!(
                "ChangeMessageVisibilityBatch: {} of {} failed, the first with {}",
                answer.failed().len(),
                changes.len(),
                first.code()
            ))),
        }
    }
}

impl DeadLetters for SqsQueue {
    async fn park(&self, letter: &DeadLetter) -> Result<()> {
        self.dead_letters.park(letter).await
    }
}

impl DeadLetters for SqsDeadLetters {
    async fn park(&self, letter: &DeadLetter) -> Result<()> {
        let mut request = self.client.send_message().queue_url(&self.queue_url).message_body(&letter.body);
        for (name, attribute) in &letter.attributes {
            request = request.message_attributes(name, to_value(attribute)?);
        }
        request.send().await.map_err(|error| classify("SendMessage", &error))?;
        Ok(())
    }
}

fn to_value(attribute: &Attribute) -> Result<MessageAttributeValue> {
    let value = match attribute {
        Attribute::Text(data_type, text) => MessageAttributeValue::builder().data_type(data_type).string_value(text),
        Attribute::Binary(data_type, bytes) => {
            MessageAttributeValue::builder().data_type(data_type).binary_value(Blob::new(bytes.clone()))
        }
    };
    value.build().map_err(|error| Failure::permanent(error.to_string()))
}
