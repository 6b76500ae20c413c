//! The services of a stack on AWS: their directory, queues and functions.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_sqs::types::QueueAttributeName;
use onewrite::aws::{SqsDeadLetters, classify};
use onewrite::port::DeadLetters;
use onewrite::{Answers, DeadLetter, Failure, Inquiry, Result};
use serde_json::{Value, json};
use tracing::warn;

use crate::domain::Message;
use crate::jobs::reconciliation::OutboxRow;
use crate::port::{Consumers, Depth, Directory, Queues, Relays};
use crate::service::Service;

/// Longest time that a function is waited for: a relay takes up to a minute.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);

/// The stack on AWS. Each client is made when it is first needed.
#[derive(Debug)]
pub struct AwsStack {
    config: SdkConfig,
    /// Path of the directory's parameters.
    directory: String,
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
