//! A function that dies at its work.

use std::collections::HashMap;

use orderflow_tests::{Double, Gap, Shop, eventually};
use serde_json::json;

use crate::event;

/// Of its receives some may come to nothing before it is killed, where the machine is slow.
fn is_killed_by(double: &Double, receives: u32) -> bool {
    (2..=receives).contains(&double.kills())
}

pub(crate) async fn a_message_that_kills_its_function_ends_among_the_dead_letters_and_its_group_goes_on(shop: &Shop) {
    if shop.emulator.lacks(Gap::Kills) {
        return;
    }
    let receives = 3;
    let double = Double::killed_by("killer-of-functions", receives, shop).await;
    let named = |name: &str| event("OrderDreamt", "https://shop.example/web", "web-50", json!({ "name": name }));
    let [before, killer, behind, last] = ["before", "killer-of-functions", "behind", "last"].map(named);
    shop.send_together(&double.queue_url, &[before.to_string()]).await;
    shop.wait_for_types("web-50", &["OrderDreamt"]).await;
    shop.send_together(&double.queue_url, &[killer.to_string()]).await;
    eventually("the function is killed", async || if double.kills() > 0 { Ok(()) } else { Err(json!(0)) }).await;
    // A message of its own order that is received together with it, and as often as it is, dies with it.
    shop.send_together(&double.queue_url, &[&behind, &last].map(ToString::to_string)).await;
    let dead = shop.take_messages(&double.dead_letters_url, &[&killer.to_string()]).await;
    assert!(dead[0].message_attributes().is_none_or(HashMap::is_empty), "{dead:?}");
    assert!(is_killed_by(&double, receives));
    shop.wait_for_types("web-50", &["OrderDreamt"; 3]).await;
    let mut journal = shop.journal("web-50").await;
    journal.sort_by_key(|event| event["id"].to_string());
    assert_eq!(journal, [before, behind, last]);
    double.remove(shop).await;
}

pub(crate) async fn orders_that_share_a_batch_with_a_message_that_kills_its_function_do_not_die_with_it(shop: &Shop) {
    if shop.emulator.lacks(Gap::Kills) || shop.emulator.lacks(Gap::Neighbours) {
        return;
    }
    // They are set apart by seconds, and come together all the same where the emulator looks at the queue later than that, for
    // which a busy machine is enough. Of the receives of a real queue, 60, these are as many as need not all come too late.
    let receives = 8;
    let double = Double::killed_by("killer-of-neighbours", receives, shop).await;
    let orders = ["web-51", "web-52", "web-53"];
    let named = |order, name: &str| event("OrderDreamt", "https://shop.example/web", order, json!({ "name": name }));
    let events = [0, 1, 2].map(|index| named(orders[index], ["before", "killer-of-neighbours", "behind"][index]));
    let messages = events.each_ref().map(ToString::to_string);
    shop.send_together(&double.queue_url, &messages).await;
    shop.take_messages(&double.dead_letters_url, &[&messages[1]]).await;
    assert!(is_killed_by(&double, receives));
    eventually("nothing is left in the queue", async || match shop.waiting(&double.queue_url).await {
        0 => Ok(()),
        waiting => Err(json!(waiting)),
    })
    .await;
    assert_eq!(shop.waiting(&double.dead_letters_url).await, 0, "the others are no dead letters");
    for index in [0, 2] {
        assert_eq!(shop.journal(orders[index]).await, [events[index].clone()]);
    }
    double.remove(shop).await;
}
