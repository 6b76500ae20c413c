//! Orders that customers withdraw from, by the API and by the page.

use std::process::Stdio;

use orderflow_events::{OrderId, PaymentId, RefundId, Time, format_utc};
use orderflow_tests::{Channel, LASTING, PATIENCE, Shop, chromium, eventually, node_packages};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use crate::console::screenshots;
use crate::order;

/// Types of an order that was sent back, in the order of their names.
const SENT_BACK: [&str; 7] = [
    "GoodsReturned",
    "InventoryReserved",
    "OrderCreated",
    "PaymentProcessed",
    "PaymentRefunded",
    "ReturnRequested",
    "ShipmentCreated",
];

pub(crate) async fn an_order_that_was_shipped_is_withdrawn_from_sent_back_and_refunded(shop: &Shop) {
    shop.stock("withdrawn", 5).await;
    let id = shop.order(&order("withdrawn", 2, "pm_card_visa")).await;
    shop.wait_for(&id, "shipped").await;
    shop.wait_for_shelf("withdrawn", [3, 0, 3]).await;
    let unasked = shop.api.take_goods_back(&id).await.unwrap();
    assert_eq!((unasked.status, &unasked.body["type"]), (409, &json!("urn:orderflow:problem:return-not-requested")));

    let receipt = shop.api.withdraw(&id).await.unwrap();
    assert_eq!((receipt.status, &receipt.body["outcome"]), (202, &json!("return")), "{}", receipt.body);
    let again = shop.api.withdraw(&id).await.unwrap();
    assert_eq!((again.status, &again.body), (202, &receipt.body));
    told_once(shop, &id, &receipt.body).await;
    assert_eq!(shop.charges(PaymentId::of(&OrderId::new(&id).unwrap()).as_str()).await, 1);
    assert_eq!(shop.show(&id).await["return"]["refunded"], false, "the goods are not back");

    let returned = eventually("inventory knows that the goods are awaited", async || {
        let reply = shop.api.take_goods_back(&id).await.unwrap();
        if reply.status == 200 { Ok(reply.body) } else { Err(reply.body) }
    })
    .await;
    assert_eq!(returned["returnId"], receipt.body["returnId"]);
    assert_eq!(returned["lines"], json!([{ "sku": "withdrawn", "quantity": 2 }]));
    assert_eq!(shop.api.take_goods_back(&id).await.unwrap().body, returned);
    shop.wait_for_shelf("withdrawn", [5, 0, 5]).await;
    shop.wait_for_types(&id, &SENT_BACK).await;
    let shown = eventually("the refund is known", async || {
        let shown = shop.show(&id).await;
        if shown["return"]["refunded"] == true { Ok(shown) } else { Err(shown) }
    })
    .await;
    assert_eq!((&shown["status"], &shown["payment"]["refunded"]), (&json!("shipped"), &json!(true)));
    assert_eq!(shown["return"]["requestedAt"], receipt.body["withdrawnAt"]);
    assert_eq!(shown["return"]["receivedAt"], returned["receivedAt"]);
    let way = shop.way(&id).await;
    let of = |kind: &str| way.iter().find(|event| event["type"] == kind).unwrap_or_else(|| panic!("no {kind}"));
    let refund = RefundId::of(&OrderId::new(&id).unwrap());
    assert_eq!(of("PaymentRefunded")["data"]["refundId"], json!(refund));
    assert_eq!(of("PaymentRefunded")["causationid"], of("GoodsReturned")["id"]);
    for kind in SENT_BACK {
        assert_eq!(of(kind)["correlationid"], of("OrderCreated")["id"], "{kind}: one flow");
    }
}

/// The mail has the time of the withdrawal in it.
async fn told_once(shop: &Shop, id: &str, receipt: &Value) {
    let proof = format_utc(Time::new(receipt["withdrawnAt"].as_str().unwrap()).unwrap());
    eventually("the customer has the acknowledgement", async || {
        let messages = shop.messages(Channel::Email, id).await;
        let told = messages.iter().filter(|mail| mail.contains("We have received your withdrawal")).count();
        if told == 1 && messages.iter().any(|mail| mail.contains(&proof)) { Ok(()) } else { Err(json!(messages)) }
    })
    .await;
}

pub(crate) async fn a_withdrawal_before_the_shipment_cancels(shop: &Shop) {
    shop.stock("hesitant", 5).await;
    let id = shop.order(&order("hesitant", 2, "pm_sim_unavailable_9")).await;
    shop.wait_for(&id, "reserved").await;
    let receipt = shop.api.withdraw(&id).await.unwrap();
    assert_eq!((receipt.status, &receipt.body["outcome"]), (202, &json!("cancelled")), "{}", receipt.body);
    shop.wait_for_types(&id, &["InventoryReleased", "InventoryReserved", "OrderCancelled", "OrderCreated"]).await;
    shop.wait_for_shelf("hesitant", [5, 0, 5]).await;
    let shown = shop.show(&id).await;
    assert_eq!((&shown["cancellationReason"], &shown["return"]), (&json!("customerRequest"), &Value::Null));
}

pub(crate) async fn a_customer_withdraws_by_the_page_alone(shop: &Shop) {
    let (Some(packages), Some(chromium)) = (node_packages(), chromium()) else { return };
    shop.stock("page", 9).await;
    shop.price("page", 1990).await;
    let shipped = shop.order(&order("page", 1, "pm_card_visa")).await;
    shop.wait_for(&shipped, "shipped").await;
    // It takes a while to be paid, and then to be booked.
    let mut slow = order("page", 1, "pm_sim_unavailable_9");
    slow["shippingAddress"]["postalCode"] = json!("SIM-UNAVAILABLE-9");
    slow["lines"][0].as_object_mut().unwrap().remove("unitPrice");
    let token = shop.tokens.token("ada", "orders:any", LASTING).unwrap();
    let task = json!({ "token": token, "shipped": shipped, "order": slow });
    let mut node = Command::new("node");
    node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/console/withdrawal.mjs")).arg(packages).arg(chromium);
    node.arg(shop.output("ApiUrl")).arg(task.to_string()).args(screenshots());
    node.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = timeout(2 * PATIENCE, node.output()).await.expect("it ends").expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let open = String::from_utf8_lossy(&output.stdout);
    assert_eq!(shop.show(&open).await["status"], "cancelled");
    assert!(shop.show(&shipped).await["return"]["returnId"].is_string());
}
