//! Orders that are given up.

use orderflow_contracts::{OrderId, PaymentId};
use orderflow_tests::{Shop, eventually};
use serde_json::json;

use crate::{event, foreign_order, order};

pub(crate) async fn a_cancelled_order_is_refunded_and_restocked(shop: &Shop) {
    shop.stock("regret", 5).await;
    let id = shop.order(&order("regret", 2, "pm_sim_unavailable_3")).await;
    cancel_while_it_is_charged(shop, &id).await;
    shop.wait_for_shelf("regret", [5, 0, 5]).await;
}

pub(crate) async fn a_cancelled_order_of_another_producer_is_refunded_and_restocked(shop: &Shop) {
    shop.stock("foreign-regret", 5).await;
    let mut event = foreign_order("web-40", "foreign-regret");
    event["data"]["paymentMethod"] = json!("pm_sim_unavailable_3");
    shop.publish(&event).await;
    cancel_while_it_is_charged(shop, "web-40").await;
    shop.wait_for_shelf("foreign-regret", [5, 0, 5]).await;
}

async fn cancel_while_it_is_charged(shop: &Shop, id: &str) {
    shop.wait_for(id, "reserved").await;
    let reply = shop.api.cancel_order(id).await.expect("an answer");
    assert_eq!((reply.status, &reply.body), (202, &json!({ "orderId": id, "status": "cancelled" })));
    let again = shop.api.cancel_order(id).await.expect("an answer");
    assert_eq!((again.status, again.body), (202, reply.body));
    // The charge was under way: it goes through, and back; and nothing is shipped.
    let expected = [
        "InventoryReleased",
        "InventoryReserved",
        "OrderCancelled",
        "OrderCreated",
        "PaymentProcessed",
        "PaymentRefunded",
    ];
    shop.wait_for_types(id, &expected).await;
    let shown = eventually("the refund is known", async || {
        let shown = shop.show(id).await;
        if shown["payment"]["refunded"] == true { Ok(shown) } else { Err(shown) }
    })
    .await;
    assert_eq!(shown["cancellationReason"], "customerRequest");
    assert_eq!(shop.charges(shown["payment"]["paymentId"].as_str().expect("an id")).await, 1);
}

pub(crate) async fn an_order_that_was_cancelled_before_it_was_known_has_no_effect(shop: &Shop) {
    shop.stock("too-late", 5).await;
    let reason = json!({ "reason": "customerRequest" });
    let cancelled = event("OrderCancelled", "orderflow/orders", "web-41", reason).to_string();
    // The order's event comes after it in each queue, for both are of one group.
    for service in ["Inventory", "Payment", "Shipping", "Journal"] {
        shop.send(service, "web-41", &cancelled).await;
    }
    shop.publish(&foreign_order("web-41", "too-late")).await;
    shop.wait_for_types("web-41", &["OrderCancelled", "OrderCreated"]).await;
    shop.quiet().await;
    assert_eq!(shop.types("web-41").await, ["OrderCancelled", "OrderCreated"]);
    assert_eq!(shop.shelf("too-late").await, [5, 0, 5]);
    let payment = PaymentId::of(&OrderId::new("web-41").unwrap());
    assert_eq!(shop.charges(payment.as_str()).await, 0);
}
