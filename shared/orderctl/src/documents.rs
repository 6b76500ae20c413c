//! Documents of the API, as far as they are shown. What else they have is left alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::moment::Moment;

/// Letter: a message that could not be handled.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Letter {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) service: String,
    pub(crate) class: String,
    #[serde(default)]
    pub(crate) reason: String,
    #[serde(rename = "type")]
    pub(crate) event_type: Option<String>,
    pub(crate) order_id: Option<String>,
    pub(crate) failed_at: Moment,
    #[serde(default)]
    pub(crate) receives: u32,
}

/// Page of all orders of a customer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExportPage {
    pub(crate) customer_id: String,
    pub(crate) exported_at: String,
    pub(crate) orders: Vec<serde_json::Value>,
    pub(crate) next: Option<String>,
}

/// Answer to an erasure.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Erased {
    pub(crate) customer_id: String,
    pub(crate) orders: u64,
}

/// Page of the webhooks of all owners.
#[derive(Debug, Deserialize)]
pub(crate) struct Webhooks {
    pub(crate) webhooks: Vec<Value>,
    pub(crate) next: Option<String>,
}

/// Webhook.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Webhook {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) owner: Option<String>,
    pub(crate) disabled: Option<Off>,
    pub(crate) failing: Option<Failing>,
    pub(crate) unable_since: Option<Moment>,
}

/// Reason why a webhook gets nothing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Off {
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) by_operator: bool,
    pub(crate) since: Moment,
}

/// Failures of a webhook.
#[derive(Debug, Deserialize)]
pub(crate) struct Failing {
    pub(crate) since: Moment,
}

/// Page of letters, each as the API has written it.
#[derive(Debug, Deserialize)]
pub(crate) struct LetterPage {
    pub(crate) letters: Vec<Box<RawValue>>,
    pub(crate) next: Option<String>,
}

/// Letter with all that is known of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WholeLetter {
    #[serde(flatten)]
    pub(crate) letter: Letter,
    pub(crate) body: String,
    #[serde(default)]
    pub(crate) erased: bool,
    pub(crate) readable_until: Option<Moment>,
    #[serde(default)]
    pub(crate) function: String,
    #[serde(default)]
    pub(crate) source_queue: String,
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) history: Vec<Entry>,
}

/// Entry of a letter's history.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Entry {
    pub(crate) at: Moment,
    pub(crate) by: String,
    pub(crate) what: String,
    pub(crate) why: Option<String>,
}

/// Letters that have failed for the same reason.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Group {
    pub(crate) service: String,
    #[serde(rename = "type")]
    pub(crate) event_type: Option<String>,
    pub(crate) class: String,
    pub(crate) reason: String,
    pub(crate) count: u32,
    pub(crate) oldest: Moment,
}

/// All groups.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Groups {
    pub(crate) groups: Vec<Group>,
}

/// Job that was taken on; of a dry run it has no id.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Taken {
    pub(crate) id: Option<String>,
    pub(crate) total: Option<u64>,
}

/// Progress of a job: a redrive, a replay or a reconciliation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) service: Option<String>,
    pub(crate) total: Option<u64>,
    pub(crate) sent: u64,
    pub(crate) handled: u64,
    pub(crate) parked_again: u64,
    pub(crate) refused: u64,
    pub(crate) left: u64,
    pub(crate) checked: Option<u64>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) untold: u64,
    pub(crate) by: Option<String>,
    pub(crate) at: Option<Moment>,
}

impl Job {
    /// Number of its findings.
    pub(crate) fn found(&self) -> u64 {
        self.findings.len() as u64 + self.untold
    }

    /// True once it sends or checks no more.
    pub(crate) fn is_over(&self) -> bool {
        self.state != "running"
    }

    /// Letters or events that were sent, and of which it is not known what has become.
    pub(crate) fn open(&self) -> u64 {
        self.sent.saturating_sub(self.handled + self.parked_again)
    }
}

/// Thing that a reconciliation has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Finding {
    pub(crate) kind: String,
    pub(crate) service: Option<String>,
    pub(crate) order_id: Option<String>,
    pub(crate) detail: String,
    pub(crate) healed: bool,
}

/// Order over all services.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Order {
    #[serde(rename = "orderId")]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) timeline: Vec<Step>,
    #[serde(default)]
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) held: Option<Hold>,
    #[serde(default)]
    pub(crate) letters: Vec<Letter>,
}

/// Flag of an order that waits for a person.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Hold {
    pub(crate) score: u8,
    #[serde(default)]
    pub(crate) reasons: Vec<FlagReason>,
}

/// Sign of fraud.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FlagReason {
    pub(crate) detail: String,
}

/// Step of an order in a service.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    pub(crate) at: Moment,
    pub(crate) service: String,
    pub(crate) what: String,
    pub(crate) event: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) waited_ms: Option<i64>,
}

/// Event of an order that a service has not handled yet.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Waiting {
    pub(crate) service: String,
    #[serde(rename = "type")]
    pub(crate) event_type: Option<String>,
    pub(crate) since: Option<Moment>,
    pub(crate) why: Option<String>,
    #[serde(default)]
    pub(crate) person: bool,
    pub(crate) receives: Option<u32>,
    pub(crate) next_attempt: Option<Moment>,
}

/// State of the whole stack.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Status {
    #[serde(default)]
    pub(crate) queues: Vec<Queue>,
    #[serde(default)]
    pub(crate) letters: Letters,
    pub(crate) orders: Option<Orders>,
    #[serde(default)]
    pub(crate) streams: Vec<Stream>,
}

/// Queue of a service.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Queue {
    pub(crate) service: String,
    pub(crate) visible: u64,
    pub(crate) hidden: u64,
    pub(crate) oldest_seconds: Option<i64>,
}

/// Numbers of letters by their states.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Letters {
    pub(crate) waiting: u64,
    pub(crate) sent: u64,
    pub(crate) handled: u64,
    pub(crate) parked_again: u64,
    pub(crate) dropped: u64,
}

/// Numbers of orders.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Orders {
    pub(crate) open: u64,
    pub(crate) late: u64,
}

/// Stream of a service's table, and letters of its relay.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stream {
    pub(crate) service: String,
    pub(crate) relay_letters: u64,
}

/// Page of the journal, each entry as the API has written it.
#[derive(Debug, Deserialize)]
pub(crate) struct JournalPage {
    pub(crate) entries: Vec<Box<RawValue>>,
    pub(crate) next: Option<String>,
}

/// Page of the feed, each event as it was published.
#[derive(Debug, Deserialize)]
pub(crate) struct EventPage {
    pub(crate) events: Vec<Box<RawValue>>,
    pub(crate) next: String,
}

/// Stock of a SKU.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stock {
    pub(crate) sku: String,
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
    pub(crate) available: i64,
}

/// Price of a SKU.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Price {
    pub(crate) sku: String,
    pub(crate) unit_price: Money,
}

/// Amount of money, in minor units of its currency.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Money {
    pub(crate) amount: i64,
    pub(crate) currency: String,
}

/// Order that was placed.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Placed {
    pub(crate) order_id: String,
    pub(crate) status: String,
}
