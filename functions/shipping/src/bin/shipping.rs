//! The queue consumer of the shipping service.

use onewrite::aws::{DynamoLog, System, consume, sdk_config};
use onewrite::config::{Environment, QueueSettings};
use onewrite::{Ledger, Process, telemetry};
use orderflow_shipping::domain::Shipping;
use orderflow_shipping::effects::CarrierEffects;
use orderflow_shipping::simulation::{DynamoRegister, Simulation};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let settings = Environment::of_process().read(|environment| {
        let queue = QueueSettings::read(environment);
        let (table, carrier_table) = (environment.text("TABLE_NAME"), environment.text("CARRIER_TABLE_NAME"));
        Some((queue?, table?, carrier_table?))
    });
    let (queue, table, carrier_table) = settings?;
    let aws = sdk_config()?;
    let dynamo = aws_sdk_dynamodb::Client::new(&aws);
    let carrier = Simulation::new(DynamoRegister::new(dynamo.clone(), carrier_table), System);
    let ledger = Ledger::new(DynamoLog::new(dynamo, table), System);
    let process = Process::<Shipping, _, _, _>::new(ledger, CarrierEffects::new(carrier));
    consume(queue, process, &aws).await
}
