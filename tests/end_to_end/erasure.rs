//! A customer is erased: from then on nobody can tell any more who they were, in whatever is kept.

use std::time::Duration;

use orderflow_tests::{Orderctl, Shop, eventually};
use serde_json::{Value, json};

use crate::metrics::lines;
use crate::order;

/// Texts of nobody but this customer, one for each field that says who somebody is.
const PERSONAL: [&str; 5] =
    ["Quintilla Vesper", "quintilla.vesper@example.com", "+49301234987", "Canary Mews 77", "Vesperburg"];

const CUSTOMER: &str = "cus_quintilla";

fn order_of_hers(method: &str) -> Value {
    let [name, email, phone, line1, city] = PERSONAL;
    let mut order = order("erasure", 1, method);
    order["customer"] = json!({ "id": CUSTOMER, "name": name, "email": email, "phone": phone });
    order["shippingAddress"] =
        json!({ "name": name, "line1": line1, "city": city, "postalCode": "10115", "country": "DE" });
    order
}

/// Places of the stack that have a text of hers in clear: tables, and the log of all functions.
async fn found(shop: &Shop) -> Vec<String> {
    let mut found = Vec::new();
    for table in shop.tables("").await {
        let items = format!("{:?}", shop.scan(&table).await);
        found.extend(PERSONAL.iter().filter(|text| items.contains(*text)).map(|text| format!("{table}: {text}")));
    }
    for function in ["orders-api", "orders", "screening", "shipping", "notification"] {
        let log = lines(shop, function).await.join("\n");
        found.extend(PERSONAL.iter().filter(|text| log.contains(*text)).map(|text| format!("{function}: {text}")));
    }
    found
}

fn is_erased(shown: &Value) -> bool {
    shown["customer"] == json!({ "id": CUSTOMER, "erased": true })
}

pub(crate) async fn a_customer_who_is_erased_is_in_nothing_that_is_kept(shop: &Shop) {
    shop.stock("erasure", 10).await;
    let shipped = shop.order(&order_of_hers("pm_card_visa")).await;
    shop.wait_for(&shipped, "shipped").await;
    // The provider is down for it: it stays open.
    let open = shop.order(&order_of_hers("pm_sim_unavailable_9")).await;
    assert_eq!(found(shop).await, [""; 0], "she is in nothing that is kept, before she is erased");

    let ctl = Orderctl::of(shop, "officer", "privacy");
    let export = ctl.json(&["customer", "export", CUSTOMER]).await.remove(0);
    let text = export.to_string();
    assert!(PERSONAL.iter().all(|personal| text.contains(personal)), "{export:#}");
    let held = export["orders"].as_array().expect("orders").len();
    assert_eq!(held, 2, "{export:#}");

    let backup = shop.scan(shop.output("OrdersTableName")).await;
    let erased = ctl.run(&["customer", "erase", CUSTOMER, "--yes"]).await;
    assert_eq!(
        (erased.code, erased.stdout.as_str()),
        (Some(0), "cus_quintilla is erased. Orders that know them no more: 2.\n"),
        "{erased:?}"
    );
    for order in [&shipped, &open] {
        assert!(is_erased(&shop.show(order).await), "{order}");
    }
    let status = shop.show(&open).await["status"].clone();
    assert!(status == "cancelled" || status == "shipped", "{status}");
    assert_eq!(shop.show(&shipped).await["status"], "shipped");
    eventually("the journal has it", async || {
        let journal = format!("{:?}", shop.scan(shop.output("JournalTableName")).await);
        let told = journal.matches("PersonalDataErased:1").count();
        if told >= 2 { Ok(()) } else { Err(json!(told)) }
    })
    .await;

    // Rows of a backup open nothing: they say no more than those that are there.
    let rows = format!("{backup:?}");
    assert!(PERSONAL.iter().all(|personal| !rows.contains(personal)), "a backup of before has somebody in it");
    let keys = shop.scan(shop.output("CustomerKeysName")).await;
    assert!(!format!("{keys:?}").contains(CUSTOMER), "the key is there still");

    let again = ctl.run(&["customer", "erase", CUSTOMER, "--yes"]).await;
    assert_eq!((again.code, &again.stdout), (Some(0), &erased.stdout), "{again:?}");
    assert_eq!(found(shop).await, [""; 0]);
    // Who has the key at hand has it for a minute, and nobody opens anything with it that is shown.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let export = ctl.json(&["customer", "export", CUSTOMER]).await.remove(0).to_string();
    assert!(PERSONAL.iter().all(|personal| !export.contains(personal)), "{export}");
}
