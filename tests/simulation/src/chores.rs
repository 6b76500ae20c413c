//! Chores of an operator, one at a time and told in advance: for the tests that let one thing go wrong after the other.

use std::cell::Cell;
use std::rc::Rc;

use lambda_http::http::Method;
use orderflow_events::EventType;
use serde_json::{Value, json};
use simulator::Violation;
use simulator::model::topic::Subscription;

use crate::operations::Operations;
use crate::requests::MAX_ATTEMPTS;
use crate::services::System;

/// The service at which the chore is done, and the type of event that it is about.
const SERVICE: &str = "payment";
const TYPE: EventType = EventType::InventoryReserved;

/// Time after which the operator begins, in milliseconds: all is quiet, and in the journal.
const BEGINS_AFTER_MS: u64 = 60_000;

/// Time after which records are compared once more, in milliseconds.
const NEXT_AFTER_MS: u64 = 30 * 60_000;

/// Chore of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chore {
    /// A dead letter is sent back.
    Redrive,
    /// The same, and more are sent only once those before are handled.
    Ramp,
    /// A dead letter is edited, and sent back.
    Edit,
    /// A dead letter is dropped, of an event that was handled.
    Drop,
    /// An event that its service has never heard of is replayed.
    Replay,
    /// The same is found by a comparison of all records, and healed.
    Reconcile,
}

impl Chore {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Redrive, Self::Ramp, Self::Edit, Self::Drop, Self::Replay, Self::Reconcile];

    /// True if the service has a dead letter of the event.
    const fn has_letter(self) -> bool {
        match self {
            Self::Redrive | Self::Ramp | Self::Edit | Self::Drop => true,
            Self::Replay | Self::Reconcile => false,
        }
    }
}

/// Sees to it that the event is a dead letter, or never reaches its service, as the chore needs it.
pub(crate) fn prepare(system: &System, chore: Chore) {
    if chore != Chore::Drop {
        system.keep_from_payment();
    }
    let fanout = &system.stack.topic.fanout;
    if chore.has_letter()
        && let Some(known) = system.stack.services().iter().find(|service| service.name == SERVICE)
    {
        let (queue, undeliverable) = (Rc::clone(&known.dead_letters), Rc::clone(&known.undeliverable));
        let filter = Some(vec![TYPE.as_str()]);
        fanout.subscribe(Subscription { service: known.name, queue, filter, undeliverable });
    }
}

/// Does the chore, once all is quiet. Notes the number of the call with which it begins.
pub(crate) fn attend(operations: &Rc<Operations>, chore: Chore, begins_at: &Rc<Cell<u64>>) {
    let (run, operations, begins_at) = (Rc::clone(operations.run()), Rc::clone(operations), Rc::clone(begins_at));
    run.spawn(async move {
        operations.run().sleep_ms(BEGINS_AFTER_MS).await;
        begins_at.set(operations.run().faults.calls());
        match chore {
            Chore::Redrive => redrive(&operations, false).await,
            Chore::Ramp => redrive(&operations, true).await,
            Chore::Edit => {
                edit(&operations).await;
                redrive(&operations, false).await;
            }
            Chore::Drop => discard(&operations).await,
            Chore::Replay => {
                let body = json!({ "service": SERVICE, "from": operations.begun_at() });
                operations.begin("/operations/replays", &body).await;
            }
            Chore::Reconcile => {
                let body = json!({ "heal": true, "from": operations.begun_at(), "olderThanSeconds": 0 });
                operations.begin("/operations/reconciliations", &body).await;
                // Of a consumer that dies when it is asked nobody knows anything: the next comparison does.
                operations.run().sleep_ms(NEXT_AFTER_MS).await;
                operations.begin("/operations/reconciliations", &body).await;
            }
        }
    });
}

async fn redrive(operations: &Rc<Operations>, ramp: bool) {
    operations.begin("/operations/redrives", &json!({ "service": SERVICE, "ramp": ramp })).await;
}

/// The letter, once there is one.
async fn letter(operations: &Operations) -> Value {
    for _ in 0..MAX_ATTEMPTS {
        let (_, page) = operations.ask(&Method::GET, "/operations/letters", "*", &Value::Null).await;
        if let Some(letter) = page["letters"].as_array().and_then(|letters| letters.first()) {
            return letter.clone();
        }
        operations.run().sleep_ms(60_000).await;
    }
    Value::Null
}

fn path_of(letter: &Value) -> String {
    format!("/operations/letters/{}", letter["id"].as_str().unwrap_or_default())
}

/// Gives the event one attribute more. An edit whose answer was lost may be on record: then the letter has changed.
async fn edit(operations: &Operations) {
    for _ in 0..MAX_ATTEMPTS {
        let letter = letter(operations).await;
        let mut event: Value =
            letter["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
        if event["mended"] == "yes" {
            return;
        }
        event["mended"] = json!("yes");
        let (path, body) = (path_of(&letter), json!({ "body": event.to_string(), "why": "it was not quite right" }));
        let revision = operations.revision_of(letter["id"].as_str().unwrap_or_default());
        match operations.ask(&Method::PUT, &path, &format!("\"{revision}\""), &body).await {
            (200, _) => return,
            (412, _) => {}
            (status, answer) => return complain(operations, &format!("an edit was answered with {status}: {answer}")),
        }
    }
}

async fn discard(operations: &Operations) {
    let (letter, body) = (letter(operations).await, json!({ "why": "it is handled" }));
    let (status, answer) = operations.ask(&Method::DELETE, &path_of(&letter), "*", &body).await;
    if status != 200 || answer["state"] != "dropped" {
        complain(operations, &format!("a letter is not dropped: {status}, {answer}"));
    }
}

fn complain(operations: &Operations, what: &str) {
    operations.run().check(Err(Violation::new(what)));
}
