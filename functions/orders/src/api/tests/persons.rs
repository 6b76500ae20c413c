//! Persons of orders: sealed before the first row, and shown as long as somebody can open them.

use onewrite::port::Appended;
use onewrite::{Cause, Row};

use super::*;

#[test]
fn who_orders_is_in_no_row() {
    let shop = Shop::new();
    let placed = shop.place(&order(), Some("key-1")).body;
    let rows = block_on(shop.log.read(&Subject::new(placed["orderId"].as_str().unwrap()).unwrap())).unwrap();
    let kept = format!("{rows:?}");
    for personal in ["Lovelace", "ada@example.com", "4930123456", "Analytical", "Berlin", "10115"] {
        assert!(!kept.contains(personal), "{personal}");
    }
    assert_eq!(shop.keys.owners(), ["cus_1"]);
}

/// As an earlier build has stored it, in clear.
#[test]
fn an_order_on_record_in_an_older_version_is_shown() {
    for version in [1, 2] {
        let shop = Shop::new();
        let mut event = sample::event_document("ord_1");
        event["dataschema"] = json!(format!("urn:orderflow:OrderCreated:{version}"));
        let cause = Cause::from(&sample::event(sample::order("ord_1")));
        let at = orderflow_events::Time::from_millis(0);
        let events = vec![event.to_string()];
        let row = Row { version: 1, at, cause, owner: None, unfinished: false, change: None, events };
        assert_eq!(block_on(shop.log.append(&Subject::new("ord_1").unwrap(), &row, &[])), Ok(Appended::Done));
        let shown = shop.send("GET", "/orders/ord_1", &[], Body::Empty);
        assert_eq!((shown.status, &shown.body["customer"]), (200, &order()["customer"]), "version {version}");
        assert_eq!(shop.cancel("ord_1").status, 202);
    }
}

#[test]
fn a_customer_who_is_erased_is_shown_to_nobody() {
    let shop = Shop::new();
    let placed = shop.place(&order(), Some("key-1"));
    let id = placed.body["orderId"].as_str().unwrap();
    assert_eq!(block_on(shop.keys.erase("cus_1")), Ok(true));
    let shown = shop.send("GET", &format!("/orders/{id}"), &[], Body::Empty);
    assert_eq!((shown.status, &shown.body["customer"]), (200, &json!({ "id": "cus_1", "erased": true })));
    assert_eq!(shown.body["lines"], order()["lines"]);
    let (status, _, page) = shop.page("GET", id, "");
    assert!(status == 200 && !page.contains("Lovelace") && !page.contains("ada@example.com"), "{page}");
    // The same request is the same order still, though nobody can tell any more whose name was in it.
    let mut renamed = order();
    renamed["customer"]["name"] = json!("Grace Hopper");
    for again in [order(), renamed] {
        let again = shop.place(&again, Some("key-1"));
        assert_eq!((again.status, &again.body), (201, &placed.body));
        assert_eq!(again.headers["idempotent-replayed"], "true");
    }
    let mut other = order();
    other["lines"][0]["quantity"] = json!(9);
    assert_eq!(shop.place(&other, Some("key-1")).status, 422);
    assert_eq!(shop.published(), ["OrderCreated"]);
    // Who comes back is somebody new, and what was sealed before stays shut.
    let again = shop.place(&order(), Some("key-2")).body;
    let customer = |id: &Value| {
        let path = format!("/orders/{}", id.as_str().unwrap());
        shop.send("GET", &path, &[], Body::Empty).body["customer"].clone()
    };
    assert_eq!(customer(&again["orderId"]), order()["customer"]);
    assert_eq!(customer(&placed.body["orderId"])["erased"], true);
}
