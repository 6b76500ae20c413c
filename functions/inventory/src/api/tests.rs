use std::cell::Cell;

use futures::executor::block_on;
use lambda_http::{RequestExt, http};
use onewrite::Result;
use onewrite::memory::{MemoryIssuer, MemoryLog, VirtualTime};
use orderflow_events::strategy::json;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::Inventory;
use crate::port::{AVAILABLE, RESERVED, REVISION};

/// Stocks of which others take a piece between a reading and a writing, so many times; and of which an answer may
/// be lost, so that a second attempt, made behind the caller's back, is the one that is answered.
struct Busy<'a> {
    log: &'a MemoryLog,
    rivals: Cell<u32>,
    loses_answers: Cell<bool>,
}

impl<'a> Busy<'a> {
    fn new(log: &'a MemoryLog) -> Self {
        Self { log, rivals: Cell::new(0), loses_answers: Cell::new(false) }
    }
}

impl StockStore for &Busy<'_> {
    async fn get(&self, sku: &Sku) -> Result<Option<Stock>> {
        self.log.get(sku).await
    }

    async fn count(&self, sku: &Sku, stock: Stock, since: Revision, by: Option<&Text>) -> Result<Counted> {
        if self.rivals.get() > 0 {
            self.rivals.set(self.rivals.get() - 1);
            for (counter, delta) in [(AVAILABLE, -1), (RESERVED, 1), (REVISION, 1)] {
                self.log.set_counter(sku.as_str(), counter, self.log.counter(sku.as_str(), counter) + delta);
            }
        }
        if self.loses_answers.get() {
            self.log.count(sku, stock, since, by).await?;
        }
        self.log.count(sku, stock, since, by).await
    }
}

fn ledger(log: &MemoryLog) -> Ledger<&MemoryLog, VirtualTime> {
    Ledger::new(log, VirtualTime::new(1))
}

fn send(busy: &Busy<'_>, method: &str, sku: &str, headers: &[(&str, &str)], body: &str) -> (u16, String, Value) {
    send_to(&InventoryApi::new(busy, ledger(busy.log), Access::open()), method, sku, headers, body)
}

fn send_to(
    api: &InventoryApi<&Busy<'_>, &MemoryLog, VirtualTime, impl KeySets>,
    method: &str,
    sku: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String, Value) {
    let path = format!("/inventory/{sku}");
    let request = http::Request::builder().method(method).uri(&path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = request.body(Body::from(body)).unwrap().with_raw_http_path(&path);
    let (head, body) = block_on(api.answer(&request)).into_parts();
    let tag = head.headers.get("etag").map(|tag| tag.to_str().unwrap().to_owned()).unwrap_or_default();
    (head.status.as_u16(), tag, serde_json::from_slice(&body).unwrap())
}

fn shown(on_hand: i64, reserved: i64) -> Value {
    json!({ "sku": "A-1", "onHand": on_hand, "reserved": reserved, "available": on_hand - reserved })
}

#[test]
fn a_count_is_absolute_and_has_a_tag() {
    let log = MemoryLog::default();
    let busy = Busy::new(&log);
    assert_eq!(send(&busy, "GET", "A-1", &[], "").0, 404);
    assert_eq!(send(&busy, "PUT", "A-1", &[], r#"{"onHand": 5}"#), (200, "\"1\"".to_owned(), shown(5, 0)));
    assert_eq!(send(&busy, "PUT", "A-1", &[], r#"{"onHand": 3}"#), (200, "\"2\"".to_owned(), shown(3, 0)));
    assert_eq!(send(&busy, "GET", "A-1", &[], ""), (200, "\"2\"".to_owned(), shown(3, 0)));
}

#[test]
fn what_is_reserved_stays_reserved() {
    let log = MemoryLog::default();
    let busy = Busy::new(&log);
    send(&busy, "PUT", "A-1", &[], r#"{"onHand": 5}"#);
    busy.rivals.set(2);
    // Two reservations come between: the count is reckoned anew from what they leave.
    assert_eq!(send(&busy, "PUT", "A-1", &[], r#"{"onHand": 10}"#), (200, "\"4\"".to_owned(), shown(10, 2)));
    assert_eq!(send(&busy, "PUT", "A-1", &[], r#"{"onHand": 1}"#).0, 409);
    assert_eq!(send(&busy, "PUT", "A-1", &[], r#"{"onHand": 2}"#).2, shown(2, 2));
    busy.rivals.set(1_000);
    assert_eq!(send(&busy, "PUT", "A-1", &[], r#"{"onHand": 5000}"#).0, 503);
}

#[test]
fn a_precondition_holds_at_the_moment_of_writing() {
    let log = MemoryLog::default();
    let busy = Busy::new(&log);
    let put = |tag: &str| send(&busy, "PUT", "A-1", &[("If-Match", tag)], r#"{"onHand": 5}"#).0;
    assert_eq!((put("*"), put("\"1\"")), (412, 412));
    send(&busy, "PUT", "A-1", &[], r#"{"onHand": 5}"#);
    assert_eq!((put("\"0\""), put("W/\"1\""), put("\"1\""), put("\"1\"")), (412, 412, 200, 412));
    assert_eq!((put("*"), put("\"9\", \"3\"")), (200, 200));
    busy.rivals.set(1);
    assert_eq!(put("\"4\""), 412);
    for no_tags in ["4", "\"", "\"4", "4\"", "\"5\", 4", "\"\"\"", "W/\"", "W/W/\"4\""] {
        assert_eq!(put(no_tags), 400, "{no_tags}");
    }
    assert_eq!((put(""), put(",\"0\","), put("\"5\",,")), (412, 412, 200));
}

#[test]
fn a_count_whose_answer_was_lost_is_no_conflict() {
    let log = MemoryLog::default();
    let busy = Busy::new(&log);
    busy.loses_answers.set(true);
    let count = |tag: &str| send(&busy, "PUT", "A-1", &[("If-Match", tag)], r#"{"onHand": 5}"#);
    assert_eq!(send(&busy, "PUT", "A-1", &[], r#"{"onHand": 3}"#), (200, "\"1\"".to_owned(), shown(3, 0)));
    assert_eq!(count("\"1\""), (200, "\"2\"".to_owned(), shown(5, 0)));
    assert_eq!(count("\"1\"").0, 412);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A count that is taken is what was counted, and one that is refused changes nothing.
    #[test]
    fn any_count_is_taken_or_a_problem_of_the_caller(
        body in prop_oneof![
            (-1..=MAX_ON_HAND + 1).prop_map(|count| json!({ "onHand": count })),
            (-2..=2).prop_map(|halves| json!({ "onHand": f64::from(halves) / 2.0 })),
            json().prop_map(|count| json!({ "onHand": count })),
            json(),
        ],
        tag in prop_oneof!["(W/)?\"[0-2]\"( ?, ?\"[0-2]\")?|\\*", "[ -~]{1,8}", "[\",W/* ]{1,4}"],
    ) {
        let log = MemoryLog::default();
        let busy = Busy::new(&log);
        let before = send(&busy, "PUT", "A-1", &[], r#"{"onHand": 5}"#);
        let whole = |count: &Value| count.as_i64().or_else(|| count.to_string().strip_suffix(".0")?.parse().ok());
        let count = body.get("onHand").and_then(whole).filter(|count| (0..=MAX_ON_HAND).contains(count));
        let answer = send(&busy, "PUT", "A-1", &[("If-Match", &tag)], &body.to_string());
        let tags: Vec<&str> = tag.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
        let is_any = tag.trim() == "*";
        let is_formed = |tag: &&str| {
            let opaque = tag.strip_prefix("W/").unwrap_or(tag);
            opaque.len() > 1 && opaque.starts_with('"') && opaque.ends_with('"') && opaque.matches('"').count() == 2
        };
        let expected = match count {
            _ if !is_any && !tags.iter().all(is_formed) => 400,
            None => 422,
            Some(_) if !is_any && !tags.contains(&"\"1\"") => 412,
            Some(_) => 200,
        };
        prop_assert_eq!(answer.0, expected);
        if let (200, Some(count)) = (expected, count) {
            prop_assert_eq!(&answer, &(200, "\"2\"".to_owned(), shown(count, 0)));
            prop_assert_eq!(send(&busy, "GET", "A-1", &[], ""), answer);
        } else {
            prop_assert_eq!(send(&busy, "GET", "A-1", &[], ""), before);
        }
    }
}

#[test]
fn bad_counts_are_told_what_is_wrong() {
    let log = MemoryLog::default();
    let busy = Busy::new(&log);
    for (sku, body, status) in [
        ("A-1", "", 400),
        ("A-1", "{}", 422),
        ("A-1", r#"{"onHand": -1}"#, 422),
        ("A-1", r#"{"onHand": 1.5}"#, 422),
        ("A-1", r#"{"onHand": "1"}"#, 422),
        ("A-1", r#"{"onHand": 99999999999999999999}"#, 422),
        ("A%201", r#"{"onHand": 1}"#, 422),
    ] {
        assert_eq!(send(&busy, "PUT", sku, &[], body).0, status, "{sku} {body}");
    }
    assert_eq!(send(&busy, "DELETE", "A-1", &[], "").0, 404);
}

#[test]
fn the_stock_is_for_those_who_have_a_scope_for_it() {
    let (log, issuer) = (MemoryLog::default(), MemoryIssuer::new("1"));
    let busy = Busy::new(&log);
    send(&busy, "PUT", "A-1", &[], r#"{"onHand": 5}"#);
    let api = InventoryApi::new(&busy, ledger(&log), issuer.access());
    let forged = MemoryIssuer::new("1").token("ada", "stock:read stock:write");
    for (token, read, write) in [
        (None, 401, 401),
        (Some(forged), 401, 401),
        (Some(issuer.token("ada", "")), 403, 403),
        (Some(issuer.token("ada", "orders:any prices:write")), 403, 403),
        (Some(issuer.token("ada", "stock:read")), 200, 403),
        (Some(issuer.token("ada", "stock:write")), 403, 200),
        (Some(issuer.token("ada", "stock:read stock:write")), 200, 200),
    ] {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
        let statuses = [("GET", ""), ("PUT", r#"{"onHand": 5}"#)]
            .map(|(method, body)| send_to(&api, method, "A-1", &headers, body).0);
        assert_eq!(statuses, [read, write], "{headers:?}");
        // Who may not is not told what is wrong with their request either.
        let bad = send_to(&api, "PUT", "A-1", &headers, "{").0;
        assert_eq!(bad, if write == 200 { 400 } else { write });
    }
}

/// Goods of an order that were shipped, and that the customer sends back.
fn awaited(log: &MemoryLog) -> &'static str {
    use orderflow_events::{
        Event, OrderId, ReturnId, ReturnRequested, ShipmentCreated, ShipmentId, Text, Time, sample,
    };
    for (sku, pieces) in [("A-1", 5), ("B-2", 4)] {
        log.set_counter(sku, AVAILABLE, pieces);
    }
    let order_id = OrderId::new("ord_1").unwrap();
    let (shipment_id, text) = (ShipmentId::of(&order_id), Text::shortened);
    let (carrier, tracking_number) = (text("C"), text("T"));
    let process = onewrite::Process::<Inventory, _, _, _>::new(ledger(log), onewrite::NoEffects);
    let events: [Event; 3] = [
        sample::event(sample::order("ord_1")),
        sample::event(ShipmentCreated { order_id: order_id.clone(), shipment_id, carrier, tracking_number }),
        sample::event(ReturnRequested { return_id: ReturnId::of(&order_id), order_id }),
    ];
    for event in events {
        let delivery = onewrite::Delivery { text: "", deadline: Time::from_millis(i64::MAX) };
        block_on(onewrite::Handle::handle(&process, &event, &delivery)).unwrap();
    }
    "/orders/ord_1/returns"
}

fn take_back(
    api: &InventoryApi<&Busy<'_>, &MemoryLog, VirtualTime, impl KeySets>,
    path: &str,
    token: Option<&str>,
) -> (u16, Value) {
    let request = http::Request::builder().method("POST").uri(path);
    let request =
        token.iter().fold(request, |request, token| request.header("Authorization", format!("Bearer {token}")));
    let (head, body) = block_on(api.answer(&request.body(Body::Empty).unwrap().with_raw_http_path(path))).into_parts();
    (head.status.as_u16(), serde_json::from_slice(&body).unwrap())
}

#[test]
fn goods_that_are_back_are_on_hand_once_however_often_it_is_said() {
    let log = MemoryLog::default();
    let (path, busy) = (awaited(&log), Busy::new(&log));
    let api = InventoryApi::new(&busy, ledger(&log), Access::open());
    let stock = || ["A-1", "B-2"].map(|sku| log.counter(sku, AVAILABLE));
    assert_eq!(stock(), [2, 3]);
    let first = take_back(&api, path, None);
    assert_eq!(first.0, 200, "{}", first.1);
    assert_eq!(first.1["lines"], json!([{ "sku": "A-1", "quantity": 3 }, { "sku": "B-2", "quantity": 1 }]));
    assert_eq!((&first.1["orderId"], stock()), (&json!("ord_1"), [5, 4]));
    assert_eq!((take_back(&api, path, None), stock()), (first, [5, 4]));
    let told = log.published::<orderflow_events::Payload>();
    assert_eq!(told.len(), 2, "the reservation and the return");
    assert_eq!(told[1].context.correlation_id, told[0].context.correlation_id, "one flow");
}

#[test]
fn goods_are_taken_back_of_those_who_may_and_where_they_are_awaited() {
    let (log, issuer) = (MemoryLog::default(), MemoryIssuer::new("1"));
    let (path, busy) = (awaited(&log), Busy::new(&log));
    let api = InventoryApi::new(&busy, ledger(&log), issuer.access());
    let [reader, writer] = ["stock:read orders:any", "stock:write"].map(|scopes| issuer.token("ada", scopes));
    for (path, token, status) in [
        (path, None, 401),
        (path, Some(&reader), 403),
        ("/orders/ord_2/returns", Some(&writer), 404),
        ("/orders/a%20b/returns", Some(&writer), 404),
        (path, Some(&writer), 200),
    ] {
        assert_eq!(take_back(&api, path, token.map(String::as_str)).0, status, "{path} {token:?}");
    }
    let shipped = MemoryLog::default();
    shipped.set_counter("A-1", AVAILABLE, 5);
    shipped.set_counter("B-2", AVAILABLE, 5);
    let process = onewrite::Process::<Inventory, _, _, _>::new(ledger(&shipped), onewrite::NoEffects);
    let delivery = onewrite::Delivery { text: "", deadline: orderflow_events::Time::from_millis(i64::MAX) };
    let created = orderflow_events::sample::event(orderflow_events::sample::order("ord_1"));
    block_on(onewrite::Handle::handle(&process, &created, &delivery)).unwrap();
    let busy = Busy::new(&shipped);
    let (status, problem) = take_back(&InventoryApi::new(&busy, ledger(&shipped), Access::open()), path, None);
    assert_eq!((status, &problem["type"]), (409, &json!("urn:orderflow:problem:return-not-requested")));
}
