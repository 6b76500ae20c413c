//! Configuration of the clients: from the environment that Lambda gives.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::{TimeoutConfig, TimeoutConfigBuilder};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use aws_smithy_runtime_api::shared::IntoShared;
use aws_types::sdk_config::Builder as SdkConfigBuilder;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use super::calls::TracedClient;
use super::connector::http_client;
use crate::config::Environment;
use crate::telemetry;

/// The longest pause before a call's second attempt; the third has twice that. The SDK's own, a second, is time that a
/// function is paid for and does nothing in: what does not pass in a moment is better put back into its queue.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(50);

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

pub(super) fn config() -> Result<SdkConfigBuilder, lambda_runtime::Error> {
    let http = http_client()?;
    let http = if telemetry::is_traced() { TracedClient(http).into_shared() } else { http };
    // A function's time is short: a call that hangs must leave room for another try, and for putting messages back.
    let timeouts = timeouts().operation_attempt_timeout(Duration::from_secs(2)).build();
    Ok(SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(FIRST_PAUSE)))
}

fn timeouts() -> TimeoutConfigBuilder {
    TimeoutConfig::builder().operation_timeout(Duration::from_secs(5))
}

/// The same for calls that have no idempotency key, such as one that sends a mail: a second request would be a second
/// mail. So the SDK makes a single attempt, and waits for its answer as long as it waits for all attempts at others.
#[must_use]
pub fn without_retries(config: &SdkConfig) -> SdkConfig {
    config.to_builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts().build()).build()
}
