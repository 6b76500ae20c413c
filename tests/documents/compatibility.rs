//! Changes of a released schema: those that harm nobody, and those that break somebody.
//!
//! Others have built on it from both sides: a producer sends what the old schema allows, a consumer counts on what it
//! promises. So it may neither ask for more nor promise less, and the only change that harms nobody is a field that may
//! be absent. Everything else is a new version.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use crate::places::{with, without};

/// A change that harms somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Break {
    /// Place in the data, as a JSON Pointer; a `*` stands for every item of a list.
    pointer: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Removed,
    NewlyRequired,
    NoLongerRequired,
    DefaultChanged,
    Narrowed(String),
    Widened(String),
    Changed(String),
}

impl Break {
    /// True if it harms those who send, and not only those who receive: a request is never read by others than us.
    pub(crate) fn harms_senders(&self) -> bool {
        !matches!(self.what, What::NoLongerRequired | What::Widened(_))
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "the data" } else { &self.pointer };
        match &self.what {
            What::Removed => write!(f, "{place} is removed, and consumers read it: put it back"),
            What::NewlyRequired => {
                write!(f, "{place} is newly required, and producers do not send it: let it be absent, with a default")
            }
            What::NoLongerRequired => {
                write!(f, "{place} may newly be absent, and consumers count on it: require it again")
            }
            What::DefaultChanged => write!(f, "{place} means something else when it is absent: give the default back"),
            What::Narrowed(rule) => {
                write!(f, "{place} is narrowed ({rule}), and producers send more: take what it took")
            }
            What::Widened(rule) => {
                write!(f, "{place} is widened ({rule}), and consumers do not expect that: promise what it promised")
            }
            What::Changed(rule) => {
                write!(f, "{place} is changed ({rule}), and nobody can tell whom that harms: change it back")
            }
        }
    }
}

/// Every change from a released schema to the new one of the same version that harms somebody.
pub(crate) fn breaks(released: &Value, new: &Value) -> Vec<Break> {
    breaks_within((released, released), (new, new))
}

/// The same for a schema, the first of two, that refers to what stands in a document, the second.
pub(crate) fn breaks_within(released: (&Value, &Value), new: (&Value, &Value)) -> Vec<Break> {
    let mut breaks = Vec::new();
    compare(&Rules::of(released.0, released.1), &Rules::of(new.0, new.1), "", &mut breaks);
    breaks
}

/// Keywords of a schema that are for people only.
const ANNOTATIONS: [&str; 7] = ["$schema", "$id", "$defs", "$comment", "title", "description", "examples"];

/// Limits from below and from above.
const LEAST: [&str; 4] = ["minimum", "minLength", "minItems", "minProperties"];
const MOST: [&str; 4] = ["maximum", "maxLength", "maxItems", "maxProperties"];

/// The rules that a schema has for one place.
#[derive(Default)]
struct Rules<'a> {
    /// The types that are allowed; empty for all.
    types: BTreeSet<String>,
    /// The only values that are allowed, as JSON; `None` for all.
    values: Option<BTreeSet<String>>,
    properties: BTreeMap<&'a str, Rules<'a>>,
    required: BTreeSet<&'a str>,
    items: Option<Box<Rules<'a>>>,
    /// All other keywords.
    others: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Rules<'a> {
    fn of(schema: &'a Value, root: &'a Value) -> Self {
        let mut rules = Self::default();
        let keywords = schema.as_object().into_iter().flatten();
        for (keyword, value) in keywords.filter(|(keyword, _)| !ANNOTATIONS.contains(&keyword.as_str())) {
            rules.add(keyword, value, root);
        }
        rules
    }

    fn add(&mut self, keyword: &'a str, value: &'a Value, root: &'a Value) {
        match (keyword, value) {
            ("$ref", Value::String(place)) => {
                let referred = root.pointer(place.trim_start_matches('#')).unwrap_or(&Value::Null);
                self.merge(Self::of(referred, root));
            }
            ("type", Value::String(name)) => drop(self.types.insert(name.clone())),
            ("type", Value::Array(names)) => {
                self.types.extend(names.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            ("const", value) => self.values = Some(BTreeSet::from([value.to_string()])),
            ("enum", Value::Array(values)) => self.values = Some(values.iter().map(Value::to_string).collect()),
            // One of several constants, each with a description of its own: an `enum`.
            ("oneOf", Value::Array(choices)) if choices.iter().all(|choice| choice.get("const").is_some()) => {
                self.values = Some(choices.iter().map(|choice| choice["const"].to_string()).collect());
                self.types.extend(choices.iter().filter_map(|choice| choice["type"].as_str()).map(str::to_owned));
            }
            // Something, or `null`.
            ("anyOf", Value::Array(choices)) if choices.get(1) == Some(&json!({ "type": "null" })) => {
                self.merge(Self::of(&choices[0], root));
                self.types.insert("null".to_owned());
                self.values.as_mut().map(|values| values.insert("null".to_owned()));
            }
            ("properties", Value::Object(properties)) => {
                self.properties.extend(properties.iter().map(|(name, schema)| (name.as_str(), Self::of(schema, root))));
            }
            ("required", Value::Array(names)) => self.required.extend(names.iter().filter_map(Value::as_str)),
            ("items", schema) => self.items = Some(Box::new(Self::of(schema, root))),
            (keyword, value) => drop(self.others.insert(keyword, value)),
        }
    }

    fn merge(&mut self, other: Self) {
        self.types.extend(other.types);
        self.values = self.values.take().or(other.values);
        self.properties.extend(other.properties);
        self.required.extend(other.required);
        self.items = self.items.take().or(other.items);
        self.others.extend(other.others);
    }
}

fn compare(released: &Rules<'_>, new: &Rules<'_>, pointer: &str, breaks: &mut Vec<Break>) {
    let mut add = |what| breaks.push(Break { pointer: pointer.to_owned(), what });
    compare_sets("type", &all_types(released), &all_types(new), &mut add);
    match (&released.values, &new.values) {
        (Some(released), Some(new)) => compare_sets("value", released, new, &mut add),
        (None, Some(_)) => add(What::Narrowed("to a list of values".to_owned())),
        (Some(_), None) => add(What::Widened("from a list of values".to_owned())),
        (None, None) => {}
    }
    let keywords: BTreeSet<&str> = released.others.keys().chain(new.others.keys()).copied().collect();
    for keyword in keywords {
        let (before, after) = (released.others.get(keyword).copied(), new.others.get(keyword).copied());
        if before != after {
            add(difference(keyword, before, after));
        }
    }
    match (&released.items, &new.items) {
        (Some(released), Some(new)) => compare(released, new, &format!("{pointer}/*"), breaks),
        (None, None) => {}
        _ => add(What::Changed("items".to_owned())),
    }
    for name in new.required.difference(&released.required) {
        breaks.push(Break { pointer: format!("{pointer}/{name}"), what: What::NewlyRequired });
    }
    for (name, rules) in &released.properties {
        let pointer = format!("{pointer}/{name}");
        match new.properties.get(name) {
            None => breaks.push(Break { pointer, what: What::Removed }),
            Some(_) if released.required.contains(name) && !new.required.contains(name) => {
                breaks.push(Break { pointer, what: What::NoLongerRequired });
            }
            Some(new) => compare(rules, new, &pointer, breaks),
        }
    }
}

/// Types that are allowed: all, where none is named; and a number may be an integer.
fn all_types(rules: &Rules<'_>) -> BTreeSet<String> {
    let mut types = rules.types.clone();
    if types.is_empty() {
        types.extend(["array", "boolean", "null", "number", "object", "string"].map(str::to_owned));
    }
    if types.contains("number") {
        types.insert("integer".to_owned());
    }
    types
}

fn compare_sets(name: &str, released: &BTreeSet<String>, new: &BTreeSet<String>, add: &mut impl FnMut(What)) {
    for gone in released.difference(new) {
        add(What::Narrowed(format!("{name} {gone} is gone")));
    }
    for come in new.difference(released) {
        add(What::Widened(format!("{name} {come} is new")));
    }
}

fn difference(keyword: &str, before: Option<&Value>, after: Option<&Value>) -> What {
    let shown = |value: Option<&Value>| value.map_or("none".to_owned(), Value::to_string);
    let rule = format!("{keyword} was {}, is {}", shown(before), shown(after));
    let number = |value: Option<&Value>| value.and_then(Value::as_f64);
    let is_tighter = match (number(before), number(after)) {
        (Some(before), Some(after)) if LEAST.contains(&keyword) => after > before,
        (Some(before), Some(after)) if MOST.contains(&keyword) => after < before,
        _ => before.is_none(),
    };
    match keyword {
        "default" => What::DefaultChanged,
        _ if before.is_some() && after.is_some() && !LEAST.contains(&keyword) && !MOST.contains(&keyword) => {
            What::Changed(rule)
        }
        _ if is_tighter => What::Narrowed(rule),
        _ => What::Widened(rule),
    }
}

// ── The rules are seen to hold ──────────────────────────────────────────────────────────────────────────────────────

/// A schema that has all that ours have.
fn released() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:orderflow:Sample:1",
        "title": "Sample, version 1",
        "type": "object",
        "required": ["id", "amount", "reason", "lines"],
        "properties": {
            "id": { "$ref": "#/$defs/Id", "description": "Its id." },
            "amount": { "type": "integer", "minimum": 0, "maximum": 100 },
            "reason": { "oneOf": [{ "const": "a", "type": "string" }, { "const": "b", "type": "string" }] },
            "note": { "anyOf": [{ "$ref": "#/$defs/Id" }, { "type": "null" }] },
            "colour": { "type": ["string", "null"], "enum": ["red", "blue", null], "default": "red" },
            "lines": {
                "type": "array",
                "minItems": 1,
                "maxItems": 50,
                "items": { "type": "object", "required": ["sku"], "properties": { "sku": { "$ref": "#/$defs/Id" } } },
            },
        },
        "$defs": { "Id": { "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-z]*$" } },
    })
}

/// `released()` with something else in one place; without what stands there, where it is `None`.
fn changed(pointer: &str, value: Option<Value>) -> Value {
    match value {
        Some(value) => with(&released(), pointer, value),
        None => without(&released(), pointer),
    }
}

const GONE: Option<Value> = None;

pub(crate) fn a_change_that_harms_nobody_is_none() {
    let optional = json!({ "type": "string" });
    let described = json!({ "$ref": "#/$defs/Id", "description": "Another description.", "examples": ["a"] });
    let inlined = json!({ "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-z]*$" });
    for schema in [
        released(),
        with(&released(), "/properties/new", optional.clone()),
        with(&released(), "/properties/lines/items/properties/new", optional),
        with(&released(), "/properties/id", described),
        with(&released(), "/properties/id", inlined),
        with(&released(), "/properties/reason", json!({ "type": "string", "enum": ["b", "a"] })),
        with(&released(), "/title", json!("Another title")),
        with(&released(), "/description", json!("A description")),
        with(&released(), "/$defs/Unused", json!({ "type": "string" })),
    ] {
        assert_eq!(breaks(&released(), &schema), [], "{schema:#}");
    }
}

pub(crate) fn a_change_that_harms_somebody_says_whom_and_what_to_do() {
    let breaking = [
        ("/properties/id", GONE, "/id is removed, and consumers read it: put it back"),
        ("/properties/note", GONE, "/note is removed"),
        ("/properties/lines/items/properties/sku", GONE, "/lines/*/sku is removed"),
        ("/required/9", Some(json!("note")), "/note is newly required, and producers do not send it: let it be absent"),
        ("/required/1", GONE, "/amount may newly be absent, and consumers count on it: require it again"),
        ("/properties/lines/items/required/0", GONE, "/lines/*/sku may newly be absent"),
        (
            "/properties/amount/type",
            Some(json!("string")),
            "/amount is narrowed (type integer is gone), and producers send more",
        ),
        ("/properties/amount/type", Some(json!(["integer", "string"])), "/amount is widened (type string is new)"),
        ("/properties/amount/type", GONE, "/amount is widened (type array is new)"),
        ("/properties/amount/type", Some(json!("number")), "/amount is widened (type number is new)"),
        ("/properties/colour/type", Some(json!("string")), "/colour is narrowed (type null is gone)"),
        ("/properties/note/anyOf/1", GONE, "/note is "),
        ("/properties/amount/maximum", Some(json!(99)), "/amount is narrowed (maximum was 100, is 99)"),
        ("/properties/amount/maximum", Some(json!(101)), "/amount is widened (maximum was 100, is 101)"),
        ("/properties/amount/maximum", GONE, "/amount is widened (maximum was 100, is none)"),
        ("/properties/amount/minimum", Some(json!(1)), "/amount is narrowed (minimum was 0, is 1)"),
        ("/properties/amount/multipleOf", Some(json!(2)), "/amount is narrowed (multipleOf was none, is 2)"),
        ("/properties/lines/maxItems", Some(json!(10)), "/lines is narrowed (maxItems was 50, is 10)"),
        ("/properties/lines/minItems", Some(json!(0)), "/lines is widened (minItems was 1, is 0)"),
        ("/$defs/Id/maxLength", Some(json!(63)), "/id is narrowed (maxLength was 64, is 63)"),
        (
            "/$defs/Id/pattern",
            Some(json!("^[a-z0-9]*$")),
            "/id is changed (pattern was \"^[a-z]*$\", is \"^[a-z0-9]*$\")",
        ),
        ("/$defs/Id/format", Some(json!("email")), "/id is narrowed (format was none, is \"email\")"),
        ("/properties/reason/oneOf/1", GONE, "/reason is narrowed (value \"b\" is gone)"),
        (
            "/properties/reason/oneOf/9",
            Some(json!({ "const": "c", "type": "string" })),
            "/reason is widened (value \"c\" is new)",
        ),
        ("/properties/reason/oneOf", GONE, "/reason is "),
        ("/properties/colour/enum/0", GONE, "/colour is narrowed (value \"red\" is gone)"),
        ("/properties/colour/enum", GONE, "/colour is widened (from a list of values)"),
        ("/properties/amount/enum", Some(json!([1, 2])), "/amount is narrowed (to a list of values)"),
        (
            "/properties/colour/default",
            Some(json!("blue")),
            "/colour means something else when it is absent: give the default",
        ),
        ("/properties/colour/default", GONE, "/colour means something else when it is absent"),
        ("/properties/note/default", Some(json!("-")), "/note means something else when it is absent"),
        ("/additionalProperties", Some(json!(false)), "the data is narrowed (additionalProperties was none, is false)"),
        ("/properties/lines/items", GONE, "/lines is changed (items)"),
        ("/properties/id/$ref", Some(json!("#/$defs/Nothing")), "/id is "),
        ("/not", Some(json!({ "required": ["note"] })), "the data is narrowed (not was none"),
    ];
    for (pointer, value, expected) in breaking {
        let found: Vec<String> = breaks(&released(), &changed(pointer, value)).iter().map(Break::to_string).collect();
        assert!(found.iter().any(|one| one.starts_with(expected)), "{pointer}: {expected}: {found:?}");
    }
    let mut required = with(&released(), "/properties/new", json!({ "type": "string" }));
    required["required"] = json!(["id", "amount", "reason", "lines", "new"]);
    let found: Vec<String> = breaks(&released(), &required).iter().map(Break::to_string).collect();
    assert_eq!(found, ["/new is newly required, and producers do not send it: let it be absent, with a default"]);
}
