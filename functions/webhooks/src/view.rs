//! Requests and answers of the API.

use onewrite::envelope::{Fault, Faults, Node, Pattern, Read, parse};
use onewrite::feed::Cursor;
use onewrite::webhook::{Loopback, Target};
use orderflow_events::{Email, Text, Time};
use serde::Serialize;
use serde_json::Value;

use crate::domain::{Act, Delivery, DeliveryState, Disabled, Endpoint};

/// Webhook that is to be made.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename_all = "camelCase"))]
pub(crate) struct NewWebhook {
    /// URL that events are posted to. It begins with `https://` and has a public address.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uri", "maxLength" = 2000)))]
    pub(crate) url: String,
    /// Condition on the events, of at most 4,096 bytes as JSON: those that match are posted. Without it all are.
    #[cfg_attr(feature = "schema", schemars(rename = "match"))]
    pub(crate) pattern: Option<Pattern>,
    /// Words of yours.
    pub(crate) description: Option<Text>,
    /// True: an event of an order is posted once those before it are taken or given up. Else none waits for another.
    pub(crate) in_order: Option<bool>,
    /// Signatures of the messages: `hmac`, as where nothing is said, by a secret that the receiver knows, too; `ed25519`, by a private
    /// key that never leaves here, and the receiver verifies by the public one.
    pub(crate) signing: Option<Signing>,
    /// Mail address that is told when it is disabled by what it answers, once for the outage. It is kept sealed, and not shown.
    pub(crate) contact: Option<Email>,
}

/// Way in which messages are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename_all = "camelCase"))]
pub(crate) enum Signing {
    /// HMAC-SHA-256: `v1`.
    Hmac,
    /// Ed25519: `v1a`.
    Ed25519,
}

/// Change of a webhook. What it does not name stays as it is.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct WebhookChange {
    /// Another URL.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uri", "maxLength" = 2000)))]
    pub(crate) url: Option<String>,
    /// Another condition, of at most 4,096 bytes as JSON; `null` for all events. It counts for what happens from now on: what was
    /// missed before is held against the one of its time.
    #[cfg_attr(feature = "schema", schemars(rename = "match"))]
    pub(crate) pattern: Option<Pattern>,
    /// False: nothing is posted. True: what was missed is posted, and what comes then.
    pub(crate) enabled: Option<bool>,
    /// Another mail address that is told of outages; `null` for none.
    pub(crate) contact: Option<Email>,
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

impl Read for Signing {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        match node.text(faults)? {
            "hmac" => Some(Self::Hmac),
            "ed25519" => Some(Self::Ed25519),
            _ => {
                faults.add(node, "must be hmac or ed25519");
                None
            }
        }
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
        let (contact, signing) = (node.optional("contact", faults), node.optional("signing", faults));
        let Whatever(url) = url?;
        let in_order: Option<Truth> = in_order?;
        let in_order = in_order.map(|Truth(truth)| truth);
        let (pattern, description) = (pattern?, description?);
        Some(Self { url, pattern, description, in_order, signing: signing?, contact: contact? })
    }
}

impl Read for WebhookChange {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        let (url, pattern) = (node.optional("url", faults), node.optional("match", faults));
        let (enabled, contact) = (node.optional("enabled", faults), node.optional("contact", faults));
        let enabled: Option<Option<Truth>> = enabled;
        let url: Option<Whatever> = url?;
        let enabled = enabled?.map(|Truth(truth)| truth);
        Some(Self { url: url.map(|Whatever(url)| url), pattern: pattern?, enabled, contact: contact? })
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
    /// URL that events are posted to. Operators see it without its query, which may be a secret.
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
    /// Time since when nothing can be posted to it, for a reason that stays: its secret cannot be opened, and `rotate` makes another.
    #[serde(skip_serializing_if = "Option::is_none")]
    unable_since: Option<Time>,
    /// Place of the feed up to which it has got all, but for what waits for another attempt. What a disabled webhook has missed is
    /// after it.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    cursor: &'a Cursor,
    /// Tells that events are posted again, as was asked for, and have not come to the place where the feed ended then.
    #[serde(skip_serializing_if = "Option::is_none")]
    resending: Option<bool>,
    /// Tells that there is a mail address that is told of its outages.
    #[serde(skip_serializing_if = "Option::is_none")]
    has_contact: Option<bool>,
    /// Time at which it was made.
    created_at: Time,
    /// Public key that the receiver verifies with, `whpk_` and base64, where messages are signed by Ed25519.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<&'a str>,
    /// Secret that the receiver verifies with, where they are signed by HMAC. It is shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Time up to which the secret, or private key, before the current one signs as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_secret_until: Option<Time>,
    /// Subject of whom it belongs to, for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a Text>,
    /// Last act of an operator, for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'a Act>,
    /// Time at which it was deleted, and by whom, for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<Gone<'a>>,
}

/// Deletion of a webhook.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Gone<'a> {
    /// Time of it.
    at: Time,
    /// Subject of whom it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a Text>,
}

/// Reason why a webhook gets nothing.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
enum Reason {
    /// Somebody has said so.
    ByOwner,
    /// It has taken nothing for three days.
    Dead,
    /// It has answered `410 Gone`.
    Gone,
}

/// State of a webhook that gets nothing.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Off {
    /// `byOwner`: somebody has said so; `dead`: it has taken nothing for three days; `gone`: it has answered 410.
    reason: Reason,
    /// Tells that it was not its owner who has said so, but an operator, who alone may enable it.
    #[serde(skip_serializing_if = "Option::is_none")]
    by_operator: Option<bool>,
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
        let previous = endpoint.previous.last().map(|(_, until)| *until);
        Self {
            id: &endpoint.id,
            url: &endpoint.url,
            pattern: endpoint.pattern.as_ref(),
            description: endpoint.description.as_ref(),
            in_order: endpoint.in_order,
            enabled: endpoint.disabled.is_none(),
            disabled: endpoint.disabled.map(|(reason, since)| Off {
                reason: match reason {
                    Disabled::ByOwner | Disabled::ByOperator => Reason::ByOwner,
                    Disabled::Dead => Reason::Dead,
                    Disabled::Gone => Reason::Gone,
                },
                by_operator: endpoint.is_disabled_by_operator().then_some(true),
                since,
            }),
            failing: endpoint.failing.as_ref().map(|it| Trouble { since: it.since, next_attempt: endpoint.due }),
            unable_since: endpoint.unable_since.filter(|_| endpoint.disabled.is_none()),
            cursor: &endpoint.cursor,
            resending: endpoint.resending.is_some().then_some(true),
            has_contact: endpoint.contact.is_some().then_some(true),
            created_at: endpoint.created_at,
            public_key: endpoint.public_key.as_deref(),
            secret,
            previous_secret_until: previous.filter(|until| now < *until),
            owner: None,
            operator: None,
            deleted: None,
        }
    }

    /// The same with what operators see besides.
    pub(crate) fn with_operation(self, endpoint: &'a Endpoint) -> Self {
        let deleted = endpoint.deleted.as_ref().map(|(at, by)| Gone { at: *at, by: by.as_ref() });
        let (owner, operator) = (endpoint.owner.as_ref(), endpoint.operator.as_ref());
        Self { url: endpoint.plain_url(), owner, operator, deleted, ..self }
    }
}

/// Webhooks of a caller, or of all owners.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct WebhookList<'a> {
    /// The webhooks, at most 100, in the order of their ids.
    pub(crate) webhooks: Vec<Webhook<'a>>,
    /// Parameter `after` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<&'a str>,
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
