//! GraphQL over HTTP.

use onewrite::Ledger;
use onewrite::aws::System;
use orderflow_inventory::DynamoStock;
use orderflow_live::GraphqlApi;

onewrite::http_main!(|environment, aws| {
    let (table, access) = (aws.table(environment), aws.access(environment));
    let stock = environment.text("STOCK_TABLE_NAME");
    let introspection = environment.text("INTROSPECTION");
    let stock = DynamoStock::new(aws.dynamodb(), stock?);
    Some(GraphqlApi::new(Ledger::new(table?, System), stock, access?, introspection? == "yes"))
});
