//! Dispatch of the webhooks: looks through what is new in the feed, as the stream of its pages says, and each minute.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use onewrite::aws::{DynamoFeed, System};
use onewrite::config::Environment;
use onewrite::telemetry;
use orderflow_journal::DynamoJournal;
use orderflow_webhooks::{Dispatch, DynamoWebhooks, JournalFeed, LambdaWorkers};
use serde_json::Value;

onewrite::main!(async |aws| {
    let dispatch = Environment::of_process().read(|environment| {
        let (table, sender) = (environment.text("WEBHOOKS_TABLE_NAME"), environment.text("SENDER_FUNCTION_NAME"));
        let (feed, shards) = (environment.text("FEED_TABLE_NAME"), environment.number("FEED_SHARDS", 1..=64));
        let journal = DynamoJournal::new(aws.dynamodb(), environment.text("JOURNAL_TABLE_NAME")?);
        let feed = JournalFeed::new(DynamoFeed::new(aws.dynamodb(), feed?), u8::try_from(shards?).ok()?, journal);
        let workers = LambdaWorkers::new(aws.config(), sender?);
        Some(Dispatch::new(feed, DynamoWebhooks::new(aws.dynamodb(), table?), workers, System))
    });
    let dispatch = &dispatch?;
    dispatch.warm().await;
    lambda_runtime::run(service_fn(async |invocation: LambdaEvent<Value>| {
        let deadline = telemetry::begin(&invocation.context);
        // Whatever has called: what is new is looked for, and not taken from the call.
        let run = Box::pin(dispatch.run(deadline)).await;
        telemetry::end();
        run.map_err(Error::from)
    }))
    .await
});
