//! Spans in memory.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};

use crate::telemetry::set_tracer;

/// Spans of this thread, recorded from [`MemorySpans::record`] until it is dropped.
#[derive(Debug)]
pub struct MemorySpans(Ended);

#[derive(Clone, Debug, Default)]
struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Ended {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl MemorySpans {
    /// Begins to record the spans of this thread: those whose parent is recorded, and those that have none.
    #[must_use]
    pub fn record() -> Self {
        let ended = Ended::default();
        let provider = SdkTracerProvider::builder().with_span_processor(ended.clone()).build();
        set_tracer(Some(BoxedTracer::new(Box::new(provider.tracer("memory")))));
        Self(ended)
    }

    /// The spans that have ended, in the order of their ends.
    #[must_use]
    pub fn ended(&self) -> Vec<SpanData> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for MemorySpans {
    fn drop(&mut self) {
        set_tracer(None);
    }
}
