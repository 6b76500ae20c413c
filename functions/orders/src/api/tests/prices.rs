//! Prices: who sets them, who names them, and which of them an order is placed at.

use super::*;

const STATES: &str = "prices:state orders:any";

fn eur(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

/// A shop, and callers by their tokens.
struct Doors {
    shop: Shop,
    issuer: MemoryIssuer,
}

impl Doors {
    fn new() -> Self {
        Self { shop: Shop::new(), issuer: MemoryIssuer::new("1") }
    }

    fn set(&self, sku: &str, price: &Value) -> Reply {
        self.ask(Some("prices:write"), "PUT", &format!("/prices/{sku}"), &json!({ "unitPrice": price }))
    }

    /// A request of Ada with those scopes, or without a token.
    fn ask(&self, scopes: Option<&str>, method: &str, path: &str, body: &Value) -> Reply {
        let token = scopes.map(|scopes| self.issuer.token("ada", scopes));
        self.shop.send_as(&self.issuer, token.as_deref(), method, path, body)
    }

    /// Places an order of Ada whose three lines have these prices.
    fn place(&self, scopes: &str, prices: [Option<Value>; 3]) -> Reply {
        self.ask(Some(scopes), "POST", "/orders", &order_at(prices))
    }
}

fn order_at(prices: [Option<Value>; 3]) -> Value {
    let mut order = order_of(&json!("ada"));
    for (line, price) in order["lines"].as_array_mut().unwrap().iter_mut().zip(prices) {
        line["unitPrice"] = json!(price);
    }
    order
}

#[test]
fn a_price_is_set_by_those_who_may_and_seen_by_all_who_are_let_in() {
    let doors = Doors::new();
    let body = json!({ "unitPrice": eur(1490) });
    for (scopes, get, put) in [
        (None, 401, 401),
        (Some(""), 200, 403),
        (Some("prices:state stock:write orders:any"), 200, 403),
        (Some("prices:write"), 200, 200),
    ] {
        assert_eq!(doors.ask(scopes, "GET", "/prices/A-1", &Value::Null).status, get, "{scopes:?}");
        assert_eq!(doors.ask(scopes, "PUT", "/prices/A-1", &body).status, put, "{scopes:?}");
    }
    let shown = json!({ "sku": "A-1", "unitPrice": eur(1490) });
    assert_eq!(doors.ask(Some(""), "GET", "/prices/A-1", &Value::Null).body, shown);
    assert_eq!(doors.set("A-1", &eur(1490)).body, shown, "the same again");
    for unknown in ["a-1", "A%201", "none"] {
        assert_eq!(doors.ask(Some(""), "GET", &format!("/prices/{unknown}"), &Value::Null).status, 404, "{unknown}");
    }
    assert_eq!(doors.ask(Some("prices:write"), "DELETE", "/prices/A-1", &Value::Null).status, 404);
}

#[test]
fn a_price_that_is_none_is_told_with_all_its_faults() {
    let doors = Doors::new();
    for (price, expected) in [
        (Value::Null, vec!["/unitPrice"]),
        (json!(5), vec!["/unitPrice"]),
        (json!({}), vec!["/unitPrice/amount", "/unitPrice/currency"]),
        (json!({ "amount": -1, "currency": "eur" }), vec!["/unitPrice/amount", "/unitPrice/currency"]),
        (json!({ "amount": 100_000_000, "currency": "EUR" }), vec!["/unitPrice/amount"]),
        (json!({ "amount": 9.5, "currency": "XAU" }), vec!["/unitPrice/amount", "/unitPrice/currency"]),
    ] {
        let reply = doors.set("A-1", &price);
        assert_eq!((reply.status, pointers(&reply)), (422, expected), "{price}");
    }
    assert_eq!(doors.set("A%201", &eur(1)).status, 422);
    assert_eq!(doors.ask(Some(""), "GET", "/prices/A-1", &Value::Null).body["unitPrice"], eur(995));
}

#[test]
fn an_order_has_the_prices_of_the_table_or_of_one_who_may_state_them() {
    let total = |reply: &Reply| reply.body["total"]["amount"].as_i64();
    for (scopes, prices, expected) in [
        ("", [None, None, None], Ok(3685)),
        ("", [Some(eur(995)), None, Some(eur(995))], Ok(3685)),
        ("", [Some(eur(1)), None, None], Err(409)),
        ("orders:any prices:write", [Some(eur(1)), None, None], Err(409)),
        (STATES, [None, None, None], Ok(3685)),
        (STATES, [Some(eur(1)), Some(eur(2)), Some(eur(3))], Ok(7)),
        (STATES, [Some(eur(1)), None, Some(eur(3))], Ok(705)),
    ] {
        let doors = Doors::new();
        let reply = doors.place(scopes, prices.clone());
        assert_eq!(reply.status, expected.err().unwrap_or(201), "{scopes} {prices:?}: {}", reply.body);
        assert_eq!(total(&reply), expected.ok(), "{scopes} {prices:?}");
        let frozen: Vec<_> = doors.shop.log.published::<Payload>().into_iter().collect();
        assert_eq!(frozen.len(), usize::from(expected.is_ok()));
    }
}

#[test]
fn another_price_is_a_conflict_that_says_the_right_one() {
    let doors = Doors::new();
    let reply = doors.place("", [Some(eur(1)), Some(eur(700)), Some(eur(2))]);
    assert_eq!((reply.status, &reply.body["type"]), (409, &json!("urn:orderflow:problem:price-changed")));
    assert_eq!(pointers(&reply), ["/lines/0/unitPrice", "/lines/2/unitPrice"]);
    assert_eq!(reply.body["prices"], json!([{ "sku": "A-1", "unitPrice": eur(995) }]));
    let right = Some(reply.body["prices"][0]["unitPrice"].clone());
    assert_eq!(doors.place("", [right.clone(), Some(eur(700)), right]).status, 201);
}

#[test]
fn goods_without_a_price_are_not_sold() {
    let doors = Doors { shop: Shop::without_prices(), issuer: MemoryIssuer::new("1") };
    let all = ["/lines/0/unitPrice", "/lines/1/unitPrice", "/lines/2/unitPrice"];
    for scopes in ["", STATES] {
        let reply = doors.place(scopes, [None, None, None]);
        assert_eq!((reply.status, pointers(&reply)), (422, all.to_vec()), "{scopes}");
        assert_eq!(reply.body["prices"], Value::Null);
    }
    let expected = doors.place("", [Some(eur(1)), Some(eur(2)), Some(eur(3))]);
    assert_eq!((expected.status, pointers(&expected)), (422, all.to_vec()));
    doors.set("A-1", &eur(995));
    let reply = doors.place("", [Some(eur(1)), None, None]);
    assert_eq!((reply.status, pointers(&reply)), (422, all[..2].to_vec()), "all that is wrong, at once");
    let reply = doors.place(STATES, [Some(eur(1)), None, None]);
    assert_eq!((reply.status, pointers(&reply)), (422, vec![all[1]]));
    assert!(doors.shop.published().is_empty());
}

#[test]
fn prices_of_the_table_keep_the_rules_of_an_order() {
    let doors = Doors::new();
    doors.set("B-2", &json!({ "amount": 700, "currency": "JPY" }));
    let mixed = doors.place("", [None, None, None]);
    assert_eq!((mixed.status, pointers(&mixed)), (422, vec!["/lines"]));
    doors.set("B-2", &eur(99_999_999));
    let large = doors.place("", [None, None, None]);
    assert_eq!((large.status, pointers(&large)), (422, vec!["/lines"]));
    doors.set("B-2", &eur(0));
    let mut unpaid = order_at([None, None, None]);
    unpaid.as_object_mut().unwrap().remove("paymentMethod");
    let place = |order: &Value| doors.ask(Some(""), "POST", "/orders", order);
    let reply = place(&unpaid);
    assert_eq!((reply.status, pointers(&reply)), (422, vec!["/paymentMethod"]));
    doors.set("A-1", &eur(0));
    let free = place(&unpaid);
    assert_eq!((free.status, &free.body["total"]), (201, &eur(0)), "{}", free.body);
}

#[test]
fn a_key_gives_the_same_order_whatever_has_become_of_the_prices() {
    for (scopes, first) in [
        ("", [None, None, None]),
        ("", [Some(eur(995)), None, None]),
        (STATES, [None, Some(eur(5)), None]),
        (STATES, [Some(eur(1)), Some(eur(5)), Some(eur(1))]),
    ] {
        let doors = Doors::new();
        let placed = doors.place(scopes, first.clone());
        assert_eq!(placed.status, 201, "{}", placed.body);
        doors.set("A-1", &eur(1));
        doors.set("B-2", &json!({ "amount": 1, "currency": "JPY" }));
        let again = doors.place(scopes, first.clone());
        assert_eq!((again.status, &again.body), (201, &placed.body), "{scopes} {first:?}");
        assert_eq!(again.headers["idempotent-replayed"], "true");
        let other = doors.place(scopes, [Some(eur(2)), None, None]);
        assert_eq!(other.body["type"], "urn:orderflow:problem:idempotency-key-reused", "{}", other.body);
        assert_eq!(doors.shop.published(), ["OrderCreated"]);
    }
}

#[test]
fn where_access_is_open_everybody_states_prices() {
    let doors = Doors::new();
    let placed = doors.shop.place(&order_at([Some(eur(1)), Some(eur(2)), None]), None);
    assert_eq!((placed.status, &placed.body["total"]), (201, &eur(999)), "{}", placed.body);
    let put = doors.shop.send("PUT", "/prices/C-3", &[], json!({ "unitPrice": eur(3) }).to_string());
    assert_eq!(put.status, 200);
}
