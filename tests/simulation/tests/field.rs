//! Orders of people and partners as they are in the field, by what has gone wrong elsewhere: `field/cases.json`, each with the
//! public report that it is after. All of them go through the whole shop.
//!
//! Two more of that kind, a function that is subscribed to a topic directly and a payload that is of no source, are in
//! `shared/onewrite/src/serve/tests.rs`.

#![expect(clippy::expect_used, reason = "all of it is tests")]

use std::collections::BTreeSet;

use orderflow_notification::Channel;
use orderflow_orders::Status;
use orderflow_simulation::customers::Door;
use orderflow_simulation::simulation::{Outcome, simulate_order};
use serde_json::{Value, json};

fn cases() -> Value {
    serde_json::from_str(include_str!("../field/cases.json")).expect("JSON")
}

/// Sets the value at a JSON Pointer; `null` takes it out.
fn set(document: &mut Value, pointer: &str, value: &Value) {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer} is nowhere"));
    match parent {
        Value::Object(fields) if value.is_null() => drop(fields.remove(name)),
        parent => parent[name] = value.clone(),
    }
}

/// The order as another producer publishes it.
fn event(order: &Value) -> Value {
    let mut data = order.clone();
    data["orderId"] = json!("web-17");
    data["customer"]["name"] = json!("Ada Lovelace");
    data["total"] = data["lines"][0]["unitPrice"].clone();
    json!({
        "specversion": "1.0", "id": "0193a5c0-7b1e-7c3a-9f00-0123456789ab", "source": "https://shop.example/web",
        "type": "OrderCreated", "subject": "web-17", "time": "2026-11-22T09:00:00.000Z",
        "datacontenttype": "application/json", "dataschema": "urn:orderflow:OrderCreated:2", "data": data,
    })
}

fn door(order: &Value, case: &Value) -> Door {
    let is_api = case["door"] == "api";
    let mut document = if is_api { order.clone() } else { event(order) };
    for (pointer, value) in case["set"].as_object().expect("an object") {
        set(&mut document, pointer, value);
    }
    if is_api { Door::Api(document) } else { Door::Intake(document) }
}

/// Everything that a case says of the end, and that is not so.
fn faults(outcome: &Outcome, then: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |is_right: bool, what: &str| {
        if !is_right {
            faults.push(format!("{what}: {outcome:?}"));
        }
    };
    for (name, value) in then.as_object().expect("an object") {
        let of = |channel: &str| outcome.messages.iter().filter(|one| one.channel == channel).collect::<Vec<_>>();
        let (mails, texts) = (of("mail"), of("sms"));
        let says = |word: &Value| {
            let word = word.as_str().unwrap_or_default();
            outcome.messages.iter().any(|one| one.text.contains(word) || one.body.contains(word))
        };
        let is_right = match name.as_str() {
            "status" => outcome.answer.as_ref().is_some_and(|(status, _)| value == status),
            "at" => {
                let body = outcome.answer.as_ref().map(|(_, body)| body.clone()).unwrap_or_default();
                let errors = body["errors"].as_array().cloned().unwrap_or_default();
                json!(errors.iter().map(|error| &error["pointer"]).collect::<Vec<_>>()) == *value
            }
            "end" => match outcome.status {
                Some(Status::Shipped) => value == "shipped",
                Some(Status::Cancelled(_)) => value == "cancelled",
                Some(Status::Open(_)) | None => false,
            },
            "letter" => outcome.letters.iter().copied().collect::<Vec<_>>() == [value.as_str().unwrap_or_default()],
            "charges" => value == outcome.charges,
            "mails" => value == mails.len(),
            "texts" => value == texts.len(),
            "mailedTo" => !mails.is_empty() && mails.iter().all(|one| value == &one.recipient),
            "textedTo" => !texts.is_empty() && texts.iter().all(|one| value == &one.recipient),
            "unreachable" => {
                let names: BTreeSet<&str> = outcome.unreachable.iter().copied().map(Channel::as_str).collect();
                json!(names) == *value
            }
            "says" => says(value),
            "saysNot" => !says(value),
            other => panic!("nobody knows what {other} asks for"),
        };
        check(is_right, name);
    }
    let is_letter = then.get("letter").is_some();
    check(outcome.letters.is_empty() != is_letter, "dead letters");
    faults
}

/// Values that an answer may not repeat: they may be a card number, or a person.
fn repeats(outcome: &Outcome, case: &Value) -> bool {
    let Some((422, body)) = &outcome.answer else { return false };
    let errors = body.to_string();
    let values = case["set"].as_object().into_iter().flat_map(|set| set.values()).filter_map(Value::as_str);
    values.filter(|value| value.chars().count() > 5).any(|value| errors.contains(value))
}

#[test]
fn each_case_of_the_field_ends_as_it_should() {
    let file = cases();
    let mut failed = Vec::new();
    for case in file["cases"].as_array().expect("cases") {
        let outcome = simulate_order(door(&file["order"], case));
        let mut faults = faults(&outcome, &case["then"]);
        if repeats(&outcome, case) {
            faults.push(format!("the answer repeats what it refuses: {outcome:?}"));
        }
        failed.extend(faults.into_iter().map(|fault| format!("{}: {fault}", case["name"])));
    }
    assert!(failed.is_empty(), "{} faults:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn each_case_has_a_name_of_its_own() {
    let file = cases();
    let all = file["cases"].as_array().expect("cases");
    let names: BTreeSet<String> = all.iter().map(|case| case["name"].to_string()).collect();
    assert_eq!(names.len(), all.len());
}
