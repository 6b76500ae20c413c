//! Orders over HTTP.

use orderflow_orders::{DynamoPrices, OrdersApi};

onewrite::http_main!(|environment, aws| {
    let (ledger, access) = (aws.ledger_with_open_index(environment), aws.access(environment));
    let (prices, orders) = (environment.text("PRICE_TABLE_NAME"), environment.text("TABLE_NAME"));
    let prices = DynamoPrices::new(aws.dynamodb(), prices?, orders?);
    Some(OrdersApi::new(ledger?, prices, access?))
});
