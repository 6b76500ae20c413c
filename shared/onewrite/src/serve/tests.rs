use std::cell::RefCell;
use std::time::Duration;

use futures::executor::block_on;
use serde_json::json;

use super::*;
use crate::config::QueueSettings;
use crate::failure::FailureKind;
use crate::handle::{Delivery, Handled};
use crate::inspect::Outlook;
use crate::memory::sample::{Library, another_event, requested};
use crate::memory::{MemoryQueue, VirtualTime};

type Event = envelope::Event<Library>;

/// Handles facts as a closure says.
struct Fake<F>(F);

impl<F: AsyncFn(&Event, &Delivery<'_>) -> Result<Handled>> Handle for Fake<F> {
    type Incoming = Event;

    fn consumes(&self, _: &Event) -> bool {
        true
    }

    async fn warm(&self) {}

    async fn handle(&self, event: &Event, delivery: &Delivery<'_>) -> Result<Handled> {
        self.0(event, delivery).await
    }
}

fn body_of(subject: &str) -> String {
    serde_json::to_string(&another_event::<Library>(requested(subject), 1)).unwrap()
}

/// An invocation by SNS with these messages, as Lambda passes it on.
fn notifications(messages: &[String]) -> String {
    let record = |message: &String| {
        json!({
            "EventVersion": "1.0",
            "EventSubscriptionArn": "arn:aws:sns:eu-central-1:123456789012:events:1",
            "EventSource": "aws:sns",
            "Sns": {
                "Type": "Notification",
                "MessageId": "m1",
                "TopicArn": "arn:aws:sns:eu-central-1:123456789012:events",
                "Subject": null,
                "Message": message,
                "Timestamp": "2026-11-22T09:00:00.000Z",
                "SignatureVersion": "1",
                "Signature": "x",
                "SigningCertUrl": "https://sns.example/cert.pem",
                "UnsubscribeUrl": "https://sns.example/unsubscribe",
                "MessageAttributes": {},
            },
        })
    };
    json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() }).to_string()
}

/// The answer to an invocation with that payload, of a function that fails at request `req_2`.
fn answered(payload: &str) -> (Result<Answer>, Vec<String>) {
    let (world, queue, handled) = (VirtualTime::new(1), MemoryQueue::default(), RefCell::new(Vec::new()));
    let handle = async |event: &Event, _: &Delivery<'_>| {
        let subject = event.context.subject.as_str();
        if subject == "req_2" {
            return Err(Failure::transient("later"));
        }
        handled.borrow_mut().push(subject.to_owned());
        Ok(Handled::Changed)
    };
    let settings = QueueSettings {
        queue_url: String::new(),
        dead_letter_queue_url: String::new(),
        max_receive_count: 3,
        max_backoff_seconds: 900,
        function: String::new(),
    };
    let batch = Batch::new(Fake(handle), &queue, &world, settings);
    let payload = RawValue::from_string(payload.to_owned()).unwrap();
    let answer = block_on(answer(&batch, &payload, world.now().after(Duration::from_secs(30))));
    drop(batch);
    (answer, handled.into_inner())
}

#[test]
fn a_topic_may_invoke_the_function_itself() {
    let bodies = ["req_1", "req_3"].map(body_of);
    let (answer, handled) = answered(&notifications(&bodies));
    assert_eq!(answer, Ok(Answer::Nothing));
    assert_eq!(handled, ["req_1", "req_3"]);
    let (answer, handled) = answered(&notifications(&[body_of("req_2"), "no event".to_owned(), body_of("req_3")]));
    let failure = answer.unwrap_err();
    assert!(failure.reason().starts_with("2 of 3 facts were not handled: "), "{failure}");
    assert_eq!(handled, ["req_3"], "each is attempted, whatever becomes of the others");
}

#[test]
fn an_invocation_by_neither_queue_nor_topic_is_refused() {
    let record = |source: &str| json!({ "messageId": "m1", "body": body_of("req_1"), "eventSource": source });
    let queue = json!({ "Records": [record("aws:sqs")] });
    let (answer, handled) = answered(&queue.to_string());
    assert_eq!(answer, Ok(Answer::Batch(SqsBatchResponse::default())));
    assert_eq!(handled, ["req_1"]);
    for payload in [
        json!({}),
        json!([]),
        json!({ "Records": [] }),
        json!({ "Records": {} }),
        json!({ "key1": "value1" }),
        json!({ "Records": [record("aws:kinesis")] }),
        json!({ "Records": [record("aws:sqs"), record("aws:kinesis")] }),
        json!({ "Records": [{ "body": body_of("req_1") }] }),
        serde_json::from_str(&body_of("req_1")).unwrap(),
    ] {
        let (answer, handled) = answered(&payload.to_string());
        assert_eq!(answer.map_err(|failure| failure.kind()).err(), Some(FailureKind::Permanent), "{payload}");
        assert_eq!(handled, [""; 0], "{payload}");
    }
}

#[test]
fn an_inquiry_is_answered_and_nothing_is_handled() {
    let inquiry = json!({ "inspect": { "events": [body_of("req_1"), "no event"], "subjects": ["req_1"] } });
    let (answer, handled) = answered(&inquiry.to_string());
    let Ok(Answer::Inspected(Answers { events, subjects })) = answer else { panic!("{answer:?}") };
    assert!(matches!(&events[..], [Outlook::Unknown, Outlook::Refused { .. }]), "{events:?}");
    assert_eq!((subjects, handled), (vec![Vec::new()], Vec::new()));
    // What is more than an inquiry is none.
    let mixed = json!({ "inspect": {}, "Records": [] });
    assert_eq!(answered(&mixed.to_string()).0.map_err(|failure| failure.kind()).err(), Some(FailureKind::Permanent));
}
