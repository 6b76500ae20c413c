//! The operations of the OpenAPI document by which events are pushed.

use orderflow_events::scope::{OPERATIONS, WEBHOOKS};
use serde_json::{Value, json};

use crate::feed::event;
use crate::parts::{BODY_FAULTS, answer, body, operation, problem, problems, reference, with_example};

const ID: &str = "whk_4r9t0z3m7q2x8c1v5b6n0a9s8d";

pub(crate) fn webhook_id() -> Value {
    json!({
        "name": "webhookId",
        "in": "path",
        "required": true,
        "description": "The id of a webhook: of one of yours, or of any, for an operator.",
        "schema": { "type": "string" },
        "example": ID,
    })
}

fn pattern() -> Value {
    json!({ "type": ["ShipmentCreated", { "prefix": "Payment" }] })
}

fn webhook() -> Value {
    json!({
        "id": ID, "url": "https://partner.example/hooks", "match": pattern(), "description": "The warehouse", "inOrder": false,
        "enabled": true, "hasContact": true, "cursor": "17-12.3-0-8", "createdAt": "2026-11-29T09:00:00.000Z",
    })
}

fn shown(description: &str, more: Value) -> Value {
    let (mut shown, mut example) = (answer(description, "Webhook", &json!({})), webhook());
    if let (Some(example), Value::Object(more)) = (example.as_object_mut(), more) {
        example.extend(more);
    }
    with_example(&mut shown, example);
    shown
}

fn secret() -> Value {
    json!({ "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD" })
}

fn delivery() -> Value {
    json!({
        "eventId": "01938f2a-6c00-7000-8000-000000000001", "type": "ShipmentCreated", "state": "waiting", "attempts": 3,
        "at": "2026-11-29T09:05:00.000Z", "status": 503, "answer": "come back later", "nextAttempt": "2026-11-29T09:09:00.000Z",
    })
}

fn invalid(pointer: &str, detail: &str) -> Value {
    let mut invalid =
        problem(422, "urn:onewrite:problem:invalid", "Invalid request", "The body has 1 fault: see errors.");
    invalid["errors"] = json!([{ "pointer": pointer, "detail": detail }]);
    problems("The body is well-formed, but invalid.", &json!({ "invalid": { "value": invalid } }))
}

/// An operation of owners, on their own webhooks.
fn of_owners(id: &str, summary: &str, more: Value, own: &[(&str, Value)], shared: &[&str]) -> Value {
    of(&[WEBHOOKS], (id, summary), more, own, shared)
}

/// An operation of owners on their own webhooks, and of operators on any.
fn of_operators(id: &str, summary: &str, more: Value, own: &[(&str, Value)], shared: &[&str]) -> Value {
    of(&[WEBHOOKS, OPERATIONS], (id, summary), more, own, shared)
}

fn of(scopes: &[&str], (id, summary): (&str, &str), more: Value, own: &[(&str, Value)], shared: &[&str]) -> Value {
    let security: Vec<Value> = scopes.iter().map(|scope| json!({ "token": [scope] })).collect();
    let mut described = json!({ "operationId": id, "summary": summary, "tags": ["webhooks"], "security": security });
    if let (Some(described), Value::Object(more)) = (described.as_object_mut(), more) {
        described.extend(more);
    }
    operation(described, own, &[shared, &["403"]].concat())
}

pub(crate) fn create_webhook() -> Value {
    let mut made = shown(
        "The webhook, with the secret that its receiver verifies with, which is not shown again, or the public key.",
        secret(),
    );
    made["headers"] = json!({ "Location": {
        "description": "The path of the webhook.",
        "required": true,
        "schema": { "type": "string", "format": "uri-reference", "pattern": "^/webhooks/[A-Za-z0-9_-]{1,64}$" },
    } });
    let many = problem(
        409,
        "about:blank",
        "Conflict",
        "There are 20 webhooks of yours, with those deleted within the last hour, and there may be no more.",
    );
    let many = problems(
        "There are 20 webhooks of yours, with those deleted within the last hour.",
        &json!({ "many": { "value": many } }),
    );
    of_owners(
        "createWebhook",
        "Has events posted to a URL",
        json!({
            "description": "Events that happen from now on, and match, are posted: what comes and what is answered is `webhooks` of this \
                            document. In no order, unless `inOrder`: `sequence` of an event counts those of its `source` about its \
                            order. A webhook that takes nothing for three days, or answers 410, is disabled, and its `contact` is told \
                            by mail, once for the outage.",
            "requestBody": body("NewWebhook", &json!({ "url": "https://partner.example/hooks", "match": pattern() })),
        }),
        &[("201", made), ("409", many), ("422", invalid("/url", "must have a public address"))],
        &BODY_FAULTS,
    )
}

/// Message to a receiver, and its answers.
pub(crate) fn post_event() -> Value {
    let header = |name: &str, description: &str, schema: Value, example: &str| {
        json!({
            "name": name, "in": "header", "required": true, "description": description, "schema": schema, "example": example,
        })
    };
    let event = event();
    json!({
        "operationId": "postEvent",
        "summary": "An event is posted to the URL of a webhook",
        "description": "It comes as it was published, in the structured mode of CloudEvents, and signed by Standard Webhooks: verify it \
                        with any library for it, which refuses what is minutes old, too. Answer within five seconds. What `testWebhook` \
                        posts, once, is of the type `WebhookTested`.",
        "tags": ["webhooks"],
        "security": [],
        "parameters": [
            header(
                "webhook-id",
                "The id of the event. It stays the same when it is sent again: at least once.",
                reference("schemas", "EventId"),
                event["id"].as_str().unwrap_or_default(),
            ),
            header(
                "webhook-timestamp",
                "When it was sent: seconds since 1970.",
                json!({ "type": "string", "pattern": "^[0-9]+$" }),
                "1795942800",
            ),
            header(
                "webhook-signature",
                "Signatures of `{webhook-id}.{webhook-timestamp}.{body}`, a space between them: `v1` by HMAC-SHA256, `v1a` by Ed25519. \
                 For a day after `rotateSecret` there are two or more, and one that is right is enough.",
                json!({ "type": "string", "pattern": "^v1a?,[A-Za-z0-9+/]+=*( v1a?,[A-Za-z0-9+/]+=*)*$" }),
                "v1,pvIAndmcwrzak+XLd9qIrcH20KHk95Fxa/w1sWAMJUM=",
            ),
        ],
        "requestBody": {
            "required": true,
            "description": "The event. What its `data` has, its type and version say: see `dataschema`, and asyncapi.json.",
            "content": { "application/cloudevents+json": { "schema": reference("schemas", "Event"), "example": event } },
        },
        "responses": {
            "2XX": { "description": "It is taken. Whatever else is answered is not looked at; its first bytes are shown by `listDeliveries`." },
            "410": { "description": "Nothing is wanted any more: the webhook is disabled, until `changeWebhook` enables it." },
            "default": {
                "description": "It is not taken, as where there is no answer in time: it is posted again for three days, after pauses that grow. \
                                No redirect is followed.",
            },
        },
    })
}

pub(crate) fn list_webhooks() -> Value {
    let mut list = answer("The webhooks.", "WebhookList", &json!({}));
    with_example(&mut list, json!({ "webhooks": [webhook()] }));
    let more = json!({ "parameters": [{
        "name": "all",
        "in": "query",
        "description": "For operators: those of all owners.",
        "schema": { "type": "boolean", "default": false },
        "example": true,
    }, {
        "name": "after",
        "in": "query",
        "description": "The `next` of the page before.",
        "schema": { "type": "string" },
        "example": ID,
    }] });
    of_operators("listWebhooks", "Lists your webhooks", more, &[("200", list)], &["400"])
}

pub(crate) fn get_webhook() -> Value {
    let more = json!({
        "enabled": false, "disabled": { "reason": "dead", "since": "2026-12-02T09:00:00.000Z" },
    });
    let parameters = json!({ "parameters": [{
        "name": "deleted",
        "in": "query",
        "description": "For operators: one that was deleted within the last 30 days.",
        "schema": { "type": "boolean", "default": false },
        "example": false,
    }] });
    let answers = [("200", shown("The webhook.", more))];
    of_operators("getWebhook", "Shows a webhook", parameters, &answers, &["400", "404"])
}

pub(crate) fn change_webhook() -> Value {
    let last_word = problem(409, "about:blank", "Conflict", "An operator has disabled it, and alone may enable it.");
    let last_word = problems(
        "An operator has disabled it; or its condition was changed too often while it had not got what there was.",
        &json!({ "disabled": { "value": last_word } }),
    );
    of_operators(
        "changeWebhook",
        "Changes a webhook, or switches it on or off",
        json!({
            "description": "One that is switched on gets what it has missed since it was off, or had begun to fail. Another condition counts \
                            for what happens from now on. Operators switch any on and off, and change nothing else (403); what they have \
                            switched off they alone switch on.",
            "requestBody": body("WebhookChange", &json!({ "enabled": true })),
        }),
        &[
            ("200", shown("The webhook as it is now.", json!({}))),
            ("409", last_word),
            ("422", invalid("/enabled", "must be true or false")),
        ],
        &[&BODY_FAULTS[..], &["404"]].concat(),
    )
}

pub(crate) fn delete_webhook() -> Value {
    let last = shown("The webhook as it was. Its secret is gone.", json!({}));
    of_operators("deleteWebhook", "Deletes a webhook", json!({}), &[("200", last)], &["404"])
}

pub(crate) fn list_deliveries() -> Value {
    let mut page = answer("A page of deliveries.", "DeliveryPage", &json!({}));
    with_example(&mut page, json!({ "deliveries": [delivery()] }));
    of_operators(
        "listDeliveries",
        "Lists what was posted to a webhook, and the answers",
        json!({
            "description": "Those of the last 30 days.",
            "parameters": [{
                "name": "before",
                "in": "query",
                "description": "The `next` of the page before.",
                "schema": { "type": "string" },
                "example": "01938f2a-6c00-7000-8000-000000000001",
            }],
        }),
        &[("200", page)],
        &["400", "404"],
    )
}

fn disabled() -> Value {
    problem(409, "about:blank", "Conflict", "An operator has disabled it, and nothing is posted to it.")
}

pub(crate) fn test_webhook() -> Value {
    let mut tested = answer("What came of it.", "WebhookDelivery", &json!({}));
    with_example(
        &mut tested,
        json!({
            "eventId": "01938f2a-6c00-7000-8000-000000000002", "type": "WebhookTested", "state": "delivered", "attempts": 1,
            "at": "2026-11-29T09:05:00.000Z", "status": 204, "answer": "",
        }),
    );
    of_owners(
        "testWebhook",
        "Posts an event of the type `WebhookTested`, at once and once",
        json!({}),
        &[
            ("200", tested),
            ("409", problems("An operator has disabled it.", &json!({ "disabled": { "value": disabled() } }))),
        ],
        &["404"],
    )
}

pub(crate) fn rotate_webhook() -> Value {
    let mut more = secret();
    more["previousSecretUntil"] = json!("2026-11-30T09:00:00.000Z");
    of_owners(
        "rotateSecret",
        "Makes another secret",
        json!({ "description": "For a day the one before signs, too, and so do five before that: a receiver that knows any of them takes each message. Of Ed25519 it is another public key." }),
        &[("200", shown("The webhook with its new secret, which is not shown again.", more))],
        &["404"],
    )
}

pub(crate) fn resend_events() -> Value {
    let detail = "It still gets what was asked for before. Try again once resending is not there any more.";
    let resending = problem(409, "about:blank", "Conflict", detail);
    let examples = json!({ "resending": { "value": resending }, "disabled": { "value": disabled() } });
    of_owners(
        "resendEvents",
        "Posts again what is after a cursor",
        json!({
            "description": "Any `next` of the feed, any `cursor` of a webhook, or `0`. It goes on from there, by its condition of now. One \
                            request is followed at a time: while the webhook is `resending` another is refused.",
            "requestBody": body("Resend", &json!({ "after": "17-12.3-0-8" })),
        }),
        &[
            ("202", shown("The webhook as it is now.", json!({}))),
            ("409", problems("It still gets what was asked for before; or an operator has disabled it.", &examples)),
            ("422", invalid("/after", "must be a cursor that the feed has given out")),
        ],
        &[&BODY_FAULTS[..], &["404"]].concat(),
    )
}
