//! The event sources of a stack: what Lambda reads for its functions.

use reqwest::header::AUTHORIZATION;
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::endpoint::{Endpoint, authorization};
use crate::client::http::http_client;

const PATH: &str = "/2015-03-31/event-source-mappings/";

/// Client of an emulator's Lambda, as far as event sources go.
pub(crate) struct EventSources<'a> {
    endpoint: &'a Endpoint,
    http: Client,
}

/// One event source.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EventSource {
    #[serde(rename = "UUID")]
    id: String,
    function_arn: String,
    state: String,
    #[serde(default)]
    scaling_config: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    event_source_mappings: Vec<EventSource>,
}

impl<'a> EventSources<'a> {
    pub(crate) fn of(endpoint: &'a Endpoint) -> reqwest::Result<Self> {
        Ok(Self { endpoint, http: http_client()? })
    }

    /// Those of the stack with these outputs: an emulator that someone else has started may have others.
    pub(crate) async fn of_stack<'o>(
        &self,
        outputs: impl Iterator<Item = (&'o str, &'o str)>,
    ) -> reqwest::Result<Vec<EventSource>> {
        let functions: Vec<&str> =
            outputs.filter(|(name, _)| name.ends_with("FunctionName")).map(|(_, value)| value).collect();
        let reply = send(self.http.get(self.endpoint.join(PATH))).await?;
        let all: List = reply.json().await?;
        let is_ours = |source: &EventSource| functions.iter().any(|function| source.function_arn.ends_with(function));
        Ok(all.event_source_mappings.into_iter().filter(is_ours).collect())
    }

    pub(crate) async fn set_maximum_concurrency(&self, source: &EventSource, functions: u64) -> reqwest::Result<()> {
        let url = self.endpoint.join(&format!("{PATH}{}", source.id));
        let change = json!({ "ScalingConfig": { "MaximumConcurrency": functions } });
        send(self.http.put(url).json(&change)).await.map(drop)
    }
}

impl EventSource {
    pub(crate) fn is_enabled(&self) -> bool {
        self.state == "Enabled"
    }

    /// Maximum concurrency that is kept as a text, which Lambda itself would not take.
    pub(crate) fn textual_maximum_concurrency(&self) -> Option<u64> {
        self.scaling_config["MaximumConcurrency"].as_str()?.parse().ok()
    }
}

async fn send(request: RequestBuilder) -> reqwest::Result<reqwest::Response> {
    request.header(AUTHORIZATION, authorization("lambda")).send().await?.error_for_status()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maximum_that_is_a_text_is_found() {
        let maximum = |config: &str| {
            let source = format!(r#"{{"UUID": "1", "FunctionArn": "f", "State": "Enabled"{config}}}"#);
            serde_json::from_str::<EventSource>(&source).unwrap().textual_maximum_concurrency()
        };
        assert_eq!(maximum(r#", "ScalingConfig": {"MaximumConcurrency": "5"}"#), Some(5));
        assert_eq!(maximum(r#", "ScalingConfig": {"MaximumConcurrency": 5}"#), None);
        assert_eq!(maximum(r#", "ScalingConfig": {}"#), None);
        assert_eq!(maximum(""), None);
    }
}
