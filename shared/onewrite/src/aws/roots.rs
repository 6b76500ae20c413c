//! Root certificates that the functions trust: the five roots of Amazon Trust Services, under which every AWS endpoint
//! has its certificate. A store of five is read in a fraction of the time, and memory, of a store of hundreds.

#[cfg(any(feature = "http", feature = "otlp", feature = "signed", feature = "webhook"))]
use std::env;

use lambda_runtime::Error;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
#[cfg(any(feature = "http", feature = "otlp", feature = "signed", feature = "webhook"))]
use rustls_native_certs::{load_certs_from_paths, load_native_certs};

/// Amazon Root CA 1 to 4 and Starfield Services Root Certificate Authority - G2, from
/// <https://www.amazontrust.com/repository/>.
const AMAZON_TRUST_SERVICES: &[u8] = include_bytes!("amazon-trust-services.pem");

pub(super) fn amazon() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(AMAZON_TRUST_SERVICES) {
        roots.add(certificate?)?;
    }
    Ok(roots)
}

/// The machine's own roots, hundreds of them, which take a moment to read. Where one file has all of them its folder has each once or twice
/// more, and is left alone, unless somebody has said what is to be read: `SSL_CERT_FILE`, `SSL_CERT_DIR`.
#[cfg(any(feature = "http", feature = "otlp", feature = "signed", feature = "webhook"))]
pub(super) fn of_this_machine() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    #[expect(clippy::disallowed_methods, reason = "where a machine has its roots is no setting of a function")]
    let is_told = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().any(|name| env::var_os(name).is_some());
    let found = match openssl_probe::probe().cert_file {
        Some(file) if cfg!(target_os = "linux") && !is_told => load_certs_from_paths(Some(&file), None),
        Some(_) | None => load_native_certs(),
    };
    if let (0, _) = roots.add_parsable_certificates(found.certs) {
        return Err(format!("this machine has no roots of trust: {:?}", found.errors).into());
    }
    Ok(roots)
}

/// Host of a URL.
pub(super) fn host_of(url: &str) -> &str {
    let authority = url.split_once("//").map_or("", |(_, rest)| rest);
    authority.split(['/', ':', '?']).next().unwrap_or_default()
}
