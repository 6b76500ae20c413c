//! Keys of persons in a DynamoDB table: one item for each.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use envelope::{KeyName, Time};

use super::failure::classify;
use crate::failure::{Failure, Result};
use crate::personal::{Key, Keys};

type Item = HashMap<String, AttributeValue>;

/// Keys in a table: `pk` is the owner, `kid` the name, `key` the secret, and `createdAt` says since when. The attribute
/// `expiresAt`, in seconds, is for the table's time to live, and only of keys that have one.
#[derive(Clone, Debug)]
pub struct DynamoKeys {
    client: Client,
    table: String,
}

impl DynamoKeys {
    /// Keys in that table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

impl Keys for DynamoKeys {
    async fn find(&self, owner: &str) -> Result<Option<Key>> {
        // Consistent: a key that is not there yet would be taken for one that was erased.
        let get = self.client.get_item().table_name(&self.table).key("pk", text(owner)).consistent_read(true);
        let answer = Box::pin(get.send()).await.map_err(|error| classify("GetItem", &error))?;
        answer.item.map(|item| key(&item)).transpose()
    }

    async fn find_or_create(&self, owner: &str, fresh: &Key, now: Time) -> Result<Key> {
        let put = self.client.put_item().table_name(&self.table);
        let put = match fresh.expires_at().map(|time| time.as_millis() / 1_000) {
            Some(seconds) => put.item("expiresAt", AttributeValue::N(seconds.to_string())),
            None => put,
        };
        let put = put
            .item("pk", text(owner))
            .item("kid", text(fresh.name().as_str()))
            .item("key", AttributeValue::B(Blob::new(fresh.secret())))
            .item("createdAt", text(&now.to_string()))
            .condition_expression("attribute_not_exists(pk)")
            // The key that there is, without a second call.
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = Box::pin(put.send()).await else { return Ok(fresh.clone()) };
        let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(classify("PutItem", &error));
        };
        match failed.item() {
            Some(item) => key(item),
            None => self.find(owner).await?.ok_or_else(|| Failure::transient("the key was erased meanwhile")),
        }
    }

    async fn erase(&self, owner: &str) -> Result<bool> {
        let delete = self.client.delete_item().table_name(&self.table).key("pk", text(owner));
        let answer = Box::pin(delete.return_values(ReturnValue::AllOld).send()).await;
        let erased = answer.map_err(|error| classify("DeleteItem", &error))?.attributes;
        Ok(erased.is_some_and(|item| !item.is_empty()))
    }
}

fn key(item: &Item) -> Result<Key> {
    let unknown = || Failure::permanent("a key of a person is not understood");
    let name = item.get("kid").and_then(|name| name.as_s().ok()).ok_or_else(unknown)?;
    let secret = item.get("key").and_then(|secret| secret.as_b().ok()).ok_or_else(unknown)?;
    let key = Key::new(KeyName::new(name).map_err(|_| unknown())?, secret.as_ref())?;
    let seconds = item.get("expiresAt").and_then(|seconds| seconds.as_n().ok()?.parse::<i64>().ok());
    Ok(seconds.map(|seconds| Time::from_millis(seconds * 1_000)).into_iter().fold(key, Key::until))
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}
