//! Watches in a table of DynamoDB, and the sockets of API Gateway.
//!
//! A connection is an item, which names its subscriptions with their topics; each subscription is an item under its topic. Both are
//! written in one transaction, which wants the connection to be open. Who closes a connection first says so in its item, and so finds
//! all its subscriptions: none can be added behind.
//!
//! Subscriptions to an order are in one partition. A topic that thousands may watch has parts, each a partition: a subscription is in the
//! part that its own key says, so that everybody finds it. Which parts there are to be looked at is said under the topic by an item for
//! each. Whoever joins a part counts themselves there and says that they are under way, before the transaction, and takes that word back
//! after it. Whoever finds a part empty says at which count, unless somebody was under way as it was read or the count is another since. So what nobody watches
//! is one look, and nobody's joining is overlooked:
//!
//! ```text
//!   joins:  count up, "under way" ──► write the subscription ──► take the word back ──► read what has happened so far
//!   looks:  read the counts ──► find nobody ──► say that it was empty at that count, if nobody was under way then and the count stands
//! ```
//!
//! Of one who was not found the subscription came after the look. Then they were under way as the counts were read, or the count is
//! another since. That nobody is under way any more says nothing: they may have written it meanwhile. The word of one who has died stays
//! until nobody has joined that part for as long as a connection lasts, and costs a look for each that there is.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, Put, Select, TransactWriteItem, Update};
use futures::future::try_join_all;
use onewrite::aws::{CallError, Connections, SdkConfig, System, classify, put_if, update_if};
use onewrite::envelope::derive_id;
use onewrite::port::Random;
use onewrite::{Failure, Result};
use orderflow_events::Time;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::domain::{Right, Topic};
use crate::port::{Added, Connection, Found, MAX_SUBSCRIPTIONS, PAGE, Page, Sent, Sockets, Watch, Watches};

/// Sort key of a connection.
const ITSELF: &str = "#";

/// Most subscriptions in a part of a topic. With two writes for each and update it stays below the thousand a second that a partition takes.
/// Of 10,000 each of the 32 parts has 313, give or take 18: none is full before its topic is, and all have 12,800.
pub(crate) const MOST_OF_PART: usize = 400;

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
    turn: String,
    #[serde(default)]
    holder: Option<String>,
}

/// Part of a topic, as it is said under that.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    /// Its name.
    sk: String,
    /// Times that somebody has begun to join it.
    joins: u64,
    /// Those of them that are under way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    under_way: Vec<String>,
    /// End of the item, after which there may be another with the same number.
    expires_at: u64,
    /// Number of those at which it was found empty.
    #[serde(default)]
    empty_at: Option<u64>,
}

/// Place in the pages of a topic that has parts.
#[derive(Serialize, Deserialize)]
struct Place {
    /// Parts that are still to be looked at.
    parts: VecDeque<Part>,
    /// Place in the first of them.
    after: Option<String>,
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

    /// A page of a partition.
    async fn look(&self, partition: &str, after: Option<&str>) -> Result<Page> {
        let begin = after.map(|after| item(&[("pk", text(partition)), ("sk", text(after))]));
        let query = self.under(partition).limit(i32::try_from(PAGE).unwrap_or(i32::MAX)).set_exclusive_start_key(begin);
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

    /// Parts of a topic that somebody may be in.
    async fn parts(&self, key: &str) -> Result<VecDeque<Part>> {
        let (mut parts, mut next) = (VecDeque::new(), None);
        loop {
            let query = self.under(&part_key(key, "")).set_exclusive_start_key(next);
            let answer = Box::pin(query.send()).await.map_err(|error| classify("Query", &error))?;
            for item in answer.items.unwrap_or_default() {
                parts.push_back(read::<Part>(item)?);
            }
            next = answer.last_evaluated_key;
            if next.is_none() {
                break;
            }
        }
        parts.retain(|part| part.empty_at != Some(part.joins));
        // Anywhere: where one attempt has too little time for all, the next does not begin with the same.
        let begin = System.below(u64::try_from(parts.len().max(1)).unwrap_or(1));
        parts.rotate_left(usize::try_from(begin).unwrap_or_default());
        Ok(parts)
    }

    /// Says that an attempt to join a part of a topic is under way.
    async fn join(&self, key: &str, part: &str, attempt: &str, expires: Time) -> Result<()> {
        let join = self.update(&part_key(key, ""), part);
        let join = join.update_expression("SET expiresAt = :expires ADD joins :one, underWay :attempt");
        let join = join.expression_attribute_values(":expires", number(&seconds(expires)));
        let join = join.expression_attribute_values(":one", number(&1));
        let join = join.expression_attribute_values(":attempt", AttributeValue::Ss(vec![attempt.to_owned()]));
        Box::pin(join.send()).await.map(drop).map_err(|error| classify("UpdateItem", &error))
    }

    /// Says that the attempt is over, whatever has come of it. Where that is not known the part is looked at for longer, and no more.
    async fn joined(&self, key: &str, part: &str, attempt: &str) {
        let joined = self.update(&part_key(key, ""), part).update_expression("DELETE underWay :attempt");
        let joined = joined.expression_attribute_values(":attempt", AttributeValue::Ss(vec![attempt.to_owned()]));
        // Not one that has ended meanwhile: it would be made anew.
        if let Err(failure) = update_if(joined.condition_expression("attribute_exists(pk)")).await {
            warn!(%failure, "a part of a topic is looked at until its item ends");
        }
    }

    /// Says that nobody is in a part of a topic, unless somebody was under way as it was read, or has begun to join it since.
    async fn leave(&self, key: &str, part: &Part) -> Result<()> {
        if !part.under_way.is_empty() {
            return Ok(());
        }
        let leave = self.update(&part_key(key, ""), &part.sk).update_expression("SET emptyAt = :joins");
        let leave = leave.condition_expression("joins = :joins AND expiresAt = :expires");
        let leave = leave.expression_attribute_values(":expires", number(&part.expires_at));
        update_if(leave.expression_attribute_values(":joins", number(&part.joins))).await.map(drop)
    }

    /// True of a partition that has so many subscriptions.
    async fn has(&self, partition: &str, most: usize) -> Result<bool> {
        let (mut count, mut next) = (0, None);
        while count < most {
            let limit = i32::try_from(most - count).unwrap_or(i32::MAX);
            let query = self.under(partition).select(Select::Count).limit(limit).set_exclusive_start_key(next);
            let answer = Box::pin(query.send()).await.map_err(|error| classify("Query", &error))?;
            count += usize::try_from(answer.count).unwrap_or_default();
            next = answer.last_evaluated_key;
            if next.is_none() {
                break;
            }
        }
        Ok(count >= most)
    }

    /// Update of an item.
    fn update(&self, pk: &str, sk: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("pk", text(pk)).key("sk", text(sk))
    }

    /// Update of a connection.
    fn update_connection(&self, connection: &str) -> UpdateItemFluentBuilder {
        self.update(&connection_key(connection), ITSELF)
    }

    /// Update of a subscription under its topic.
    fn update_watch(&self, watch: &Watch) -> UpdateItemFluentBuilder {
        let place = watch_key(&watch.connection, &watch.subscription);
        self.update(&partition_of(&watch.topic.key(), &place), &place)
    }

    /// Reason for which a subscription was not added.
    async fn refusal(&self, connection: &str, subscription: &str) -> Result<Added> {
        let Some(open) = self.opened(connection).await? else { return Ok(Added::Closed) };
        if open.watches.contains_key(subscription) {
            return Ok(Added::Taken);
        }
        if open.ended.contains(subscription) {
            let forget = self.update_connection(connection).update_expression("DELETE ended :ended");
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

    /// Deletes a subscription under its topic.
    async fn delete_of(&self, topic: &str, connection: &str, subscription: &str) -> Result<()> {
        let place = watch_key(connection, subscription);
        self.delete(&partition_of(topic, &place), &place).await
    }

    /// Removes a subscription under its topic, and then from its connection, by which it is found.
    async fn remove_of(&self, topic: &str, connection: &str, subscription: &str) -> Result<()> {
        self.delete_of(topic, connection, subscription).await?;
        let update = self.update_connection(connection).update_expression("REMOVE #watches.#id");
        let update = update.condition_expression(IS_THERE);
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
        let Watch { topic, connection, subscription, right, request, position, turn, holder: _ } = watch;
        let (key, place) = (topic.key(), watch_key(connection, subscription));
        let partition = partition_of(&key, &place);
        let most = if has_parts(&key) { MOST_OF_PART } else { topic.most() };
        if self.has(&partition, most).await? {
            return Ok(Added::TopicFull);
        }
        let item = item(&[
            ("pk", text(&partition)),
            ("sk", text(&place)),
            ("topic", text(&topic_text(topic)?)),
            ("connection", text(connection)),
            ("subscription", text(subscription)),
            ("right", text(&right_text(right)?)),
            ("request", text(request)),
            ("position", text(position)),
            ("turn", text(turn)),
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
            .expression_attribute_values(":topic", text(&key))
            .expression_attribute_values(":id", text(subscription))
            .expression_attribute_values(":most", number(&MAX_SUBSCRIPTIONS))
            .build();
        let update = update.map_err(|error| Failure::permanent(error.to_string()))?;
        let add = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(update).build())
            .transact_items(self.put(item)?);
        let (part, attempt) = (part_of(&place), System.below(u64::MAX).to_string());
        if has_parts(&key) {
            self.join(&key, &part, &attempt, expires).await?;
        }
        let added = Box::pin(add.send()).await;
        let is_refused = |error: &SdkError<TransactWriteItemsError>| {
            error.as_service_error().is_some_and(TransactWriteItemsError::is_transaction_canceled_exception)
        };
        let is_known = added.as_ref().err().is_none_or(is_refused);
        if has_parts(&key) && is_known {
            self.joined(&key, &part, &attempt).await;
        }
        let Err(error) = added else { return Ok(Added::Done) };
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
        if !has_parts(key) {
            return self.look(key, after).await;
        }
        let mut place = match after {
            Some(after) => place_of(after)?,
            None => Place { parts: self.parts(key).await?, after: None },
        };
        // Until there is somebody: a page without is the last.
        while let Some(part) = place.parts.front() {
            let page = self.look(&part_key(key, &part.sk), place.after.as_deref()).await?;
            if page.found.is_empty() && place.after.is_none() && page.next.is_none() {
                // Where that fails it is looked at again, and no more.
                if let Err(failure) = self.leave(key, part).await {
                    warn!(%failure, "a part of a topic that nobody is in is looked at again");
                }
            }
            place.after = page.next;
            if place.after.is_none() {
                place.parts.pop_front();
            }
            if !page.found.is_empty() {
                let next = (!place.parts.is_empty()).then(|| place_text(&place)).transpose()?;
                return Ok(Page { found: page.found, next });
            }
        }
        Ok(Page::default())
    }

    async fn get(&self, key: &str, connection: &str, subscription: &str) -> Result<Option<Watch>> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let place = watch_key(connection, subscription);
        let get = get.key("pk", text(&partition_of(key, &place))).key("sk", text(&place));
        let answer = Box::pin(get.send()).await.map_err(|error| classify("GetItem", &error))?;
        answer.item.map(watch_of).transpose()
    }

    async fn hold(&self, watch: &Watch, holder: &str) -> Result<bool> {
        let update = self
            .update_watch(watch)
            .update_expression("SET #holder = :holder")
            .condition_expression("#turn = :turn AND (attribute_not_exists(#holder) OR #holder = :holder)")
            .expression_attribute_names("#holder", "holder")
            .expression_attribute_names("#turn", "turn")
            .expression_attribute_values(":holder", text(holder))
            .expression_attribute_values(":turn", text(&watch.turn));
        update_if(update).await
    }

    async fn release(&self, watch: &Watch, holder: &str, position: &str) -> Result<bool> {
        let update = self
            .update_watch(watch)
            .update_expression("SET #position = :position, #turn = :holder REMOVE #holder")
            .condition_expression("#holder = :holder")
            .expression_attribute_names("#holder", "holder")
            .expression_attribute_names("#position", "position")
            .expression_attribute_names("#turn", "turn")
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
            let keep = self.update_connection(connection).update_expression("ADD ended :ended");
            let keep = keep.condition_expression(IS_NOT_THERE);
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
        self.delete_of(&watch.topic.key(), &watch.connection, &watch.subscription).await
    }

    async fn close(&self, connection: &str) -> Result<()> {
        let close = self
            .update_connection(connection)
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
            .map(|(subscription, topic)| async move { self.delete_of(topic, connection, subscription).await });
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

/// True of a topic that has parts.
fn has_parts(key: &str) -> bool {
    key == Topic::EVENTS || key == Topic::BOARD
}

/// Part of a topic that the subscription with that sort key is in: one of 32, by chance and for good.
pub(crate) fn part_of(place: &str) -> String {
    derive_id("", &[place]).chars().take(1).collect()
}

/// Partition of a part of a topic; of no part, that of what is said of the parts. Other keys begin otherwise.
fn part_key(key: &str, part: &str) -> String {
    format!("{key}#{part}")
}

/// Partition of a subscription under its topic.
fn partition_of(key: &str, place: &str) -> String {
    if has_parts(key) { part_key(key, &part_of(place)) } else { key.to_owned() }
}

fn place_text(place: &Place) -> Result<String> {
    serde_json::to_string(place).map_err(|_| Failure::permanent("a place in the pages cannot be written"))
}

fn place_of(text: &str) -> Result<Place> {
    serde_json::from_str(text).map_err(|_| Failure::permanent("a place in the pages is not understood"))
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
    let UnderTopic { topic, connection, subscription, right, request, position, turn, holder } = read(item)?;
    let topic = serde_json::from_str(&topic).map_err(|_| Failure::permanent("a topic is not understood"))?;
    Ok(Watch { topic, connection, subscription, right: right_of(&right)?, request, position, turn, holder })
}

/// Sockets of an API of API Gateway.
#[derive(Debug)]
pub struct GatewaySockets(Connections);

impl GatewaySockets {
    /// Sockets of the API whose connections are at that URL. What was sent and is not known to have come is not sent again.
    #[must_use]
    pub fn new(config: &SdkConfig, url: &str) -> Self {
        Self(Connections::new(config, url))
    }
}

impl Sockets for GatewaySockets {
    async fn send(&self, connection: &str, text: &str) -> Result<Sent> {
        match self.0.post(connection, text).await {
            Ok(()) => Ok(Sent::Done),
            Err(error) => match status(&error) {
                Some(410) => Ok(Sent::Gone),
                Some(429) => Ok(Sent::Busy),
                _ => Err(classify("PostToConnection", &error)),
            },
        }
    }

    async fn close(&self, connection: &str) -> Result<()> {
        match self.0.delete(connection).await {
            Err(error) if status(&error) != Some(410) => Err(classify("DeleteConnection", &error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn status(error: &CallError) -> Option<u16> {
    error.raw_response().map(|answer| answer.status().as_u16())
}
