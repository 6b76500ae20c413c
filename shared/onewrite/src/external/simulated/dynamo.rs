//! A simulated company's register in a DynamoDB table of its own: one item for each id.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use envelope::Time;
use serde::Deserialize;

use super::register::{Entry, Performed, Register};
use crate::aws::{classify, update_if};
use crate::failure::{Failure, Result};

type Attributes = HashMap<String, AttributeValue>;

/// Table with the partition key `pk`.
#[derive(Clone, Debug)]
pub struct DynamoRegister {
    client: Client,
    table: String,
}

impl DynamoRegister {
    /// The register in that table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    fn update(&self, id: &str, expression: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("pk", text(id)).update_expression(expression)
    }
}

impl Register for DynamoRegister {
    async fn entry(&self, id: &str) -> Result<Entry> {
        let get = self.client.get_item().table_name(&self.table).key("pk", text(id)).consistent_read(true);
        let answer = get.send().await.map_err(|error| classify("GetItem", &error))?;
        read(id, answer.item.unwrap_or_default()).map(|item| Entry {
            performed: item.performed.into_iter().map(Performed::from).collect(),
            cancelled: item.cancelled,
        })
    }

    async fn count_attempt(&self, id: &str) -> Result<u32> {
        let update = self
            .update(id, "ADD attempts :one")
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::UpdatedNew);
        let answer = update.send().await.map_err(|error| classify("UpdateItem", &error))?;
        read(id, answer.attributes.unwrap_or_default()).map(|item| item.attempts)
    }

    async fn perform(&self, id: &str, effect: &Performed, forgotten: Time) -> Result<bool> {
        let at = number(effect.at.as_millis());
        let performed = HashMap::from([("answer".to_owned(), text(&effect.answer)), ("at".to_owned(), at.clone())]);
        let update = self
            .update(id, "SET performed = list_append(if_not_exists(performed, :none), :performed), lastAt = :at")
            .condition_expression(
                "attribute_not_exists(cancelled) AND (attribute_not_exists(lastAt) OR lastAt <= :forgotten)",
            )
            .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
            .expression_attribute_values(":performed", AttributeValue::L(vec![AttributeValue::M(performed)]))
            .expression_attribute_values(":at", at)
            .expression_attribute_values(":forgotten", number(forgotten.as_millis()));
        update_if(update).await
    }

    async fn cancel(&self, id: &str) -> Result<()> {
        let update = self
            .update(id, "SET cancelled = :true")
            .condition_expression("attribute_not_exists(lastAt)")
            .expression_attribute_values(":true", AttributeValue::Bool(true));
        update_if(update).await.map(drop)
    }
}

/// An item as it is stored. No item is an empty entry.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    performed: Vec<StoredEffect>,
    cancelled: bool,
    attempts: u32,
}

#[derive(Deserialize)]
struct StoredEffect {
    answer: String,
    /// In milliseconds since 1970, as a condition compares them.
    at: i64,
}

impl From<StoredEffect> for Performed {
    fn from(StoredEffect { answer, at }: StoredEffect) -> Self {
        Self { answer, at: Time::from_millis(at) }
    }
}

fn read(id: &str, item: Attributes) -> Result<Item> {
    serde_dynamo::from_item(item).map_err(|_| Failure::permanent(format!("the register has nonsense under {id}")))
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
