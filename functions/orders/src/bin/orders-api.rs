//! Orders over HTTP.

use onewrite::aws::SecretLinkKeys;
use orderflow_orders::{Guests, OrdersApi};

onewrite::http_main!(|environment, aws| {
    let (ledger, access) = (aws.ledger_with_open_index(environment), aws.access(environment));
    let guests = Guests::read(environment, |secret| SecretLinkKeys::new(aws.config(), secret));
    Some(OrdersApi::new(ledger?, access?).with_guests(guests?))
});
