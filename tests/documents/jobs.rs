//! The operations of the OpenAPI document that replay, reconcile, and tell of orders.

use orderflow_events::scope::{EVENTS_READ, OPERATIONS};
use serde_json::{Value, json};

use crate::letters::{FAILED_AT, brief_letter, of_operators};
use crate::parts::{BODY_FAULTS, ORDER_ID, answer, body, link, problem, problems, reference, with_example};

const REPLAY_ID: &str = "rep_8bpw9rtmx3cf9jacx1hd40yvms";
const RECONCILIATION_ID: &str = "rec_8bpw9rtmx3cf9jacx1hd40yvms";
const EVENT_ID: &str = "01a209e8-6a26-75b2-8a9b-2b1f61a3d9b0";

/// A job that is taken on, by its id; `name` is that of its operations.
fn taken(id: &str, name: &str, parameter: &str) -> Value {
    let mut accepted = answer("It is taken on.", &format!("{name}Taken"), &json!({}));
    with_example(&mut accepted, json!({ "id": id }));
    accepted["links"] = json!({
        format!("Get{name}"): link(&format!("get{name}"), &json!({ parameter: "$response.body#/id" })),
        format!("Stop{name}"): link(&format!("stop{name}"), &json!({ parameter: "$response.body#/id" })),
    });
    accepted
}

fn invalid(pointer: &str, detail: &str) -> Value {
    let mut invalid =
        problem(422, "urn:onewrite:problem:invalid", "Invalid request", "The body has 1 fault: see errors.");
    invalid["errors"] = json!([{ "pointer": pointer, "detail": detail }]);
    problems("The body is well-formed but invalid.", &json!({ "invalid": { "value": invalid } }))
}

fn example(description: &str, schema: &str, example: Value) -> Value {
    let mut answer = answer(description, schema, &json!({}));
    with_example(&mut answer, example);
    answer
}

pub(crate) fn start_replay() -> Value {
    let mut counted = answer("The number of events that a replay would look at.", "ReplayTaken", &json!({}));
    with_example(&mut counted, json!({ "total": 250 }));
    of_operators(
        "startReplay",
        "Sends events of the journal to one service once more",
        json!({
            "description": "Those of an order, or those that were put on record in a range of time. The service is asked first: \
                            what it has handled is not sent. It goes on by itself, and begins within a minute.",
            "requestBody": body("NewReplay", &json!({ "service": "shipping", "from": FAILED_AT, "ratePerSecond": 50 })),
        }),
        &[
            ("200", counted),
            ("202", taken(REPLAY_ID, "Replay", "replayId")),
            ("422", invalid("/service", "is no service that hears facts")),
        ],
        &BODY_FAULTS,
    )
}

fn replay(description: &str) -> Value {
    example(
        description,
        "Replay",
        json!({
            "id": REPLAY_ID, "service": "shipping", "state": "running", "total": 250, "sent": 38, "handled": 200,
            "parkedAgain": 0, "refused": 0, "left": 50, "by": "ada", "at": FAILED_AT,
        }),
    )
}

pub(crate) fn get_replay() -> Value {
    of_operators(
        "getReplay",
        "Tells the progress of a replay",
        json!({}),
        &[("200", replay("Its progress."))],
        &["404"],
    )
}

pub(crate) fn stop_replay() -> Value {
    of_operators("stopReplay", "Stops a replay", json!({}), &[("200", replay("Its progress."))], &["404"])
}

pub(crate) fn start_reconciliation() -> Value {
    of_operators(
        "startReconciliation",
        "Compares what the services have on record with each other and with the world outside",
        json!({
            "description": "Finds rows that are missing, or whose events never reached the journal (`gap`, `unpublished`), \
                            events that a service has not handled (`unhandled`), services that fail when they are asked \
                            (`unanswered`), rows that a service does not understand (`unreadable`), orders that should have \
                            ended (`late`), and what a provider has done without a row that says so (`charge`, `refund`, \
                            `label`, `void`). Healing publishes and sends once more.",
            "requestBody": body("NewReconciliation", &json!({ "heal": true })),
        }),
        &[
            ("202", taken(RECONCILIATION_ID, "Reconciliation", "reconciliationId")),
            ("422", invalid("/heal", "must be true or false")),
        ],
        &BODY_FAULTS,
    )
}

fn reconciliation(description: &str) -> Value {
    let finding = json!({
        "kind": "unhandled", "service": "shipping", "orderId": ORDER_ID,
        "detail": format!("PaymentProcessed {EVENT_ID}: it has not handled it"), "healed": true,
    });
    example(
        description,
        "Reconciliation",
        json!({
            "id": RECONCILIATION_ID, "state": "done", "checked": 1_250, "findings": [finding], "untold": 0, "by": "ada",
            "at": FAILED_AT,
        }),
    )
}

pub(crate) fn get_reconciliation() -> Value {
    let told = reconciliation("Its progress, and what it has found.");
    of_operators("getReconciliation", "Tells what a reconciliation has found", json!({}), &[("200", told)], &["404"])
}

pub(crate) fn stop_reconciliation() -> Value {
    let told = reconciliation("Its progress, and what it has found.");
    of_operators("stopReconciliation", "Stops a reconciliation", json!({}), &[("200", told)], &["404"])
}

pub(crate) fn get_timeline() -> Value {
    let moment = json!({ "at": FAILED_AT, "service": "orders", "what": "OrderCreated", "event": EVENT_ID });
    let waiting = json!({
        "service": "payment", "event": EVENT_ID, "type": "InventoryReserved", "since": FAILED_AT,
        "why": "nothing is known of the order yet",
    });
    let told = example(
        "The order.",
        "Timeline",
        json!({ "orderId": ORDER_ID, "timeline": [moment], "waiting": [waiting], "letters": [brief_letter()] }),
    );
    of_operators(
        "getTimeline",
        "Tells of one order over all services: what has happened, where it waits, and its letters",
        json!({}),
        &[("200", told)],
        &["404"],
    )
}

pub(crate) fn read_journal() -> Value {
    let parameter = |name: &str, what: &str, schema: Value, example: &str| json!({ "name": name, "in": "query", "description": what, "schema": schema, "example": example });
    let text = || json!({ "type": "string" });
    let time = || json!({ "type": "string", "format": "date-time" });
    let parameters = json!([
        parameter("order", "Events of that order; else `from` is required.", text(), ORDER_ID),
        parameter("type", "Events of that type.", text(), "OrderCreated"),
        parameter("from", "Put on record at that time or later.", time(), FAILED_AT),
        parameter("to", "Put on record at that time or earlier: now, if it does not say.", time(), FAILED_AT),
        parameter("after", "The cursor `next` of the page before.", text(), "2026-11-22T09#3~"),
    ]);
    let event = json!({ "specversion": "1.0", "id": EVENT_ID, "source": "orderflow/orders", "type": "OrderCreated" });
    let page = example(
        "A page of them; it may be empty, and not the last.",
        "JournalPage",
        json!({ "entries": [{ "at": FAILED_AT, "event": event }] }),
    );
    of_operators(
        "readJournal",
        "Reads the journal: every event as it was published, those of one order in their order",
        json!({ "parameters": parameters }),
        &[("200", page)],
        &["400"],
    )
}

pub(crate) fn clear_order() -> Value {
    let mut cleared = answer("It is cleared, now or by an earlier word.", "Cleared", &json!({}));
    cleared["links"] = json!({ "GetTimeline": link("getTimeline", &json!({ "orderId": "$response.body#/orderId" })) });
    with_example(&mut cleared, json!({ "orderId": ORDER_ID }));
    let description = "Where the stack has the parameter `HoldFlagged=yes`, an order that looks like fraud is not shipped before \
                       somebody says this. It is on record who has said it first, and why. Whoever takes it for fraud cancels the \
                       order, by `cancelOrder`. One that screening has not looked at yet, for some seconds, is `404`.";
    of_operators(
        "clearOrder",
        "Says that an order which was flagged may be shipped",
        json!({
            "description": description,
            "requestBody": body("Clearance", &json!({ "why": "A regular customer, who has moved." })),
        }),
        &[("202", cleared), ("422", invalid("/why", "is required"))],
        &[&BODY_FAULTS[..], &["404"]].concat(),
    )
}

pub(crate) fn get_status() -> Value {
    let told = example(
        "The state of the stack.",
        "Status",
        json!({
            "queues": [{ "service": "payment", "visible": 12, "hidden": 10 }],
            "letters": { "waiting": 250, "sent": 0, "handled": 3, "parkedAgain": 0, "dropped": 1 },
            "openLetters": [
                { "service": "payment", "class": "exhausted", "count": 250, "oldest": "2026-11-22T08:12:40.000Z" },
            ],
            "streams": [{ "service": "payment", "relayLetters": 0 }],
        }),
    );
    of_operators(
        "getStatus",
        "Tells how deep the queues are, and the letters by their state, those that are open by service and class",
        json!({}),
        &[("200", told)],
        &[],
    )
}

pub(crate) fn get_board() -> Value {
    let tally = |at: &str| {
        json!({
            "at": at, "currency": "EUR", "created": 40, "createdAmount": 147_400, "reserved": 38, "reservedAmount": 140_030,
            "paid": 37, "paidAmount": 136_345, "shipped": 37, "shippedAmount": 136_345, "cancelled": 3,
            "cancelledAmount": 11_055, "refunded": 0, "refundedAmount": 0, "setAside": 114, "released": 3,
        })
    };
    let told = example(
        "The counts.",
        "Board",
        json!({
            "at": "2026-11-22T09:00:12.000Z",
            "minutes": [tally("2026-11-22T09:00:00.000Z")],
            "hours": [tally("2026-11-22T09:00:00.000Z")],
            "skus": [{ "sku": "coffee-beans-1kg", "currency": "EUR", "pieces": 80, "amount": 119_200 }],
        }),
    );
    let mut board = of_operators(
        "getBoard",
        "Counts orders and money by minute and hour, and what sells best",
        json!({ "description": "Each event counts once, in the minute in which it happened, whenever it was heard of." }),
        &[("200", told)],
        &[],
    );
    board["security"] = json!([{ "token": [OPERATIONS] }, { "token": [EVENTS_READ] }]);
    board
}

pub(crate) fn replay_id() -> Value {
    id("replayId", "The replay.", "ReplayId", REPLAY_ID)
}

pub(crate) fn reconciliation_id() -> Value {
    id("reconciliationId", "The reconciliation.", "ReconciliationId", RECONCILIATION_ID)
}

fn id(name: &str, description: &str, schema: &str, example: &str) -> Value {
    let schema = reference("schemas", schema);
    json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema, "example": example })
}
