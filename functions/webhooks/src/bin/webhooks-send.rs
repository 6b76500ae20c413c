//! Sender of the webhooks: works for one endpoint.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use onewrite::aws::{DynamoFeed, DynamoKeys, System};
use onewrite::config::Environment;
use onewrite::telemetry;
use orderflow_journal::DynamoJournal;
use orderflow_webhooks::{DynamoWebhooks, HttpReceivers, JournalFeed, Sender, loopback_of, mailer_of};
use serde::Deserialize;

/// An invocation by the dispatch.
#[derive(Deserialize)]
struct Work {
    /// Id of the endpoint.
    endpoint: String,
}

onewrite::main!(async |aws| {
    let sender = Environment::of_process().read(|environment| {
        let (table, keys) = (environment.text("WEBHOOKS_TABLE_NAME"), environment.text("WEBHOOK_KEYS_NAME"));
        let (feed, shards) = (environment.text("FEED_TABLE_NAME"), environment.number("FEED_SHARDS", 1..=64));
        let (journal, loopback) = (environment.text("JOURNAL_TABLE_NAME"), loopback_of(environment));
        let journal = DynamoJournal::new(aws.dynamodb(), journal?);
        let feed = JournalFeed::new(DynamoFeed::new(aws.dynamodb(), feed?), u8::try_from(shards?).ok()?, journal);
        let (store, keys) = (DynamoWebhooks::new(aws.dynamodb(), table?), DynamoKeys::new(aws.dynamodb(), keys?));
        let mailer = mailer_of(environment, aws.config());
        match HttpReceivers::ready(loopback?) {
            Ok(receivers) => Some(Sender::new(feed, store, receivers, keys, mailer?, System)),
            Err(error) => environment.fault(error.to_string()),
        }
    });
    let sender = &sender?;
    lambda_runtime::run(service_fn(async |invocation: LambdaEvent<Work>| {
        let deadline = telemetry::begin(&invocation.context);
        let run = Box::pin(sender.run(&invocation.payload.endpoint, deadline)).await;
        telemetry::end();
        run.map_err(Error::from)
    }))
    .await
});
