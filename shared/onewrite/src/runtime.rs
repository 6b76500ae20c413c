//! Loop of a Lambda function: invocation, answer, and what is done after the answer.

use std::fmt::Debug;

use lambda_runtime::layers::TracingLayer;
use lambda_runtime::tower::util::ThenLayer;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, Runtime, Service};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Serves invocations until Lambda ends the process. The spans of an invocation are exported once its answer is sent, and
/// before the next one is asked for: until then Lambda lets the process run.
///
/// # Errors
///
/// The Lambda Runtime API cannot be reached.
pub async fn run<A, F, R>(handler: F) -> Result<(), Error>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Error: Into<Diagnostic> + Debug,
    A: DeserializeOwned,
    R: Serialize,
{
    let export = ThenLayer::new(async |answered| {
        #[cfg(feature = "otlp")]
        crate::aws::flush_spans().await;
        answered
    });
    Runtime::new(handler).layer(TracingLayer::new()).layer(export).run().await
}
