//! The HTTP API of the orders service.

use onewrite::aws::{DynamoLog, System, sdk_config};
use onewrite::config::Environment;
use onewrite::{Ledger, telemetry};
use orderflow_orders::OrdersApi;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let table = Environment::of_process().read(|environment| environment.text("TABLE_NAME"))?;
    let aws = sdk_config()?;
    let api = OrdersApi::new(Ledger::new(DynamoLog::new(aws_sdk_dynamodb::Client::new(&aws), table), System));
    api.warm().await;
    let api = &api;
    lambda_http::run(lambda_http::service_fn(async |request| {
        telemetry::request(&request, Box::pin(api.answer(&request))).await
    }))
    .await
}
