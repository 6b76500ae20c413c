//! Orders over HTTP.

use orderflow_orders::OrdersApi;

onewrite::http_main!(|environment, aws| {
    let (ledger, access) = (aws.ledger(environment), aws.access(environment));
    Some(OrdersApi::new(ledger?, access?))
});
