use futures::executor::block_on;
use lambda_http::RequestExt;
use lambda_http::http::Request as Builder;
use onewrite::memory::{MemoryIssuer, MemoryLog, VirtualTime};
use onewrite::{Commit, History, Origin};
use orderflow_events::{Text, sample};
use orderflow_inventory::{AVAILABLE, RESERVED, REVISION};
use serde_json::json;

use super::*;

/// A shop, and those who ask it.
struct Door {
    world: VirtualTime,
    orders: MemoryLog,
    stock: MemoryLog,
    issuer: MemoryIssuer,
    may_introspect: bool,
}

impl Door {
    fn new() -> Self {
        let stock = MemoryLog::default();
        for (counter, value) in [(AVAILABLE, 7), (RESERVED, 3), (REVISION, 1)] {
            stock.set_counter("beans", counter, value);
        }
        let door = Self {
            world: VirtualTime::new(1),
            orders: MemoryLog::default(),
            stock,
            issuer: MemoryIssuer::new("1"),
            may_introspect: false,
        };
        for (id, customer) in [("ord_1", "ada"), ("ord_2", "ada"), ("ord_3", "grace"), ("ord_4", "ada")] {
            door.place(id, customer);
        }
        door
    }

    fn place(&self, id: &str, customer: &str) {
        let mut order = sample::order(id);
        order.details.customer.id = Text::new(customer).unwrap();
        let ledger = Ledger::new(&self.orders, &self.world);
        let origin = Origin::from(&sample::event(order.clone()));
        let mut history = History::<Orders>::unknown(Subject::new(id).unwrap());
        block_on(ledger.commit(&mut history, &origin, Commit::publish(order))).unwrap();
        self.world.pass(std::time::Duration::from_secs(1));
    }

    fn post(&self, token: Option<String>, headers: &[(&str, &str)], body: &str) -> (u16, String, Value) {
        let mut request = Builder::post("/graphql").header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::from(body.to_owned())).unwrap().with_raw_http_path("/graphql");
        let ledger = Ledger::new(&self.orders, &self.world);
        let api = GraphqlApi::new(ledger, &self.stock, self.issuer.access(), self.may_introspect);
        let answer = block_on(api.answer(&request));
        let media_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), media_type, serde_json::from_slice(answer.body().as_ref()).unwrap())
    }

    /// The answer to a query of somebody with those scopes.
    fn ask(&self, subject: &str, scopes: &str, query: &str) -> Value {
        let body = json!({ "query": query }).to_string();
        let (status, _, answer) = self.post(Some(self.issuer.token(subject, scopes)), &[], &body);
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

/// The code of the first error.
fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn an_order_is_shown_to_its_customer_and_to_whoever_may_see_any() {
    let door = Door::new();
    let query = "{ order(id: \"ord_1\") { id status customer { id } total { amount currency } timeline { type } } }";
    for (subject, scopes, is_shown) in [("ada", "", true), ("staff", "orders:any", true), ("grace", "", false)] {
        let order = door.ask(subject, scopes, query)["data"]["order"].clone();
        let expected = json!({
            "id": "ord_1", "status": "CREATED", "customer": { "id": "ada" },
            "total": { "amount": 3685, "currency": "EUR" }, "timeline": [{ "type": "OrderCreated" }],
        });
        assert_eq!(order, if is_shown { expected } else { Value::Null }, "{subject}");
    }
    for unknown in ["ord_9", "x y", ""] {
        let answer = door.ask("ada", "", &format!("{{ order(id: \"{unknown}\") {{ id }} }}"));
        assert_eq!(answer, json!({ "data": { "order": null } }));
    }
}

#[test]
fn the_orders_of_a_customer_come_in_pages() {
    let door = Door::new();
    let page = |arguments: &str| {
        let query = format!("{{ orders({arguments}) {{ nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }} }}");
        door.ask("ada", "", &query)["data"]["orders"].clone()
    };
    let ids =
        |page: &Value| page["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()).collect::<Vec<_>>();
    let first = page("first: 2");
    assert_eq!(ids(&first), ["ord_1", "ord_2"]);
    assert_eq!(first["pageInfo"], json!({ "hasNextPage": true, "endCursor": "ord_2" }));
    let second = page("first: 2, after: \"ord_2\"");
    assert_eq!(ids(&second), ["ord_4"]);
    assert_eq!(second["pageInfo"], json!({ "hasNextPage": false, "endCursor": "ord_4" }));
    assert_eq!(ids(&page("first: 50, status: CREATED")).len(), 3);
    assert!(ids(&page("first: 50, status: SHIPPED")).is_empty());

    let of_grace = "{ orders(customer: \"grace\") { nodes { id } } }";
    assert_eq!(code(&door.ask("ada", "", of_grace)), "FORBIDDEN");
    assert_eq!(door.ask("staff", "orders:any", of_grace)["data"]["orders"]["nodes"], json!([{ "id": "ord_3" }]));
    for first in ["0", "51", "-1"] {
        let answer = door.ask("ada", "", &format!("{{ orders(first: {first}) {{ nodes {{ id }} }} }}"));
        assert!(answer["errors"].is_array(), "{first}: {answer}");
    }
}

#[test]
fn stock_is_for_those_who_may_see_it() {
    let door = Door::new();
    let query = "{ stock(sku: \"beans\") { onHand reserved available } none: stock(sku: \"tea\") { sku } }";
    let shown = door.ask("staff", "stock:read", query);
    assert_eq!(shown, json!({ "data": { "stock": { "onHand": 10, "reserved": 3, "available": 7 }, "none": null } }));
    let refused = door.ask("ada", "", query);
    assert_eq!((code(&refused), &refused["data"]["stock"]), ("FORBIDDEN", &Value::Null));
}

#[test]
fn what_is_too_much_is_not_executed() {
    let door = Door::new();
    let many = (0..60).map(|number| format!("a{number}: orders(first: 50) {{ nodes {{ id }} }}"));
    let many = many.collect::<Vec<_>>().join(" ");
    assert_eq!(door.ask("ada", "", &format!("{{ {many} }}"))["errors"][0]["message"], "Query is too complex.");
    let answer = door.ask("ada", "", "{ __schema { types { name } } }");
    assert!(answer["data"]["__schema"].is_null(), "{answer}");
    let long = json!({ "query": format!("{{ __typename {} }}", " ".repeat(MAX_REQUEST_BYTES)) }).to_string();
    assert_eq!(door.post(Some(door.issuer.token("ada", "")), &[], &long).0, 413);
    let door = Door { may_introspect: true, ..Door::new() };
    assert_eq!(
        door.ask("ada", "", "{ __schema { queryType { name } } }")["data"]["__schema"]["queryType"]["name"],
        "Query"
    );
    // The schema alone is nested without end: nine fields deep, and eleven, of which ten are allowed.
    let nested = |times: usize| {
        let (fields, ends) = ("{ fields { type ".repeat(times), "} }".repeat(times));
        door.ask("ada", "", &format!("{{ __schema {{ types {fields}{{ name }}{ends} }} }}"))
    };
    let answer = nested(3);
    assert!(answer["errors"].is_null() && answer["data"]["__schema"].is_object(), "{answer}");
    assert_eq!(nested(4)["errors"][0]["message"], "Query is nested too deep.");
}

#[test]
fn fragments_that_multiply_are_not_walked() {
    let door = Door::new();
    let of = |levels: usize| {
        let twice = |level: usize| format!("fragment f{level} on Order {{ ...f{0} ...f{0} }}", level + 1);
        let fragments = (0..levels).map(twice).collect::<Vec<_>>().join(" ");
        format!("{{ order(id: \"o\") {{ ...f0 }} }} {fragments} fragment f{levels} on Order {{ id }}")
    };
    assert_eq!(door.ask("ada", "", &of(7))["data"], json!({ "order": null }), "what means something is answered");
    // Walked, it would be a thousand million fields.
    let answer = door.ask("ada", "", &of(28));
    assert_eq!(answer["errors"][0]["message"], "A request has at most 16 spreads of fragments.");
}

#[test]
fn requests_are_answered_as_graphql_over_http_has_it() {
    let door = Door::new();
    let of = |query: &str| json!({ "query": query }).to_string();
    let (good, wrong) = (of("{ __typename }"), of("{ nothing }"));
    for (accept, body, status, media_type) in [
        (None, good.as_str(), 200, JSON),
        (Some("*/*"), &good, 200, JSON),
        (Some(RESPONSE), &good, 200, RESPONSE),
        (Some("application/graphql-response+json; charset=utf-8, application/json"), &good, 200, RESPONSE),
        (Some("text/html"), &good, 406, "application/problem+json"),
        (None, &wrong, 200, JSON),
        (Some(RESPONSE), &wrong, 400, RESPONSE),
        (None, "{", 400, "application/problem+json"),
        (None, "[]", 400, "application/problem+json"),
        (None, r#"{"query": 1}"#, 400, "application/problem+json"),
        (None, r#"{"query": "{ __typename }", "variables": []}"#, 400, "application/problem+json"),
        (None, r#"{"query": "{ __typename }", "operationName": 1}"#, 400, "application/problem+json"),
        (
            None,
            r#"{"query": "{ __typename }", "operationName": null, "variables": null, "extensions": null}"#,
            200,
            JSON,
        ),
    ] {
        let headers: Vec<(&str, &str)> = accept.map(|accept| ("accept", accept)).into_iter().collect();
        let answer = door.post(Some(door.issuer.token("ada", "")), &headers, body);
        assert_eq!((answer.0, answer.1.as_str()), (status, media_type), "{accept:?} {body}: {}", answer.2);
    }
    assert_eq!(door.post(None, &[], &good).0, 401);
}
