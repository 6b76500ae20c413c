//! Orders over HTTP.

use onewrite::aws::SecretLinkKeys;
use orderflow_orders::{Guests, OrdersApi, WithdrawalPeriod};

onewrite::http_main!(|environment, aws| {
    let (ledger, access) = (aws.ledger_with_open_index(environment), aws.access(environment));
    let days = environment.number("WITHDRAWAL_DAYS", 14..=1_000);
    let guests = Guests::read(environment, |secret| SecretLinkKeys::new(aws.config(), secret));
    Some(OrdersApi::new(ledger?, access?, WithdrawalPeriod::of_days(days?)).with_guests(guests?))
});
