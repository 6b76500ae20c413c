//! The journal in a DynamoDB table: one item for each event.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use onewrite::aws::{classify, put_if};
use onewrite::{Projected, Result};
use orderflow_events::Envelope;

use crate::entry::Entry;
use crate::port::JournalStore;

/// A journal in a table of DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoJournal {
    client: Client,
    table: String,
}

impl DynamoJournal {
    /// A journal in that table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

impl JournalStore for DynamoJournal {
    async fn append(&self, entry: Entry) -> Result<Projected> {
        let item = entry.attributes().map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(HashMap::from(item)))
            .condition_expression("attribute_not_exists(pk)");
        Ok(if put_if(put).await? { Projected::Now } else { Projected::Before })
    }

    async fn has(&self, event: &Envelope) -> Result<bool> {
        let context = &event.context;
        let entry = self.client.get_item().table_name(&self.table).projection_expression("pk");
        let entry = entry.key("pk", AttributeValue::S(context.subject.to_string()));
        let entry = entry.key("sk", AttributeValue::S(format!("{}#{}", context.id, context.source)));
        let found = Box::pin(entry.consistent_read(true).send()).await.map_err(|error| classify("GetItem", &error))?;
        Ok(found.item.is_some())
    }

    /// The function may do nothing but put, so it asks for a put that cannot be: that of an entry which is there already,
    /// under a key that none has.
    async fn warm(&self) {
        let nothing = || AttributeValue::S("-".to_owned());
        let put = self.client.put_item().table_name(&self.table).item("pk", nothing()).item("sk", nothing());
        let _ = put.condition_expression("attribute_exists(pk)").send().await;
    }
}
