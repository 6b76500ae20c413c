//! Settings that the emulator leaves out when it creates the stack, made up for as the template says.
//!
//! MiniStack 1.5.33 creates a FIFO topic without its FIFO attributes, and then drops the message groups of a batch; it
//! keeps as a text a maximum concurrency that is a parameter, and then reads no standard queue; and it does not import
//! the gateway responses of a REST API. All of it can be set afterwards, by the calls that AWS has for it. What is as
//! it should be, as on LocalStack, is left alone.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_sns::error::ProvideErrorMetadata;
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, RequestBuilder, Url};
use serde_json::{Map, Value, json};

use crate::client::endpoint::{Endpoint, authorization};
use crate::client::event_sources::EventSources;
use crate::client::http::{http_client, innermost};
use crate::stack::template::Template;

/// Failure to mend what the emulator has left out.
#[derive(Debug, thiserror::Error)]
pub enum FixupError {
    /// The topic does not take its attributes.
    #[error("the emulator does not take the attributes of the topic: {0}")]
    Topic(String),
    /// The event sources do not take their maximum.
    #[error("the emulator does not take the maximum concurrency of its event sources: {}", innermost(.0))]
    EventSources(#[source] reqwest::Error),
    /// The API does not take its gateway responses.
    #[error("the emulator does not take the gateway's own answers: {}", innermost(.0))]
    Gateway(#[from] reqwest::Error),
}

/// Sets what the emulator has left out of a stack that was just deployed.
pub(crate) async fn apply(
    endpoint: &Endpoint,
    sdk: &SdkConfig,
    template: &Template,
    outputs: &BTreeMap<String, String>,
) -> Result<(), FixupError> {
    if let Some(topic) = outputs.get("EventsTopicArn") {
        make_fifo(sdk, topic, template.properties("EventsTopic")).await?;
    }
    make_maxima_numbers(endpoint, outputs).await.map_err(FixupError::EventSources)?;
    // The host of the URL begins with the API's id, and its path is the stage.
    let api_url = outputs.get("ApiUrl").and_then(|url| Url::parse(url).ok());
    if let Some((api, stage)) = api_url.as_ref().and_then(api_and_stage) {
        Gateway { endpoint, http: http_client()?, api, stage }
            .import(&template.properties("Api")["GatewayResponses"])
            .await?;
    }
    Ok(())
}

async fn make_fifo(sdk: &SdkConfig, topic: &str, properties: &Value) -> Result<(), FixupError> {
    let sns = aws_sdk_sns::Client::new(sdk);
    let told = |message: Option<&str>| FixupError::Topic(message.unwrap_or("SNS does not answer").to_owned());
    let attributes = sns.get_topic_attributes().topic_arn(topic).send().await.map_err(|e| told(e.message()))?;
    if attributes.attributes().is_some_and(|all| all.contains_key("FifoTopic")) {
        return Ok(());
    }
    for name in ["FifoTopic", "ContentBasedDeduplication"].into_iter().filter(|name| properties[name] == true) {
        let set = sns.set_topic_attributes().topic_arn(topic).attribute_name(name).attribute_value("true");
        set.send().await.map_err(|error| told(error.message()))?;
    }
    Ok(())
}

async fn make_maxima_numbers(endpoint: &Endpoint, outputs: &BTreeMap<String, String>) -> reqwest::Result<()> {
    let client = EventSources::of(endpoint)?;
    for source in client.of_stack(outputs.iter().map(|(name, value)| (name.as_str(), value.as_str()))).await? {
        if let Some(functions) = source.textual_maximum_concurrency() {
            client.set_maximum_concurrency(&source, functions).await?;
        }
    }
    Ok(())
}

fn api_and_stage(url: &Url) -> Option<(&str, &str)> {
    let stage = url.path().trim_matches('/');
    Some((url.host_str()?.split('.').next()?, stage)).filter(|_| !stage.is_empty())
}

/// One REST API on the emulator.
struct Gateway<'a> {
    endpoint: &'a Endpoint,
    http: Client,
    api: &'a str,
    stage: &'a str,
}

impl Gateway<'_> {
    async fn import(&self, responses: &Value) -> Result<(), FixupError> {
        let known = ask(self.http.get(self.url("gatewayresponses/DEFAULT_4XX"))).await?;
        if known["defaultResponse"] != true {
            return Ok(());
        }
        for (kind, response) in responses.as_object().into_iter().flatten() {
            let headers = response["ResponseParameters"]["Headers"].as_object().into_iter().flatten();
            let parameters: Map<String, Value> =
                headers.map(|(name, value)| (format!("gatewayresponse.header.{name}"), value.clone())).collect();
            let body = json!({
                "statusCode": response["StatusCode"].to_string(),
                "responseParameters": parameters,
                "responseTemplates": response["ResponseTemplates"],
            });
            ask(self.http.put(self.url(&format!("gatewayresponses/{kind}"))).json(&body)).await?;
        }
        ask(self.http.post(self.url("deployments")).json(&json!({ "stageName": self.stage }))).await?;
        Ok(())
    }

    fn url(&self, path: &str) -> Url {
        self.endpoint.join(&format!("/restapis/{}/{path}", self.api))
    }
}

async fn ask(request: RequestBuilder) -> Result<Value, reqwest::Error> {
    request.header(AUTHORIZATION, authorization("apigateway")).send().await?.error_for_status()?.json().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_and_its_stage_are_in_its_url() {
        for (url, expected) in [
            ("https://a1b2.execute-api.us-east-1.amazonaws.com/dev", Some(("a1b2", "dev"))),
            ("http://a1b2.execute-api.localhost:4566/dev/", Some(("a1b2", "dev"))),
            ("https://a1b2.execute-api.us-east-1.amazonaws.com/", None),
        ] {
            assert_eq!(api_and_stage(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
