//! The page of an order, in a browser.

use std::process::Stdio;

use orderflow_tests::{LASTING, PATIENCE, Shop, chromium, node_packages};
use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use crate::console::screenshots;
use crate::guests::LINKS;
use crate::order;

pub(crate) async fn a_customer_sees_the_order_move_and_cancels_by_the_page_alone(shop: &Shop) {
    let (Some(packages), Some(chromium)) = (node_packages(), chromium()) else { return };
    let _alone = LINKS.lock().await;
    shop.stock("beans-1kg", 50).await;
    shop.price("beans-1kg", 1990).await;
    let mut order = order("beans-1kg", 2, "pm_sim_unavailable_3");
    for line in order["lines"].as_array_mut().into_iter().flatten() {
        line.as_object_mut().map(|line| line.remove("unitPrice"));
    }
    let token = shop.tokens.token("ada", "orders:any", LASTING).unwrap();
    let task = json!({ "token": token, "refused": "a.b.c", "order": order });
    let mut node = Command::new("node");
    node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/console/order.mjs")).arg(packages).arg(chromium);
    node.arg(shop.output("ApiUrl")).arg(task.to_string()).args(screenshots());
    node.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = timeout(2 * PATIENCE, node.output()).await.expect("it ends").expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
