//! Expressions of DynamoDB, evaluated against an item: conditions and updates, on attributes and on what is in maps.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// An item in DynamoDB's JSON: `{"pk": {"S": "ord_1"}, …}`.
pub(crate) type Item = Map<String, Value>;

/// Reason why a request is a `ValidationException`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid(pub(crate) String);

type Result<T> = std::result::Result<T, Invalid>;

/// An expression with the names and values that its placeholders stand for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expression<'a> {
    text: &'a str,
    names: &'a Value,
    values: &'a Value,
}

impl<'a> Expression<'a> {
    /// The expression under that name in a request, if there is one.
    pub(crate) fn of(request: &'a Value, name: &str) -> Option<Self> {
        let text = request[name].as_str()?;
        let (names, values) = (&request["ExpressionAttributeNames"], &request["ExpressionAttributeValues"]);
        Some(Self { text, names, values })
    }

    /// Evaluates a condition; of an item that is not there every attribute is missing.
    pub(crate) fn holds(self, item: Option<&Item>) -> Result<bool> {
        let mut reader = Reader::new(self, item);
        let holds = reader.disjunction()?;
        reader.end()?;
        Ok(holds)
    }

    /// The value that a key condition demands of the partition key.
    pub(crate) fn partition(self, hash_key: &str) -> Result<&'a Value> {
        let tokens = tokens(self.text)?;
        let demanded = tokens.windows(3).find_map(|window| {
            let [name, "=", value] = window else { return None };
            (self.name(name).ok()? == hash_key).then(|| self.values.get(value)).flatten()
        });
        demanded.ok_or_else(|| Invalid(format!("{} does not name the partition", self.text)))
    }

    /// The attributes that a projection keeps.
    pub(crate) fn projected(self) -> Result<Vec<&'a str>> {
        tokens(self.text)?.into_iter().filter(|token| *token != ",").map(|token| self.name(token)).collect()
    }

    /// Performs an update, and answers which attributes it has set.
    pub(crate) fn update(self, item: &mut Item) -> Result<Vec<String>> {
        // Every operand is the item's as it was before.
        let before = item.clone();
        let mut reader = Reader::new(self, Some(&before));
        let mut changes = BTreeMap::new();
        while let Some(clause) = reader.next() {
            loop {
                let path = self.path(reader.some()?)?;
                let known = value_at(&before, &path);
                let value = match clause {
                    "SET" => {
                        reader.expect("=")?;
                        Some(reader.sum()?)
                    }
                    "ADD" => {
                        let by = reader.operand()?.ok_or_else(|| Invalid("ADD of nothing".to_owned()))?;
                        Some(added(known, &by)?)
                    }
                    "DELETE" => {
                        let less = reader.operand()?.ok_or_else(|| Invalid("DELETE of nothing".to_owned()))?;
                        without(known, &less)?
                    }
                    "REMOVE" => None,
                    other => return Err(Invalid(format!("{other} is no clause that is known here"))),
                };
                changes.insert(path, value);
                if !reader.eat(",") {
                    break;
                }
            }
        }
        for (path, value) in &changes {
            put_at(item, path, value.clone())?;
        }
        let set = changes.iter().filter(|(_, value)| value.is_some());
        Ok(set.filter_map(|(path, _)| path.first().map(|name| (*name).to_owned())).collect())
    }

    /// The attribute that a token stands for, and what is meant in its map, such as `#watches.#id`.
    fn path(self, token: &'a str) -> Result<Vec<&'a str>> {
        token.split('.').map(|name| self.name(name)).collect()
    }

    /// The attribute that a name or a placeholder stands for.
    fn name(self, token: &'a str) -> Result<&'a str> {
        if token.contains(['.', '[']) {
            return Err(Invalid(format!("{token} is nested, which is not known here")));
        }
        if !token.starts_with('#') {
            return Ok(token);
        }
        self.names[token].as_str().ok_or_else(|| Invalid(format!("{token} stands for no name")))
    }
}

/// Words and signs of an expression.
fn tokens(text: &str) -> Result<Vec<&str>> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "#:_.[]".contains(c);
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            '<' if rest.starts_with("<>") || rest.starts_with("<=") => 2,
            '>' if rest.starts_with(">=") => 2,
            '(' | ')' | ',' | '=' | '<' | '>' | '+' | '-' => 1,
            other => return Err(Invalid(format!("{other} in {text}"))),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// A reader of tokens that evaluates what it reads.
struct Reader<'a> {
    expression: Expression<'a>,
    item: Option<&'a Item>,
    tokens: std::iter::Peekable<std::vec::IntoIter<&'a str>>,
    fault: Option<Invalid>,
}

impl<'a> Reader<'a> {
    fn new(expression: Expression<'a>, item: Option<&'a Item>) -> Self {
        let (tokens, fault) = match tokens(expression.text) {
            Ok(tokens) => (tokens, None),
            Err(fault) => (Vec::new(), Some(fault)),
        };
        Self { expression, item, tokens: tokens.into_iter().peekable(), fault }
    }

    fn next(&mut self) -> Option<&'a str> {
        self.tokens.next()
    }

    fn some(&mut self) -> Result<&'a str> {
        let unfinished = || Invalid(format!("{} ends too early", self.expression.text));
        let fault = self.fault.clone();
        self.tokens.next().ok_or_else(|| fault.unwrap_or_else(unfinished))
    }

    /// Reads a token if it comes next; the answer says whether it did. Words count in upper and lower case.
    fn eat(&mut self, wanted: &str) -> bool {
        self.tokens.next_if(|token| token.eq_ignore_ascii_case(wanted)).is_some()
    }

    fn expect(&mut self, wanted: &str) -> Result<()> {
        if self.eat(wanted) { Ok(()) } else { Err(Invalid(format!("no {wanted} in {}", self.expression.text))) }
    }

    fn end(&mut self) -> Result<()> {
        match self.next() {
            None => Ok(()),
            Some(token) => Err(Invalid(format!("{token} is too much in {}", self.expression.text))),
        }
    }

    fn disjunction(&mut self) -> Result<bool> {
        let mut holds = self.conjunction()?;
        while self.eat("OR") {
            holds |= self.conjunction()?;
        }
        Ok(holds)
    }

    fn conjunction(&mut self) -> Result<bool> {
        let mut holds = self.term()?;
        while self.eat("AND") {
            holds &= self.term()?;
        }
        Ok(holds)
    }

    fn term(&mut self) -> Result<bool> {
        if self.eat("NOT") {
            return Ok(!self.term()?);
        }
        if self.eat("(") {
            let holds = self.disjunction()?;
            self.expect(")")?;
            return Ok(holds);
        }
        for function in ["attribute_exists", "attribute_not_exists", "begins_with", "contains"] {
            if self.eat(function) {
                return self.function(function);
            }
        }
        self.comparison()
    }

    fn function(&mut self, function: &str) -> Result<bool> {
        self.expect("(")?;
        let attribute = self.operand()?;
        let holds = match function {
            "attribute_exists" => attribute.is_some(),
            "attribute_not_exists" => attribute.is_none(),
            _ => {
                self.expect(",")?;
                let part = self.operand()?;
                let text = |value: Option<Value>| value.and_then(|value| Some(value["S"].as_str()?.to_owned()));
                let set = attribute.as_ref().and_then(|attribute| attribute["SS"].as_array().cloned());
                match (text(attribute), text(part)) {
                    (_, Some(part)) if function == "contains" && set.is_some() => {
                        set.is_some_and(|set| set.contains(&json!(part)))
                    }
                    (Some(whole), Some(part)) if function == "contains" => whole.contains(&part),
                    (Some(whole), Some(part)) => whole.starts_with(&part),
                    _ => false,
                }
            }
        };
        self.expect(")")?;
        Ok(holds)
    }

    fn comparison(&mut self) -> Result<bool> {
        let left = self.operand()?;
        if self.eat("BETWEEN") {
            let least = self.operand()?;
            self.expect("AND")?;
            let most = self.operand()?;
            return Ok(order(left.as_ref(), least.as_ref()).is_some_and(Ordering::is_ge)
                && order(left.as_ref(), most.as_ref()).is_some_and(Ordering::is_le));
        }
        if self.eat("IN") {
            self.expect("(")?;
            let mut is_in = false;
            loop {
                let one = self.operand()?;
                is_in |= order(left.as_ref(), one.as_ref()) == Some(Ordering::Equal);
                if !self.eat(",") {
                    break;
                }
            }
            self.expect(")")?;
            return Ok(is_in);
        }
        let operator = self.some()?;
        let right = self.operand()?;
        let order = order(left.as_ref(), right.as_ref());
        match operator {
            "=" => Ok(order == Some(Ordering::Equal)),
            "<>" => Ok(left.is_some() && order != Some(Ordering::Equal)),
            "<" => Ok(order.is_some_and(Ordering::is_lt)),
            "<=" => Ok(order.is_some_and(Ordering::is_le)),
            ">" => Ok(order.is_some_and(Ordering::is_gt)),
            ">=" => Ok(order.is_some_and(Ordering::is_ge)),
            other => Err(Invalid(format!("{other} is no comparison that is known here"))),
        }
    }

    /// The right side of a SET.
    fn sum(&mut self) -> Result<Value> {
        let nothing = || Invalid(format!("{} sets an attribute to one that is missing", self.expression.text));
        let nothing = nothing();
        let left = self.operand()?.ok_or_else(|| nothing.clone())?;
        for (sign, factor) in [("+", 1), ("-", -1)] {
            if self.eat(sign) {
                return add(&left, &self.operand()?.ok_or(nothing)?, factor);
            }
        }
        Ok(left)
    }

    /// The two arguments of a function.
    fn pair(&mut self) -> Result<(Option<Value>, Option<Value>)> {
        self.expect("(")?;
        let first = self.operand()?;
        self.expect(",")?;
        let second = self.operand()?;
        self.expect(")")?;
        Ok((first, second))
    }

    /// A value, an attribute, or what a function makes of them; `None` of an attribute that is missing.
    fn operand(&mut self) -> Result<Option<Value>> {
        let token = self.some()?;
        if token == "if_not_exists" {
            let (attribute, otherwise) = self.pair()?;
            return Ok(attribute.or(otherwise));
        }
        if token == "list_append" {
            let (first, second) = self.pair()?;
            return appended(first.as_ref(), second.as_ref()).map(Some);
        }
        if token == "size" {
            self.expect("(")?;
            let attribute = self.operand()?;
            self.expect(")")?;
            let members = attribute.as_ref().and_then(|attribute| {
                let texts = attribute["SS"].as_array().map(Vec::len);
                texts.or_else(|| attribute["M"].as_object().map(Map::len))
            });
            return Ok(members.map(|members| json!({"N": members.to_string()})));
        }
        if token.starts_with(':') {
            let value = self.expression.values.get(token).cloned();
            return value.map(Some).ok_or_else(|| Invalid(format!("{token} stands for no value")));
        }
        let path = self.expression.path(token)?;
        Ok(self.item.and_then(|item| value_at(item, &path)).cloned())
    }
}

/// The value under a path: of an attribute, or in its map.
fn value_at<'a>(item: &'a Item, path: &[&str]) -> Option<&'a Value> {
    let (attribute, names) = path.split_first()?;
    names.iter().try_fold(item.get(*attribute)?, |value, name| value["M"].get(*name))
}

/// Sets what is under a path, or removes it. The map that it is in has to be there.
fn put_at(item: &mut Item, path: &[&str], value: Option<Value>) -> Result<()> {
    let Some((last, names)) = path.split_last() else { return Ok(()) };
    let mut map = item;
    for name in names {
        let within = map.get_mut(*name).and_then(|value| value.get_mut("M")?.as_object_mut());
        map = within.ok_or_else(|| Invalid(format!("{name} is no map")))?;
    }
    match value {
        Some(value) => drop(map.insert((*last).to_owned(), value)),
        None => drop(map.remove(*last)),
    }
    Ok(())
}

/// Order of two values: of numbers and of texts any, of all other types equality alone.
pub(crate) fn order(left: Option<&Value>, right: Option<&Value>) -> Option<Ordering> {
    let ((left_type, left), (right_type, right)) = (typed(left?)?, typed(right?)?);
    if left_type != right_type {
        return None;
    }
    match left_type {
        "N" => Some(number(left).ok()?.cmp(&number(right).ok()?)),
        "S" => Some(left.as_str()?.cmp(right.as_str()?)),
        _ => (left == right).then_some(Ordering::Equal),
    }
}

fn typed(value: &Value) -> Option<(&str, &Value)> {
    value.as_object()?.iter().next().map(|(name, value)| (name.as_str(), value))
}

/// A whole number. DynamoDB has fractions, too; no table of ours has.
pub(crate) fn number(value: &Value) -> Result<i128> {
    let text = value.as_str().ok_or_else(|| Invalid(format!("{value} is no number")))?;
    text.parse().map_err(|_| Invalid(format!("{text} is no whole number")))
}

fn appended(first: Option<&Value>, second: Option<&Value>) -> Result<Value> {
    let list = |value: Option<&Value>| value.and_then(|value| value["L"].as_array().cloned());
    let lists = list(first).zip(list(second));
    let (first, second) = lists.ok_or_else(|| Invalid("list_append of what is no list".to_owned()))?;
    Ok(json!({"L": ([first, second].concat())}))
}

/// Value of an attribute to which a clause `ADD` has added: a number, or a set of texts.
fn added(before: Option<&Value>, by: &Value) -> Result<Value> {
    let Some(more) = by["SS"].as_array() else { return add(before.unwrap_or(&json!({"N": "0"})), by, 1) };
    let known = before.and_then(|before| before["SS"].as_array()).cloned().unwrap_or_default();
    let new = more.iter().filter(|text| !known.contains(text));
    Ok(json!({"SS": known.iter().chain(new).collect::<Vec<_>>()}))
}

/// Value of a set of texts from which a clause `DELETE` has taken some; none where nothing is left, for no set is empty.
fn without(before: Option<&Value>, less: &Value) -> Result<Option<Value>> {
    let less = less["SS"].as_array().ok_or_else(|| Invalid("DELETE of what is no set of texts".to_owned()))?;
    let known = before.and_then(|before| before["SS"].as_array());
    let left: Vec<&Value> = known.into_iter().flatten().filter(|text| !less.contains(text)).collect();
    Ok((!left.is_empty()).then(|| json!({"SS": left})))
}

fn add(left: &Value, right: &Value, factor: i128) -> Result<Value> {
    Ok(json!({"N": (number(&left["N"])? + factor * number(&right["N"])?).to_string()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Item {
        let item = json!({"pk": {"S": "lease#1"}, "until": {"N": "10"}, "owner": {"S": "me"}, "done": {"BOOL": true}, "parts": {"SS": ["m", "n"]}, "map": {"M": {"n": {"S": "me"}}}});
        item.as_object().unwrap().clone()
    }

    fn request(text: &str) -> Value {
        json!({
            "Expression": text,
            "ExpressionAttributeNames": {"#until": "until", "#owner": "owner", "#n": "n"},
            "ExpressionAttributeValues": {
                ":one": {"N": "1"}, ":nine": {"N": "9"}, ":ten": {"N": "10"}, ":me": {"S": "me"}, ":m": {"S": "m"},
                ":true": {"BOOL": true}, ":pk": {"S": "lease#1"}, ":none": {"L": []}, ":list": {"L": [{"N": "1"}]},
                ":set": {"SS": ["a", "b"]}, ":some": {"SS": ["m", "o"]}, ":all": {"SS": ["m", "n"]},
            },
        })
    }

    fn holds(text: &str, item: Option<&Item>) -> Result<bool> {
        Expression::of(&request(text), "Expression").unwrap().holds(item)
    }

    #[test]
    fn conditions_hold_of_the_item_as_it_is() {
        for (text, of_the_item, of_none) in [
            ("attribute_not_exists(pk)", false, true),
            ("attribute_exists(pk)", true, false),
            ("#until <= :nine", false, false),
            ("#until <= :ten", true, false),
            // Numbers are compared as numbers, and not as texts.
            ("#until > :nine", true, false),
            ("#until <> :nine", true, false),
            ("#until = :me", false, false),
            ("NOT #until = :me", true, true),
            ("done = :true", true, false),
            ("#until BETWEEN :one AND :ten AND #owner = :me", true, false),
            ("#owner IN (:pk, :me)", true, false),
            ("begins_with(#owner, :m)", true, false),
            ("contains(#owner, :pk)", false, false),
            ("contains(parts, :m)", true, false),
            ("contains(parts, :me)", false, false),
            ("size(parts) > :one", true, false),
            ("size(parts) < :nine AND NOT size(parts) <= :one", true, false),
            ("size(map) < :nine", true, false),
            ("attribute_exists(map.#n) AND map.#n = :me", true, false),
            ("attribute_not_exists(map.pk)", true, true),
            ("attribute_exists(pk.#n)", false, false),
            // Of what is no set and no map nothing is known.
            ("size(pk) < :nine", false, false),
            // OR binds less than AND.
            ("attribute_not_exists(pk) OR #owner = :me AND #until = :nine", false, true),
            ("(attribute_not_exists(pk) OR #owner = :me) AND #until = :ten", true, false),
            (
                "attribute_not_exists(pk) OR (attribute_not_exists(done) AND (#until <= :ten OR #owner = :me))",
                false,
                true,
            ),
        ] {
            assert_eq!(holds(text, Some(&item())), Ok(of_the_item), "{text}");
            assert_eq!(holds(text, None), Ok(of_none), "{text}");
        }
    }

    #[test]
    fn an_expression_that_is_not_understood_is_refused() {
        for text in
            ["", "pk =", "pk = :nobody", "#nobody = :me", "pk ~ :me", "length(pk) = :one", "pk = :me :me", "a[0] = :me"]
        {
            assert!(holds(text, Some(&item())).is_err(), "{text}");
        }
    }

    #[test]
    fn updates_change_the_item() {
        for (text, changed, expected) in [
            ("SET #owner = :pk", vec!["owner"], json!({"owner": {"S": "lease#1"}})),
            (
                "SET #until = #until - :one ADD #n :nine",
                vec!["n", "until"],
                json!({"until": {"N": "9"}, "n": {"N": "9"}}),
            ),
            ("ADD #until :one, #n :one", vec!["n", "until"], json!({"until": {"N": "11"}, "n": {"N": "1"}})),
            (
                "SET #n = if_not_exists(#n, :nine), #until = if_not_exists(#until, :nine)",
                vec!["n", "until"],
                json!({"n": {"N": "9"}}),
            ),
            (
                "SET #n = list_append(if_not_exists(#n, :none), :list), #owner = :me",
                vec!["n", "owner"],
                json!({"n": {"L": [{"N": "1"}]}}),
            ),
            (
                "SET #owner = :pk ADD #n :set",
                vec!["n", "owner"],
                json!({"owner": {"S": "lease#1"}, "n": {"SS": ["a", "b"]}}),
            ),
            ("REMOVE done SET #n = #until", vec!["n"], json!({"n": {"N": "10"}, "done": null})),
            ("SET map.pk = :me", vec!["map"], json!({"map": {"M": {"n": {"S": "me"}, "pk": {"S": "me"}}}})),
            ("REMOVE map.#n", vec![], json!({"map": {"M": {}}})),
            ("DELETE parts :some", vec!["parts"], json!({"parts": {"SS": ["n"]}})),
            // No set is empty.
            ("DELETE parts :all", vec![], json!({"parts": null})),
            ("DELETE #n :all", vec![], json!({})),
        ] {
            let mut updated = item();
            let request = request(text);
            let set = Expression::of(&request, "Expression").unwrap().update(&mut updated);
            assert_eq!(set, Ok(changed.into_iter().map(str::to_owned).collect()), "{text}");
            let mut whole = item();
            for (name, value) in expected.as_object().unwrap() {
                if value.is_null() {
                    whole.remove(name)
                } else {
                    whole.insert(name.clone(), value.clone())
                };
            }
            assert_eq!(updated, whole, "{text}");
        }
    }

    #[test]
    fn nothing_is_set_in_what_is_no_map() {
        let request = request("SET pk.#n = :me");
        let set = Expression::of(&request, "Expression").unwrap().update(&mut item());
        assert_eq!(set, Err(Invalid("pk is no map".to_owned())));
    }

    #[test]
    fn a_set_has_each_text_once() {
        let set = |texts: &[&str]| json!({"SS": texts});
        assert_eq!(added(None, &set(&["a"])), Ok(set(&["a"])));
        assert_eq!(added(Some(&set(&["a", "b"])), &set(&["b", "c"])), Ok(set(&["a", "b", "c"])));
    }

    #[test]
    fn a_key_condition_names_its_partition() {
        let request = request("pk = :pk AND sk BETWEEN :one AND :ten");
        let expression = Expression::of(&request, "Expression").unwrap();
        assert_eq!(expression.partition("pk"), Ok(&json!({"S": "lease#1"})));
        assert!(expression.partition("id").is_err());
    }
}
