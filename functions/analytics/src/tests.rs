//! Tests of the analytics service in memory: what it counts, and its board.

use futures::executor::block_on;
use lambda_http::{Body, Request, RequestExt, Response, http};
use onewrite::access::Access;
use onewrite::memory::{MemoryIssuer, MemoryLog, VirtualTime};
use onewrite::port::Clock;
use onewrite::{Delivery, Handle, Handled, Ledger, NoEffects, Process};
use orderflow_events::{Event, OrderId, PaymentId, PaymentProcessed, sample};
use serde_json::{Value, json};

use super::*;

fn hear(log: &MemoryLog, time: &VirtualTime, event: &Event) -> Handled {
    let service = Process::<Analytics, _, _, _>::new(Ledger::new(log, time), NoEffects);
    block_on(service.handle(event, &Delivery { text: "", deadline: event.context.time })).unwrap()
}

fn ask(log: &MemoryLog, time: &VirtualTime, path: &str) -> (u16, Value) {
    let request: Request = http::Request::get(path).body(Body::Empty).unwrap().with_raw_http_path(path);
    let api = AnalyticsApi::new(log, time, Access::open());
    read(&block_on(api.answer(&request)))
}

fn read(response: &Response<Body>) -> (u16, Value) {
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
}

#[test]
fn the_board_sums_over_all_orders_and_counts_a_duplicate_once() {
    let (log, time) = (MemoryLog::default(), VirtualTime::new(1));
    let total = sample::order("x").total;
    for number in 0..20 {
        let order_id = OrderId::new(format!("ord_{number}")).unwrap();
        let payment_id = PaymentId::of(&order_id);
        let mut created = sample::another_event(sample::order(order_id.as_str()), number);
        let paid = PaymentProcessed { order_id, payment_id, amount: total };
        let mut paid = sample::another_event(paid, number + 100);
        created.context.time = time.now();
        paid.context.time = time.now();
        assert_eq!(hear(&log, &time, &paid), Handled::Changed);
        assert_eq!(hear(&log, &time, &created), Handled::Changed);
        assert_eq!([&paid, &created].map(|event| hear(&log, &time, event)), [Handled::Duplicate; 2]);
    }
    let (status, board) = ask(&log, &time, "/operations/board");
    assert_eq!(status, 200, "{board}");
    let sum = |list: &str, name: &str| -> i64 {
        board[list].as_array().unwrap().iter().map(|tally| tally[name].as_i64().unwrap()).sum()
    };
    let revenue = 20 * total.amount();
    assert_eq!([sum("minutes", "created"), sum("minutes", "paid"), sum("hours", "paid")], [20; 3], "{board}");
    assert_eq!([sum("minutes", "paidAmount"), sum("hours", "paidAmount"), sum("skus", "amount")], [revenue; 3]);
    assert_eq!(board["skus"][0]["currency"], "EUR");
    time.pass(std::time::Duration::from_hours(2));
    let (_, later) = ask(&log, &time, "/operations/board");
    assert_eq!((&later["minutes"], &later["skus"]), (&json!([]), &json!([])));
    assert_eq!(later["hours"][0]["paid"], 20, "{later}");
    time.pass(std::time::Duration::from_hours(24));
    assert_eq!(ask(&log, &time, "/operations/board").1["hours"], json!([]));
}

#[test]
fn the_board_is_for_operators_and_readers_of_events() {
    let (log, time, issuer) = (MemoryLog::default(), VirtualTime::new(1), MemoryIssuer::new("1"));
    let api = AnalyticsApi::new(&log, &time, issuer.access());
    let ask = |path: &str, token: Option<String>| {
        let mut request = http::Request::get(path);
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        block_on(api.answer(&request.body(Body::Empty).unwrap().with_raw_http_path(path))).status().as_u16()
    };
    let staff = || Some(issuer.token("staff", "operations"));
    assert_eq!(ask("/operations/board", None), 401);
    assert_eq!(ask("/operations/board", Some(issuer.token("ada", "orders:any"))), 403);
    assert_eq!(ask("/operations/board", staff()), 200);
    assert_eq!(ask("/operations/board", Some(issuer.token("reader", "events:read"))), 200);
    assert_eq!(ask("/operations/other", staff()), 404);
}
