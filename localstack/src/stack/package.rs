//! The functions' code, zipped and uploaded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, StatusCode, Url};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::client::endpoint::{Endpoint, authorization};
use crate::client::http::{http_client, innermost};
use crate::stack::template::{CodePlace, Template};
use crate::terminal::progress::Progress;

/// Reason why the code could not be uploaded.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A binary cannot be read or zipped.
    #[error("cannot zip {}: {source}", path.display())]
    Zip {
        /// The binary.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// The emulator's S3 cannot be reached.
    #[error("cannot upload to the emulator: {}", innermost(.0))]
    Unreachable(#[from] reqwest::Error),
    /// The emulator's S3 says no.
    #[error("the emulator's S3 answers {status} to {method} /{place}: {body}")]
    Refused {
        /// Method of the request.
        method: Method,
        /// Bucket and key.
        place: String,
        /// The answer's status.
        status: StatusCode,
        /// The answer's body.
        body: String,
    },
}

/// A place on the emulator's S3 for what a stack's deployments need. Its clients sign their requests in AWS's way;
/// emulators do not check that, and a plain PUT spares everyone the compilation of the largest of all AWS crates.
struct Bucket<'a> {
    endpoint: &'a Endpoint,
    http: reqwest::Client,
    name: String,
}

/// Package that has been uploaded.
#[derive(Debug)]
pub(crate) struct Package {
    /// The packaged template, as `CloudFormation` wants to be told of it.
    pub(crate) template_url: String,
}

/// Zips and uploads each binary once, then the template that names them.
pub(crate) async fn upload(
    endpoint: &Endpoint,
    stack: &str,
    template: &Template,
    executables: &BTreeMap<String, PathBuf>,
    progress: Progress,
) -> Result<Package, PackageError> {
    let step = progress.step("package");
    let bucket = Bucket::of(endpoint, stack)?;
    bucket.create().await?;
    let mut code = BTreeMap::new();
    let mut bytes = 0;
    for (binary, executable) in executables {
        step.at(binary);
        let zip = zipped(executable)?;
        bytes += zip.len();
        let key = format!("{binary}-{}.zip", fingerprint(&zip));
        bucket.put(&key, zip).await?;
        code.insert(binary.clone(), CodePlace { bucket: bucket.name.clone(), key });
    }
    let packaged = template.packaged(&code).into_bytes();
    let key = format!("template-{}.json", fingerprint(&packaged));
    let template_url = bucket.put(&key, packaged).await?;
    step.done(&format!("{} programs, {} MB", code.len(), bytes / 1_000_000));
    Ok(Package { template_url })
}

/// Removes all that was uploaded for a stack.
pub(crate) async fn remove(endpoint: &Endpoint, stack: &str) -> Result<(), PackageError> {
    match Bucket::of(endpoint, stack)?.remove().await {
        // Nothing was ever uploaded.
        Ok(()) | Err(PackageError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

impl<'a> Bucket<'a> {
    fn of(endpoint: &'a Endpoint, stack: &str) -> Result<Self, PackageError> {
        Ok(Self { endpoint, http: http_client()?, name: format!("{stack}-packages") })
    }

    async fn create(&self) -> Result<(), PackageError> {
        match self.request(Method::PUT, "", Vec::new()).await {
            // It is there already when a running stack is updated.
            Ok(_) | Err(PackageError::Refused { status: StatusCode::CONFLICT, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Uploads an object; its URL.
    async fn put(&self, key: &str, content: Vec<u8>) -> Result<String, PackageError> {
        let path = format!("/{key}");
        self.request(Method::PUT, &path, content).await?;
        Ok(self.url(&path).to_string())
    }

    /// Removes the bucket with all that is in it.
    async fn remove(&self) -> Result<(), PackageError> {
        loop {
            let list = self.request(Method::GET, "", Vec::new()).await?;
            let keys: Vec<&str> = keys_in(&list).collect();
            if keys.is_empty() {
                return self.request(Method::DELETE, "", Vec::new()).await.map(drop);
            }
            for key in keys {
                self.request(Method::DELETE, &format!("/{key}"), Vec::new()).await?;
            }
        }
    }

    fn url(&self, path: &str) -> Url {
        self.endpoint.join(&format!("/{}{path}", self.name))
    }

    /// The body of the answer.
    async fn request(&self, method: Method, path: &str, content: Vec<u8>) -> Result<String, PackageError> {
        let request = self.http.request(method.clone(), self.url(path)).header(AUTHORIZATION, authorization("s3"));
        let reply = request.body(content).send().await?;
        let (status, body) = (reply.status(), reply.text().await?);
        if status.is_success() {
            return Ok(body);
        }
        Err(PackageError::Refused { method, place: format!("{}{path}", self.name), status, body })
    }
}

/// The keys in a list of a bucket's objects. [`upload`] makes none that XML would have to escape.
fn keys_in(list: &str) -> impl Iterator<Item = &str> {
    list.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once("</Key>")?.0))
}

/// One file, `bootstrap`, the same bytes for the same binary. Stored, not deflated: the emulator unpacks it a moment
/// later on the same machine.
fn zipped(executable: &Path) -> Result<Vec<u8>, PackageError> {
    let failed = |source| PackageError::Zip { path: executable.to_owned(), source };
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o755);
    let mut file = File::open(executable).map_err(failed)?;
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", options).map_err(|error| failed(error.into()))?;
    io::copy(&mut file, &mut zip).map_err(failed)?;
    let content = zip.finish().map_err(|error| failed(error.into()))?;
    Ok(content.into_inner())
}

/// Enough of the content's hash to tell it from any other.
fn fingerprint(content: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(content)[..8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn the_keys_of_a_bucket_are_read_from_its_list() {
        let list = "<ListBucketResult><Name>orderflow-packages</Name><Contents><Key>relay-1f.zip</Key><Size>4</Size>\
                    </Contents><Contents><Key>template-2e.json</Key></Contents></ListBucketResult>";
        assert_eq!(keys_in(list).collect::<Vec<_>>(), ["relay-1f.zip", "template-2e.json"]);
        assert_eq!(keys_in("<ListBucketResult><Name>orderflow-packages</Name></ListBucketResult>").count(), 0);
    }

    #[test]
    fn a_package_is_one_executable_bootstrap_and_always_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let binary = dir.path().join("relay");
        std::fs::write(&binary, b"machine code").unwrap();
        let zip = zipped(&binary).unwrap();
        assert_eq!(fingerprint(&zip), fingerprint(&zipped(&binary).unwrap()));

        let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
        assert_eq!(archive.len(), 1);
        let mut bootstrap = archive.by_name("bootstrap").unwrap();
        assert_eq!(bootstrap.unix_mode().unwrap() & 0o777, 0o755);
        let mut content = String::new();
        bootstrap.read_to_string(&mut content).unwrap();
        assert_eq!(content, "machine code");
    }
}
