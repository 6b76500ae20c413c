//! Items of DynamoDB, many at once.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use onewrite::aws::{System, classify};
use onewrite::port::Clock;
use onewrite::{Failure, Result};

/// Items that one request reads (of DynamoDB's `BatchGetItem` the quota).
pub(super) const AT_ONCE: usize = 100;

/// Number of attempts at items that DynamoDB has left out.
const MAX_ATTEMPTS: u32 = 10;

/// Pause before the second attempt: before each that follows it is twice as long.
const PAUSE: Duration = Duration::from_millis(25);

/// Item of a table.
pub(super) type Item = HashMap<String, AttributeValue>;

/// A text as a value of an attribute.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// Items of a table by their keys, of which there are at most [`AT_ONCE`], and none twice: their keys, and these attributes.
pub(super) async fn items(
    client: &Client,
    table: &str,
    keys: &[[AttributeValue; 2]],
    attributes: &[&str],
) -> Result<Vec<Item>> {
    let mut found = Vec::new();
    let key = |[pk, sk]: &[AttributeValue; 2]| Item::from([("pk".into(), pk.clone()), ("sk".into(), sk.clone())]);
    let mut open: Vec<Item> = keys.iter().map(key).collect();
    for attempt in 0..MAX_ATTEMPTS {
        if open.is_empty() {
            return Ok(found);
        }
        if attempt > 0 {
            System.sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
        }
        // Some of them are words that DynamoDB keeps for itself.
        let names = ["pk", "sk"].iter().chain(attributes).map(|name| (format!("#{name}"), (*name).to_owned()));
        let names: HashMap<String, String> = names.collect();
        let ask = KeysAndAttributes::builder()
            .consistent_read(true)
            .projection_expression(names.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
            .set_expression_attribute_names(Some(names))
            .set_keys(Some(open));
        let ask = ask.build().map_err(|error| Failure::permanent(error.to_string()))?;
        let get = client.batch_get_item().request_items(table, ask);
        let answer = Box::pin(get.send()).await.map_err(|error| classify("BatchGetItem", &error))?;
        found.extend(answer.responses().and_then(|tables| tables.get(table)).into_iter().flatten().cloned());
        let left_out = answer.unprocessed_keys().and_then(|tables| tables.get(table));
        open = left_out.map(|asked| asked.keys().to_vec()).unwrap_or_default();
    }
    Err(Failure::transient("DynamoDB leaves out items"))
}

pub(super) fn string<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub(super) fn is_at(item: &Item, [pk, sk]: &[AttributeValue; 2]) -> bool {
    item.get("pk") == Some(pk) && item.get("sk") == Some(sk)
}
