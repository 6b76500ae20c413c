//! Consumer of the rows of the orders' table: tells those who watch an order what has happened to it.

use std::collections::BTreeSet;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use onewrite::aws::block_on;
use onewrite::config::Environment;
use onewrite::telemetry;
use orderflow_events::OrderId;
use orderflow_live::{DynamoWatches, GatewaySockets, Push};
use serde::Deserialize;

/// An invocation by a stream of DynamoDB. All that counts is which orders have got rows.
#[derive(Deserialize)]
struct StreamEvent {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    dynamodb: Change,
}

#[derive(Deserialize)]
struct Change {
    #[serde(rename = "Keys")]
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    pk: Key,
}

#[derive(Deserialize)]
struct Key {
    #[serde(rename = "S")]
    text: String,
}

impl StreamEvent {
    /// The orders, each once. What is no order's nobody watches.
    fn orders(self) -> BTreeSet<OrderId> {
        self.records.into_iter().filter_map(|record| OrderId::new(record.dynamodb.keys.pk.text).ok()).collect()
    }
}

fn main() -> Result<(), Error> {
    block_on(env!("CARGO_PKG_NAME"), async |aws| {
        let push = Environment::of_process().read(|environment| {
            let ledger = aws.ledger(environment);
            let (watches, connections) = (environment.text("LIVE_TABLE_NAME"), environment.text("CONNECTIONS_URL"));
            let watches = DynamoWatches::new(aws.dynamodb(), watches?);
            Some(Push::new(ledger?, watches, GatewaySockets::new(aws.config(), &connections?)))
        });
        let push = &push?;
        push.warm().await;
        lambda_runtime::run(service_fn(async |invocation: LambdaEvent<StreamEvent>| {
            let _deadline = telemetry::begin(&invocation.context);
            let told = Box::pin(push.tell(invocation.payload.orders())).await;
            telemetry::end();
            told.map_err(Error::from)
        }))
        .await
    })
}
