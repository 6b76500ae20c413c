//! The HTTP API of the inventory service.

use onewrite::aws::{System, sdk_config};
use onewrite::config::Environment;
use onewrite::telemetry;
use orderflow_inventory::{DynamoStock, InventoryApi};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let table = Environment::of_process().read(|environment| environment.text("STOCK_TABLE_NAME"))?;
    let aws = sdk_config()?;
    let api = InventoryApi::new(DynamoStock::new(aws_sdk_dynamodb::Client::new(&aws), table), System);
    api.warm().await;
    let api = &api;
    lambda_http::run(lambda_http::service_fn(async |request| {
        telemetry::request(&request, Box::pin(api.answer(&request))).await
    }))
    .await
}
