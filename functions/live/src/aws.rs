//! Watches in a table of DynamoDB, and the sockets of API Gateway.
//!
//! A connection and its subscriptions are under one key, a subscription is under that of its topic besides, and both are written
//! in one transaction, which wants the connection to be open. Who closes a connection first removes its item, and so finds
//! all its subscriptions: none can be added behind.

use std::collections::HashMap;

use aws_sdk_apigatewaymanagement::error::SdkError;
use aws_sdk_apigatewaymanagement::operation::delete_connection::DeleteConnectionError;
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, TransactWriteItem};
use futures::future::try_join_all;
use onewrite::aws::{SdkConfig, classify, put_if, update_if, without_retries};
use onewrite::{Failure, Result};
use orderflow_events::Time;
use serde::Deserialize;

use crate::domain::{Right, Topic};
use crate::port::{Added, Connection, Sent, Sockets, Watch, Watches};

/// Sort key of a connection itself, before those of its subscriptions.
const ITSELF: &str = "#";

/// Beginning of the sort key of a subscription under its connection.
const SUBSCRIPTION: &str = "s#";

const IS_NEW: &str = "attribute_not_exists(pk)";

type Item = HashMap<String, AttributeValue>;

/// Watches in a table.
#[derive(Clone, Debug)]
pub struct DynamoWatches {
    client: Client,
    table: String,
}

/// Attributes of an item under its connection: of the connection itself its right, of a subscription the key of its topic.
#[derive(Deserialize)]
struct UnderConnection {
    sk: String,
    #[serde(default)]
    right: Option<String>,
    #[serde(default)]
    topic: Option<String>,
}

/// Attributes of a subscription under its topic.
#[derive(Deserialize)]
struct UnderTopic {
    topic: String,
    connection: String,
    subscription: String,
    right: String,
    request: String,
    position: String,
    #[serde(default)]
    holder: Option<String>,
}

impl DynamoWatches {
    /// Watches in that table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// All items under a key, as of now or later.
    async fn under(&self, pk: String) -> Result<Vec<Item>> {
        let (mut items, mut next) = (Vec::new(), None);
        loop {
            let query = self.client.query().table_name(&self.table).consistent_read(true).set_exclusive_start_key(next);
            let query = query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", text(&pk));
            let answer = Box::pin(query.send()).await.map_err(|error| classify("Query", &error))?;
            items.extend(answer.items.unwrap_or_default());
            next = answer.last_evaluated_key;
            if next.is_none() {
                return Ok(items);
            }
        }
    }

    async fn of_connection(&self, connection: &str) -> Result<Vec<UnderConnection>> {
        self.under(connection_key(connection)).await?.into_iter().map(read).collect()
    }

    async fn delete(&self, pk: String, sk: String) -> Result<()> {
        let delete = self.client.delete_item().table_name(&self.table).key("pk", text(&pk)).key("sk", text(&sk));
        Box::pin(delete.send()).await.map(drop).map_err(|error| classify("DeleteItem", &error))
    }

    /// Removes a subscription under its topic, and then under its connection, by which it is found.
    async fn delete_subscription(&self, connection: &str, subscription: &str, topic: &str) -> Result<()> {
        self.delete(topic.to_owned(), watch_key(connection, subscription)).await?;
        self.delete(connection_key(connection), format!("{SUBSCRIPTION}{subscription}")).await
    }

    fn put(&self, item: Item) -> Result<TransactWriteItem> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).condition_expression(IS_NEW).build();
        let put = put.map_err(|error| Failure::permanent(error.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

impl Watches for DynamoWatches {
    async fn open(&self, connection: &str, right: &Right, expires: Time) -> Result<bool> {
        let item = item(&[
            ("pk", text(&connection_key(connection))),
            ("sk", text(ITSELF)),
            ("right", text(&right_text(right)?)),
            ("expiresAt", number(seconds(expires))),
        ]);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put_if(put.condition_expression(IS_NEW)).await
    }

    async fn connection(&self, connection: &str) -> Result<Option<Connection>> {
        let (mut right, mut subscriptions) = (None, Vec::new());
        for item in self.of_connection(connection).await? {
            match item.sk.strip_prefix(SUBSCRIPTION) {
                Some(subscription) => subscriptions.push(subscription.to_owned()),
                None => right = item.right.as_deref().map(right_of).transpose()?,
            }
        }
        Ok(right.map(|right| Connection { right, subscriptions }))
    }

    async fn add(&self, watch: &Watch, expires: Time) -> Result<Added> {
        let Watch { topic, connection, subscription, right, request, position, holder: _ } = watch;
        let under_connection = item(&[
            ("pk", text(&connection_key(connection))),
            ("sk", text(&format!("{SUBSCRIPTION}{subscription}"))),
            ("topic", text(&topic.key())),
            ("expiresAt", number(seconds(expires))),
        ]);
        let under_topic = item(&[
            ("pk", text(&topic.key())),
            ("sk", text(&watch_key(connection, subscription))),
            ("topic", text(&topic_text(topic)?)),
            ("connection", text(connection)),
            ("subscription", text(subscription)),
            ("right", text(&right_text(right)?)),
            ("request", text(request)),
            ("position", text(position)),
            ("expiresAt", number(seconds(expires))),
        ]);
        let is_open = ConditionCheck::builder().table_name(&self.table).condition_expression("attribute_exists(pk)");
        let is_open = is_open.key("pk", text(&connection_key(connection))).key("sk", text(ITSELF)).build();
        let is_open = is_open.map_err(|error| Failure::permanent(error.to_string()))?;
        let add = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().condition_check(is_open).build())
            .transact_items(self.put(under_connection)?)
            .transact_items(self.put(under_topic)?);
        let Err(error) = Box::pin(add.send()).await else { return Ok(Added::Done) };
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() {
            let mut reasons = cancelled.cancellation_reasons().iter();
            let has_failed = |reason: &_| is_failed_condition(reason);
            return match reasons.position(has_failed) {
                Some(0) => Ok(Added::Closed),
                Some(_) => Ok(Added::Taken),
                None => Err(Failure::transient("the transaction of a subscription collided with another")),
            };
        }
        Err(classify("TransactWriteItems", &error))
    }

    async fn of_topic(&self, key: &str) -> Result<Vec<Watch>> {
        self.under(key.to_owned()).await?.into_iter().map(watch_of).collect()
    }

    async fn get(&self, key: &str, connection: &str, subscription: &str) -> Result<Option<Watch>> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let get = get.key("pk", text(key)).key("sk", text(&watch_key(connection, subscription)));
        let answer = Box::pin(get.send()).await.map_err(|error| classify("GetItem", &error))?;
        answer.item.map(watch_of).transpose()
    }

    async fn hold(&self, watch: &Watch, holder: &str) -> Result<bool> {
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .key("pk", text(&watch.topic.key()))
            .key("sk", text(&watch_key(&watch.connection, &watch.subscription)))
            .update_expression("SET #holder = :holder")
            .condition_expression("#position = :position AND attribute_not_exists(#holder)")
            .expression_attribute_names("#holder", "holder")
            .expression_attribute_names("#position", "position")
            .expression_attribute_values(":holder", text(holder))
            .expression_attribute_values(":position", text(&watch.position));
        update_if(update).await
    }

    async fn release(&self, watch: &Watch, holder: &str, position: &str) -> Result<bool> {
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .key("pk", text(&watch.topic.key()))
            .key("sk", text(&watch_key(&watch.connection, &watch.subscription)))
            .update_expression("SET #position = :position REMOVE #holder")
            .condition_expression("#holder = :holder")
            .expression_attribute_names("#holder", "holder")
            .expression_attribute_names("#position", "position")
            .expression_attribute_values(":holder", text(holder))
            .expression_attribute_values(":position", text(position));
        update_if(update).await
    }

    async fn remove(&self, connection: &str, subscription: &str) -> Result<()> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let key = format!("{SUBSCRIPTION}{subscription}");
        let get = get.key("pk", text(&connection_key(connection))).key("sk", text(&key));
        let answer = Box::pin(get.send()).await.map_err(|error| classify("GetItem", &error))?;
        let item: Option<UnderConnection> = answer.item.map(read).transpose()?;
        match item.and_then(|item| item.topic) {
            Some(topic) => self.delete_subscription(connection, subscription, &topic).await,
            None => Ok(()),
        }
    }

    async fn close(&self, connection: &str) -> Result<()> {
        self.delete(connection_key(connection), ITSELF.to_owned()).await?;
        let items = self.of_connection(connection).await?;
        let deletions = items.iter().filter_map(|item| {
            let subscription = item.sk.strip_prefix(SUBSCRIPTION)?;
            Some(self.delete_subscription(connection, subscription, item.topic.as_ref()?))
        });
        try_join_all(deletions).await.map(drop)
    }
}

fn is_failed_condition(reason: &aws_sdk_dynamodb::types::CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

fn connection_key(connection: &str) -> String {
    format!("c#{connection}")
}

/// API Gateway's ids have no `#`.
fn watch_key(connection: &str, subscription: &str) -> String {
    format!("{connection}#{subscription}")
}

fn item(attributes: &[(&str, AttributeValue)]) -> Item {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Time as DynamoDB's times to live have it.
fn seconds(time: Time) -> i64 {
    time.as_millis() / 1_000
}

fn read<T: for<'a> Deserialize<'a>>(item: Item) -> Result<T> {
    serde_dynamo::from_item(item).map_err(|_| Failure::permanent("an item of the watches is not understood"))
}

fn right_text(right: &Right) -> Result<String> {
    serde_json::to_string(right).map_err(|_| Failure::permanent("a right cannot be written"))
}

fn right_of(text: &str) -> Result<Right> {
    serde_json::from_str(text).map_err(|_| Failure::permanent("a right is not understood"))
}

fn topic_text(topic: &Topic) -> Result<String> {
    serde_json::to_string(topic).map_err(|_| Failure::permanent("a topic cannot be written"))
}

fn watch_of(item: Item) -> Result<Watch> {
    let UnderTopic { topic, connection, subscription, right, request, position, holder } = read(item)?;
    let topic = serde_json::from_str(&topic).map_err(|_| Failure::permanent("a topic is not understood"))?;
    Ok(Watch { topic, connection, subscription, right: right_of(&right)?, request, position, holder })
}

/// Sockets of an API of API Gateway.
#[derive(Clone, Debug)]
pub struct GatewaySockets {
    client: aws_sdk_apigatewaymanagement::Client,
}

impl GatewaySockets {
    /// Sockets of the API whose connections are at that URL. What was sent and is not known to have come is not sent again.
    #[must_use]
    pub fn new(config: &SdkConfig, url: &str) -> Self {
        let config = aws_sdk_apigatewaymanagement::config::Builder::from(&without_retries(config)).endpoint_url(url);
        Self { client: aws_sdk_apigatewaymanagement::Client::from_conf(config.build()) }
    }
}

impl Sockets for GatewaySockets {
    async fn send(&self, connection: &str, text: &str) -> Result<Sent> {
        let post = self.client.post_to_connection().connection_id(connection).data(Blob::new(text));
        match Box::pin(post.send()).await {
            Ok(_) => Ok(Sent::Done),
            Err(SdkError::ServiceError(answer)) if answer.err().is_gone_exception() => Ok(Sent::Gone),
            Err(SdkError::ServiceError(answer)) if is_busy(answer.err(), answer.raw().status().as_u16()) => {
                Ok(Sent::Busy)
            }
            Err(error) => Err(classify("PostToConnection", &error)),
        }
    }

    async fn close(&self, connection: &str) -> Result<()> {
        match Box::pin(self.client.delete_connection().connection_id(connection).send()).await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(DeleteConnectionError::is_gone_exception) => Ok(()),
            Err(error) => Err(classify("DeleteConnection", &error)),
        }
    }
}

fn is_busy(error: &PostToConnectionError, status: u16) -> bool {
    error.is_limit_exceeded_exception() || status == 429
}
