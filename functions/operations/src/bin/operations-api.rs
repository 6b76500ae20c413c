//! Operations over HTTP.

use onewrite::aws::System;
use orderflow_operations::{AwsStack, DynamoOperations, OperationsApi};

onewrite::http_main!(|environment, aws| {
    let (table, directory) = (environment.text("LETTERS_TABLE_NAME"), environment.text("DIRECTORY"));
    let access = aws.access(environment);
    let stack = AwsStack::new(aws.config(), aws.dynamodb(), directory?);
    Some(OperationsApi::new(DynamoOperations::new(aws.dynamodb(), table?), stack, System, access?))
});
