//! Consumer of the payment service: charges orders, and gives the money back.

use onewrite::Process;
use onewrite::aws::{DynamoOccurrences, System};
use onewrite::external::simulated::DynamoRegister;
use orderflow_payment::{DECLINES_KEPT, Payment, ProviderEffects, Settings};

#[cfg(not(feature = "simulated"))]
compile_error!("no payment provider: write an adapter as `simulated.rs` is one, and give it to `ProviderEffects` here");

onewrite::main!(|environment, aws| {
    let (ledger, settings) = (aws.ledger(environment), environment.settings::<Settings>()?);
    let register = DynamoRegister::new(aws.dynamodb(), settings.provider_table_name.as_str());
    let provider = orderflow_simulated::Provider::new(register, System);
    let declines = DynamoOccurrences::new(aws.dynamodb(), settings.declines_table_name.as_str(), DECLINES_KEPT);
    let effects = ProviderEffects::new(provider, declines, settings.declines_per_hour);
    Some(Process::<Payment, _, _, _>::new(ledger?, effects))
});
