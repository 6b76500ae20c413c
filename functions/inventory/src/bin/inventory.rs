//! Consumer of the inventory service: sets goods aside, hands them out, and takes them back.

use onewrite::aws::System;
use onewrite::{Ledger, NoEffects, Process};
use orderflow_inventory::{Inventory, Settings};

onewrite::main!(|environment, aws| {
    let (table, settings) = (aws.table(environment), environment.settings::<Settings>());
    let table = table?.with_counters(settings?.stock_table_name.as_str());
    Some(Process::<Inventory, _, _, _>::new(Ledger::new(table, System), NoEffects))
});
