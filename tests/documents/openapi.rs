//! The OpenAPI document: the HTTP API.

use onewrite::http::Problem;
use orderflow_events::scope::{PRICES_WRITE, SCOPES, STOCK_READ, STOCK_WRITE};
use orderflow_events::{NewOrder, schema};
use serde_json::{Map, Value, json};

use crate::compatibility::breaks_within;
use crate::customers::{customer_id, erase_customer, export_customer};
use crate::document::{Document, committed};
use crate::feed::read_events;
use crate::graphql::query;
use crate::jobs::{
    clear_order, get_board, get_reconciliation, get_replay, get_status, get_timeline, read_journal, reconciliation_id,
    replay_id, start_reconciliation, start_replay, stop_reconciliation, stop_replay,
};
use crate::letters::{
    drop_letter, edit_letter, get_letter, get_redrive, letter_id, list_groups, list_letters, redrive_id, start_redrive,
    stop_redrive,
};
use crate::parts::{
    BODY_FAULTS, IF_MATCH, ORDER_ID, answer, body, link, operation, problem, problems, reference, with_example,
    with_member,
};
use crate::places::{with, without};
use crate::schemas::hoist;
use crate::webhooks::{
    change_webhook, create_webhook, delete_webhook, get_webhook, list_deliveries, list_webhooks, post_event,
    resend_events, rotate_webhook, test_webhook, webhook_id,
};
use crate::withdrawals::{take_goods_back, withdraw_order};

const PATH: &str = "openapi.json";

const ABOUT: &str = "\
Places, shows and cancels orders, takes withdrawals, erases customers, keeps prices and stock, and mends dead letters. What becomes of an order is told by events, too: see asyncapi.json.

Errors, the gateway's own included, are problems of RFC 9457 in `application/problem+json`. Those of an invalid body list \
every fault at once, each with its JSON Pointer. What no schema says is checked, too: the lines of an order have the same \
currency, which is one of ISO 4217, and sum up to at most 99,999,999 of its minor units.

Fields that are not known are ignored.";

/// Media type of an order that is shown without anybody's data.
const REDACTED: &str = "application/vnd.orderflow.redacted+json";

const SERVER: &str = "https://{api}.execute-api.{region}.amazonaws.com/{stage}";

pub(crate) fn documents() -> Vec<Document> {
    vec![Document { path: PATH.to_owned(), text: format!("{:#}\n", document()) }]
}

fn document() -> Value {
    let mut schemas = Map::new();
    let own = [
        ("NewOrder", schema::of_request::<NewOrder>()),
        ("Problem", schema::of_answer::<Problem>()),
        ("Event", schema::of_event()),
    ];
    let of_services = orderflow_orders::schemas().into_iter().chain(orderflow_inventory::schemas());
    let of_services = of_services.chain(orderflow_screening::schemas()).chain(orderflow_analytics::schemas());
    let of_services = of_services.chain(orderflow_journal::schemas()).chain(orderflow_webhooks::schemas());
    for (name, schema) in own.into_iter().chain(of_services).chain(orderflow_operations::schemas()) {
        hoist(&schema, name, |schema| schema, &mut schemas);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "orderflow",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Orders, prices and stock over HTTP",
            "description": ABOUT,
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [server()],
        "security": [{ "token": [] }],
        "tags": [
            { "name": "orders", "description": "What customers do." },
            { "name": "customers", "description": "All orders of a customer, and how a customer is erased." },
            { "name": "prices", "description": "What the goods cost." },
            { "name": "inventory", "description": "What the warehouse does." },
            { "name": "events", "description": "All that has happened, for those who pull it." },
            { "name": "webhooks", "description": "The same, for those who have it pushed." },
            { "name": "operations", "description": "What those do who mend: dead letters, jobs that send back, replay and reconcile, and one order over all services." },
        ],
        "paths": {
            "/orders": { "post": place_order() },
            "/orders/{orderId}": { "parameters": [order_id()], "get": get_order() },
            "/orders/{orderId}/cancel": { "parameters": [order_id()], "post": cancel_order() },
            "/orders/{orderId}/withdrawals": { "parameters": [order_id()], "post": withdraw_order() },
            "/orders/{orderId}/returns": { "parameters": [order_id()], "post": take_goods_back() },
            "/orders/{orderId}/access": { "parameters": [order_id()], "delete": revoke_links() },
            "/customers/{customerId}/erase": { "parameters": [customer_id()], "post": erase_customer() },
            "/customers/{customerId}/export": {
                "parameters": [customer_id()], "get": export_customer(&order(), &new_order()["shippingAddress"]),
            },
            "/prices/{sku}": { "parameters": [sku()], "get": get_price(), "put": set_price() },
            "/inventory/{sku}": { "parameters": [sku()], "get": get_stock(), "put": count_stock() },
            "/events": { "get": read_events() },
            "/webhooks": { "get": list_webhooks(), "post": create_webhook() },
            "/webhooks/{webhookId}": {
                "parameters": [webhook_id()], "get": get_webhook(), "patch": change_webhook(), "delete": delete_webhook(),
            },
            "/webhooks/{webhookId}/deliveries": { "parameters": [webhook_id()], "get": list_deliveries() },
            "/webhooks/{webhookId}/test": { "parameters": [webhook_id()], "post": test_webhook() },
            "/webhooks/{webhookId}/rotate": { "parameters": [webhook_id()], "post": rotate_webhook() },
            "/webhooks/{webhookId}/resend": { "parameters": [webhook_id()], "post": resend_events() },
            "/graphql": { "post": query() },
            "/operations/letters": { "get": list_letters() },
            "/operations/letters/{letterId}": {
                "parameters": [letter_id()], "get": get_letter(), "put": edit_letter(), "delete": drop_letter(),
            },
            "/operations/groups": { "get": list_groups() },
            "/operations/redrives": { "post": start_redrive() },
            "/operations/redrives/{redriveId}": {
                "parameters": [redrive_id()], "get": get_redrive(), "delete": stop_redrive(),
            },
            "/operations/replays": { "post": start_replay() },
            "/operations/replays/{replayId}": {
                "parameters": [replay_id()], "get": get_replay(), "delete": stop_replay(),
            },
            "/operations/reconciliations": { "post": start_reconciliation() },
            "/operations/reconciliations/{reconciliationId}": {
                "parameters": [reconciliation_id()], "get": get_reconciliation(), "delete": stop_reconciliation(),
            },
            "/operations/orders/{orderId}": { "parameters": [order_id()], "get": get_timeline() },
            "/operations/orders/{orderId}/clear": { "parameters": [order_id()], "post": clear_order() },
            "/operations/journal": { "get": read_journal() },
            "/operations/status": { "get": get_status() },
            "/operations/board": { "get": get_board() },
        },
        "webhooks": { "event": { "post": post_event() } },
        "components": {
            "schemas": schemas,
            "responses": shared_responses(),
            "headers": shared_headers(),
            "securitySchemes": { "token": token() },
        },
    })
}

pub(crate) fn server() -> Value {
    json!({
        "url": SERVER,
        "description": "The stack's output `ApiUrl`.",
        "variables": {
            "api": { "description": "The id of the API.", "default": "api" },
            "region": { "description": "The region of the stack.", "default": "eu-central-1" },
            "stage": { "description": "The parameter `Stage` of the stack.", "default": "dev" },
        },
    })
}

pub(crate) fn token() -> Value {
    let scopes = SCOPES.map(|(name, does)| format!("- `{name}`: {does}.")).join("\n");
    json!({
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": format!(
            "An access token of the stack's issuer (its parameter `TokenIssuer`), signed by RS256 or ES256. Its subject is the \
             customer. What is not their own needs a scope:\n\n{scopes}\n\nWhere the stack has the parameter `Access=open` no \
             token is needed. With `GuestOrders=yes` nobody needs one to place an order, nor, with the parameter `access` of its \
             link, to read and cancel that one order. A token goes before a link."
        ),
    })
}

// ── Operations ──────────────────────────────────────────────────────────────────────────────────────────────────────

fn place_order() -> Value {
    let headers = json!({
        "Location": {
            "description": "The path of the order.",
            "required": true,
            "schema": { "type": "string", "format": "uri-reference", "pattern": "^/orders/[A-Za-z0-9_-]{1,64}$" },
        },
        "Idempotent-Replayed": {
            "description": "Here if the order was placed by an earlier request with the same key.",
            "schema": { "type": "string", "const": "true" },
        },
    });
    let mut placed =
        answer("The order was placed, now or by an earlier request with the same key.", "Receipt", &headers);
    placed["links"] = json!({
        "GetOrder": link("getOrder", &json!({ "orderId": "$response.body#/orderId" })),
        "CancelOrder": link("cancelOrder", &json!({ "orderId": "$response.body#/orderId" })),
        "WithdrawOrder": link("withdrawOrder", &json!({ "orderId": "$response.body#/orderId" })),
    });
    with_example(&mut placed, receipt());
    let reused = problem(
        422,
        "urn:orderflow:problem:idempotency-key-reused",
        "Idempotency key reused",
        "The Idempotency-Key was used for another order.",
    );
    let mut invalid =
        problem(422, "urn:onewrite:problem:invalid", "Invalid request", "The body has 2 faults: see errors.");
    invalid["errors"] = json!([
        { "pointer": "/lines/0/quantity", "detail": "must be a whole number from 1 to 9999" },
        { "pointer": "/shippingAddress/city", "detail": "is required" },
    ]);
    let mut changed = problem(
        409,
        "urn:orderflow:problem:price-changed",
        "Price changed",
        "The goods have another price than was expected: see prices.",
    );
    changed["errors"] = json!([{ "pointer": "/lines/0/unitPrice", "detail": "is not the price of the SKU" }]);
    changed["prices"] = json!([price_of_beans()]);
    let changed = problems(
        "The goods have another price than the caller expects, who may not state any.",
        &json!({ "changed": { "value": changed } }),
    );
    let right = json!({
        "description": "The right price of each SKU that was expected to have another.",
        "type": "array",
        "items": reference("schemas", "Price"),
    });
    operation(
        json!({
            "operationId": "placeOrder",
            "summary": "Places an order",
            "description": "The same key and the same body again are the same order, and get the same answer. The keys \
                            are those of the caller: of the token's subject, or, where access is open, of the \
                            `customer.id`. The order is the caller's own; one of another customer needs the scope \
                            `orders:any`. Each line has the price of the price table, and a `unitPrice` is what the caller \
                            expects it to be; with the scope `prices:state` it is the price. It is frozen in the order.",
            "tags": ["orders"],
            "parameters": [{
                "name": "Idempotency-Key",
                "in": "header",
                "description": "Chosen by the caller for this order.",
                "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
                "example": "click-1",
            }],
            "requestBody": body("NewOrder", &new_order()),
        }),
        &[
            ("201", placed),
            ("409", with_member(changed, "prices", &right)),
            (
                "422",
                problems(
                    "The body is well-formed but invalid, a SKU has no price, or the key was used for another body.",
                    &json!({ "invalid": { "value": invalid }, "reused": { "value": reused } }),
                ),
            ),
        ],
        &[&BODY_FAULTS[..], &["403"]].concat(),
    )
}

fn get_order() -> Value {
    let description = "The order. Of a customer who is erased it has `id` and `erased` alone. By a link that has expired it is \
                       shown without anybody's data. For a browser that asks for `text/html` it is a page, which keeps itself up to \
                       date: by the link, or with the token of the customer after `#token=` in its address.";
    let mut shown = answer(description, "Order", &json!({}));
    with_example(&mut shown, order());
    shown["content"][REDACTED] =
        json!({ "schema": reference("schemas", "RedactedOrder"), "example": redacted_order() });
    shown["content"]["text/html"] = json!({ "schema": { "type": "string" } });
    operation(
        json!({
            "operationId": "getOrder",
            "summary": "Shows an order",
            "tags": ["orders"],
            "security": without_token(),
            "parameters": [access()],
        }),
        &[("200", shown)],
        &["404"],
    )
}

fn cancel_order() -> Value {
    let mut cancelled = answer("It is cancelled, now or by an earlier request.", "OrderBrief", &json!({}));
    cancelled["links"] = json!({ "GetOrder": link("getOrder", &json!({ "orderId": "$response.body#/orderId" })) });
    with_example(&mut cancelled, json!({ "orderId": ORDER_ID, "status": "cancelled" }));
    let shipped =
        problem(409, "urn:orderflow:problem:order-shipped", "Order shipped", "The order is on its way already.");
    operation(
        json!({
            "operationId": "cancelOrder",
            "summary": "Cancels an order",
            "description": "What was charged is refunded, and what was set aside goes back into the stock.",
            "tags": ["orders"],
            "security": without_token(),
            "parameters": [access()],
        }),
        &[
            ("202", cancelled),
            ("409", problems("It is on its way to the customer.", &json!({ "shipped": { "value": shipped } }))),
        ],
        &["404"],
    )
}

fn revoke_links() -> Value {
    let mut revoked =
        answer("No link to the order that was issued until now counts any more.", "OrderBrief", &json!({}));
    with_example(&mut revoked, json!({ "orderId": ORDER_ID, "status": "created" }));
    operation(
        json!({
            "operationId": "revokeLinks",
            "summary": "Revokes the links to a guest's order",
            "description": "A mail that is sent later has a link that counts. Without `GuestOrders=yes` there are no links, and \
                            this is not there.",
            "tags": ["orders"],
            "security": without_token(),
            "parameters": [access()],
        }),
        &[("200", revoked)],
        &["404"],
    )
}

fn get_price() -> Value {
    let mut shown = answer("The price.", "Price", &json!({}));
    with_example(&mut shown, price_of_beans());
    operation(
        json!({
            "operationId": "getPrice",
            "summary": "Shows the price of a SKU",
            "tags": ["prices"],
            "security": without_token(),
        }),
        &[("200", shown)],
        &["404"],
    )
}

/// Security of what guests may do as well: a token, or nothing.
fn without_token() -> Value {
    json!([{ "token": [] }, {}])
}

fn access() -> Value {
    json!({
        "name": "access",
        "in": "query",
        "description": "In place of a token, that of the link to the order. One that does not count is answered as an order that \
                        does not exist.",
        "schema": { "type": "string" },
        "example": "1.yr9YIILb.1767225600000.1767312000000.9_KybnIW5vq6Ee2u_SczFJFiAAa-ov2s0GA0TIOe2U0",
    })
}

fn set_price() -> Value {
    let mut set = answer("The price that was set.", "Price", &json!({}));
    set["links"] = json!({ "GetPrice": link("getPrice", &json!({ "sku": "$response.body#/sku" })) });
    with_example(&mut set, price_of_beans());
    let mut invalid =
        problem(422, "urn:onewrite:problem:invalid", "Invalid request", "The body has 1 fault: see errors.");
    invalid["errors"] = json!([{ "pointer": "/unitPrice", "detail": "is required" }]);
    operation(
        json!({
            "operationId": "setPrice",
            "summary": "Sets the price of a SKU",
            "description": "It is the price of orders from now on. Those that are placed keep theirs.",
            "tags": ["prices"],
            "security": [{ "token": [PRICES_WRITE] }],
            "requestBody": body("PriceChange", &json!({ "unitPrice": price_of_beans()["unitPrice"] })),
        }),
        &[
            ("200", set),
            (
                "422",
                problems(
                    "The body is well-formed but invalid, or the SKU is.",
                    &json!({ "invalid": { "value": invalid } }),
                ),
            ),
        ],
        &[&BODY_FAULTS[..], &["403"]].concat(),
    )
}

fn get_stock() -> Value {
    let mut shown = stock("The stock.");
    shown["links"] = json!({ "CountStock": link(
        "countStock",
        &json!({ "sku": "$response.body#/sku", "If-Match": "$response.header.ETag" }),
    )});
    operation(
        json!({
            "operationId": "getStock",
            "summary": "Shows the stock of a SKU",
            "tags": ["inventory"],
            "security": [{ "token": [STOCK_READ] }],
        }),
        &[("200", shown)],
        &["403", "404"],
    )
}

fn count_stock() -> Value {
    let mut counted = stock("The stock after the count.");
    counted["links"] = json!({ "GetStock": link("getStock", &json!({ "sku": "$response.body#/sku" })) });
    let changed =
        problem(412, "urn:orderflow:problem:stock-changed", "Stock changed", "The stock has changed since that ETag.");
    let reserved = problem(
        409,
        "urn:orderflow:problem:stock-reserved",
        "Stock reserved",
        "3 pieces are reserved: onHand cannot be less.",
    );
    let mut invalid =
        problem(422, "urn:onewrite:problem:invalid", "Invalid request", "The body has 1 fault: see errors.");
    invalid["errors"] = json!([{ "pointer": "/onHand", "detail": "is required" }]);
    operation(
        json!({
            "operationId": "countStock",
            "summary": "Says how many pieces of a SKU there are",
            "description": "A count of the shelf: it is absolute, and those pieces are in it that are reserved.",
            "tags": ["inventory"],
            "security": [{ "token": [STOCK_WRITE] }],
            "parameters": [{
                "name": "If-Match",
                "in": "header",
                "description": "Count only if the stock still has one of these ETags, or, with `*`, if there is one at all.",
                "schema": { "type": "string", "pattern": IF_MATCH },
                "example": "\"7\"",
            }],
            "requestBody": body("Count", &json!({ "onHand": 100 })),
        }),
        &[
            ("200", counted),
            ("409", problems("It is less than what is reserved.", &json!({ "reserved": { "value": reserved } }))),
            ("412", problems("The stock has changed since that ETag.", &json!({ "changed": { "value": changed } }))),
            (
                "422",
                problems(
                    "The body is well-formed but invalid, or the SKU is.",
                    &json!({ "invalid": { "value": invalid } }),
                ),
            ),
        ],
        &[&BODY_FAULTS[..], &["403"]].concat(),
    )
}

fn order_id() -> Value {
    let schema = reference("schemas", "OrderId");
    json!({ "name": "orderId", "in": "path", "required": true, "description": "The order.", "schema": schema, "example": ORDER_ID })
}

fn sku() -> Value {
    let schema = reference("schemas", "Sku");
    json!({ "name": "sku", "in": "path", "required": true, "description": "The goods.", "schema": schema, "example": "coffee-beans-1kg" })
}

// ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

fn stock(description: &str) -> Value {
    let mut answer = answer(description, "Stock", &json!({ "ETag": reference("headers", "ETag") }));
    with_example(&mut answer, json!({ "sku": "coffee-beans-1kg", "onHand": 100, "reserved": 3, "available": 97 }));
    answer
}

/// The answers that several operations have, each under its status.
fn shared_responses() -> Value {
    let rows = [
        (
            400,
            "The body is not JSON, or a header is malformed.",
            "urn:onewrite:problem:malformed",
            "Malformed request",
            "The body is not JSON: expected value at line 1 column 1.",
        ),
        (401, "There is no token that counts.", "about:blank", "Unauthorized", "The request has no bearer token."),
        (403, "The caller lacks a scope.", "about:blank", "Forbidden", "The caller needs the scope orders:any."),
        (404, "It is not known, or not the caller's.", "about:blank", "Not Found", "There is no such order."),
        (413, "The body is too large.", "about:blank", "Content Too Large", "The body is too large."),
        (
            415,
            "The body is not JSON by its `Content-Type`.",
            "about:blank",
            "Unsupported Media Type",
            "The body must be application/json.",
        ),
        (
            429,
            "The API's limit of requests is reached.",
            "about:blank",
            "Too Many Requests",
            "Too many requests at once.",
        ),
        (500, "A fault of ours.", "about:blank", "Internal Server Error", "The request could not be answered."),
        (
            503,
            "It did not work out, and may do so in a moment.",
            "about:blank",
            "Service Unavailable",
            "This did not work out. Try again in a moment.",
        ),
        (
            504,
            "There was no answer in time: ask whether it was done, or send it again with the same key.",
            "about:blank",
            "Gateway Timeout",
            "The service did not answer in time.",
        ),
    ];
    let response = |(status, description, kind, title, detail): (u16, &str, &str, &str, &str)| {
        let example = json!({ "problem": { "value": problem(status, kind, title, detail) } });
        let mut response = problems(description, &example);
        if [401, 403].contains(&status) {
            response["headers"] = json!({ "WWW-Authenticate": reference("headers", "WWW-Authenticate") });
        }
        if [429, 503].contains(&status) {
            response["headers"] = json!({ "Retry-After": reference("headers", "Retry-After") });
        }
        (status.to_string(), response)
    };
    Value::Object(rows.into_iter().map(response).collect())
}

fn shared_headers() -> Value {
    json!({
        "ETag": {
            "description": "The state of the stock, or of the letter, for `If-Match`.",
            "required": true,
            "schema": { "type": "string", "pattern": "^\"[0-9]+\"$" },
            "example": "\"7\"",
        },
        "WWW-Authenticate": {
            "description": "What is wrong with the token (RFC 6750). API Gateway calls it `x-amzn-Remapped-WWW-Authenticate`.",
            "schema": { "type": "string" },
            "example": "Bearer realm=\"api\", error=\"invalid_token\", error_description=\"it has expired\"",
        },
        "Retry-After": {
            "description": "In how many seconds to try again.",
            "required": true,
            "schema": { "type": "integer", "minimum": 1 },
            "example": 1,
        },
    })
}

// ── Examples ────────────────────────────────────────────────────────────────────────────────────────────────────────

fn new_order() -> Value {
    serde_json::from_str(include_str!("../../localstack/examples/order.json")).expect("JSON")
}

fn price_of_beans() -> Value {
    json!({ "sku": "coffee-beans-1kg", "unitPrice": { "amount": 1490, "currency": "EUR" } })
}

fn receipt() -> Value {
    json!({
        "orderId": ORDER_ID,
        "status": "created",
        "total": { "amount": 7880, "currency": "EUR" },
        "createdAt": "2026-11-22T09:00:00.000Z",
    })
}

fn redacted_order() -> Value {
    let mut redacted = order();
    redacted
        .as_object_mut()
        .expect("an object")
        .retain(|name, _| ["orderId", "status", "total", "timeline"].contains(&name.as_str()));
    redacted
}

fn order() -> Value {
    let mut ordered = new_order();
    ordered["customer"]["name"] = ordered["shippingAddress"]["name"].clone();
    let seen = |id: &str, kind: &str, time: &str| json!({ "id": id, "type": kind, "time": time });
    json!({
        "orderId": ORDER_ID,
        "status": "shipped",
        "customer": ordered["customer"],
        "lines": ordered["lines"],
        "total": { "amount": 7880, "currency": "EUR" },
        "payment": {
            "paymentId": "pay_8bpw9rtmx3cf9jacx1hd40yvms",
            "amount": { "amount": 7880, "currency": "EUR" },
            "refunded": false,
        },
        "shipment": {
            "shipmentId": "shp_8bpw9rtmx3cf9jacx1hd40yvms",
            "carrier": "Simulated Parcel Service",
            "trackingNumber": "SPSP2Y1K309MRKB5C",
            "cancelled": false,
        },
        "createdAt": "2026-11-22T09:00:00.000Z",
        "updatedAt": "2026-11-22T09:00:00.700Z",
        "timeline": [
            seen("019aa9d0-7c00-7b1e-9f00-5a0000000001", "OrderCreated", "2026-11-22T09:00:00.000Z"),
            seen("019aa9d0-7cc8-7b1e-9f00-5a0000000002", "InventoryReserved", "2026-11-22T09:00:00.200Z"),
            seen("019aa9d0-7df4-7b1e-9f00-5a0000000003", "PaymentProcessed", "2026-11-22T09:00:00.500Z"),
            seen("019aa9d0-7ebc-7b1e-9f00-5a0000000004", "ShipmentCreated", "2026-11-22T09:00:00.700Z"),
        ],
    })
}

// ── What may change ─────────────────────────────────────────────────────────────────────────────────────────────────

/// Changes of the committed document that break callers.
pub(crate) fn broken() -> Vec<String> {
    let released = committed(PATH).filter(|text| !text.trim().is_empty());
    released.map(|text| breaks(&serde_json::from_str(&text).expect("JSON"), &document())).unwrap_or_default()
}

/// Every change of the API that harms those who have built on it.
fn breaks(released: &Value, new: &Value) -> Vec<String> {
    let mut breaks = Vec::new();
    for (path, method) in operations(released, "paths") {
        let (before, after) = (&released["paths"][&path][&method], &new["paths"][&path][&method]);
        let name = format!("{PATH}: {method} {path}");
        if after["operationId"] != before["operationId"] {
            breaks.push(format!("{name} is gone or has another name, and callers use it: put it back"));
            continue;
        }
        for parameter in list(&after["parameters"]).iter().filter(|parameter| parameter["required"] == true) {
            let is_same = |other: &Value| other["name"] == parameter["name"] && other["required"] == true;
            if !list(&before["parameters"]).iter().any(is_same) {
                breaks.push(format!("{name} newly requires {}, and callers do not send it", parameter["name"]));
            }
        }
        let compare = |place: &str, before: &Value, after: &Value| {
            let contents = before["content"].as_object().into_iter().flatten();
            let bodies = contents.flat_map(|(media_type, content)| {
                breaks_within((&content["schema"], released), (&after["content"][media_type]["schema"], new))
            });
            let harmful = bodies.filter(|one| place != "request" || one.harms_senders());
            harmful.map(|one| format!("{name}, {place}: {one}")).collect::<Vec<_>>()
        };
        breaks.extend(compare("request", &before["requestBody"], &after["requestBody"]));
        for (status, answer) in before["responses"].as_object().into_iter().flatten() {
            let Some(after) = after["responses"].get(status) else {
                breaks.push(format!("{name} no longer answers {status}, and callers are prepared for it: put it back"));
                continue;
            };
            let (before, after) = (resolved(answer, released), resolved(after, new));
            breaks.extend(compare(status, before, after));
            for (header, _) in before["headers"].as_object().into_iter().flatten() {
                if after["headers"].get(header).is_none() {
                    breaks.push(format!(
                        "{name}, {status}: the header {header} is removed, and callers read it: put it back"
                    ));
                }
            }
        }
    }
    breaks
}

/// Each path, or webhook, with each of its methods.
fn operations(document: &Value, place: &str) -> Vec<(String, String)> {
    let paths = document[place].as_object().expect("paths");
    let methods = |(path, item): (&String, &Value)| {
        let methods = item.as_object().expect("methods").keys().filter(|name| *name != "parameters");
        methods.map(|method| (path.clone(), method.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(methods).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn resolved<'a>(value: &'a Value, document: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(place) => document.pointer(place.trim_start_matches('#')).expect("a component"),
        None => value,
    }
}

pub(crate) fn no_released_operation_is_broken() {
    let faults = broken();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

pub(crate) fn a_change_of_the_api_that_harms_callers_is_found() {
    let released = document();
    assert_eq!(breaks(&released, &with(&released, "/paths/~1returns", json!({ "post": {} }))), [""; 0]);
    let wider = without(&released, "/components/schemas/Count/properties/onHand/maximum");
    assert_eq!(breaks(&released, &without(&wider, "/components/schemas/Count/required/0")), [""; 0], "of a request");
    let (post, stock) = ("/paths/~1orders/post", "/paths/~1inventory~1{sku}");
    let required = json!({ "name": "X-Shop", "in": "header", "required": true });
    for (changed, expected) in [
        (without(&released, post), "post /orders is gone"),
        (with(&released, &format!("{post}/parameters/9"), required), "newly requires \"X-Shop\""),
        (without(&released, &format!("{post}/responses/201")), "post /orders no longer answers 201"),
        (without(&released, &format!("{post}/responses/201/headers/Location")), "the header Location is removed"),
        (without(&released, &format!("{stock}/get/responses/200/headers/ETag")), "the header ETag is removed"),
        (without(&released, "/components/schemas/Receipt/properties/total"), "post /orders, 201: /total is removed"),
        (
            with(&released, "/components/schemas/Count/properties/onHand/maximum", json!(9)),
            "request: /onHand is narrowed",
        ),
        (
            with(&released, "/components/schemas/Count/properties/onHand/type", json!("string")),
            "request: /onHand is narrowed",
        ),
        (
            with(&released, "/components/schemas/NewOrder/required/9", json!("coupon")),
            "request: /coupon is newly required",
        ),
    ] {
        let found = breaks(&released, &changed);
        assert!(found.iter().any(|one| one.contains(expected)), "{expected}: {found:?}");
    }
}

/// Linters look at few of them, and formats they leave out.
pub(crate) fn every_example_keeps_its_schema() {
    let document = document();
    let mut count = 0;
    let mut check = |schema: &Value, example: &Value| {
        let mut schema = schema.clone();
        schema["components"] = document["components"].clone();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema");
        let faults: Vec<String> = validator.iter_errors(example).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{example}: {faults:?}");
        count += 1;
    };
    let of = |place| operations(&document, place).into_iter().map(move |operation| (place, operation));
    for (place, (path, method)) in of("paths").chain(of("webhooks")) {
        let item = &document[place][&path];
        let operation = &item[&method];
        let answers = operation["responses"].as_object().into_iter().flatten().map(|(_, answer)| answer);
        for body in answers.chain(operation.get("requestBody")) {
            for (_, content) in resolved(body, &document)["content"].as_object().into_iter().flatten() {
                let examples =
                    content["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
                examples.chain(content.get("example")).for_each(|example| check(&content["schema"], example));
            }
        }
        for parameter in list(&operation["parameters"]).iter().chain(list(&item["parameters"])) {
            check(&parameter["schema"], &parameter["example"]);
        }
    }
    assert!(count > 30, "{count}");
}
