//! Feed in a DynamoDB table: one item for each page.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use envelope::Time;

use super::dynamo::put_if;
use super::failure::classify;
use crate::failure::{Failure, Result};
use crate::feed::{FeedLog, Page};

type Item = HashMap<String, AttributeValue>;

/// Pages in a table: `pk` is the shard, `sk` the position, `at` the time, and `records` a JSON array of the keys.
#[derive(Clone, Debug)]
pub struct DynamoFeed {
    client: Client,
    table: String,
}

impl DynamoFeed {
    /// Feed in that table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    fn query(&self, shard: u8) -> QueryFluentBuilder {
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        query.expression_attribute_values(":shard", AttributeValue::S(shard.to_string()))
    }
}

impl FeedLog for DynamoFeed {
    async fn append(&self, shard: u8, position: u64, page: &Page) -> Result<bool> {
        let records = serde_json::to_string(&page.records).map_err(|error| Failure::permanent(error.to_string()))?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", AttributeValue::S(shard.to_string()))
            .item("sk", AttributeValue::N(position.to_string()))
            .item("at", AttributeValue::S(page.at.to_string()))
            .item("records", AttributeValue::S(records))
            .condition_expression("attribute_not_exists(pk)");
        put_if(put).await
    }

    async fn after(&self, shard: u8, position: u64, most: u16) -> Result<Vec<(u64, Page)>> {
        let (mut pages, mut position) = (Vec::new(), position);
        loop {
            let query = self
                .query(shard)
                .key_condition_expression("pk = :shard AND sk > :position")
                .expression_attribute_values(":position", AttributeValue::N(position.to_string()))
                .limit(i32::from(most) - i32::try_from(pages.len()).unwrap_or(i32::MAX));
            let answer = Box::pin(query.send()).await.map_err(|error| classify("Query", &error))?;
            for item in answer.items() {
                pages.push(page_of(item)?);
            }
            let is_cut = answer.last_evaluated_key().is_some() && pages.len() < usize::from(most);
            match pages.last() {
                // DynamoDB cuts an answer at 1 MB.
                Some((last, _)) if is_cut => position = *last,
                Some(_) | None => return Ok(pages),
            }
        }
    }

    async fn head(&self, shard: u8) -> Result<u64> {
        let query = self.query(shard).key_condition_expression("pk = :shard").scan_index_forward(false).limit(1);
        let answer = Box::pin(query.projection_expression("sk").send()).await;
        let answer = answer.map_err(|error| classify("Query", &error))?;
        answer.items().first().map_or(Ok(0), position_of)
    }
}

fn position_of(item: &Item) -> Result<u64> {
    let position = item.get("sk").and_then(|position| position.as_n().ok()?.parse().ok());
    position.ok_or_else(|| Failure::permanent("a page of the feed has no position"))
}

fn page_of(item: &Item) -> Result<(u64, Page)> {
    let position = position_of(item)?;
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let at = text("at").and_then(|at| Time::new(at).ok());
    let records = text("records").and_then(|records| serde_json::from_str(records).ok());
    let page = at.zip(records).map(|(at, records)| Page { at, records });
    Ok((position, page.ok_or_else(|| Failure::not_understood(position, "its attributes"))?))
}
