//! Intrinsic functions of `CloudFormation`: how they are written, and what they name.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

pub(crate) fn members(object: &Json) -> impl Iterator<Item = (&String, &Json)> {
    object.as_object().into_iter().flatten()
}

/// Name and argument of an intrinsic function.
pub(crate) fn call(value: &Json) -> Option<(&str, &Json)> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.iter().next().map(|(name, argument)| (name.as_str(), argument))
}

/// `Resource.Attribute`, in whichever way it is written.
pub(crate) fn get_att(path: &Json) -> String {
    path.as_array().map_or_else(|| plain(path), |parts| parts.iter().map(plain).collect::<Vec<_>>().join("."))
}

/// The text of a `Fn::Sub`, and the values that it brings along.
pub(crate) fn sub_arguments(argument: &Json) -> (&str, Map<String, Json>) {
    match argument.as_array().map(Vec::as_slice) {
        Some([text, Json::Object(own)]) => (text.as_str().unwrap_or_default(), own.clone()),
        _ => (argument.as_str().unwrap_or_default(), Map::new()),
    }
}

/// A `Fn::Sub` with some of its names replaced by values: in the text where the value can stand there, beside it
/// otherwise.
pub(crate) fn substituted<E>(
    text: &str,
    mut own: Map<String, Json>,
    value_of: impl Fn(&str) -> Result<Option<Json>, E>,
) -> Result<Json, E> {
    let mut result = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => result.push_str(text),
            Piece::Name(name) => match if own.contains_key(name) { None } else { value_of(name)? } {
                None => result.push_str(&named(name)),
                Some(value) => {
                    let is_shadowed = names_in(&value).iter().any(|name| own.contains_key(name));
                    if let Some(inline) = inline(&value).filter(|_| !is_shadowed) {
                        result.push_str(&inline);
                    } else {
                        // An attribute's name has a dot, which a variable's must not have.
                        let name = name.replace('.', "");
                        result.push_str(&named(&name));
                        own.insert(name, value);
                    }
                }
            },
        }
    }
    if pieces(&result).any(|piece| matches!(piece, Piece::Name(_))) {
        return Ok(if own.is_empty() { json!({ "Fn::Sub": result }) } else { json!({"Fn::Sub": [result, own]}) });
    }
    Ok(result.replace("${!", "${").into())
}

/// A value as a part of a `Fn::Sub`'s text.
fn inline(value: &Json) -> Option<String> {
    match (value, call(value)) {
        (_, Some(("Ref", Json::String(name)))) => Some(named(name)),
        (_, Some(("Fn::GetAtt", path))) => Some(named(&get_att(path))),
        (_, Some(("Fn::Sub", Json::String(text)))) => Some(text.clone()),
        (Json::Array(_) | Json::Object(_), _) => None,
        (literal, _) => Some(plain(literal).replace("${", "${!")),
    }
}

fn named(name: &str) -> String {
    format!("${{{name}}}")
}

/// Part of a `Fn::Sub`'s text.
enum Piece<'a> {
    Text(&'a str),
    /// Between `${` and `}`.
    Name(&'a str),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let name = rest.strip_prefix("${").filter(|rest| !rest.starts_with('!')).and_then(|rest| rest.split_once('}'));
        if let Some((name, behind)) = name {
            rest = behind;
            return Some(Piece::Name(name.trim()));
        }
        let next = rest.char_indices().skip(1).find(|(at, _)| rest[*at..].starts_with("${"));
        let (piece, behind) = rest.split_at(next.map_or(rest.len(), |(at, _)| at));
        rest = behind;
        Some(Piece::Text(piece))
    })
}

/// Everything that a value names: parameters, resources, and the resources of attributes.
pub(crate) fn names_in(value: &Json) -> BTreeSet<String> {
    let first = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
    match (value, call(value)) {
        (_, Some(("Ref", Json::String(name)))) => [name.clone()].into(),
        (_, Some(("Fn::GetAtt", path))) => [first(&get_att(path))].into(),
        (_, Some(("Fn::Sub", argument))) => {
            let (text, own) = sub_arguments(argument);
            let named = pieces(text).filter_map(|piece| match piece {
                Piece::Name(name) if !own.contains_key(name) => Some(first(name)),
                _ => None,
            });
            named.chain(own.values().flat_map(names_in)).collect()
        }
        (Json::Array(items), _) => items.iter().flat_map(names_in).collect(),
        (Json::Object(all), _) => all.values().flat_map(names_in).collect(),
        _ => BTreeSet::new(),
    }
}

pub(crate) fn is_no_value(value: &Json) -> bool {
    value["Ref"] == "AWS::NoValue"
}

/// One is as good as a list of one.
pub(crate) fn texts(value: &Json) -> Vec<String> {
    match value {
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Null => Vec::new(),
        one => vec![plain(one)],
    }
}

pub(crate) fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::yaml::parsed;

    #[test]
    fn texts_are_put_together_whatever_the_value_is() {
        let value_of = |name: &str| {
            Ok::<_, ()>(match name {
                "Text" => Some(json!("a ${b} c")),
                "Ref" => Some(json!({"Ref": "Other"})),
                "Attribute" => Some(json!({"Fn::GetAtt": ["Other", "Arn.X"]})),
                "Sub" => Some(json!({"Fn::Sub": "<${Other}>"})),
                "If" => Some(json!({"Fn::If": ["C", "a", "b"]})),
                _ => None,
            })
        };
        for (argument, expected) in [
            ("plain", json!("plain")),
            ("${Text}", json!("a ${b} c")),
            ("${!Text} ${Text}", json!("${Text} a ${b} c")),
            ("${Text}${Same}", json!({"Fn::Sub": "a ${!b} c${Same}"})),
            ("x${Ref}y${Attribute}${Sub}", json!({"Fn::Sub": "x${Other}y${Other.Arn.X}<${Other}>"})),
            ("${If}", json!({"Fn::Sub": ["${If}", {"If": {"Fn::If": ["C", "a", "b"]}}]})),
            ("[ '${Own}${Text}', {Own: 1} ]", json!({"Fn::Sub": ["${Own}a ${!b} c", {"Own": 1}]})),
            // Its own name is not the one that the value means.
            (
                "[ '${Other}${Ref}', {Other: 1} ]",
                json!({"Fn::Sub": ["${Other}${Ref}", {"Other": 1, "Ref": {"Ref": "Other"}}]}),
            ),
            ("öl ${ Same } $ $}", json!({"Fn::Sub": "öl ${Same} $ $}"})),
        ] {
            let parsed = if argument.starts_with('[') { parsed(argument) } else { json!(argument) };
            let (text, own) = sub_arguments(&parsed);
            assert_eq!(substituted(text, own, value_of), Ok(expected), "{argument}");
        }
    }
}
