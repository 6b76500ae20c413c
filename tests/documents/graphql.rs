//! The schema of GraphQL, and the operation of the OpenAPI document by which it is asked.

use serde_json::{Value, json};

use crate::document::Document;
use crate::parts::{BODY_FAULTS, ORDER_ID, PROBLEM, operation, reference};

/// Media type of an answer, for those who know it.
const RESPONSE: &str = "application/graphql-response+json";

pub(crate) fn documents() -> Vec<Document> {
    vec![Document { path: "schema.graphql".to_owned(), text: orderflow_live::sdl() }]
}

pub(crate) fn query() -> Value {
    let request = json!({
        "type": "object",
        "required": ["query"],
        "properties": {
            "query": { "type": "string", "description": "Document of GraphQL." },
            "operationName": { "type": ["string", "null"], "description": "Operation of the document, where it has several." },
            "variables": { "type": ["object", "null"], "description": "Values of the operation's variables." },
            "extensions": { "type": ["object", "null"], "description": "Nothing is made of them." },
        },
    });
    let example = json!({
        "query": "query ($id: ID!) { order(id: $id) { status total { amount currency } } }",
        "variables": { "id": ORDER_ID },
    });
    let response = json!({
        "type": "object",
        "properties": {
            "data": { "type": ["object", "null"], "description": "Data that was asked for." },
            "errors": { "type": "array", "items": { "type": "object" }, "description": "Errors, each with a `code` in its `extensions`." },
            "extensions": { "type": "object", "description": "There are none." },
        },
    });
    let answered = json!({ "data": { "order": { "status": "PAID", "total": { "amount": 3685, "currency": "EUR" } } } });
    let content = json!({ "schema": response, "example": answered });
    let refused = json!({ "schema": response });
    let unacceptable = "The request accepts neither of the two media types.";
    operation(
        json!({
            "operationId": "query",
            "summary": "Answers a query of GraphQL",
            "description": "By the schema in schema.graphql, as GraphQL over HTTP has it. What happens to an order is told by \
                            subscriptions, over WebSocket: by the protocol `graphql-transport-ws` at the stack's output `LiveUrl`.",
            "tags": ["orders"],
            "requestBody": {
                "required": true,
                "description": "At most 16384 bytes.",
                "content": { "application/json": { "schema": request, "example": example } },
            },
        }),
        &[
            (
                "200",
                json!({ "description": "The query was executed.", "content": { "application/json": content, RESPONSE: content } }),
            ),
            (
                "400",
                json!({
                    "description": "The body is malformed, or the query is none of this schema.",
                    "content": { RESPONSE: refused, PROBLEM: { "schema": reference("schemas", "Problem") } },
                }),
            ),
            (
                "406",
                json!({ "description": unacceptable, "content": { PROBLEM: { "schema": reference("schemas", "Problem") } } }),
            ),
        ],
        &BODY_FAULTS[1..],
    )
}
