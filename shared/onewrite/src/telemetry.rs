//! Logs: one JSON object a line, with the ids that an operator searches for, and never a payload. [Spans](set_tracer): only
//! where somebody collects them. [Metrics]: lines of the log, where a namespace is set for them.
//!
//! What becomes of messages, rows and events is [observed](observe()) in one place, and told to all of these.

mod emf;
mod invocation;
mod log;
mod metrics;
mod observe;
pub(crate) mod spans;

use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::log::Log;
use self::spans::Spans;
use crate::config::Environment;
#[cfg(any(feature = "aws", feature = "http"))]
pub use invocation::begin;
#[cfg(feature = "otlp")]
pub(crate) use invocation::deadline;
pub use invocation::{is_cold_start, request_id, trace_parent};
pub use metrics::{Metrics, MetricsSettings};
pub use observe::{Measure, Observation, Observe, Unit, is_observed, observed_by, set_observer};
pub use spans::{is_traced, set_tracer, within_root_span};

/// Tells an observation, about an event of that type where it is known: to the log, to the span that is at work, and to the
/// [observer of this thread](set_observer).
pub fn observe(event_type: Option<&str>, observation: &Observation<'_>) {
    Log.observe(event_type, observation);
    Spans.observe(event_type, observation);
    if let Some(observer) = observe::observer() {
        observer.observe(event_type, observation);
    }
}

/// Notes that the invocation is over: its metrics are written, and the next one is no cold start.
pub fn end() {
    observe(None, &Observation::Ended { cold_start: is_cold_start() });
    invocation::end();
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
