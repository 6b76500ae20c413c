//! Pace of orders on the emulator: how long each takes from the request until it is shipped, while several clients order.

use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use fastrand::Rng;
use futures::future::join_all;
use orderflow_events::Time;
use orderflow_local::{Options, Stack};
use orderflow_tests::{Emulator, FULFILLED, Shop};
use tokio::time::Instant;

use crate::cli::Arguments;
use crate::mix::{Order, SKUS, Sample};

/// Has so many clients place all orders, each the next one as soon as the one before is accepted, on a stack that nothing is
/// counted of. Answers what is to be printed. Only figures of one machine at one time compare.
///
/// # Errors
///
/// The stack does not come up.
pub(crate) async fn pace(arguments: &Arguments, clients: usize) -> Result<String, orderflow_local::Error> {
    let home = tempfile::tempdir()?;
    let mut options = Options::apart(home.path());
    // What is looked for is how many there can be, and not how many may.
    options.parameters.extend(["RequestsPerSecond", "RequestsAtOnce"].map(|name| (name.to_owned(), "1000".to_owned())));
    let stack = Box::pin(Stack::up(&options)).await?;
    let shop = Rc::new(Shop::on(&stack, &Emulator::of(&stack).await));
    for sku in SKUS {
        shop.stock(sku, 1_000_000).await;
    }
    let mut rng = Rng::with_seed(arguments.seed);
    // Every process has started by then.
    run(&shop, &Sample::Shipped.orders(clients, "warm", &mut rng), clients).await;
    let orders = Sample::Shipped.orders(arguments.orders as usize, "cus_", &mut rng);
    let Pace { accepted, mut took } = run(&shop, &orders, clients).await;
    stack.down();
    took.sort_unstable();
    let of = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)].as_secs_f64();
    Ok(format!(
        "{} orders by {clients} clients: all accepted in {:.1} s; from the request to its shipment p50 {:.1} s, p90 {:.1} s, p99 {:.1} s",
        took.len(),
        accepted.as_secs_f64(),
        of(50),
        of(90),
        of(99)
    ))
}

struct Pace {
    /// From the first request to the last answer.
    accepted: Duration,
    /// From the request of each order to its shipment.
    took: Vec<Duration>,
}

async fn run(shop: &Shop, orders: &[Order], clients: usize) -> Pace {
    let begin = Instant::now();
    let placed = join_all((0..clients).map(async |client| {
        let mut placed = Vec::new();
        for order in orders.iter().skip(client).step_by(clients) {
            let asked = UNIX_EPOCH.elapsed().expect("a clock after 1970");
            placed.push((shop.order(&order.body).await, asked));
        }
        placed
    }))
    .await;
    let accepted = begin.elapsed();
    let mut took = Vec::new();
    for (id, asked) in placed.into_iter().flatten() {
        shop.wait_for_types(&id, &FULFILLED).await;
        let events = shop.way(&id).await;
        let shipped = events.iter().find(|event| event["type"] == "ShipmentCreated").expect("a shipment");
        let shipped: Time = serde_json::from_value(shipped["time"].clone()).expect("a time");
        let shipped = Duration::from_millis(u64::try_from(shipped.as_millis()).expect("a time after 1970"));
        took.push(shipped.saturating_sub(asked));
    }
    Pace { accepted, took }
}
