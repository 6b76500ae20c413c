//! Spans of the calls of AWS: one for each attempt, with the client of HTTP that all clients share.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use super::roots::host_of;
#[cfg(feature = "signed")]
use crate::telemetry;
use crate::telemetry::spans::{self, Span};

/// Client of HTTP whose requests are spans.
#[derive(Debug)]
pub(super) struct TracedClient(pub(super) SharedHttpClient);

#[derive(Debug)]
struct TracedConnector(SharedHttpConnector);

impl HttpClient for TracedClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(TracedConnector(self.0.http_connector(settings, components)))
    }
}

impl HttpConnector for TracedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let span = start(&request);
        let call = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let answer = span.follow(call).await;
            match &answer {
                // A condition that does not hold is a status of 400, and no fault.
                Ok(response) => span.respond(response.status().as_u16(), 500),
                Err(_) => span.abandon("no answer"),
            }
            answer
        })
    }
}

/// Connector whose requests are spans, where there are any.
#[cfg(feature = "signed")]
pub(super) fn traced(connector: SharedHttpConnector) -> SharedHttpConnector {
    if telemetry::is_traced() { SharedHttpConnector::new(TracedConnector(connector)) } else { connector }
}

fn start(request: &HttpRequest) -> Span {
    let header = |name| request.headers().get(name).unwrap_or_default();
    let body = request.body().bytes().unwrap_or_default();
    let server = host_of(request.uri());
    let service = service(header("authorization"));
    let operation = operation(header("x-amz-target"), body).unwrap_or_else(|| request.method());
    spans::call_aws(service, operation, attempt(header("amz-sdk-request")), server)
}

/// Service that a signature is for: `AWS4-HMAC-SHA256 Credential=key/date/region/dynamodb/aws4_request, …`.
fn service(authorization: &str) -> &str {
    let fields = authorization.split_once(' ').and_then(|(_, fields)| fields.strip_prefix("Credential="));
    let scope = fields.and_then(|fields| fields.split(',').next());
    scope.and_then(|scope| scope.rsplit('/').nth(1)).unwrap_or("aws")
}

/// Operation of a request: the last part of the target of those in JSON, the form's field `Action` of those in the query
/// protocol. The others have none but their path.
fn operation<'a>(target: &'a str, body: &'a [u8]) -> Option<&'a str> {
    if let Some((_, operation)) = target.rsplit_once('.') {
        return Some(operation);
    }
    let field = body.strip_prefix(b"Action=")?;
    let end = field.iter().position(|byte| *byte == b'&').unwrap_or(field.len());
    std::str::from_utf8(&field[..end]).ok()
}

/// Number of the attempt: `attempt=2; max=3`.
fn attempt(header: &str) -> Option<i64> {
    header.strip_prefix("attempt=")?.split(';').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_by_its_request() {
        let authorization =
            "AWS4-HMAC-SHA256 Credential=AKID/20261128/eu-west-1/dynamodb/aws4_request, SignedHeaders=host";
        assert_eq!(service(authorization), "dynamodb");
        assert_eq!(service(""), "aws");
        assert_eq!(operation("DynamoDB_20120810.PutItem", b"{}"), Some("PutItem"));
        assert_eq!(operation("", b"Action=PublishBatch&Version=2010-03-31"), Some("PublishBatch"));
        assert_eq!(operation("", b"Action=Publish"), Some("Publish"));
        assert_eq!(operation("", b"{}"), None);
        assert_eq!(attempt("attempt=2; max=3"), Some(2));
        assert_eq!(attempt(""), None);
    }
}
