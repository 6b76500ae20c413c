//! The functions' code, zipped and uploaded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use reqwest::StatusCode;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::endpoint::Endpoint;
use crate::progress::Progress;
use crate::template::{CodePlace, Template};

const BUCKET: &str = "orderflow-packages";

/// Why the code could not be uploaded.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A binary cannot be read or zipped.
    #[error("cannot zip {}: {source}", path.display())]
    Zip {
        /// The binary.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The emulator's S3 cannot be reached.
    #[error("cannot upload to the emulator: {}", crate::error::innermost(.0))]
    Unreachable(#[from] reqwest::Error),
    /// The emulator's S3 says no.
    #[error("the emulator's S3 answers {status} to PUT /{place}: {body}")]
    Refused {
        /// Bucket and key.
        place: String,
        /// The answer's status.
        status: StatusCode,
        /// The answer's body.
        body: String,
    },
}

/// A place on the emulator's S3 for what a deployment needs. Its clients sign their requests in AWS's way; emulators do
/// not check that, and a plain PUT spares everyone the compilation of the largest of all AWS crates.
struct Bucket<'a> {
    endpoint: &'a Endpoint,
    http: reqwest::Client,
}

/// What has been uploaded.
#[derive(Debug)]
pub(crate) struct Package {
    /// The packaged template, as `CloudFormation` wants to be told of it.
    pub(crate) template_url: String,
}

/// Zips and uploads each function's binary, then the template that names them.
pub(crate) async fn upload(
    endpoint: &Endpoint,
    template: &Template,
    binaries: &BTreeMap<String, String>,
    executables: &BTreeMap<String, PathBuf>,
    progress: Progress,
) -> Result<Package, PackageError> {
    let step = progress.step("package");
    let bucket = Bucket::create(endpoint).await?;
    let mut code = BTreeMap::new();
    let mut bytes = 0;
    for (id, binary) in binaries {
        let Some(executable) = executables.get(binary) else { continue };
        step.at(binary);
        let zip = zipped(executable)?;
        bytes += zip.len();
        let key = format!("{binary}-{}.zip", fingerprint(&zip));
        bucket.put(&key, zip).await?;
        code.insert(id.clone(), CodePlace { bucket: BUCKET.to_owned(), key });
    }
    let packaged = template.packaged(&code).into_bytes();
    let key = format!("template-{}.json", fingerprint(&packaged));
    let template_url = bucket.put(&key, packaged).await?;
    step.done(&format!("{} functions, {} MB", code.len(), bytes / 1_000_000));
    Ok(Package { template_url })
}

impl<'a> Bucket<'a> {
    async fn create(endpoint: &'a Endpoint) -> Result<Self, PackageError> {
        let bucket = Self { endpoint, http: crate::endpoint::http_client()? };
        match bucket.request("", Vec::new()).await {
            // It is there already when a running stack is updated.
            Ok(_) | Err(PackageError::Refused { status: StatusCode::CONFLICT, .. }) => Ok(bucket),
            Err(error) => Err(error),
        }
    }

    /// Uploads an object; its URL.
    async fn put(&self, key: &str, content: Vec<u8>) -> Result<String, PackageError> {
        self.request(&format!("/{key}"), content).await
    }

    async fn request(&self, key: &str, content: Vec<u8>) -> Result<String, PackageError> {
        let url = self.endpoint.join(&format!("/{BUCKET}{key}"));
        let reply = self.http.put(url.clone()).body(content).send().await?;
        if reply.status().is_success() {
            return Ok(url.to_string());
        }
        let (status, body) = (reply.status(), reply.text().await?);
        Err(PackageError::Refused { place: format!("{BUCKET}{key}"), status, body })
    }
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
