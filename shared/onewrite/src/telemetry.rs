//! Logs: one JSON object a line, with the ids that an operator searches for, and never a payload. [Spans](set_tracer): only
//! where somebody collects them.

pub(crate) mod spans;

use std::cell::RefCell;
use std::str::FromStr;

use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Environment;
use crate::trace::TraceParent;

pub use spans::{is_traced, set_tracer};

/// The invocation that is under way. A function's process has one thread, and one invocation at a time.
#[derive(Default)]
struct Invocation {
    request_id: String,
    trace: Option<TraceParent>,
    deadline: Option<envelope::Time>,
    warm: bool,
}

thread_local! {
    static INVOCATION: RefCell<Invocation> = RefCell::default();
}

/// Starts the logs of this process. `AWS_LAMBDA_LOG_LEVEL`, which Lambda sets from the function's logging
/// configuration, says how much is logged; `INFO` by default. Of what others log, no more than `INFO` ever is: below
/// that the Lambda runtime and the SDK write whole payloads. The crate of `package` is ours, besides this one.
pub fn init(package: &str) {
    let level = Environment::of_process().read(|environment| environment.text("AWS_LAMBDA_LOG_LEVEL"));
    let level = level.ok().and_then(|level| LevelFilter::from_str(&level).ok()).unwrap_or(LevelFilter::INFO);
    logs(package, level, std::io::stdout).init();
    // The message of a panic may have a value in it, so only the place is logged.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked");
    }));
}

/// The form of the logs.
pub(crate) fn logs<W>(package: &str, level: LevelFilter, writer: W) -> impl SubscriberInitExt
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_ansi(false)
        .with_max_level(level)
        .with_writer(writer)
        .finish()
        .with(
            Targets::new()
                .with_default(level.min(LevelFilter::INFO))
                .with_target(env!("CARGO_CRATE_NAME"), level)
                .with_target(package.replace('-', "_"), level),
        )
}

/// Notes the invocation that is under way, and answers when it ends at the latest.
#[cfg(any(feature = "aws", feature = "http"))]
#[must_use]
pub fn begin(context: &lambda_runtime::Context) -> envelope::Time {
    let deadline = envelope::Time::from_millis(i64::try_from(context.deadline).unwrap_or(i64::MAX));
    INVOCATION.with_borrow_mut(|invocation| {
        invocation.deadline = Some(deadline);
        invocation.request_id.clone_from(&context.request_id);
        invocation.trace = context.xray_trace_id.as_deref().and_then(TraceParent::from_xray);
    });
    deadline
}

/// Notes that the invocation is over: the next one is no cold start.
pub fn end() {
    INVOCATION.with_borrow_mut(|invocation| invocation.warm = true);
}

/// The id of the invocation that is under way.
#[must_use]
pub fn request_id() -> String {
    INVOCATION.with_borrow(|invocation| invocation.request_id.clone())
}

/// Cold start: the invocation that is under way is the first of this process.
#[must_use]
pub fn is_cold_start() -> bool {
    INVOCATION.with_borrow(|invocation| !invocation.warm)
}

/// The trace of the invocation that is under way, if Lambda gave one.
#[must_use]
pub fn trace_parent() -> Option<TraceParent> {
    INVOCATION.with_borrow(|invocation| invocation.trace.clone())
}

/// Exports the spans of the invocation whose answer is sent.
#[cfg(any(feature = "aws", feature = "http"))]
pub(crate) async fn flush() {
    #[cfg(feature = "otlp")]
    crate::aws::flush_spans().await;
}

/// End of the invocation that is under way, or was the last.
#[cfg(feature = "otlp")]
pub(crate) fn deadline() -> Option<envelope::Time> {
    INVOCATION.with_borrow(|invocation| invocation.deadline)
}

/// Attributes of a span that tell the invocation that it is of.
fn invocation_attributes() -> impl Iterator<Item = KeyValue> {
    let id = Some(request_id()).filter(|id| !id.is_empty());
    let id = id.map(|id| KeyValue::new(attribute::FAAS_INVOCATION_ID, id));
    id.into_iter().chain(is_cold_start().then(|| KeyValue::new(attribute::FAAS_COLDSTART, true)))
}
