//! Prices: of the table, as a customer expects them, and frozen in an order.

use orderflow_local::{Api, Reply};
use orderflow_tests::Shop;
use serde_json::{Value, json};

use crate::{FULFILLED, foreign_order, order};

const SKU: &str = "priced";

/// Producer that may not.
const MARKET: &str = "https://market.example";

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

pub(crate) async fn a_producer_that_is_not_named_states_no_prices(shop: &Shop) {
    let sku = "market";
    shop.stock(sku, 10).await;
    let of_market = |id: &str, sku: &str, source: &str, cents: u64| {
        let mut event = foreign_order(id, sku);
        event["source"] = json!(source);
        event["data"]["lines"] = json!([{ "sku": sku, "quantity": 2, "unitPrice": euros(cents) }]);
        event["data"]["total"] = euros(2 * cents);
        event
    };
    let unlisted = of_market("web-market-1", sku, MARKET, CENTS[0]);
    shop.publish(&unlisted).await;
    shop.wait_for_letter("Intake", &unlisted.to_string()).await;
    shop.price(sku, CENTS[0]).await;
    let too_cheap = of_market("web-market-2", sku, MARKET, 1);
    shop.publish(&too_cheap).await;
    // Nobody passes for another by a longer name.
    let nearly = of_market("web-market-3", sku, "https://shop.example/web/2", 1);
    shop.publish(&nearly).await;
    shop.publish(&of_market("web-market-4", sku, MARKET, CENTS[0])).await;
    shop.publish(&of_market("web-market-5", sku, "https://shop.example/web", 1)).await;
    for id in ["web-market-4", "web-market-5"] {
        shop.wait_for(id, "shipped").await;
        shop.wait_for_types(id, &FULFILLED).await;
    }
    assert_eq!(shop.show("web-market-4").await["total"], euros(2 * CENTS[0]));
    assert_eq!(shop.show("web-market-5").await["total"], euros(2), "a producer that is named states what it likes");
    for event in [&unlisted, &too_cheap, &nearly] {
        let letter = shop.wait_for_letter("Intake", &event.to_string()).await;
        let (class, reason) = (letter.field("class"), letter.field("reason"));
        assert_eq!(class, "permanent", "{reason}");
        assert!(reason.contains("the producer may not state prices"), "{reason}");
        assert!(!reason.contains("example.com"), "{reason}");
        let id = event["subject"].as_str().expect("a subject");
        assert_eq!(shop.types(id).await, [""; 0], "no order has come of it");
        shop.drop_letter(&letter).await;
    }
    shop.wait_for_shelf(sku, [6, 0, 6]).await;
}
