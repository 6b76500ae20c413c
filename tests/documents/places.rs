//! Documents that differ from another in one place.

use serde_json::Value;

/// The JSON Pointer of every place in a document, but for the document itself.
pub(crate) fn places(value: &Value, pointer: &str, found: &mut Vec<String>) {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => return,
    };
    for (name, value) in members {
        let pointer = format!("{pointer}/{name}");
        places(value, &pointer, found);
        found.push(pointer);
    }
}

/// The document with `value` in that place: instead of what stands there, or as a new member of an object, or as the last
/// of a list.
pub(crate) fn with(document: &Value, pointer: &str, value: Value) -> Value {
    change(document, pointer, |parent, name| match parent {
        Value::Object(object) => drop(object.insert(name.to_owned(), value)),
        Value::Array(list) => match name.parse::<usize>().ok().and_then(|index| list.get_mut(index)) {
            Some(item) => *item = value,
            None => list.push(value),
        },
        other => panic!("{other} has no members"),
    })
}

/// The document without what stands in that place.
pub(crate) fn without(document: &Value, pointer: &str) -> Value {
    change(document, pointer, |parent, name| match parent {
        Value::Object(object) => drop(object.remove(name).expect("a member")),
        Value::Array(list) => drop(list.remove(name.parse().expect("an index"))),
        other => panic!("{other} has no members"),
    })
}

fn change(document: &Value, pointer: &str, change: impl FnOnce(&mut Value, &str)) -> Value {
    let mut changed = document.clone();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer to a place in the document");
    change(changed.pointer_mut(parent).expect("a place in the document"), name);
    changed
}
