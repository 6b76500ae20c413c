//! A function that dies at its work.

use orderflow_tests::{Double, Shop, eventually};
use serde_json::json;

use crate::event;

pub(crate) async fn a_message_that_kills_its_function_ends_among_the_dead_letters_and_its_group_goes_on(shop: &Shop) {
    // Both emulators run a function as a process of this machine, which is found here by its environment.
    if !cfg!(target_os = "linux") {
        return;
    }
    let double = Double::killed_by("killer-of-functions", shop).await;
    let named = |name: &str| event("OrderDreamt", "https://shop.example/web", "web-50", json!({ "name": name }));
    let [before, killer, behind, last] = ["before", "killer-of-functions", "behind", "last"].map(named);
    shop.send_together(&double.queue_url, "web-50", &[before.to_string()]).await;
    shop.wait_for_types("web-50", &["OrderDreamt"]).await;
    shop.send_together(&double.queue_url, "web-50", &[killer.to_string()]).await;
    eventually("the function is killed", async || if double.kills() > 0 { Ok(()) } else { Err(json!(0)) }).await;
    // What is received together with it as often as it is, dies with it: a dead function acknowledges nothing.
    shop.send_together(&double.queue_url, "web-50", &[behind.to_string(), last.to_string()]).await;
    let letters = shop.take_letters(&double.dead_letters_url, &[&killer.to_string()]).await;
    assert!(letters[0].attributes().is_empty(), "{letters:?}");
    assert_eq!(letters[0].group(), "web-50");
    assert_eq!(double.kills(), 3);
    shop.wait_for_types("web-50", &["OrderDreamt"; 3]).await;
    let mut journal = shop.journal("web-50").await;
    journal.sort_by_key(|event| event["id"].to_string());
    assert_eq!(journal, [before, behind, last]);
}
