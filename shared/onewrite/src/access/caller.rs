//! Caller of a request, as their token names them.

use std::collections::BTreeSet;

use envelope::{Extensions, Text};
use lambda_http::http::StatusCode;
use lambda_http::{Request, RequestExt};

use crate::http::Problem;
use crate::ledger::Origin;
use crate::port::Random;
use crate::row::Cause;
use crate::telemetry;
use crate::trace::TraceParent;

/// Caller of a request: who they are, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    subject: Option<Text>,
    scopes: Scopes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Scopes {
    All,
    These(BTreeSet<String>),
}

impl Caller {
    /// Caller where access is open: nobody knows who they are, and they may do everything.
    #[must_use]
    pub const fn anybody() -> Self {
        Self { subject: None, scopes: Scopes::All }
    }

    /// Caller without a token: nobody knows who they are, and they have no scope.
    #[must_use]
    pub const fn guest() -> Self {
        Self { subject: None, scopes: Scopes::These(BTreeSet::new()) }
    }

    /// Caller with a token of that subject and those scopes.
    pub fn signed_in<S: Into<String>>(subject: Text, scopes: impl IntoIterator<Item = S>) -> Self {
        Self { subject: Some(subject), scopes: Scopes::These(scopes.into_iter().map(Into::into).collect()) }
    }

    /// Subject of the token; none of a guest, and none where access is open.
    #[must_use]
    pub const fn subject(&self) -> Option<&Text> {
        self.subject.as_ref()
    }

    /// True if the caller has that scope.
    #[must_use]
    pub fn has(&self, scope: &str) -> bool {
        match &self.scopes {
            Scopes::All => true,
            Scopes::These(scopes) => scopes.contains(scope),
        }
    }

    /// True if it is this caller's own.
    #[must_use]
    pub fn is(&self, owner: &Text) -> bool {
        self.subject.as_ref() == Some(owner)
    }

    /// Demands a scope.
    ///
    /// # Errors
    ///
    /// 403, with the scope that is missing.
    pub fn demand(&self, scope: &'static str) -> Result<(), Problem> {
        if self.has(scope) {
            return Ok(());
        }
        let challenge = format!("error=\"insufficient_scope\", scope=\"{scope}\"");
        let detail = format!("The caller needs the scope {scope}.");
        Err(Problem::new(StatusCode::FORBIDDEN, detail).with_challenge(&challenge))
    }
}

/// Origin of what a request commits: the request as its cause, `command` of `source`, under the id of its invocation and by whom
/// it is, and the trace that it is in, or a new one.
#[must_use]
pub fn origin_of(request: &Request, source: &str, command: &str, by: Option<String>, random: &impl Random) -> Origin {
    let traced = request.headers().get("traceparent").and_then(|value| TraceParent::parse(value.to_str().ok()?));
    let trace_parent = traced.or_else(telemetry::trace_parent).unwrap_or_else(|| TraceParent::new(random));
    Origin {
        cause: Cause {
            source: source.to_owned(),
            id: request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default(),
            event_type: command.to_owned(),
            by,
        },
        correlation_id: None,
        causation_id: None,
        extensions: Extensions::new(),
        trace_parent: Some(trace_parent),
        trace_state: None,
    }
}
