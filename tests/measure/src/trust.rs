//! TLS with functions that trust the roots of Amazon alone: a certificate of this run's own, in the place of one of them.
//!
//! The functions have their roots compiled in, and no setting that would add one. So each is measured as a copy, in
//! which the text of one root is overwritten: byte for byte the release binary otherwise.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// A root, and a server with a certificate of it for `localhost`.
pub(crate) struct Identity {
    /// PEM of the root.
    root: String,
    acceptor: TlsAcceptor,
}

/// Reason why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    /// No certificate.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// No server.
    #[error("cannot use the certificate: {0}")]
    Server(#[from] rustls::Error),
    /// No copy of a binary.
    #[error("cannot copy {path}: {source}")]
    Copy {
        /// The binary.
        path: String,
        /// Error of the system.
        source: io::Error,
    },
    /// A binary that has none of Amazon's roots, or only smaller ones.
    #[error("{0} has no root certificate that could be replaced: measure it with --plain")]
    NoRoot(String),
}

impl Identity {
    /// Makes keys and certificates: ECDSA on P-256, as the smallest of Amazon's roots.
    pub(crate) fn new() -> Result<Self, TrustError> {
        let mut root = CertificateParams::new(Vec::new())?;
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &root)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)?;
        Ok(Self { root: root.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// The server's side of TLS.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Copies a binary to `target`; the copy trusts this identity.
    pub(crate) fn copy_trusting(&self, binary: &Path, target: &Path) -> Result<(), TrustError> {
        let path = || binary.display().to_string();
        let failed = |source| TrustError::Copy { path: path(), source };
        let mut content = fs::read(binary).map_err(failed)?;
        if !replace_root(&mut content, &self.root) {
            return Err(TrustError::NoRoot(path()));
        }
        fs::write(target, content).map_err(failed)?;
        fs::set_permissions(target, fs::Permissions::from_mode(0o755)).map_err(failed)
    }
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----\n";
const END: &[u8] = b"-----END CERTIFICATE-----\n";

/// Overwrites the smallest certificate in `content` that has room for `root`, and fills the rest with empty lines, so
/// that nothing else moves. Whether there is one.
fn replace_root(content: &mut [u8], root: &str) -> bool {
    let root = root.replace("\r\n", "\n");
    let has_room = certificates(content).into_iter().filter(|(begin, end)| end - begin >= root.len());
    let Some((begin, end)) = has_room.min_by_key(|(begin, end)| end - begin) else { return false };
    content[begin..end].fill(b'\n');
    content[begin..begin + root.len()].copy_from_slice(root.as_bytes());
    true
}

/// First byte and end of each PEM certificate.
fn certificates(content: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(begin) = position(&content[from..], BEGIN).map(|at| from + at) {
        let body = begin + BEGIN.len();
        let is_body = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\n".contains(byte);
        let length = content[body..].iter().take_while(|byte| is_body(byte)).count();
        if length > 0 && content[body + length..].starts_with(END) {
            found.push((begin, body + length + END.len()));
        }
        from = body;
    }
    found
}

fn position(content: &[u8], wanted: &[u8]) -> Option<usize> {
    // Most bytes are no hyphen, and a binary has millions.
    let mut from = 0;
    while let Some(at) = content[from..].iter().position(|byte| *byte == wanted[0]) {
        if content[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMAZON: &str = include_str!("../../../shared/onewrite/src/aws/amazon-trust-services.pem");

    fn binary() -> Vec<u8> {
        [b"\x7fELF -----BEGIN CERTIFICATE-----\n\0", AMAZON.as_bytes(), b"\0code"].concat()
    }

    #[test]
    fn one_root_is_replaced_and_nothing_moves() {
        let (before, mut after) = (binary(), binary());
        let root = Identity::new().unwrap().root;
        assert!(replace_root(&mut after, &root));
        assert_eq!(after.len(), before.len());
        let (before, after) = (certificates(&before), certificates(&after));
        assert_eq!((before.len(), after.len()), (5, 5));
        let replaced: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
        let [(before, after)] = replaced[..] else { panic!("{replaced:?}") };
        assert_eq!((after.0, after.1 - after.0), (before.0, root.len()));
    }

    #[test]
    fn the_replaced_binary_has_the_new_root_and_four_old_ones() {
        let mut content = binary();
        let root = Identity::new().unwrap().root;
        assert!(replace_root(&mut content, &root));
        let text = String::from_utf8_lossy(&content);
        assert!(text.contains(root.trim_end()));
        let kept = AMAZON.split_inclusive("-----END CERTIFICATE-----\n").filter(|one| text.contains(one)).count();
        assert_eq!(kept, 4);
    }

    #[test]
    fn a_root_that_is_too_large_replaces_none() {
        let mut content = binary();
        assert!(!replace_root(&mut content, &"x".repeat(4_000)));
        assert_eq!(content, binary());
        assert!(!replace_root(&mut b"no certificate".to_vec(), "x"));
    }
}
