//! The queue consumer of the inventory service.

use onewrite::aws::{DynamoLog, System, consume, sdk_config};
use onewrite::config::{Environment, QueueSettings};
use onewrite::{Ledger, NoEffects, Process, telemetry};
use orderflow_inventory::Inventory;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let settings = Environment::of_process().read(|environment| {
        let queue = QueueSettings::read(environment);
        let (table, stock_table) = (environment.text("TABLE_NAME"), environment.text("STOCK_TABLE_NAME"));
        Some((queue?, table?, stock_table?))
    });
    let (queue, table, stock_table) = settings?;
    let aws = sdk_config()?;
    let log = DynamoLog::new(aws_sdk_dynamodb::Client::new(&aws), table).with_counters(stock_table);
    let process = Process::<Inventory, _, _, _>::new(Ledger::new(log, System), NoEffects);
    consume(queue, process, &aws).await
}
