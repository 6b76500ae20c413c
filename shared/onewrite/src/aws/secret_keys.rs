//! Keys of links in a secret of Secrets Manager: its stages are the two keys that count.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use serde::Deserialize;
use serde_json::json;

use super::failure::classify;
use super::signed::{AwsService, CallError, SignedClient};
use crate::failure::{Failure, FailureKind, Result};
use crate::link::{LinkKeySource, LinkKeys};

const CALL: &str = "GetSecretValue";

/// Stages of the versions of a secret that count.
const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// Code of a version that there is not, and of a secret that there is not.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// Keys of links that are the texts of a secret, in its stages `AWSCURRENT` and, once it was rotated, `AWSPREVIOUS`. Nothing
/// is opened before they are asked for.
#[derive(Debug)]
pub struct SecretLinkKeys {
    client: SignedClient,
    secret_id: String,
}

/// Answer with a secret.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    secret_string: String,
}

impl SecretLinkKeys {
    /// Keys in the secret of that id, its ARN or name.
    #[must_use]
    pub fn new(config: &SdkConfig, secret_id: impl Into<String>) -> Self {
        Self { client: SignedClient::new(config, AwsService::SecretsManager), secret_id: secret_id.into() }
    }

    /// Text of the version that has that stage; `None` where none has it.
    async fn version(&self, stage: &str) -> Result<Option<String>> {
        let asked = json!({ "SecretId": self.secret_id, "VersionStage": stage });
        let answer = self.client.call(CALL, &asked).await;
        match read(answer.as_deref())? {
            None if stage == CURRENT => {
                let reason = format!("{CALL}: there is no such secret, or it has no value");
                Err(Failure::new(FailureKind::Misconfigured, reason))
            }
            version => Ok(version),
        }
    }
}

fn read(answer: std::result::Result<&[u8], &CallError>) -> Result<Option<String>> {
    match answer {
        // The text of an error of serde may be of the answer.
        Ok(answer) => serde_json::from_slice::<Found>(answer)
            .map(|found| Some(found.secret_string))
            .map_err(|_| Failure::new(FailureKind::Misconfigured, format!("{CALL}: the secret is no text"))),
        Err(error) if error.code() == Some(NOT_FOUND) => Ok(None),
        Err(error) => Err(classify(CALL, error)),
    }
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
    fn a_secret_that_is_no_text_is_told_without_its_value() {
        assert_eq!(read(Ok(br#"{"Name": "n", "SecretString": "s"}"#)), Ok(Some("s".to_owned())));
        let failure = read(Ok(br#"{"SecretBinary": "czNjcjN0"}"#)).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Misconfigured, "{failure}");
        assert!(!failure.reason().contains("czNjcjN0"), "{failure}");
    }
}
