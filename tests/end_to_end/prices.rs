//! Prices: of the table, as a customer expects them, and frozen in an order.

use orderflow_local::{Api, Reply};
use orderflow_tests::Shop;
use serde_json::{Value, json};

use crate::order;

const SKU: &str = "priced";

/// Price of a piece, before and after the first orders.
const CENTS: [u64; 2] = [1490, 1590];

/// An order of two pieces, with what its customer expects a piece to cost, if anything.
fn order_at(cents: Option<u64>) -> Value {
    let mut order = order(SKU, 2, "pm_card_visa");
    order["lines"][0]["unitPrice"] = cents.map_or(Value::Null, euros);
    order
}

fn euros(cents: u64) -> Value {
    json!({ "amount": cents, "currency": "EUR" })
}

async fn place(api: &Api, order: &Value, key: &str) -> Reply {
    api.place_order(order, Some(key)).await.expect("an answer")
}

pub(crate) async fn an_order_costs_what_the_table_says_when_it_is_placed(shop: &Shop) {
    shop.stock(SKU, 10).await;
    let customer = shop.api_as(&format!("cus_{SKU}"), "");
    let unpriced = place(&customer, &order_at(None), "1").await;
    assert_eq!((unpriced.status, &unpriced.body["errors"][0]["pointer"]), (422, &json!("/lines/0/unitPrice")));
    shop.price(SKU, CENTS[0]).await;
    let orders = [order_at(None), order_at(Some(CENTS[0]))];
    let mut placed = Vec::new();
    for (order, key) in orders.iter().zip(["2", "3"]) {
        let reply = place(&customer, order, key).await;
        assert_eq!((reply.status, &reply.body["total"]), (201, &euros(2 * CENTS[0])), "{}", reply.body);
        placed.push(reply);
    }
    shop.price(SKU, CENTS[1]).await;
    // The price is frozen, and the same request is the same order.
    for ((order, first), key) in orders.iter().zip(&placed).zip(["2", "3"]) {
        let again = place(&customer, order, key).await;
        assert_eq!((again.status, &again.body), (201, &first.body));
        assert_eq!(again.header("Idempotent-Replayed"), Some("true"));
    }
    let changed = place(&customer, &orders[1], "4").await;
    assert_eq!((changed.status, &changed.body["type"]), (409, &json!("urn:orderflow:problem:price-changed")));
    assert_eq!(changed.body["prices"], json!([{ "sku": SKU, "unitPrice": euros(CENTS[1]) }]));
    assert_eq!(changed.body["errors"][0]["pointer"], "/lines/0/unitPrice");
    // The shop's own programs name what they like.
    let named = place(&shop.api, &order_at(Some(1)), "5").await;
    assert_eq!((named.status, &named.body["total"]), (201, &euros(2)), "{}", named.body);
    let id = placed[0].body["orderId"].as_str().expect("an id");
    let shown = shop.wait_for(id, "shipped").await;
    assert_eq!(shown["lines"][0]["unitPrice"], euros(CENTS[0]));
    assert_eq!(shown["payment"]["amount"], euros(2 * CENTS[0]), "what is charged is the total");
}
