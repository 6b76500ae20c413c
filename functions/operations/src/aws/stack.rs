//! The services of a stack on AWS: their directory, queues and functions.

use std::sync::OnceLock;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry};
use onewrite::aws::{AwsService, Functions, Invoked, SignedClient, classify, without_addresses};
use onewrite::{Answers, Attribute, Failure, FailureKind, Inquiry, Result};
use orderflow_events::Time;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tracing::warn;

use crate::jobs::reconciliation::OutboxRow;
use crate::message::Message;
use crate::port::{Consumers, Depth, Directory, GONE, Gauges, Logs, Queues, Relays};
use crate::service::Service;

/// Longest time that a function is waited for: a relay takes up to a minute.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);

/// Distance in seconds between two values of a metric of SQS, and the time in which there is one if the queue has been
/// active: it may come some minutes late.
const MEASURED_EACH_SECONDS: u32 = 60;
const MEASURED_WITHIN: Duration = Duration::from_mins(10);

/// Most pages of a log that are read: each is a call, and somebody waits for the answer.
const MAX_LOG_PAGES: usize = 10;

/// Messages of one call of SQS, and their bytes: it takes more of these by now, but not everywhere.
const SENT_AT_ONCE: usize = 10;
const MAX_BATCH_BYTES: usize = 256 * 1024;

/// The stack on AWS. Nothing is opened before it is first needed.
#[derive(Debug)]
pub struct AwsStack {
    config: SdkConfig,
    /// Path of the directory's parameters.
    directory: String,
    cloudwatch: SignedClient,
    logs: SignedClient,
    parameters: SignedClient,
    functions: Functions,
    pub(super) dynamodb: aws_sdk_dynamodb::Client,
    sqs: OnceLock<aws_sdk_sqs::Client>,
}

/// A page of the parameter store.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    #[serde(default)]
    parameters: Vec<Parameter>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    value: String,
}

/// Values of metrics, the newest first.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metrics {
    #[serde(default)]
    metric_data_results: Vec<Values>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Values {
    id: String,
    #[serde(default)]
    values: Vec<f64>,
}

/// A page of a log.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    events: Vec<Line>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    message: String,
}

impl AwsStack {
    /// The stack whose directory is at that path of the parameter store.
    pub fn new(config: &SdkConfig, dynamodb: aws_sdk_dynamodb::Client, directory: impl Into<String>) -> Self {
        // A function may work longer than any other call takes, and is not asked twice meanwhile.
        let timeouts =
            TimeoutConfig::builder().operation_attempt_timeout(ANSWERED_WITHIN).operation_timeout(ANSWERED_WITHIN);
        Self {
            config: config.clone(),
            directory: directory.into(),
            cloudwatch: SignedClient::new(config, AwsService::CloudWatch),
            logs: SignedClient::new(config, AwsService::Logs),
            parameters: SignedClient::new(config, AwsService::SystemsManager),
            functions: Functions::new(&config.to_builder().timeout_config(timeouts.build()).build()),
            dynamodb,
            sqs: OnceLock::new(),
        }
    }

    fn sqs(&self) -> &aws_sdk_sqs::Client {
        self.sqs.get_or_init(|| aws_sdk_sqs::Client::new(&self.config))
    }

    async fn send_batch(&self, queue_url: &str, messages: &[Message]) -> Result<Vec<Result<()>>> {
        let mut batch = self.sqs().send_message_batch().queue_url(queue_url);
        for (index, message) in messages.iter().enumerate() {
            let mut entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(&message.body);
            for (name, attribute) in &message.attributes {
                entry = entry.message_attributes(name, value_of(attribute)?);
            }
            batch = batch.entries(entry.build().map_err(|error| Failure::permanent(error.to_string()))?);
        }
        let answer = match Box::pin(batch.send()).await {
            Ok(answer) => answer,
            Err(error) if is_gone(error.code()) => {
                return Ok(messages.iter().map(|_| Err(Failure::permanent(GONE))).collect());
            }
            Err(error) => return Err(classify("SendMessageBatch", &error)),
        };
        let mut sent: Vec<Result<()>> = messages
            .iter()
            .map(|_| Err(Failure::transient("SendMessageBatch: the answer says nothing of it")))
            .collect();
        let place = |id: &str| id.parse::<usize>().ok();
        for taken in answer.successful() {
            if let Some(result) = place(taken.id()).and_then(|place| sent.get_mut(place)) {
                *result = Ok(());
            }
        }
        // Failures of single entries come with status 200.
        for refused in answer.failed() {
            if let Some(result) = place(refused.id()).and_then(|place| sent.get_mut(place)) {
                let status = if refused.sender_fault() { 400 } else { 500 };
                let kind = FailureKind::of_answer(status, refused.code());
                let message = without_addresses(refused.message().unwrap_or("no message"));
                *result = Err(Failure::new(kind, format!("SendMessageBatch: {}: {message}", refused.code())));
            }
        }
        Ok(sent)
    }

    /// Invokes a function, and answers what it answers; `None` where it fails, or is gone.
    async fn invoke(&self, function: &str, payload: &Value) -> Result<Option<Value>> {
        let Invoked { payload, error } = match self.functions.invoke(function, payload).await {
            Ok(invoked) => invoked,
            Err(error) if error.code() == Some("ResourceNotFoundException") => {
                warn!(function, "a function is gone");
                return Ok(None);
            }
            Err(error) => return Err(classify("Invoke", &error)),
        };
        if let Some(error) = error {
            warn!(function, error, "a function has failed at an inquiry");
            return Ok(None);
        }
        let payload = serde_json::from_slice(&payload);
        payload.map(Some).map_err(|_| Failure::permanent("a function's answer is not understood"))
    }
}

impl Directory for AwsStack {
    async fn services(&self) -> Result<Vec<Service>> {
        let (mut entries, mut next) = (Vec::new(), None);
        loop {
            let mut ask = json!({ "Path": self.directory });
            if let Some(next) = next {
                ask["NextToken"] = Value::String(next);
            }
            let page: Parameters = asked(&self.parameters, "GetParametersByPath", &ask).await?;
            entries.extend(page.parameters);
            next = page.next_token.filter(|next| !next.is_empty());
            if next.is_none() {
                break;
            }
        }
        let services = entries.iter().map(|Parameter { value: entry }| {
            serde_json::from_str(entry).map_err(|_| Failure::permanent("an entry of the directory is not understood"))
        });
        services.collect()
    }
}

impl Queues for AwsStack {
    async fn send(&self, queue_url: &str, messages: &[Message]) -> Result<Vec<Result<()>>> {
        let mut sent = Vec::with_capacity(messages.len());
        for batch in batches(messages) {
            sent.extend(self.send_batch(queue_url, batch).await?);
        }
        Ok(sent)
    }

    async fn depth(&self, queue_url: &str) -> Result<Depth> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesNotVisible as Hidden,
        };
        let ask =
            self.sqs().get_queue_attributes().queue_url(queue_url).attribute_names(Visible).attribute_names(Hidden);
        let answer = Box::pin(ask.send()).await.map_err(|error| classify("GetQueueAttributes", &error))?;
        let attributes = answer.attributes();
        let number = |name| attributes.and_then(|known| known.get(&name)?.parse().ok()).unwrap_or(0);
        Ok(Depth { visible: number(Visible), hidden: number(Hidden) })
    }
}

impl Gauges for AwsStack {
    /// SQS itself tells it as a metric alone, once a minute. A message that was received more often than three times does not
    /// count in it.
    async fn oldest(&self, queue_urls: &[&str], now: Time) -> Result<Vec<Option<Duration>>> {
        let query = |(index, url): (usize, &&str)| {
            let name = url.rsplit('/').next().unwrap_or_default();
            let metric = json!({
                "Namespace": "AWS/SQS",
                "MetricName": "ApproximateAgeOfOldestMessage",
                "Dimensions": [{ "Name": "QueueName", "Value": name }],
            });
            let stat = json!({ "Metric": metric, "Period": MEASURED_EACH_SECONDS, "Stat": "Maximum" });
            json!({ "Id": format!("q{index}"), "MetricStat": stat })
        };
        let end = now.as_millis() / 1_000;
        let ask = json!({
            "StartTime": end - MEASURED_WITHIN.as_secs().cast_signed(),
            "EndTime": end,
            "ScanBy": "TimestampDescending",
            "MetricDataQueries": queue_urls.iter().enumerate().map(query).collect::<Vec<_>>(),
        });
        let answer: Metrics = asked(&self.cloudwatch, "GetMetricData", &ask).await?;
        let newest = |index: usize| {
            let id = format!("q{index}");
            let result = answer.metric_data_results.iter().find(|result| result.id == id)?;
            Duration::try_from_secs_f64(*result.values.first()?).ok()
        };
        Ok((0..queue_urls.len()).map(newest).collect())
    }
}

impl Logs for AwsStack {
    /// There is no way to the last lines but past all before them: so it looks for so many pages only.
    async fn lines(&self, log_group: &str, subject: &str, since: Time) -> Result<Vec<String>> {
        if !subject.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            return Ok(Vec::new());
        }
        let (mut lines, mut next) = (Vec::new(), None);
        for _ in 0..MAX_LOG_PAGES {
            let mut ask = json!({
                "logGroupName": log_group,
                "filterPattern": format!("{{ $.span.subject = \"{subject}\" }}"),
                "startTime": since.as_millis(),
            });
            if let Some(next) = next {
                ask["nextToken"] = Value::String(next);
            }
            let page: Page = asked(&self.logs, "FilterLogEvents", &ask).await?;
            lines.extend(page.events.into_iter().map(|line| line.message));
            next = page.next_token.filter(|next| !next.is_empty());
            if next.is_none() {
                break;
            }
        }
        Ok(lines)
    }
}

impl Consumers for AwsStack {
    async fn inspect(&self, function: &str, inquiry: &Inquiry) -> Result<Option<Answers>> {
        let Some(answer) = self.invoke(function, &json!({ "inspect": inquiry })).await? else { return Ok(None) };
        let answers = serde_json::from_value(answer);
        answers.map(Some).map_err(|_| Failure::permanent("a consumer's answers are not understood"))
    }
}

impl Relays for AwsStack {
    /// As the table's stream would hand the rows over: the relay sees no difference, and checks what it always checks.
    async fn publish(&self, relay: &str, rows: &[&OutboxRow]) -> Result<()> {
        let record = |row: &&OutboxRow| {
            json!({
                "eventID": format!("{}/{}", row.subject, row.version),
                "eventName": "INSERT",
                "eventSource": "aws:dynamodb",
                "awsRegion": self.config.region().map(AsRef::as_ref).unwrap_or_default(),
                "dynamodb": { "NewImage": row.image, "SizeBytes": 0, "StreamViewType": "NEW_IMAGE" },
            })
        };
        let records: Vec<Value> = rows.iter().map(record).collect();
        match self.invoke(relay, &json!({ "Records": records })).await? {
            Some(_) => Ok(()),
            None => Err(Failure::transient("the relay has not published all rows")),
        }
    }
}

/// Answer of a service to a call, read.
async fn asked<T: DeserializeOwned>(client: &SignedClient, operation: &str, ask: &Value) -> Result<T> {
    let answer = client.call(operation, ask).await.map_err(|error| classify(operation, &error))?;
    let answer = serde_json::from_slice(&answer);
    answer.map_err(|_| Failure::transient(format!("{operation}: the answer is not understood")))
}

/// Messages in the portions of one call each. One that is larger than that goes alone, and SQS says whether it takes it.
fn batches(messages: &[Message]) -> Vec<&[Message]> {
    let (mut batches, mut rest) = (Vec::new(), messages);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take(SENT_AT_ONCE).take_while(|message| {
            bytes += size(message);
            bytes <= MAX_BATCH_BYTES
        });
        let (batch, others) = rest.split_at(fits.count().max(1));
        batches.push(batch);
        rest = others;
    }
    batches
}

/// Bytes that SQS counts: the body, and name, type and value of each attribute.
fn size(message: &Message) -> usize {
    let attributes = message.attributes.iter().map(|(name, attribute)| {
        let (data_type, value) = match attribute {
            Attribute::Text(data_type, text) => (data_type, text.len()),
            Attribute::Binary(data_type, bytes) => (data_type, bytes.len()),
        };
        name.len() + data_type.len() + value
    });
    message.body.len() + attributes.sum::<usize>()
}

fn value_of(attribute: &Attribute) -> Result<MessageAttributeValue> {
    let value = match attribute {
        Attribute::Text(data_type, text) => MessageAttributeValue::builder().data_type(data_type).string_value(text),
        Attribute::Binary(data_type, bytes) => {
            let bytes = aws_sdk_sqs::primitives::Blob::new(bytes.clone());
            MessageAttributeValue::builder().data_type(data_type).binary_value(bytes)
        }
    };
    value.build().map_err(|error| Failure::permanent(error.to_string()))
}

/// True of the codes by which SQS says that there is no such queue.
fn is_gone(code: Option<&str>) -> bool {
    matches!(code, Some("QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn message(body: usize, attribute: usize) -> Message {
        let attribute = Attribute::Binary("Binary".to_owned(), vec![0; attribute]);
        Message { body: "b".repeat(body), attributes: BTreeMap::from([("name".to_owned(), attribute)]) }
    }

    #[test]
    fn a_batch_has_as_many_messages_as_one_call_takes() {
        for (messages, expected) in [
            (vec![], vec![]),
            (vec![message(1, 1); 23], vec![10, 10, 3]),
            (vec![message(100_000, 31_062); 4], vec![2, 2]),
            (vec![message(100_000, 31_063); 3], vec![1, 1, 1]),
            (vec![message(1, 1), message(1_000_000, 1), message(1, 1), message(1, 1)], vec![1, 1, 2]),
        ] {
            let sizes: Vec<usize> = batches(&messages).into_iter().map(<[Message]>::len).collect();
            assert_eq!(sizes, expected);
        }
    }
}
