//! Consumer of the shipping service: books shipments, and voids them.

use onewrite::Process;
use onewrite::aws::{DynamoKeys, System};
use onewrite::external::simulated::DynamoRegister;
use onewrite::personal::KeyRing;
use orderflow_shipping::{CarrierEffects, Settings, Shipping};

#[cfg(not(feature = "simulated"))]
compile_error!("no carrier: write an adapter as `simulated.rs` is one, and give it to `CarrierEffects` here");

onewrite::main!(|environment, aws| {
    let (ledger, settings) = (aws.ledger(environment), environment.settings::<Settings>()?);
    let register = DynamoRegister::new(aws.dynamodb(), settings.carrier_table_name.as_str());
    let keys = KeyRing::new(DynamoKeys::new(aws.dynamodb(), settings.key_table_name.as_str()), System);
    let carrier = orderflow_simulated::Carrier::new(register, System);
    Some(Process::<Shipping, _, _, _>::new(ledger?, CarrierEffects::new(carrier, keys, settings.hold_flagged)))
});
