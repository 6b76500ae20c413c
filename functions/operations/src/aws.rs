//! Letters and jobs in a DynamoDB table; the services and their tables are in the modules below.
//!
//! A letter is an item, and so is each message that it has had, or several where one would be too large. Letters and the
//! jobs that are active are in the index `ByState`: letters by state and the time of the first failure, jobs by kind. Letters for
//! which somebody has to do something are in the index `OpenLetters` besides, by service and class, to be counted.

mod items;
mod stack;
mod tables;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, Select, TransactWriteItem};
use onewrite::aws::{classify, put_if};
use onewrite::{Failure, FailureKind, Result};
use orderflow_events::Time;
use serde::Serialize;
use serde::de::DeserializeOwned;

use futures::future::try_join_all;
use items::{AT_ONCE, Item, is_at, items, string, text};
pub use stack::AwsStack;

use crate::domain::{Class, Letter, LetterId, State};
use crate::jobs::job::Job;
use crate::jobs::redrive::RedriveId;
use crate::message::Kept;
use crate::port::{Backlog, JobStore, LetterStore, OpenLetters, PartStore, Since, Stored};

/// Index of what is in a state, by place.
const BY_STATE: &str = "ByState";

/// Index of the letters that are open, by service, class and place.
const OPEN: &str = "OpenLetters";

/// Hash key of that index, of all that is in it.
const LETTERS: &str = "letters";

/// Pages of a count: DynamoDB counts some 5,000 letters of the index in one.
const MAX_COUNTED_PAGES: usize = 100;

/// Sort key of a letter.
const LETTER: &str = "letter";

/// The largest part of a message, in bytes: DynamoDB takes 400 KB for an item.
const MAX_PART_BYTES: usize = 350_000;

/// Letters that are asked for at once.
const PAGE: i32 = 100;

/// Letters and jobs in a table with the keys `pk` and `sk`.
#[derive(Clone, Debug)]
pub struct DynamoOperations {
    client: Client,
    table: String,
}

impl DynamoOperations {
    /// Letters and jobs in that table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    async fn get<T: DeserializeOwned>(&self, pk: &str, sk: &str) -> Result<Option<T>> {
        let get = self.client.get_item().table_name(&self.table).key("pk", text(pk)).key("sk", text(sk));
        let answer = Box::pin(get.consistent_read(true).send()).await.map_err(|error| classify("GetItem", &error))?;
        answer.item.as_ref().map(record_of).transpose()
    }

    async fn put_record(
        &self,
        [pk, sk]: [&str; 2],
        record: &impl Serialize,
        revision: u64,
        indexed: &[(&str, String)],
        since: Since,
    ) -> Result<Stored> {
        let record = serde_json::to_string(record).map_err(|error| Failure::permanent(error.to_string()))?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(pk))
            .item("sk", text(sk))
            .item("record", text(record))
            .item("revision", AttributeValue::N(revision.to_string()));
        let put = indexed.iter().fold(put, |put, (name, value)| put.item(*name, text(value)));
        let put = match since {
            Since::New => put.condition_expression("attribute_not_exists(pk)"),
            Since::Revision(read) => put
                .condition_expression("revision = :read")
                .expression_attribute_values(":read", AttributeValue::N(read.to_string())),
        };
        Ok(if put_if(put).await? { Stored::Done } else { Stored::Changed })
    }

    /// The items of these keys, in their order, each with that attribute.
    async fn found(&self, keys: Vec<[AttributeValue; 2]>, attribute: &str) -> Result<Vec<Option<Item>>> {
        let mut asked: Vec<[AttributeValue; 2]> = Vec::new();
        for key in &keys {
            // A key may be asked for once in a request.
            if !asked.contains(key) {
                asked.push(key.clone());
            }
        }
        let mut found = Vec::new();
        for keys in asked.chunks(AT_ONCE) {
            found.extend(items(&self.client, &self.table, keys, &[attribute]).await?);
        }
        Ok(keys.iter().map(|key| found.iter().find(|item| is_at(item, key)).cloned()).collect())
    }

    async fn in_state<T: DeserializeOwned>(&self, state: &str, after: Option<&str>) -> Result<Vec<T>> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_STATE)
            .key_condition_expression("#state = :state AND place > :after")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", text(state))
            // A blank comes before every place.
            .expression_attribute_values(":after", text(after.unwrap_or(" ")))
            .limit(PAGE);
        let answer = Box::pin(query.send()).await.map_err(|error| classify("Query", &error))?;
        answer.items().iter().map(record_of).collect()
    }
}

impl LetterStore for DynamoOperations {
    async fn letter(&self, id: &LetterId) -> Result<Option<Letter>> {
        self.get(id.as_str(), LETTER).await
    }

    async fn letters_of(&self, ids: &[LetterId]) -> Result<Vec<Option<Letter>>> {
        let keys = ids.iter().map(|id| [text(id.as_str()), text(LETTER)]);
        let found = self.found(keys.collect(), "record").await?;
        found.iter().map(|item| item.as_ref().map(record_of).transpose()).collect()
    }

    async fn put(&self, letter: &Letter, since: Since) -> Result<Stored> {
        let mut indexed = vec![("state", letter.state.as_str().to_owned()), ("place", letter.place())];
        if letter.state.is_open() {
            let group = format!("{}{}", group_of(&letter.service, letter.class), letter.place());
            indexed.extend([("open", LETTERS.to_owned()), ("group", group)]);
        }
        self.put_record([letter.id.as_str(), LETTER], letter, letter.revision, &indexed, since).await
    }

    async fn keep(&self, id: &LetterId, name: &str, message: &Kept) -> Result<()> {
        let whole = serde_json::to_string(message).map_err(|error| Failure::permanent(error.to_string()))?;
        let parts = parts_of(&whole);
        let mut transaction = self.client.transact_write_items();
        let count = parts.len();
        for (index, part) in parts.into_iter().enumerate() {
            let item = Item::from(
                [("pk", id.as_str()), ("sk", &message_key(name, index)), ("part", part)]
                    .map(|(name, value)| (name.to_owned(), text(value))),
            );
            if count == 1 {
                let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
                return put_if(put.condition_expression("attribute_not_exists(pk)")).await.map(drop);
            }
            let put = Put::builder().table_name(&self.table).set_item(Some(item));
            let put = put.condition_expression("attribute_not_exists(pk)").build();
            let put = put.map_err(|error| Failure::permanent(error.to_string()))?;
            transaction = transaction.transact_items(TransactWriteItem::builder().put(put).build());
        }
        match Box::pin(transaction.send()).await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(is_kept) => Ok(()),
            Err(error) => Err(classify("TransactWriteItems", &error)),
        }
    }

    async fn message(&self, id: &LetterId, name: &str) -> Result<Option<Kept>> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", text(id.as_str()))
            .expression_attribute_values(":sk", text(format!("message#{name}#")));
        let items: Vec<Item> =
            query.into_paginator().items().send().try_collect().await.map_err(|error| classify("Query", &error))?;
        if items.is_empty() {
            return Ok(None);
        }
        let whole: String = items.iter().filter_map(|item| item.get("part")?.as_s().ok()).map(String::as_str).collect();
        serde_json::from_str(&whole).map(Some).map_err(|_| not_understood("a message"))
    }

    async fn messages_of(&self, letters: &[&Letter]) -> Result<Vec<Option<Kept>>> {
        let first = |letter: &&Letter| [text(letter.id.as_str()), text(message_key(&letter.message, 0))];
        let found = self.found(letters.iter().map(first).collect(), "part").await?;
        let messages = letters.iter().zip(found).map(async |(letter, item)| {
            let Some(part) = item.as_ref().and_then(|item| string(item, "part")) else { return Ok(None) };
            // Of one that has several parts, the first does not end.
            match serde_json::from_str(part) {
                Ok(message) => Ok(Some(message)),
                Err(_) => self.message(&letter.id, &letter.message).await,
            }
        });
        try_join_all(messages).await
    }

    async fn page(&self, state: State, after: Option<&str>) -> Result<Vec<Letter>> {
        self.in_state(state.as_str(), after).await
    }
}

impl Backlog for DynamoOperations {
    /// From group to group: of each the first letter is asked for, which is the oldest, and then their number.
    async fn open_letters(&self) -> Result<Vec<OpenLetters>> {
        let mut open = Vec::new();
        // A blank comes before every group.
        let mut after = " ".to_owned();
        loop {
            let first = self.of_open("#group > :group", &after).limit(1);
            let answer = Box::pin(first.send()).await.map_err(|error| classify("Query", &error))?;
            let Some(first) = answer.items().first() else { return Ok(open) };
            let first = string(first, "group").and_then(place_in_group);
            let (service, class, oldest) = first.ok_or_else(|| not_understood("a letter's group"))?;
            let group = group_of(&service, class);
            let count = self.count(&group).await?;
            // The sign after that which ends it: behind all of the group.
            after = format!("{}$", group.trim_end_matches(SEPARATOR));
            open.push(OpenLetters { service, class, count, oldest });
        }
    }
}

impl DynamoOperations {
    fn of_open(&self, which: &str, group: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .index_name(OPEN)
            .key_condition_expression(format!("#open = :open AND {which}"))
            .expression_attribute_names("#open", "open")
            .expression_attribute_names("#group", "group")
            .expression_attribute_values(":open", text(LETTERS))
            .expression_attribute_values(":group", text(group))
    }

    async fn count(&self, group: &str) -> Result<u32> {
        let (mut count, mut after) = (0, None);
        for _ in 0..MAX_COUNTED_PAGES {
            let page = self.of_open("begins_with(#group, :group)", group).select(Select::Count);
            let answer = Box::pin(page.set_exclusive_start_key(after).send()).await;
            let answer = answer.map_err(|error| classify("Query", &error))?;
            count += u32::try_from(answer.count()).unwrap_or(0);
            after = answer.last_evaluated_key;
            if after.is_none() {
                break;
            }
        }
        Ok(count)
    }
}

/// Sign after a service and after a class, which neither has in it.
const SEPARATOR: char = '#';

/// Beginning of what the letters of a service and class have in the index.
fn group_of(service: &str, class: Class) -> String {
    format!("{service}{SEPARATOR}{}{SEPARATOR}", class.as_str())
}

/// Service, class and first failure of a letter, as the index has them.
fn place_in_group(group: &str) -> Option<(String, Class, Time)> {
    let mut pieces = group.split(SEPARATOR);
    let (service, class, failed_at) = (pieces.next()?, pieces.next()?, pieces.next()?);
    let class = [Class::Permanent, Class::Exhausted, Class::None].into_iter().find(|known| known.as_str() == class)?;
    Some((service.to_owned(), class, Time::new(failed_at).ok()?))
}

impl PartStore for DynamoOperations {
    async fn keep_part(&self, id: &RedriveId, part: u32, letters: &[LetterId]) -> Result<()> {
        // Only its own request knows the id, and may send it again.
        let since = Since::New;
        self.put_record([id.as_str(), &part_key(part)], &letters, 1, &[], since).await.map(drop)
    }

    async fn part(&self, id: &RedriveId, part: u32) -> Result<Vec<LetterId>> {
        let part = self.get(id.as_str(), &part_key(part)).await?;
        part.ok_or_else(|| Failure::permanent("a redrive has no such part"))
    }
}

impl JobStore for DynamoOperations {
    async fn job<J: Job>(&self, id: &str) -> Result<Option<J>> {
        self.get(id, J::KIND).await
    }

    async fn put_job<J: Job>(&self, job: &J, since: Since) -> Result<Stored> {
        let place = || format!("{}#{}", job.head().at, job.id());
        let indexed =
            if job.is_active() { vec![("state", J::KIND.to_owned()), ("place", place())] } else { Vec::new() };
        self.put_record([job.id(), J::KIND], job, job.head().revision, &indexed, since).await
    }

    async fn active<J: Job>(&self) -> Result<Vec<J>> {
        self.in_state(J::KIND, None).await
    }
}

fn message_key(name: &str, part: usize) -> String {
    format!("message#{name}#{part:04}")
}

fn part_key(part: u32) -> String {
    format!("part#{part:04}")
}

/// Tells that a message is kept already.
fn is_kept(error: &TransactWriteItemsError) -> bool {
    let TransactWriteItemsError::TransactionCanceledException(canceled) = error else { return false };
    canceled.cancellation_reasons().iter().any(|reason| reason.code() == Some("ConditionalCheckFailed"))
}

/// Pieces of a text that are small enough for an item each.
fn parts_of(whole: &str) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), whole);
    while rest.len() > MAX_PART_BYTES {
        let (part, after) = rest.split_at(rest.floor_char_boundary(MAX_PART_BYTES));
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

fn record_of<T: DeserializeOwned>(item: &Item) -> Result<T> {
    let record = item.get("record").and_then(|record| record.as_s().ok());
    let record = record.and_then(|record| serde_json::from_str(record).ok());
    record.ok_or_else(|| not_understood("a record"))
}

fn not_understood(what: &str) -> Failure {
    Failure::new(
        FailureKind::Misconfigured,
        format!("{what} of the operations is not understood, was it written by a newer build?"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_too_large_for_an_item_is_in_several_and_comes_back() {
        for (bytes, count) in [(0, 1), (MAX_PART_BYTES, 1), (MAX_PART_BYTES + 1, 2), (MAX_PART_BYTES * 3 - 1, 3)] {
            // Its first byte is alone, so that a part that were full would end within a character.
            let whole = format!("{}{}", "a".repeat(bytes % 2), "é".repeat(bytes / 2));
            let parts = parts_of(&whole);
            assert_eq!((whole.len(), parts.len()), (bytes, count));
            assert!(parts.iter().all(|part| part.len() <= MAX_PART_BYTES));
            assert_eq!(parts.concat(), whole);
        }
    }
}
