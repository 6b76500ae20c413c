//! Journal: puts every event on record.

use onewrite::Projection;
use onewrite::aws::{DynamoFeed, System};
use orderflow_journal::{DynamoJournal, Journal, Settings};

onewrite::main!(|environment, aws| {
    let (table, settings) = (environment.text("TABLE_NAME"), environment.settings::<Settings>()?);
    let feed = DynamoFeed::new(aws.dynamodb(), settings.feed_table_name.as_str());
    Some(Projection::new(Journal::new(
        DynamoJournal::new(aws.dynamodb(), table?),
        feed,
        settings.feed_shards.0,
        System,
    )))
});
