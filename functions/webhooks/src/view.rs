//! Requests and answers of the API.

use onewrite::envelope::{Fault, Faults, Node, Pattern, Read, parse};
use onewrite::feed::Cursor;
use onewrite::webhook::{Loopback, Target};
use orderflow_events::{Text, Time};
use serde::Serialize;
use serde_json::Value;

use crate::domain::{Delivery, DeliveryState, Disabled, Endpoint};

/// Webhook that is to be made.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename_all = "camelCase"))]
pub(crate) struct NewWebhook {
    /// URL that events are posted to. It begins with `https://` and has a public address.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uri", "maxLength" = 2000)))]
    pub(crate) url: String,
    /// Condition on the events: those that match are posted. Without it all are.
    #[cfg_attr(feature = "schema", schemars(rename = "match"))]
    pub(crate) pattern: Option<Pattern>,
    /// Words of yours.
    pub(crate) description: Option<Text>,
    /// True: an event of an order is posted once those before it are taken or given up. Else none waits for another.
    pub(crate) in_order: Option<bool>,
}

/// Change of a webhook. What it does not name stays as it is.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct WebhookChange {
    /// Another URL.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uri", "maxLength" = 2000)))]
    pub(crate) url: Option<String>,
    /// Another condition; `null` for all events.
    #[cfg_attr(feature = "schema", schemars(rename = "match"))]
    pub(crate) pattern: Option<Pattern>,
    /// False: nothing is posted. True: what was missed is posted, and what comes then.
    pub(crate) enabled: Option<bool>,
}

/// Place of the feed after which events are to be posted again.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Resend {
    /// Cursor that the feed or a webhook has shown; `0` for the beginning.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub(crate) after: Cursor,
}

/// Truth value.
struct Truth(bool);

/// Text of any length, which is looked at by itself.
struct Whatever(String);

impl Read for Truth {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let truth = node.value().and_then(Value::as_bool);
        if truth.is_none() {
            faults.add(node, "must be true or false");
        }
        truth.map(Self)
    }
}

impl Read for Whatever {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.text(faults).map(|text| Self(text.to_owned()))
    }
}

impl Read for NewWebhook {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        let (url, pattern) = (node.required("url", faults), node.optional("match", faults));
        let (description, in_order) = (node.optional("description", faults), node.optional("inOrder", faults));
        let Whatever(url) = url?;
        let in_order: Option<Truth> = in_order?;
        Some(Self { url, pattern: pattern?, description: description?, in_order: in_order.map(|Truth(truth)| truth) })
    }
}

impl Read for WebhookChange {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        let (url, pattern) = (node.optional("url", faults), node.optional("match", faults));
        let enabled: Option<Option<Truth>> = node.optional("enabled", faults);
        let url: Option<Whatever> = url?;
        let enabled = enabled?.map(|Truth(truth)| truth);
        Some(Self { url: url.map(|Whatever(url)| url), pattern: pattern?, enabled })
    }
}

impl Read for Resend {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        let Whatever(after) = node.required("after", faults)?;
        match after.parse() {
            Ok(after) => Some(Self { after }),
            Err(rule) => {
                faults.add(&node.field("after"), rule.to_string());
                None
            }
        }
    }
}

/// The most bytes of a pattern, as JSON.
const MAX_PATTERN_BYTES: usize = 4_096;

/// Reads a body that may have a URL and a pattern, by the rules for them: all faults at once.
pub(crate) fn read_with_url<T: Read>(document: &Value, loopback: Loopback) -> Result<T, Vec<Fault>> {
    let url = document.get("url").and_then(Value::as_str);
    let rule = url.and_then(|url| Target::new(url, loopback).err());
    let fault = rule.map(|rule| Fault { pointer: "/url".to_owned(), detail: rule.to_string() });
    let is_long = document.get("match").is_some_and(|pattern| pattern.to_string().len() > MAX_PATTERN_BYTES);
    let long = is_long.then(|| Fault {
        pointer: "/match".to_owned(),
        detail: format!("must have at most {MAX_PATTERN_BYTES} bytes"),
    });
    let faults: Vec<Fault> = fault.into_iter().chain(long).collect();
    match (parse(document), faults) {
        (Ok(read), faults) if faults.is_empty() => Ok(read),
        (read, found) => {
            let faults = read.err().map(|faults| faults.as_slice().to_vec()).unwrap_or_default();
            Err(found.into_iter().chain(faults).collect())
        }
    }
}

/// Webhook.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Webhook<'a> {
    /// Its id.
    id: &'a str,
    /// URL that events are posted to.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uri")))]
    url: &'a str,
    /// Condition on the events; without it all are posted.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Pattern>"))]
    pattern: Option<&'a Value>,
    /// Words of its owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a Text>,
    /// Tells that an event of an order is posted once those before it are taken or given up.
    in_order: bool,
    /// Tells that events are posted.
    enabled: bool,
    /// Reason why none are, and since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<Off>,
    /// Failures since it has last taken an event, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing: Option<Trouble>,
    /// Place of the feed up to which it has got all, but for what waits for another attempt. What a disabled webhook has missed is
    /// after it.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    cursor: &'a Cursor,
    /// Time at which it was made.
    created_at: Time,
    /// Secret that the receiver verifies with. It is shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Time up to which the secret before the current one signs as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_secret_until: Option<Time>,
}

/// Reason why a webhook gets nothing.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Off {
    /// `byOwner`; `dead`: it has taken nothing for three days; `gone`: it has answered 410.
    reason: Disabled,
    /// Time since when.
    since: Time,
}

/// Failures of a webhook.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Trouble {
    /// Time of the first.
    since: Time,
    /// Time of the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt: Option<Time>,
}

impl<'a> Webhook<'a> {
    /// A webhook as it is at that time, with its secret if that is new.
    pub(crate) fn of(endpoint: &'a Endpoint, secret: Option<String>, now: Time) -> Self {
        let previous = endpoint.previous.as_ref().map(|(_, until)| *until);
        Self {
            id: &endpoint.id,
            url: &endpoint.url,
            pattern: endpoint.pattern.as_ref(),
            description: endpoint.description.as_ref(),
            in_order: endpoint.in_order,
            enabled: endpoint.disabled.is_none(),
            disabled: endpoint.disabled.map(|(reason, since)| Off { reason, since }),
            failing: endpoint.failing.as_ref().map(|it| Trouble { since: it.since, next_attempt: endpoint.due }),
            cursor: &endpoint.cursor,
            created_at: endpoint.created_at,
            secret,
            previous_secret_until: previous.filter(|until| now < *until),
        }
    }
}

/// Webhooks of a caller.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct WebhookList<'a> {
    /// The webhooks.
    pub(crate) webhooks: Vec<Webhook<'a>>,
}

/// Delivery of an event.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookDelivery<'a> {
    /// Id of the event, and of the message: the header `webhook-id`.
    event_id: &'a str,
    /// Type of the event.
    #[serde(rename = "type")]
    event_type: &'a str,
    /// State that it is in.
    state: DeliveryState,
    /// Number of attempts.
    attempts: u32,
    /// Time of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Time>,
    /// Status of the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// First bytes of the last answer, or why there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a str>,
    /// Time of the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt: Option<Time>,
}

impl<'a> From<&'a Delivery> for WebhookDelivery<'a> {
    fn from(delivery: &'a Delivery) -> Self {
        Self {
            event_id: &delivery.event_id,
            event_type: &delivery.event_type,
            state: delivery.state,
            attempts: delivery.attempts,
            at: delivery.last_at,
            status: delivery.status,
            answer: delivery.answer.as_deref(),
            next_attempt: delivery.next_at,
        }
    }
}

/// Deliveries of a webhook.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct DeliveryPage<'a> {
    /// On the first page those that wait for another attempt, what was to be sent first before what came later; then those that have
    /// ended, the latest event first.
    pub(crate) deliveries: Vec<WebhookDelivery<'a>>,
    /// Parameter `before` of the next page, if there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<&'a str>,
}

/// JSON Schemas of the requests and answers, each under its name; what is in a list of them comes with that.
#[cfg(feature = "schema")]
#[must_use]
pub fn schemas() -> [(&'static str, Value); 5] {
    use orderflow_events::schema::{of_answer, of_request};
    [
        ("NewWebhook", of_request::<NewWebhook>()),
        ("WebhookChange", of_request::<WebhookChange>()),
        ("Resend", of_request::<Resend>()),
        ("WebhookList", of_answer::<WebhookList<'_>>()),
        ("DeliveryPage", of_answer::<DeliveryPage<'_>>()),
    ]
}
