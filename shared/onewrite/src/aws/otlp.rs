//! Export of spans by OTLP over HTTP, to a collector or to X-Ray itself.
//!
//! Nothing of it is made unless an endpoint is configured. A batch is sent when the answer of its invocation is, with
//! [`LIMIT`] for it: a batch that a collector does not take by then is lost, and it is left alone for a while, for which spans
//! wait. So a collector that is slow or dead costs spans, and never an event.

use std::cell::RefCell;
use std::mem::take;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use bytes::Bytes;
use envelope::Time;
use http_body_util::{BodyExt, Limited};
use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanExporter as _, SpanProcessor};
use opentelemetry_semantic_conventions::attribute;
use tracing::warn;

use super::connector::connector;
use super::roots::host_of;
use super::sigv4::{Fault, sign_request};
use super::system::System;
use crate::config::Environment;
use crate::port::Clock;
use crate::telemetry;

/// Longest time that an export takes of an invocation whose answer is sent.
const LIMIT: Duration = Duration::from_millis(200);

/// Time that is left of an invocation when an export ends.
const RESERVE: Duration = Duration::from_millis(50);

/// Time for which a collector that has failed is left alone: a dead one costs a fiftieth of the time.
const PAUSE: Duration = Duration::from_secs(10);

/// Most spans that wait: the default of `OTEL_BSP_MAX_QUEUE_SIZE`. A batch of ten messages has some hundred.
const MAX_WAITING: usize = 2_048;

/// The largest answer of a collector that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

thread_local! {
    static EXPORT: RefCell<Option<Rc<Export>>> = const { RefCell::new(None) };
}

/// Export of this thread's spans.
struct Export {
    waiting: Waiting,
    exporter: SpanExporter,
    not_before: RefCell<Option<Time>>,
}

/// Spans that have ended and are not sent.
#[derive(Clone, Debug, Default)]
struct Waiting(Arc<Mutex<Vec<SpanData>>>);

impl Waiting {
    fn take(&self) -> Vec<SpanData> {
        take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SpanProcessor for Waiting {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MAX_WAITING {
            waiting.push(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Starts the export, if `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT` says where to. What cannot be
/// started costs the spans, and not the function.
pub(super) fn start() {
    let environment = Environment::of_process();
    let Some(endpoint) = endpoint(&environment) else { return };
    match export(&endpoint, &environment) {
        Ok((provider, export)) => {
            telemetry::set_tracer(Some(BoxedTracer::new(Box::new(provider.tracer(env!("CARGO_PKG_NAME"))))));
            EXPORT.set(Some(Rc::new(export)));
        }
        Err(error) => warn!(%error, "spans are not exported"),
    }
}

/// URL that spans are sent to, by the rules of OpenTelemetry; `None` where nobody asks for them.
fn endpoint(environment: &Environment) -> Option<String> {
    let of_all = environment.optional("OTEL_EXPORTER_OTLP_ENDPOINT");
    let below = of_all.map(|endpoint| format!("{}/v1/traces", endpoint.trim_end_matches('/')));
    environment.optional("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or(below)
}

/// The exporter reads the headers, and the provider the sampler, from the variables of OpenTelemetry. By default the sampler
/// follows the parent.
fn export(endpoint: &str, environment: &Environment) -> Result<(SdkTracerProvider, Export), Fault> {
    let client = Client { connector: connector(endpoint, None)?, x_ray_region: region_of_x_ray(host_of(endpoint)) };
    let exporter = SpanExporter::builder().with_http().with_endpoint(endpoint).with_http_client(client);
    let mut exporter = exporter.with_retry_policy(RetryPolicy::disabled()).build()?;
    let resource = resource(environment);
    exporter.set_resource(&resource);
    let waiting = Waiting::default();
    let provider = SdkTracerProvider::builder().with_span_processor(waiting.clone()).with_resource(resource).build();
    Ok((provider, Export { waiting, exporter, not_before: RefCell::default() }))
}

/// Description of this function. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` go before it.
fn resource(environment: &Environment) -> Resource {
    let mut resource = Resource::builder().with_attribute(KeyValue::new(attribute::CLOUD_PROVIDER, "aws"));
    let function = environment.optional("AWS_LAMBDA_FUNCTION_NAME");
    for (name, value) in [
        (attribute::CLOUD_REGION, environment.optional("AWS_REGION")),
        (attribute::FAAS_NAME, function.clone()),
        (attribute::FAAS_VERSION, environment.optional("AWS_LAMBDA_FUNCTION_VERSION")),
        (attribute::FAAS_INSTANCE, environment.optional("AWS_LAMBDA_LOG_STREAM_NAME")),
        (attribute::SERVICE_NAME, function.filter(|_| environment.optional("OTEL_SERVICE_NAME").is_none())),
    ] {
        if let Some(value) = value {
            resource = resource.with_attribute(KeyValue::new(name, value));
        }
    }
    resource.build()
}

/// Sends what has ended, within [`LIMIT`] and before the invocation's own end.
pub(crate) async fn flush_spans() {
    let Some(export) = EXPORT.with_borrow(Clone::clone) else { return };
    let now = System.now();
    let left = telemetry::deadline().map_or(LIMIT, |deadline| now.until(deadline).saturating_sub(RESERVE));
    export.flush(now, left.min(LIMIT)).await;
}

impl Export {
    async fn flush(&self, now: Time, limit: Duration) {
        if self.not_before.borrow().is_some_and(|not_before| now < not_before) {
            return;
        }
        let spans = self.waiting.take();
        if spans.is_empty() {
            return;
        }
        let sent = tokio::time::timeout(limit, self.exporter.export(spans)).await;
        let lost = match sent {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        if let Some(reason) = &lost {
            warn!(reason, "spans are lost");
        }
        self.not_before.replace(lost.map(|_| now.after(PAUSE)));
    }
}

/// Client of HTTP for the exporter: that of all calls, and a signature where X-Ray is asked.
#[derive(Debug)]
struct Client {
    connector: SharedHttpConnector,
    x_ray_region: Option<String>,
}

/// Region of an endpoint of X-Ray; `None` of any other.
fn region_of_x_ray(host: &str) -> Option<String> {
    let region = host.strip_prefix("xray.")?.strip_suffix(".amazonaws.com")?;
    Some(region.to_owned())
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut request = HttpRequest::try_from(request.map(Into::into))?;
        if let Some(region) = &self.x_ray_region {
            let credentials = EnvironmentVariableCredentialsProvider::new().provide_credentials().await?;
            sign_request(&mut request, credentials, ("xray", region), System.now())?;
        }
        let answer = self.connector.call(request).await?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await?.to_bytes();
        Ok(Response::builder().status(status).body(body)?)
    }
}

#[cfg(test)]
mod tests;
