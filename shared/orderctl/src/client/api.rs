//! Client of the HTTP API.

use std::time::Duration;

use reqwest::header::{ETAG, HeaderMap, HeaderName, IF_MATCH};
use reqwest::{Client, Method, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::sleep;

use crate::error::{Error, Refusal};

/// Longest wait for an answer: API Gateway gives a function 29 s.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Pauses before what may be repeated is tried again: in all as long as a deployment or a throttled account may take.
const PAUSES_MS: [u64; 4] = [250, 1_000, 2_000, 4_000];

/// Client of the API of one stack.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    url: Url,
    http: Client,
    token: Option<String>,
}

/// Request to the API.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    headers: Vec<(HeaderName, String)>,
    is_repeatable: bool,
}

/// Answer of the API, which was a success.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    request: String,
    headers: HeaderMap,
    /// The document as it was sent.
    pub(crate) body: String,
}

impl Ask {
    /// Request with that method, of the resource whose path has those parts.
    pub(crate) fn new(method: Method, path: &[&str]) -> Self {
        Self {
            is_repeatable: method == Method::GET,
            method,
            path: path.iter().map(|&part| part.to_owned()).collect(),
            query: Vec::new(),
            body: None,
            headers: Vec::new(),
        }
    }

    pub(crate) fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path)
    }

    /// The same with a parameter, where it is given.
    pub(crate) fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// The same with a JSON body.
    pub(crate) fn body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// The same for that version alone.
    pub(crate) fn if_match(mut self, tag: &str) -> Self {
        self.headers.push((IF_MATCH, tag.to_owned()));
        self
    }

    /// The same with an idempotency key, by which it may be repeated.
    pub(crate) fn idempotency_key(mut self, key: &str) -> Self {
        self.headers.push((HeaderName::from_static("idempotency-key"), key.to_owned()));
        self.is_repeatable = true;
        self
    }
}

impl Answer {
    /// The document.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let not_understood = |source| Error::NotUnderstood { request: self.request.clone(), source };
        serde_json::from_str(&self.body).map_err(not_understood)
    }

    /// Version of what was read.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.header(&ETAG)
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Api {
    /// Client of the API at that URL, with that access token.
    pub(crate) fn at(url: &str, token: Option<String>) -> Result<Self, Error> {
        let wrong = || Error::Usage(format!("{url} is no URL such as https://api.example.com"));
        let url = Url::parse(url).map_err(|_| wrong())?;
        let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")).ok_or_else(wrong)?;
        // Refused only where there is one already, which is as good.
        let _there_is_one = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder().timeout(TIMEOUT).user_agent(concat!("orderctl/", env!("CARGO_PKG_VERSION")));
        if matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
            client = client.no_proxy();
        }
        let no_client = |error| Error::Unreachable { request: url.to_string(), reason: innermost(&error) };
        let http = client.build().map_err(no_client)?;
        Ok(Self { url, http, token })
    }

    /// Asks, and answers the success. What changes nothing, or may be repeated, is tried again where that may help; a stack that
    /// cannot be reached at all is told at once, for more often it is another that was meant.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Answer, Error> {
        for pause_ms in PAUSES_MS {
            match self.once(&ask).await {
                Err(error) if ask.is_repeatable && is_worth_another_try(&error) => {
                    sleep(Duration::from_millis(pause_ms)).await;
                }
                result => return result,
            }
        }
        self.once(&ask).await
    }

    async fn once(&self, ask: &Ask) -> Result<Answer, Error> {
        let url = self.url_of(ask);
        let request = format!("{} {}", ask.method, url.path());
        let no_answer = |error: reqwest::Error| {
            let (request, reason) = (format!("{} {url}", ask.method), innermost(&error));
            if error.is_connect() {
                Error::Unreachable { request, reason }
            } else {
                Error::NoAnswer { request, reason, is_change: ask.method != Method::GET }
            }
        };
        let mut builder = self.http.request(ask.method.clone(), url.clone());
        if let Some(token) = &self.token {
            builder = builder.bearer_auth(token);
        }
        for (name, value) in &ask.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = &ask.body {
            builder = builder.json(body);
        }
        let response = builder.send().await.map_err(no_answer)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await.map_err(no_answer)?;
        if status.is_success() {
            Ok(Answer { request, headers, body })
        } else {
            Err(Error::Refused(Refusal::new(request, status.as_u16(), &body)))
        }
    }

    fn url_of(&self, ask: &Ask) -> Url {
        let mut url = self.url.clone();
        // Every http URL has a path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&ask.path);
        }
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&ask.query);
        }
        url
    }
}

fn is_worth_another_try(error: &Error) -> bool {
    error.may_pass() && !matches!(error, Error::Unreachable { .. })
}

/// Message of the last error of a chain. The layers above it only say that a request failed, and to which URL.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_part_of_the_path_whatever_is_in_it() {
        for base in ["https://api.example.com/dev", "https://api.example.com/dev/"] {
            let api = Api::at(base, None).unwrap();
            let ask =
                Ask::get(&["operations", "orders", "a/../b?c"]).with("after", Some("x&y")).with("limit", None::<u32>);
            assert_eq!(
                api.url_of(&ask).as_str(),
                "https://api.example.com/dev/operations/orders/a%2F..%2Fb%3Fc?after=x%26y"
            );
        }
    }

    #[test]
    fn what_is_no_url_is_a_wrong_command_line() {
        for url in ["api.example.com", "ftp://api.example.com", "http://", "mailto:ada@example.com"] {
            assert_eq!(Api::at(url, None).unwrap_err().exit().code(), 2, "{url}");
        }
    }
}
