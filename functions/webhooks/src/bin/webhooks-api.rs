//! Endpoints of webhooks over HTTP.

use onewrite::aws::{DynamoFeed, DynamoKeys, System};
use orderflow_webhooks::{DynamoWebhooks, HttpReceivers, WebhooksApi, loopback_of};

onewrite::http_main!(|environment, aws| {
    let (table, keys) = (environment.text("WEBHOOKS_TABLE_NAME"), environment.text("WEBHOOK_KEYS_NAME"));
    let (feed, shards) = (environment.text("FEED_TABLE_NAME"), environment.number("FEED_SHARDS", 1..=64));
    let (loopback, access) = (loopback_of(environment), aws.access(environment));
    let feed = (DynamoFeed::new(aws.dynamodb(), feed?), u8::try_from(shards?).ok()?);
    let (store, keys) = (DynamoWebhooks::new(aws.dynamodb(), table?), DynamoKeys::new(aws.dynamodb(), keys?));
    let loopback = loopback?;
    Some(WebhooksApi::new(feed, store, HttpReceivers::new(loopback), keys, System, access?, loopback))
});
