//! The queue consumer of the screening service.

use onewrite::aws::{DynamoLog, System, consume, sdk_config};
use onewrite::config::{Environment, QueueSettings};
use onewrite::{Ledger, Process, telemetry};
use orderflow_screening::domain::Screening;
use orderflow_screening::sightings::{DynamoSightings, SightingEffects};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let settings = Environment::of_process().read(|environment| {
        let queue = QueueSettings::read(environment);
        let (table, sightings_table) = (environment.text("TABLE_NAME"), environment.text("SIGHTINGS_TABLE_NAME"));
        Some((queue?, table?, sightings_table?))
    });
    let (queue, table, sightings_table) = settings?;
    let aws = sdk_config()?;
    let dynamo = aws_sdk_dynamodb::Client::new(&aws);
    let effects = SightingEffects::new(DynamoSightings::new(dynamo.clone(), sightings_table));
    let process = Process::<Screening, _, _, _>::new(Ledger::new(DynamoLog::new(dynamo, table), System), effects);
    consume(queue, process, &aws).await
}
