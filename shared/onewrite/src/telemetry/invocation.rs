//! Invocation that is under way, as its logs and spans tell it.

use std::cell::RefCell;

use crate::trace::TraceParent;

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
pub(super) fn end() {
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

/// End of the invocation that is under way, or was the last.
#[cfg(feature = "otlp")]
pub(crate) fn deadline() -> Option<envelope::Time> {
    INVOCATION.with_borrow(|invocation| invocation.deadline)
}
