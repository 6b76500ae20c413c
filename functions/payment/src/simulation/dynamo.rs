//! The provider's books in a DynamoDB table of its own: one item for each payment id.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use onewrite::aws::{classify, update_if};
use onewrite::{Failure, FailureKind};
use orderflow_events::{PaymentId, RefundId, Time};

use super::{Books, Entry, taken};
use crate::provider::{ProviderError, Verdict};

type Item = HashMap<String, AttributeValue>;

/// The table with the partition key `pk`.
#[derive(Clone, Debug)]
pub struct DynamoBooks {
    client: Client,
    table: String,
}

impl DynamoBooks {
    /// The books in that table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    fn update(&self, payment: &PaymentId) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("pk", text(payment.as_str()))
    }
}

impl Books for DynamoBooks {
    async fn entry(&self, payment: &PaymentId) -> Result<Entry, ProviderError> {
        let get = self.client.get_item().table_name(&self.table).key("pk", text(payment.as_str()));
        let answer = get.consistent_read(true).send().await.map_err(|error| classify("GetItem", &error))?;
        read_entry(&answer.item.unwrap_or_default()).ok_or_else(|| unintelligible(payment))
    }

    async fn count_attempt(&self, payment: &PaymentId) -> Result<u32, ProviderError> {
        let update = self
            .update(payment)
            .update_expression("ADD attempts :one")
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::UpdatedNew);
        let answer = update.send().await.map_err(|error| classify("UpdateItem", &error))?;
        read_number(&answer.attributes.unwrap_or_default(), "attempts").ok_or_else(|| unintelligible(payment))
    }

    async fn enter_charge(
        &self,
        payment: &PaymentId,
        verdict: &Verdict,
        now: Time,
        forgotten: Time,
    ) -> Result<bool, ProviderError> {
        let json = |verdict| serde_json::to_string(verdict).map(text).map_err(|_| unintelligible(payment));
        let update = self
            .update(payment)
            .update_expression("SET verdict = :verdict, chargedAt = :now ADD charges :taken")
            .condition_expression(
                "attribute_not_exists(chargedAt) OR chargedAt <= :forgotten AND verdict <> :cancelled",
            )
            .expression_attribute_values(":verdict", json(verdict)?)
            .expression_attribute_values(":cancelled", json(&Verdict::Cancelled)?)
            .expression_attribute_values(":now", number(now.as_millis()))
            .expression_attribute_values(":forgotten", number(forgotten.as_millis()))
            .expression_attribute_values(":taken", number(taken(verdict).into()));
        Ok(update_if(update).await?)
    }

    async fn enter_refund(&self, payment: &PaymentId, refund: &RefundId, now: Time) -> Result<bool, ProviderError> {
        let update = self
            .update(payment)
            .update_expression("SET refund = :refund, refundedAt = :now")
            .condition_expression("attribute_not_exists(refund)")
            .expression_attribute_values(":refund", text(refund.as_str()))
            .expression_attribute_values(":now", number(now.as_millis()));
        Ok(update_if(update).await?)
    }
}

/// An item as an entry; nothing where an attribute is not what this module writes. No item is an empty entry.
fn read_entry(item: &Item) -> Option<Entry> {
    let at = |name| item.get(name)?.as_n().ok()?.parse().ok().map(Time::from_millis);
    let charge = match read_text(item, "verdict") {
        None => None,
        Some(verdict) => Some((serde_json::from_str(verdict).ok()?, at("chargedAt")?)),
    };
    let refund = match read_text(item, "refund") {
        None => None,
        Some(refund) => Some((RefundId::new(refund).ok()?, at("refundedAt")?)),
    };
    Some(Entry { charge, charges: read_number(item, "charges").unwrap_or(0), refund })
}

fn read_text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn read_number(item: &Item, name: &str) -> Option<u32> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn unintelligible(payment: &PaymentId) -> ProviderError {
    ProviderError::Refused(format!("the books have nonsense under {payment}"))
}

/// What ails the table ails the provider.
impl From<Failure> for ProviderError {
    fn from(failure: Failure) -> Self {
        let reason = failure.reason().to_owned();
        match failure.kind() {
            FailureKind::Transient => Self::Unavailable(reason),
            FailureKind::Misconfigured => Self::NotAdmitted(reason),
            FailureKind::Permanent => Self::Refused(reason),
        }
    }
}
