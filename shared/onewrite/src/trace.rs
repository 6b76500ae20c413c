//! The trace that a subject leaves: W3C Trace Context.

use std::fmt;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId};

use crate::port::Random;

/// A `traceparent` of version 00: which trace, which span of it, and whether it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace: TraceId,
    span: SpanId,
    flags: TraceFlags,
}

impl TraceParent {
    /// Reads a `traceparent`; a broken one is none, as W3C Trace Context wants it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("00-")?.split('-');
        let (trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
        let valid = is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2) && parts.next().is_none();
        if !valid {
            return None;
        }
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
        (trace != TraceId::INVALID && span != SpanId::INVALID).then_some(Self { trace, span, flags })
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
        let halves = [span_id(chance), span_id(chance)];
        let [high, low] = halves.map(|half| u128::from(u64::from_be_bytes(half.to_bytes())));
        Self { trace: TraceId::from((high << 64) | low), span: span_id(chance), flags: TraceFlags::SAMPLED }
    }

    /// The next span of the same trace.
    #[must_use]
    pub fn child(&self, chance: &impl Random) -> Self {
        Self { span: span_id(chance), ..self.clone() }
    }

    /// Tells that the trace is recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags.is_sampled()
    }

    /// Its parts as OpenTelemetry has them.
    pub(crate) fn parts(&self) -> (TraceId, SpanId, TraceFlags) {
        (self.trace, self.span, self.flags)
    }
}

impl From<&SpanContext> for TraceParent {
    fn from(context: &SpanContext) -> Self {
        Self { trace: context.trace_id(), span: context.span_id(), flags: context.trace_flags() }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, self.flags)
    }
}

fn span_id(chance: &impl Random) -> SpanId {
    let mut bytes = [0; 8];
    chance.fill(&mut bytes);
    // All zeros would be no id at all.
    SpanId::from(u64::from_be_bytes(bytes).max(1))
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
        let zero = |length| "0".repeat(length);
        for text in [
            "",
            "nonsense",
            "00-0-0-0",
            &PARENT.to_uppercase(),
            &PARENT.replace('7', "0").replace("0a", "zz"),
            &PARENT.replacen("00", "01", 1),
            &format!("{PARENT}-00"),
            &PARENT[..52],
            &PARENT.replace("0af7651916cd43dd8448eb211c80319c", &zero(32)),
            &PARENT.replace("b7ad6b7169203331", &zero(16)),
            &PARENT.replace("b7ad", "+7ad"),
        ] {
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
