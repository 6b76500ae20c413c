//! The trace that a subject leaves: W3C Trace Context.

use std::fmt;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId};

use crate::port::Random;

/// A `traceparent` of version 00: which trace, which span of it, and whether it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace: String,
    span: String,
    flags: String,
}

impl TraceParent {
    /// Reads a `traceparent`; a broken one is none, as W3C Trace Context wants it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let &["00", trace, span, flags] = parts.as_slice() else { return None };
        let valid = is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
        let present = trace.bytes().any(|byte| byte != b'0') && span.bytes().any(|byte| byte != b'0');
        (valid && present).then(|| Self { trace: trace.to_owned(), span: span.to_owned(), flags: flags.to_owned() })
    }

    /// Reads AWS's own form, `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`.
    #[must_use]
    pub fn from_xray(header: &str) -> Option<Self> {
        let field = |name: &str| header.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let trace = field("Root")?.strip_prefix("1-")?.replace('-', "");
        let flags = if field("Sampled") == Some("1") { "01" } else { "00" };
        Self::parse(&format!("00-{trace}-{}-{flags}", field("Parent")?))
    }

    /// A trace that begins here, and is recorded.
    #[must_use]
    pub fn new(chance: &impl Random) -> Self {
        Self { trace: format!("{}{}", span_id(chance), span_id(chance)), span: span_id(chance), flags: "01".to_owned() }
    }

    /// The next span of the same trace.
    #[must_use]
    pub fn child(&self, chance: &impl Random) -> Self {
        Self { span: span_id(chance), ..self.clone() }
    }

    /// Tells that the trace is recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.parts().2.is_sampled()
    }

    /// Its parts as OpenTelemetry has them.
    pub(crate) fn parts(&self) -> (TraceId, SpanId, TraceFlags) {
        (
            TraceId::from_hex(&self.trace).unwrap_or(TraceId::INVALID),
            SpanId::from_hex(&self.span).unwrap_or(SpanId::INVALID),
            TraceFlags::new(u8::from_str_radix(&self.flags, 16).unwrap_or_default()),
        )
    }
}

impl From<&SpanContext> for TraceParent {
    fn from(context: &SpanContext) -> Self {
        Self {
            trace: context.trace_id().to_string(),
            span: context.span_id().to_string(),
            flags: format!("{:02x}", context.trace_flags()),
        }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{}", self.trace, self.span, self.flags)
    }
}

fn span_id(chance: &impl Random) -> String {
    let mut bytes = [0; 8];
    chance.fill(&mut bytes);
    // All zeros would be no id at all.
    format!("{:016x}", u64::from_be_bytes(bytes).max(1))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::VirtualTime;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_child_stays_in_the_trace() {
        let world = VirtualTime::new(1);
        let parent = TraceParent::parse(PARENT).unwrap();
        let child = parent.child(&world);
        assert_eq!(parent.to_string(), PARENT);
        assert_eq!(child.to_string()[..36], PARENT[..36]);
        assert_ne!(child, parent);
        assert_eq!(TraceParent::parse(&child.to_string()), Some(child));
        assert!(TraceParent::parse(&TraceParent::new(&world).to_string()).is_some());
    }

    #[test]
    fn a_broken_trace_is_none() {
        for text in ["", "nonsense", &PARENT.to_uppercase(), &PARENT.replace('7', "0").replace("0a", "zz"), "00-0-0-0"]
        {
            assert_eq!(TraceParent::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_trace_of_aws_is_understood() {
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a:0";
        let parent = TraceParent::from_xray(header).map(|parent| parent.to_string());
        assert_eq!(parent.as_deref(), Some("00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"));
        assert_eq!(TraceParent::from_xray("Root=1-5759e988-bd862e3fe1be46a994272793"), None);
    }
}
