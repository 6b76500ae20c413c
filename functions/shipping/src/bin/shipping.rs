//! The queue consumer of the shipping service.

use onewrite::aws::{DynamoLog, System, consume, sdk_config};
use onewrite::config::{Environment, QueueSettings};
#[cfg(feature = "simulated")]
use onewrite::external::simulated::DynamoRegister;
use onewrite::{Ledger, Process, telemetry};
use orderflow_shipping::{CarrierEffects, Shipping};
#[cfg(feature = "simulated")]
use orderflow_simulated::Carrier;

#[cfg(not(feature = "simulated"))]
compile_error!("no carrier: write an adapter as `simulated.rs` is one, and give it to `CarrierEffects` here");

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
    let carrier = Carrier::new(DynamoRegister::new(dynamo.clone(), carrier_table), System);
    let ledger = Ledger::new(DynamoLog::new(dynamo, table), System);
    let process = Process::<Shipping, _, _, _>::new(ledger, CarrierEffects::new(carrier));
    consume(queue, process, &aws).await
}
