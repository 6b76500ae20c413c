//! Watches in a table of DynamoDB, and the sockets of API Gateway.
//!
//! A connection is an item, which names its subscriptions with their topics; each subscription is an item under its topic. Both are
//! written in one transaction, which wants the connection to be open. Who closes a connection first says so in its item, and so finds
//! all its subscriptions: none can be added behind.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_apigatewaymanagement::error::SdkError;
use aws_sdk_apigatewaymanagement::operation::delete_connection::DeleteConnectionError;
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, Put, Select, TransactWriteItem, Update};
use futures::future::try_join_all;
use onewrite::aws::{SdkConfig, classify, put_if, update_if, without_retries};
use onewrite::{Failure, Result};
use orderflow_events::Time;
use serde::Deserialize;

use crate::domain::{Right, Topic};
use crate::port::{Added, Connection, Found, MAX_SUBSCRIPTIONS, PAGE, Page, Sent, Sockets, Watch, Watches};

/// Sort key of a connection.
const ITSELF: &str = "#";

const IS_NEW: &str = "attribute_not_exists(pk)";

/// Conditions of a connection: it is there, and what its subscription is.
const IS_THERE: &str = "attribute_exists(#watches.#id)";
const IS_NOT_THERE: &str = "attribute_exists(pk) AND attribute_not_exists(#watches.#id)";
const MAY_BE_ADDED: &str = "attribute_exists(pk) AND attribute_not_exists(closed) AND attribute_not_exists(#watches.#id) \
                            AND size(#watches) < :most AND NOT contains(ended, :id)";

type Item = HashMap<String, AttributeValue>;

/// Watches in a table.
#[derive(Clone, Debug)]
pub struct DynamoWatches {
    client: Client,
    table: String,
}

/// Attributes of a connection.
#[derive(Deserialize)]
struct Open {
    right: String,
    /// Keys of the topics of its subscriptions, by the subscriptions' ids.
    watches: BTreeMap<String, String>,
    /// Subscriptions that the client has ended before they were added.
    #[serde(default)]
    ended: BTreeSet<String>,
    #[serde(default)]
    closed: bool,
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

    /// Item of a connection, as of now if `is_latest`, which costs twice as much.
    async fn item(&self, connection: &str, is_latest: bool) -> Result<Option<Item>> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(is_latest);
        let get = get.key("pk", text(&connection_key(connection))).key("sk", text(ITSELF));
        let answer = Box::pin(get.send()).await.map_err(|error| classify("GetItem", &error))?;
        Ok(answer.item)
    }

    /// A connection that is open.
    async fn opened(&self, connection: &str) -> Result<Option<Open>> {
        open(self.item(connection, true).await?)
    }

    /// Query of what is under a topic, as of now or later.
    fn under(&self, key: &str) -> QueryFluentBuilder {
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", text(key))
    }

    /// True of a topic that has so many subscriptions.
    async fn has(&self, key: &str, most: usize) -> Result<bool> {
        let (mut count, mut next) = (0, None);
        while count < most {
            let limit = i32::try_from(most - count).unwrap_or(i32::MAX);
            let query = self.under(key).select(Select::Count).limit(limit).set_exclusive_start_key(next);
            let answer = Box::pin(query.send()).await.map_err(|error| classify("Query", &error))?;
            count += usize::try_from(answer.count).unwrap_or_default();
            next = answer.last_evaluated_key;
            if next.is_none() {
                break;
            }
        }
        Ok(count >= most)
    }

    /// Update of a connection.
    fn update(&self, connection: &str) -> UpdateItemFluentBuilder {
        let update = self.client.update_item().table_name(&self.table);
        update.key("pk", text(&connection_key(connection))).key("sk", text(ITSELF))
    }

    /// Reason for which a subscription was not added.
    async fn refusal(&self, connection: &str, subscription: &str) -> Result<Added> {
        let Some(open) = self.opened(connection).await? else { return Ok(Added::Closed) };
        if open.watches.contains_key(subscription) {
            return Ok(Added::Taken);
        }
        if open.ended.contains(subscription) {
            let forget = self.update(connection).update_expression("DELETE ended :ended");
            let forget = forget.condition_expression("contains(ended, :id)");
            let forget =
                forget.expression_attribute_values(":ended", AttributeValue::Ss(vec![subscription.to_owned()]));
            update_if(forget.expression_attribute_values(":id", text(subscription))).await?;
            return Ok(Added::Ended);
        }
        Ok(if open.watches.len() >= MAX_SUBSCRIPTIONS { Added::ConnectionFull } else { Added::Collided })
    }

    async fn delete(&self, pk: &str, sk: &str) -> Result<()> {
        let delete = self.client.delete_item().table_name(&self.table).key("pk", text(pk)).key("sk", text(sk));
        Box::pin(delete.send()).await.map(drop).map_err(|error| classify("DeleteItem", &error))
    }

    /// Removes a subscription under its topic, and then from its connection, by which it is found.
    async fn remove_of(&self, topic: &str, connection: &str, subscription: &str) -> Result<()> {
        self.delete(topic, &watch_key(connection, subscription)).await?;
        let update = self.update(connection).update_expression("REMOVE #watches.#id").condition_expression(IS_THERE);
        let update = update.expression_attribute_names("#watches", "watches");
        update_if(update.expression_attribute_names("#id", subscription)).await.map(drop)
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
            ("watches", AttributeValue::M(HashMap::new())),
            ("expiresAt", number(&seconds(expires))),
        ]);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put_if(put.condition_expression(IS_NEW)).await
    }

    async fn connection(&self, connection: &str) -> Result<Option<Connection>> {
        let Some(open) = self.opened(connection).await? else { return Ok(None) };
        Ok(Some(Connection { right: right_of(&open.right)?, subscriptions: open.watches }))
    }

    async fn watching(&self, connection: &str, key: &str) -> Result<Vec<String>> {
        let watches = open(self.item(connection, false).await?)?.map(|open| open.watches).unwrap_or_default();
        let of_topic = watches.into_iter().filter(|(_, topic)| topic == key);
        Ok(of_topic.map(|(subscription, _)| subscription).collect())
    }

    async fn add(&self, watch: &Watch, expires: Time) -> Result<Added> {
        let Watch { topic, connection, subscription, right, request, position, holder: _ } = watch;
        if self.has(&topic.key(), topic.most()).await? {
            return Ok(Added::TopicFull);
        }
        let item = item(&[
            ("pk", text(&topic.key())),
            ("sk", text(&watch_key(connection, subscription))),
            ("topic", text(&topic_text(topic)?)),
            ("connection", text(connection)),
            ("subscription", text(subscription)),
            ("right", text(&right_text(right)?)),
            ("request", text(request)),
            ("position", text(position)),
            ("expiresAt", number(&seconds(expires))),
        ]);
        let update = Update::builder()
            .table_name(&self.table)
            .key("pk", text(&connection_key(connection)))
            .key("sk", text(ITSELF))
            .update_expression("SET #watches.#id = :topic")
            .condition_expression(MAY_BE_ADDED)
            .expression_attribute_names("#watches", "watches")
            .expression_attribute_names("#id", subscription)
            .expression_attribute_values(":topic", text(&topic.key()))
            .expression_attribute_values(":id", text(subscription))
            .expression_attribute_values(":most", number(&MAX_SUBSCRIPTIONS))
            .build();
        let update = update.map_err(|error| Failure::permanent(error.to_string()))?;
        let add = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(update).build())
            .transact_items(self.put(item)?);
        let Err(error) = Box::pin(add.send()).await else { return Ok(Added::Done) };
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() {
            let mut reasons = cancelled.cancellation_reasons().iter();
            return match reasons.position(is_failed_condition) {
                Some(0) => self.refusal(connection, subscription).await,
                Some(_) => Ok(Added::Taken),
                None => Ok(Added::Collided),
            };
        }
        Err(classify("TransactWriteItems", &error))
    }

    async fn page(&self, key: &str, after: Option<&str>) -> Result<Page> {
        let begin = after.map(|after| item(&[("pk", text(key)), ("sk", text(after))]));
        let query = self.under(key).limit(i32::try_from(PAGE).unwrap_or(i32::MAX)).set_exclusive_start_key(begin);
        let answer = Box::pin(query.send()).await.map_err(|error| classify("Query", &error))?;
        let place = |item: &Item| item.get("sk").and_then(|sk| sk.as_s().ok()).cloned().unwrap_or_default();
        let next = answer.last_evaluated_key.as_ref().map(place);
        let found = answer.items.unwrap_or_default().into_iter().map(|item| {
            let place = place(&item);
            let connection = || place.split('#').next().unwrap_or_default().to_owned();
            watch_of(item).map_or_else(|_| Found::Broken(connection()), Found::Watch)
        });
        Ok(Page { found: found.collect(), next })
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
            .condition_expression("#position = :position AND (attribute_not_exists(#holder) OR #holder = :holder)")
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
        let open = self.opened(connection).await?;
        match open.as_ref().and_then(|open| open.watches.get(subscription)) {
            Some(topic) => self.remove_of(topic, connection, subscription).await,
            None => Ok(()),
        }
    }

    async fn end(&self, connection: &str, subscription: &str) -> Result<()> {
        // It may be added in between: then it is found at the second look.
        for _ in 0..2 {
            let Some(open) = self.opened(connection).await? else { return Ok(()) };
            if let Some(topic) = open.watches.get(subscription) {
                return self.remove_of(topic, connection, subscription).await;
            }
            if open.ended.len() >= MAX_SUBSCRIPTIONS {
                return Err(Failure::permanent("a client has ended too many subscriptions that never were"));
            }
            let keep = self.update(connection).update_expression("ADD ended :ended").condition_expression(IS_NOT_THERE);
            let keep = keep.expression_attribute_names("#watches", "watches");
            let keep = keep.expression_attribute_names("#id", subscription);
            let keep = keep.expression_attribute_values(":ended", AttributeValue::Ss(vec![subscription.to_owned()]));
            if update_if(keep).await? {
                return Ok(());
            }
        }
        Err(Failure::transient("a subscription was added and removed as it was ended"))
    }

    async fn forget(&self, watch: &Watch) -> Result<()> {
        self.delete(&watch.topic.key(), &watch_key(&watch.connection, &watch.subscription)).await
    }

    async fn close(&self, connection: &str) -> Result<()> {
        let close = self
            .update(connection)
            .update_expression("SET closed = :true")
            .condition_expression("attribute_exists(pk)");
        let close = close.expression_attribute_values(":true", AttributeValue::Bool(true));
        if !update_if(close).await? {
            return Ok(());
        }
        // Who closes it at the same time has removed it already.
        let Some(item) = self.item(connection, true).await? else { return Ok(()) };
        // Of one that is not understood nobody knows what it has: that goes with its time to live.
        let watches = read::<Open>(item).map(|open| open.watches).unwrap_or_default();
        let deletions = watches
            .iter()
            .map(|(subscription, topic)| async move { self.delete(topic, &watch_key(connection, subscription)).await });
        try_join_all(deletions).await?;
        self.delete(&connection_key(connection), ITSELF).await
    }
}

fn is_failed_condition(reason: &CancellationReason) -> bool {
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

fn number(number: &impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Time as DynamoDB's times to live have it.
fn seconds(time: Time) -> i64 {
    time.as_millis() / 1_000
}

fn read<T: for<'a> Deserialize<'a>>(item: Item) -> Result<T> {
    serde_dynamo::from_item(item).map_err(|_| Failure::permanent("an item of the watches is not understood"))
}

/// A connection that is open, of its item.
fn open(item: Option<Item>) -> Result<Option<Open>> {
    let known: Option<Open> = item.map(read).transpose()?;
    Ok(known.filter(|known| !known.closed))
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
