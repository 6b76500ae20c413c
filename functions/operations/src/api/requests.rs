//! Bodies of requests.

use std::collections::BTreeSet;
use std::time::Duration;

use onewrite::envelope;
use orderflow_events::{Faults, Node, Read, Subject, Text, Time};
use serde_json::Value;

use crate::domain::{Class, LetterId};
use crate::selection::Selection;

/// The most letters that a request may name.
const MAX_NAMED: usize = 1_000;

/// A new body for a letter.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct Edit {
    /// The body: a CloudEvent in structured JSON, as a text.
    pub(super) body: String,
    /// The reason, for those who read the letter's history.
    pub(super) why: Text,
}

/// A text of any length.
struct Whatever(String);

impl Read for Whatever {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.text(faults).map(|text| Self(text.to_owned()))
    }
}

impl Read for Edit {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        let (body, why) = (node.required("body", faults), node.required("why", faults));
        body.map(|Whatever(body)| body).zip(why).map(|(body, why)| Self { body, why })
    }
}

/// Decision that nothing is to be done about a letter.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct Drop {
    /// The reason, for those who read the letter's history.
    pub(super) why: Text,
}

envelope::reads!(Drop { why: required("why") });

/// Letters of a redrive.
pub(super) enum Which {
    These(Vec<LetterId>),
    All(Selection),
}

/// A redrive that is asked for.
pub(super) struct NewRedrive {
    pub(super) letters: Which,
    pub(super) ramp: bool,
    pub(super) rate_per_second: Option<u32>,
    pub(super) dry_run: bool,
}

/// A redrive: of the letters that are named, or of all open letters of a service that have what is given.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "its schema alone is of use")]
pub(super) struct AskedRedrive {
    /// The letters.
    #[schemars(length(min = 1, max = MAX_NAMED))]
    letters: Option<Vec<LetterId>>,
    /// The service; required where no letters are named.
    service: Option<String>,
    /// Type of the event.
    #[schemars(rename = "type")]
    event_type: Option<String>,
    /// Class of the failure.
    class: Option<Class>,
    /// Reason, but for the numbers and ids in it.
    reason: Option<String>,
    /// Sends 1, 2, 5, 10, 20 … letters, each time once those before are handled, and stops when one is parked again.
    ramp: Option<bool>,
    /// The most letters that are sent in a second.
    #[schemars(range(min = 1, max = MAX_RATE))]
    rate_per_second: Option<u32>,
    /// Tells how many letters it would be, and does nothing.
    dry_run: Option<bool>,
}

/// The most letters a second that a redrive may be asked for.
const MAX_RATE: i64 = 1_000;

/// A truth, or a number of letters a second.
struct Truth(bool);
struct Rate(u32);

impl Read for Truth {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let truth = node.value().and_then(Value::as_bool);
        if truth.is_none() {
            faults.add(node, "must be true or false");
        }
        truth.map(Self)
    }
}

impl Read for Rate {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.integer(1, MAX_RATE, faults).and_then(|rate| u32::try_from(rate).ok()).map(Self)
    }
}

impl Read for Class {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let class = node.text(faults).and_then(|name| serde_json::from_value(name.into()).ok());
        if class.is_none() {
            faults.add(node, "must be permanent, exhausted or none");
        }
        class
    }
}

impl Read for NewRedrive {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        let letters = if node.field("letters").value().is_some() {
            let ids = node.list::<LetterId>("letters", MAX_NAMED, faults);
            ids.map(|ids| Which::These(ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect()))
        } else {
            let service = node.required("service", faults).map(|Whatever(service)| service);
            let mut text = |name| node.optional(name, faults).map(|text| text.map(|Whatever(text)| text));
            let (event_type, reason) = (text("type"), text("reason"));
            let class = node.optional("class", faults);
            (|| {
                let (service, event_type, class) = (Some(service?), event_type?, class?);
                Some(Which::All(Selection { service, event_type, class, reason: reason?, ..Selection::default() }))
            })()
        };
        let (ramp, dry_run) = (truth(node, "ramp", faults), truth(node, "dryRun", faults));
        let rate = node.optional("ratePerSecond", faults);
        let rate_per_second = rate.map(|rate| rate.map(|Rate(rate)| rate));
        Some(Self { letters: letters?, ramp: ramp?, rate_per_second: rate_per_second?, dry_run: dry_run? })
    }
}

/// A replay that is asked for.
pub(super) struct NewReplay {
    pub(super) service: String,
    pub(super) order: Option<String>,
    pub(super) event_type: Option<String>,
    pub(super) from: Option<Time>,
    pub(super) to: Option<Time>,
    pub(super) rate_per_second: Option<u32>,
    pub(super) dry_run: bool,
}

/// A replay: of the events of an order, or of those that were put on record in a range of time.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "its schema alone is of use")]
pub(super) struct AskedReplay {
    /// The consumer.
    service: String,
    /// The order; else `from` is required.
    order: Option<String>,
    /// Type of the events.
    #[schemars(rename = "type")]
    event_type: Option<String>,
    /// Beginning of the range.
    from: Option<Time>,
    /// End of the range: now, if it does not say.
    to: Option<Time>,
    /// The most events that are sent in a second.
    #[schemars(range(min = 1, max = MAX_RATE))]
    rate_per_second: Option<u32>,
    /// Tells how many events it would look at, and does nothing.
    dry_run: Option<bool>,
}

impl Read for NewReplay {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        let service = node.required("service", faults).map(|Whatever(service)| service);
        let order = node.optional("order", faults).map(|order| order.map(|order: Subject| order.to_string()));
        let event_type = node.optional("type", faults).map(|text| text.map(|Whatever(text)| text));
        let (from, to) = (node.optional("from", faults), node.optional("to", faults));
        let rate = node.optional("ratePerSecond", faults).map(|rate| rate.map(|Rate(rate)| rate));
        let dry_run = truth(node, "dryRun", faults);
        Some(Self {
            service: service?,
            order: order?,
            event_type: event_type?,
            from: from?,
            to: to?,
            rate_per_second: rate?,
            dry_run: dry_run?,
        })
    }
}

/// The longest time that a reconciliation may be told to leave alone: as long as the journal's index is asked for at once.
const MAX_SECONDS: i64 = 7 * 24 * 3_600;

/// A reconciliation that is asked for.
pub(super) struct NewReconciliation {
    pub(super) heal: bool,
    pub(super) from: Option<Time>,
    pub(super) older_than: Duration,
    pub(super) late_after: Option<Duration>,
}

/// A reconciliation.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "its schema alone is of use")]
pub(super) struct AskedReconciliation {
    /// Publishes and sends once more what has got lost.
    heal: Option<bool>,
    /// Beginning of what is compared: a day ago, if it does not say.
    from: Option<Time>,
    /// Age in seconds of what is compared at the least: what is younger is under way. 600, if it does not say.
    #[schemars(range(min = 0, max = MAX_SECONDS))]
    older_than_seconds: Option<u32>,
    /// Age in seconds at which an order should have ended. That of the stack, if it does not say.
    #[schemars(range(min = 0, max = MAX_SECONDS))]
    late_after_seconds: Option<u32>,
}

/// A number of seconds.
struct Seconds(u64);

impl Read for Seconds {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.integer(0, MAX_SECONDS, faults).and_then(|seconds| u64::try_from(seconds).ok()).map(Self)
    }
}

impl Read for NewReconciliation {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        let heal = truth(node, "heal", faults);
        let from = node.optional("from", faults);
        let mut seconds = |name| {
            let seconds = node.optional(name, faults);
            seconds.map(|seconds| seconds.map(|Seconds(seconds)| Duration::from_secs(seconds)))
        };
        let (older_than, late_after) = (seconds("olderThanSeconds"), seconds("lateAfterSeconds"));
        let older_than = older_than?.unwrap_or(Duration::from_mins(10));
        Some(Self { heal: heal?, from: from?, older_than, late_after: late_after? })
    }
}

/// The truth at a field, false where it is absent.
fn truth(node: &Node<'_>, name: &str, faults: &mut Faults) -> Option<bool> {
    let truth = node.optional(name, faults);
    truth.map(|truth| truth.is_some_and(|Truth(truth)| truth))
}
