//! Prices in a DynamoDB table: one item for each SKU.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use onewrite::aws::{System, classify, put_if};
use onewrite::port::{Clock, Random};
use onewrite::{Failure, Result};
use orderflow_events::{Money, Sku, Subject};
use serde::Deserialize;

use crate::port::{Listed, NewPrice, PriceStore, Quote};

/// Requests for items that DynamoDB leaves out of its answers, until the caller is told to come again.
const MAX_ATTEMPTS: u32 = 4;

/// Longest pause before the second of those requests; it doubles with each.
const PAUSE_MS: u64 = 25;

type Item = HashMap<String, AttributeValue>;

/// Prices in a table, and the table that has the first row of each order.
#[derive(Clone, Debug)]
pub struct DynamoPrices {
    client: Client,
    prices: String,
    orders: String,
}

/// Attributes of an item that matter to a reader; `by` and `at` beside them say who has set the price, and when.
#[derive(Deserialize)]
struct Stored {
    pk: Sku,
    amount: i64,
    currency: String,
    revision: u64,
}

impl DynamoPrices {
    /// Prices in the table of that name, for the orders in the other.
    pub fn new(client: Client, prices: impl Into<String>, orders: impl Into<String>) -> Self {
        Self { client, prices: prices.into(), orders: orders.into() }
    }
}

impl PriceStore for DynamoPrices {
    async fn get(&self, sku: &Sku) -> Result<Option<Listed>> {
        let get = self.client.get_item().table_name(&self.prices).key("pk", text(sku.as_str())).consistent_read(true);
        let answer = Box::pin(get.send()).await.map_err(|error| classify("GetItem", &error))?;
        Ok(answer.item.map(listed).transpose()?.map(|(_, listed)| listed))
    }

    async fn set(&self, sku: &Sku, price: NewPrice<'_>, since: u64) -> Result<bool> {
        let NewPrice { unit_price, by, at } = price;
        let put = self
            .client
            .put_item()
            .table_name(&self.prices)
            .item("pk", text(sku.as_str()))
            .item("amount", AttributeValue::N(unit_price.amount().to_string()))
            .item("currency", text(unit_price.currency()))
            .item("revision", AttributeValue::N((since + 1).to_string()))
            .item("by", by.map_or(AttributeValue::Null(true), |by| text(by.as_str())))
            .item("at", text(&at.to_string()));
        put_if(match since {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            since => put
                .condition_expression("#revision = :since")
                .expression_attribute_names("#revision", "revision")
                .expression_attribute_values(":since", AttributeValue::N(since.to_string())),
        })
        .await
    }

    async fn quote(&self, skus: &BTreeSet<&Sku>, order: &Subject) -> Result<Quote> {
        let first_row =
            Item::from([("pk".to_owned(), text(order.as_str())), ("sk".to_owned(), AttributeValue::N("1".to_owned()))]);
        let prices = skus.iter().map(|sku| Item::from([("pk".to_owned(), text(sku.as_str()))])).collect();
        let mut open = HashMap::from([
            (self.prices.clone(), keys(prices, "pk, amount, currency, revision")?),
            (self.orders.clone(), keys(vec![first_row], "pk")?),
        ]);
        let (mut prices, mut is_placed) = (BTreeMap::new(), false);
        for attempt in 0..MAX_ATTEMPTS {
            if attempt > 0 {
                System.sleep(Duration::from_millis(System.below(PAUSE_MS << attempt))).await;
            }
            let get = self.client.batch_get_item().set_request_items(Some(open));
            let answer = Box::pin(get.send()).await.map_err(|error| classify("BatchGetItem", &error))?;
            let mut found = answer.responses.unwrap_or_default();
            is_placed |= found.remove(&self.orders).is_some_and(|rows| !rows.is_empty());
            for item in found.remove(&self.prices).unwrap_or_default() {
                let (sku, listed) = listed(item)?;
                prices.insert(sku, listed.unit_price);
            }
            open = answer.unprocessed_keys.unwrap_or_default();
            if open.is_empty() {
                return Ok(Quote { prices, is_placed });
            }
        }
        Err(Failure::transient("DynamoDB leaves out prices"))
    }
}

fn keys(keys: Vec<Item>, projection: &str) -> Result<KeysAndAttributes> {
    let asked =
        KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).projection_expression(projection);
    asked.build().map_err(|error| Failure::permanent(error.to_string()))
}

fn listed(item: Item) -> Result<(Sku, Listed)> {
    let unknown = |error: &dyn std::error::Error| Failure::permanent(format!("a price is not understood: {error}"));
    let Stored { pk, amount, currency, revision } = serde_dynamo::from_item(item).map_err(|error| unknown(&error))?;
    let unit_price = Money::new(amount, &currency).map_err(|rule| unknown(&rule))?;
    Ok((pk, Listed { unit_price, revision }))
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}
