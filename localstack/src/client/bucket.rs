//! A bucket on the emulator's S3.

use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Method, StatusCode, Url};

use crate::client::endpoint::{Endpoint, authorization};
use crate::client::http::{http_client, innermost};

/// Failure of a call to S3.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// It cannot be reached.
    #[error("cannot reach the emulator's S3: {}", innermost(.0))]
    Unreachable(#[from] reqwest::Error),
    /// It says no.
    #[error("the emulator's S3 answers {status} to {method} /{place}: {body}")]
    Refused {
        /// Method of the request.
        method: Method,
        /// Bucket and key.
        place: String,
        /// Status of the answer.
        status: StatusCode,
        /// Body of the answer.
        body: String,
    },
}

/// Client of one bucket. Those of AWS sign their requests; emulators do not check that, and a plain PUT spares everyone
/// the compilation of the largest of all AWS crates.
pub(crate) struct Bucket<'a> {
    endpoint: &'a Endpoint,
    http: Client,
    pub(crate) name: String,
}

impl<'a> Bucket<'a> {
    pub(crate) fn of(endpoint: &'a Endpoint, name: impl Into<String>) -> Result<Self, BucketError> {
        Ok(Self { endpoint, http: http_client()?, name: name.into() })
    }

    pub(crate) async fn create(&self) -> Result<(), BucketError> {
        match self.request(Method::PUT, "", Vec::new()).await {
            // It is there already when a running stack is updated.
            Ok(_) | Err(BucketError::Refused { status: StatusCode::CONFLICT, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Uploads an object; its URL.
    pub(crate) async fn put(&self, key: &str, content: Vec<u8>) -> Result<String, BucketError> {
        let path = format!("/{key}");
        self.request(Method::PUT, &path, content).await?;
        Ok(self.url(&path).to_string())
    }

    /// Removes all objects.
    pub(crate) async fn empty(&self) -> Result<(), BucketError> {
        loop {
            let list = self.request(Method::GET, "", Vec::new()).await?;
            let keys: Vec<&str> = keys_in(&list).collect();
            if keys.is_empty() {
                return Ok(());
            }
            for key in keys {
                self.request(Method::DELETE, &format!("/{key}"), Vec::new()).await?;
            }
        }
    }

    /// Removes the bucket with all that is in it. It need not exist.
    pub(crate) async fn remove(&self) -> Result<(), BucketError> {
        let removed = match self.empty().await {
            Ok(()) => self.request(Method::DELETE, "", Vec::new()).await.map(drop),
            Err(error) => Err(error),
        };
        match removed {
            Err(BucketError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(()),
            other => other,
        }
    }

    fn url(&self, path: &str) -> Url {
        self.endpoint.join(&format!("/{}{path}", self.name))
    }

    /// The body of the answer.
    async fn request(&self, method: Method, path: &str, content: Vec<u8>) -> Result<String, BucketError> {
        let request = self.http.request(method.clone(), self.url(path)).header(AUTHORIZATION, authorization("s3"));
        let reply = request.body(content).send().await?;
        let (status, body) = (reply.status(), reply.text().await?);
        if status.is_success() {
            return Ok(body);
        }
        Err(BucketError::Refused { method, place: format!("{}{path}", self.name), status, body })
    }
}

/// Keys in a list of a bucket's objects. Neither ours nor those that Lambda makes have anything that XML would escape.
fn keys_in(list: &str) -> impl Iterator<Item = &str> {
    list.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once("</Key>")?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_bucket_are_read_from_its_list() {
        let list = "<ListBucketResult><Name>orderflow-packages</Name><Contents><Key>relay-1f.zip</Key><Size>4</Size>\
                    </Contents><Contents><Key>template-2e.json</Key></Contents></ListBucketResult>";
        assert_eq!(keys_in(list).collect::<Vec<_>>(), ["relay-1f.zip", "template-2e.json"]);
        assert_eq!(keys_in("<ListBucketResult><Name>orderflow-packages</Name></ListBucketResult>").count(), 0);
    }
}
