//! The ports on AWS, for real. `AWS_ENDPOINT_URL` alone decides whether that is AWS or an emulator of it.

mod calls;
mod config;
mod connector;
mod dynamo;
mod failure;
mod feed;
#[cfg(feature = "http")]
mod key_sets;
#[cfg(feature = "personal")]
mod keys;
mod occurrences;
#[cfg(feature = "otlp")]
mod otlp;
mod queue;
mod roots;
mod run;
#[cfg(feature = "link")]
mod secret_keys;
#[cfg(feature = "signed")]
mod signed;
#[cfg(any(feature = "otlp", feature = "signed"))]
mod sigv4;
mod system;
mod topic;
#[cfg(feature = "webhook")]
mod webhooks;

pub use crate::runtime::run;
pub use aws_config::SdkConfig;
pub use config::{sdk_config, without_retries};
pub use connector::http_client;
pub use dynamo::{DynamoLeases, DynamoLog, DynamoOpenSubjects, put_if, update_if};
pub use failure::{classify, without_addresses};
pub use feed::DynamoFeed;
#[cfg(feature = "http")]
pub use key_sets::HttpKeySets;
#[cfg(feature = "personal")]
pub use keys::DynamoKeys;
pub use occurrences::DynamoOccurrences;
#[cfg(feature = "otlp")]
pub(crate) use otlp::flush_spans;
pub use queue::{SqsDeadLetters, SqsQueue};
pub use run::{Aws, block_on, consume, relay};
#[cfg(feature = "link")]
pub use secret_keys::SecretLinkKeys;
#[cfg(feature = "signed")]
pub use signed::{AwsService, CallError, Connections, Functions, Invoked, SignedClient};
pub use system::System;
pub use topic::SnsTopic;
#[cfg(feature = "webhook")]
pub use webhooks::WebhookClient;

#[cfg(test)]
mod tests;
