//! Keys of links in a secret of Secrets Manager: its stages are the two keys that count.
//!
//! The one call that is made of Secrets Manager is signed and sent by what the other clients are made of: a client of its own
//! for it would be in the zip of each function that has links.

use std::sync::OnceLock;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use serde_json::json;

use super::calls::traced;
use super::config::FIRST_PAUSE;
use super::connector::connector;
use super::failure::without_addresses;
use super::sigv4::{Fault, sign_request};
use super::system::System;
use crate::config::Environment;
use crate::failure::{Failure, FailureKind, Result};
use crate::link::{LinkKeySource, LinkKeys};
use crate::port::Clock;

const CALL: &str = "GetSecretValue";

/// Time for an attempt, and most attempts at a call: those of the other clients.
const TIMEOUT: Duration = Duration::from_secs(2);
const MAX_ATTEMPTS: u32 = 3;

/// The largest answer that is read, in bytes: that of the largest secret.
const MAX_BYTES: usize = 128 * 1024;

/// Stages of the versions of a secret that count.
const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// Code of a version that there is not, and of a secret that there is not.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// Keys of links that are the texts of a secret, in its stages `AWSCURRENT` and, once it was rotated, `AWSPREVIOUS`. Nothing
/// is opened before they are asked for.
#[derive(Debug)]
pub struct SecretLinkKeys {
    config: SdkConfig,
    endpoint: String,
    region: String,
    secret_id: String,
    connector: OnceLock<SharedHttpConnector>,
}

/// Answer with a secret.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    secret_string: String,
}

/// Answer that there is none.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    #[serde(rename = "__type")]
    code: String,
    #[serde(alias = "Message")]
    message: String,
}

impl SecretLinkKeys {
    /// Keys in the secret of that id, its ARN or name.
    #[must_use]
    pub fn new(config: &SdkConfig, secret_id: impl Into<String>) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let own = Environment::of_process().optional("AWS_ENDPOINT_URL_SECRETS_MANAGER");
        let endpoint = own.or_else(|| config.endpoint_url().map(ToOwned::to_owned));
        let endpoint = endpoint.unwrap_or_else(|| format!("https://secretsmanager.{region}.amazonaws.com"));
        let endpoint = format!("{}/", endpoint.trim_end_matches('/'));
        Self { config: config.clone(), endpoint, region, secret_id: secret_id.into(), connector: OnceLock::new() }
    }

    /// Text of the version that has that stage; `None` where none has it. Repeated as the calls of the other clients are.
    async fn version(&self, stage: &str) -> Result<Option<String>> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..MAX_ATTEMPTS {
            match self.attempt(stage).await {
                Err(failure) if matches!(failure.kind(), FailureKind::Unavailable | FailureKind::Transient) => {
                    System.sleep(pause).await;
                    pause *= 2;
                }
                answered => return answered,
            }
        }
        self.attempt(stage).await
    }

    async fn attempt(&self, stage: &str) -> Result<Option<String>> {
        let request = self.request(stage).await.map_err(|_| {
            let reason = format!("{CALL}: the request cannot be made: are there credentials?");
            Failure::new(FailureKind::Misconfigured, reason)
        })?;
        let answer = tokio::time::timeout(TIMEOUT, self.send(request)).await;
        let (status, body) = answer.map_err(|_| Failure::unavailable(format!("{CALL}: timed out")))??;
        match read(status, &body)? {
            None if stage == CURRENT => {
                let reason = format!("{CALL}: there is no such secret, or it has no value");
                Err(Failure::new(FailureKind::Misconfigured, reason))
            }
            version => Ok(version),
        }
    }

    async fn request(&self, stage: &str) -> Result<HttpRequest, Fault> {
        let body = json!({ "SecretId": self.secret_id, "VersionStage": stage }).to_string();
        let mut request = HttpRequest::new(body.into());
        request.set_method("POST")?;
        request.set_uri(self.endpoint.as_str())?;
        request.headers_mut().insert("content-type", "application/x-amz-json-1.1");
        request.headers_mut().insert("x-amz-target", "secretsmanager.GetSecretValue");
        let provider = self.config.credentials_provider().ok_or("no credentials")?;
        let credentials = provider.provide_credentials().await?;
        sign_request(&mut request, credentials, ("secretsmanager", &self.region), System.now())?;
        Ok(request)
    }

    fn connector(&self) -> Result<&SharedHttpConnector> {
        if let Some(connector) = self.connector.get() {
            return Ok(connector);
        }
        let connector = connector(&self.endpoint).map_err(|error| Failure::permanent(error.to_string()))?;
        Ok(self.connector.get_or_init(|| traced(connector)))
    }

    async fn send(&self, request: HttpRequest) -> Result<(u16, Bytes)> {
        let failed = |why: &str| Failure::unavailable(format!("{CALL}: {why}"));
        let answer = self.connector()?.call(request).await.map_err(|_| failed("no connection"))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
        Ok((status, body.map_err(|_| failed("the end of the answer does not come"))?.to_bytes()))
    }
}

fn read(status: u16, body: &[u8]) -> Result<Option<String>> {
    if status == 200 {
        let found = serde_json::from_slice::<Found>(body);
        return found.map(|found| Some(found.secret_string)).map_err(|_| {
            // The text of an error of serde may be of the answer.
            Failure::new(FailureKind::Misconfigured, format!("{CALL}: the secret is no text"))
        });
    }
    let Refused { code, message } = serde_json::from_slice(body).unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default();
    if code == NOT_FOUND {
        return Ok(None);
    }
    let (kind, message) = (FailureKind::of_answer(status, code), without_addresses(&message));
    Err(Failure::new(kind, format!("{CALL}: {code} ({status}): {message}")))
}

impl LinkKeySource for SecretLinkKeys {
    async fn fetch(&self) -> Result<LinkKeys> {
        let (current, previous) = tokio::try_join!(self.version(CURRENT), self.version(PREVIOUS))?;
        LinkKeys::new(current.unwrap_or_default().as_bytes(), previous.as_deref().map(str::as_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_and_what_is_none_says_whether_to_try_again() {
        assert_eq!(read(200, br#"{"Name": "n", "SecretString": "s"}"#), Ok(Some("s".to_owned())));
        for code in [NOT_FOUND, "com.amazonaws.secretsmanager#ResourceNotFoundException"] {
            assert_eq!(read(400, json!({ "__type": code, "message": "none" }).to_string().as_bytes()), Ok(None));
        }
        for (status, body, kind) in [
            (200, r#"{"SecretBinary": "czNjcjN0"}"#, FailureKind::Misconfigured),
            (400, r#"{"__type": "AccessDeniedException", "Message": "not authorized"}"#, FailureKind::Misconfigured),
            (400, r#"{"__type": "ThrottlingException"}"#, FailureKind::Transient),
            (500, r#"{"__type": "InternalServiceError"}"#, FailureKind::Unavailable),
            (502, "<html>", FailureKind::Unavailable),
        ] {
            let failure = read(status, body.as_bytes()).unwrap_err();
            assert_eq!(failure.kind(), kind, "{failure}");
            assert!(!failure.reason().contains("czNjcjN0"), "{failure}");
        }
    }
}
