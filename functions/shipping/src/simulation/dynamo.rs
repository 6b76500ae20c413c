//! The carrier's register in a DynamoDB table of its own: one item for each shipment id.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use onewrite::aws::{classify, update_if};
use onewrite::{Failure, FailureKind};
use orderflow_events::{ShipmentId, Time};

use super::{Booked, Entry, Register};
use crate::carrier::CarrierError;

/// The table with the partition key `pk`.
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

    fn update(&self, shipment: &ShipmentId) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("pk", key(shipment))
    }
}

impl Register for DynamoRegister {
    async fn entry(&self, shipment: &ShipmentId) -> Result<Entry, CarrierError> {
        let get = self.client.get_item().table_name(&self.table).key("pk", key(shipment)).consistent_read(true);
        let answer = get.send().await.map_err(|error| classify("GetItem", &error))?;
        Ok(read_entry(&answer.item.unwrap_or_default()))
    }

    async fn count_attempt(&self, shipment: &ShipmentId) -> Result<u32, CarrierError> {
        let update = self
            .update(shipment)
            .update_expression("ADD attempts :one")
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::UpdatedNew);
        let answer = update.send().await.map_err(|error| classify("UpdateItem", &error))?;
        let count = read_number(&answer.attributes.unwrap_or_default(), "attempts");
        count.ok_or_else(|| CarrierError::Refused(format!("the register has nonsense under {shipment}")))
    }

    async fn enter_booking(
        &self,
        shipment: &ShipmentId,
        booked: Booked,
        forgotten: Time,
    ) -> Result<bool, CarrierError> {
        let update = self
            .update(shipment)
            .update_expression("SET bookedAt = :at, voidable = :voidable ADD bookings :one")
            .condition_expression(
                "attribute_not_exists(cancelled) AND (attribute_not_exists(bookedAt) OR bookedAt <= :forgotten)",
            )
            .expression_attribute_values(":at", number(booked.at.as_millis()))
            .expression_attribute_values(":voidable", AttributeValue::Bool(booked.voidable))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":forgotten", number(forgotten.as_millis()));
        Ok(update_if(update).await?)
    }

    async fn enter_cancellation(&self, shipment: &ShipmentId) -> Result<(), CarrierError> {
        let update = self
            .update(shipment)
            .update_expression("SET cancelled = :true")
            .condition_expression("attribute_not_exists(bookedAt)")
            .expression_attribute_values(":true", AttributeValue::Bool(true));
        update_if(update).await?;
        Ok(())
    }

    async fn enter_void(&self, shipment: &ShipmentId, now: Time) -> Result<bool, CarrierError> {
        let update = self
            .update(shipment)
            .update_expression("SET voidedAt = :now")
            .condition_expression("attribute_not_exists(voidedAt)")
            .expression_attribute_values(":now", number(now.as_millis()));
        Ok(update_if(update).await?)
    }
}

type Item = HashMap<String, AttributeValue>;

/// An item as an entry. No item is an empty entry.
fn read_entry(item: &Item) -> Entry {
    let at = |name| read_number(item, name).map(Time::from_millis);
    let is = |name| item.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or(false);
    Entry {
        booked: at("bookedAt").map(|at| Booked { at, voidable: is("voidable") }),
        cancelled: is("cancelled"),
        bookings: read_number(item, "bookings").unwrap_or(0),
        voided_at: at("voidedAt"),
    }
}

fn read_number<N: std::str::FromStr>(item: &Item, name: &str) -> Option<N> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn key(shipment: &ShipmentId) -> AttributeValue {
    AttributeValue::S(shipment.to_string())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// What ails the table ails the carrier.
impl From<Failure> for CarrierError {
    fn from(failure: Failure) -> Self {
        let reason = failure.reason().to_owned();
        match failure.kind() {
            FailureKind::Transient => Self::Unavailable(reason),
            FailureKind::Misconfigured => Self::NotAdmitted(reason),
            FailureKind::Permanent => Self::Refused(reason),
        }
    }
}
