//! A stub of AWS in this process: DynamoDB's tables, and of SNS, SQS, SES and the connections of API Gateway their answers.

mod dynamo;
mod expression;
mod server;
mod wire;

pub(crate) use dynamo::{Change, KeySchema, Tables};
pub(crate) use server::{Aws, Post};
