//! Operations over HTTP.

use std::time::Duration;

use onewrite::aws::{DynamoKeys, System};
use onewrite::personal::KeyRing;
use orderflow_operations::{AwsStack, DynamoOperations, OperationsApi};

onewrite::http_main!(|environment, aws| {
    let (table, directory) = (environment.text("LETTERS_TABLE_NAME"), environment.text("DIRECTORY"));
    let keys = environment.text("KEY_TABLE_NAME");
    let (access, late_after) = (aws.access(environment), environment.number("LATE_AFTER_SECONDS", 60..=43_200));
    let (store, stack) =
        (DynamoOperations::new(aws.dynamodb(), table?), AwsStack::new(aws.config(), aws.dynamodb(), directory?));
    let keys = KeyRing::new(DynamoKeys::new(aws.dynamodb(), keys?), System);
    Some(OperationsApi::new(store, keys, stack, System, access?, Duration::from_secs(late_after?.into())))
});
