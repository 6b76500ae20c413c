//! The ports on AWS, for real. `AWS_ENDPOINT_URL` alone decides whether that is AWS or an emulator of it.

mod dynamo;
mod queue;
mod roots;
mod system;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, TlsContext, rustls_provider::CryptoMode};

pub use dynamo::{DynamoLeases, DynamoLog};
pub use queue::{SqsDeadLetters, SqsQueue};
pub use system::System;

use crate::failure::{Failure, Kind};

/// The configuration of every client, read from the environment: region, credentials, endpoint.
///
/// # Errors
///
/// The trust store cannot be built.
pub async fn sdk_config() -> Result<SdkConfig, lambda_runtime::Error> {
    let context = TlsContext::builder().with_trust_store(roots::amazon()).build()?;
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context).build_https();
    // A function's time is short: a call that hangs must leave room for another try, and for putting messages back.
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(5))
        .build();
    Ok(aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .load()
        .await)
}

/// Says whether an error of the SDK may pass, and what it was, without what the caller had sent.
pub fn classify<E: ProvideErrorMetadata>(what: &str, error: &SdkError<E, HttpResponse>) -> Failure {
    match error {
        SdkError::ServiceError(answer) => {
            let (status, code) = (answer.raw().status().as_u16(), answer.err().code().unwrap_or("no code"));
            let message = answer.err().message().unwrap_or("no message");
            Failure::new(Kind::of_answer(status, code), format!("{what}: {code} ({status}): {message}"))
        }
        SdkError::ConstructionFailure(_) => {
            Failure::new(Kind::Misconfigured, format!("{what}: the request cannot be made; are there credentials?"))
        }
        SdkError::TimeoutError(_) => Failure::transient(format!("{what}: timed out")),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Failure::transient(format!("{what}: timed out")),
        SdkError::DispatchFailure(_) => Failure::transient(format!("{what}: no connection")),
        SdkError::ResponseError(_) => Failure::transient(format!("{what}: the answer is not understood")),
        // The SDK may add variants; what it does not name is not known to be permanent.
        _ => Failure::transient(format!("{what}: {error}")),
    }
}
