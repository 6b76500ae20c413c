//! Consumer of the rows of the orders' table, of the pages of the feed, of the counts, and of dead letters: tells those who watch what has happened.

use std::collections::BTreeSet;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use onewrite::aws::DynamoFeed;
use onewrite::config::Environment;
use onewrite::telemetry;
use orderflow_analytics::DynamoCounts;
use orderflow_events::OrderId;
use orderflow_journal::DynamoJournal;
use orderflow_live::{DynamoWatches, GatewaySockets, JournalFeed, Push, ShopBoard};
use orderflow_operations::DynamoOperations;
use serde::Deserialize;

/// An invocation by a stream of DynamoDB. All that counts is which orders have got rows.
#[derive(Deserialize)]
struct StreamEvent {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "eventSourceARN", default)]
    source: String,
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
    /// Tells that it is of the stream of that table. An invocation is of one.
    fn is_of(&self, table: &str) -> bool {
        self.records.iter().any(|record| record.source.split('/').nth(1) == Some(table))
    }

    /// The orders, each once. What is no order's nobody watches.
    fn orders(self) -> BTreeSet<OrderId> {
        self.records.into_iter().filter_map(|record| OrderId::new(record.dynamodb.keys.pk.text).ok()).collect()
    }
}

onewrite::main!(async |aws| {
    let push = Environment::of_process().read(|environment| {
        let ledger = aws.ledger(environment);
        let (watches, connections) = (environment.text("LIVE_TABLE_NAME"), environment.text("CONNECTIONS_URL"));
        let (feed_table, shards) = (environment.text("FEED_TABLE_NAME"), environment.number("FEED_SHARDS", 1..=64));
        let journal = DynamoJournal::new(aws.dynamodb(), environment.text("JOURNAL_TABLE_NAME")?);
        let feed = DynamoFeed::new(aws.dynamodb(), feed_table.clone()?);
        let feed = JournalFeed::new(feed, u8::try_from(shards?).ok()?, journal);
        let count_table = environment.text("COUNT_TABLE_NAME");
        let letters_table = environment.text("LETTERS_TABLE_NAME");
        let counts = DynamoCounts::new(aws.dynamodb(), count_table.clone()?);
        let board = ShopBoard::new(counts, DynamoOperations::new(aws.dynamodb(), letters_table.clone()?));
        let watches = DynamoWatches::new(aws.dynamodb(), watches?);
        let sockets = GatewaySockets::new(aws.config(), &connections?);
        Some((Push::new(ledger?, feed, board, watches, sockets), [feed_table?, count_table?, letters_table?]))
    });
    let (push, [feed_table, count_table, letters_table]) = &push?;
    push.warm().await;
    lambda_runtime::run(service_fn(async |invocation: LambdaEvent<StreamEvent>| {
        let _deadline = telemetry::begin(&invocation.context);
        let told = if invocation.payload.is_of(feed_table) {
            Box::pin(push.tell_events()).await
        } else if invocation.payload.is_of(count_table) {
            Box::pin(push.tell_board()).await
        } else if invocation.payload.is_of(letters_table) {
            Box::pin(push.tell_letters()).await
        } else {
            Box::pin(push.tell(invocation.payload.orders())).await
        };
        telemetry::end();
        told.map_err(Error::from)
    }))
    .await
});
