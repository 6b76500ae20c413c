//! Orders over HTTP.

use onewrite::aws::SecretLinkKeys;
use orderflow_orders::{DynamoPrices, Guests, OrdersApi, Socket, WithdrawalPeriod};

onewrite::http_main!(|environment, aws| {
    let (ledger, access) = (aws.ledger_with_open_index(environment), aws.access(environment));
    let (prices, orders) = (environment.text("PRICE_TABLE_NAME"), environment.text("TABLE_NAME"));
    let keys = aws.keys(environment);
    let days = environment.number("WITHDRAWAL_DAYS", 14..=1_000);
    let guests = Guests::read(environment, |secret| SecretLinkKeys::new(aws.config(), secret));
    let socket = environment.optional("LIVE_URL").as_deref().map(Socket::at);
    let (prices, period) = (DynamoPrices::new(aws.dynamodb(), prices?, orders?), WithdrawalPeriod::of_days(days?));
    Some(OrdersApi::new(ledger?, prices, keys?, access?, period).with_guests(guests?).with_socket(socket))
});
