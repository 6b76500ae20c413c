//! Wiring of functions: from the environment to a handler that serves until Lambda ends the process.

use std::rc::Rc;

use aws_config::SdkConfig;
use aws_lambda_events::dynamodb::EventRecord;
use aws_sdk_dynamodb::Client;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::config::sdk_config;
use super::dynamo::{DynamoLog, DynamoOpenSubjects};
#[cfg(feature = "http")]
use super::key_sets::HttpKeySets;
#[cfg(feature = "personal")]
use super::keys::DynamoKeys;
use super::queue::{SqsDeadLetters, SqsQueue};
use super::system::System;
use super::topic::SnsTopic;
#[cfg(feature = "http")]
use crate::access::{Access, SignInSettings};
use crate::batch::Batch;
use crate::config::{Environment, QueueSettings};
use crate::handle::Handle;
use crate::ledger::Ledger;
#[cfg(feature = "personal")]
use crate::personal::KeyRing;
use crate::port::Clock;
use crate::relay::Relay;
use crate::serve::serve;
use crate::telemetry::{Metrics, MetricsSettings};
use crate::{runtime, telemetry};

/// Clients of a function: one configuration for all, and one client of DynamoDB, which every service has.
#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
    dynamodb: Client,
}

impl Aws {
    fn of_environment() -> Result<Self, Error> {
        let config = sdk_config()?;
        Ok(Self { dynamodb: Client::new(&config), config })
    }

    /// The configuration of all clients.
    #[must_use]
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The client of DynamoDB.
    #[must_use]
    pub fn dynamodb(&self) -> Client {
        self.dynamodb.clone()
    }

    /// The service's table: the one that the variable `TABLE_NAME` names.
    pub fn table(&self, environment: &mut Environment) -> Option<DynamoLog> {
        environment.text("TABLE_NAME").map(|table| DynamoLog::new(self.dynamodb(), table))
    }

    /// The access to an API, by the variables of [`SignInSettings`].
    #[cfg(feature = "http")]
    pub fn access(&self, environment: &mut Environment) -> Option<Access<HttpKeySets>> {
        let Some(SignInSettings { rules, key_set }) = SignInSettings::read(environment)? else {
            return Some(Access::new(None));
        };
        match HttpKeySets::new(key_set) {
            Ok(keys) => Some(Access::new(Some((rules, keys)))),
            Err(error) => environment.fault(format!("TOKEN_KEY_SET_URL: {error}")),
        }
    }

    /// The keys of persons, in the table that the variable `KEY_TABLE_NAME` names.
    #[cfg(feature = "personal")]
    pub fn keys(&self, environment: &mut Environment) -> Option<KeyRing<DynamoKeys, System>> {
        environment.text("KEY_TABLE_NAME").map(|table| KeyRing::new(DynamoKeys::new(self.dynamodb(), table), System))
    }

    /// The service's ledger, on [its table](Self::table) with an [index](DynamoLog::with_open_index) of what is open.
    pub fn ledger_with_open_index(&self, environment: &mut Environment) -> Option<Ledger<DynamoLog, System>> {
        self.table(environment).map(|table| Ledger::new(table.with_open_index(), System))
    }

    /// The index of the service's open subjects, in [its table](Self::table).
    pub fn open_subjects(&self, environment: &mut Environment) -> Option<DynamoOpenSubjects> {
        environment.text("TABLE_NAME").map(|table| DynamoOpenSubjects::new(self.dynamodb(), table))
    }

    /// The service's ledger, on [its table](Self::table).
    pub fn ledger(&self, environment: &mut Environment) -> Option<Ledger<DynamoLog, System>> {
        self.table(environment).map(|table| Ledger::new(table, System))
    }
}

/// Runs a function on this thread, with its logs and its clients; `package` is the crate whose logs are ours.
///
/// # Errors
///
/// The trust store cannot be built, or those of `function`.
pub fn block_on(package: &str, function: impl AsyncFnOnce(&Aws) -> Result<(), Error>) -> Result<(), Error> {
    telemetry::init(package);
    if let Some(settings) = MetricsSettings::read(&Environment::of_process()) {
        telemetry::set_observer(Some(Rc::new(Metrics::new(settings, || System.now(), std::io::stdout()))));
    }
    #[cfg(feature = "otlp")]
    super::otlp::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let aws = Aws::of_environment()?;
    runtime.block_on(function(&aws))
}

/// Consumes a queue until Lambda ends the process: what the `main` of a consumer comes to. `wire` makes its handler of the
/// environment and the clients; every variable that is missing or wrong is named at once.
///
/// # Errors
///
/// The environment lacks something, or the Lambda Runtime API cannot be reached.
pub async fn consume<H: Handle>(
    aws: &Aws,
    wire: impl FnOnce(&mut Environment, &Aws) -> Option<H>,
) -> Result<(), Error> {
    let settings = Environment::of_process().read(|environment| {
        let queue = QueueSettings::read(environment);
        let handler = wire(environment, aws);
        Some((queue?, handler?))
    });
    let (settings, handler) = settings?;
    let queue = SqsQueue::new(aws.config(), &settings.queue_url, &settings.dead_letter_queue_url);
    serve(Batch::new(handler, queue, System, settings)).await
}

/// An invocation by a stream of DynamoDB. Each record is read by itself, so that one that cannot be costs no other.
#[derive(Deserialize)]
struct StreamEvent {
    #[serde(rename = "Records")]
    records: Vec<Box<RawValue>>,
}

/// Publishes the events of a table's new rows until Lambda ends the process: what the `main` of a relay comes to. The
/// variables `SOURCE`, `TOPIC_ARN` and `DEAD_LETTER_QUEUE_URL` say for whom, where to, and where with what cannot be.
///
/// # Errors
///
/// The environment lacks something, or the Lambda Runtime API cannot be reached.
pub async fn relay(aws: &Aws) -> Result<(), Error> {
    let relay = Environment::of_process().read(|environment| {
        let source = environment.source("SOURCE");
        let (topic, letters) = (environment.text("TOPIC_ARN"), environment.text("DEAD_LETTER_QUEUE_URL"));
        let function = environment.text("AWS_LAMBDA_FUNCTION_NAME");
        let topic = SnsTopic::new(aws_sdk_sns::Client::new(aws.config()), topic?);
        let letters = SqsDeadLetters::new(aws.config(), letters?);
        Some(Relay::new(source?, topic, letters, System, function?))
    });
    let relay = &relay?;
    relay.warm().await;
    runtime::run(service_fn(async |invocation: LambdaEvent<StreamEvent>| {
        let deadline = telemetry::begin(&invocation.context);
        let records = invocation
            .payload
            .records
            .into_iter()
            .map(|raw| serde_json::from_str::<EventRecord>(raw.get()).map_err(|_| raw));
        let published = Box::pin(relay.run(records.collect(), deadline)).await;
        telemetry::end();
        published.map_err(Error::from)
    }))
    .await
}
