//! Load of those who have events posted to them, and of those who pull them: partners with receivers here.

use std::fmt::Write as _;
use std::time::Duration;

use futures::future::join_all;
use hyper::Method;
use orderflow_local::{Api, Reply};
use orderflow_tests::{Answering, Receiver, Shop};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// Functions that work for webhooks.
pub(crate) const FUNCTIONS: [&str; 2] = ["webhooks", "webhooks-send"];

/// Clock of the dispatch, among the stack's outputs.
const CLOCK: &str = "WebhooksFunctionName";

/// Receivers, and readers, that are at work at once.
const AT_ONCE: [usize; 3] = [1, 4, 16];

/// Time for which readers pull.
const PULLED_FOR: Duration = Duration::from_secs(10);

/// Pause between two looks, and the longest time in which nothing comes.
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_mins(1);

/// Webhook of a partner, and its receiver.
pub(crate) struct Webhook {
    api: Api,
    path: String,
    receiver: Receiver,
}

impl Webhook {
    /// A webhook that gets all events.
    pub(crate) async fn of(shop: &Shop) -> Self {
        let api = shop.api_as("load", "webhooks");
        let receiver = Receiver::that(|_| Answering::Status(204, "")).await;
        let made = ask(&api, Method::POST, "/webhooks", &json!({ "url": receiver.url() }), 201).await;
        let path = format!("/webhooks/{}", made["id"].as_str().expect("an id"));
        Self { api, path, receiver }
    }

    /// Number of events that it has got.
    pub(crate) fn count(&self) -> usize {
        self.receiver.messages().len()
    }

    /// Has all events sent that there ever were, at the next strike of the clock.
    pub(crate) async fn send_all(&self) {
        ask(&self.api, Method::POST, &format!("{}/resend", self.path), &json!({ "after": "0" }), 202).await;
    }

    pub(crate) async fn delete(self) {
        ask(&self.api, Method::DELETE, &self.path, &Value::Null, 200).await;
    }
}

/// Lets the dispatch look.
pub(crate) async fn strike(shop: &Shop) {
    shop.run_clock(CLOCK).await;
}

/// Deliveries and pulled events a second, in lines.
pub(crate) async fn rates(shop: &Shop, events: usize) -> String {
    let mut text = format!("a second, of {events} events, with whatever else this machine does\n");
    for count in AT_ONCE {
        let rate = posted(shop, events, count).await;
        let _ = writeln!(text, "  deliveries to {count:>2} receivers    {rate:>10.0}");
    }
    for count in AT_ONCE {
        let (requests, pulled) = pulled(shop, count).await;
        let _ = writeln!(text, "  events to {count:>2} who pull        {pulled:>10.0}, by {requests:.1} requests");
    }
    text
}

/// Deliveries a second to so many receivers, each of which gets so many events.
async fn posted(shop: &Shop, events: usize, count: usize) -> f64 {
    let webhooks = join_all((0..count).map(|_| Webhook::of(shop))).await;
    for webhook in &webhooks {
        webhook.send_all().await;
    }
    let counts = || webhooks.iter().map(Webhook::count).collect::<Vec<_>>();
    let (begin, all) = (Instant::now(), events * count);
    strike(shop).await;
    let (mut last, mut last_at) = (0, begin);
    while counts().iter().any(|count| *count < events) {
        sleep(LOOK).await;
        let so_far = counts().iter().sum();
        if so_far > last {
            (last, last_at) = (so_far, Instant::now());
        }
        assert!(last_at.elapsed() < PATIENCE, "{last} of {all} events are posted, and no more come");
    }
    let rate = a_second(all, begin.elapsed());
    for webhook in webhooks {
        webhook.delete().await;
    }
    rate
}

/// Requests and events a second of so many who pull the feed from its beginning, again and again.
async fn pulled(shop: &Shop, count: usize) -> (f64, f64) {
    let begin = Instant::now();
    let readers = join_all((0..count).map(|_| async {
        let (mut requests, mut events, mut after) = (0, 0, "0".to_owned());
        while begin.elapsed() < PULLED_FOR {
            let page = shop.feed(&format!("limit=500&after={after}")).await;
            let of_page = page["events"].as_array().map_or(0, Vec::len);
            (requests, events) = (requests + 1, events + of_page);
            after = if of_page == 0 { "0".to_owned() } else { page["next"].as_str().unwrap_or("0").to_owned() };
        }
        (requests, events)
    }));
    let readers: Vec<(usize, usize)> = readers.await;
    let elapsed = begin.elapsed();
    let sum = |of: fn(&(usize, usize)) -> usize| a_second(readers.iter().map(of).sum(), elapsed);
    (sum(|(requests, _)| *requests), sum(|(_, events)| *events))
}

#[expect(clippy::cast_precision_loss, reason = "it is shown to a few digits")]
fn a_second(count: usize, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

async fn ask(api: &Api, method: Method, path: &str, body: &Value, status: u16) -> Value {
    let request = api.request(method, path);
    let request = if body.is_null() { request } else { request.json(body) };
    let reply = Reply::to(request).await.expect("an answer");
    assert_eq!(reply.status, status, "{path}: {}", reply.body);
    reply.body
}
