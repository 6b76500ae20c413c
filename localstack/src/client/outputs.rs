//! Outputs of the deployed stack.

use std::collections::BTreeMap;

use reqwest::Url;
use serde_json::{Map, Value};

use crate::client::endpoint::Endpoint;

const ENDPOINT: &str = "Endpoint";

/// The stack's outputs, each URL one that answers from this machine, and `Endpoint`, the emulator's own URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outputs {
    values: BTreeMap<String, String>,
    endpoint: Endpoint,
}

impl Outputs {
    /// From the outputs as `CloudFormation` gives them.
    pub(crate) fn new(raw: BTreeMap<String, String>, endpoint: &Endpoint) -> Self {
        let mut values: BTreeMap<_, _> = raw.into_iter().map(|(name, value)| (name, usable(value, endpoint))).collect();
        values.insert(ENDPOINT.to_owned(), endpoint.to_string());
        Self { values, endpoint: endpoint.clone() }
    }

    /// The emulator's own URL.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// One output's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// One JSON object, name → value.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let members = self.iter().map(|(name, value)| (name.to_owned(), value.into()));
        Value::Object(members.collect::<Map<_, _>>())
    }
}

/// A URL is rewritten to reach the emulator from here; anything else is left as it is.
fn usable(value: String, endpoint: &Endpoint) -> String {
    let Some(url) = Url::parse(&value).ok().filter(|url| matches!(url.scheme(), "http" | "https" | "wss")) else {
        return value;
    };
    let usable = match api_path(&url) {
        Some(path) => endpoint.join(&path).to_string(),
        None => endpoint.rewrite(&url).to_string(),
    };
    match usable.strip_prefix("http:") {
        Some(rest) if url.scheme() == "wss" => format!("ws:{rest}"),
        _ => usable,
    }
}

/// The path under which both emulators serve a REST API, from `https://ID.execute-api.HOST/STAGE`, whose host only
/// AWS's own name servers know.
fn api_path(url: &Url) -> Option<String> {
    let (id, rest) = url.host_str()?.split_once('.')?;
    let stage = url.path().trim_matches('/');
    rest.starts_with("execute-api.").then(|| format!("/_aws/execute-api/{id}/{stage}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &str) {
        assert_eq!(usable(value.to_owned(), &Endpoint::local(4700)), expected);
    }

    #[test]
    fn urls_answer_from_this_machine() {
        let api = "http://127.0.0.1:4700/_aws/execute-api/a1b2/dev";
        check("https://a1b2.execute-api.us-east-1.amazonaws.com/dev", api);
        check("https://a1b2.execute-api.localhost.localstack.cloud:4566/dev/", api);
        check(api, api);
        let live = "wss://a1b2.execute-api.us-east-1.amazonaws.com/dev";
        check(live, "ws://127.0.0.1:4700/_aws/execute-api/a1b2/dev");
        check("http://localhost:4566/000000000000/q.fifo", "http://127.0.0.1:4700/000000000000/q.fifo");
        check(
            "http://sqs.us-east-1.localhost.localstack.cloud:4566/000000000000/q.fifo",
            "http://127.0.0.1:4700/000000000000/q.fifo",
        );
    }

    #[test]
    fn what_is_no_url_is_left_alone() {
        check("orderflow-OrdersTable-1", "orderflow-OrdersTable-1");
        check("arn:aws:sns:us-east-1:000000000000:e.fifo", "arn:aws:sns:us-east-1:000000000000:e.fifo");
    }

    #[test]
    fn json_is_one_object_with_the_endpoint() {
        let outputs = Outputs::new(BTreeMap::from([("Name".to_owned(), "value".to_owned())]), &Endpoint::local(4700));
        assert_eq!(outputs.to_json(), serde_json::json!({"Endpoint": "http://127.0.0.1:4700", "Name": "value"}));
    }
}
