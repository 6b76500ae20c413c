//! The suite of the operations' [`Queues`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_sqs::Client;
use libtest_mimic::Trial;
use onewrite::{Attribute, FailureKind};
use orderflow_operations::{AwsStack, MemoryOperations, Message, Queues};

use crate::aws::{Aws, receive};

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryOperations::default,
        SqsBench::new,
        [messages_of_several_batches_arrive_as_they_are, a_queue_that_is_gone_takes_nothing_for_ever]
    )
}

/// Queues, and how a test looks at them.
trait Bench {
    fn queues(&self) -> &impl Queues;
    async fn new_queue(&self) -> String;
    async fn remove(&self, queue_url: &str);
    async fn arrived(&self, queue_url: &str) -> Vec<Message>;
}

impl Bench for MemoryOperations {
    fn queues(&self) -> &impl Queues {
        self
    }

    async fn new_queue(&self) -> String {
        "queue".to_owned()
    }

    async fn remove(&self, queue_url: &str) {
        self.remove_queue(queue_url);
    }

    async fn arrived(&self, queue_url: &str) -> Vec<Message> {
        self.sent().into_iter().filter(|(url, _)| url == queue_url).map(|(_, message)| message).collect()
    }
}

struct SqsBench {
    client: Client,
    stack: AwsStack,
    queue_url: String,
}

impl SqsBench {
    async fn new(aws: &Aws) -> Self {
        let (dynamodb, client) = aws.clients();
        let stack = AwsStack::new(&aws.stack().sdk_config(), dynamodb, "/nowhere");
        Self { client, stack, queue_url: aws.queue().await }
    }
}

impl Bench for SqsBench {
    fn queues(&self) -> &impl Queues {
        &self.stack
    }

    async fn new_queue(&self) -> String {
        self.queue_url.clone()
    }

    async fn remove(&self, queue_url: &str) {
        self.client.delete_queue().queue_url(queue_url).send().await.expect("it is deleted");
    }

    async fn arrived(&self, queue_url: &str) -> Vec<Message> {
        let found = receive(&self.client, queue_url).await.into_iter().map(|message| {
            let attributes = message.message_attributes.unwrap_or_default().into_iter().map(|(name, value)| {
                let attribute = match (value.string_value, value.binary_value) {
                    (Some(text), _) => Attribute::Text(value.data_type, text),
                    (None, blob) => Attribute::Binary(value.data_type, blob.expect("a value").into_inner()),
                };
                (name, attribute)
            });
            Message { attributes: attributes.collect(), body: message.body.unwrap_or_default() }
        });
        found.collect()
    }
}

fn message(number: usize) -> Message {
    let attributes = [
        ("number".to_owned(), Attribute::Text("Number".to_owned(), number.to_string())),
        ("bytes".to_owned(), Attribute::Binary("Binary.png".to_owned(), vec![0, 255, 10, 13])),
    ];
    // Some of them are too large for many at once.
    let body = format!("{number} Zoë 🎈\n{}", "x".repeat(if number % 9 == 4 { 120_000 } else { 1 }));
    Message { body, attributes: if number.is_multiple_of(2) { attributes.into() } else { BTreeMap::new() } }
}

async fn messages_of_several_batches_arrive_as_they_are(bench: &impl Bench) {
    let queue_url = bench.new_queue().await;
    let messages: Vec<Message> = (0..33).map(message).collect();
    let sent = bench.queues().send(&queue_url, &messages).await.unwrap();
    assert_eq!(sent, vec![Ok(()); messages.len()]);
    let arrived = bench.arrived(&queue_url).await;
    assert_eq!(arrived.len(), messages.len());
    let bodies: BTreeSet<&str> = arrived.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(bodies.len(), messages.len());
    assert!(arrived.iter().all(|message| messages.contains(message)), "with what they carry");
    assert_eq!(bench.queues().send(&queue_url, &[]).await, Ok(Vec::new()));
}

async fn a_queue_that_is_gone_takes_nothing_for_ever(bench: &impl Bench) {
    let queue_url = bench.new_queue().await;
    bench.remove(&queue_url).await;
    let sent = bench.queues().send(&queue_url, &[message(1), message(2)]).await.unwrap();
    assert_eq!(sent.len(), 2);
    for refused in sent {
        let failure = refused.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Permanent);
        assert!(failure.reason().contains("queue is gone"), "{failure}");
    }
}
