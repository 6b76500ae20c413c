//! Occurrences in a DynamoDB table of their own: one item for each.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use envelope::Time;

use super::dynamo::put_if;
use super::failure::classify;
use crate::failure::Result;
use crate::port::{MAX_COUNTED, Occurrences};

/// Occurrences in a table with the partition key `pk`, whose they are, the sort key `sk`, when and which, and the time to live
/// `expiresAt`.
#[derive(Clone, Debug)]
pub struct DynamoOccurrences {
    client: Client,
    table: String,
    kept: Duration,
}

impl DynamoOccurrences {
    /// Occurrences in that table, of which each is kept so long after its time: for tidiness and for privacy. What is recorded once
    /// more after that, as by a message that was a dead letter for weeks, is counted without the others.
    pub fn new(client: Client, table: impl Into<String>, kept: Duration) -> Self {
        Self { client, table: table.into(), kept }
    }
}

impl Occurrences for DynamoOccurrences {
    async fn record(&self, whose: &str, id: &str, at: Time) -> Result<()> {
        let expires_at = at.after(self.kept).as_millis() / 1_000;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(whose))
            .item("sk", text(format!("{}#{id}", sortable(at.as_millis()))))
            .item("expiresAt", AttributeValue::N(expires_at.to_string()))
            .condition_expression("attribute_not_exists(pk)");
        put_if(put).await.map(drop)
    }

    async fn count(&self, whose: &str, around: Time, within: Duration) -> Result<u32> {
        let (around, within) = (around.as_millis(), i64::try_from(within.as_millis()).unwrap_or(i64::MAX));
        let from = sortable(around.saturating_sub(within));
        // `~` comes after every character of `#` and an id.
        let to = format!("{}~", sortable(around.saturating_add(within)));
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", text(whose))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(to))
            .projection_expression("sk")
            .limit(MAX_COUNTED.cast_signed());
        let answer = Box::pin(query.send()).await.map_err(|error| classify("Query", &error))?;
        // One that was recorded at two times is there twice, and is one.
        let keys = answer.items().iter().filter_map(|item| item.get("sk")?.as_s().ok());
        let ids: HashSet<&str> = keys.filter_map(|key| Some(key.split_once('#')?.1)).collect();
        Ok(u32::try_from(ids.len()).unwrap_or(MAX_COUNTED))
    }
}

/// Milliseconds since 1970 as a text that sorts like the number; what is before 1970 is 1970.
fn sortable(millis: i64) -> String {
    format!("{:015}", millis.max(0))
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}
