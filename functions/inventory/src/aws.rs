//! Stocks in a DynamoDB table: one item for each SKU.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use onewrite::aws::classify;
use onewrite::{Failure, Result};
use orderflow_events::{Sku, Text};

use crate::port::{AVAILABLE, COUNTED_BY, Counted, RESERVED, REVISION, Revision, Stock, StockStore};

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
        let answer = Box::pin(get.send()).await.map_err(|error| classify("GetItem", &error))?;
        let stock = answer.item.map(serde_dynamo::from_item).transpose();
        stock.map_err(|error| Failure::permanent(format!("a stock is not understood: {error}")))
    }

    async fn count(&self, sku: &Sku, stock: Stock, since: Revision, by: Option<&Text>) -> Result<Counted> {
        let counted_by = by.map_or(AttributeValue::Null(true), |by| AttributeValue::S(by.to_string()));
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", key(sku))
            .update_expression(
                "SET #available = :available, #reserved = :reserved, #revision = :revision, #counted_by = :counted_by",
            )
            .expression_attribute_names("#available", AVAILABLE)
            .expression_attribute_names("#reserved", RESERVED)
            .expression_attribute_names("#revision", REVISION)
            .expression_attribute_names("#counted_by", COUNTED_BY)
            .expression_attribute_values(":available", AttributeValue::N(stock.available.to_string()))
            .expression_attribute_values(":reserved", AttributeValue::N(stock.reserved.to_string()))
            .expression_attribute_values(":revision", AttributeValue::N(stock.revision.to_string()))
            .expression_attribute_values(":counted_by", counted_by);
        let update = match since {
            Revision::New => update.condition_expression("attribute_not_exists(pk)"),
            Revision::Read(revision) => update
                .condition_expression("#revision = :since")
                .expression_attribute_values(":since", AttributeValue::N(revision.to_string())),
        };
        match Box::pin(update.send()).await {
            Ok(_) => Ok(Counted::Done),
            Err(error) if error.as_service_error().is_some_and(has_lost) => Ok(Counted::Changed),
            Err(error) => Err(classify("UpdateItem", &error)),
        }
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
