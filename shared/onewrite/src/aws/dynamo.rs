//! Ledgers and leases on DynamoDB: conditional writes, and nothing else that must be right.
//!
//! Here and wherever the SDK is called, a request is sent from a box: its future has some 5 KB, and is moved by every layer
//! around it that has it by value.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, Select,
    TransactWriteItem, Update,
};
use envelope::{Subject, Time};
use futures::future::try_join_all;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::failure::classify;
use crate::decider::{CounterUpdate, InsufficientCounter};
use crate::failure::{Failure, Result};
use crate::lease::LEASE_KEPT;
use crate::port::{
    Acquired, Addition, Allowances, Appended, DoneParts, Leases, Log, NextOfLease, OpenPage, OpenSubjects,
    OwnedSubjects, merged,
};
use crate::row::{Cause, Row};
use crate::slot::{SHARDS, shard_of};

type Attributes = HashMap<String, AttributeValue>;

/// Puts an item on a condition, and answers whether the condition held: if not, nothing was put.
///
/// # Errors
///
/// It is unknown whether the item was put.
pub async fn put_if(put: PutItemFluentBuilder) -> Result<bool> {
    match Box::pin(put.send()).await {
        Ok(_) => Ok(true),
        Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
            Ok(false)
        }
        Err(error) => Err(classify("PutItem", &error)),
    }
}

/// Updates an item on a condition, and answers whether the condition held: if not, nothing was changed.
///
/// # Errors
///
/// It is unknown whether the item was changed.
pub async fn update_if(update: UpdateItemFluentBuilder) -> Result<bool> {
    match Box::pin(update.send()).await {
        Ok(_) => Ok(true),
        Err(error) if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) => {
            Ok(false)
        }
        Err(error) => Err(classify("UpdateItem", &error)),
    }
}

/// A service's table, and the table of the counters that change with its rows, if it has any.
#[derive(Clone, Debug)]
pub struct DynamoLog {
    client: Client,
    table: String,
    counters: Option<String>,
    has_open_index: bool,
}

impl DynamoLog {
    /// A table without counters.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), counters: None, has_open_index: false }
    }

    /// The same, whose first row of each subject is in the index of [what is open](OpenSubjects).
    #[must_use]
    pub fn with_open_index(self) -> Self {
        Self { has_open_index: true, ..self }
    }

    /// The same, with the table of the counters.
    #[must_use]
    pub fn with_counters(self, table: impl Into<String>) -> Self {
        Self { counters: Some(table.into()), ..self }
    }

    fn item(&self, subject: &Subject, row: &Row) -> Result<Attributes> {
        let mut item = to_item(subject, row)?;
        if self.has_open_index && row.version == FIRST {
            item.insert(OPEN.to_owned(), AttributeValue::S(shard_of(subject.as_str()).to_string()));
        }
        Ok(item)
    }

    async fn put(&self, item: Attributes) -> Result<Appended> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item)).condition_expression(IS_NEW);
        match Box::pin(put.send()).await {
            Ok(_) => Ok(Appended::Done),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(Appended::LostRace)
            }
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_transaction_conflict_exception) => {
                Ok(Appended::Conflict)
            }
            Err(error) => Err(classify("PutItem", &error)),
        }
    }

    async fn transact(&self, additions: &[Addition<'_>]) -> Result<Appended> {
        let updates = merged(additions)?;
        let mut request = self.client.transact_write_items();
        for Addition { subject, row, .. } in additions {
            let item = self.item(subject, row)?;
            let put = Put::builder().table_name(&self.table).set_item(Some(item)).condition_expression(IS_NEW).build();
            let put = put.map_err(|error| Failure::permanent(error.to_string()))?;
            request = request.transact_items(TransactWriteItem::builder().put(put).build());
        }
        for update in &updates {
            let update = TransactWriteItem::builder().update(self.update(update)?).build();
            request = request.transact_items(update);
        }
        let Err(error) = Box::pin(request.send()).await else { return Ok(Appended::Done) };
        if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error() {
            return cancellation(canceled.cancellation_reasons(), additions.len(), &updates);
        }
        Err(classify("TransactWriteItems", &error))
    }

    fn update(&self, counters: &CounterUpdate) -> Result<Update> {
        let no_counters = || Failure::permanent("this service has no counters");
        let table = self.counters.as_ref().ok_or_else(no_counters)?;
        let (counter, least) = counters.at_least;
        // A counter that is missing is 0, but a condition on it does not hold.
        let condition = if least > 0 { "#least >= :least" } else { "attribute_not_exists(#least) OR #least >= :least" };
        let mut update = Update::builder()
            .table_name(table)
            .key("pk", AttributeValue::S(counters.key.clone()))
            .condition_expression(condition)
            .expression_attribute_names("#least", counter)
            .expression_attribute_values(":least", number(least))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut terms = Vec::new();
        for (index, (counter, delta)) in counters.add.iter().enumerate() {
            terms.push(format!("#c{index} :d{index}"));
            update = update
                .expression_attribute_names(format!("#c{index}"), *counter)
                .expression_attribute_values(format!(":d{index}"), number(*delta));
        }
        let update = update.update_expression(format!("ADD {}", terms.join(", ")));
        update.build().map_err(|error| Failure::permanent(error.to_string()))
    }
}

const IS_NEW: &str = "attribute_not_exists(pk)";

/// Reads why a transaction was cancelled: one reason for each of the `rows`, and then one for each update. The rows' come
/// first: if somebody else wrote one of their versions, all else is of no interest.
fn cancellation(reasons: &[CancellationReason], rows: usize, updates: &[CounterUpdate]) -> Result<Appended> {
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code().unwrap_or("None")).collect();
    let any = |wanted: &[&str]| codes.iter().any(|code| wanted.contains(code));
    if codes.iter().take(rows).any(|code| *code == "ConditionalCheckFailed") {
        return Ok(Appended::LostRace);
    }
    if any(&["TransactionConflict"]) {
        return Ok(Appended::Conflict);
    }
    let insufficient: Vec<InsufficientCounter> = updates
        .iter()
        .zip(reasons.iter().skip(rows))
        .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
        .map(|(update, reason)| insufficient(update, reason.item()))
        .collect();
    let cancelled = format!("TransactWriteItems: cancelled: {}", codes.join(", "));
    if any(&["ItemCollectionSizeLimitExceeded", "ValidationError"]) {
        return Err(Failure::permanent(cancelled));
    }
    // Throttled, as the other codes say, an item may still be short, or may not be.
    let only_short = codes.iter().all(|code| matches!(*code, "None" | "ConditionalCheckFailed"));
    if insufficient.is_empty() || !only_short {
        return Err(Failure::transient(cancelled));
    }
    Ok(Appended::Short(insufficient))
}

fn insufficient(update: &CounterUpdate, item: Option<&Attributes>) -> InsufficientCounter {
    let (counter, required) = update.at_least;
    let value = item.and_then(|item| item.get(counter)).and_then(|value| value.as_n().ok());
    InsufficientCounter { key: update.key.clone(), required, found: value.and_then(|n| n.parse().ok()).unwrap_or(0) }
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

impl Log for DynamoLog {
    async fn read(&self, subject: &Subject) -> Result<Vec<Row>> {
        let pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(subject.to_string()))
            .into_paginator()
            .items()
            .send();
        let items: Vec<Attributes> = pages.try_collect().await.map_err(|error| classify("Query", &error))?;
        items.into_iter().map(from_item).collect()
    }

    async fn append_all(&self, additions: &[Addition<'_>]) -> Result<Appended> {
        match additions {
            [] => Ok(Appended::Done),
            [Addition { subject, row, updates: [] }] => self.put(self.item(subject, row)?).await,
            _ => self.transact(additions).await,
        }
    }
}

/// By the index `ByOwner`, which has the first rows that have an owner, by the attribute `owner` and the row's time.
impl OwnedSubjects for DynamoLog {
    async fn owned_by(&self, owner: &str) -> Result<Vec<Subject>> {
        let pages = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("ByOwner")
            .key_condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", AttributeValue::S(owner.to_owned()))
            .into_paginator()
            .items()
            .send();
        let items: Vec<Attributes> = pages.try_collect().await.map_err(|error| classify("Query", &error))?;
        Ok(items.iter().filter_map(|item| Subject::new(item.get("pk")?.as_s().ok()?.as_str()).ok()).collect())
    }
}

/// Attribute of a subject's first row, while it is open: the shard of the index `Open`, which has no other row.
const OPEN: &str = "open";

/// Version of a subject's first row.
const FIRST: u32 = 1;

/// Entries of the index that are asked for at once.
const PAGE: i32 = 50;

/// Index of the open subjects of a table whose log is [with it](DynamoLog::with_open_index): the index `Open`, by the
/// attribute `open` and the row's time.
#[derive(Clone, Debug)]
pub struct DynamoOpenSubjects {
    client: Client,
    table: String,
}

impl DynamoOpenSubjects {
    /// Index of that table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    fn query(&self, shard: u8) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .index_name("Open")
            .expression_attribute_names("#open", OPEN)
            .expression_attribute_values(":shard", AttributeValue::S(shard.to_string()))
    }
}

impl OpenSubjects for DynamoOpenSubjects {
    async fn page(&self, shard: u8, after: Option<&str>) -> Result<OpenPage> {
        let after = after.map(|cursor| start_key(shard, cursor)).transpose()?;
        let query = self.query(shard).key_condition_expression("#open = :shard").limit(PAGE);
        let answer = Box::pin(query.set_exclusive_start_key(after).send()).await;
        let answer = answer.map_err(|error| classify("Query", &error))?;
        let subjects = answer.items().iter().filter_map(open_subject).collect();
        let next = answer.last_evaluated_key().and_then(open_subject);
        Ok(OpenPage { subjects, next: next.map(|(subject, at)| format!("{at} {subject}")) })
    }

    async fn count(&self, before: Time) -> Result<u64> {
        let count = async |shard| {
            let mut pages = self
                .query(shard)
                .key_condition_expression("#open = :shard AND #at < :before")
                .expression_attribute_names("#at", "at")
                .expression_attribute_values(":before", AttributeValue::S(before.to_string()))
                .select(Select::Count)
                .into_paginator()
                .send();
            let mut count = 0;
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| classify("Query", &error))?;
                count += u64::try_from(page.count()).unwrap_or(0);
            }
            Ok::<_, Failure>(count)
        };
        Ok(try_join_all((0..SHARDS).map(count)).await?.into_iter().sum())
    }

    async fn close(&self, subject: &Subject) -> Result<()> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(subject.to_string()))
            .key("sk", number(i64::from(FIRST)))
            .condition_expression("attribute_exists(#open)")
            .update_expression("REMOVE #open")
            .expression_attribute_names("#open", OPEN);
        update_if(update).await.map(drop)
    }
}

/// Subject and time of an entry of the index; nothing of what is none of ours.
fn open_subject(entry: &Attributes) -> Option<(Subject, Time)> {
    let text = |name: &str| entry.get(name)?.as_s().ok();
    Some((Subject::new(text("pk")?.as_str()).ok()?, Time::new(text("at")?).ok()?))
}

/// Key of the entry that a cursor names: its time and its subject.
fn start_key(shard: u8, cursor: &str) -> Result<Attributes> {
    let (at, subject) = cursor.split_once(' ').ok_or_else(|| Failure::permanent("the cursor is none of ours"))?;
    Ok(Attributes::from([
        (OPEN.to_owned(), AttributeValue::S(shard.to_string())),
        ("at".to_owned(), AttributeValue::S(at.to_owned())),
        ("pk".to_owned(), AttributeValue::S(subject.to_owned())),
        ("sk".to_owned(), number(i64::from(FIRST))),
    ]))
}

/// A row as it is stored. `events` is one JSON array in one string: the relay publishes what was committed, to the
/// letter, and the stream's filter can ask whether there is any.
#[derive(Serialize, Deserialize)]
struct Item {
    pk: String,
    sk: u32,
    at: Time,
    cause: Cause,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unfinished: bool,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    change: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    events: Option<String>,
}

/// A `null` that is there is something else than nothing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn to_item(subject: &Subject, row: &Row) -> Result<Attributes> {
    let unwritable = |error: &dyn std::error::Error| Failure::permanent(format!("a row cannot be written: {error}"));
    let events = (!row.events.is_empty()).then(|| format!("[{}]", row.events.join(",")));
    let item = Item {
        pk: subject.to_string(),
        sk: row.version,
        at: row.at,
        cause: row.cause.clone(),
        owner: row.owner.clone(),
        unfinished: row.unfinished,
        change: row.change.clone(),
        events,
    };
    serde_dynamo::to_item(item).map_err(|error| unwritable(&error))
}

fn from_item(item: Attributes) -> Result<Row> {
    let version = item.get("sk").and_then(|version| version.as_n().ok()).cloned().unwrap_or_default();
    // An error of serde may have a value in it, which could be personal data. An error of the contract has none.
    let unknown = |what: &str| Failure::not_understood(&version, what);
    let item: Item = serde_dynamo::from_item(item).map_err(|_| unknown("its attributes"))?;
    let events: Vec<&RawValue> = match &item.events {
        Some(events) => serde_json::from_str(events).map_err(|_| unknown("its events are no list"))?,
        None => Vec::new(),
    };
    let events = events.into_iter().map(|event| event.get().to_owned()).collect();
    Ok(Row {
        version: item.sk,
        at: item.at,
        cause: item.cause,
        owner: item.owner,
        unfinished: item.unfinished,
        change: item.change,
        events,
    })
}

/// Never taken, run out, or the caller's own already: the SDK sends a request again whose answer was lost.
const IS_FREE: &str =
    "attribute_not_exists(pk) OR (attribute_not_exists(done) AND (#until <= :now OR #owner = :owner))";

/// Nobody has a place yet, not all are taken, or the member has one.
const HAS_PLACE: &str = "attribute_not_exists(members) OR size(members) < :most OR contains(members, :member)";

/// Leases in a table of their own: items with the version 0, which no row has. The attribute `expiresAt` is for the table's
/// time to live.
#[derive(Clone, Debug)]
pub struct DynamoLeases {
    client: Client,
    table: String,
}

impl DynamoLeases {
    /// Leases in that table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// An update of a lease on a condition, in the name of `owner`.
    fn update(&self, key: &str, owner: &str, condition: &str, change: &str) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(format!("lease#{key}")))
            .key("sk", number(0))
            .condition_expression(condition)
            .update_expression(change)
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", AttributeValue::S(owner.to_owned()))
    }
}

impl Leases for DynamoLeases {
    async fn acquire(&self, key: &str, owner: &str, now: Time, until: Time) -> Result<Acquired> {
        let expires_at = now.after(LEASE_KEPT).as_millis() / 1_000;
        let update = self
            .update(key, owner, IS_FREE, "SET #owner = :owner, #until = :until, expiresAt = :expires")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":now", number(now.as_millis()))
            .expression_attribute_values(":until", number(until.as_millis()))
            .expression_attribute_values(":expires", number(expires_at))
            // The parts are as they were, and a new lease answers nothing.
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match Box::pin(update.send()).await {
            Ok(before) => Ok(Acquired::Mine(parts(before.attributes()))),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(held)) => {
                    let done = held.item().is_some_and(|item| item.contains_key("done"));
                    Ok(if done { Acquired::Done } else { Acquired::Held })
                }
                _ => Err(classify("UpdateItem", &error)),
            },
        }
    }

    async fn record(&self, key: &str, owner: &str, done: &BTreeSet<&'static str>, next: NextOfLease) -> Result<bool> {
        let (attribute, value) = match next {
            // It has the owner already.
            NextOfLease::Held => ("owner", AttributeValue::S(owner.to_owned())),
            NextOfLease::Released => ("until", number(0)),
            NextOfLease::Done => ("done", AttributeValue::Bool(true)),
        };
        let set = "SET #attribute = :value";
        let change = if done.is_empty() { set.to_owned() } else { format!("{set} ADD parts :parts") };
        let mut update = self
            .update(key, owner, "#owner = :owner", &change)
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":value", value);
        if !done.is_empty() {
            let parts = done.iter().map(|part| (*part).to_owned()).collect();
            update = update.expression_attribute_values(":parts", AttributeValue::Ss(parts));
        }
        update_if(update).await
    }

    async fn done(&self, key: &str) -> Result<DoneParts> {
        let get = self.client.get_item().table_name(&self.table);
        let get = get.key("pk", AttributeValue::S(format!("lease#{key}"))).key("sk", number(0));
        let lease = Box::pin(get.consistent_read(true).send()).await.map_err(|error| classify("GetItem", &error))?;
        let all = lease.item().is_some_and(|lease| lease.contains_key("done"));
        Ok(DoneParts { all, parts: parts(lease.item()) })
    }
}

/// Allowances beside the leases, each an item with the set of those that have a place. It is one write, and as much where all places
/// are taken; a set of some dozens of short members has less than the 1 KB that a write unit has.
impl Allowances for DynamoLeases {
    async fn admit(&self, key: &str, member: &str, most: u32, expires: Time) -> Result<bool> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(format!("allowance#{key}")))
            .key("sk", number(0))
            .condition_expression(HAS_PLACE)
            .update_expression("SET expiresAt = :expires ADD members :members")
            .expression_attribute_values(":expires", number(expires.as_millis() / 1_000))
            .expression_attribute_values(":members", AttributeValue::Ss(vec![member.to_owned()]))
            .expression_attribute_values(":member", AttributeValue::S(member.to_owned()))
            .expression_attribute_values(":most", number(most.into()));
        update_if(update).await
    }
}

/// Parts of a lease's effects that are done.
fn parts(lease: Option<&Attributes>) -> BTreeSet<String> {
    let parts = lease.and_then(|lease| lease.get("parts")?.as_ss().ok());
    parts.into_iter().flatten().cloned().collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::primitives::Blob;
    use envelope::strategy::{json, time};
    use proptest::collection::{hash_map, vec};
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::failure::FailureKind;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn a_row_is_read_as_it_was_stored(row in row()) {
            prop_assert_eq!(from_item(to_item(&subject(), &row).unwrap()).ok(), Some(row));
        }

        /// Whatever stands in the table is a row, which can be stored again, or waits for a build that understands it.
        #[test]
        fn any_item_is_a_row_or_refused(row in row(), changes in hash_map(name(), option::of(value()), 0..4)) {
            let mut item = to_item(&subject(), &row).unwrap();
            for (name, value) in changes {
                match value {
                    Some(value) => drop(item.insert(name, value)),
                    None => drop(item.remove(&name)),
                }
            }
            match from_item(item) {
                Ok(row) => prop_assert!(to_item(&subject(), &row).is_ok()),
                Err(failure) => prop_assert_eq!(failure.kind(), FailureKind::Misconfigured),
            }
        }
    }

    fn subject() -> Subject {
        Subject::new("auth0|42").unwrap()
    }

    fn row() -> impl Strategy<Value = Row> {
        let cause = (any::<String>(), any::<String>(), any::<String>(), option::of(any::<String>()))
            .prop_map(|(source, id, event_type, by)| Cause { source, id, event_type, by });
        let owner = option::of(any::<String>());
        (any::<u32>(), time(), cause, owner, any::<bool>(), option::of(json()), vec(json(), 0..3)).prop_map(
            |(version, at, cause, owner, unfinished, change, events)| {
                let change = change.map(without_fractions);
                let events = events.iter().map(Value::to_string).collect();
                Row { version, at, cause, owner, unfinished, change, events }
            },
        )
    }

    /// No change of a service has fractions, which DynamoDB keeps to 38 digits.
    fn without_fractions(value: Value) -> Value {
        match value {
            Value::Number(number) if number.is_f64() => Value::Null,
            Value::Array(items) => items.into_iter().map(without_fractions).collect(),
            Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, without_fractions(value))).collect(),
            other => other,
        }
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof!["pk|sk|at|cause|owner|unfinished|change|events", any::<String>()]
    }

    fn value() -> impl Strategy<Value = AttributeValue> {
        let leaf = prop_oneof![
            any::<String>().prop_map(AttributeValue::S),
            "-?[0-9]{1,38}(\\.[0-9]{1,3})?(E-?[0-9]{1,3})?|[ -~]{0,5}".prop_map(AttributeValue::N),
            any::<bool>().prop_map(AttributeValue::Bool),
            Just(AttributeValue::Null(true)),
            vec(any::<u8>(), 0..9).prop_map(|bytes| AttributeValue::B(Blob::new(bytes))),
            vec(any::<String>(), 0..3).prop_map(AttributeValue::Ss),
            vec("[0-9]{1,5}", 0..3).prop_map(AttributeValue::Ns),
            json().prop_map(|json| AttributeValue::S(json.to_string())),
        ];
        leaf.prop_recursive(3, 9, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(AttributeValue::L),
                hash_map(name(), inner, 0..3).prop_map(AttributeValue::M),
            ]
        })
    }

    fn updates() -> [CounterUpdate; 2] {
        ["A-1", "B-2"].map(|key| CounterUpdate {
            key: key.to_owned(),
            add: vec![("available", -3)],
            at_least: ("available", 3),
        })
    }

    /// Reads the reasons of a transaction of the row, `A-1` and `B-2`. A failed condition tells that there are 2.
    fn read(codes: [&str; 3]) -> Result<Appended, FailureKind> {
        let item = HashMap::from([("available".to_owned(), number(2))]);
        let reasons = codes.map(|code| {
            let failed = code == "ConditionalCheckFailed";
            CancellationReason::builder().code(code).set_item(failed.then(|| item.clone())).build()
        });
        cancellation(&reasons, 1, &updates()).map_err(|failure| failure.kind())
    }

    fn short(keys: &[&str]) -> Appended {
        Appended::Short(
            keys.iter().map(|key| InsufficientCounter { key: (*key).to_owned(), required: 3, found: 2 }).collect(),
        )
    }

    #[test]
    fn the_reasons_of_a_cancelled_transaction_are_read_row_first() {
        const FAILED: &str = "ConditionalCheckFailed";
        for (codes, appended) in [
            ([FAILED, "None", "None"], Ok(Appended::LostRace)),
            ([FAILED, FAILED, "TransactionConflict"], Ok(Appended::LostRace)),
            (["None", FAILED, "None"], Ok(short(&["A-1"]))),
            (["None", "None", FAILED], Ok(short(&["B-2"]))),
            (["None", FAILED, FAILED], Ok(short(&["A-1", "B-2"]))),
            (["TransactionConflict", "None", "None"], Ok(Appended::Conflict)),
            (["None", FAILED, "TransactionConflict"], Ok(Appended::Conflict)),
            (["None", "ThrottlingError", "None"], Err(FailureKind::Transient)),
            (["None", "ProvisionedThroughputExceeded", FAILED], Err(FailureKind::Transient)),
            (["None", "SomethingNew", FAILED], Err(FailureKind::Transient)),
            (["None", "None", "None"], Err(FailureKind::Transient)),
            (["ItemCollectionSizeLimitExceeded", "None", "None"], Err(FailureKind::Permanent)),
            (["None", "ValidationError", "None"], Err(FailureKind::Permanent)),
        ] {
            assert_eq!(read(codes), appended, "{codes:?}");
        }
    }

    #[test]
    fn an_item_that_is_missing_has_nothing_of_anything() {
        let failed = CancellationReason::builder().code("ConditionalCheckFailed").build();
        let none = CancellationReason::builder().build();
        let Ok(Appended::Short(insufficient)) = cancellation(&[none, failed], 1, &updates()) else {
            panic!("not short")
        };
        assert_eq!(insufficient, [InsufficientCounter { key: "A-1".to_owned(), required: 3, found: 0 }]);
    }
}
