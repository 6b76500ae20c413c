//! Stock over HTTP.

use onewrite::aws::System;
use orderflow_inventory::{DynamoStock, InventoryApi};

onewrite::http_main!(|environment, aws| {
    let (table, access) = (environment.text("TABLE_NAME"), aws.access(environment));
    Some(InventoryApi::new(DynamoStock::new(aws.dynamodb(), table?), System, access?))
});
