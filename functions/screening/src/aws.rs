//! Sightings in a DynamoDB table of their own: one item for each order of each customer and each email address.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use onewrite::Result;
use onewrite::aws::{classify, put_if};
use orderflow_events::{OrderId, Time};

use crate::fingerprint::Fingerprint;
use crate::port::{MAX_COUNTED, Sightings};

/// Table with the partition key `pk`, whose order it was, and the sort key `sk`, when and which.
#[derive(Clone, Debug)]
pub struct DynamoSightings {
    client: Client,
    table: String,
    kept: Duration,
}

impl DynamoSightings {
    /// The sightings in that table, of which each is kept so long after the time of its event: for tidiness and for privacy.
    pub fn new(client: Client, table: impl Into<String>, kept: Duration) -> Self {
        Self { client, table: table.into(), kept }
    }
}

impl Sightings for DynamoSightings {
    async fn record(&self, whose: &Fingerprint, order: &OrderId, at: Time) -> Result<()> {
        let expires_at = at.after(self.kept).as_millis() / 1_000;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(whose.as_str()))
            .item("sk", text(format!("{}#{order}", sortable(at.as_millis()))))
            .item("expiresAt", AttributeValue::N(expires_at.to_string()))
            .condition_expression("attribute_not_exists(pk)");
        put_if(put).await.map(drop)
    }

    async fn count(&self, whose: &Fingerprint, around: Time, within: Duration) -> Result<u32> {
        let (around, within) = (around.as_millis(), i64::try_from(within.as_millis()).unwrap_or(i64::MAX));
        let from = sortable(around.saturating_sub(within));
        // `~` comes after every character of `#` and an order id.
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
        // An order is there twice if it was created twice, at two times: a fault of its producer's, and one order.
        let keys = answer.items().iter().filter_map(|item| item.get("sk")?.as_s().ok());
        let orders: HashSet<&str> = keys.filter_map(|key| Some(key.split_once('#')?.1)).collect();
        Ok(u32::try_from(orders.len()).unwrap_or(MAX_COUNTED))
    }
}

/// Milliseconds since 1970 as a text that sorts like the number; what is before 1970 is 1970.
fn sortable(millis: i64) -> String {
    format!("{:015}", millis.max(0))
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}
