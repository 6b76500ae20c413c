//! Signature Version 4 for requests that no client of the SDK makes.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use envelope::Time;

pub(super) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Signs a request, whose body is in memory, for a service in a region.
///
/// # Errors
///
/// It cannot be signed: its URL is none, or a header is not text.
pub(super) fn sign_request(
    request: &mut HttpRequest,
    credentials: Credentials,
    (service, region): (&str, &str),
    now: Time,
) -> Result<(), Fault> {
    let identity = credentials.into();
    let since_1970 = Duration::from_millis(u64::try_from(now.as_millis())?);
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(SystemTime::UNIX_EPOCH + since_1970)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let body = SignableBody::Bytes(request.body().bytes().unwrap_or_default());
    let signable = SignableRequest::new(request.method(), request.uri(), request.headers().iter(), body)?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    for (name, value) in instructions.headers() {
        request.headers_mut().try_insert(name.to_owned(), value.to_owned())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of the same request as botocore's `SigV4Auth` has it, which nobody here has written.
    const BY_BOTOCORE: &str = "AWS4-HMAC-SHA256 Credential=AKID/20261128/eu-west-1/xray/aws4_request, \
        SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, \
        Signature=53ddc1256cfeeb43b27604231b41c1242811374319206b870a5c3a587b1644b9";

    #[test]
    fn a_request_is_signed_as_others_sign_it() {
        let mut request = HttpRequest::new("spans".into());
        request.set_method("POST").unwrap();
        request.set_uri("https://xray.eu-west-1.amazonaws.com/v1/traces").unwrap();
        request.headers_mut().insert("content-type", "application/x-protobuf");
        let credentials = Credentials::new("AKID", "secret", Some("token".to_owned()), None, "test");
        let now = Time::new("2026-11-28T12:00:00Z").unwrap();
        sign_request(&mut request, credentials, ("xray", "eu-west-1"), now).unwrap();
        assert_eq!(request.headers().get("authorization"), Some(BY_BOTOCORE));
        assert_eq!(request.headers().get("x-amz-date"), Some("20261128T120000Z"));
        assert_eq!(request.headers().get("x-amz-security-token"), Some("token"));
    }
}
