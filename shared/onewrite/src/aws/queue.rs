//! Queue of a consumer and its dead-letter queue, on SQS.

use std::cell::OnceCell;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue};

use super::failure::classify;
use crate::failure::{Failure, Result};
use crate::park::{Attribute, DeadLetter};
use crate::port::{DeadLetters, Visibility};

/// A client of SQS that is made when it is first needed: a consumer whose messages are all handled needs none, for Lambda
/// itself receives and deletes.
#[derive(Clone, Debug)]
struct LazyClient {
    config: SdkConfig,
    client: OnceCell<Client>,
}

impl LazyClient {
    fn get(&self) -> &Client {
        self.client.get_or_init(|| Client::new(&self.config))
    }
}

/// A queue and its dead-letter queue.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    queue_url: String,
    dead_letters: SqsDeadLetters,
}

impl SqsQueue {
    /// The queues at these URLs.
    pub fn new(config: &SdkConfig, queue_url: impl Into<String>, dead_letter_queue_url: impl Into<String>) -> Self {
        Self { queue_url: queue_url.into(), dead_letters: SqsDeadLetters::new(config, dead_letter_queue_url) }
    }
}

/// A dead-letter queue alone, for a function that has no queue of its own.
#[derive(Clone, Debug)]
pub struct SqsDeadLetters {
    client: LazyClient,
    queue_url: String,
}

impl SqsDeadLetters {
    /// The queue at that URL.
    pub fn new(config: &SdkConfig, queue_url: impl Into<String>) -> Self {
        let client = LazyClient { config: config.clone(), client: OnceCell::new() };
        Self { client, queue_url: queue_url.into() }
    }
}

impl Visibility for SqsQueue {
    async fn set(&self, changes: &[(String, u32)]) -> Result<()> {
        let mut request = self.dead_letters.client.get().change_message_visibility_batch().queue_url(&self.queue_url);
        for (index, (receipt, seconds)) in changes.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(receipt)
                .visibility_timeout(i32::try_from(*seconds).unwrap_or(i32::MAX));
            request = request.entries(entry.build().map_err(|error| Failure::permanent(error.to_string()))?);
        }
        let answer =
            Box::pin(request.send()).await.map_err(|error| classify("ChangeMessageVisibilityBatch", &error))?;
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
        let mut request = self.client.get().send_message().queue_url(&self.queue_url).message_body(&letter.body);
        for (name, attribute) in &letter.attributes {
            request = request.message_attributes(name, to_value(attribute)?);
        }
        Box::pin(request.send()).await.map_err(|error| classify("SendMessage", &error))?;
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
