//! The queue consumer of the journal.

use onewrite::aws::{System, consume, sdk_config};
use onewrite::config::{Environment, QueueSettings};
use onewrite::telemetry;
use orderflow_journal::{DynamoJournal, Journal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let settings = Environment::of_process().read(|environment| {
        let (queue, table) = (QueueSettings::read(environment), environment.text("TABLE_NAME"));
        Some((queue?, table?))
    });
    let (queue, table) = settings?;
    let aws = sdk_config()?;
    let journal = Journal::new(DynamoJournal::new(aws_sdk_dynamodb::Client::new(&aws), table), System);
    consume(queue, journal, &aws).await
}
