//! Orders over HTTP.

use orderflow_orders::OrdersApi;

onewrite::http_main!(|environment, aws| {
    let (ledger, access) = (aws.ledger_with_open_index(environment), aws.access(environment));
    Some(OrdersApi::new(ledger?, access?))
});
