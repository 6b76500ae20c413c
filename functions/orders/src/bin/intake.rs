//! Intake: takes the orders of other producers.

use onewrite::aws::{DynamoKeys, System};
use onewrite::personal::KeyRing;
use orderflow_orders::{DynamoPrices, IntakeHandler, Settings};

onewrite::main!(|environment, aws| {
    let (ledger, orders) = (aws.ledger_with_open_index(environment), environment.text("TABLE_NAME"));
    let Settings { price_table_name, key_table_name, pricing_producers } = environment.settings::<Settings>()?;
    let keys = KeyRing::new(DynamoKeys::new(aws.dynamodb(), key_table_name.as_str()), System);
    let prices = DynamoPrices::new(aws.dynamodb(), price_table_name.as_str(), orders?);
    Some(IntakeHandler::new(ledger?, keys, prices, pricing_producers))
});
