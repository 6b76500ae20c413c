//! Operations over HTTP.

use onewrite::aws::System;
use orderflow_operations::{DynamoOperations, OperationsApi};

onewrite::http_main!(|environment, aws| {
    let (table, access) = (environment.text("LETTERS_TABLE_NAME"), aws.access(environment));
    Some(OperationsApi::new(DynamoOperations::new(aws.dynamodb(), table?), System, access?))
});
