//! Collector of a service's dead letters.

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use onewrite::aws::{DynamoKeys, SqsDeadLetters, System};
use onewrite::config::Environment;
use onewrite::personal::KeyRing;
use onewrite::telemetry;
use orderflow_operations::{Collector, DynamoOperations, Post};

onewrite::main!(async |aws| {
    let collector = Environment::of_process().read(|environment| {
        let (table, own_letters) = (environment.text("LETTERS_TABLE_NAME"), environment.text("DEAD_LETTER_QUEUE_URL"));
        let (keys, post) = (environment.text("KEY_TABLE_NAME"), Post::read(environment));
        let store = DynamoOperations::new(aws.dynamodb(), table?);
        let own_letters = SqsDeadLetters::new(aws.config(), own_letters?);
        let keys = KeyRing::new(DynamoKeys::new(aws.dynamodb(), keys?), System);
        Some(Collector::new(store, keys, own_letters, System, post?))
    });
    let collector = &collector?;
    lambda_runtime::run(service_fn(async |invocation: LambdaEvent<SqsEvent>| {
        let _deadline = telemetry::begin(&invocation.context);
        let response = Box::pin(collector.run(invocation.payload)).await;
        telemetry::end();
        Ok::<_, Error>(response)
    }))
    .await
});
