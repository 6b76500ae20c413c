//! The identity service on the emulator: its own template, `functions/service.yaml` as it is, and the real `bootstrap`.

#![expect(clippy::expect_used, reason = "all of it is tests, though Clippy does not see any in its helpers")]

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use orderflow_local::{Event, EventStream, Options, Stack};
use serde_json::json;

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/template.yaml");

/// Longest wait for an event: reached by a failure only.
const PATIENCE: u32 = 60;

/// Users, each by another kind of id.
const USERS: [&str; 2] = ["auth0|42", "ada@example.com"];

#[tokio::test]
async fn a_new_device_is_told_once_through_the_real_stack() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let options = Options { name: "identity".to_owned(), template: TEMPLATE.into(), ..Options::apart(home.path()) };
    let stack = Stack::up(&options).await.unwrap_or_else(|error| panic!("the stack does not come up: {error}"));
    let mut site = Site::of(&stack).await;
    for user in USERS {
        site.publish(user, "phone", 1).await;
        site.wait_for(&format!("{user} NewDeviceSeen phone"), 1).await;
    }
    // The same login, as a topic or a queue may deliver it once more, and another one from the same device.
    for number in [1, 2] {
        site.publish(USERS[0], "phone", number).await;
    }
    site.wait_for("auth0|42 UserLoggedIn phone", 3).await;
    site.publish(USERS[0], "laptop", 3).await;
    site.wait_for("auth0|42 NewDeviceSeen laptop", 1).await;
    for handled in ["Duplicate", "Unchanged"] {
        site.wait_for_log(&stack, handled).await;
    }
    site.listen().await;
    let expected = [
        ("ada@example.com NewDeviceSeen phone", 1),
        ("ada@example.com UserLoggedIn phone", 1),
        ("auth0|42 NewDeviceSeen laptop", 1),
        ("auth0|42 NewDeviceSeen phone", 1),
        ("auth0|42 UserLoggedIn laptop", 1),
        ("auth0|42 UserLoggedIn phone", 3),
    ];
    assert_eq!(site.heard, expected.map(|(event, count)| (event.to_owned(), count)).into());
}

/// A web site where users log in, which hears of their new devices.
struct Site {
    sns: aws_sdk_sns::Client,
    topic: String,
    events: EventStream,
    /// Events that have come: about whom, of which type, about which device; and how many of each.
    heard: BTreeMap<String, u32>,
    published: u32,
}

impl Site {
    async fn of(stack: &Stack) -> Self {
        let aws = stack.sdk_config();
        let topic = stack.outputs().get("EventsTopicArn").expect("a topic").to_owned();
        let events = EventStream::open(&aws, stack.outputs()).await.expect("a queue of its own behind the topic");
        Self { sns: aws_sdk_sns::Client::new(&aws), topic, events, heard: BTreeMap::new(), published: 0 }
    }

    /// Publishes a login, whose id says which one of the user's it is. The topic takes it for new each time.
    async fn publish(&mut self, user: &str, device: &str, number: u32) {
        let login = json!({
            "specversion": "1.0", "type": "UserLoggedIn", "source": "https://login.example",
            "id": format!("{user}, login {number}"), "subject": user, "time": "2026-11-22T10:00:00+01:00",
            "data": { "userId": user, "device": device },
        });
        self.published += 1;
        let publish = self.sns.publish().topic_arn(&self.topic).message(login.to_string()).message_group_id("logins");
        publish.message_deduplication_id(self.published.to_string()).send().await.expect("it is published");
    }

    /// Waits until an event has come so many times.
    async fn wait_for(&mut self, event: &str, count: u32) {
        for _ in 0..PATIENCE {
            if self.heard.get(event).is_some_and(|heard| *heard >= count) {
                return;
            }
            self.listen().await;
        }
        panic!("no {event} came, but {:?}", self.heard);
    }

    /// Waits until a function has logged that it handled an event so.
    async fn wait_for_log(&mut self, stack: &Stack, handled: &str) {
        for _ in 0..PATIENCE {
            if fs::read_to_string(stack.log()).is_ok_and(|log| log.contains(&format!(r#""handled":"{handled}""#))) {
                return;
            }
            self.listen().await;
        }
        panic!("nothing was {handled}");
    }

    /// Takes what comes within a second.
    async fn listen(&mut self) {
        for Event { subject, kind, data, .. } in self.events.next(Duration::from_secs(1)).await.expect("an answer") {
            let device = data["device"].as_str().unwrap_or_default();
            *self.heard.entry(format!("{subject} {kind} {device}")).or_default() += 1;
        }
    }
}
