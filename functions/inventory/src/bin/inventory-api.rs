//! Stock over HTTP.

use onewrite::Ledger;
use onewrite::aws::System;
use orderflow_inventory::{DynamoStock, InventoryApi, Settings};

onewrite::http_main!(|environment, aws| {
    let (table, settings) = (aws.table(environment), environment.settings::<Settings>());
    let (access, stock) = (aws.access(environment), settings?.stock_table_name);
    let ledger = Ledger::new(table?.with_counters(stock.as_str()), System);
    Some(InventoryApi::new(DynamoStock::new(aws.dynamodb(), stock.as_str()), ledger, access?))
});
