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

    /// The headers of the same requests as botocore's `SigV4Auth` has them, which nobody here has written.
    const BY_BOTOCORE: [(&str, &str, &str, &str, &str); 3] = [
        (
            "xray",
            "/v1/traces",
            "application/x-protobuf",
            "spans",
            "53ddc1256cfeeb43b27604231b41c1242811374319206b870a5c3a587b1644b9",
        ),
        (
            "lambda",
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Arelay%3Alive/invocations",
            "application/json",
            "{}",
            "303a77ec91725a98dfc8ab7e8ed9cdf787012d5055d739a18620fae8828b7a78",
        ),
        (
            "execute-api",
            "/dev/@connections/L0SM9cOFvHcCIhw%3D",
            "application/octet-stream",
            "text",
            "98dbd44c424e5c6f41587f931ad98082d13f778de3cad0d0a528282487d9241e",
        ),
    ];

    #[test]
    fn a_request_is_signed_as_others_sign_it() {
        for (service, path, content_type, body, signature) in BY_BOTOCORE {
            let mut request = HttpRequest::new(body.into());
            request.set_method("POST").unwrap();
            request.set_uri(format!("https://{service}.eu-west-1.amazonaws.com{path}")).unwrap();
            request.headers_mut().insert("content-type", content_type);
            let credentials = Credentials::new("AKID", "secret", Some("token".to_owned()), None, "test");
            let now = Time::new("2026-11-28T12:00:00Z").unwrap();
            sign_request(&mut request, credentials, (service, "eu-west-1"), now).unwrap();
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKID/20261128/eu-west-1/{service}/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature={signature}"
            );
            assert_eq!(request.headers().get("authorization"), Some(expected.as_str()), "{service}");
            assert_eq!(request.headers().get("x-amz-date"), Some("20261128T120000Z"));
            assert_eq!(request.headers().get("x-amz-security-token"), Some("token"));
        }
    }
}
