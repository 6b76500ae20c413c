//! Calls of services of which a function makes one or two, signed and sent by what the SDK's clients are made of.
//!
//! Each client of the SDK is in the package of a function with all that it has for every operation, and in each of its builds: half a
//! minute of a processor for Systems Manager alone, of which one call is made.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_dynamodb::error::{ConnectorError, ErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::calls::traced;
use super::config::without_retries;
use super::connector::{CONNECT, connector};
use super::failure::classify;
use super::sigv4::{Fault, sign_request};
use super::system::System;
use crate::backoff::any_of;
use crate::config::Environment;
use crate::failure::FailureKind;
use crate::port::Clock;

/// The largest answer that is read, in bytes. The largest there is are the [6 MB of a function][quotas].
///
/// [quotas]: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Characters that stay as they are in a segment of a path.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An error of a call, just as the SDK's clients have it: for [`classify`].
pub type CallError = SdkError<ErrorMetadata, HttpResponse>;

/// A service of AWS that speaks JSON, and is called without a client of the SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AwsService {
    /// Metrics of CloudWatch.
    CloudWatch,
    /// CloudWatch Logs.
    Logs,
    /// Secrets Manager.
    SecretsManager,
    /// Systems Manager, which has the parameter store.
    SystemsManager,
}

impl AwsService {
    const fn name(self) -> Name {
        match self {
            Self::CloudWatch => Name { signed: "monitoring", variable: "AWS_ENDPOINT_URL_CLOUDWATCH" },
            Self::Logs => Name { signed: "logs", variable: "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS" },
            Self::SecretsManager => Name { signed: "secretsmanager", variable: "AWS_ENDPOINT_URL_SECRETS_MANAGER" },
            Self::SystemsManager => Name { signed: "ssm", variable: "AWS_ENDPOINT_URL_SSM" },
        }
    }

    /// Its part of the target of an operation, and the version of the protocol.
    const fn target(self) -> (&'static str, &'static str) {
        match self {
            Self::CloudWatch => ("GraniteServiceVersion20100801", "application/x-amz-json-1.0"),
            Self::Logs => ("Logs_20140328", "application/x-amz-json-1.1"),
            Self::SecretsManager => ("secretsmanager", "application/x-amz-json-1.1"),
            Self::SystemsManager => ("AmazonSSM", "application/x-amz-json-1.1"),
        }
    }
}

/// A client of one service. Nothing is opened before the first call.
#[derive(Debug)]
pub struct SignedClient {
    service: AwsService,
    caller: Caller,
}

impl SignedClient {
    /// A client of that service, where the configuration has it: with its region, credentials, endpoint, retries and times.
    #[must_use]
    pub fn new(config: &SdkConfig, service: AwsService) -> Self {
        Self { service, caller: Caller::new(config, service.name()) }
    }

    /// Calls an operation, and answers what the service has answered.
    ///
    /// # Errors
    ///
    /// The service refuses it, or there is no answer in time.
    pub async fn call(&self, operation: &str, body: &Value) -> Result<Bytes, CallError> {
        let (target, version) = self.service.target();
        let target = format!("{target}.{operation}");
        let headers = [("content-type", version), ("x-amz-target", &target)];
        let call = Call { operation, method: "POST", path: "/", headers: &headers, body: body.to_string() };
        Ok(bytes_of(Box::pin(self.caller.call(&call)).await?))
    }
}

/// Functions of Lambda, to be invoked.
#[derive(Debug)]
pub struct Functions(Caller);

/// Answer of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoked {
    /// Its answer; if it has failed, what Lambda tells of that.
    pub payload: Bytes,
    /// Lambda's word for a failure, where it is one.
    pub error: Option<String>,
}

impl Functions {
    /// Functions of the configuration's account and region.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self(Caller::new(config, Name { signed: "lambda", variable: "AWS_ENDPOINT_URL_LAMBDA" }))
    }

    /// Invokes a function, by its name or ARN, and waits for its answer.
    ///
    /// # Errors
    ///
    /// Lambda refuses it, or there is no answer in time. A function that fails is no error of the call.
    pub async fn invoke(&self, function: &str, payload: &Value) -> Result<Invoked, CallError> {
        let answer = self.post(function, "RequestResponse", payload).await?;
        let error = answer.headers().get("x-amz-function-error").map(ToOwned::to_owned);
        Ok(Invoked { payload: bytes_of(answer), error })
    }

    /// Has Lambda invoke a function, which nobody waits for.
    ///
    /// # Errors
    ///
    /// Lambda refuses it, or there is no answer in time.
    pub async fn start(&self, function: &str, payload: &Value) -> Result<(), CallError> {
        self.post(function, "Event", payload).await.map(drop)
    }

    async fn post(&self, function: &str, how: &str, payload: &Value) -> Result<HttpResponse, CallError> {
        let path = format!("/2015-03-31/functions/{}/invocations", utf8_percent_encode(function, UNRESERVED));
        // By the trace of this invocation Lambda finds out about functions that invoke each other for ever.
        let trace = Environment::of_process().optional("_X_AMZN_TRACE_ID").unwrap_or_default();
        let headers =
            [("content-type", "application/json"), ("x-amz-invocation-type", how), ("x-amzn-trace-id", trace.as_str())];
        let headers = if trace.is_empty() { &headers[..2] } else { &headers };
        let call = Call { operation: "Invoke", method: "POST", path: &path, headers, body: payload.to_string() };
        Box::pin(self.0.call(&call)).await
    }
}

/// Connections of a WebSocket API of API Gateway.
#[derive(Debug)]
pub struct Connections(Caller);

impl Connections {
    /// Connections at that URL, which the documentation calls the [callback URL][api]. What was sent and is not known to have come is
    /// not sent again.
    ///
    /// [api]: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
    #[must_use]
    pub fn new(config: &SdkConfig, url: &str) -> Self {
        Self(Caller::at(&without_retries(config), "execute-api", url))
    }

    /// Sends a text to a connection.
    ///
    /// # Errors
    ///
    /// API Gateway refuses it, with 410 where the connection is closed and 429 where it takes no more at the moment, or there is no
    /// answer in time.
    pub async fn post(&self, connection: &str, text: &str) -> Result<(), CallError> {
        self.call("PostToConnection", "POST", connection, text).await
    }

    /// Closes a connection.
    ///
    /// # Errors
    ///
    /// API Gateway refuses it, with 410 where it is closed, or there is no answer in time.
    pub async fn delete(&self, connection: &str) -> Result<(), CallError> {
        self.call("DeleteConnection", "DELETE", connection, "").await
    }

    async fn call(&self, operation: &str, method: &str, connection: &str, text: &str) -> Result<(), CallError> {
        let path = format!("/@connections/{}", utf8_percent_encode(connection, UNRESERVED));
        let headers: &[_] = if text.is_empty() { &[] } else { &[("content-type", "application/octet-stream")] };
        let call = Call { operation, method, path: &path, headers, body: text.to_owned() };
        Box::pin(self.0.call(&call)).await.map(drop)
    }
}

/// A service's name in a signature and in its host, and the variable with an endpoint for it alone.
#[derive(Clone, Copy, Debug)]
struct Name {
    signed: &'static str,
    variable: &'static str,
}

/// Whoever makes calls of one service.
#[derive(Debug)]
struct Caller {
    config: SdkConfig,
    /// Its name in signatures.
    service: &'static str,
    endpoint: String,
    region: String,
    connector: OnceLock<SharedHttpConnector>,
}

/// A request as it is before it is signed.
struct Call<'a> {
    operation: &'a str,
    method: &'a str,
    path: &'a str,
    headers: &'a [(&'static str, &'a str)],
    body: String,
}

impl Caller {
    fn new(config: &SdkConfig, service: Name) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let own = Environment::of_process().optional(service.variable);
        let endpoint = own.or_else(|| config.endpoint_url().map(ToOwned::to_owned));
        let endpoint = endpoint.unwrap_or_else(|| format!("https://{}.{region}.amazonaws.com", service.signed));
        Self::at(config, service.signed, &endpoint)
    }

    fn at(config: &SdkConfig, service: &'static str, endpoint: &str) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Self { config: config.clone(), service, endpoint, region, connector: OnceLock::new() }
    }

    /// Makes a call as often as the configuration says, with a pause at random before each further attempt, which may be
    /// twice as long as before the last one.
    async fn call(&self, call: &Call<'_>) -> Result<HttpResponse, CallError> {
        let attempts = async {
            let retries = self.config.retry_config().cloned().unwrap_or_else(RetryConfig::disabled);
            let (most, mut pause) = (retries.max_attempts().max(1), retries.initial_backoff());
            let mut number = 1;
            loop {
                match self.attempt(call, number, most).await {
                    Err(error) if number < most && may_pass(call.operation, &error) => {
                        let millis = u32::try_from(pause.as_millis()).unwrap_or(u32::MAX);
                        System.sleep(Duration::from_millis(any_of(&(0..=millis), &System).into())).await;
                        (number, pause) = (number + 1, pause * 2);
                    }
                    answered => return answered,
                }
            }
        };
        within(self.config.timeout_config().and_then(TimeoutConfig::operation_timeout), attempts).await
    }

    async fn attempt(&self, call: &Call<'_>, number: u32, most: u32) -> Result<HttpResponse, CallError> {
        let mut request = self.request(call, number, most).await.map_err(SdkError::construction_failure)?;
        let connection = CaptureSmithyConnection::new();
        request.add_extension(connection.clone());
        let limit = self.config.timeout_config().and_then(TimeoutConfig::operation_attempt_timeout);
        let answer = within(limit, self.answer(request)).await;
        // The next attempt is to find another server.
        if answer.as_ref().map_or(true, |answer| answer.status().is_server_error())
            && let Some(connection) = connection.get()
        {
            connection.poison();
        }
        let answer = answer?;
        if answer.status().is_success() { Ok(answer) } else { Err(SdkError::service_error(refusal(&answer), answer)) }
    }

    async fn request(&self, call: &Call<'_>, number: u32, most: u32) -> Result<HttpRequest, Fault> {
        if self.region.is_empty() {
            return Err("no region".into());
        }
        let mut request = HttpRequest::new(call.body.clone().into());
        request.set_method(call.method)?;
        request.set_uri(format!("{}{}", self.endpoint, call.path))?;
        for (name, value) in call.headers {
            request.headers_mut().try_insert(*name, (*value).to_owned())?;
        }
        request.headers_mut().try_insert("amz-sdk-request", format!("attempt={number}; max={most}"))?;
        let provider = self.config.credentials_provider().ok_or("no credentials")?;
        let credentials = provider.provide_credentials().await?;
        sign_request(&mut request, credentials, (self.service, &self.region), System.now())?;
        Ok(request)
    }

    /// Answer to a request, with all of its body.
    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, CallError> {
        let connector = self.connector().map_err(SdkError::construction_failure)?;
        let mut answer = connector.call(request).await.map_err(SdkError::dispatch_failure)?;
        let body = Limited::new(answer.take_body(), MAX_BYTES).collect().await;
        let body = body.map_err(|error| SdkError::dispatch_failure(ConnectorError::io(error)))?;
        *answer.body_mut() = SdkBody::from(body.to_bytes());
        Ok(answer)
    }

    fn connector(&self) -> Result<&SharedHttpConnector, Fault> {
        if let Some(connector) = self.connector.get() {
            return Ok(connector);
        }
        let connector = connector(&self.endpoint, Some(CONNECT))?;
        Ok(self.connector.get_or_init(|| traced(connector)))
    }
}

async fn within<T>(limit: Option<Duration>, work: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, work).await.map_err(SdkError::timeout_error)?,
        None => work.await,
    }
}

fn may_pass(operation: &str, error: &CallError) -> bool {
    match classify(operation, error).kind() {
        FailureKind::Unavailable | FailureKind::Transient => true,
        FailureKind::Deferred | FailureKind::Misconfigured | FailureKind::Permanent => false,
    }
}

fn bytes_of(mut answer: HttpResponse) -> Bytes {
    let body = answer.take_body();
    body.bytes().map(Bytes::copy_from_slice).unwrap_or_default()
}

/// Code and words of an answer that is none: the code is in its body or, of services with paths, in a header, as
/// `namespace#Code` or `Code:http://documentation/`.
fn refusal(answer: &HttpResponse) -> ErrorMetadata {
    let body: Value = answer.body().bytes().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    let text =
        |names: [&str; 2]| names.into_iter().find_map(|name| body[name].as_str().filter(|text| !text.is_empty()));
    let of_header = answer.headers().get("x-amzn-errortype").filter(|code| !code.is_empty());
    let code = of_header.or_else(|| text(["__type", "code"]));
    let code = code.map(|code| code.split(':').next().unwrap_or_default().rsplit('#').next().unwrap_or_default());
    let mut refusal = ErrorMetadata::builder();
    if let Some(code) = code {
        refusal = refusal.code(code);
    }
    if let Some(message) = text(["message", "Message"]) {
        refusal = refusal.message(message);
    }
    refusal.build()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use aws_sdk_dynamodb::error::ProvideErrorMetadata;
    use serde_json::json;

    use super::*;
    use crate::aws::tests::{Answer, Server, says};
    use crate::aws::without_retries;

    #[test]
    fn a_refusal_has_its_code_and_its_words_wherever_they_are() {
        let documented = Some("ResourceNotFoundException:http://internal.amazon.com/coral/");
        for (header, body, code, message) in [
            (
                None,
                r#"{"__type": "com.amazonaws.ssm#ThrottlingException", "Message": "no"}"#,
                Some("ThrottlingException"),
                Some("no"),
            ),
            (None, r#"{"__type": "AccessDenied", "message": null, "Message": "no"}"#, Some("AccessDenied"), Some("no")),
            (
                Some(""),
                r#"{"code": "AccessDenied", "message": "no", "Message": "no"}"#,
                Some("AccessDenied"),
                Some("no"),
            ),
            (documented, r#"{"Message": "not found"}"#, Some("ResourceNotFoundException"), Some("not found")),
            (None, "<html>", None, None),
            (None, "", None, None),
        ] {
            let mut answer = HttpResponse::new(400.try_into().unwrap(), SdkBody::from(body));
            if let Some(header) = header {
                answer.headers_mut().insert("x-amzn-errortype", header);
            }
            let refusal = refusal(&answer);
            assert_eq!((refusal.code(), refusal.message()), (code, message), "{header:?} {body}");
        }
    }

    /// Calls that the toolkit signs are as good as those of the SDK: the same table.
    #[tokio::test]
    async fn a_signed_call_is_classified_and_tried_again_where_that_helps() {
        let not_found = || says("400 Bad Request", "ResourceNotFoundException");
        for (answer, kind, reason, attempts) in [
            (not_found(), FailureKind::Misconfigured, "GetIt: ResourceNotFoundException (400): said …", 1),
            (
                says("400 Bad Request", "ThrottlingException"),
                FailureKind::Transient,
                "GetIt: ThrottlingException (400): said …",
                3,
            ),
            (
                says("400 Bad Request", "ValidationException"),
                FailureKind::Permanent,
                "GetIt: ValidationException (400): said …",
                1,
            ),
            (
                Answer::Says("503 Oh", "<html>".to_owned()),
                FailureKind::Unavailable,
                "GetIt: no code (503): no message",
                3,
            ),
            (Answer::HangsUp, FailureKind::Unavailable, "GetIt: no connection", 3),
        ] {
            let server = Server::start(answer);
            let client = SignedClient::new(&server.config(), AwsService::SystemsManager);
            let failure = classify("GetIt", &client.call("GetIt", &json!({})).await.unwrap_err());
            assert_eq!((failure.kind(), failure.reason()), (kind, reason));
            assert_eq!(server.requests.load(Ordering::SeqCst), attempts, "{reason}");
        }
        let server = Server::start(not_found());
        let error = Functions::new(&server.config()).invoke("relay", &json!({})).await.unwrap_err();
        assert_eq!(error.code(), Some("ResourceNotFoundException"));
    }

    #[tokio::test]
    async fn what_is_missing_is_for_a_person_to_mend() {
        let server = Server::start(says("500 Oh", "InternalServerError"));
        let mut without_credentials = server.config().to_builder();
        without_credentials.set_credentials_provider(None);
        let mut without_region = server.config().to_builder();
        without_region.set_region(None);
        for config in [without_credentials.build(), without_region.build()] {
            let error = SignedClient::new(&config, AwsService::Logs).call("GetIt", &json!({})).await.unwrap_err();
            let failure = classify("GetIt", &error);
            assert_eq!(
                (failure.kind(), failure.reason()),
                (FailureKind::Misconfigured, "GetIt: the request cannot be made")
            );
        }
        assert_eq!(server.requests.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_signed_call_takes_as_long_and_is_made_as_often_as_its_configuration_says() {
        let server = Server::start(Answer::SaysNothing);
        let times = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(200));
        let hasty = server.config().to_builder().timeout_config(times.build()).build();
        let error = Functions::new(&hasty).start("relay", &json!({})).await.unwrap_err();
        assert_eq!(classify("Invoke", &error).reason(), "Invoke: timed out");
        // The last was given up, and may be on its way.
        for _ in 0..100 {
            if server.requests.load(Ordering::SeqCst) < 3 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        assert_eq!(server.requests.load(Ordering::SeqCst), 3);

        let server = Server::start(says("500 Oh", "InternalServerError"));
        let once = without_retries(&server.config());
        Functions::new(&once).start("relay", &json!({})).await.unwrap_err();
        assert_eq!(server.requests.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_function_is_invoked_by_its_arn_and_may_fail() {
        let server = Server::start(Answer::Says(
            "200 OK\r\nx-amz-function-error: Unhandled",
            r#"{"errorMessage":"no"}"#.to_owned(),
        ));
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:relay:live";
        let invoked = Functions::new(&server.config()).invoke(arn, &json!({ "Records": [] })).await.unwrap();
        assert_eq!(
            (invoked.error.as_deref(), &invoked.payload[..]),
            (Some("Unhandled"), &br#"{"errorMessage":"no"}"#[..])
        );
        let request = server.last_request();
        let line = "POST /2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Arelay%3Alive/invocations HTTP/1.1";
        assert!(request.starts_with(line), "{request}");
        for part in [
            "x-amz-invocation-type: RequestResponse\r\n",
            "amz-sdk-request: attempt=1; max=3\r\n",
            "/us-east-1/lambda/aws4_request",
            r#"{"Records":[]}"#,
        ] {
            assert!(request.contains(part), "{part}: {request}");
        }

        let server = Server::start(Answer::Says("200 OK", r#"{"MetricDataResults":[]}"#.to_owned()));
        let client = SignedClient::new(&server.config(), AwsService::CloudWatch);
        assert_eq!(client.call("GetMetricData", &json!({})).await.unwrap(), r#"{"MetricDataResults":[]}"#);
        let request = server.last_request();
        for part in [
            "POST / HTTP/1.1\r\n",
            "content-type: application/x-amz-json-1.0\r\n",
            "x-amz-target: GraniteServiceVersion20100801.GetMetricData\r\n",
            "/us-east-1/monitoring/aws4_request",
        ] {
            assert!(request.contains(part), "{part}: {request}");
        }
    }

    #[tokio::test]
    async fn a_connection_is_written_to_once_and_closed() {
        let server = Server::start(Answer::Says("200 OK", String::new()));
        let connections =
            Connections::new(&server.config(), &format!("{}/dev/", server.config().endpoint_url().unwrap()));
        connections.post("L0SM9cOFvHcCIhw=", "{}").await.unwrap();
        let request = server.last_request();
        for part in [
            "POST /dev/@connections/L0SM9cOFvHcCIhw%3D HTTP/1.1\r\n",
            "/us-east-1/execute-api/aws4_request",
            "\r\n\r\n{}",
        ] {
            assert!(request.contains(part), "{part}: {request}");
        }
        connections.delete("L0SM9cOFvHcCIhw=").await.unwrap();
        let request = server.last_request();
        assert!(request.starts_with("DELETE /dev/@connections/L0SM9cOFvHcCIhw%3D HTTP/1.1\r\n"), "{request}");
        assert!(!request.contains("content-type") && request.ends_with("\r\n\r\n"), "{request}");

        let server = Server::start(says("500 Oh", "InternalServerError"));
        Connections::new(&server.config(), server.config().endpoint_url().unwrap())
            .post("L0SM9cOFvHcCIhw=", "{}")
            .await
            .unwrap_err();
        assert_eq!(server.requests.load(Ordering::SeqCst), 1);
    }
}
