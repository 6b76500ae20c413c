//! Orders that are given up.

use futures::future::join_all;
use orderflow_events::{OrderId, PaymentId};
use orderflow_tests::{Shop, answered, eventually};
use serde_json::{Value, json};

use crate::{FULFILLED, event, foreign_order, order};

pub(crate) async fn an_order_that_is_cancelled_while_it_is_charged_is_not_charged(shop: &Shop) {
    shop.stock("regret", 5).await;
    let id = shop.order(&order("regret", 2, "pm_sim_unavailable_9")).await;
    cancel_while_it_is_charged(shop, &id).await;
    shop.wait_for_shelf("regret", [5, 0, 5]).await;
}

pub(crate) async fn an_order_of_another_producer_that_is_cancelled_while_it_is_charged_is_not_charged(shop: &Shop) {
    shop.stock("foreign-regret", 5).await;
    let mut event = foreign_order("web-40", "foreign-regret");
    event["data"]["paymentMethod"] = json!("pm_sim_unavailable_9");
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
    // The charge was under way: it is given up at the provider, and nothing is shipped.
    shop.wait_for_types(id, &["InventoryReleased", "InventoryReserved", "OrderCancelled", "OrderCreated"]).await;
    let shown = shop.show(id).await;
    assert_eq!((&shown["cancellationReason"], &shown["payment"]), (&json!("customerRequest"), &Value::Null));
    shop.quiet().await;
    let payment = PaymentId::of(&OrderId::new(id).unwrap());
    assert_eq!(shop.charges(payment.as_str()).await, 0);
}

pub(crate) async fn an_order_that_is_not_paid_for_days_is_given_up_and_its_goods_are_released(shop: &Shop) {
    shop.stock("unpaid", 5).await;
    // On record since long ago, and its payment does not come.
    let mut created = foreign_order("ord_unpaid", "unpaid");
    created["source"] = json!("orderflow/orders");
    created["data"]["paymentMethod"] = json!("pm_sim_unavailable_9");
    let row = json!({
        "pk": "ord_unpaid",
        "sk": 1,
        "at": "2026-01-01T00:00:00.000Z",
        "cause": { "source": "orderflow/orders-api", "id": "request-unpaid", "type": "PlaceOrder" },
        "open": "0",
        "events": json!([created]).to_string(),
    });
    shop.put_row("Orders", &row).await;
    let shown = eventually("it is cancelled", async || {
        shop.run_clock("OpenOrdersFunctionName").await;
        let shown = shop.show("ord_unpaid").await;
        if shown["status"] == "cancelled" { Ok(shown) } else { Err(shown) }
    })
    .await;
    assert_eq!(shown["cancellationReason"], "paymentFailed");
    shop.quiet().await;
    let types = shop.types("ord_unpaid").await;
    let count = |kind: &str| types.iter().filter(|other| *other == kind).count();
    assert_eq!(count("OrderCancelled"), 1, "{types:?}");
    assert_eq!(count("InventoryReserved"), count("InventoryReleased"), "{types:?}");
    shop.wait_for_shelf("unpaid", [5, 0, 5]).await;
    let payment = PaymentId::of(&OrderId::new("ord_unpaid").unwrap());
    assert_eq!(shop.charges(payment.as_str()).await, 0);
}

pub(crate) async fn an_order_that_is_cancelled_while_it_is_booked_is_refunded(shop: &Shop) {
    shop.stock("booked", 5).await;
    let mut slow = order("booked", 2, "pm_card_visa");
    slow["shippingAddress"]["postalCode"] = json!("SIM-UNAVAILABLE-9");
    let id = shop.order(&slow).await;
    shop.wait_for(&id, "paid").await;
    let reply = shop.api.cancel_order(&id).await.expect("an answer");
    assert_eq!((reply.status, &reply.body["status"]), (202, &json!("cancelled")));
    // The booking was under way: it is given up at the carrier, and the money goes back.
    let expected = [
        "InventoryReleased",
        "InventoryReserved",
        "OrderCancelled",
        "OrderCreated",
        "PaymentProcessed",
        "PaymentRefunded",
    ];
    shop.wait_for_types(&id, &expected).await;
    shop.wait_for_shelf("booked", [5, 0, 5]).await;
    let shown = eventually("the refund is known", async || {
        let shown = shop.show(&id).await;
        if shown["payment"]["refunded"] == true { Ok(shown) } else { Err(shown) }
    })
    .await;
    assert_eq!(shown["shipment"], Value::Null);
    assert_eq!((&shown["status"], &shown["cancellationReason"]), (&json!("cancelled"), &json!("customerRequest")));
}

pub(crate) async fn orders_that_are_cancelled_at_any_moment_leave_nothing_behind(shop: &Shop) {
    shop.stock("fickle", 100).await;
    let ways = ["created", "reserved", "paid", "shipped"];
    let give_up = async |index: usize| {
        let moment = index % ways.len();
        let mut order = order("fickle", 1, "pm_card_visa");
        order["customer"] =
            json!({ "id": format!("cus_fickle_{index}"), "email": format!("fickle.{index}@example.com") });
        let id = shop.order(&order).await;
        eventually(&format!("{id} is {}", ways[moment]), async || {
            let shown = shop.show(&id).await;
            let has_come = ways.iter().position(|way| shown["status"] == *way) >= Some(moment);
            if has_come { Ok(()) } else { Err(shown) }
        })
        .await;
        let reply = answered(async || shop.api.cancel_order(&id).await).await;
        assert!(reply.status == 202 || reply.status == 409, "{}", reply.body);
        (id, reply.status == 409)
    };
    let orders = join_all((0..24).map(give_up)).await;
    shop.quiet().await;
    for (index, (id, is_shipped)) in orders.iter().enumerate() {
        let (shown, types) = (shop.show(id).await, shop.types(id).await);
        let count = |kind: &str| types.iter().filter(|other| *other == kind).count();
        assert!(*is_shipped || index % ways.len() < 3, "{shown}");
        if *is_shipped {
            assert_eq!((&shown["status"], types.as_slice()), (&json!("shipped"), &FULFILLED.map(str::to_owned)[..]));
        } else {
            assert_eq!((&shown["status"], count("OrderCancelled")), (&json!("cancelled"), 1), "{types:?}");
            for (done, undone) in [
                ("InventoryReserved", "InventoryReleased"),
                ("PaymentProcessed", "PaymentRefunded"),
                ("ShipmentCreated", "ShipmentCancelled"),
            ] {
                assert!(count(done) <= 1 && count(done) == count(undone), "{types:?}");
            }
        }
    }
    let left = 100 - i64::try_from(orders.iter().filter(|(_, is_shipped)| *is_shipped).count()).expect("a few");
    shop.wait_for_shelf("fickle", [left, 0, left]).await;
}

pub(crate) async fn an_order_that_was_cancelled_before_it_was_known_has_no_effect(shop: &Shop) {
    shop.stock("too-late", 5).await;
    let reason = json!({ "reason": "customerRequest" });
    let cancelled = event("OrderCancelled", "orderflow/orders", "web-41", reason).to_string();
    for service in ["Inventory", "Payment", "Shipping", "Journal"] {
        shop.send(service, &cancelled).await;
    }
    shop.publish(&foreign_order("web-41", "too-late")).await;
    shop.wait_for_types("web-41", &["OrderCancelled", "OrderCreated"]).await;
    shop.quiet().await;
    assert_eq!(shop.types("web-41").await, ["OrderCancelled", "OrderCreated"]);
    assert_eq!(shop.shelf("too-late").await, [5, 0, 5]);
    let payment = PaymentId::of(&OrderId::new("web-41").unwrap());
    assert_eq!(shop.charges(payment.as_str()).await, 0);
}
