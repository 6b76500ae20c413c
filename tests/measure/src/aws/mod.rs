//! A stub of AWS in this process: DynamoDB's tables, and of SNS, SQS and SES their answers.

mod dynamo;
mod expression;
mod server;
mod wire;

pub(crate) use dynamo::{Change, KeySchema, Tables};
pub(crate) use server::Aws;
