use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use futures::executor::block_on;
use lambda_http::{RequestExt, http};
use onewrite::memory::{MemoryIssuer, MemoryKeys, VirtualTime};
use orderflow_events::sample;
use serde_json::json;

use super::*;
use crate::MemoryOperations;
use crate::domain::{Arrival, Class, Destination, Origin};

mod floods;

const LATE_AFTER: Duration = Duration::from_mins(15);

fn arrival(number: i64, service: &str, body: &str, reason: &str) -> Arrival {
    Arrival {
        service: service.to_owned(),
        origin: Origin::Consumer,
        source_queue: "arn:dlq".to_owned(),
        destination: Destination {
            queue_url: "q".to_owned(),
            function: "f".to_owned(),
            is_journal: false,
            is_door: false,
        },
        message: Message { body: body.to_owned(), attributes: BTreeMap::new() },
        class: Class::Permanent,
        reason: reason.to_owned(),
        failed_at: Time::from_millis(number),
        function: "f".to_owned(),
        receives: 2,
        mark: None,
    }
}

thread_local! {
    static KEYS: Rc<MemoryKeys> = Rc::default();
}

/// The keys of the test.
fn keys() -> KeyRing<Rc<MemoryKeys>, VirtualTime> {
    keys_in(VirtualTime::new(7))
}

fn keys_in<W: Clock + Random>(world: W) -> KeyRing<Rc<MemoryKeys>, W> {
    KeyRing::new(KEYS.with(Rc::clone), world)
}

/// A store with letters; answers their ids.
fn store(letters: &[Arrival]) -> (MemoryOperations, Vec<LetterId>) {
    let store = MemoryOperations::default();
    let ids = letters.iter().map(|arrival| {
        let mut letter = Letter::collected(None, arrival.letter_id(), arrival).unwrap();
        block_on(sealing::keep(&store, &keys(), &mut letter, &arrival.message, Time::from_millis(0))).unwrap();
        assert_eq!(block_on(store.put(&letter, Since::New)), Ok(Stored::Done));
        letter.id
    });
    let ids = ids.collect();
    (store, ids)
}

/// Status, tag and body of the answer.
type Answer = (u16, String, Value);

fn ask(store: &MemoryOperations, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    ask_of(
        &OperationsApi::new(store, keys(), store, VirtualTime::new(1), Access::open(), LATE_AFTER),
        method,
        path,
        headers,
        body,
    )
}

fn ask_of(
    api: &OperationsApi<&MemoryOperations, Rc<MemoryKeys>, &MemoryOperations, impl Clock + Random, impl KeySets>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Answer {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let path = format!("/operations/{path}");
    let request = http::Request::builder().method(method).uri(&path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query: HashMap<String, Vec<String>> =
        pairs.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).collect();
    let request = request.body(Body::from(body.to_string())).unwrap();
    let request = request.with_raw_http_path(&path).with_query_string_parameters(query);
    let (head, body) = block_on(api.answer(&request)).into_parts();
    let tag = head.headers.get("etag").map(|tag| tag.to_str().unwrap().to_owned()).unwrap_or_default();
    (head.status.as_u16(), tag, serde_json::from_slice(&body).unwrap())
}

fn event(id: &str) -> Value {
    let mut event = serde_json::to_value(sample::event(sample::order("ord_1"))).unwrap();
    event["id"] = id.into();
    event
}

#[test]
fn letters_are_listed_the_oldest_failure_first_by_what_they_are() {
    let body = |order: &str| json!({ "type": "PaymentFailed", "subject": order }).to_string();
    let (store, ids) = store(&[
        arrival(30, "orders", &body("ord_3"), "row 3 is late"),
        arrival(10, "payment", &body("ord_1"), "row 1 is late"),
        arrival(20, "payment", "no event", "no event"),
    ]);
    let listed = |query: &str| {
        let (status, _, page) = ask(&store, "GET", &format!("letters?{query}"), &[], &Value::Null);
        assert_eq!(status, 200, "{page}");
        assert_eq!(page.get("next"), None);
        let letters = page["letters"].as_array().unwrap();
        letters.iter().map(|letter| letter["failedAt"].as_str().unwrap()[20..22].to_owned()).collect::<Vec<_>>()
    };
    for (query, expected) in [
        ("", &["01", "02", "03"][..]),
        ("service=payment", &["01", "02"]),
        ("type=PaymentFailed", &["01", "03"]),
        ("class=permanent&state=waiting", &["01", "02", "03"]),
        ("class=exhausted", &[]),
        ("state=dropped", &[]),
        ("order=ord_3", &["03"]),
        ("reason=row 7 is late", &["01", "03"]),
        ("reason=row … is late&service=orders", &["03"]),
        ("after=1970-01-01T00:00:00.015Z", &["02", "03"]),
    ] {
        assert_eq!(listed(query), expected, "{query}");
    }
    for bad in ["state=lost", "state=", "class=Permanent"] {
        assert_eq!(ask(&store, "GET", &format!("letters?{bad}"), &[], &Value::Null).0, 400, "{bad}");
    }
    let (_, _, page) = ask(&store, "GET", "letters?order=ord_1", &[], &Value::Null);
    assert_eq!(
        page["letters"][0],
        json!({
            "id": ids[1], "service": "payment", "state": "waiting", "class": "permanent", "reason": "row 1 is late",
            "type": "PaymentFailed", "orderId": "ord_1", "failedAt": "1970-01-01T00:00:00.010Z",
            "readableUntil": "1970-04-01T00:00:00.010Z", "receives": 2,
            "body": body("ord_1"),
        })
    );
}

#[test]
fn a_list_has_long_bodies_too() {
    let long = "x".repeat(300_000);
    let (store, _) =
        store(&(0..9).map(|number| arrival(number, "payment", &format!("{number}{long}"), "")).collect::<Vec<_>>());
    let (_, _, page) = ask(&store, "GET", "letters", &[], &Value::Null);
    let letters = page["letters"].as_array().unwrap();
    assert!(letters.iter().all(|letter| letter["body"].as_str().unwrap().len() == 300_001));
    assert_eq!(letters.len(), 4, "Lambda answers with 6 MB at the most");
    let next = page["next"].as_str().unwrap();
    let (_, _, page) = ask(&store, "GET", &format!("letters?after={next}"), &[], &Value::Null);
    assert_eq!(page["letters"].as_array().unwrap().len(), 4);
}

#[test]
fn a_cursor_goes_through_all_letters_once() {
    let letters: Vec<_> =
        (0..120).map(|number| arrival(number % 7, "payment", &format!("{number}"), "no event")).collect();
    let (store, _) = store(&letters);
    let (mut seen, mut after) = (BTreeSet::new(), String::new());
    let mut pages = 0;
    loop {
        let (_, _, page) = ask(&store, "GET", &format!("letters?after={after}"), &[], &Value::Null);
        let ids = page["letters"].as_array().unwrap().iter().map(|letter| letter["id"].to_string());
        for id in ids {
            assert!(seen.insert(id), "it is listed twice");
        }
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        next.clone_into(&mut after);
    }
    assert_eq!((seen.len(), pages), (120, 3));
}

#[test]
fn groups_have_no_numbers_and_ids_in_their_reasons() {
    let letters: Vec<_> = (0..9)
        .map(|number| arrival(number, "payment", &format!("{number}"), &format!("row {number} is late")))
        .collect();
    let (store, ids) = store(&letters);
    let path = format!("letters/{}", ids[0]);
    assert_eq!(ask(&store, "DELETE", &path, &[], &json!({ "why": "poison" })).0, 200);
    let (_, _, groups) = ask(&store, "GET", "groups", &[], &Value::Null);
    assert_eq!(
        groups,
        json!({ "groups": [{
            "service": "payment", "class": "permanent", "reason": "row … is late", "count": 8,
            "oldest": "1970-01-01T00:00:00.001Z",
        }] })
    );
}

#[test]
fn an_edit_needs_the_latest_tag_and_an_event() {
    let broken = json!({ "id": "1", "type": "OrderCreated" });
    let (store, ids) = store(&[arrival(1, "payment", &broken.to_string(), "not a CloudEvent")]);
    let path = format!("letters/{}", ids[0]);
    let (status, tag, shown) = ask(&store, "GET", &path, &[], &Value::Null);
    assert_eq!((status, tag.as_str()), (200, "\"1\""));
    assert_eq!((&shown["attributes"], &shown["history"][0]["what"]), (&json!({}), &json!("parked")));
    let edit = |body: &str, headers: &[(&str, &str)]| {
        ask(&store, "PUT", &path, headers, &json!({ "body": body, "why": "it was half" }))
    };
    assert_eq!(edit("{}", &[]).0, 428, "without a tag");
    assert_eq!(edit("{}", &[("If-Match", "\"7\"")]).0, 412, "another tag");
    assert_eq!(edit("{", &[("If-Match", "\"1\"")]).0, 422, "no JSON");
    let mut bad = event("1");
    (bad["data"]["lines"], bad["specversion"]) = (json!([]), json!("2.0"));
    let (status, _, problem) = edit(&bad.to_string(), &[("If-Match", "\"1\"")]);
    let pointers: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|fault| &fault["pointer"]).collect();
    assert_eq!((status, pointers), (422, vec![&json!("/specversion"), &json!("/data/lines")]), "all faults at once");
    let (_, _, missing) = ask(&store, "PUT", &path, &[("If-Match", "\"1\"")], &json!({}));
    assert_eq!(missing["errors"].as_array().unwrap().len(), 2, "{missing}");

    let (status, tag, edited) = edit(&event("1").to_string(), &[("If-Match", "\"1\"")]);
    assert_eq!((status, tag.as_str()), (200, "\"2\""), "{edited}");
    let body: Value = serde_json::from_str(edited["body"].as_str().unwrap()).unwrap();
    assert_ne!(body["id"], "1");
    assert_eq!(body["editedfrom"], "1");
    assert!(Event::faults(&body).is_empty());
    assert_eq!(edited["history"][1]["why"], "it was half");
    let before = edited["history"][1]["replaced"].as_str().unwrap();
    assert_eq!(edited["earlier"][before], broken.to_string());
    assert_eq!(edit("{}", &[("If-Match", "\"1\"")]).0, 412, "somebody was faster");
}

/// Whoever has it later has to know that somebody wrote it by hand, and may have put a person into it.
#[test]
fn what_is_mended_says_so_even_where_the_old_was_no_event() {
    for old in ["{", "7", r#"{"type":"OrderCreated"}"#] {
        let (store, ids) = store(&[arrival(1, "payment", old, "not JSON")]);
        let edit = json!({ "body": event("1").to_string(), "why": "it was half" });
        let path = format!("letters/{}", ids[0]);
        let (status, _, edited) = ask(&store, "PUT", &path, &[("If-Match", "\"1\"")], &edit);
        assert_eq!(status, 200, "{edited}");
        let body: Value = serde_json::from_str(edited["body"].as_str().unwrap()).unwrap();
        assert_eq!((&body["id"], &body["editedfrom"]), (&json!("1"), &json!(ids[0].as_str())), "{old}");
        assert!(Event::faults(&body).is_empty());
    }
}

#[test]
fn the_journal_takes_events_of_types_that_nobody_knows() {
    let mut arrival = arrival(1, "journal", "{}", "not a CloudEvent");
    arrival.destination.is_journal = true;
    let (store, ids) = store(&[arrival]);
    let mut dreamt = event("1");
    dreamt["type"] = json!("OrderDreamt");
    let path = format!("letters/{}", ids[0]);
    let body = json!({ "body": dreamt.to_string(), "why": "it was empty" });
    assert_eq!(ask(&store, "PUT", &path, &[("If-Match", "*")], &body).0, 200);
}

#[test]
fn a_dropped_letter_is_neither_edited_nor_sent_and_stays_readable() {
    let (store, ids) = store(&[arrival(1, "payment", "poison", "not JSON")]);
    let path = format!("letters/{}", ids[0]);
    assert_eq!(ask(&store, "DELETE", &path, &[], &json!({})).0, 422, "without a reason");
    for _ in 0..2 {
        let (status, _, dropped) = ask(&store, "DELETE", &path, &[], &json!({ "why": "poison" }));
        assert_eq!((status, &dropped["state"]), (200, &json!("dropped")));
    }
    let body = json!({ "body": event("1").to_string(), "why": "after all" });
    assert_eq!(ask(&store, "PUT", &path, &[("If-Match", "*")], &body).0, 409);
    let (status, _, problem) = ask(&store, "POST", "redrives", &[], &json!({ "letters": [ids[0]] }));
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/letters/0")));
    assert_eq!(ask(&store, "GET", &path, &[], &Value::Null).2["body"], "poison");
    assert_eq!(ask(&store, "GET", "letters/let_0", &[], &Value::Null).0, 404);
    assert_eq!(ask(&store, "GET", "letters/no-id", &[], &Value::Null).0, 404);
}

#[test]
fn a_redrive_tells_its_progress_and_can_be_stopped() {
    let (store, ids) = store(&[arrival(1, "payment", "1", "late"), arrival(2, "payment", "2", "late")]);
    let redrive = |body: &Value| ask(&store, "POST", "redrives", &[], body);
    assert_eq!(redrive(&json!({ "service": "payment", "dryRun": true })), (200, String::new(), json!({ "total": 2 })));
    for (body, pointers) in [
        (json!({}), &["/service"][..]),
        (json!({ "letters": [] }), &["/letters"]),
        (
            json!({ "service": 7, "class": "bad", "ramp": 1, "ratePerSecond": 0 }),
            &["/service", "/class", "/ramp", "/ratePerSecond"],
        ),
    ] {
        let (status, _, problem) = redrive(&body);
        let told: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|fault| &fault["pointer"]).collect();
        assert_eq!(
            (status, told),
            (422, pointers.iter().copied().map(Value::from).collect::<Vec<_>>().iter().collect())
        );
    }
    let (status, _, taken) = redrive(&json!({ "letters": [ids[1], ids[1], ids[0]], "ramp": true }));
    assert_eq!((status, &taken["total"]), (202, &json!(2)), "a letter that is named twice is one");
    let path = format!("redrives/{}", taken["id"].as_str().unwrap());
    for (method, state) in [("GET", "running"), ("DELETE", "stopped"), ("DELETE", "stopped"), ("GET", "stopped")] {
        let (status, _, told) = ask(&store, method, &path, &[], &Value::Null);
        assert_eq!((status, &told["state"], &told["left"]), (200, &json!(state), &json!(2)), "{method}");
    }
    assert_eq!(ask(&store, "GET", "redrives/red_0", &[], &Value::Null).0, 404);
}

#[test]
fn only_operators_are_let_in_and_named() {
    let (store, ids) = store(&[arrival(1, "payment", "poison", "not JSON")]);
    let issuer = MemoryIssuer::new("key");
    let api = OperationsApi::new(&store, keys(), &store, VirtualTime::new(1), issuer.access(), LATE_AFTER);
    let path = format!("letters/{}", ids[0]);
    let drop = |headers: &[(&str, &str)]| ask_of(&api, "DELETE", &path, headers, &json!({ "why": "poison" }));
    assert_eq!(drop(&[]).0, 401);
    let token = |scope: &str| format!("Bearer {}", issuer.token("ada", scope));
    assert_eq!(drop(&[("Authorization", &token("orders:any stock:write"))]).0, 403);
    let (status, _, dropped) = drop(&[("Authorization", &token("operations"))]);
    assert_eq!((status, &dropped["history"][1]["by"]), (200, &json!("ada")));
}
