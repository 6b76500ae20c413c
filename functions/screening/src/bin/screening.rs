//! Consumer of the screening service: looks at each new order for signs of fraud.

use onewrite::Process;
use orderflow_screening::{DynamoSightings, Screening, Settings, SightingEffects};

onewrite::main!(|environment, aws| {
    let (ledger, settings) = (aws.ledger(environment), environment.settings::<Settings>());
    let Settings { sightings_table_name, hold_flagged } = settings?;
    let sightings = DynamoSightings::new(aws.dynamodb(), sightings_table_name.as_str());
    Some(Process::<Screening, _, _, _>::new(ledger?, SightingEffects::new(sightings, hold_flagged)))
});
