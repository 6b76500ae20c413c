//! Consumer of the screening service: looks at each new order for signs of fraud.

use onewrite::Process;
use onewrite::aws::{DynamoKeys, DynamoOccurrences, System};
use onewrite::personal::KeyRing;
use orderflow_screening::{Screening, Settings, SightingEffects};

onewrite::main!(|environment, aws| {
    let (ledger, settings) = (aws.ledger(environment), environment.settings::<Settings>()?);
    let sightings =
        DynamoOccurrences::new(aws.dynamodb(), settings.sightings_table_name.as_str(), settings.sightings_kept.0);
    let keys = KeyRing::new(DynamoKeys::new(aws.dynamodb(), settings.key_table_name.as_str()), System);
    Some(Process::<Screening, _, _, _>::new(ledger?, SightingEffects::new(sightings, keys, settings.hold_flagged)))
});
