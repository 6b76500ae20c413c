//! Root certificates that the functions trust: the five roots of Amazon Trust Services, under which every AWS endpoint
//! has its certificate. A store of five is read in a fraction of the time, and memory, of a store of hundreds.

use aws_smithy_http_client::tls::TrustStore;
#[cfg(any(feature = "http", feature = "link", feature = "otlp"))]
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, TlsContext, rustls_provider::CryptoMode},
};

/// Amazon Root CA 1 to 4 and Starfield Services Root Certificate Authority - G2, from
/// <https://www.amazontrust.com/repository/>.
const AMAZON_TRUST_SERVICES: &[u8] = include_bytes!("amazon-trust-services.pem");

pub(super) fn amazon() -> TrustStore {
    TrustStore::empty().with_pem_certificate(AMAZON_TRUST_SERVICES)
}

/// Client of HTTP for one URL, with the roots that its host needs.
#[cfg(any(feature = "http", feature = "link", feature = "otlp"))]
pub(super) fn connector(url: &str) -> Result<Connector, lambda_runtime::Error> {
    let context = TlsContext::builder().with_trust_store(trust_store(url)).build()?;
    let tls = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring));
    Ok(tls.tls_context(context).build())
}

/// AWS has its certificates of Amazon. Others have theirs of whom they like: then the machine's own roots count, hundreds
/// of them, which take a moment to read.
#[cfg(any(feature = "http", feature = "link", feature = "otlp"))]
fn trust_store(url: &str) -> TrustStore {
    let is_of_aws = host_of(url).ends_with(".amazonaws.com");
    let needs_none = url.starts_with("http:");
    if is_of_aws || needs_none { amazon() } else { TrustStore::default() }
}

/// Host of a URL.
pub(super) fn host_of(url: &str) -> &str {
    let authority = url.split_once("//").map_or("", |(_, rest)| rest);
    authority.split(['/', ':', '?']).next().unwrap_or_default()
}
