//! The relay, from the tables' streams to the topic.

use aws_lambda_events::dynamodb::Event;
use lambda_runtime::{LambdaEvent, service_fn};
use onewrite::aws::{SqsDeadLetters, System, sdk_config};
use onewrite::config::Environment;
use onewrite::telemetry;
use orderflow_relay::{Relay, SnsTopic};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let settings = Environment::of_process().read(|environment| {
        let (topic, dead_letters) = (environment.text("TOPIC_ARN"), environment.text("DEAD_LETTER_QUEUE_URL"));
        let function = environment.text("AWS_LAMBDA_FUNCTION_NAME");
        Some((topic?, dead_letters?, function?))
    });
    let (topic, dead_letters, function) = settings?;
    let aws = sdk_config()?;
    let topic = SnsTopic::new(aws_sdk_sns::Client::new(&aws), topic);
    let dead_letters = SqsDeadLetters::new(aws_sdk_sqs::Client::new(&aws), dead_letters);
    let relay = &Relay::new(topic, dead_letters, System, function);
    relay.warm().await;
    lambda_runtime::run(service_fn(async |invocation: LambdaEvent<Event>| {
        let deadline = telemetry::begin(&invocation.context);
        let published = relay.run(invocation.payload, deadline).await;
        telemetry::end();
        published.map_err(lambda_runtime::Error::from)
    }))
    .await
}
