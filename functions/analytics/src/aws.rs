//! Counts in a DynamoDB table: one item for each span of time, currency and shard.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use onewrite::Result;
use onewrite::aws::classify;

use crate::port::{CountStore, Counted};

/// Counts in a table.
#[derive(Clone, Debug)]
pub struct DynamoCounts {
    client: Client,
    table: String,
    is_consistent: bool,
}

impl DynamoCounts {
    /// Counts in that table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), is_consistent: false }
    }

    /// The same as of now, for whoever is told that there is something new, and looks no second time.
    #[must_use]
    pub fn as_of_now(self) -> Self {
        Self { is_consistent: true, ..self }
    }
}

impl CountStore for DynamoCounts {
    /// Consistent in the end, where it is not to be [as of now](Self::as_of_now): what was counted within the last second may be
    /// missing. Nobody decides anything by it, and it costs half.
    async fn partition(&self, partition: &str) -> Result<Vec<Counted>> {
        let pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(self.is_consistent)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(partition.to_owned()))
            .into_paginator()
            .items()
            .send();
        let items: Vec<_> = pages.try_collect().await.map_err(|error| classify("Query", &error))?;
        let counted = |item: std::collections::HashMap<String, AttributeValue>| {
            let sort = item.get("sk")?.as_s().ok()?.clone();
            let number = |value: &AttributeValue| value.as_n().ok()?.parse().ok();
            let counters: BTreeMap<String, i64> =
                item.iter().filter_map(|(name, value)| Some((name.clone(), number(value)?))).collect();
            Some(Counted { sort, counters })
        };
        Ok(items.into_iter().filter_map(counted).collect())
    }

    async fn warm(&self) {
        let nothing = AttributeValue::S("-".to_owned());
        let query = self.client.query().table_name(&self.table).key_condition_expression("pk = :pk");
        let _ = query.expression_attribute_values(":pk", nothing).send().await;
    }
}
