//! Parts that the operations of the OpenAPI document are made of.

use onewrite::http::MAX_BODY_BYTES;
use serde_json::{Map, Value, json};

pub(crate) const ORDER_ID: &str = "ord_8bpw9rtmx3cf9jacx1hd40yvms";

pub(crate) const PROBLEM: &str = "application/problem+json";

/// A `*`, or entity tags between commas.
pub(crate) const IF_MATCH: &str = r#"^(\*|((W/)?"[!#-+\--~]*"( ?, ?(W/)?"[!#-+\--~]*")*)?)$"#;

/// Errors that any body may have.
pub(crate) const BODY_FAULTS: [&str; 3] = ["400", "413", "415"];

/// Errors that may befall any request.
pub(crate) const OURS: [&str; 5] = ["401", "429", "500", "503", "504"];

/// An operation with answers of its own and those that others have, too.
pub(crate) fn operation(mut operation: Value, own: &[(&str, Value)], shared: &[&str]) -> Value {
    let shared = shared.iter().chain(&OURS).map(|status| (*status, reference("responses", status)));
    let responses: Map<String, Value> =
        own.iter().cloned().chain(shared).map(|(status, response)| (status.to_owned(), response)).collect();
    operation["responses"] = Value::Object(responses);
    operation
}

pub(crate) fn body(schema: &str, example: &Value) -> Value {
    json!({
        "required": true,
        "description": format!("At most {MAX_BODY_BYTES} bytes."),
        "content": { "application/json": { "schema": reference("schemas", schema), "example": example } },
    })
}

pub(crate) fn answer(description: &str, schema: &str, headers: &Value) -> Value {
    json!({
        "description": description,
        "headers": headers,
        "content": { "application/json": { "schema": reference("schemas", schema) } },
    })
}

pub(crate) fn with_example(answer: &mut Value, example: Value) {
    answer["content"]["application/json"]["example"] = example;
}

/// An answer that is a problem, with examples.
pub(crate) fn problems(description: &str, examples: &Value) -> Value {
    json!({
        "description": description,
        "content": { PROBLEM: { "schema": reference("schemas", "Problem"), "examples": examples } },
    })
}

/// The same answer, whose problems have one more member.
pub(crate) fn with_member(mut answer: Value, name: &str, member: &Value) -> Value {
    let own = json!({ "type": "object", "required": [name], "properties": { name: member } });
    answer["content"][PROBLEM]["schema"] = json!({ "allOf": [reference("schemas", "Problem"), own] });
    answer
}

pub(crate) fn problem(status: u16, kind: &str, title: &str, detail: &str) -> Value {
    json!({ "type": kind, "title": title, "status": status, "detail": detail })
}

pub(crate) fn reference(place: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{place}/{name}") })
}

pub(crate) fn link(operation: &str, parameters: &Value) -> Value {
    json!({ "operationId": operation, "parameters": parameters })
}
