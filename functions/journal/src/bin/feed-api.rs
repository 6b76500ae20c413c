//! The feed over HTTP.

use onewrite::aws::{DynamoFeed, System};
use orderflow_journal::{DynamoJournal, FeedApi, Settings};

onewrite::http_main!(|environment, aws| {
    let (table, access) = (environment.text("TABLE_NAME"), aws.access(environment));
    let settings = environment.settings::<Settings>()?;
    let feed = DynamoFeed::new(aws.dynamodb(), settings.feed_table_name.as_str());
    let events = DynamoJournal::new(aws.dynamodb(), table?);
    Some(FeedApi::new(feed, settings.feed_shards.0, events, System, access?))
});
