//! Key sets over HTTP, by the client that all calls have.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use lambda_http::http::Uri;

use super::connector::connector;
use crate::access::{KeySet, KeySetPlace, KeySets};
use crate::failure::{Failure, Result};

/// Time for a fetch: the request that it is for has to be answered, too.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The largest key set that is read, in bytes: a dozen keys with their certificates.
const MAX_BYTES: usize = 256 * 1024;

/// Key set of an issuer, fetched from its URL or given with the settings.
#[derive(Debug)]
pub struct HttpKeySets(Source);

#[derive(Debug)]
enum Source {
    Inline(KeySet),
    Remote { url: String, connector: SharedHttpConnector },
}

impl HttpKeySets {
    /// The key set of that place.
    ///
    /// # Errors
    ///
    /// The trust store cannot be built, or the URL is none.
    pub fn new(place: KeySetPlace) -> std::result::Result<Self, lambda_runtime::Error> {
        Ok(Self(match place {
            KeySetPlace::Inline(keys) => Source::Inline(keys),
            KeySetPlace::Url(url) => {
                url.parse::<Uri>()?;
                Source::Remote { connector: connector(&url, None)?, url }
            }
        }))
    }
}

impl KeySets for HttpKeySets {
    async fn fetch(&self) -> Result<KeySet> {
        match &self.0 {
            Source::Inline(keys) => Ok(keys.clone()),
            Source::Remote { url, connector } => {
                let failed = |why: &str| Failure::transient(format!("the issuer's key set cannot be fetched: {why}"));
                let answer = tokio::time::timeout(TIMEOUT, get(connector, url)).await;
                KeySet::parse(&answer.map_err(|_| failed("no answer in time"))?.map_err(failed)?)
            }
        }
    }
}

async fn get(connector: &SharedHttpConnector, url: &str) -> std::result::Result<Bytes, &'static str> {
    let request = HttpRequest::get(url).map_err(|_| "its URL is none")?;
    let response = connector.call(request).await.map_err(|_| "no answer")?;
    if response.status().as_u16() != 200 {
        return Err("another status than 200");
    }
    let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
    Ok(body.map_err(|_| "its end does not come, or too late")?.to_bytes())
}
