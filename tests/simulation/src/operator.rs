//! Person who looks at orders that are flagged and held: clears most of them, and cancels the others.

use std::rc::Rc;

use fastrand::Rng;
use lambda_http::http::Method;
use orderflow_events::OrderId;
use serde_json::json;
use simulator::{Caller, Violation};

use crate::audit::Promise;
use crate::requests::{MAX_ATTEMPTS, read, request};
use crate::services::System;
use crate::shop::Shop;

/// Longest time until somebody looks at an order, in milliseconds.
const LOOKS_AFTER_MS: u64 = 600_000;

/// Longest pause before somebody tries again what did not work out, in milliseconds: an outage may last for days, and an order that
/// is held waits for nobody else.
const MAX_PAUSE_MS: u64 = 4 * 3_600_000;

/// Lets somebody look at each order that is held from now on, until they [leave](leave).
pub(crate) fn attend(system: &Rc<System>) {
    let attended = Rc::clone(system);
    let look = move |order: &OrderId| {
        let (system, order) = (Rc::clone(&attended), order.clone());
        attended.run().spawn(async move { look_at(&system, &order).await });
    };
    system.shop.on_hold.replace(Some(Rc::new(look)));
}

/// Lets nobody look any more; else the system and who looks at it would keep each other for ever.
pub(crate) fn leave(shop: &Shop) {
    shop.on_hold.take();
}

async fn look_at(system: &Rc<System>, order: &OrderId) {
    // By the order alone, so that a run depends on its seed.
    let seed = order.as_str().bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let (mut rng, operator) = (Rng::with_seed(seed), Caller::outside(system.run(), "operator"));
    operator.run.sleep_ms(rng.u64(0..LOOKS_AFTER_MS)).await;
    let (clears, mut pause_ms) = (rng.u32(0..4) > 0, 3_000);
    for _ in 0..MAX_ATTEMPTS {
        let answer = if clears {
            let (path, body) = (format!("/operations/orders/{order}/clear"), json!({ "why": "a regular customer" }));
            system.ask_screening(request(&Method::POST, &path, body.to_string(), None)).await
        } else {
            let path = format!("/orders/{order}/cancel");
            system.ask_orders(request(&Method::POST, &path, String::new(), None)).await
        };
        match answer.map(read) {
            Some((202, _)) if clears => return operator.tell_of(order.as_str(), || "clears".to_owned()),
            Some((202, _)) => return system.shop.audit.promised(order, Promise::Cancelled),
            Some((500.., _)) | None => {
                operator.run.sleep_ms(rng.u64(100..pause_ms)).await;
                pause_ms = (pause_ms * 2).min(MAX_PAUSE_MS);
            }
            Some((status, answer)) => {
                let what = format!("a word about a held order was answered with {status}: {answer}");
                return operator.run.check(Err(Violation::of(order.as_str(), what)));
            }
        }
    }
}
