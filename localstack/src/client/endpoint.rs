//! The one address that every client of this crate talks to.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use onewrite::aws;
use reqwest::Url;

use crate::client::http::{http_client, innermost};

/// The region that the stack is deployed to. An emulator has every region; one is enough.
pub(crate) const REGION: &str = "us-east-1";

/// The name of a developer's stack; the names of its queues and functions begin with it.
pub(crate) const STACK: &str = "orderflow";

/// The URL of an emulator of AWS, and never of AWS itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
}

/// Failure to take a text for an endpoint, or to find something there.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// It cannot be read as a URL.
    #[error("the endpoint is not a URL such as http://127.0.0.1:4566")]
    NotAUrl,
    /// It has another scheme. An emulator on this machine has no certificate that is worth checking.
    #[error("the endpoint must start with http://")]
    NotHttp,
    /// Nothing is there.
    #[error("nothing answers at {url}: {}", innermost(.source))]
    Silent {
        /// The endpoint.
        url: String,
        /// Failure to get an answer.
        source: reqwest::Error,
    },
    /// It would deploy to AWS.
    #[error("{0} is AWS itself: deploy there with `sam build && sam deploy`")]
    Aws(String),
}

impl Endpoint {
    /// The endpoint of an emulator that listens on this port of this machine.
    #[must_use]
    pub fn local(port: u16) -> Self {
        let mut url = Url::parse("http://127.0.0.1").unwrap_or_else(|_| unreachable!("it is a URL"));
        // Only a URL without a host takes no port.
        let _taken = url.set_port(Some(port));
        Self { url }
    }

    /// The port that it names, or that HTTP uses when it names none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.url.port().unwrap_or(80)
    }

    /// The same endpoint with another path, which starts with a slash.
    pub(crate) fn join(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url
    }

    /// `url` with this endpoint's scheme, host and port: an emulator names itself by hosts that may not resolve here.
    pub(crate) fn rewrite(&self, url: &Url) -> Url {
        let mut rewritten = self.join(url.path());
        rewritten.set_query(url.query());
        rewritten
    }

    pub(crate) fn is_this_machine(&self) -> bool {
        matches!(self.url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
    }

    /// An error if nothing answers there; any answer will do.
    pub(crate) async fn check(&self) -> Result<(), EndpointError> {
        let silent = |source| EndpointError::Silent { url: self.to_string(), source };
        http_client().map_err(silent)?.get(self.url.clone()).send().await.map_err(silent)?;
        Ok(())
    }

    /// The template's parameters that depend on what is there: MiniStack has APIs of WebSocket, and their connections under a path
    /// of its own. LocalStack's core says that it has made one, and has none.
    pub(crate) async fn live_parameters(&self) -> Result<BTreeMap<String, String>, EndpointError> {
        let silent = |source| EndpointError::Silent { url: self.to_string(), source };
        let own = http_client().map_err(silent)?.get(self.join("/_ministack/ses/messages")).send().await;
        let has_sockets = own.map_err(silent)?.status().is_success();
        let live = if has_sockets { "yes" } else { "no" };
        let connections = self.join("/_aws/execute-api").to_string();
        Ok(BTreeMap::from(
            [("Live", live.to_owned()), ("ConnectionsUrl", connections)].map(|(name, value)| (name.to_owned(), value)),
        ))
    }

    /// Configuration of every client of the AWS SDK. Each call makes connections of its own, so that a configuration
    /// may be used on an async runtime that ends before the stack does.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        let http = aws::http_client().unwrap_or_else(|error| unreachable!("its roots are compiled in: {error}"));
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(self.to_string())
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "local")))
            .http_client(http)
            .build()
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let mut url = Url::parse(text).map_err(|_| EndpointError::NotAUrl)?;
        if url.scheme() != "http" {
            return Err(EndpointError::NotHttp);
        }
        let host = url.host_str().ok_or(EndpointError::NotAUrl)?;
        if is_aws(host) {
            return Err(EndpointError::Aws(host.to_owned()));
        }
        url.set_path("");
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self { url })
    }
}

/// The header by which an emulator knows which service is meant. Neither checks the signature that AWS would want; so a
/// call or two to a service need not cost the compilation of its whole client.
pub(crate) fn authorization(service: &str) -> String {
    let scope = format!("19700101/{REGION}/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 Credential=test/{scope}, SignedHeaders=host, Signature=0")
}

fn is_aws(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "api.aws", "on.aws"]
        .iter()
        .any(|domain| host == *domain || host.ends_with(&format!(".{domain}")))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let parsed = text.parse::<Endpoint>().map(|endpoint| endpoint.to_string()).map_err(|error| error.to_string());
        assert_eq!(parsed.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn an_endpoint_is_the_url_of_an_emulator() {
        check("http://127.0.0.1:4566", Ok("http://127.0.0.1:4566"));
        check("http://localhost:4566/?x#y", Ok("http://localhost:4566"));
        check("http://emulator", Ok("http://emulator"));
        check("127.0.0.1:4566", Err("the endpoint is not a URL such as http://127.0.0.1:4566"));
        check("localhost:4566", Err("the endpoint must start with http://"));
        check("https://localhost:4566", Err("the endpoint must start with http://"));
    }

    #[test]
    fn aws_itself_is_refused() {
        for host in ["sqs.us-east-1.amazonaws.com", "AMAZONAWS.COM", "sns.eu-west-1.api.aws.", "x.amazonaws.com.cn"] {
            let error = format!("http://{host}").parse::<Endpoint>().unwrap_err();
            assert!(matches!(error, EndpointError::Aws(_)), "{host}: {error}");
        }
    }

    #[test]
    fn a_url_of_the_emulator_is_rewritten_to_one_that_answers_here() {
        let endpoint = Endpoint::local(4700);
        let url = Url::parse("http://sqs.us-east-1.localhost.localstack.cloud:4566/000000000000/q.fifo?a=1").unwrap();
        assert_eq!(endpoint.rewrite(&url).as_str(), "http://127.0.0.1:4700/000000000000/q.fifo?a=1");
    }
}
