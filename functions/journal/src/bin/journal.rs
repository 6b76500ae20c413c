//! Journal: puts every event on record.

use onewrite::Projection;
use onewrite::aws::System;
use orderflow_journal::{DynamoJournal, Journal};

onewrite::main!(|environment, aws| {
    let table = environment.text("TABLE_NAME")?;
    Some(Projection::new(Journal::new(DynamoJournal::new(aws.dynamodb(), table), System)))
});
