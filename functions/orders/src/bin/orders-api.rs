//! Orders over HTTP.

use orderflow_orders::{OrdersApi, WithdrawalPeriod};

onewrite::http_main!(|environment, aws| {
    let (ledger, access) = (aws.ledger_with_open_index(environment), aws.access(environment));
    let days = environment.number("WITHDRAWAL_DAYS", 14..=1_000);
    Some(OrdersApi::new(ledger?, access?, WithdrawalPeriod::of_days(days?)))
});
