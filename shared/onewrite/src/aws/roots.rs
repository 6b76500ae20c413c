//! Root certificates that the functions trust: the five roots of Amazon Trust Services, under which every AWS endpoint
//! has its certificate. A store of five is read in a fraction of the time, and memory, of a store of hundreds.

use aws_smithy_http_client::tls::TrustStore;

/// Amazon Root CA 1 to 4 and Starfield Services Root Certificate Authority - G2, from
/// <https://www.amazontrust.com/repository/>.
const AMAZON_TRUST_SERVICES: &[u8] = include_bytes!("amazon-trust-services.pem");

pub(super) fn amazon() -> TrustStore {
    TrustStore::empty().with_pem_certificate(AMAZON_TRUST_SERVICES)
}
