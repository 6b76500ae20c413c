//! A customer is erased: from then on nobody can tell any more who they were, in whatever is kept.

use std::time::Duration;

use orderflow_local::Reply;
use orderflow_tests::{Orderctl, Shop, collector, eventually, queues};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{foreign_order, order};

/// Texts of nobody but this customer, one for each field that says who somebody is.
const PERSONAL: [&str; 5] =
    ["Quintilla Vesper", "quintilla.vesper@example.com", "+49301234987", "Canary Mews 77", "Vesperburg"];

const CUSTOMER: &str = "cus_quintilla";

/// The order of hers that the intake does not take.
const PARKED: &str = "web-quintilla";

fn order_of_hers(method: &str) -> Value {
    let [name, email, phone, line1, city] = PERSONAL;
    let mut order = order("erasure", 1, method);
    order["customer"] = json!({ "id": CUSTOMER, "name": name, "email": email, "phone": phone });
    order["shippingAddress"] =
        json!({ "name": name, "line1": line1, "city": city, "postalCode": "10115", "country": "DE" });
    order
}

/// Her order as another producer has it, in version 1, and with a mistake: it is parked, with all that it says of her.
fn broken_order_of_hers() -> Value {
    let [name, email, phone, line1, city] = PERSONAL;
    let mut event = foreign_order(PARKED, "erasure");
    drop(event.as_object_mut().expect("an object").remove("dataschema"));
    event["data"]["customer"] = json!({ "id": CUSTOMER, "email": email, "phone": phone });
    event["data"]["shippingAddress"] =
        json!({ "name": name, "line1": line1, "city": city, "postalCode": "10115", "country": "DE" });
    event["data"]["lines"][0]["quantity"] = json!("one");
    event
}

/// Places of the stack that have a text of hers in clear: tables, logs of all functions, queues of dead letters, what relays have
/// given up, and spans.
async fn found(shop: &Shop) -> Vec<String> {
    let mut found = Vec::new();
    let mut look = |place: &str, text: &str| {
        found.extend(
            PERSONAL.iter().filter(|personal| text.contains(*personal)).map(|personal| format!("{place}: {personal}")),
        );
    };
    for table in shop.tables("").await {
        look(&table, &format!("{:?}", shop.scan(&table).await));
    }
    for function in shop.logging().await {
        look(&function, &shop.log_of(&function).await.join("\n"));
    }
    let dead =
        queues().flat_map(|service| ["DlqUrl", "UndeliverableQueueUrl"].map(|queue| format!("{service}{queue}")));
    for queue in dead.chain(["LettersDlqUrl".to_owned()]) {
        look(&queue, &shop.peek(shop.output(&queue)).await.join("\n"));
    }
    look("the bucket", &shop.objects(shop.output("DiscardedBucketName")).await.join("\n"));
    look("a span", &format!("{:?}", collector().spans()));
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
    // One is not taken, and becomes a letter, and one has come past the doors.
    let broken = broken_order_of_hers();
    shop.publish(&broken).await;
    let mut past = foreign_order("web-past-the-doors", "erasure");
    (past["source"], past["data"]["customer"]) = (json!("orderflow/orders"), broken["data"]["customer"].clone());
    past["data"]["customer"]["name"] = json!(PERSONAL[0]);
    shop.send("Shipping", &past.to_string()).await;
    let parked = shop.wait_for_letter("Intake", &broken.to_string()).await;
    let refused = shop.wait_for_letter("Shipping", &past.to_string()).await;
    assert_eq!((parked.field("orderId"), refused.field("orderId")), (PARKED, "web-past-the-doors"));
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
    is_shown_without_her(shop, &shipped).await;
    let status = shop.show(&open).await["status"].clone();
    assert!(status == "cancelled" || status == "shipped", "{status}");
    assert_eq!(shop.show(&shipped).await["status"], "shipped");
    eventually("the journal has it", async || {
        let journal = format!("{:?}", shop.scan(shop.output("JournalTableName")).await);
        let told = journal.matches("PersonalDataErased:1").count();
        if told >= 2 { Ok(()) } else { Err(json!(told)) }
    })
    .await;

    // Rows of a backup are sealed, as those that are there: without the key they open nothing.
    let rows = format!("{backup:?}");
    assert!(PERSONAL.iter().all(|personal| !rows.contains(personal)), "a backup of before has somebody in it");
    let keys = shop.scan(shop.output("CustomerKeysName")).await;
    assert!(!format!("{keys:?}").contains(CUSTOMER), "the key is there still");

    // A function that has the key at hand has it for a minute, and there may be several.
    tokio::time::sleep(Duration::from_secs(61)).await;
    for letter in [parked, refused] {
        is_of_nobody(shop, letter.id()).await;
    }

    let again = ctl.run(&["customer", "erase", CUSTOMER, "--yes"]).await;
    assert_eq!((again.code, &again.stdout), (Some(0), &erased.stdout), "{again:?}");
    assert_eq!(found(shop).await, [""; 0]);
    let export = ctl.json(&["customer", "export", CUSTOMER]).await.remove(0).to_string();
    assert!(PERSONAL.iter().all(|personal| !export.contains(personal)), "{export}");
}

/// The page of an order, and the answer to a query, say that its customer is erased, and nothing of her.
async fn is_shown_without_her(shop: &Shop, order: &str) {
    let api = shop.api_as(CUSTOMER, "");
    let page = api.request(Method::GET, &format!("/orders/{order}")).header("Accept", "text/html");
    let page = page.send().await.expect("an answer").text().await.expect("a page");
    assert!(page.contains("nobody can tell any more who has placed this order"), "{page}");
    assert!(PERSONAL.iter().all(|personal| !page.contains(personal)), "{page}");
    let query = json!({ "query": format!(r#"{{ order(id: "{order}") {{ customer {{ id erased }} }} }}"#) });
    let answer = Reply::to(api.request(Method::POST, "/graphql").json(&query)).await.expect("an answer");
    assert_eq!(answer.body, json!({ "data": { "order": { "customer": { "id": CUSTOMER, "erased": true } } } }));
}

/// A letter that nobody can open any more is neither shown nor mended nor sent back, and can be dropped.
async fn is_of_nobody(shop: &Shop, id: &str) {
    let path = format!("/operations/letters/{id}");
    let shown = eventually("nobody opens it, once no function has the key at hand", async || {
        let shown = shop.operations(Method::GET, &path, None, 200).await;
        if shown["erased"] == true { Ok(shown) } else { Err(json!(shown["state"])) }
    })
    .await;
    assert_eq!((&shown["body"], &shown["state"]), (&json!(""), &json!("waiting")));
    let kind = |problem: &Value| problem["type"].as_str().map(str::to_owned);
    let erased = Some("urn:orderflow:problem:letter-erased".to_owned());
    let mend = shop.api_as("ada", "operations").request(Method::PUT, &path).header("If-Match", "\"1\"");
    let edit = json!({ "body": foreign_order(PARKED, "erasure").to_string(), "why": "a quantity is a number" });
    let refused = Reply::to(mend.json(&edit)).await.expect("an answer");
    assert_eq!((refused.status, kind(&refused.body)), (409, erased.clone()), "{}", refused.body);
    let redrive = json!({ "letters": [id] });
    let refused = shop.operations(Method::POST, "/operations/redrives", Some(redrive), 409).await;
    assert_eq!(kind(&refused), erased, "{refused}");
    let why = json!({ "why": "they are erased" });
    let dropped = shop.operations(Method::DELETE, &path, Some(why), 200).await;
    assert_eq!((&dropped["state"], &dropped["erased"]), (&json!("dropped"), &json!(true)));
}
