//! Attributes of events and texts at random, with everything odd that is allowed, and JSON that is not valid: what property
//! tests are fed with.

use proptest::collection::{hash_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use crate::context::KNOWN;
use crate::time::WRITABLE_MS;
use crate::{EventId, KeyName, NONCE_BYTES, Personal, SealedParts, TAG_BYTES, Time, sealed_header};

/// A document that was valid until up to four places of it were changed, removed, repeated or made long.
pub fn damaged(document: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let blow = (any::<Index>(), 0..5_u8, json());
    (document, vec(blow, 1..5)).prop_map(|(mut document, blows)| {
        for (place, how, value) in blows {
            let places = pointers(&document);
            let pointer = place.get(&places).clone();
            damage(&mut document, &pointer, how, value);
        }
        document
    })
}

fn damage(document: &mut Value, pointer: &str, how: u8, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    if how == 0 {
        if let Some(Value::Object(fields)) = document.pointer_mut(parent) {
            fields.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
        return;
    }
    let Some(place) = document.pointer_mut(pointer) else { return };
    match (how, place) {
        // Items and texts that have been repeated are not repeated again, or some documents would fill the memory.
        (1, Value::Array(items)) if items.len() < 1_000 => {
            *items = items.iter().cycle().take(items.len() * 60).cloned().collect();
        }
        (1, Value::String(text)) if text.len() < 10_000 => *text = text.repeat(250),
        (2, Value::String(text)) => text.push('\u{7}'),
        (3, Value::Number(number)) => *number = number.as_i64().map_or(i64::MAX, |number| -1 - number).into(),
        (_, place) => *place = value,
    }
}

/// All places of a document, as JSON Pointers, the whole first.
#[must_use]
pub fn pointers(document: &Value) -> Vec<String> {
    let step = |name: &str, value: &Value| {
        let name = name.replace('~', "~0").replace('/', "~1");
        pointers(value).into_iter().map(move |rest| format!("/{name}{rest}")).collect::<Vec<_>>()
    };
    let below: Vec<String> = match document {
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(index, item)| step(&index.to_string(), item)).collect()
        }
        Value::Object(fields) => fields.iter().flat_map(|(name, value)| step(name, value)).collect(),
        _ => Vec::new(),
    };
    std::iter::once(String::new()).chain(below).collect()
}

/// Any JSON.
pub fn json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        any::<String>().prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            hash_map(any::<String>(), inner, 0..4).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// Attributes of a valid event, without those that its type decides.
pub fn context() -> impl Strategy<Value = Map<String, Value>> {
    let id = prop_oneof![
        (any::<u64>(), any::<[u8; 10]>()).prop_map(|(millis, random)| EventId::v7(millis, random).to_string()),
        text().prop_map(|text| text.chars().take(128).collect()),
    ];
    let sequence = prop_oneof![Just(1), Just(u64::MAX), 1..=u64::MAX].prop_map(|count| format!("{count:020}"));
    let name = prop_oneof![4 => "[a-z0-9]{1,20}", 1 => any::<String>()]
        .prop_filter("an extension", |name| !KNOWN.contains(&name.as_str()));
    let optional = (
        option::of(sequence),
        option::of(text()),
        option::of(text()),
        option::of(any::<String>()),
        option::of(any::<String>()),
    );
    (id, time(), optional, hash_map(name, json(), 0..3)).prop_map(
        |(id, time, (sequence, correlation, causation, parent, state), extensions)| {
            let optional = [
                ("sequence", sequence),
                ("correlationid", correlation),
                ("causationid", causation),
                ("traceparent", parent),
                ("tracestate", state),
            ];
            let mut context: Map<String, Value> = extensions.into_iter().collect();
            context.extend([("id".to_owned(), json!(id)), ("time".to_owned(), json!(time.to_string()))]);
            context.extend(present(optional));
            context
        },
    )
}

/// A point in time.
pub fn time() -> impl Strategy<Value = Time> {
    prop_oneof![Just(i64::MIN), Just(-1), Just(0), Just(i64::MAX), WRITABLE_MS].prop_map(Time::from_millis)
}

/// Personal data of the right form, which nobody can open.
pub fn personal<T>() -> impl Strategy<Value = Personal<T>> {
    let parts = ("[A-Za-z0-9_-]{1,64}", any::<[u8; NONCE_BYTES]>(), vec(any::<u8>(), TAG_BYTES..200));
    parts.prop_filter_map("of the right form", |(name, nonce, ciphertext_and_tag)| {
        let header = sealed_header(&KeyName::new(name).ok()?);
        Personal::from_parts(&SealedParts { header: &header, nonce, ciphertext_and_tag }).ok()
    })
}

/// A text that the contract allows, odd as it may be: what looks like syntax, turns the direction, is no character alone,
/// or stands at the end of a range of Unicode.
///
/// It is boxed, for what a text is made from is large, and what a large document is made from has a dozen of it: as one value, it
/// would overflow the stack of a test.
pub fn text() -> BoxedStrategy<String> {
    const ODD: &[char] = &[
        '"',
        '\\',
        '/',
        '{',
        '\'',
        '<',
        '&',
        '~',
        ' ',
        '\u{a0}',
        '\u{ad}',
        '\u{301}',
        '\u{200b}',
        '\u{202e}',
        '\u{2028}',
        '\u{d7ff}',
        '\u{e000}',
        '\u{fdd0}',
        '\u{feff}',
        '\u{fffd}',
        '\u{10000}',
        '\u{1f469}',
        '\u{1ffff}',
        '\u{10ffff}',
    ];
    let character = prop_oneof![
        3 => proptest::char::range(' ', '~'),
        1 => select(ODD),
        1 => any::<char>().prop_map(|c| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { 'x' } else { c }),
    ];
    (vec(character, 1..=10), prop_oneof![9 => Just(1), 1 => Just(200)])
        .prop_map(|(characters, times): (Vec<char>, usize)| {
            characters.iter().cycle().take(characters.len().max(times)).collect()
        })
        .boxed()
}

fn present<const N: usize>(optional: [(&str, Option<String>); N]) -> impl Iterator<Item = (String, Value)> {
    optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
}
