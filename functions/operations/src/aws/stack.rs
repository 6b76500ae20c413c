//! The services of a stack on AWS: their directory, queues and functions.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_sqs::types::QueueAttributeName;
use onewrite::aws::{SqsDeadLetters, classify};
use onewrite::port::DeadLetters;
use onewrite::{Answers, DeadLetter, Failure, Inquiry, Result};
use orderflow_events::Time;
use serde_json::{Value, json};
use tracing::warn;

use crate::jobs::reconciliation::OutboxRow;
use crate::message::Message;
use crate::port::{Consumers, Depth, Directory, Gauges, Logs, Queues, Relays};
use crate::service::Service;

/// Longest time that a function is waited for: a relay takes up to a minute.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);

/// Distance between two values of a metric of SQS, and the time in which there is one if the queue has been active: it may come
/// some minutes late.
const MEASURED_EACH_SECONDS: i32 = 60;
const MEASURED_WITHIN: Duration = Duration::from_mins(10);

/// Most pages of a log that are read: each is a call, and somebody waits for the answer.
const MAX_LOG_PAGES: usize = 10;

/// The stack on AWS. Each client is made when it is first needed.
#[derive(Debug)]
pub struct AwsStack {
    config: SdkConfig,
    /// Path of the directory's parameters.
    directory: String,
    cloudwatch: OnceLock<aws_sdk_cloudwatch::Client>,
    logs: OnceLock<aws_sdk_cloudwatchlogs::Client>,
    pub(super) dynamodb: aws_sdk_dynamodb::Client,
    lambda: OnceLock<aws_sdk_lambda::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
    ssm: OnceLock<aws_sdk_ssm::Client>,
    queues: Mutex<HashMap<String, SqsDeadLetters>>,
}

impl AwsStack {
    /// The stack whose directory is at that path of the parameter store.
    pub fn new(config: &SdkConfig, dynamodb: aws_sdk_dynamodb::Client, directory: impl Into<String>) -> Self {
        Self {
            config: config.clone(),
            directory: directory.into(),
            cloudwatch: OnceLock::new(),
            logs: OnceLock::new(),
            dynamodb,
            lambda: OnceLock::new(),
            sqs: OnceLock::new(),
            ssm: OnceLock::new(),
            queues: Mutex::default(),
        }
    }

    /// A function may work longer than any other call takes, and is not asked twice meanwhile.
    fn lambda(&self) -> &aws_sdk_lambda::Client {
        self.lambda.get_or_init(|| {
            let timeouts = TimeoutConfig::builder()
                .operation_attempt_timeout(ANSWERED_WITHIN)
                .operation_timeout(ANSWERED_WITHIN)
                .read_timeout(ANSWERED_WITHIN);
            let config = self.config.to_builder().timeout_config(timeouts.build()).build();
            aws_sdk_lambda::Client::new(&config)
        })
    }

    /// Invokes a function, and answers what it answers; `None` where it fails.
    async fn invoke(&self, function: &str, payload: &Value) -> Result<Option<Value>> {
        let invoke = self.lambda().invoke().function_name(function).payload(Blob::new(payload.to_string()));
        let answer = Box::pin(invoke.send()).await.map_err(|error| classify("Invoke", &error))?;
        let payload = answer.payload().map(Blob::as_ref).unwrap_or_default();
        if let Some(error) = answer.function_error() {
            warn!(function, error, "a function has failed at an inquiry");
            return Ok(None);
        }
        let payload = serde_json::from_slice(payload);
        payload.map(Some).map_err(|_| Failure::permanent("a function's answer is not understood"))
    }
}

impl Directory for AwsStack {
    async fn services(&self) -> Result<Vec<Service>> {
        let client = self.ssm.get_or_init(|| aws_sdk_ssm::Client::new(&self.config));
        let pages = client.get_parameters_by_path().path(&self.directory).into_paginator().send();
        let pages: Vec<_> = pages.try_collect().await.map_err(|error| classify("GetParametersByPath", &error))?;
        let parameters = pages.iter().filter_map(|page| page.parameters.as_ref()).flatten();
        let entries = parameters.filter_map(|parameter| parameter.value.as_deref());
        let services = entries.map(|entry| {
            serde_json::from_str(entry).map_err(|_| Failure::permanent("an entry of the directory is not understood"))
        });
        services.collect()
    }
}

impl Queues for AwsStack {
    async fn send(&self, queue_url: &str, message: &Message) -> Result<()> {
        let queue = {
            let mut known = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || SqsDeadLetters::new(&self.config, queue_url);
            known.entry(queue_url.to_owned()).or_insert_with(new).clone()
        };
        queue.park(&DeadLetter { body: message.body.clone(), attributes: message.attributes.clone() }).await
    }

    async fn depth(&self, queue_url: &str) -> Result<Depth> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesNotVisible as Hidden,
        };
        let client = self.sqs.get_or_init(|| aws_sdk_sqs::Client::new(&self.config));
        let ask = client.get_queue_attributes().queue_url(queue_url).attribute_names(Visible).attribute_names(Hidden);
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
            let metric = Metric::builder()
                .namespace("AWS/SQS")
                .metric_name("ApproximateAgeOfOldestMessage")
                .dimensions(Dimension::builder().name("QueueName").value(name).build());
            let stat = MetricStat::builder().metric(metric.build()).period(MEASURED_EACH_SECONDS).stat("Maximum");
            MetricDataQuery::builder().id(format!("q{index}")).metric_stat(stat.build()).build()
        };
        let at = |age: Duration| DateTime::from_millis(now.as_millis() - i64::try_from(age.as_millis()).unwrap_or(0));
        let client = self.cloudwatch.get_or_init(|| aws_sdk_cloudwatch::Client::new(&self.config));
        let ask = client
            .get_metric_data()
            .start_time(at(MEASURED_WITHIN))
            .end_time(at(Duration::ZERO))
            .scan_by(ScanBy::TimestampDescending)
            .set_metric_data_queries(Some(queue_urls.iter().enumerate().map(query).collect()));
        let answer = Box::pin(ask.send()).await.map_err(|error| classify("GetMetricData", &error))?;
        let newest = |index: usize| {
            let id = format!("q{index}");
            let result = answer.metric_data_results().iter().find(|result| result.id() == Some(&id))?;
            Duration::try_from_secs_f64(*result.values().first()?).ok()
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
        let client = self.logs.get_or_init(|| aws_sdk_cloudwatchlogs::Client::new(&self.config));
        let (mut lines, mut next) = (Vec::new(), None);
        for _ in 0..MAX_LOG_PAGES {
            let ask = client
                .filter_log_events()
                .log_group_name(log_group)
                .filter_pattern(format!("{{ $.span.subject = \"{subject}\" }}"))
                .start_time(since.as_millis())
                .set_next_token(next);
            let answer = Box::pin(ask.send()).await.map_err(|error| classify("FilterLogEvents", &error))?;
            lines.extend(answer.events.into_iter().flatten().filter_map(|event| event.message));
            next = answer.next_token;
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
