//! The operation of the OpenAPI document by which events are pulled.

use orderflow_events::scope::EVENTS_READ;
use serde_json::{Value, json};

use crate::parts::{ORDER_ID, answer, operation, problem, problems, with_example};

/// An event as it was published.
pub(crate) fn event() -> Value {
    json!({
        "specversion": "1.0", "id": "01938f2a-6c00-7000-8000-000000000001", "source": "orderflow/shipping", "type": "ShipmentCreated",
        "subject": ORDER_ID, "time": "2026-11-29T09:00:00.000Z", "datacontenttype": "application/json",
        "dataschema": "urn:orderflow:ShipmentCreated:1", "sequence": "00000000000000000001",
        "data": { "orderId": ORDER_ID, "shipmentId": "shp_1", "carrier": "DHL", "trackingNumber": "JJD0001" },
    })
}

pub(crate) fn read_events() -> Value {
    let mut page = answer(
        "A page of events; none, and the cursor of the request, at the end of the log.",
        "EventPage",
        &json!({}),
    );
    with_example(&mut page, json!({ "events": [event()], "next": "17-12.3-0-9" }));
    let mut faulty = problem(
        422,
        "urn:onewrite:problem:pattern",
        "Not an event pattern",
        "The parameter match is no event pattern: see errors, whose places are in it.",
    );
    faulty["errors"] = json!([{ "pointer": "/type", "detail": "must be a list of values or an object of fields" }]);
    let refused =
        problems("The parameter `match` is JSON, and no event pattern.", &json!({ "pattern": { "value": faulty } }));
    operation(
        json!({
            "operationId": "readEvents",
            "summary": "Reads the events of all orders, in the order of the log",
            "description": "Whoever asks again and again, each time `after` the `next` of the last answer, sees every event once: a \
                            cursor never passes one that becomes visible later. An answer may have fewer events than `limit`, and \
                            with `match` even none, before the end of the log: at the end, `next` is what `after` was. Then ask \
                            again some seconds later. Events come as they were published; personal data in them is sealed.",
            "tags": ["events"],
            "security": [{ "token": [EVENTS_READ] }],
            "parameters": [
                {
                    "name": "after",
                    "in": "query",
                    "description": "The cursor `next` of the page before; without it, the page is the first of the log.",
                    "schema": { "type": "string" },
                    "example": "17-12.3-0-8",
                },
                {
                    "name": "limit",
                    "in": "query",
                    "description": "The most events of the page: 100, if it does not say.",
                    "schema": { "type": "integer", "minimum": 1, "maximum": 500 },
                    "example": 100,
                },
                {
                    "name": "match",
                    "in": "query",
                    "description": "An event pattern, as JSON, in the syntax of SNS and EventBridge: only events that match are in the page. \
                                    `prefix`, `suffix`, `equals-ignore-case`, `wildcard`, `numeric`, `cidr`, `exists`, `anything-but` \
                                    and `$or` are known; at most 100 fields and values, 8 deep.",
                    "schema": { "type": "string" },
                    "example": r#"{"type":["ShipmentCreated"],"data":{"carrier":[{"prefix":"DHL"}]}}"#,
                },
            ],
        }),
        &[("200", page), ("422", refused)],
        &["400", "403"],
    )
}
