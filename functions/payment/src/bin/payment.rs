//! The queue consumer of the payment service.

use onewrite::aws::{DynamoLog, System, consume, sdk_config};
use onewrite::config::{Environment, QueueSettings};
#[cfg(feature = "simulated")]
use onewrite::external::simulated::DynamoRegister;
use onewrite::{Ledger, Process, telemetry};
use orderflow_payment::{Payment, ProviderEffects};
#[cfg(feature = "simulated")]
use orderflow_simulated::Provider;

#[cfg(not(feature = "simulated"))]
compile_error!("no payment provider: write an adapter as `simulated.rs` is one, and give it to `ProviderEffects` here");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let settings = Environment::of_process().read(|environment| {
        let queue = QueueSettings::read(environment);
        let (table, provider_table) = (environment.text("TABLE_NAME"), environment.text("PROVIDER_TABLE_NAME"));
        Some((queue?, table?, provider_table?))
    });
    let (queue, table, provider_table) = settings?;
    let aws = sdk_config()?;
    let dynamo = aws_sdk_dynamodb::Client::new(&aws);
    let provider = Provider::new(DynamoRegister::new(dynamo.clone(), provider_table), System);
    let ledger = Ledger::new(DynamoLog::new(dynamo, table), System);
    let process = Process::<Payment, _, _, _>::new(ledger, ProviderEffects::new(provider));
    consume(queue, process, &aws).await
}
