//! Job of the operations: takes redrives on, each minute.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use onewrite::aws::{System, block_on};
use onewrite::config::Environment;
use onewrite::telemetry;
use orderflow_operations::{DynamoOperations, DynamoRecords, RedriveRunner, SqsQueues};
use serde_json::Value;

fn main() -> Result<(), Error> {
    block_on(env!("CARGO_PKG_NAME"), async |aws| {
        let table = Environment::of_process().read(|environment| environment.text("LETTERS_TABLE_NAME"))?;
        let store = DynamoOperations::new(aws.dynamodb(), table);
        let runner =
            &RedriveRunner::new(store, SqsQueues::new(aws.config()), DynamoRecords::new(aws.dynamodb()), System);
        lambda_runtime::run(service_fn(async |invocation: LambdaEvent<Value>| {
            let deadline = telemetry::begin(&invocation.context);
            let run = Box::pin(runner.run(deadline)).await;
            telemetry::end();
            run.map_err(Error::from)
        }))
        .await
    })
}
