//! Event patterns: conditions on events, in the syntax of SNS and `EventBridge`.
//!
//! Written here, and not taken from a crate: `quamina` builds automata for thousands of patterns at once, where one pattern is held
//! against one event here; it has no `$or`, names no place of a fault, and would bring ten crates and 450 KB into each function.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Map, Number, Value};

use crate::read::{Faults, Node, Read};

/// The most fields and values of a pattern.
const MAX_CONDITIONS: usize = 100;

/// The deepest field of a pattern, each `$or` counted as well.
const MAX_DEPTH: usize = 8;

/// The longest text in a pattern, and the longest name of a field, in bytes.
const MAX_TEXT_BYTES: usize = 256;

/// Condition on a JSON document, in the syntax of the filter policies of SNS (scope `MessageBody`) and of the event patterns of
/// `EventBridge`.
///
/// A pattern is an object of the document's shape, whose leaves are lists. All of its fields must match, and of a list one
/// value; `$or` has a list of patterns of which one must match. A value is a text, number, boolean or `null`, or an object of one
/// operator: `prefix`, `suffix` and `equals-ignore-case`; `wildcard`, where `*` stands for any text, and `\*` and `\\` for themselves;
/// `numeric`; `cidr`; `exists`; `anything-but`.
///
/// Of a list in the document one item must match, and of a list of objects one that matches all of the fields. `exists` is true
/// of everything but an empty list; of something absent only `{"exists": false}` is true.
///
/// It has at most 100 fields and values, at most 8 deep, and texts of at most 256 bytes, so that what it costs to match one is
/// bounded by the document.
///
/// ```
/// use envelope::{Pattern, parse};
/// use serde_json::json;
///
/// let pattern: Pattern = parse(&json!({ "type": ["LoanRefused"], "data": { "total": { "amount": [{ "numeric": [">", 50_000] }] } } }))?;
/// assert!(pattern.matches(&json!({ "type": "LoanRefused", "data": { "total": { "amount": 50_001 } } })));
/// assert!(!pattern.matches(&json!({ "type": "LoanRefused", "data": {} })));
///
/// let faults = parse::<Pattern>(&json!({ "data": { "title": [{ "like": "A" }] } })).unwrap_err();
/// assert!(faults.to_string().starts_with("/data/title/0 must have one operator of prefix, suffix,"));
/// # Ok::<(), envelope::Faults>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Pattern {
    document: Value,
    #[serde(skip)]
    all: All,
}

/// Clauses that must all match.
#[derive(Clone, Debug, PartialEq)]
struct All(Vec<Clause>);

#[derive(Clone, Debug, PartialEq)]
enum Clause {
    Field(String, Wanted),
    Or(Vec<All>),
}

#[derive(Clone, Debug, PartialEq)]
enum Wanted {
    /// One of them must match.
    Values(Vec<Test>),
    Fields(All),
}

/// Test of one value.
#[derive(Clone, Debug, PartialEq)]
enum Test {
    Is(Value),
    Exists(bool),
    Text(Shape),
    Numeric(Vec<(Comparison, Number)>),
    Within(IpAddr, u32),
    AnythingBut(Vec<Test>),
}

/// Test of a text.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Prefix(String, Case),
    Suffix(String, Case),
    Is(String),
    /// Parts, between which any text may stand.
    Parts(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Case {
    Counts,
    Ignored,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Equal,
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Pattern {
    /// Tells that the pattern matches that document.
    #[must_use]
    pub fn matches(&self, document: &Value) -> bool {
        self.all.matches(Some(document))
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }
}

impl Read for Pattern {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let mut reader = Reader { faults, conditions: 0 };
        let all = reader.all(node, MAX_DEPTH)?;
        if reader.conditions > MAX_CONDITIONS {
            faults.add(node, format!("must have at most {MAX_CONDITIONS} fields and values"));
            return None;
        }
        Some(Self { document: node.json()?.clone(), all })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Pattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "minProperties": 1,
            "description": "A condition on events, in the syntax of SNS's filter policies and EventBridge's event patterns: an object of the event's shape, whose leaves are lists of values, of which one must match. `$or`, `prefix`, `suffix`, `equals-ignore-case`, `wildcard`, `numeric`, `cidr`, `exists` and `anything-but` are known. At most 100 fields and values, 8 deep, texts of at most 256 bytes.",
        })
    }
}

impl All {
    fn matches(&self, document: Option<&Value>) -> bool {
        match document {
            Some(Value::Array(items)) if !items.is_empty() => items.iter().any(|item| self.matches(Some(item))),
            document => self.0.iter().all(|clause| clause.matches(document)),
        }
    }
}

impl Clause {
    fn matches(&self, document: Option<&Value>) -> bool {
        match self {
            Self::Or(any) => any.iter().any(|all| all.matches(document)),
            Self::Field(name, wanted) => {
                let value = document.and_then(|document| document.get(name));
                match wanted {
                    Wanted::Values(any) => any.iter().any(|test| test.matches(value)),
                    Wanted::Fields(all) => all.matches(value),
                }
            }
        }
    }
}

impl Test {
    fn matches(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Self::Exists(wanted), value) => *wanted == value.is_some_and(|value| *value != Value::Array(Vec::new())),
            (_, None | Some(Value::Object(_))) => false,
            (test, Some(Value::Array(items))) => items.iter().any(|item| test.matches(Some(item))),
            (test, Some(value)) => test.holds(value),
        }
    }

    /// The same of a value that is neither a list nor an object.
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Exists(wanted) => *wanted,
            Self::Is(wanted) => match (wanted, value) {
                (Value::Number(wanted), Value::Number(value)) => Comparison::Equal.holds(value, wanted),
                (wanted, value) => wanted == value,
            },
            Self::Text(shape) => value.as_str().is_some_and(|text| shape.fits(text)),
            Self::Numeric(bounds) => {
                let Value::Number(value) = value else { return false };
                bounds.iter().all(|(comparison, bound)| comparison.holds(value, bound))
            }
            Self::Within(network, bits) => {
                let address = value.as_str().and_then(|text| text.parse().ok());
                address.is_some_and(|address| begins_alike(address, *network, *bits))
            }
            Self::AnythingBut(none) => !none.iter().any(|test| test.holds(value)),
        }
    }
}

impl Shape {
    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Prefix(prefix, Case::Counts) => text.starts_with(prefix),
            Self::Suffix(suffix, Case::Counts) => text.ends_with(suffix),
            Self::Prefix(prefix, Case::Ignored) => text.to_lowercase().starts_with(prefix),
            Self::Suffix(suffix, Case::Ignored) => text.to_lowercase().ends_with(suffix),
            Self::Is(wanted) => text.to_lowercase() == *wanted,
            Self::Parts(parts) => fits_parts(text, parts),
        }
    }
}

/// Tells that the parts stand in that text one after the other, the first at its begin and the last at its end. To take each as
/// early as it stands is enough, so that no text makes it try combinations.
fn fits_parts(text: &str, parts: &[String]) -> bool {
    let [first, middle @ .., last] = parts else { return parts.first().is_some_and(|only| text == only) };
    let Some(mut rest) = text.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str())) else {
        return false;
    };
    for part in middle {
        let Some((_, after)) = rest.split_once(part.as_str()) else { return false };
        rest = after;
    }
    true
}

impl Comparison {
    fn holds(self, value: &Number, bound: &Number) -> bool {
        let order = match (whole(value), whole(bound)) {
            (Some(value), Some(bound)) => Some(value.cmp(&bound)),
            _ => value.as_f64().zip(bound.as_f64()).and_then(|(value, bound)| value.partial_cmp(&bound)),
        };
        order.is_some_and(|order| match self {
            Self::Equal => order.is_eq(),
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
        })
    }

    fn of(operator: &str) -> Option<Self> {
        Some(match operator {
            "=" => Self::Equal,
            ">" => Self::Above,
            ">=" => Self::AtLeast,
            "<" => Self::Below,
            "<=" => Self::AtMost,
            _ => return None,
        })
    }
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// Tells that the first `bits` of two addresses are the same, and that they are of one kind.
fn begins_alike(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    let (difference, width) = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u128::from(one.to_bits() ^ other.to_bits()), 32_u32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits(), 128),
        _ => return false,
    };
    difference.checked_shr(width.saturating_sub(bits)).is_none_or(|begin| begin == 0)
}

/// Reads a pattern, and finds all of its faults.
struct Reader<'a> {
    faults: &'a mut Faults,
    /// Fields and values that it has seen.
    conditions: usize,
}

impl Reader<'_> {
    fn all(&mut self, node: &Node<'_>, depth: usize) -> Option<All> {
        node.object(self.faults)?;
        let fields = node.json().and_then(Value::as_object).filter(|fields| !fields.is_empty());
        let Some(fields) = fields else { return self.refuse(node, "must have a field") };
        if depth == 0 {
            return self.refuse(node, format!("must be at most {MAX_DEPTH} deep"));
        }
        // Each clause is read before the first failure ends the reading: all faults are to be found.
        let clauses: Vec<_> = fields.keys().map(|name| self.clause(name, &node.field(name), depth - 1)).collect();
        Some(All(clauses.into_iter().collect::<Option<_>>()?))
    }

    fn clause(&mut self, name: &str, node: &Node<'_>, depth: usize) -> Option<Clause> {
        self.conditions += 1;
        if name.len() > MAX_TEXT_BYTES {
            return self.refuse(node, format!("must have a name of at most {MAX_TEXT_BYTES} bytes"));
        }
        Some(match (name, node.json()?) {
            ("$or", Value::Array(any)) if !any.is_empty() => {
                Clause::Or(self.each(node, |reader, node| reader.all(node, depth))?)
            }
            ("$or", _) => return self.refuse(node, "must be a list of patterns"),
            (name, Value::Array(any)) if !any.is_empty() => {
                Clause::Field(name.to_owned(), Wanted::Values(self.each(node, Self::test)?))
            }
            (name, Value::Object(_)) => Clause::Field(name.to_owned(), Wanted::Fields(self.all(node, depth)?)),
            _ => return self.refuse(node, "must be a list of values or an object of fields"),
        })
    }

    /// One value of a field.
    fn test(&mut self, node: &Node<'_>) -> Option<Test> {
        self.conditions += 1;
        let Value::Object(operators) = node.json()? else { return self.scalar(node).map(Test::Is) };
        let (name, argument) = self.only(node, operators, OPERATORS)?;
        let node = &node.field(name);
        Some(match (name, argument) {
            ("exists", Value::Bool(wanted)) => Test::Exists(*wanted),
            ("exists", _) => return self.refuse(node, "must be true or false"),
            ("numeric", argument) => match bounds(argument) {
                Some(bounds) => Test::Numeric(bounds),
                None => {
                    return self
                        .refuse(node, "must be a comparison and a number, or two of them: a lower and an upper bound");
                }
            },
            ("cidr", argument) => match argument.as_str().and_then(network) {
                Some((network, bits)) => Test::Within(network, bits),
                None => return self.refuse(node, "must be a block of addresses such as 192.0.2.0/24"),
            },
            ("anything-but", Value::Object(operators)) => {
                let (name, _) = self.only(node, operators, SHAPES)?;
                Test::AnythingBut(self.one_or_more(&node.field(name), |reader, node| reader.shape(name, node))?)
            }
            ("anything-but", _) => {
                Test::AnythingBut(self.one_or_more(node, |reader, node| reader.scalar(node).map(Test::Is))?)
            }
            (name, _) => self.shape(name, node)?,
        })
    }

    /// The argument of an operator on texts.
    fn shape(&mut self, name: &str, node: &Node<'_>) -> Option<Test> {
        if let (Some(Value::Object(operators)), "prefix" | "suffix") = (node.json(), name) {
            let (inner, _) = self.only(node, operators, &["equals-ignore-case"])?;
            let text = self.text(&node.field(inner))?.to_lowercase();
            let shape = if name == "prefix" { Shape::Prefix } else { Shape::Suffix };
            return Some(Test::Text(shape(text, Case::Ignored)));
        }
        let text = self.text(node)?;
        Some(Test::Text(match name {
            "prefix" => Shape::Prefix(text.to_owned(), Case::Counts),
            "suffix" => Shape::Suffix(text.to_owned(), Case::Counts),
            "equals-ignore-case" => Shape::Is(text.to_lowercase()),
            _ => match parts(text) {
                Some(parts) => Shape::Parts(parts),
                None => return self.refuse(node, r"must have no ** in it, and a \ only before * and \"),
            },
        }))
    }

    fn scalar(&mut self, node: &Node<'_>) -> Option<Value> {
        match node.json()? {
            Value::String(_) => self.text(node).map(Value::from),
            Value::Array(_) | Value::Object(_) => self.refuse(node, "must be a text, a number, true, false or null"),
            scalar => Some(scalar.clone()),
        }
    }

    fn text<'a>(&mut self, node: &Node<'a>) -> Option<&'a str> {
        let text = node.text(self.faults)?;
        if text.len() > MAX_TEXT_BYTES {
            return self.refuse(node, format!("must be at most {MAX_TEXT_BYTES} bytes"));
        }
        Some(text)
    }

    /// The one operator of an object, which must be one of those.
    fn only<'a>(
        &mut self,
        node: &Node<'_>,
        operators: &'a Map<String, Value>,
        known: &[&str],
    ) -> Option<(&'a str, &'a Value)> {
        let mut operators = operators.iter().map(|(name, argument)| (name.as_str(), argument));
        match (operators.next(), operators.next()) {
            (Some((name, argument)), None) if known.contains(&name) => Some((name, argument)),
            _ => self.refuse(node, format!("must have one operator of {}", known.join(", "))),
        }
    }

    /// A value by itself, or a list of them.
    fn one_or_more<T>(&mut self, node: &Node<'_>, read: impl Fn(&mut Self, &Node<'_>) -> Option<T>) -> Option<Vec<T>> {
        match node.json()? {
            Value::Array(items) if items.is_empty() => self.refuse(node, "must have a value"),
            Value::Array(items) => {
                self.conditions += items.len();
                self.each(node, read)
            }
            _ => Some(vec![read(self, node)?]),
        }
    }

    /// Each item of a list: all are read before the first failure ends it.
    fn each<T>(&mut self, node: &Node<'_>, read: impl Fn(&mut Self, &Node<'_>) -> Option<T>) -> Option<Vec<T>> {
        let items: Vec<_> = node.items().map(|item| read(self, &item)).collect();
        items.into_iter().collect()
    }

    fn refuse<T>(&mut self, node: &Node<'_>, detail: impl Into<String>) -> Option<T> {
        self.faults.add(node, detail);
        None
    }
}

/// Operators on texts.
const SHAPES: &[&str] = &["prefix", "suffix", "equals-ignore-case", "wildcard"];

/// All operators.
const OPERATORS: &[&str] =
    &["prefix", "suffix", "equals-ignore-case", "wildcard", "numeric", "cidr", "exists", "anything-but"];

/// The bounds of `numeric`: one, or a lower and an upper one.
fn bounds(argument: &Value) -> Option<Vec<(Comparison, Number)>> {
    let bound = |pair: &[Value]| match pair {
        [Value::String(operator), Value::Number(number)] => Some((Comparison::of(operator)?, number.clone())),
        _ => None,
    };
    let bounds = argument.as_array()?.chunks(2).map(bound).collect::<Option<Vec<_>>>()?;
    match bounds[..] {
        [_] | [(Comparison::Above | Comparison::AtLeast, _), (Comparison::Below | Comparison::AtMost, _)] => {
            Some(bounds)
        }
        _ => None,
    }
}

fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
    (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, bits))
}

/// The parts of a wildcard, between its asterisks.
fn parts(wildcard: &str) -> Option<Vec<String>> {
    let (mut parts, mut characters) = (vec![String::new()], wildcard.chars());
    while let Some(character) = characters.next() {
        let character = match character {
            '*' if parts.len() > 1 && parts.last().is_some_and(String::is_empty) => return None,
            '*' => {
                parts.push(String::new());
                continue;
            }
            '\\' => characters.next().filter(|escaped| matches!(escaped, '*' | '\\'))?,
            character => character,
        };
        parts.last_mut()?.push(character);
    }
    Some(parts)
}

#[cfg(test)]
mod tests;
