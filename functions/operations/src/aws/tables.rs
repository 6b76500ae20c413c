//! The services' tables: rows of outboxes, and the journal.

use std::collections::{BTreeSet, HashMap, HashSet};

use aws_sdk_dynamodb::types::AttributeValue;
use onewrite::aws::{DynamoOpenSubjects, classify};
use onewrite::port::OpenSubjects;
use onewrite::{Failure, Result, Slot};
use orderflow_events::Time;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::AwsStack;
use super::items::{AT_ONCE, Item, is_at, items, string, text};
use crate::archive::{Range, Recorded, SlotPage};
use crate::domain::Glimpse;
use crate::jobs::reconciliation::{OutboxRow, RowPage};
use crate::port::{Archive, Outboxes};

/// Index of the journal by time.
const BY_TIME: &str = "ByTime";

impl Outboxes for AwsStack {
    async fn rows(&self, table: &str, after: Option<&str>) -> Result<RowPage> {
        let scan = self
            .dynamodb
            .scan()
            .table_name(table)
            .projection_expression("pk, sk, #at, events")
            .expression_attribute_names("#at", "at")
            .limit(i32::try_from(AT_ONCE).unwrap_or(i32::MAX))
            .set_exclusive_start_key(after.map(key_of).transpose()?);
        let answer = Box::pin(scan.send()).await.map_err(|error| classify("Scan", &error))?;
        let rows = answer.items().iter().filter_map(row_of);
        Ok(RowPage { rows: rows.collect(), next: answer.last_evaluated_key().map(cursor_of) })
    }

    async fn has_rows(&self, table: &str, rows: &[(String, u32)]) -> Result<Vec<bool>> {
        let mut has = Vec::new();
        for rows in rows.chunks(AT_ONCE) {
            let keys: Vec<[AttributeValue; 2]> =
                rows.iter().map(|(subject, version)| [text(subject), AttributeValue::N(version.to_string())]).collect();
            let found = items(&self.dynamodb, table, &keys, &[]).await?;
            has.extend(keys.iter().map(|key| found.iter().any(|item| is_at(item, key))));
        }
        Ok(has)
    }

    async fn open(&self, table: &str, before: Time) -> Result<u64> {
        DynamoOpenSubjects::new(self.dynamodb.clone(), table).count(before).await
    }
}

impl Archive for AwsStack {
    async fn slot(&self, journal: &str, slot: Slot, range: Range, after: Option<&str>) -> Result<SlotPage> {
        let query = self
            .dynamodb
            .query()
            .table_name(journal)
            .index_name(BY_TIME)
            .key_condition_expression("slot = :slot AND #at BETWEEN :from AND :to")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":slot", text(slot.to_string()))
            .expression_attribute_values(":from", text(range.from.to_string()))
            .expression_attribute_values(":to", text(range.to.to_string()))
            .limit(i32::try_from(AT_ONCE).unwrap_or(i32::MAX))
            .set_exclusive_start_key(after.map(key_of).transpose()?);
        let answer = Box::pin(query.send()).await.map_err(|error| classify("Query", &error))?;
        let keys: Vec<[AttributeValue; 2]> = answer.items().iter().filter_map(key_values).collect();
        let found = items(&self.dynamodb, journal, &keys, &["event", "at"]).await?;
        let entries = keys.iter().filter_map(|key| recorded_of(found.iter().find(|item| is_at(item, key))?));
        Ok(SlotPage { entries: entries.collect(), next: answer.last_evaluated_key().map(cursor_of) })
    }

    async fn of_subject(&self, journal: &str, subject: &str) -> Result<Vec<Recorded>> {
        let query = self
            .dynamodb
            .query()
            .table_name(journal)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(subject))
            .into_paginator()
            .items()
            .send();
        let items: Vec<Item> = query.try_collect().await.map_err(|error| classify("Query", &error))?;
        Ok(items.iter().filter_map(recorded_of).collect())
    }

    async fn has(&self, journal: &str, events: &[Glimpse]) -> Result<Vec<bool>> {
        let key = |event: &Glimpse| {
            let Glimpse { subject: Some(subject), source: Some(source), id: Some(id), .. } = event else { return None };
            Some([subject.clone(), format!("{id}#{source}")])
        };
        let keys: Vec<Option<[String; 2]>> = events.iter().map(key).collect();
        // A key may be asked for once in a request.
        let asked: BTreeSet<&[String; 2]> = keys.iter().flatten().collect();
        let asked: Vec<[AttributeValue; 2]> = asked.into_iter().map(|key| key.clone().map(text)).collect();
        let mut found = HashSet::new();
        for keys in asked.chunks(AT_ONCE) {
            found.extend(items(&self.dynamodb, journal, keys, &[]).await?.iter().filter_map(key_texts));
        }
        Ok(keys.iter().map(|key| key.as_ref().is_some_and(|key| found.contains(key))).collect())
    }
}

fn key_values(item: &Item) -> Option<[AttributeValue; 2]> {
    Some([item.get("pk")?.clone(), item.get("sk")?.clone()])
}

fn key_texts(item: &Item) -> Option<[String; 2]> {
    Some([string(item, "pk")?.to_owned(), string(item, "sk")?.to_owned()])
}

fn recorded_of(item: &Item) -> Option<Recorded> {
    Some(Recorded { at: Time::new(string(item, "at")?).ok()?, text: string(item, "event")?.to_owned() })
}

/// Row of an item; none of what stands beside the rows.
fn row_of(item: &Item) -> Option<OutboxRow> {
    let subject = string(item, "pk")?.to_owned();
    let version: u32 = item.get("sk")?.as_n().ok()?.parse().ok().filter(|version| *version > 0)?;
    let at = Time::new(string(item, "at")?).ok()?;
    let events = string(item, "events");
    let list: Vec<&RawValue> = events.and_then(|events| serde_json::from_str(events).ok()).unwrap_or_default();
    let image = json!({
        "pk": { "S": subject },
        "sk": { "N": version.to_string() },
        "at": { "S": at.to_string() },
        "events": { "S": events.unwrap_or_default() },
    });
    let events = list.into_iter().map(|event| event.get().to_owned()).collect();
    Some(OutboxRow { subject, version, at, events, image })
}

/// Cursor of the key after which a page begins.
fn cursor_of(key: &Item) -> String {
    let attributes = key.iter().map(|(name, value)| {
        let value = match value {
            AttributeValue::N(number) => json!({ "N": number }),
            AttributeValue::S(text) => json!({ "S": text }),
            _ => Value::Null,
        };
        (name.clone(), value)
    });
    Value::Object(attributes.collect()).to_string()
}

fn key_of(cursor: &str) -> Result<Item> {
    let unknown = || Failure::permanent("the cursor is none of ours");
    let key: HashMap<String, HashMap<String, String>> = serde_json::from_str(cursor).map_err(|_| unknown())?;
    let attributes = key.into_iter().map(|(name, mut value)| {
        let value = match (value.remove("S"), value.remove("N")) {
            (Some(text), _) => AttributeValue::S(text),
            (None, Some(number)) => AttributeValue::N(number),
            (None, None) => return Err(unknown()),
        };
        Ok((name, value))
    });
    attributes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_the_key_that_it_was_made_of() {
        let key = Item::from([("pk".to_owned(), text("ord_1")), ("sk".to_owned(), AttributeValue::N("3".to_owned()))]);
        assert_eq!(key_of(&cursor_of(&key)), Ok(key));
        for strange in ["", "{", "{\"pk\": {}}", "{\"pk\": 1}", "[]"] {
            assert!(key_of(strange).is_err(), "{strange}");
        }
    }

    #[test]
    fn a_row_is_told_from_what_stands_beside_it() {
        let row = |sk: &str| {
            Item::from([
                ("pk".to_owned(), text("ord_1")),
                ("sk".to_owned(), AttributeValue::N(sk.to_owned())),
                ("at".to_owned(), text("2026-11-28T20:15:30.000Z")),
                ("events".to_owned(), text("[{\"id\": 1},{\"id\":2}]")),
            ])
        };
        let read = row_of(&row("2")).unwrap();
        assert_eq!((read.version, read.events), (2, vec!["{\"id\": 1}".to_owned(), "{\"id\":2}".to_owned()]));
        assert_eq!(read.image["events"]["S"], "[{\"id\": 1},{\"id\":2}]");
        assert_eq!(row_of(&row("0")), None, "a lease");
        assert_eq!(row_of(&Item::from([("pk".to_owned(), text("sku"))])), None);
    }
}
