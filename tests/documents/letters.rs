//! The operations of the OpenAPI document by which dead letters are mended.

use orderflow_events::scope::OPERATIONS;
use serde_json::{Value, json};

use crate::parts::{
    BODY_FAULTS, IF_MATCH, ORDER_ID, answer, body, link, operation, problem, problems, reference, with_example,
};

/// An operation of those who mend.
pub(crate) fn of_operators(id: &str, summary: &str, mut more: Value, own: &[(&str, Value)], shared: &[&str]) -> Value {
    more["operationId"] = json!(id);
    more["summary"] = json!(summary);
    more["tags"] = json!(["operations"]);
    more["security"] = json!([{ "token": [OPERATIONS] }]);
    operation(more, own, &[&["403"], shared].concat())
}

pub(crate) fn list_letters() -> Value {
    let parameter = |name: &str, what: &str, schema: Value, example: &str| json!({ "name": name, "in": "query", "description": what, "schema": schema, "example": example });
    let text = || json!({ "type": "string" });
    let parameters = json!([
        parameter("service", "Letters of that service.", text(), "payment"),
        parameter("type", "Letters with an event of that type.", text(), "InventoryReserved"),
        parameter("class", "Letters of that class.", reference("schemas", "Class"), "exhausted"),
        parameter("state", "Letters in that state.", reference("schemas", "State"), "waiting"),
        parameter("order", "Letters about that order.", text(), "web-17"),
        parameter(
            "reason",
            "Letters of that reason, but for the numbers and ids in it.",
            text(),
            "the provider answers 503"
        ),
        parameter("after", "The cursor `next` of the page before.", text(), "2026-11-22T09:00:00.000Z#let_1"),
    ]);
    let mut page = answer("A page of them.", "LetterPage", &json!({}));
    with_example(&mut page, json!({ "letters": [brief_letter()] }));
    of_operators(
        "listLetters",
        "Lists dead letters, the oldest failure first",
        json!({ "parameters": parameters }),
        &[("200", page)],
        &["400"],
    )
}

pub(crate) fn list_groups() -> Value {
    let mut groups = answer("The groups, the largest first.", "LetterGroups", &json!({}));
    let group = json!({
        "service": "payment", "type": "InventoryReserved", "class": "exhausted", "reason": "the provider answers …",
        "count": 250, "oldest": FAILED_AT,
    });
    with_example(&mut groups, json!({ "groups": [group] }));
    of_operators(
        "listGroups",
        "Groups the letters about which something has to be done",
        json!({ "description": "By service, type, class and reason, without the numbers and ids in the reason." }),
        &[
            ("200", groups),
            ("422", problems("There are too many to be grouped.", &json!({ "tooMany": { "value": too_many() } }))),
        ],
        &[],
    )
}

pub(crate) fn letter(description: &str) -> Value {
    let mut answer = answer(description, "Letter", &json!({ "ETag": reference("headers", "ETag") }));
    let mut whole = brief_letter();
    whole["function"] = json!("orderflow-PaymentFunction");
    whole["sourceQueue"] = json!("arn:aws:sqs:eu-central-1:123456789012:orderflow-PaymentDlq");
    whole["attributes"] = json!({});
    whole["history"] = json!([
        { "at": FAILED_AT, "by": "orderflow-PaymentFunction", "what": "parked", "why": "the provider answers 503" },
    ]);
    whole["earlier"] = json!({});
    with_example(&mut answer, whole);
    answer
}

pub(crate) fn get_letter() -> Value {
    of_operators("getLetter", "Shows a letter with its history", json!({}), &[("200", letter("The letter."))], &["404"])
}

/// The precondition of a change of a letter.
pub(crate) fn if_match(is_required: bool) -> Value {
    json!([{
        "name": "If-Match",
        "in": "header",
        "required": is_required,
        "description": "Change it only if it still has one of these ETags.",
        "schema": { "type": "string", "pattern": IF_MATCH },
        "example": "\"1\"",
    }])
}

/// The problem of a letter that nobody can open any more.
fn erased() -> Value {
    problem(
        409,
        "urn:orderflow:problem:letter-erased",
        "Letter erased",
        "That is not possible: it is erased: nobody can open it any more. It can be dropped.",
    )
}

/// The problem of more open letters than one request can look at.
fn too_many() -> Value {
    problem(
        422,
        "urn:orderflow:problem:too-many-letters",
        "Too many letters",
        "There are too many open letters to be looked at in one request.",
    )
}

/// The answers of a letter that cannot be changed.
pub(crate) fn unchangeable() -> [(&'static str, Value); 3] {
    let state = problem(
        409,
        "urn:orderflow:problem:letter-state",
        "Not in this state",
        "That is not possible: a letter that is sent cannot be edited.",
    );
    let changed = problem(
        412,
        "urn:orderflow:problem:letter-changed",
        "Letter changed",
        "The letter has changed since that ETag.",
    );
    let mut invalid =
        problem(422, "urn:onewrite:problem:invalid", "Invalid request", "The body has 1 fault: see errors.");
    invalid["errors"] = json!([{ "pointer": "/why", "detail": "is required" }]);
    [
        (
            "409",
            problems(
                "Its state does not allow it, or it is to be edited and nobody can open it any more.",
                &json!({ "state": { "value": state }, "erased": { "value": erased() } }),
            ),
        ),
        ("412", problems("It has changed since that ETag.", &json!({ "changed": { "value": changed } }))),
        (
            "422",
            problems(
                "The request is invalid, or the new body is no event of the contract: the pointers are into that.",
                &json!({ "invalid": { "value": invalid } }),
            ),
        ),
    ]
}

pub(crate) fn edit_letter() -> Value {
    let mut own = vec![("200", letter("The letter with its new body."))];
    own.extend(unchangeable());
    let without = problem(
        428,
        "about:blank",
        "Precondition Required",
        "An edit needs the header If-Match, with the ETag of the letter that was read.",
    );
    own.push(("428", problems("There is no If-Match.", &json!({ "missing": { "value": without } }))));
    of_operators(
        "editLetter",
        "Replaces the body of a letter",
        json!({
            "description": "The new body must be an event of the contract. An event whose id is that of the old gets one of \
                            its own. It names the old in `editedfrom`, or the letter where the old has no id. The old body is kept.",
            "parameters": if_match(true),
            "requestBody": body("LetterEdit", &json!({ "body": "{}", "why": "The quantity was a text." })),
        }),
        &own,
        &[&BODY_FAULTS[..], &["404"]].concat(),
    )
}

pub(crate) fn drop_letter() -> Value {
    let mut own = vec![("200", letter("The letter, which stays readable."))];
    own.extend(unchangeable());
    of_operators(
        "dropLetter",
        "Says that nothing is to be done about a letter",
        json!({
            "parameters": if_match(false),
            "requestBody": body("LetterDrop", &json!({ "why": "A test of another team's." })),
        }),
        &own,
        &[&BODY_FAULTS[..], &["404"]].concat(),
    )
}

pub(crate) fn start_redrive() -> Value {
    let taken = |description: &str, example: Value| {
        let mut taken = answer(description, "RedriveTaken", &json!({}));
        with_example(&mut taken, example);
        taken
    };
    let mut invalid =
        problem(422, "urn:onewrite:problem:invalid", "Invalid request", "The body has 1 fault: see errors.");
    invalid["errors"] = json!([{ "pointer": "/letters/0", "detail": "is no letter that can be sent back now" }]);
    let asked = json!({ "service": "gift-cards", "reason": "the provider answers 503", "ramp": true });
    let mut accepted = taken("It is taken on.", json!({ "id": REDRIVE_ID, "total": 250 }));
    accepted["links"] = json!({
        "GetRedrive": link("getRedrive", &json!({ "redriveId": "$response.body#/id" })),
        "StopRedrive": link("stopRedrive", &json!({ "redriveId": "$response.body#/id" })),
    });
    of_operators(
        "startRedrive",
        "Sends letters back to their services",
        json!({
            "description": "The letters that are named, or all of a service that wait or were parked again and have what is \
                            given. It goes on by itself, and begins within a minute.",
            "requestBody": body("NewRedrive", &asked),
        }),
        &[
            ("200", taken("What a dry run would send.", json!({ "total": 250 }))),
            ("202", accepted),
            (
                "409",
                problems(
                    "Nobody can open one of the letters that are named any more.",
                    &json!({ "erased": { "value": erased() } }),
                ),
            ),
            (
                "422",
                problems(
                    "The body is well-formed but invalid, or it names no letters and there are too many open ones to be looked at. Nothing was begun.",
                    &json!({ "invalid": { "value": invalid }, "tooMany": { "value": too_many() } }),
                ),
            ),
        ],
        &BODY_FAULTS,
    )
}

pub(crate) fn redrive(description: &str) -> Value {
    let mut answer = answer(description, "Redrive", &json!({}));
    with_example(
        &mut answer,
        json!({
            "id": REDRIVE_ID, "state": "running", "total": 250, "sent": 38, "handled": 31, "parkedAgain": 0, "left": 212,
            "by": "ada", "at": FAILED_AT,
        }),
    );
    answer
}

pub(crate) fn get_redrive() -> Value {
    let told = redrive("Its progress.");
    of_operators("getRedrive", "Tells the progress of a redrive", json!({}), &[("200", told)], &["404"])
}

pub(crate) fn stop_redrive() -> Value {
    let told = redrive("Its progress; what was sent is still looked after.");
    of_operators("stopRedrive", "Stops a redrive", json!({}), &[("200", told)], &["404"])
}

pub(crate) fn letter_id() -> Value {
    let schema = reference("schemas", "LetterId");
    json!({ "name": "letterId", "in": "path", "required": true, "description": "The letter.", "schema": schema, "example": LETTER_ID })
}

pub(crate) fn redrive_id() -> Value {
    let schema = reference("schemas", "RedriveId");
    json!({ "name": "redriveId", "in": "path", "required": true, "description": "The redrive.", "schema": schema, "example": REDRIVE_ID })
}

const LETTER_ID: &str = "let_8bpw9rtmx3cf9jacx1hd40yvms";
const REDRIVE_ID: &str = "red_8bpw9rtmx3cf9jacx1hd40yvms";
pub(crate) const FAILED_AT: &str = "2026-11-22T09:00:00.000Z";

pub(crate) fn brief_letter() -> Value {
    json!({
        "id": LETTER_ID, "service": "payment", "state": "waiting", "class": "exhausted",
        "reason": "the provider answers 503", "type": "InventoryReserved", "orderId": ORDER_ID, "failedAt": FAILED_AT,
        "receives": 1, "body": "{}",
    })
}
