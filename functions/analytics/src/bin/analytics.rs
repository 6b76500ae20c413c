//! Consumer of the analytics service.

use onewrite::Process;
use onewrite::aws::System;
use orderflow_analytics::{Analytics, CountEffects, DynamoCounts, Settings};

onewrite::main!(|environment, aws| {
    let (ledger, settings) = (aws.ledger(environment), environment.settings::<Settings>());
    let counts = DynamoCounts::new(aws.dynamodb(), settings?.count_table_name.as_str());
    Some(Process::<Analytics, _, _, _>::new(ledger?, CountEffects::new(counts, System)))
});
