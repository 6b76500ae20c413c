//! The events of the topic, as they come.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{Message, QueueAttributeName};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::endpoint::STACK;
use crate::client::outputs::Outputs;

const LONGEST_WAIT_SECONDS: u64 = 20;

/// Failure to follow the events.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The stack has no topic.
    #[error("the stack has no output EventsTopicArn")]
    NoTopic,
    /// A call to SNS or SQS failed.
    #[error("cannot follow the events: {0}")]
    Call(String),
}

impl<E, R> From<SdkError<E, R>> for EventsError
where
    SdkError<E, R>: std::error::Error + ProvideErrorMetadata,
{
    fn from(error: SdkError<E, R>) -> Self {
        let said = error.message().map(str::to_owned);
        Self::Call(said.unwrap_or_else(|| DisplayErrorContext(&error).to_string()))
    }
}

/// Parts of a `CloudEvent` that it takes to show it. Loose on purpose: whoever watches wants to see the odd ones, too.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// Its producer.
    pub source: String,
    /// Type of the event.
    #[serde(rename = "type")]
    pub kind: String,
    /// The order that it happened to.
    pub subject: String,
    /// Time of the event.
    pub time: String,
    /// The payload.
    pub data: Value,
    /// All of it, as it was published.
    #[serde(skip)]
    pub text: String,
}

/// A queue of one's own behind the topic. [`EventStream::close`] it: an abandoned queue would fill for ever.
#[derive(Debug)]
pub struct EventStream {
    sns: aws_sdk_sns::Client,
    sqs: aws_sdk_sqs::Client,
    queue_url: String,
    subscription_arn: String,
}

impl EventStream {
    /// Subscribes a new queue: all events from now on.
    ///
    /// # Errors
    ///
    /// If SNS or SQS refuses.
    pub async fn open(sdk: &SdkConfig, outputs: &Outputs) -> Result<Self, EventsError> {
        let topic_arn = outputs.get("EventsTopicArn").ok_or(EventsError::NoTopic)?;
        let (sns, sqs) = (aws_sdk_sns::Client::new(sdk), aws_sdk_sqs::Client::new(sdk));
        let queue_url = create_queue(&sqs, topic_arn).await?;
        let queue_arn = arn_of(&sqs, &queue_url).await?;
        let subscription = sns
            .subscribe()
            .topic_arn(topic_arn)
            .protocol("sqs")
            .endpoint(queue_arn)
            .attributes("RawMessageDelivery", "true")
            .return_subscription_arn(true)
            .send()
            .await?;
        Ok(Self { sns, sqs, queue_url, subscription_arn: subscription.subscription_arn.unwrap_or_default() })
    }

    /// The next events, in their order, or none if there are none for so long; SQS waits for whole seconds, 20 at most.
    ///
    /// # Errors
    ///
    /// If SQS refuses.
    pub async fn next(&self, wait: Duration) -> Result<Vec<Event>, EventsError> {
        let seconds = i32::try_from(wait.as_secs().min(LONGEST_WAIT_SECONDS)).unwrap_or_default();
        let request = self.sqs.receive_message().queue_url(&self.queue_url);
        let reply = request.max_number_of_messages(10).wait_time_seconds(seconds).send().await?;
        let messages = reply.messages.unwrap_or_default();
        for message in &messages {
            self.delete(message).await?;
        }
        let bodies = messages.iter().filter_map(Message::body);
        let read = |body: &str| Some(Event { text: body.to_owned(), ..serde_json::from_str(body).ok()? });
        Ok(bodies.filter_map(read).collect())
    }

    async fn delete(&self, message: &Message) -> Result<(), EventsError> {
        let request = self.sqs.delete_message().queue_url(&self.queue_url);
        request.set_receipt_handle(message.receipt_handle.clone()).send().await?;
        Ok(())
    }

    /// Removes the subscription and the queue.
    ///
    /// # Errors
    ///
    /// If SNS or SQS refuses.
    pub async fn close(self) -> Result<(), EventsError> {
        self.sns.unsubscribe().subscription_arn(&self.subscription_arn).send().await?;
        self.sqs.delete_queue().queue_url(&self.queue_url).send().await?;
        Ok(())
    }
}

async fn create_queue(sqs: &aws_sdk_sqs::Client, topic_arn: &str) -> Result<String, EventsError> {
    let number = getrandom::u32().map_err(|error| EventsError::Call(error.to_string()))?;
    let allow = json!({
        "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage", "Resource": "*",
        "Condition": { "ArnEquals": { "aws:SourceArn": topic_arn } },
    });
    let attributes = HashMap::from([
        (QueueAttributeName::FifoQueue, "true".to_owned()),
        (QueueAttributeName::Policy, json!({ "Version": "2012-10-17", "Statement": [allow] }).to_string()),
    ]);
    let request = sqs.create_queue().queue_name(format!("{STACK}-watch-{number:08x}.fifo"));
    let queue = request.set_attributes(Some(attributes)).send().await?;
    queue.queue_url.ok_or_else(|| EventsError::Call("the new queue has no URL".to_owned()))
}

async fn arn_of(sqs: &aws_sdk_sqs::Client, queue_url: &str) -> Result<String, EventsError> {
    let request = sqs.get_queue_attributes().queue_url(queue_url).attribute_names(QueueAttributeName::QueueArn);
    let arn = request.send().await?.attributes.and_then(|mut all| all.remove(&QueueAttributeName::QueueArn));
    arn.ok_or_else(|| EventsError::Call("the new queue has no ARN".to_owned()))
}
