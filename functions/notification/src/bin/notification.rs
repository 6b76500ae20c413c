//! The queue consumer of notification.

use onewrite::aws::{DynamoLeases, DynamoLog, System, consume, sdk_config, without_retries};
use onewrite::config::{Environment, QueueSettings};
use onewrite::{Ledger, Process, telemetry};
use orderflow_notification::aws::{SesMailer, SnsSms};
use orderflow_notification::domain::Notification;
use orderflow_notification::messenger::Messenger;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let settings = Environment::of_process().read(|environment| {
        let queue = QueueSettings::read(environment);
        let (table, sender) = (environment.text("TABLE_NAME"), environment.text("SENDER_EMAIL"));
        Some((queue?, table?, sender?))
    });
    let (queue, table, sender) = settings?;
    let aws = sdk_config()?;
    let dynamo = aws_sdk_dynamodb::Client::new(&aws);
    let channels = without_retries(&aws);
    let messenger = Messenger::new(
        SesMailer::new(aws_sdk_ses::Client::new(&channels), sender),
        SnsSms::new(aws_sdk_sns::Client::new(&channels)),
        DynamoLeases::new(dynamo.clone(), &table),
        System,
    );
    let ledger = Ledger::new(DynamoLog::new(dynamo, table), System);
    let process = Process::<Notification, _, _, _>::new(ledger, messenger);
    consume(queue, process, &aws).await
}
