//! Clock of the notices: looks each minute at what has come into the feed, and sends the digests that are due.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use onewrite::aws::{DynamoFeed, DynamoLeases, System};
use onewrite::config::Environment;
use onewrite::telemetry;
use orderflow_journal::DynamoJournal;
use orderflow_notices::{DynamoNotices, Notices, Settings};
use orderflow_notification::SesMailer;
use serde_json::Value;

onewrite::main!(async |aws| {
    let notices = Environment::of_process().read(|environment| {
        let settings = environment.settings::<Settings>()?;
        let feed = DynamoFeed::new(aws.dynamodb(), settings.feed_table_name.as_str());
        let events = DynamoJournal::new(aws.dynamodb(), settings.journal_table_name.as_str());
        let store = DynamoNotices::new(aws.dynamodb(), settings.notices_table_name.as_str());
        let leases = DynamoLeases::new(aws.dynamodb(), settings.notices_table_name.as_str());
        let mailer = SesMailer::new(aws.config(), settings.sender_email, settings.configuration_set);
        let feed = (feed, settings.feed_shards.0, events);
        let notices = Notices::new(feed, store, leases, mailer, System, settings.notices);
        Some(notices.with_console(settings.console_url))
    });
    let notices = &notices?;
    lambda_runtime::run(service_fn(async |invocation: LambdaEvent<Value>| {
        let deadline = telemetry::begin(&invocation.context);
        let run = Box::pin(notices.run(deadline)).await;
        telemetry::end();
        run.map_err(Error::from)
    }))
    .await
});
