//! The ports on AWS, for real. `AWS_ENDPOINT_URL` alone decides whether that is AWS or an emulator of it.

mod dynamo;
mod queue;
mod roots;
mod run;
mod system;
mod topic;

use std::time::Duration;

pub use aws_config::SdkConfig;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::{TimeoutConfig, TimeoutConfigBuilder};
use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, TlsContext, rustls_provider::CryptoMode};
use aws_types::sdk_config::Builder as SdkConfigBuilder;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

pub use dynamo::{DynamoLeases, DynamoLog, put_if, update_if};
pub use queue::{SqsDeadLetters, SqsQueue};
pub use run::{Aws, block_on, consume, relay};
pub use system::System;
pub use topic::SnsTopic;

use crate::config::Environment;
use crate::failure::{Failure, FailureKind};

/// The longest pause before a call's second attempt; the third has twice that. The SDK's own, a second, is time that a
/// function is paid for and does nothing in: what does not pass in a moment is better put back into its queue.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The configuration of every client, read from the environment that Lambda gives: region, credentials, endpoint.
///
/// The SDK's own loader would look for them in many more places, none of which a function has: half a megabyte of code,
/// and files that are looked for at every cold start.
///
/// # Errors
///
/// The trust store cannot be built.
pub fn sdk_config() -> Result<SdkConfig, lambda_runtime::Error> {
    let variable = |name: &str| Environment::of_process().read(|environment| environment.text(name)).ok();
    let mut config = config()?;
    config
        .set_region(variable("AWS_REGION").map(Region::new))
        .set_endpoint_url(variable("AWS_ENDPOINT_URL"))
        .set_credentials_provider(Some(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new())));
    Ok(config.service_config(ServiceVariables).build())
}

/// `AWS_ENDPOINT_URL_SQS` and the like, each for one service alone.
#[derive(Debug)]
struct ServiceVariables;

impl LoadServiceConfig for ServiceVariables {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_uppercase().replace(' ', "_");
        let name = format!("{}_{service}", key.env());
        Environment::of_process().read(|environment| environment.text(&name)).ok()
    }
}

fn config() -> Result<SdkConfigBuilder, lambda_runtime::Error> {
    let context = TlsContext::builder().with_trust_store(roots::amazon()).build()?;
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context).build_https();
    // A function's time is short: a call that hangs must leave room for another try, and for putting messages back.
    let timeouts = timeouts().operation_attempt_timeout(Duration::from_secs(2)).build();
    Ok(SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(FIRST_PAUSE)))
}

fn timeouts() -> TimeoutConfigBuilder {
    TimeoutConfig::builder().connect_timeout(Duration::from_secs(1)).operation_timeout(Duration::from_secs(5))
}

/// The same for calls that have no idempotency key, such as one that sends a mail: a second request would be a second
/// mail. So the SDK makes a single attempt, and waits for its answer as long as it waits for all attempts at others.
#[must_use]
pub fn without_retries(config: &SdkConfig) -> SdkConfig {
    config.to_builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts().build()).build()
}

/// Says whether an error of the SDK may pass, and what it was, without what the caller had sent.
pub fn classify<E: ProvideErrorMetadata>(what: &str, error: &SdkError<E, HttpResponse>) -> Failure {
    match error {
        SdkError::ServiceError(answer) => {
            let (status, code) = (answer.raw().status().as_u16(), answer.err().code());
            let kind = FailureKind::of_answer(status, code.unwrap_or_default());
            let message = without_addresses(answer.err().message().unwrap_or("no message"));
            Failure::new(kind, format!("{what}: {} ({status}): {message}", code.unwrap_or("no code")))
        }
        SdkError::ConstructionFailure(_) => {
            Failure::new(FailureKind::Misconfigured, format!("{what}: the request cannot be made"))
        }
        SdkError::TimeoutError(_) => Failure::transient(format!("{what}: timed out")),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Failure::transient(format!("{what}: timed out")),
        // A failure before there is a connection, such as in looking for credentials, is neither IO nor any known kind.
        SdkError::DispatchFailure(failure)
            if failure.is_user() || (failure.is_other() && failure.as_other().is_none()) =>
        {
            let detail = "the request cannot be sent: are there credentials, a region, an endpoint?";
            Failure::new(FailureKind::Misconfigured, format!("{what}: {detail}"))
        }
        SdkError::DispatchFailure(_) => Failure::transient(format!("{what}: no connection")),
        SdkError::ResponseError(_) => Failure::transient(format!("{what}: the answer is not understood")),
        // The SDK may add variants; what it does not name is not known to be permanent.
        _ => Failure::transient(format!("{what}: failed in an unknown way")),
    }
}

/// A service's own words, without the email addresses and telephone numbers that SES and SNS repeat in theirs.
#[must_use]
pub fn without_addresses(message: &str) -> String {
    let is_address = |word: &str| {
        let number = word.trim_matches(|c: char| !c.is_alphanumeric());
        let is_number = number.len() > 6 && number.bytes().all(|byte| byte.is_ascii_digit() || b"-.()".contains(&byte));
        word.contains('@') || is_number
    };
    let words: Vec<&str> = message.split_whitespace().map(|word| if is_address(word) { "…" } else { word }).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
