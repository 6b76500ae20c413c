//! Client of the HTTP API.

use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH};
use ureq::http::{HeaderMap, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, RequestBuilder, Timeout};
use url::Url;

use crate::error::{Error, Refusal};

/// Longest wait for an answer: API Gateway gives a function 29 s.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Pauses before what may be repeated is tried again.
const PAUSES_MS: [u64; 4] = [250, 1_000, 2_000, 4_000];

/// Client of the API of one stack. It has a token, and so is not for logs.
pub(crate) struct Api {
    url: Url,
    http: Agent,
    token: Option<String>,
}

/// Method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Put,
    Post,
    Patch,
    Delete,
}

/// Request to the API.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    headers: Vec<(&'static str, String)>,
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

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        })
    }
}

impl Ask {
    /// Request with that method, of the resource whose path has those parts.
    pub(crate) fn new(method: Method, path: &[&str]) -> Self {
        Self {
            method,
            path: path.iter().map(|&part| part.to_owned()).collect(),
            query: Vec::new(),
            body: None,
            headers: Vec::new(),
            is_repeatable: method == Method::Get,
        }
    }

    pub(crate) fn get(path: &[&str]) -> Self {
        Self::new(Method::Get, path)
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
        self.headers.push((IF_MATCH.as_str(), tag.to_owned()));
        self
    }

    /// The same request, which done twice is done once: it may be repeated.
    pub(crate) fn repeatable(self) -> Self {
        Self { is_repeatable: true, ..self }
    }

    /// The same with an idempotency key, by which it may be repeated.
    pub(crate) fn idempotency_key(mut self, key: &str) -> Self {
        self.headers.push(("idempotency-key", key.to_owned()));
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
        self.header(ETAG.as_str())
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Api {
    /// Client of the API at that URL, with that access token. It takes the user's proxy, but for this machine.
    pub(crate) fn at(url: &str, token: Option<String>) -> Result<Self, Error> {
        let wrong = || Error::Usage(format!("{url} is no URL such as https://api.example.com"));
        let url = Url::parse(url).map_err(|_| wrong())?;
        let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")).ok_or_else(wrong)?;
        let is_secret = url.scheme() == "https";
        let tls = TlsConfig::builder()
            .root_certs(if is_secret { roots_of_system() } else { RootCerts::new_with_certs(&[]) })
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("orderctl/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls.build());
        if matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
            config = config.proxy(None);
        }
        Ok(Self { url, http: config.build().into(), token })
    }

    /// Asks, and answers the success. What changes nothing, or may be repeated, is tried again where that may help; a stack that
    /// cannot be reached at all is told at once, for more often it is another that was meant.
    pub(crate) fn ask(&self, ask: &Ask) -> Result<Answer, Error> {
        for pause_ms in PAUSES_MS {
            match self.once(ask) {
                Err(error) if ask.is_repeatable && is_worth_another_try(&error) => {
                    sleep(Duration::from_millis(pause_ms));
                }
                result => return result,
            }
        }
        self.once(ask)
    }

    fn once(&self, ask: &Ask) -> Result<Answer, Error> {
        let url = self.url_of(ask);
        let no_answer = |error| no_answer(format!("{} {url}", ask.method), ask.method, &error);
        let mut response = self.send(&url, ask).map_err(no_answer)?;
        let body = response.body_mut().read_to_string().map_err(no_answer)?;
        let request = format!("{} {}", ask.method, url.path());
        if response.status().is_success() {
            Ok(Answer { request, headers: response.headers().clone(), body })
        } else {
            Err(Error::Refused(Refusal::new(request, response.status().as_u16(), &body)))
        }
    }

    fn send(&self, url: &Url, ask: &Ask) -> Result<Response<Body>, ureq::Error> {
        let url = url.as_str();
        let body = ask.body.as_ref().map(Value::to_string).unwrap_or_default();
        match ask.method {
            Method::Get => self.with_headers(self.http.get(url), ask).call(),
            Method::Delete if body.is_empty() => self.with_headers(self.http.delete(url), ask).call(),
            Method::Delete => self.with_headers(self.http.delete(url), ask).force_send_body().send(body),
            Method::Put => self.with_headers(self.http.put(url), ask).send(body),
            Method::Post => self.with_headers(self.http.post(url), ask).send(body),
            Method::Patch => self.with_headers(self.http.patch(url), ask).send(body),
        }
    }

    fn with_headers<B>(&self, mut builder: RequestBuilder<B>, ask: &Ask) -> RequestBuilder<B> {
        if let Some(token) = &self.token {
            builder = builder.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if ask.body.is_some() {
            builder = builder.header(CONTENT_TYPE, "application/json");
        }
        ask.headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, value))
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

/// Roots that the system trusts, those of a company's own proxy among them.
fn roots_of_system() -> RootCerts {
    let roots = rustls_native_certs::load_native_certs().certs;
    RootCerts::from(roots.iter().map(|root| Certificate::from_der(root).to_owned()))
}

fn no_answer(request: String, method: Method, error: &ureq::Error) -> Error {
    let reason = error.to_string();
    match error {
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => Error::Unreachable { request, reason },
        ureq::Error::Io(error) if !is_of_connection(error.kind()) => Error::Unreachable { request, reason },
        _ => Error::NoAnswer { request, reason, is_change: method != Method::Get },
    }
}

/// True of what befalls a connection that is there. All else, such as a name that nobody knows or a certificate that nobody has
/// signed, is in the way before a request leaves.
fn is_of_connection(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::TimedOut
            | ErrorKind::UnexpectedEof
    )
}

fn is_worth_another_try(error: &Error) -> bool {
    error.may_pass() && !matches!(error, Error::Unreachable { .. })
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
            assert_eq!(Api::at(url, None).err().map(|error| error.exit().code()), Some(2), "{url}");
        }
    }
}
