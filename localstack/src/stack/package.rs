//! The functions' code, zipped and uploaded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::client::bucket::{Bucket, BucketError};
use crate::client::endpoint::Endpoint;
use crate::stack::template::{CodePlace, Template};
use crate::terminal::progress::Progress;

/// Failure to upload the functions' code.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A binary cannot be read or zipped.
    #[error("cannot zip {}: {source}", path.display())]
    Zip {
        /// The binary.
        path: PathBuf,
        /// Error of the system, or of the zip.
        source: io::Error,
    },
    /// The emulator does not take it.
    #[error("cannot upload to the emulator: {0}")]
    Bucket(#[from] BucketError),
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
    let bucket = Bucket::of(endpoint, bucket_of(stack))?;
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
pub(crate) async fn remove(endpoint: &Endpoint, stack: &str) -> Result<(), BucketError> {
    Bucket::of(endpoint, bucket_of(stack))?.remove().await
}

fn bucket_of(stack: &str) -> String {
    format!("{stack}-packages")
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
