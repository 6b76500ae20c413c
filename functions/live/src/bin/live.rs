//! Routes of the WebSocket API.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use onewrite::aws::{DynamoFeed, SecretLinkKeys};
use onewrite::config::Environment;
use onewrite::telemetry;
use orderflow_analytics::DynamoCounts;
use orderflow_journal::DynamoJournal;
use orderflow_live::{DynamoWatches, Event, GatewaySockets, JournalFeed, Push, Routes, ShopBoard};
use orderflow_operations::DynamoOperations;
use orderflow_orders::Guests;

onewrite::main!(async |aws| {
    let routes = Environment::of_process().read(|environment| {
        let (ledger, access) = (aws.ledger(environment), aws.access(environment));
        let (watches, connections) = (environment.text("LIVE_TABLE_NAME"), environment.text("CONNECTIONS_URL"));
        let guests = Guests::read(environment, |secret| SecretLinkKeys::new(aws.config(), secret));
        let (feed, shards) = (environment.text("FEED_TABLE_NAME"), environment.number("FEED_SHARDS", 1..=64));
        let journal = DynamoJournal::new(aws.dynamodb(), environment.text("JOURNAL_TABLE_NAME")?);
        let feed = JournalFeed::new(DynamoFeed::new(aws.dynamodb(), feed?), u8::try_from(shards?).ok()?, journal);
        let counts = DynamoCounts::new(aws.dynamodb(), environment.text("COUNT_TABLE_NAME")?);
        let letters = DynamoOperations::new(aws.dynamodb(), environment.text("LETTERS_TABLE_NAME")?);
        let board = ShopBoard::new(counts, letters);
        let watches = DynamoWatches::new(aws.dynamodb(), watches?);
        let sockets = GatewaySockets::new(aws.config(), &connections?);
        Some(Routes::new(Push::new(ledger?, feed, board, watches, sockets), access?, guests?))
    });
    let routes = &routes?;
    routes.warm().await;
    lambda_runtime::run(service_fn(async |invocation: LambdaEvent<Event>| {
        let _deadline = telemetry::begin(&invocation.context);
        let answered = Box::pin(routes.answer(&invocation.payload)).await;
        telemetry::end();
        answered.map_err(Error::from)
    }))
    .await
});
