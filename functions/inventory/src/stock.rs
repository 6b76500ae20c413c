//! The stock of a SKU: how much of it can be had, and how much is set aside.
//!
//! DynamoDB's conditions know no arithmetic, so what is available is stored, and what is on hand is the sum.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use onewrite::aws::classify;
#[cfg(any(test, feature = "testing"))]
use onewrite::memory::MemoryLog;
use onewrite::{Failure, Result};
use orderflow_events::Sku;
use serde::Deserialize;

/// The counter of the pieces that can be had.
pub const AVAILABLE: &str = "available";
/// The counter of the pieces that are set aside for orders.
pub const RESERVED: &str = "reserved";
/// The counter of the changes: two readings of one revision are of one stock.
pub const REVISION: &str = "revision";

/// The stock of a SKU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Stock {
    /// Pieces that can be had.
    pub available: i64,
    /// Pieces that are set aside for orders.
    pub reserved: i64,
    /// Number of its changes.
    pub revision: u64,
}

impl Stock {
    /// Pieces on the shelf.
    #[must_use]
    pub const fn on_hand(&self) -> i64 {
        self.available + self.reserved
    }
}

/// Revision of the stock that a count replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// None: the SKU is new.
    New,
    /// The one that had been read.
    Read(u64),
}

/// Result of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It is on record.
    Done,
    /// The stock had changed since it was read: nothing was done.
    Changed,
}

/// Stocks by SKU.
pub trait StockStore {
    /// The stock of `sku` as of now or later.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn get(&self, sku: &Sku) -> Result<Option<Stock>>;

    /// Makes `stock` the stock of `sku`, if it still has that revision.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was done.
    async fn count(&self, sku: &Sku, stock: Stock, since: Revision) -> Result<Counted>;
}

/// Stocks in a table.
#[derive(Clone, Debug)]
pub struct DynamoStock {
    client: Client,
    table: String,
}

impl DynamoStock {
    /// Stocks in that table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

impl StockStore for DynamoStock {
    async fn get(&self, sku: &Sku) -> Result<Option<Stock>> {
        let get = self.client.get_item().table_name(&self.table).key("pk", key(sku)).consistent_read(true);
        let answer = get.send().await.map_err(|error| classify("GetItem", &error))?;
        let stock = answer.item.map(serde_dynamo::from_item).transpose();
        stock.map_err(|error| Failure::permanent(format!("a stock is not understood: {error}")))
    }

    async fn count(&self, sku: &Sku, stock: Stock, since: Revision) -> Result<Counted> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", key(sku))
            .update_expression("SET #available = :available, #reserved = :reserved, #revision = :revision")
            .expression_attribute_names("#available", AVAILABLE)
            .expression_attribute_names("#reserved", RESERVED)
            .expression_attribute_names("#revision", REVISION)
            .expression_attribute_values(":available", AttributeValue::N(stock.available.to_string()))
            .expression_attribute_values(":reserved", AttributeValue::N(stock.reserved.to_string()))
            .expression_attribute_values(":revision", AttributeValue::N(stock.revision.to_string()));
        let update = match since {
            Revision::New => update.condition_expression("attribute_not_exists(pk)"),
            Revision::Read(revision) => update
                .condition_expression("#revision = :since")
                .expression_attribute_values(":since", AttributeValue::N(revision.to_string())),
        };
        match update.send().await {
            Ok(_) => Ok(Counted::Done),
            Err(error) if error.as_service_error().is_some_and(has_lost) => Ok(Counted::Changed),
            Err(error) => Err(classify("UpdateItem", &error)),
        }
    }
}

#[cfg(any(test, feature = "testing"))]
/// Stocks in memory: the counters that the reservations in memory change.
impl StockStore for &MemoryLog {
    async fn get(&self, sku: &Sku) -> Result<Option<Stock>> {
        let counters = self.counters(sku.as_str());
        if counters.is_empty() {
            return Ok(None);
        }
        let counter = |name| {
            let value = counters.get(name).copied();
            value.ok_or_else(|| Failure::permanent(format!("a stock is not understood: it has no {name}")))
        };
        let revision = u64::try_from(counter(REVISION)?).unwrap_or(0);
        Ok(Some(Stock { available: counter(AVAILABLE)?, reserved: counter(RESERVED)?, revision }))
    }

    async fn count(&self, sku: &Sku, stock: Stock, since: Revision) -> Result<Counted> {
        let counters = self.counters(sku.as_str());
        let is_current = match since {
            Revision::New => counters.is_empty(),
            Revision::Read(revision) => {
                counters.get(REVISION).is_some_and(|known| u64::try_from(*known) == Ok(revision))
            }
        };
        if !is_current {
            return Ok(Counted::Changed);
        }
        self.set_counter(sku.as_str(), AVAILABLE, stock.available);
        self.set_counter(sku.as_str(), RESERVED, stock.reserved);
        self.set_counter(sku.as_str(), REVISION, i64::try_from(stock.revision).unwrap_or(i64::MAX));
        Ok(Counted::Done)
    }
}

/// Tells that somebody else has changed the stock, or is changing it: a reservation is a transaction.
fn has_lost(error: &UpdateItemError) -> bool {
    error.is_conditional_check_failed_exception() || error.is_transaction_conflict_exception()
}

fn key(sku: &Sku) -> AttributeValue {
    AttributeValue::S(sku.to_string())
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::error::{
        ConditionalCheckFailedException, InternalServerError, TransactionConflictException,
    };

    use super::*;

    #[test]
    fn a_count_loses_to_another_and_to_a_reservation_under_way_and_to_nothing_else() {
        let another = ConditionalCheckFailedException::builder().build();
        assert!(has_lost(&UpdateItemError::ConditionalCheckFailedException(another)));
        let under_way = TransactionConflictException::builder().build();
        assert!(has_lost(&UpdateItemError::TransactionConflictException(under_way)));
        let trouble = InternalServerError::builder().build();
        assert!(!has_lost(&UpdateItemError::InternalServerError(trouble)));
    }
}
