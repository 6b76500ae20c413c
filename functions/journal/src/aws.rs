//! The journal in a DynamoDB table: one item for each event.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use onewrite::aws::classify;
use onewrite::feed::{Mark, RecordKey};
use onewrite::{Failure, Result};
use orderflow_events::Envelope;

use crate::entry::Entry;
use crate::port::{Events, JournalStore, Kept};

type Item = HashMap<String, AttributeValue>;

/// Number of requests for events of which DynamoDB leaves out some.
const MAX_ATTEMPTS: u32 = 8;

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
    async fn append(&self, entry: Entry) -> Result<Kept> {
        let item = entry.attributes().map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(HashMap::from(item)))
            .condition_expression("attribute_not_exists(pk)")
            // The mark that there is, without a second call.
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = Box::pin(put.send()).await else { return Ok(Kept::Now) };
        let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(classify("PutItem", &error));
        };
        let mark = failed.item().and_then(|item| text(item, "mark")?.parse::<Mark>().ok());
        mark.map(Kept::Before).ok_or_else(|| Failure::permanent("an entry of the journal has no mark"))
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

impl Events for DynamoJournal {
    async fn texts(&self, keys: &[RecordKey]) -> Result<Vec<Option<String>>> {
        let key_of = |RecordKey(pk, sk): &RecordKey| {
            Item::from([("pk", pk), ("sk", sk)].map(|(name, key)| (name.to_owned(), AttributeValue::S(key.clone()))))
        };
        let (mut open, mut found) = (keys.iter().map(key_of).collect::<Vec<_>>(), HashMap::new());
        for _ in 0..MAX_ATTEMPTS {
            if open.is_empty() {
                return Ok(keys.iter().map(|key| found.remove(key)).collect());
            }
            let ask = KeysAndAttributes::builder().consistent_read(true).projection_expression("pk, sk, event");
            let ask = ask.set_keys(Some(open)).build().map_err(|error| Failure::permanent(error.to_string()))?;
            let get = self.client.batch_get_item().request_items(&self.table, ask);
            let answer = Box::pin(get.send()).await.map_err(|error| classify("BatchGetItem", &error))?;
            let items = answer.responses().and_then(|tables| tables.get(&self.table)).into_iter().flatten();
            found.extend(items.filter_map(|item| {
                let key = RecordKey(text(item, "pk")?.to_owned(), text(item, "sk")?.to_owned());
                Some((key, text(item, "event")?.to_owned()))
            }));
            let left_out = answer.unprocessed_keys().and_then(|tables| tables.get(&self.table));
            open = left_out.map(|asked| asked.keys().to_vec()).unwrap_or_default();
        }
        Err(Failure::transient("DynamoDB leaves out items"))
    }
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}
