//! Declines in a DynamoDB table of their own: one item for each decline of each customer, method and block of addresses.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use onewrite::Result;
use onewrite::aws::{classify, put_if};
use orderflow_events::{PaymentId, Time};

use crate::limit::Tally;
use crate::port::{Declines, MAX_COUNTED};

/// Retention of an item after the time of its event, for tidiness and for privacy. A message is at most 14 days in each of
/// three queues: the one for what the topic could not deliver, its own, and the one for dead letters. Who comes back later than
/// that is counted without the others.
pub const DECLINES_KEPT: Duration = Duration::from_hours(45 * 24);

/// Table with the partition key `pk`, whose decline it was, and the sort key `sk`, when and of which charge.
#[derive(Clone, Debug)]
pub struct DynamoDeclines {
    client: Client,
    table: String,
}

impl DynamoDeclines {
    /// The declines in that table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

impl Declines for DynamoDeclines {
    async fn record(&self, whose: &Tally, payment: &PaymentId, at: Time) -> Result<()> {
        let expires_at = at.after(DECLINES_KEPT).as_millis() / 1_000;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(whose.as_str()))
            .item("sk", text(format!("{}#{payment}", sortable(at.as_millis()))))
            .item("expiresAt", AttributeValue::N(expires_at.to_string()))
            .condition_expression("attribute_not_exists(pk)");
        put_if(put).await.map(drop)
    }

    async fn count(&self, whose: &Tally, around: Time, within: Duration) -> Result<u32> {
        let (around, within) = (around.as_millis(), i64::try_from(within.as_millis()).unwrap_or(i64::MAX));
        let from = sortable(around.saturating_sub(within));
        // `~` comes after every character of `#` and a payment's id.
        let to = format!("{}~", sortable(around.saturating_add(within)));
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", text(whose.as_str()))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(to))
            .projection_expression("sk")
            .limit(MAX_COUNTED.cast_signed());
        let answer = Box::pin(query.send()).await.map_err(|error| classify("Query", &error))?;
        // A charge is there twice if two events had it declined.
        let keys = answer.items().iter().filter_map(|item| item.get("sk")?.as_s().ok());
        let payments: HashSet<&str> = keys.filter_map(|key| Some(key.split_once('#')?.1)).collect();
        Ok(u32::try_from(payments.len()).unwrap_or(MAX_COUNTED))
    }
}

/// Milliseconds since 1970 as a text that sorts like the number; what is before 1970 is 1970.
fn sortable(millis: i64) -> String {
    format!("{:015}", millis.max(0))
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}
