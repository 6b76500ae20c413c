//! An operator at work in the storm: edits a letter, drops one, and has events replayed.
//!
//! What was asked for is held against what is on record when all is quiet: each of it done, once.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use orderflow_events::Event;
use orderflow_local::Reply;
use orderflow_tests::{Letter as Found, Shop};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::audit::{Rule, Violation};
use crate::snapshot::Letter;

/// Services of whose poison one is mended: of a few at random, one alone may have got none.
const MENDED: [&str; 2] = ["Payment", "Orders"];

/// Type of an event that these services hear, and that there is of most orders.
const MENDED_INTO: &str = "InventoryReserved";

/// Services of whose poison one is dropped.
const DROPPED: [&str; 3] = ["Inventory", "Shipping", "Screening"];

/// Service that events are replayed to.
const REPLAYED: &str = "shipping";

/// Attempts at an act whose answer may be lost.
const MAX_ATTEMPTS: u32 = 60;

const PAUSE: Duration = Duration::from_millis(500);

/// Longest wait for a letter to deal with, or for an event on record. What cannot be kept during a long outage comes again only when its
/// visibility timeout has passed, of which there may be two.
const OUTAGE_PATIENCE: Duration = Duration::from_mins(4);

/// An operator of the shop.
pub(crate) struct Operator {
    shop: Rc<Shop>,
    done: RefCell<Done>,
}

/// Acts of the operator.
#[derive(Default)]
struct Done {
    edited: Option<Act>,
    dropped: Option<Act>,
    replay: Option<String>,
}

/// Letter that the operator has dealt with.
struct Act {
    id: String,
    /// The letter as it was before.
    letter: Letter,
}

impl Operator {
    pub(crate) fn new(shop: Rc<Shop>) -> Self {
        Self { shop, done: RefCell::default() }
    }

    /// Makes a letter the copy of an event that its service has heard and sends it back, drops another, and has all events since
    /// `from` replayed.
    pub(crate) async fn operate(&self, from: &str) {
        let edited = self.edit(from).await;
        let dropped = self.drop_one().await;
        let replay = self.shop.start_job("/operations/replays", &json!({ "service": REPLAYED, "from": from })).await;
        *self.done.borrow_mut() = Done { edited, dropped, replay: Some(replay) };
    }

    /// Letters that are nobody's business any more, as they were.
    pub(crate) fn dealt_with(&self) -> Vec<Letter> {
        let done = self.done.borrow();
        [&done.edited, &done.dropped].into_iter().flatten().map(|act| act.letter.clone()).collect()
    }

    async fn edit(&self, from: &str) -> Option<Act> {
        let act = self.one_of(&MENDED).await?;
        let event = self.event(from).await?;
        self.insist(&act.id, "edited", async |path, tag| {
            let api = self.shop.api_as("operator", "operations");
            let request = api.request(Method::PUT, path).header("If-Match", tag);
            let edit = json!({ "body": event, "why": "it was cut off" });
            drop(Reply::to(request.json(&edit)).await);
        })
        .await;
        self.shop.start_redrive(&json!({ "letters": [act.id] })).await;
        Some(act)
    }

    /// An event of the journal that a letter may become, once there is one.
    async fn event(&self, from: &str) -> Option<String> {
        let give_up = Instant::now() + OUTAGE_PATIENCE;
        let mut after = String::new();
        loop {
            let path =
                format!("/operations/journal?from={from}&type={MENDED_INTO}&after={}", after.replace('#', "%23"));
            let page = self.shop.operations(Method::GET, &path, None, 200).await;
            if let Some(entry) = page["entries"].as_array().and_then(|entries| entries.first()) {
                return Some(entry["event"].to_string());
            }
            if Instant::now() > give_up {
                return None;
            }
            if let Some(next) = page["next"].as_str() {
                next.clone_into(&mut after);
            } else {
                after.clear();
                sleep(PAUSE).await;
            }
        }
    }

    async fn drop_one(&self) -> Option<Act> {
        let act = self.one_of(&DROPPED).await?;
        self.insist(&act.id, "dropped", async |path, tag| {
            let api = self.shop.api_as("operator", "operations");
            let request = api.request(Method::DELETE, path).header("If-Match", tag);
            drop(Reply::to(request.json(&json!({ "why": "it is no event" }))).await);
        })
        .await;
        Some(act)
    }

    /// A letter of one of these services that is no event, once there is one. One that a consumer has refused may come again, with a copy
    /// of its event.
    async fn one_of(&self, services: &[&'static str]) -> Option<Act> {
        let give_up = Instant::now() + OUTAGE_PATIENCE;
        loop {
            for service in services.iter().copied() {
                let letters = self.shop.open_letters(service).await;
                if let Some(letter) = letters.iter().find(|letter| is_no_event(letter)) {
                    return Some(Act { id: letter.id().to_owned(), letter: Letter::of(service, letter) });
                }
            }
            if Instant::now() > give_up {
                return None;
            }
            sleep(PAUSE).await;
        }
    }

    /// Acts until the letter's history has it: the function that does it may die before it, after it, or in its middle.
    async fn insist(&self, id: &str, what: &str, act: impl AsyncFn(&str, &str)) {
        let path = format!("/operations/letters/{id}");
        for _ in 0..MAX_ATTEMPTS {
            let api = self.shop.api_as("operator", "operations");
            if let Ok(reply) = Reply::to(api.request(Method::GET, &path)).await
                && let Some(tag) = reply.header("etag").map(str::to_owned)
            {
                if count(&reply.body, what) > 0 {
                    return;
                }
                act(&path, &tag).await;
            }
            sleep(PAUSE).await;
        }
    }

    /// Holds what was done against what is on record, once the jobs have come to their ends.
    pub(crate) async fn audit(&self, patience: Duration, is_expected: bool) -> Vec<Violation> {
        let Done { edited, dropped, replay } = self.done.take();
        let mut found = Vec::new();
        let mut find = |rule, detail| found.push(Violation { rule, order: None, detail });
        let untried = [
            (&edited, "there was no letter to mend, or no event to make of it"),
            (&dropped, "there was no letter to drop"),
        ];
        for (_, what) in untried.into_iter().filter(|(act, _)| is_expected && act.is_none()) {
            find(Rule::NotTested, what.to_owned());
        }
        for (act, state, what) in [(edited, "handled", "edited"), (dropped, "dropped", "dropped")] {
            let Some(act) = act else { continue };
            let path = format!("/operations/letters/{}", act.id);
            let is_over = |told: &Value| told["state"] == state || is_copy_after(told, "dropped");
            let told = self.ended(&path, is_over, patience).await;
            if !is_over(&told) || count(&told, what) != 1 {
                find(Rule::NotDoneOnce, format!("a letter that was {what} is {told}"));
            }
            let earlier = told["earlier"].as_object().into_iter().flatten();
            if what == "edited" && !earlier.map(|(_, body)| body).any(|body| *body == act.letter.body) {
                find(Rule::NotDoneOnce, format!("the body before the edit is not kept: {told}"));
            }
        }
        if let Some(id) = replay {
            let told =
                self.ended(&format!("/operations/replays/{id}"), |told| told["state"] != "running", patience).await;
            let numbers = ["total", "left"].map(|name| told[name].as_u64());
            if told["state"] != "done" || numbers[0].is_none_or(|total| total == 0) || numbers[1] != Some(0) {
                find(Rule::NotDoneOnce, format!("a replay has not ended, or had nothing to do: {told}"));
            }
        }
        found
    }

    async fn ended(&self, path: &str, has_ended: impl Fn(&Value) -> bool, patience: Duration) -> Value {
        let give_up = Instant::now() + patience;
        loop {
            let told = self.shop.operations(Method::GET, path, None, 200).await;
            if has_ended(&told) || Instant::now() > give_up {
                return told;
            }
            self.shop.run_jobs().await;
            sleep(PAUSE).await;
        }
    }
}

/// Tells that nobody can ever handle it as it is.
fn is_no_event(letter: &Found) -> bool {
    let is_event = serde_json::from_str(letter.body()).is_ok_and(|body| Event::from_value(&body).is_ok());
    letter.field("class") == "permanent" && !letter.is_row() && !is_event
}

/// Tells that a copy was parked after that was done: a function that dies after it has parked a message parks it once more.
fn is_copy_after(letter: &Value, what: &str) -> bool {
    let whats = letter["history"].as_array().into_iter().flatten().map(|entry| &entry["what"]);
    whats.skip_while(|entry| *entry != what).last().is_some_and(|last| last == "parked")
}

/// Number of entries of a letter's history that say so.
fn count(letter: &Value, what: &str) -> usize {
    letter["history"].as_array().into_iter().flatten().filter(|entry| entry["what"] == what).count()
}
