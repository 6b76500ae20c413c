//! Jobs of the operations: takes redrives, replays and reconciliations on, each minute.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use onewrite::aws::{DynamoKeys, System};
use onewrite::config::Environment;
use onewrite::personal::KeyRing;
use onewrite::port::Clock;
use onewrite::telemetry;
use orderflow_operations::{AwsStack, DynamoOperations, Jobs, observe_letters};
use serde_json::Value;

onewrite::main!(async |aws| {
    let ((table, keys), directory) = Environment::of_process().read(|environment| {
        let (table, keys) = (environment.text("LETTERS_TABLE_NAME"), environment.text("KEY_TABLE_NAME"));
        let directory = environment.text("DIRECTORY");
        table.zip(keys).zip(directory)
    })?;
    let store = &DynamoOperations::new(aws.dynamodb(), table);
    let keys = KeyRing::new(DynamoKeys::new(aws.dynamodb(), keys), System);
    let jobs = &Jobs::new(store, keys, AwsStack::new(aws.config(), aws.dynamodb(), directory), System);
    lambda_runtime::run(service_fn(async |invocation: LambdaEvent<Value>| {
        let deadline = telemetry::begin(&invocation.context);
        let run = Box::pin(async {
            let observed = if telemetry::is_observed() { observe_letters(store, System.now()).await } else { Ok(()) };
            jobs.run(deadline).await.and(observed)
        });
        let run = run.await;
        telemetry::end();
        run.map_err(Error::from)
    }))
    .await
});
