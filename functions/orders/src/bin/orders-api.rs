//! Orders over HTTP.

use orderflow_orders::OrdersApi;

onewrite::http_main!(|environment, aws| aws.ledger(environment).map(OrdersApi::new));
