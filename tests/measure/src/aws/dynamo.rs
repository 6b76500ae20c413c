//! Tables in memory, with DynamoDB's conditional writes, transactions, queries and capacity units.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use orderflow_tests::{Units, item_bytes, read_units, write_units};
use serde_json::{Value, json};

use super::expression::{Expression, Invalid, Item, number};

/// Primary key of a table, by the names of its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeySchema {
    pub(crate) hash: String,
    pub(crate) range: Option<String>,
}

/// One record of a table's stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) table: String,
    /// `INSERT`, `MODIFY` or `REMOVE`.
    pub(crate) name: &'static str,
    /// The item after the change; before it, where it was removed.
    pub(crate) item: Rc<Item>,
    pub(crate) keys: Item,
}

/// An error of DynamoDB: its code, and what else its body says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refused {
    pub(crate) code: &'static str,
    pub(crate) details: Value,
}

/// Tables and their items. A clone shares the items until one of the two writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    tables: BTreeMap<String, Table>,
}

#[derive(Clone, Debug)]
struct Table {
    schema: KeySchema,
    partitions: HashMap<String, BTreeMap<Sort, Rc<Item>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    None,
    Number(i128),
    Text(String),
}

/// Effects of a call besides its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effects {
    pub(crate) units: Units,
    pub(crate) changes: Vec<Change>,
}

/// A write that has been tried and not been done yet.
struct Write {
    table: String,
    partition: String,
    sort: Sort,
    keys: Item,
    old: Option<Rc<Item>>,
    new: Option<Rc<Item>>,
    /// Attributes that an update sets.
    set: Vec<String>,
}

impl Refused {
    /// Tells an error that callers ask for, by a condition, from one that says that the call is wrong.
    pub(crate) fn is_condition(&self) -> bool {
        matches!(self.code, "ConditionalCheckFailedException" | "TransactionCanceledException")
    }
}

type Result<T> = std::result::Result<T, Refused>;

impl From<Invalid> for Refused {
    fn from(invalid: Invalid) -> Self {
        Self { code: "ValidationException", details: json!({"message": invalid.0}) }
    }
}

impl Tables {
    /// Empty tables.
    pub(crate) fn new(schemas: impl IntoIterator<Item = (String, KeySchema)>) -> Self {
        let tables = schemas.into_iter().map(|(name, schema)| (name, Table { schema, partitions: HashMap::new() }));
        Self { tables: tables.collect() }
    }

    /// Answers a call.
    ///
    /// # Errors
    ///
    /// A condition does not hold, or the call is not understood.
    pub(crate) fn answer(&mut self, operation: &str, request: &Value, effects: &mut Effects) -> Result<Value> {
        match operation {
            "GetItem" => self.get(request, effects),
            "BatchGetItem" => self.batch_get(request, effects),
            "Query" => self.query(request, effects),
            "PutItem" | "UpdateItem" | "DeleteItem" => self.write(operation, request, effects),
            "TransactWriteItems" => self.transact(request, effects),
            other => Err(Invalid(format!("{other} is no operation that is known here")).into()),
        }
    }

    fn table(&self, request: &Value) -> Result<(&str, &Table)> {
        self.named(request["TableName"].as_str().unwrap_or_default())
    }

    fn named(&self, name: &str) -> Result<(&str, &Table)> {
        let found = self.tables.get_key_value(name).map(|(name, table)| (name.as_str(), table));
        let details = json!({"message": format!("there is no table {name}")});
        found.ok_or(Refused { code: "ResourceNotFoundException", details })
    }

    fn get(&self, request: &Value, effects: &mut Effects) -> Result<Value> {
        let (_, table) = self.table(request)?;
        let (partition, sort, _) = table.schema.key_in(&request["Key"])?;
        let item = table.partitions.get(&partition).and_then(|items| items.get(&sort));
        effects.units.read += read_units(item.map_or(0, |item| item_bytes(item)), request);
        item.map_or_else(|| Ok(json!({})), |item| Ok(json!({"Item": projected(item, request)?})))
    }

    fn batch_get(&self, request: &Value, effects: &mut Effects) -> Result<Value> {
        let mut responses = Item::new();
        for (name, asked) in request["RequestItems"].as_object().into_iter().flatten() {
            let (_, table) = self.named(name)?;
            let mut found = Vec::new();
            for key in asked["Keys"].as_array().into_iter().flatten() {
                let (partition, sort, _) = table.schema.key_in(key)?;
                let item = table.partitions.get(&partition).and_then(|items| items.get(&sort));
                effects.units.read += read_units(item.map_or(0, |item| item_bytes(item)), asked);
                if let Some(item) = item {
                    found.push(projected(item, asked)?);
                }
            }
            responses.insert(name.clone(), found.into());
        }
        Ok(json!({"Responses": responses, "UnprocessedKeys": {}}))
    }

    fn query(&self, request: &Value, effects: &mut Effects) -> Result<Value> {
        if !request["IndexName"].is_null() {
            return Err(Invalid("an index is not known here".to_owned()).into());
        }
        let (_, table) = self.table(request)?;
        let condition = Expression::of(request, "KeyConditionExpression")
            .ok_or_else(|| Invalid("a query without a key condition".to_owned()))?;
        let partition = scalar(condition.partition(&table.schema.hash)?)?;
        let start = &request["ExclusiveStartKey"];
        let start = if start.is_null() { None } else { Some(table.schema.key_in(start)?.1) };
        let is_backward = request["ScanIndexForward"] == json!(false);
        let items = table.partitions.get(partition).into_iter().flatten();
        let is_after = |sort: &Sort, start: &Sort| if is_backward { sort < start } else { sort > start };
        let items = items.filter(|(sort, _)| start.as_ref().is_none_or(|start| is_after(sort, start)));
        let mut items: Vec<&Rc<Item>> = items.map(|(_, item)| item).collect();
        if is_backward {
            items.reverse();
        }
        let (mut found, mut count, mut bytes, mut scanned, mut last) = (Vec::new(), 0, 0, 0, None);
        let limit = request["Limit"].as_u64().unwrap_or(u64::MAX);
        let is_count = request["Select"] == "COUNT";
        let filter = Expression::of(request, "FilterExpression");
        for item in items {
            if !condition.holds(Some(item))? {
                continue;
            }
            scanned += 1;
            bytes += item_bytes(item);
            if filter.map_or(Ok(true), |filter| filter.holds(Some(item)))? {
                count += 1;
                if !is_count {
                    found.push(projected(item, request)?);
                }
            }
            if scanned == limit {
                // Whether there is more, DynamoDB does not look.
                last = Some(table.schema.keys_of(item));
                break;
            }
        }
        effects.units.read += read_units(bytes, request);
        let mut answer = json!({"Count": count, "ScannedCount": scanned});
        if !is_count {
            answer["Items"] = found.into();
        }
        if let Some(last) = last {
            answer["LastEvaluatedKey"] = last.into();
        }
        Ok(answer)
    }

    fn write(&mut self, operation: &str, request: &Value, effects: &mut Effects) -> Result<Value> {
        let write = match self.attempt(operation, request, effects, 1.0)? {
            Ok(write) => write,
            Err(old) => {
                let mut details = json!({"message": "The conditional request failed"});
                if let Some(old) = old {
                    details["Item"] = Value::Object(old);
                }
                return Err(Refused { code: "ConditionalCheckFailedException", details });
            }
        };
        let answer = returned(&write, request);
        self.commit(write, effects);
        Ok(answer)
    }

    fn transact(&mut self, request: &Value, effects: &mut Effects) -> Result<Value> {
        let (mut writes, mut reasons, mut failed) = (Vec::new(), Vec::new(), false);
        for action in request["TransactItems"].as_array().into_iter().flatten() {
            let Some((kind, action)) = action.as_object().and_then(|action| action.iter().next()) else { continue };
            let operation = if kind == "ConditionCheck" { kind.clone() } else { format!("{kind}Item") };
            match self.attempt(&operation, action, effects, 2.0)? {
                Ok(write) => {
                    reasons.push(json!({"Code": "None"}));
                    writes.push(write);
                }
                Err(old) => {
                    failed = true;
                    let mut reason = json!({"Code": "ConditionalCheckFailed", "Message": "The condition failed"});
                    if let Some(old) = old {
                        reason["Item"] = Value::Object(old);
                    }
                    reasons.push(reason);
                }
            }
        }
        if failed {
            let details = json!({"Message": "Transaction cancelled", "CancellationReasons": reasons});
            return Err(Refused { code: "TransactionCanceledException", details });
        }
        for write in writes {
            self.commit(write, effects);
        }
        Ok(json!({}))
    }

    /// Tries a write: the write, or the item as it is if the condition does not hold and the caller wants to know.
    fn attempt(
        &self,
        operation: &str,
        request: &Value,
        effects: &mut Effects,
        factor: f64,
    ) -> Result<std::result::Result<Write, Option<Item>>> {
        let (name, table) = self.table(request)?;
        let key = if operation == "PutItem" { &request["Item"] } else { &request["Key"] };
        let (partition, sort, keys) = table.schema.key_in(key)?;
        let old = table.partitions.get(&partition).and_then(|items| items.get(&sort)).cloned();
        let condition = Expression::of(request, "ConditionExpression");
        if !condition.map_or(Ok(true), |condition| condition.holds(old.as_deref()))? {
            effects.units.write += factor * write_units(old.as_deref().map_or(0, item_bytes));
            let is_wanted = request["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD";
            return Ok(Err(old.filter(|_| is_wanted).map(|old| Item::clone(&old))));
        }
        let mut set = Vec::new();
        let new = match operation {
            "PutItem" => Some(request["Item"].as_object().cloned().unwrap_or_default()),
            "DeleteItem" => None,
            "UpdateItem" => {
                let mut item = old.as_deref().cloned().unwrap_or_else(|| keys.clone());
                if let Some(update) = Expression::of(request, "UpdateExpression") {
                    set = update.update(&mut item)?;
                }
                Some(item)
            }
            "ConditionCheck" => old.as_deref().cloned(),
            other => return Err(Invalid(format!("{other} is no write that is known here")).into()),
        };
        let larger = old.as_deref().map_or(0, item_bytes).max(new.as_ref().map_or(0, item_bytes));
        effects.units.write += factor * write_units(larger);
        Ok(Ok(Write { table: name.to_owned(), partition, sort, keys, old, new: new.map(Rc::new), set }))
    }

    fn commit(&mut self, write: Write, effects: &mut Effects) {
        let Some(table) = self.tables.get_mut(&write.table) else { return };
        let items = table.partitions.entry(write.partition).or_default();
        let (name, item) = match (write.old, write.new) {
            (None, None) => return,
            (Some(old), Some(new)) if old == new => return,
            (Some(old), None) => {
                items.remove(&write.sort);
                ("REMOVE", old)
            }
            (old, Some(new)) => {
                items.insert(write.sort, Rc::clone(&new));
                (if old.is_some() { "MODIFY" } else { "INSERT" }, new)
            }
        };
        effects.changes.push(Change { table: write.table, name, item, keys: write.keys });
    }
}

impl KeySchema {
    /// Partition, sort key, and both as an item.
    fn key_in(&self, item: &Value) -> Result<(String, Sort, Item)> {
        let missing = |name: &str| Invalid(format!("an item without {name}"));
        let mut keys = Item::new();
        let hash = item.get(&self.hash).ok_or_else(|| missing(&self.hash))?;
        keys.insert(self.hash.clone(), hash.clone());
        let sort = match &self.range {
            None => Sort::None,
            Some(range) => {
                let value = item.get(range).ok_or_else(|| missing(range))?;
                keys.insert(range.clone(), value.clone());
                match value.get("N") {
                    Some(value) => Sort::Number(number(value)?),
                    None => Sort::Text(scalar(value)?.to_owned()),
                }
            }
        };
        Ok((scalar(hash)?.to_owned(), sort, keys))
    }

    /// Key of an item that is in the table.
    fn keys_of(&self, item: &Item) -> Item {
        let names = [Some(&self.hash), self.range.as_ref()].into_iter().flatten();
        names.filter_map(|name| Some((name.clone(), item.get(name)?.clone()))).collect()
    }
}

fn scalar(value: &Value) -> Result<&str> {
    let text = value.get("S").or_else(|| value.get("N")).and_then(Value::as_str);
    text.ok_or_else(|| Invalid(format!("{value} is no key")).into())
}

fn projected(item: &Item, request: &Value) -> Result<Item> {
    let Some(projection) = Expression::of(request, "ProjectionExpression") else { return Ok(item.clone()) };
    let names = projection.projected()?;
    let kept = item.iter().filter(|(name, _)| names.contains(&name.as_str()));
    Ok(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// The answer to a write that was done.
fn returned(write: &Write, request: &Value) -> Value {
    let of = |item: &Option<Rc<Item>>, only_set: bool| {
        let attributes = item.as_deref().into_iter().flatten();
        let attributes = attributes.filter(|(name, _)| !only_set || write.set.contains(name));
        let attributes: Item = attributes.map(|(name, value)| (name.clone(), value.clone())).collect();
        if attributes.is_empty() { json!({}) } else { json!({"Attributes": attributes}) }
    };
    match request["ReturnValues"].as_str().unwrap_or("NONE") {
        "ALL_OLD" => of(&write.old, false),
        "UPDATED_OLD" => of(&write.old, true),
        "ALL_NEW" => of(&write.new, false),
        "UPDATED_NEW" => of(&write.new, true),
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Tables {
        let schema = KeySchema { hash: "pk".to_owned(), range: Some("sk".to_owned()) };
        let counters = KeySchema { hash: "pk".to_owned(), range: None };
        Tables::new([("t".to_owned(), schema), ("counters".to_owned(), counters)])
    }

    fn call(tables: &mut Tables, operation: &str, request: &Value) -> Result<Value> {
        tables.answer(operation, request, &mut Effects::default())
    }

    fn put(sk: u32, text: &str) -> Value {
        json!({
            "TableName": "t", "ConditionExpression": "attribute_not_exists(pk)",
            "Item": {"pk": {"S": "a"}, "sk": {"N": sk.to_string()}, "text": {"S": text}},
        })
    }

    fn texts(tables: &mut Tables, more: &Value) -> Vec<String> {
        let mut query = json!({
            "TableName": "t", "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "a"}},
        });
        for (name, value) in more.as_object().unwrap() {
            query[name] = value.clone();
        }
        let answer = call(tables, "Query", &query).unwrap();
        let items = answer["Items"].as_array().unwrap();
        items.iter().map(|item| item["text"]["S"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_second_put_on_the_condition_that_there_is_none_changes_nothing() {
        let mut tables = tables();
        assert_eq!(call(&mut tables, "PutItem", &put(1, "first")), Ok(json!({})));
        let mut second = put(1, "second");
        assert_eq!(call(&mut tables, "PutItem", &second).unwrap_err().code, "ConditionalCheckFailedException");
        second["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD");
        let refused = call(&mut tables, "PutItem", &second).unwrap_err();
        assert_eq!(refused.details["Item"]["text"]["S"], "first");
        assert_eq!(texts(&mut tables, &json!({})), ["first"]);
    }

    #[test]
    fn rows_come_by_the_number_of_their_sort_key() {
        let mut tables = tables();
        for (sk, text) in [(10, "ten"), (9, "nine"), (1, "one")] {
            call(&mut tables, "PutItem", &put(sk, text)).unwrap();
        }
        assert_eq!(texts(&mut tables, &json!({})), ["one", "nine", "ten"]);
        assert_eq!(texts(&mut tables, &json!({"ScanIndexForward": false, "Limit": 2})), ["ten", "nine"]);
        let between = json!({
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :from AND :to",
            "ExpressionAttributeValues": {":pk": {"S": "a"}, ":from": {"N": "2"}, ":to": {"N": "10"}},
        });
        assert_eq!(texts(&mut tables, &between), ["nine", "ten"]);
    }

    #[test]
    fn a_query_goes_on_where_the_one_before_has_ended() {
        let mut tables = tables();
        for sk in 1..=5 {
            call(&mut tables, "PutItem", &put(sk, &sk.to_string())).unwrap();
        }
        for (forward, expected) in [(true, vec!["1 2", "3 4", "5"]), (false, vec!["5 4", "3 2", "1"])] {
            let (mut pages, mut start) = (Vec::new(), Value::Null);
            loop {
                let query = json!({
                    "TableName": "t", "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "a"}},
                    "ScanIndexForward": forward, "Limit": 2, "ExclusiveStartKey": start,
                });
                let answer = call(&mut tables, "Query", &query).unwrap();
                let items = answer["Items"].as_array().unwrap();
                let texts: Vec<&str> = items.iter().map(|item| item["text"]["S"].as_str().unwrap()).collect();
                pages.push(texts.join(" "));
                start = answer["LastEvaluatedKey"].clone();
                if start.is_null() {
                    break;
                }
            }
            assert_eq!(pages, expected, "forward: {forward}");
        }
    }

    #[test]
    fn a_count_has_no_items() {
        let mut tables = tables();
        call(&mut tables, "PutItem", &put(1, "one")).unwrap();
        let query = json!({
            "TableName": "t", "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "a"}},
            "Select": "COUNT",
        });
        assert_eq!(call(&mut tables, "Query", &query), Ok(json!({"Count": 1, "ScannedCount": 1})));
    }

    #[test]
    fn a_batch_finds_what_is_there() {
        let mut tables = tables();
        call(&mut tables, "PutItem", &put(1, "one")).unwrap();
        let keys = [1, 2].map(|sk| json!({"pk": {"S": "a"}, "sk": {"N": sk.to_string()}}));
        let request =
            json!({"RequestItems": {"t": {"Keys": keys, "ProjectionExpression": "sk", "ConsistentRead": true}}});
        let mut effects = Effects::default();
        let answer = tables.answer("BatchGetItem", &request, &mut effects);
        assert_eq!(answer, Ok(json!({"Responses": {"t": [{"sk": {"N": "1"}}]}, "UnprocessedKeys": {}})));
        assert!((effects.units.read - 2.0).abs() < 1e-9, "a unit for each, and for what is not there, too");
    }

    #[test]
    fn a_transaction_is_done_whole_or_not_at_all() {
        let mut tables = tables();
        let transaction = |sk: u32, least: &str| {
            let update = json!({
                "TableName": "counters", "Key": {"pk": {"S": "sku"}}, "UpdateExpression": "ADD #c :d",
                "ConditionExpression": "attribute_not_exists(#c) OR #c >= :least",
                "ExpressionAttributeNames": {"#c": "available"},
                "ExpressionAttributeValues": {":d": {"N": "-2"}, ":least": {"N": least}},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            });
            json!({"TransactItems": [{"Put": put(sk, "row")}, {"Update": update}]})
        };
        call(&mut tables, "TransactWriteItems", &transaction(1, "0")).unwrap();
        let refused = call(&mut tables, "TransactWriteItems", &transaction(2, "0")).unwrap_err();
        assert_eq!(refused.code, "TransactionCanceledException");
        let reasons = &refused.details["CancellationReasons"];
        assert_eq!(reasons[0], json!({"Code": "None"}));
        assert_eq!(reasons[1]["Code"], "ConditionalCheckFailed");
        assert_eq!(reasons[1]["Item"]["available"], json!({"N": "-2"}));
        assert_eq!(texts(&mut tables, &json!({})), ["row"]);
        let refused = call(&mut tables, "TransactWriteItems", &transaction(1, "-9")).unwrap_err();
        assert_eq!(refused.details["CancellationReasons"][0]["Code"], "ConditionalCheckFailed");
    }

    #[test]
    fn an_update_returns_what_it_has_set() {
        let mut tables = tables();
        let update = json!({
            "TableName": "counters", "Key": {"pk": {"S": "sku"}}, "UpdateExpression": "ADD attempts :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}}, "ReturnValues": "UPDATED_NEW",
        });
        call(&mut tables, "UpdateItem", &update).unwrap();
        let answer = call(&mut tables, "UpdateItem", &update).unwrap();
        assert_eq!(answer, json!({"Attributes": {"attempts": {"N": "2"}}}));
    }

    #[test]
    fn a_deleted_item_is_gone() {
        let mut tables = tables();
        call(&mut tables, "PutItem", &put(1, "first")).unwrap();
        let key = json!({"TableName": "t", "Key": {"pk": {"S": "a"}, "sk": {"N": "1"}}});
        assert_eq!(call(&mut tables, "GetItem", &key).unwrap()["Item"]["text"]["S"], "first");
        call(&mut tables, "DeleteItem", &key).unwrap();
        assert_eq!(call(&mut tables, "GetItem", &key), Ok(json!({})));
    }

    #[test]
    fn the_stream_tells_new_items_from_changed_ones() {
        let mut tables = tables();
        let mut effects = Effects::default();
        let mut replaced = put(1, "second");
        replaced["ConditionExpression"] = Value::Null;
        tables.answer("PutItem", &put(1, "first"), &mut effects).unwrap();
        tables.answer("PutItem", &put(1, "refused"), &mut effects).unwrap_err();
        tables.answer("PutItem", &replaced, &mut effects).unwrap();
        let changes: Vec<_> = effects.changes.iter().map(|change| (change.name, &change.item["text"]["S"])).collect();
        assert_eq!(changes, [("INSERT", &json!("first")), ("MODIFY", &json!("second"))]);
        assert_eq!(Value::Object(effects.changes[0].keys.clone()), json!({"pk": {"S": "a"}, "sk": {"N": "1"}}));
    }

    #[test]
    fn a_clone_does_not_see_what_is_written_later() {
        let mut before = tables();
        call(&mut before, "PutItem", &put(1, "first")).unwrap();
        let mut after = before.clone();
        call(&mut after, "PutItem", &put(2, "second")).unwrap();
        assert_eq!(texts(&mut before, &json!({})), ["first"]);
        assert_eq!(texts(&mut after, &json!({})), ["first", "second"]);
    }

    #[test]
    fn capacity_is_counted_as_it_is_billed() {
        let mut tables = tables();
        let mut units = |operation: &str, request: &Value| {
            let mut effects = Effects::default();
            let _ = tables.answer(operation, request, &mut effects);
            (effects.units.read, effects.units.write)
        };
        // pk 2 + 1, sk 2 + 2, text 4 + n: 1,013 characters are 1,024 bytes.
        assert_eq!(units("PutItem", &put(1, &"x".repeat(1_013))), (0.0, 1.0));
        assert_eq!(units("PutItem", &put(2, &"x".repeat(1_014))), (0.0, 2.0));
        // Refused, it costs what is there.
        assert_eq!(units("PutItem", &put(2, "x")), (0.0, 2.0));
        assert_eq!(units("TransactWriteItems", &json!({"TransactItems": [{"Put": put(3, "x")}]})), (0.0, 2.0));
        let mut query = json!({
            "TableName": "t", "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "a"}},
            "ConsistentRead": true,
        });
        assert_eq!(units("Query", &query), (1.0, 0.0));
        query["ConsistentRead"] = json!(false);
        assert_eq!(units("Query", &query), (0.5, 0.0));
    }
}
