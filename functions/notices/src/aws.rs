//! States of rules in a DynamoDB table: one item for each. The leases of the digests are in the same table, under other keys.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use onewrite::aws::{classify, put_if};
use onewrite::{Failure, FailureKind, Result};

use crate::domain::State;
use crate::port::{NoticeStore, Stored};

/// Beginning of the keys of states.
const RULE: &str = "rule#";

/// States in a table: `pk` is the rule, `sk` 0, `revision` a number, and `state` a JSON object.
#[derive(Clone, Debug)]
pub struct DynamoNotices {
    client: Client,
    table: String,
}

impl DynamoNotices {
    /// States in that table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn key(rule: &str) -> AttributeValue {
    AttributeValue::S(format!("{RULE}{rule}"))
}

impl NoticeStore for DynamoNotices {
    async fn read(&self, rule: &str) -> Result<Option<Stored>> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let answer = Box::pin(get.key("pk", key(rule)).key("sk", number(0)).send()).await;
        let Some(item) = answer.map_err(|error| classify("GetItem", &error))?.item else { return Ok(None) };
        let revision = item.get("revision").and_then(|value| value.as_n().ok()?.parse().ok());
        let state = item.get("state").and_then(|value| serde_json::from_str(value.as_s().ok()?).ok());
        let stored = revision.zip(state).map(|(revision, state)| Stored { revision, state });
        // As a row: most likely a newer build wrote it.
        let not_understood = || Failure::new(FailureKind::Misconfigured, "the state of a notice is not understood");
        stored.map(Some).ok_or_else(not_understood)
    }

    async fn write(&self, rule: &str, since: u64, state: &State) -> Result<bool> {
        let state = serde_json::to_string(state).map_err(|error| Failure::permanent(error.to_string()))?;
        let put = self.client.put_item().table_name(&self.table).item("pk", key(rule)).item("sk", number(0));
        let put = put.item("revision", number(since + 1)).item("state", AttributeValue::S(state));
        let put = if since == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("revision = :since").expression_attribute_values(":since", number(since))
        };
        put_if(put).await
    }
}
