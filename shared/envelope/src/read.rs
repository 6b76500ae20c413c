//! Reading a JSON document so that *every* fault in it is found at once, each with its place.
//!
//! `serde` stops at the first fault, and a caller who mends a body one fault at a time is a caller badly served. A
//! [`Read`] type takes what it needs from a [`Node`] and reports what is wrong to [`Faults`].

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// One thing that is wrong with a document. It names the rule that was broken, never the value that broke it, because
/// faults are logged and answered, and values may be personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Fault {
    /// Place: a JSON Pointer (RFC 6901) into the document; empty for the document itself.
    pub pointer: String,
    /// Rule that does not hold, such as `must be 1 to 9999`.
    pub detail: String,
}

/// All that is wrong with a document, in the document's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Notes that the value at `node` breaks the rule that `detail` names.
    pub fn add(&mut self, node: &Node<'_>, detail: impl Into<String>) {
        self.0.push(Fault { pointer: node.pointer(), detail: detail.into() });
    }

    /// Tells that nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults, in the document's order.
    #[must_use]
    pub fn as_slice(&self) -> &[Fault] {
        &self.0
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Fault { pointer, detail }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let place = if pointer.is_empty() { "the document" } else { pointer };
            write!(f, "{separator}{place} {detail}")?;
        }
        Ok(())
    }
}

/// A type that can be read from a place in a JSON document.
pub trait Read: Sized {
    /// Reads the value at `node`. Where that is impossible the answer is `None`, and `faults` has at least one more
    /// fault than before.
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self>;
}

/// Says how an object is read: each field, the method of [`Node`] that reads it (or of a trait in scope), and its name on
/// the wire.
///
/// ```
/// # use envelope::{Text, parse, reads};
/// struct Member {
///     name: Text,
///     phone: Option<Text>,
/// }
///
/// reads!(Member { name: required("name"), phone: optional("phone") });
///
/// let faults = parse::<Member>(&serde_json::json!({ "phone": 7 })).err().unwrap_or_default();
/// assert_eq!(faults.to_string(), "/name is required; /phone must be a text");
/// ```
#[macro_export]
macro_rules! reads {
    ($name:ident { $($field:ident: $how:ident($wire:literal $(, $limit:expr)?)),* $(,)? }) => {
        impl $crate::Read for $name {
            fn read(node: &$crate::Node<'_>, faults: &mut $crate::Faults) -> Option<Self> {
                node.object(faults)?;
                // Each field is read before the first failure ends the reading: all faults are to be found.
                $(let $field = node.$how($wire, $($limit,)? faults);)*
                Some(Self { $($field: $field?),* })
            }
        }
    };
}

/// Reads a whole document.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn parse<T: Read>(document: &Value) -> Result<T, Faults> {
    let mut faults = Faults::default();
    match T::read(&Node::root(document), &mut faults) {
        Some(value) if faults.is_empty() => Ok(value),
        _ => Err(faults),
    }
}

/// A place in a JSON document: the value that stands there, if one does, and the way to it.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    value: Option<&'a Value>,
    parent: Option<&'a Node<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Item(usize),
}

impl<'a> Node<'a> {
    /// The document itself.
    #[must_use]
    pub fn root(document: &'a Value) -> Self {
        Self { value: Some(document), parent: None, step: Step::Root }
    }

    /// The value, unless there is none or it is `null`.
    #[must_use]
    pub fn value(&self) -> Option<&'a Value> {
        self.value.filter(|value| !value.is_null())
    }

    /// The value, `null` as well, unless there is none.
    pub(crate) fn json(&self) -> Option<&'a Value> {
        self.value
    }

    /// The items of the list that stands here; none if there is no list.
    pub(crate) fn items(&self) -> impl Iterator<Item = Node<'_>> {
        let items = self.value.and_then(Value::as_array).into_iter().flatten();
        items.enumerate().map(|(index, item)| Node { value: Some(item), parent: Some(self), step: Step::Item(index) })
    }

    /// The member `name` of this object; a place without a value if there is no such member.
    #[must_use]
    pub fn field<'b>(&'b self, name: &'b str) -> Node<'b> {
        Node { value: self.value.and_then(|value| value.get(name)), parent: Some(self), step: Step::Field(name) }
    }

    /// Reads the member `name`, whose absence is a fault. A parent that is no object is one fault, not one for each
    /// of its members: see [`Node::object`].
    pub fn required<T: Read>(&self, name: &str, faults: &mut Faults) -> Option<T> {
        let field = self.field(name);
        if field.value().is_none() {
            faults.add(&field, "is required");
            return None;
        }
        T::read(&field, faults)
    }

    /// Reads the member `name` where it is present and not `null`.
    pub fn optional<T: Read>(&self, name: &str, faults: &mut Faults) -> Option<Option<T>> {
        let field = self.field(name);
        match field.value() {
            None => Some(None),
            Some(_) => T::read(&field, faults).map(Some),
        }
    }

    /// Reads the list in member `name`, of at least one and at most `most` items.
    pub fn list<T: Read>(&self, name: &str, most: usize, faults: &mut Faults) -> Option<Vec<T>> {
        let field = self.field(name);
        let Some(value) = field.value() else {
            faults.add(&field, "is required");
            return None;
        };
        let Some(items) = value.as_array() else {
            faults.add(&field, "must be a list");
            return None;
        };
        if items.is_empty() || items.len() > most {
            faults.add(&field, format!("must have 1 to {most} items"));
            return None;
        }
        // Every item is read before the first failure ends the list: all faults are to be found.
        let read: Vec<Option<T>> = field.items().map(|item| T::read(&item, faults)).collect();
        read.into_iter().collect()
    }

    /// Makes sure that an object stands here.
    pub fn object(&self, faults: &mut Faults) -> Option<()> {
        if self.value.is_some_and(Value::is_object) {
            return Some(());
        }
        faults.add(self, "must be an object");
        None
    }

    /// The text that stands here.
    pub fn text(&self, faults: &mut Faults) -> Option<&'a str> {
        let text = self.value.and_then(Value::as_str);
        if text.is_none() {
            faults.add(self, "must be a text");
        }
        text
    }

    /// The whole number that stands here, from `least` to `most`. `2.0` is one, as it is to JSON Schema.
    pub fn integer(&self, least: i64, most: i64, faults: &mut Faults) -> Option<i64> {
        let number = self.value.and_then(whole).filter(|number| (least..=most).contains(number));
        if number.is_none() {
            faults.add(self, format!("must be a whole number from {least} to {most}"));
        }
        number
    }

    /// Place of this node: a JSON Pointer (RFC 6901).
    #[must_use]
    pub fn pointer(&self) -> String {
        let mut pointer = self.parent.map(Node::pointer).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Field(name) => {
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
            }
            Step::Item(index) => {
                pointer.push('/');
                pointer.push_str(&index.to_string());
            }
        }
        pointer
    }
}

/// The whole number that a value is, if it is one.
fn whole(value: &Value) -> Option<i64> {
    // Up to here every whole number has a float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let of_float = || {
        let float = value.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT)?;
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and fits")]
        Some(float as i64)
    };
    value.as_i64().or_else(of_float)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Pair;

    impl Read for Pair {
        fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
            node.object(faults)?;
            let odd = node.field("a/b~c").integer(1, 9, faults);
            let items = node.list::<Pair>("items", 2, faults);
            odd.and(items)?;
            Some(Self)
        }
    }

    fn faults(document: &Value) -> Vec<(String, String)> {
        let faults = parse::<Pair>(document).err().unwrap_or_default();
        faults.0.into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
    }

    #[test]
    fn all_faults_are_found_and_placed() {
        assert_eq!(
            faults(&json!({ "a/b~c": 1.5, "items": [{ "a/b~c": 10, "items": [] }, 3] })),
            [
                ("/a~1b~0c".to_owned(), "must be a whole number from 1 to 9".to_owned()),
                ("/items/0/a~1b~0c".to_owned(), "must be a whole number from 1 to 9".to_owned()),
                ("/items/0/items".to_owned(), "must have 1 to 2 items".to_owned()),
                ("/items/1".to_owned(), "must be an object".to_owned()),
            ]
        );
    }

    #[test]
    fn a_document_that_is_no_object_is_one_fault() {
        assert_eq!(faults(&json!([])), [(String::new(), "must be an object".to_owned())]);
        assert_eq!(parse::<Pair>(&json!(1)).err().unwrap_or_default().to_string(), "the document must be an object");
    }
}
