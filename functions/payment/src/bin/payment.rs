//! Consumer of the payment service: charges orders, and gives the money back.

use onewrite::Process;
use onewrite::aws::System;
use onewrite::external::simulated::DynamoRegister;
use orderflow_payment::{DynamoDeclines, Payment, ProviderEffects, Settings};

#[cfg(not(feature = "simulated"))]
compile_error!("no payment provider: write an adapter as `simulated.rs` is one, and give it to `ProviderEffects` here");

onewrite::main!(|environment, aws| {
    let (ledger, settings) = (aws.ledger(environment), environment.settings::<Settings>()?);
    let register = DynamoRegister::new(aws.dynamodb(), settings.provider_table_name.as_str());
    let provider = orderflow_simulated::Provider::new(register, System);
    let declines = DynamoDeclines::new(aws.dynamodb(), settings.declines_table_name.as_str());
    let effects = ProviderEffects::new(provider, declines, settings.declines_per_hour);
    Some(Process::<Payment, _, _, _>::new(ledger?, effects))
});
