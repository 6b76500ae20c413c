//! A flood of messages that nobody can read.

use crate::scene::Scene;

/// Number of messages that nobody can read.
const POISON: usize = 200;

/// Number of orders among them.
const ORDERS: usize = 20;

pub(crate) async fn a_flood_of_poison(scene: &Scene<'_>) {
    let mut orders = Vec::new();
    for number in 0..POISON {
        scene.shop.publish_text(&format!("<order number=\"{number}\"/>")).await;
        if number == POISON / 2 {
            orders = scene.orders("poison", ORDERS).await;
        }
    }
    scene.shipped(&orders).await;
    let reason = scene.group("intake", "permanent", |count| count == POISON as u64).await;
    assert!(reason.starts_with("not JSON"), "{reason}");
    scene.letters_ring("intake", "permanent", POISON).await;
    scene.drop_all("intake", "no orders at all").await;
    scene.ends(&orders).await;
}
