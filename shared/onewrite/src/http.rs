//! HTTP for functions behind API Gateway: bodies in, answers and problems (RFC 9457) out.

mod cors;
mod precondition;

use std::convert::Infallible;
use std::net::IpAddr;

use envelope::{Fault, Faults, Read, parse};

use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::{Instrument, error, info_span, warn};

pub use cors::Cors;
pub use precondition::IfMatch;

use crate::failure::{Failure, FailureKind};
use crate::telemetry::{self, spans};
use crate::trace::TraceParent;

/// The largest body that is read, in bytes: SNS takes messages of 256 KB, and what is posted becomes one.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// Problem with a request, or with us, as RFC 9457 wants it told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// Kind of problem: a URI that stays the same; `about:blank` where the status says it all.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uri")))]
    kind: &'static str,
    /// The kind of problem in words.
    title: &'static str,
    /// The status of the answer, once more.
    #[cfg_attr(feature = "schema", schemars(range(min = 400, max = 599)))]
    status: u16,
    /// The fault of this request.
    detail: String,
    /// Every fault of an invalid body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// Members that problems of this kind have besides (RFC 9457, section 3.2). In a box, for few have any, and a problem is
    /// handed on by value.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extensions: Option<Box<Map<String, Value>>>,
    /// Value of the header `WWW-Authenticate`.
    #[serde(skip)]
    challenge: Option<String>,
}

impl Problem {
    /// A problem that its status names.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: match status {
                // Its name since RFC 9110.
                StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
                other => other.canonical_reason().unwrap_or("Unknown"),
            },
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            extensions: None,
            challenge: None,
        }
    }

    /// Status of the answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The fault of this request, in words.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The same problem with a challenge to sign in (RFC 6750): its parameters beside the realm.
    #[must_use]
    pub(crate) fn with_challenge(self, parameters: &str) -> Self {
        let separator = if parameters.is_empty() { "" } else { ", " };
        Self { challenge: Some(format!("Bearer realm=\"api\"{separator}{parameters}")), ..self }
    }

    /// The same problem, as one of a kind that callers may want to tell apart.
    #[must_use]
    pub fn of_kind(self, kind: &'static str, title: &'static str) -> Self {
        Self { kind, title, ..self }
    }

    /// The same problem with the places of the body that it is about.
    #[must_use]
    pub fn with_errors(self, errors: Vec<Fault>) -> Self {
        Self { errors, ..self }
    }

    /// The same problem with one more member: what a program needs to go on.
    #[must_use]
    pub fn with_extension(mut self, name: &'static str, value: Value) -> Self {
        self.extensions.get_or_insert_default().insert(name.to_owned(), value);
        self
    }

    /// 400: a header, or a body that is no JSON.
    #[must_use]
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail).of_kind("urn:onewrite:problem:malformed", "Malformed request")
    }

    /// 401: a token is needed, and there is none.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "The request has no bearer token.").with_challenge("")
    }

    /// 404: there is no such thing.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("There is no such {what}."))
    }

    /// 422: all that is wrong with a well-formed body.
    #[must_use]
    pub fn invalid(faults: &Faults) -> Self {
        Self::invalid_at(faults.as_slice().to_vec())
    }

    /// 422: the same of faults that only a look at something else than the body has shown.
    #[must_use]
    pub fn invalid_at(errors: Vec<Fault>) -> Self {
        let count = errors.len();
        let detail = format!("The body has {count} fault{}: see errors.", if count == 1 { "" } else { "s" });
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        problem.with_errors(errors).of_kind("urn:onewrite:problem:invalid", "Invalid request")
    }
}

/// A failure of ours: 503 if it is worth another try, else 500. The reason is logged, and not told to the world.
impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure.kind() {
            FailureKind::Transient | FailureKind::Unavailable | FailureKind::Deferred => {
                warn!(reason = failure.reason(), "failed, may pass");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "This did not work out. Try again in a moment.")
            }
            FailureKind::Misconfigured => {
                error!(reason = failure.reason(), "failed: the deployment must be mended");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "This did not work out. Try again later.")
            }
            FailureKind::Permanent => {
                error!(reason = failure.reason(), "failed for ever");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "This did not work out, and the fault is ours.")
            }
        }
    }
}

/// An answer with a JSON body.
#[must_use]
pub fn answer(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    answer_as(status, "application/json", body)
}

impl From<Problem> for Response<Body> {
    fn from(problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = answer_as(status, "application/problem+json", &problem);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(challenge) = problem.challenge.and_then(|challenge| HeaderValue::try_from(challenge).ok()) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// An answer with a JSON body of a media type of its own.
#[must_use]
pub fn answer_as(status: StatusCode, media_type: &'static str, body: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_string(body).unwrap_or_else(|_| "null".to_owned());
    let mut response = Response::new(Body::Text(text));
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, media_type),
        // There is a person in it, or somebody's business.
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The address of a page may let in whoever has it.
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The parts of the path, without the stage: `/loans/l-1` is `["loans", "l-1"]`. A custom domain may put a base
/// path before it; the API's own part is as long as the resource that the gateway has matched.
#[must_use]
pub fn path(request: &Request) -> Vec<&str> {
    let parts = |path: &'_ str| path.split('/').filter(|part| !part.is_empty()).count();
    let all: Vec<&str> = request.raw_http_path().split('/').filter(|part| !part.is_empty()).collect();
    let own = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.resource_path.as_deref().map_or(all.len(), parts),
        _ => all.len(),
    };
    all[all.len().saturating_sub(own)..].to_vec()
}

/// Address that a request came from, as the gateway has seen it: no header, for those are whatever a caller writes. None where
/// the gateway does not tell.
#[must_use]
pub fn source_address(request: &Request) -> Option<IpAddr> {
    let address = match request.request_context_ref()? {
        RequestContext::ApiGatewayV1(context) => context.identity.source_ip.as_deref(),
        _ => None,
    };
    address?.parse().ok()
}

/// Reads a JSON body.
///
/// # Errors
///
/// The problem to answer with: 415, 413, 400 or 422, in this order.
pub fn read_body<T: Read>(request: &Request) -> Result<T, Problem> {
    read_document(&read_json(request)?)
}

/// Reads what a JSON body has become.
///
/// # Errors
///
/// 422, with all faults at once.
pub fn read_document<T: Read>(document: &Value) -> Result<T, Problem> {
    parse(document).map_err(|faults| Problem::invalid(&faults))
}

/// Reads the JSON of a body, whatever it says.
///
/// # Errors
///
/// The problem to answer with: 415, 413 or 400, in this order.
pub fn read_json(request: &Request) -> Result<Value, Problem> {
    let media_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::to_str);
    let essence = media_type.map(|text| text.unwrap_or_default().split(';').next().unwrap_or_default().trim());
    // API Gateway takes a body of no declared type for JSON, and so do we.
    if essence.is_some_and(|essence| !essence.eq_ignore_ascii_case("application/json")) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body must be application/json."));
    }
    let body = request.body().as_ref();
    if body.len() > MAX_BODY_BYTES {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The body has {} bytes of at most {MAX_BODY_BYTES}.", body.len()),
        ));
    }
    serde_json::from_slice(body).map_err(|error| Problem::malformed(format!("The body is not JSON: {error}.")))
}

/// A header. Where it was sent several times Lambda hands over the last.
///
/// # Errors
///
/// 400 if it is not visible ASCII.
pub fn header<'a>(request: &'a Request, name: &str) -> Result<Option<&'a str>, Problem> {
    let Some(value) = request.headers().get(name) else { return Ok(None) };
    match value.to_str() {
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Some(text)),
        _ => Err(Problem::malformed(format!("The header {name} must be visible ASCII."))),
    }
}

/// Precondition of a request: its header `If-Match`.
///
/// # Errors
///
/// 400 if the header is no list of tags.
pub fn if_match(request: &Request) -> Result<IfMatch, Problem> {
    let read = IfMatch::read(request.headers().get(header::IF_MATCH));
    read.ok_or_else(|| Problem::malformed("The header If-Match must be ETags, or *."))
}

/// Answers an HTTP request in the invocation that it came with.
///
/// # Errors
///
/// None: an answer is an answer, whatever its status.
pub async fn within(
    request: &Request,
    cors: &Cors,
    answer: impl Future<Output = Response<Body>>,
) -> Result<Response<Body>, Infallible> {
    if let Some(context) = request.lambda_context_ref() {
        let _deadline = telemetry::begin(context);
    }
    let span = info_span!(
        "request",
        request_id = telemetry::request_id(),
        cold_start = telemetry::is_cold_start().then_some(true)
    );
    let response = if let Some(response) = cors.preflight(request) {
        response
    } else {
        let traced = spans::serve(request.method().as_str(), route(request), || parent(request));
        let response = traced.follow(answer.instrument(span)).await;
        traced.respond(response.status().as_u16(), 500);
        cors.allow(response)
    };
    telemetry::end();
    Ok(response)
}

/// Route that the gateway has matched, such as `/loans/{loanId}`.
fn route(request: &Request) -> Option<&str> {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.resource_path.as_deref(),
        _ => None,
    }
}

/// Span that a request is made in: the caller's, else the one of Lambda, if that is recorded. Lambda has one for every
/// invocation, and most of them nobody keeps.
fn parent(request: &Request) -> Option<(TraceParent, Option<String>)> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let caller = text("traceparent").and_then(TraceParent::parse);
    let state = caller.as_ref().and(text("tracestate")).map(str::to_owned);
    let parent = caller.or_else(|| telemetry::trace_parent().filter(TraceParent::is_sampled))?;
    Some((parent, state))
}

/// For the macros of this crate alone.
#[doc(hidden)]
pub mod __private {
    use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
    use lambda_http::request::LambdaRequest;
    use lambda_http::tower::util::{MapRequest, MapResponse};
    use lambda_http::{Body, LambdaEvent, Request, RequestExt, Response, Service};

    pub use lambda_http::service_fn;

    /// Serves requests until Lambda ends the process. It takes the place of `lambda_http::run`, which knows how to answer in Big5 and
    /// all other encodings, for 100 KB of a package.
    ///
    /// # Errors
    ///
    /// The Lambda Runtime API cannot be reached.
    pub async fn run<S>(handler: S) -> Result<(), lambda_runtime::Error>
    where
        S: Service<Request, Response = Response<Body>, Error = std::convert::Infallible>,
        S::Future: Send,
    {
        let request =
            |event: LambdaEvent<LambdaRequest>| Request::from(event.payload).with_lambda_context(event.context);
        crate::runtime::run(MapRequest::new(MapResponse::new(handler, answer), request)).await
    }

    /// The answer as a REST API of API Gateway takes it. All of its headers are among those of many values, for the gateway would put
    /// both kinds together.
    pub(super) fn answer(response: Response<Body>) -> ApiGatewayProxyResponse {
        let (head, body) = response.into_parts();
        let mut answer = ApiGatewayProxyResponse::default();
        answer.status_code = head.status.as_u16().into();
        answer.multi_value_headers = head.headers;
        answer.is_base64_encoded = matches!(body, Body::Binary(_));
        answer.body = (!body.is_empty()).then_some(body);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_ours_is_told_without_its_reason() {
        for (kind, status, retry_after) in [
            (FailureKind::Transient, 503, Some("1")),
            (FailureKind::Unavailable, 503, Some("1")),
            (FailureKind::Deferred, 503, Some("1")),
            (FailureKind::Misconfigured, 503, Some("1")),
            (FailureKind::Permanent, 500, None),
        ] {
            let (head, body) = Response::from(Problem::from(Failure::new(kind, "table t-1"))).into_parts();
            assert_eq!(head.status, status, "{kind:?}");
            assert_eq!(head.headers[header::CONTENT_TYPE], "application/problem+json");
            assert_eq!(head.headers[header::CACHE_CONTROL], "no-store");
            assert_eq!(head.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(head.headers[header::REFERRER_POLICY], "no-referrer");
            assert_eq!(
                head.headers.get(header::RETRY_AFTER).map(|value| value.to_str().unwrap()),
                retry_after,
                "{kind:?}"
            );
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((&body["type"], &body["status"]), (&"about:blank".into(), &status.into()));
            assert!(!body.to_string().contains("t-1"), "{body}");
        }
    }

    #[test]
    fn an_answer_is_what_a_rest_api_takes() {
        let of = |response| serde_json::to_value(__private::answer(response)).unwrap();
        let mut created = answer_as(StatusCode::CREATED, "application/json", &"é");
        created.headers_mut().insert(header::ETAG, HeaderValue::from_static("\"1\""));
        let created = of(created);
        assert_eq!((&created["statusCode"], &created["body"]), (&201.into(), &"\"é\"".into()));
        assert_eq!((&created["isBase64Encoded"], &created["headers"]), (&false.into(), &serde_json::json!({})));
        let headers = &created["multiValueHeaders"];
        assert_eq!((&headers["content-type"][0], &headers["etag"][0]), (&"application/json".into(), &"\"1\"".into()));
        assert_eq!(of(Response::new(Body::Empty))["body"], Value::Null);
        let bytes = of(Response::new(Body::Binary(vec![0, 159])));
        assert_eq!((&bytes["isBase64Encoded"], &bytes["body"]), (&true.into(), &"AJ8=".into()));
    }

    #[test]
    fn a_request_is_a_span_below_the_callers() {
        use crate::memory::MemorySpans;

        const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let spans = MemorySpans::record();
        let cors = crate::config::Environment::new(|_| None).read(|environment| Some(Cors::read(environment))).unwrap();
        for (header, status) in [(CALLER, 201), ("nonsense", 503), (CALLER, 404)] {
            let request = lambda_http::http::Request::post("/loans").header("traceparent", header);
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            let request = request.body(Body::Empty).unwrap();
            futures::executor::block_on(within(&request, &cors, async { response })).unwrap();
        }
        let [created, failed, unknown] = spans.ended().try_into().unwrap();
        for span in [&created, &unknown] {
            assert_eq!(span.parent_span_id.to_string(), CALLER[36..52]);
            assert_eq!(span.status, opentelemetry::trace::Status::Unset, "a fault of the caller is none of ours");
        }
        assert_eq!(failed.parent_span_id, opentelemetry::SpanId::INVALID);
        assert_eq!(failed.status, opentelemetry::trace::Status::error(""));
        assert_eq!(created.name, "POST");
        assert_eq!(created.span_kind, opentelemetry::trace::SpanKind::Server);
    }
}
