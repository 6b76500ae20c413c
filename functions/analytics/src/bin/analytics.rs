//! Consumer of the analytics service.

use onewrite::aws::System;
use onewrite::{Ledger, NoEffects, Process};
use orderflow_analytics::{Analytics, Settings};

onewrite::main!(|environment, aws| {
    let (table, settings) = (aws.table(environment), environment.settings::<Settings>());
    let table = table?.with_sorted_counters(settings?.count_table_name.as_str());
    Some(Process::<Analytics, _, _, _>::new(Ledger::new(table, System), NoEffects))
});
