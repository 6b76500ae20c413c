//! The queue consumer of the orders service: what the other services say of an order.

use onewrite::aws::{DynamoLog, System, consume, sdk_config};
use onewrite::config::{Environment, QueueSettings};
use onewrite::{Ledger, NoEffects, Process, telemetry};
use orderflow_orders::Orders;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let settings = Environment::of_process().read(|environment| {
        let (queue, table) = (QueueSettings::read(environment), environment.text("TABLE_NAME"));
        Some((queue?, table?))
    });
    let (queue, table) = settings?;
    let aws = sdk_config()?;
    let ledger = Ledger::new(DynamoLog::new(aws_sdk_dynamodb::Client::new(&aws), table), System);
    let process = Process::<Orders, _, _, _>::new(ledger, NoEffects);
    consume(queue, process, &aws).await
}
