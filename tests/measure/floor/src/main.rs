//! A bare consumer of a queue: the Lambda runtime, the AWS SDK, and one conditional put for each message, or a query and a
//! put. It decides nothing, keeps nothing apart and is never wrong: what a function costs before it does anything.
//!
//! `cargo measure` runs it beside the functions. It is built as they are, of the same dependencies and with their client of HTTP, but
//! allocates by the C library. It is deployed nowhere.

use std::collections::HashMap;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::join_all;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;

/// Attributes of an event that make up the key of its item.
#[derive(Deserialize)]
struct Event {
    id: String,
    subject: String,
}

struct Floor {
    client: Client,
    table: String,
    reads_first: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let reads_first = variable("CALLS") == "2";
    let floor = &Floor { client: Client::new(&sdk_config()?), table: variable("TABLE_NAME"), reads_first };
    // The connection, as the functions open theirs before the first message.
    let _ = floor.read("-").await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| floor.handle(event.payload).await)).await
}

impl Floor {
    /// Handles all messages side by side; those that fail come again.
    async fn handle(&self, event: SqsEvent) -> Result<SqsBatchResponse, Error> {
        let mut response = SqsBatchResponse::default();
        let handled = join_all(event.records.iter().map(|message| self.keep(message))).await;
        for (message, handled) in event.records.iter().zip(handled) {
            if handled.is_err() {
                response.add_failure(message.message_id.clone().unwrap_or_default());
            }
        }
        Ok(response)
    }

    async fn keep(&self, message: &SqsMessage) -> Result<(), Error> {
        let body = message.body.as_deref().unwrap_or_default();
        let event: Event = serde_json::from_str(body)?;
        if self.reads_first {
            self.read(&event.subject).await?;
        }
        let text = AttributeValue::S;
        let put = self.client.put_item().table_name(&self.table).condition_expression("attribute_not_exists(pk)");
        put.item("pk", text(event.subject))
            .item("sk", text(event.id))
            .item("event", text(body.to_owned()))
            .send()
            .await?;
        Ok(())
    }

    async fn read(&self, subject: &str) -> Result<Vec<HashMap<String, AttributeValue>>, Error> {
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        let query = query.key_condition_expression("pk = :pk");
        let rows = query.expression_attribute_values(":pk", AttributeValue::S(subject.to_owned())).send().await?;
        Ok(rows.items.unwrap_or_default())
    }
}

fn sdk_config() -> Result<SdkConfig, Error> {
    let credentials = SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new());
    Ok(SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(onewrite::aws::http_client()?)
        .region(Region::new(variable("AWS_REGION")))
        .endpoint_url(variable("AWS_ENDPOINT_URL"))
        .credentials_provider(credentials)
        .build())
}

#[expect(clippy::disallowed_methods, reason = "it has nothing of the toolkit, its configuration neither")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
