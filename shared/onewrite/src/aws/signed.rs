//! Calls of services of which a function makes one or two, signed and sent by what the SDK's clients are made of.
//!
//! Each client of the SDK is in the package of a function with all that it has for every operation, and in each of its builds: half a
//! minute of a processor for Systems Manager alone, of which one call is made.

use std::sync::OnceLock;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::Response;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use super::calls::traced;
use super::config::FIRST_PAUSE;
use super::connector::connector;
use super::failure::without_addresses;
use super::sigv4::{Fault, sign_request};
use super::system::System;
use crate::config::Environment;
use crate::failure::{Failure, FailureKind};
use crate::port::Clock;

/// Time for an attempt, for all attempts, and the most of them: those of the SDK's clients.
const ATTEMPT: Duration = Duration::from_secs(2);
const ALL_ATTEMPTS: Duration = Duration::from_secs(5);
const MAX_ATTEMPTS: u32 = 3;

/// The largest answer that is read, in bytes. The largest there is are the [6 MB of a function][quotas].
///
/// [quotas]: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Characters that stay as they are in a segment of a path.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A service of AWS that is called without a client of the SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwsService {
    /// Metrics of CloudWatch.
    CloudWatch,
    /// CloudWatch Logs.
    Logs,
    /// Secrets Manager.
    SecretsManager,
    /// Systems Manager, which has the parameter store.
    SystemsManager,
    /// Lambda: see [`Functions`].
    Lambda,
}

impl AwsService {
    /// Its name in a signature, and in the name of its host.
    const fn name(self) -> &'static str {
        match self {
            Self::CloudWatch => "monitoring",
            Self::Logs => "logs",
            Self::SecretsManager => "secretsmanager",
            Self::SystemsManager => "ssm",
            Self::Lambda => "lambda",
        }
    }

    /// The variable with an endpoint for it alone.
    const fn variable(self) -> &'static str {
        match self {
            Self::CloudWatch => "AWS_ENDPOINT_URL_CLOUDWATCH",
            Self::Logs => "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
            Self::SecretsManager => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            Self::SystemsManager => "AWS_ENDPOINT_URL_SSM",
            Self::Lambda => "AWS_ENDPOINT_URL_LAMBDA",
        }
    }

    /// Its part of the target of an operation, and the version of the JSON protocol; `None` of a service that has paths.
    const fn target(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::CloudWatch => Some(("GraniteServiceVersion20100801", "application/x-amz-json-1.0")),
            Self::Logs => Some(("Logs_20140328", "application/x-amz-json-1.1")),
            Self::SecretsManager => Some(("secretsmanager", "application/x-amz-json-1.1")),
            Self::SystemsManager => Some(("AmazonSSM", "application/x-amz-json-1.1")),
            Self::Lambda => None,
        }
    }
}

/// A client of one service. Nothing is opened before the first call.
#[derive(Debug)]
pub struct SignedClient {
    config: SdkConfig,
    service: AwsService,
    endpoint: String,
    region: String,
    attempt_within: Duration,
    all_within: Duration,
    connector: OnceLock<SharedHttpConnector>,
}

/// A call that has failed: why, and the code that the service has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    failure: Failure,
    code: Option<String>,
}

impl CallError {
    /// The service's code, where it has answered.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self { failure, code: None }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        error.failure
    }
}

/// A request as it is before it is signed, and the name of its operation for whoever reads of its failure.
struct Call<'a> {
    operation: &'a str,
    path: &'a str,
    headers: &'a [(&'static str, &'a str)],
    body: String,
}

impl SignedClient {
    /// A client of that service where the configuration has it: its region, its credentials, its endpoint.
    #[must_use]
    pub fn new(config: &SdkConfig, service: AwsService) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let own = Environment::of_process().optional(service.variable());
        let endpoint = own.or_else(|| config.endpoint_url().map(ToOwned::to_owned));
        let endpoint = endpoint.unwrap_or_else(|| endpoint_of(service, &region));
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let (attempt_within, all_within) = (ATTEMPT, ALL_ATTEMPTS);
        Self {
            config: config.clone(),
            service,
            endpoint,
            region,
            attempt_within,
            all_within,
            connector: OnceLock::new(),
        }
    }

    /// The same client, which waits so long for an answer, and for all attempts: for what may work longer than a call takes.
    #[must_use]
    pub fn within(self, longest: Duration) -> Self {
        Self { attempt_within: longest, all_within: longest, ..self }
    }

    /// Calls an operation of a service that speaks JSON, and answers what it has answered. Repeated as the calls of the SDK's
    /// clients are.
    ///
    /// # Errors
    ///
    /// The service refuses it, or there is no answer in time; permanent of a service that has no such operations.
    pub async fn call(&self, operation: &str, body: &Value) -> Result<Bytes, CallError> {
        let Some((target, version)) = self.service.target() else {
            return Err(
                Failure::permanent(format!("{operation}: {:?} is not called by JSON alone", self.service)).into()
            );
        };
        let target = format!("{target}.{operation}");
        let headers = [("content-type", version), ("x-amz-target", &target)];
        let call = Call { operation, path: "/", headers: &headers, body: body.to_string() };
        Ok(self.send(&call).await?.into_body())
    }

    async fn send(&self, call: &Call<'_>) -> Result<Response<Bytes>, CallError> {
        let attempts = async {
            let mut pause = FIRST_PAUSE;
            for _ in 1..MAX_ATTEMPTS {
                match self.attempt(call).await {
                    Err(CallError { failure, .. })
                        if matches!(failure.kind(), FailureKind::Unavailable | FailureKind::Transient) =>
                    {
                        System.sleep(pause).await;
                        pause *= 2;
                    }
                    answered => return answered,
                }
            }
            self.attempt(call).await
        };
        let timed_out = |_| Err(Failure::unavailable(format!("{}: timed out", call.operation)).into());
        tokio::time::timeout(self.all_within, attempts).await.unwrap_or_else(timed_out)
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Response<Bytes>, CallError> {
        let operation = call.operation;
        let request = self.request(call).await.map_err(|_| {
            let reason = format!("{operation}: the request cannot be made: are there credentials?");
            Failure::new(FailureKind::Misconfigured, reason)
        })?;
        let answer = tokio::time::timeout(self.attempt_within, self.answer(operation, request)).await;
        let answer = answer.map_err(|_| Failure::unavailable(format!("{operation}: timed out")))??;
        if answer.status().is_success() { Ok(answer) } else { Err(refusal(operation, &answer)) }
    }

    async fn request(&self, call: &Call<'_>) -> Result<HttpRequest, Fault> {
        let mut request = HttpRequest::new(call.body.clone().into());
        request.set_method("POST")?;
        request.set_uri(format!("{}{}", self.endpoint, call.path))?;
        for (name, value) in call.headers {
            request.headers_mut().try_insert(*name, (*value).to_owned())?;
        }
        let provider = self.config.credentials_provider().ok_or("no credentials")?;
        let credentials = provider.provide_credentials().await?;
        sign_request(&mut request, credentials, (self.service.name(), &self.region), System.now())?;
        Ok(request)
    }

    fn connector(&self) -> Result<&SharedHttpConnector, Failure> {
        if let Some(connector) = self.connector.get() {
            return Ok(connector);
        }
        let connector = connector(&self.endpoint).map_err(|error| Failure::permanent(error.to_string()))?;
        Ok(self.connector.get_or_init(|| traced(connector)))
    }

    async fn answer(&self, operation: &str, request: HttpRequest) -> Result<Response<Bytes>, Failure> {
        let failed = |why: &str| Failure::unavailable(format!("{operation}: {why}"));
        let answer = self.connector()?.call(request).await.map_err(|_| failed("no connection"))?;
        let answer = HttpResponse::try_into_http1x(answer).map_err(|_| failed("the answer is not understood"))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_BYTES).collect().await;
        let body = body.map_err(|_| failed("the end of the answer does not come"))?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

fn endpoint_of(service: AwsService, region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{}.{region}.{domain}", service.name())
}

/// Answer that tells why there is none, in the body or, of services with paths, in a header.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    #[serde(rename = "__type")]
    code: String,
    #[serde(alias = "Message")]
    message: String,
}

fn refusal(operation: &str, answer: &Response<Bytes>) -> CallError {
    let status = answer.status().as_u16();
    let Refused { code, message } = serde_json::from_slice(answer.body()).unwrap_or_default();
    let of_header = answer.headers().get("x-amzn-errortype").and_then(|code| code.to_str().ok());
    // `namespace#Code`, or `Code:http://documentation/`.
    let code = of_header.unwrap_or(&code).split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default().to_owned();
    let (kind, message) = (FailureKind::of_answer(status, &code), without_addresses(&message));
    CallError { failure: Failure::new(kind, format!("{operation}: {code} ({status}): {message}")), code: Some(code) }
}

/// Functions of Lambda, to be invoked.
#[derive(Debug)]
pub struct Functions(SignedClient);

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
        Self(SignedClient::new(config, AwsService::Lambda))
    }

    /// The same, of which an answer is waited for as long as that.
    #[must_use]
    pub fn within(self, longest: Duration) -> Self {
        Self(self.0.within(longest))
    }

    /// Invokes a function, by its name or ARN, and waits for its answer.
    ///
    /// # Errors
    ///
    /// Lambda refuses it, or there is no answer in time. A function that fails is no error of the call.
    pub async fn invoke(&self, function: &str, payload: &Value) -> Result<Invoked, CallError> {
        let answer = self.post(function, "RequestResponse", payload).await?;
        let error = answer.headers().get("x-amz-function-error");
        let error = error.map(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Ok(Invoked { payload: answer.into_body(), error })
    }

    /// Has Lambda invoke a function, which nobody waits for.
    ///
    /// # Errors
    ///
    /// Lambda refuses it, or there is no answer in time.
    pub async fn start(&self, function: &str, payload: &Value) -> Result<(), CallError> {
        self.post(function, "Event", payload).await.map(drop)
    }

    async fn post(&self, function: &str, how: &str, payload: &Value) -> Result<Response<Bytes>, CallError> {
        let path = format!("/2015-03-31/functions/{}/invocations", utf8_percent_encode(function, UNRESERVED));
        let headers = [("content-type", "application/json"), ("x-amz-invocation-type", how)];
        self.0.send(&Call { operation: "Invoke", path: &path, headers: &headers, body: payload.to_string() }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &'static str) -> Response<Bytes> {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        answer.body(Bytes::from_static(body.as_bytes())).unwrap()
    }

    #[test]
    fn a_refusal_has_its_code_and_says_whether_to_try_again() {
        let of_rest = [("x-amzn-errortype", "ResourceNotFoundException:http://internal.amazon.com/coral/")];
        for (answer, code, kind) in [
            (
                answer(400, &[], r#"{"__type": "com.amazonaws.ssm#AccessDeniedException", "Message": "no"}"#),
                "AccessDeniedException",
                FailureKind::Misconfigured,
            ),
            (
                answer(404, &of_rest, r#"{"Message": "not found: me@example.com"}"#),
                "ResourceNotFoundException",
                FailureKind::Misconfigured,
            ),
            (answer(400, &[], r#"{"__type": "ThrottlingException"}"#), "ThrottlingException", FailureKind::Transient),
            (
                answer(500, &[], r#"{"__type": "InternalServiceError"}"#),
                "InternalServiceError",
                FailureKind::Unavailable,
            ),
            (answer(502, &[], "<html>"), "", FailureKind::Unavailable),
        ] {
            let error = refusal("GetIt", &answer);
            assert_eq!((error.code(), error.failure.kind()), (Some(code), kind), "{error:?}");
            assert!(error.failure.reason().starts_with("GetIt: "), "{error:?}");
            assert!(!error.failure.reason().contains('@'), "{error:?}");
        }
    }

    #[test]
    fn endpoints_are_those_of_the_region() {
        assert_eq!(endpoint_of(AwsService::SystemsManager, "eu-west-1"), "https://ssm.eu-west-1.amazonaws.com");
        assert_eq!(endpoint_of(AwsService::CloudWatch, "cn-north-1"), "https://monitoring.cn-north-1.amazonaws.com.cn");
    }
}
