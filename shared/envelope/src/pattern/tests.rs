use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::Pattern;
use crate::parse;
use crate::strategy::{damaged, json as any_json};

/// Event that the tables are about.
fn event() -> Value {
    json!({
        "type": "LoanRefused", "source": "library/lending", "subject": "loan-1", "extra": null, "block": "192.0.2.77",
        "data": {
            "total": { "amount": 50_000, "currency": "EUR" }, "free": false, "rate": 0.5, "none": [], "odd": "a*b\\c",
            "lines": [{ "title": "TEA", "quantity": 2 }, { "title": "CUP", "quantity": 1, "tags": ["red", "blue"] }],
        },
    })
}

fn check(pattern: &Value, expected: bool) {
    let read: Pattern = parse(pattern).unwrap_or_else(|faults| panic!("{pattern}: {faults}"));
    assert_eq!(read.matches(&event()), expected, "{pattern}");
    assert_eq!(serde_json::to_value(&read).unwrap(), *pattern);
}

#[test]
fn each_operator_matches_what_it_says() {
    for (field, value, expected) in [
        ("type", json!("LoanRefused"), true),
        ("type", json!("loanrefused"), false),
        ("extra", json!(null), true),
        ("absent", json!(null), false),
        ("type", json!({ "prefix": "Loa" }), true),
        ("type", json!({ "prefix": "loa" }), false),
        ("type", json!({ "prefix": { "equals-ignore-case": "lOA" } }), true),
        ("type", json!({ "suffix": "Refused" }), true),
        ("type", json!({ "suffix": { "equals-ignore-case": "REFUSED" } }), true),
        ("type", json!({ "equals-ignore-case": "LOANREFUSED" }), true),
        ("type", json!({ "wildcard": "L*R*d" }), true),
        ("type", json!({ "wildcard": "*Refused" }), true),
        ("type", json!({ "wildcard": "LoanRefused" }), true),
        ("type", json!({ "wildcard": "Loa*Refused*d" }), false),
        ("type", json!({ "wildcard": "Loan*nRefused" }), false),
        ("extra", json!({ "wildcard": "*" }), false),
        ("block", json!({ "cidr": "192.0.2.0/24" }), true),
        ("block", json!({ "cidr": "192.0.2.0/26" }), false),
        ("block", json!({ "cidr": "0.0.0.0/0" }), true),
        ("block", json!({ "cidr": "::/0" }), false),
        ("type", json!({ "cidr": "0.0.0.0/0" }), false),
        ("type", json!({ "exists": true }), true),
        ("data", json!({ "exists": true }), true),
        ("extra", json!({ "exists": true }), true),
        ("absent", json!({ "exists": true }), false),
        ("absent", json!({ "exists": false }), true),
        ("type", json!({ "exists": false }), false),
        ("type", json!({ "anything-but": "BookLent" }), true),
        ("type", json!({ "anything-but": ["BookLent", "LoanRefused"] }), false),
        ("type", json!({ "anything-but": { "prefix": "Book" } }), true),
        ("type", json!({ "anything-but": { "suffix": ["Created", "Refused"] } }), false),
        ("type", json!({ "anything-but": { "wildcard": "*fuse*" } }), false),
        ("absent", json!({ "anything-but": "BookLent" }), false),
        ("data", json!({ "anything-but": "BookLent" }), false),
        ("extra", json!({ "anything-but": "BookLent" }), true),
    ] {
        check(&json!({ field: [value] }), expected);
        check(&json!({ field: ["nothing like it", value] }), expected);
    }
}

#[test]
fn numbers_texts_and_what_is_nested_match_what_they_say() {
    for (data, expected) in [
        (json!({ "total": { "amount": [50_000], "currency": ["EUR"] } }), true),
        (json!({ "total": { "amount": [50_000.0] } }), true),
        (json!({ "total": { "amount": ["50000"] } }), false),
        (json!({ "total": { "amount": [50_000], "currency": ["USD"] } }), false),
        (json!({ "total": { "amount": [{ "numeric": [">", 49_999.5] }] } }), true),
        (json!({ "total": { "amount": [{ "numeric": [">", 50_000] }] } }), false),
        (json!({ "total": { "amount": [{ "numeric": [">=", 50_000, "<", 50_001] }] } }), true),
        (json!({ "total": { "amount": [{ "numeric": [">", 50_000, "<=", 60_000] }] } }), false),
        (json!({ "total": { "currency": [{ "numeric": ["=", 1] }] } }), false),
        (json!({ "rate": [{ "numeric": ["=", 0.5] }] }), true),
        (json!({ "free": [false] }), true),
        (json!({ "free": ["false"] }), false),
        (json!({ "odd": [{ "wildcard": r"a\*b\\*" }] }), true),
        (json!({ "odd": [{ "wildcard": r"a\*\*c" }] }), false),
        (json!({ "none": [{ "exists": true }] }), false),
        (json!({ "none": [{ "exists": false }] }), true),
        (json!({ "deep": { "deeper": [{ "exists": false }] } }), true),
        (json!({ "deep": { "deeper": [{ "exists": true }] } }), false),
        // One item must match, and in all of its fields.
        (json!({ "lines": { "title": ["TEA"], "quantity": [2] } }), true),
        (json!({ "lines": { "title": ["TEA"], "quantity": [1] } }), false),
        (json!({ "lines": { "tags": ["blue"] } }), true),
        (json!({ "lines": { "tags": [{ "anything-but": "blue" }] } }), true),
        (json!({ "lines": { "title": ["CUP"], "tags": [{ "exists": false }] } }), false),
        (json!({ "lines": { "title": ["TEA"], "tags": [{ "exists": false }] } }), true),
        (json!({ "lines": ["TEA"] }), false),
        (json!({ "$or": [{ "free": [true] }, { "rate": [0.5] }] }), true),
        (json!({ "$or": [{ "free": [true] }, { "rate": [0.6] }] }), false),
        (json!({ "free": [true], "$or": [{ "rate": [0.5] }] }), false),
    ] {
        check(&json!({ "data": data }), expected);
    }
}

#[test]
fn large_numbers_are_compared_to_the_last_digit() {
    let pattern: Pattern = parse(&json!({ "n": [{ "numeric": [">", 9_007_199_254_740_992_i64] }] })).unwrap();
    assert!(pattern.matches(&json!({ "n": 9_007_199_254_740_993_i64 })));
    assert!(!pattern.matches(&json!({ "n": 9_007_199_254_740_992_i64 })));
}

#[test]
fn each_fault_is_found_with_its_place() {
    let deep = |levels: usize| (0..levels).fold(json!(["x"]), |inner, _| json!({ "a": inner }));
    let text = "x".repeat(257);
    for (pattern, expected) in [
        (json!([]), "the document must be an object"),
        (json!({}), "the document must have a field"),
        (json!({ "a": "x", "b": {} }), "/a must be a list of values or an object of fields; /b must have a field"),
        (json!({ "a": [] }), "/a must be a list of values or an object of fields"),
        (json!({ "a": [["x"]] }), "/a/0 must be a text, a number, true, false or null"),
        (json!({ "a": ["y", text] }), "/a/1 must be at most 256 bytes"),
        (json!({ "a/b": [{ "prefix": 1 }] }), "/a~1b/0/prefix must be a text"),
        (json!({ "a": [{ "prefix": { "suffix": "x" } }] }), "/a/0/prefix must have one operator of equals-ignore-case"),
        (json!({ "a": [{ "exists": "yes" }] }), "/a/0/exists must be true or false"),
        (json!({ "a": [{ "cidr": "1.2.3.4" }] }), "/a/0/cidr must be a block of addresses such as 192.0.2.0/24"),
        (json!({ "a": [{ "cidr": "1.2.3.4/33" }] }), "/a/0/cidr must be a block of addresses such as 192.0.2.0/24"),
        (json!({ "a": [{ "anything-but": [] }] }), "/a/0/anything-but must have a value"),
        (
            json!({ "a": [{ "anything-but": { "numeric": [">", 1] } }] }),
            "/a/0/anything-but must have one operator of prefix, suffix, equals-ignore-case, wildcard",
        ),
        (json!({ "a": [{ "wildcard": "a**b" }] }), r"/a/0/wildcard must have no ** in it, and a \ only before * and \"),
        (json!({ "a": [{ "wildcard": r"a\b" }] }), r"/a/0/wildcard must have no ** in it, and a \ only before * and \"),
        (json!({ "$or": { "a": ["x"] } }), "/$or must be a list of patterns"),
        (json!({ "$or": [{ "a": ["x"] }, "x"] }), "/$or/1 must be an object"),
        (deep(9), "/a/a/a/a/a/a/a/a must be at most 8 deep"),
        (json!({ "a": vec!["x"; 100] }), "the document must have at most 100 fields and values"),
        (json!({ "a": [{ "anything-but": vec![1; 100] }] }), "the document must have at most 100 fields and values"),
    ] {
        let faults = parse::<Pattern>(&pattern).err().unwrap_or_default();
        assert_eq!(faults.to_string(), expected, "{pattern}");
    }
    let numeric = "/a/0/numeric must be a comparison and a number, or two of them: a lower and an upper bound";
    for bounds in [
        json!([]),
        json!([">"]),
        json!(["!", 1]),
        json!([">", "1"]),
        json!([">", 1, ">", 2]),
        json!(["<", 1, ">", 0]),
        json!(5),
    ] {
        let faults = parse::<Pattern>(&json!({ "a": [{ "numeric": bounds }] })).err().unwrap_or_default();
        assert_eq!(faults.to_string(), numeric, "{bounds}");
    }
    assert!(parse::<Pattern>(&deep(8)).is_ok() && parse::<Pattern>(&json!({ "a": vec!["x"; 99] })).is_ok());
}

/// Naive reading of a pattern: the reference.
fn naive(pattern: &Value, document: Option<&Value>) -> bool {
    if let Some(Value::Array(items)) = document
        && !items.is_empty()
    {
        return items.iter().any(|item| naive(pattern, Some(item)));
    }
    pattern.as_object().unwrap().iter().all(|(name, wanted)| {
        let value = document.and_then(|document| document.get(name));
        match wanted {
            Value::Array(any) if name == "$or" => any.iter().any(|one| naive(one, document)),
            Value::Array(any) => any.iter().any(|one| naive_test(one, value)),
            wanted => naive(wanted, value),
        }
    })
}

fn naive_test(wanted: &Value, value: Option<&Value>) -> bool {
    if let Some(exists) = wanted.get("exists") {
        return *exists == json!(value.is_some_and(|value| *value != json!([])));
    }
    match value {
        None | Some(Value::Object(_)) => return false,
        Some(Value::Array(items)) => return items.iter().any(|item| naive_test(wanted, Some(item))),
        Some(_) => {}
    }
    let value = value.unwrap();
    let (Some((operator, argument)), text) =
        (wanted.as_object().and_then(|operators| operators.iter().next()), value.as_str())
    else {
        return wanted.as_f64().map_or(wanted == value, |number| Some(number) == value.as_f64());
    };
    let word = argument.as_str().unwrap_or_default();
    match operator.as_str() {
        "prefix" => text.is_some_and(|text| text.starts_with(word)),
        "suffix" => text.is_some_and(|text| text.ends_with(word)),
        "equals-ignore-case" => text.is_some_and(|text| text.to_lowercase() == word.to_lowercase()),
        "wildcard" => text.is_some_and(|text| naive_wildcard(word.as_bytes(), text.as_bytes())),
        "numeric" => value.as_f64().is_some_and(|value| {
            argument.as_array().unwrap().chunks(2).all(|pair| {
                let bound = pair[1].as_f64().unwrap();
                match pair[0].as_str().unwrap() {
                    "=" => Some(value) == pair[1].as_f64(),
                    ">" => value > bound,
                    ">=" => value >= bound,
                    "<" => value < bound,
                    _ => value <= bound,
                }
            })
        }),
        _ => match argument {
            Value::Array(none) => !none.iter().any(|one| naive_test(one, Some(value))),
            one => !naive_test(one, Some(value)),
        },
    }
}

fn naive_wildcard(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], text) => (0..=text.len()).any(|taken| naive_wildcard(rest, &text[taken..])),
        ([one, pattern @ ..], [other, text @ ..]) => one == other && naive_wildcard(pattern, text),
        _ => false,
    }
}

/// Words of few letters, so that many of them match.
fn word() -> impl Strategy<Value = String> {
    "[abA]{0,3}"
}

fn scalar() -> impl Strategy<Value = Value> {
    let number = prop_oneof![(-2..4_i64).prop_map(Value::from), select(vec![0.5, 1.0, 2.5]).prop_map(Value::from)];
    prop_oneof![4 => word().prop_map(Value::from), 3 => number, 1 => any::<bool>().prop_map(Value::from), 1 => Just(Value::Null)]
}

fn document() -> impl Strategy<Value = Value> {
    let inner = scalar().prop_recursive(3, 24, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map("[xyz]", inner, 0..4).prop_map(|fields| fields.into_iter().collect()),
        ]
    });
    btree_map("[xyz]", inner, 1..4).prop_map(|fields| fields.into_iter().collect())
}

fn test() -> impl Strategy<Value = Value> {
    let bound = -2..4_i64;
    let shape = prop_oneof![
        (select(vec!["prefix", "suffix", "equals-ignore-case"]), word()).prop_map(|(name, word)| json!({ name: word })),
        vec("[abA]{0,1}", 1..4).prop_map(|parts| json!({ "wildcard": parts.join("*").replace("**", "*") })),
    ];
    prop_oneof![
        4 => scalar(),
        2 => shape.clone(),
        2 => (select(vec!["=", ">", ">=", "<", "<="]), bound.clone()).prop_map(|(name, bound)| json!({ "numeric": [name, bound] })),
        1 => (bound.clone(), bound).prop_map(|(one, other)| json!({ "numeric": [">=", one, "<", other] })),
        1 => any::<bool>().prop_map(|wanted| json!({ "exists": wanted })),
        1 => shape.prop_map(|shape| json!({ "anything-but": shape })),
        1 => vec(scalar(), 1..3).prop_map(|none| json!({ "anything-but": none })),
    ]
}

fn pattern() -> impl Strategy<Value = Value> {
    let leaf = btree_map("[xyz]", vec(test(), 1..3).prop_map(Value::from), 1..3)
        .prop_map(|fields| fields.into_iter().collect::<Value>());
    leaf.prop_recursive(3, 16, 3, |inner| {
        let field = ("[xyz]", inner.clone()).prop_map(|(name, inner)| json!({ name: inner }));
        prop_oneof![2 => field, 1 => vec(inner, 1..3).prop_map(|any| json!({ "$or": any }))]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_pattern_matches_what_the_reference_matches(pattern in pattern(), document in document()) {
        let read: Pattern = parse(&pattern).unwrap();
        prop_assert_eq!(read.matches(&document), naive(&pattern, Some(&document)));
    }

    #[test]
    fn a_damaged_pattern_is_read_or_refused_with_places_in_it(pattern in damaged(pattern()), document in document()) {
        match parse::<Pattern>(&pattern) {
            Ok(read) => {
                let _ = read.matches(&document);
                prop_assert_eq!(&parse::<Pattern>(read.document()), &Ok(read));
            }
            Err(faults) => for fault in faults.as_slice() {
                prop_assert!(pattern.pointer(&fault.pointer).is_some(), "{}", fault.pointer);
            },
        }
    }

    #[test]
    fn any_json_is_a_pattern_or_refused(pattern in any_json(), document in any_json()) {
        if let Ok(read) = parse::<Pattern>(&pattern) {
            let _ = read.matches(&document);
        }
    }
}
