//! Counts in a DynamoDB table: the text of each item is its attribute `counted`.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use onewrite::Result;
use onewrite::aws::{classify, put_if};

use crate::port::{CountStore, Key};

/// Attribute that has the text.
const TEXT: &str = "counted";

/// Counts in a table.
#[derive(Clone, Debug)]
pub struct DynamoCounts {
    client: Client,
    table: String,
}

impl DynamoCounts {
    /// Counts in that table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    fn to_put(&self, key: &Key, text: &str) -> PutItemFluentBuilder {
        let put = self.client.put_item().table_name(&self.table);
        put.item("pk", value(&key.partition)).item("sk", value(&key.sort)).item(TEXT, value(text))
    }
}

impl CountStore for DynamoCounts {
    async fn get(&self, key: &Key) -> Result<Option<String>> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let get = get.key("pk", value(&key.partition)).key("sk", value(&key.sort));
        let answer = Box::pin(get.send()).await.map_err(|error| classify("GetItem", &error))?;
        Ok(answer.item.and_then(|mut item| text(item.remove(TEXT)?)))
    }

    async fn range(&self, partition: &str, from: &str, to: &str) -> Result<Vec<(String, String)>> {
        // DynamoDB refuses to look between them.
        if from > to {
            return Ok(Vec::new());
        }
        let pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", value(partition))
            .expression_attribute_values(":from", value(from))
            .expression_attribute_values(":to", value(to))
            .into_paginator()
            .items()
            .send();
        let items: Vec<_> = pages.try_collect().await.map_err(|error| classify("Query", &error))?;
        let item = |mut item: std::collections::HashMap<String, AttributeValue>| {
            Some((text(item.remove("sk")?)?, text(item.remove(TEXT)?)?))
        };
        Ok(items.into_iter().filter_map(item).collect())
    }

    async fn put(&self, key: &Key, text: &str) -> Result<()> {
        let put = self.to_put(key, text);
        Box::pin(put.send()).await.map(drop).map_err(|error| classify("PutItem", &error))
    }

    async fn replace(&self, key: &Key, before: Option<&str>, text: &str) -> Result<bool> {
        let put = self.to_put(key, text);
        put_if(match before {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(before) => put
                .condition_expression("#text = :before")
                .expression_attribute_names("#text", TEXT)
                .expression_attribute_values(":before", value(before)),
        })
        .await
    }

    async fn warm(&self) {
        let _ = self.get(&Key::new("-", "-")).await;
    }
}

fn value(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn text(value: AttributeValue) -> Option<String> {
    match value {
        AttributeValue::S(text) => Some(text),
        _ => None,
    }
}
