//! The suites of [`DeadLetters`] and [`Visibility`].

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::Message;
use libtest_mimic::Trial;
use onewrite::aws::SqsQueue;
use onewrite::memory::MemoryQueue;
use onewrite::port::{DeadLetters, Visibility};
use onewrite::{Attribute, DeadLetter};
use simulator::Run;
use simulator::model::queue::{Message as SimulatedMessage, StandardQueue};
use simulator::ports::Queues;

use crate::aws::{Aws, receive};

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryQueue::default,
        SqsBench::new,
        SimulatedBench::new,
        [
            a_letter_is_kept_as_it_is,
            a_letter_with_ten_attributes_is_kept,
            letters_of_one_body_are_all_stored,
            a_message_is_seen_again_when_it_is_told_to,
            a_message_that_is_not_known_is_an_error,
        ]
    )
}

/// A queue and its dead-letter queue, and how a test looks at them.
trait Bench {
    fn queue(&self) -> &(impl DeadLetters + Visibility);
    /// All letters.
    async fn letters(&self) -> Vec<DeadLetter>;
    /// Hands out new messages, for an hour each, and answers their receipt handles.
    async fn hand_out(&self, messages: usize) -> Vec<String>;
    /// Number of messages that were handed out and can be seen again.
    async fn seen_again(&self) -> usize;
}

impl Bench for MemoryQueue {
    fn queue(&self) -> &(impl DeadLetters + Visibility) {
        self
    }

    async fn letters(&self) -> Vec<DeadLetter> {
        MemoryQueue::letters(self)
    }

    async fn hand_out(&self, messages: usize) -> Vec<String> {
        let receipts: Vec<String> = (0..messages).map(|message| format!("receipt {message}")).collect();
        for receipt in &receipts {
            MemoryQueue::hand_out(self, receipt);
        }
        receipts
    }

    async fn seen_again(&self) -> usize {
        self.visibilities().iter().filter(|(_, seconds)| *seconds == 0).count()
    }
}

struct SimulatedBench(Queues);

impl SimulatedBench {
    fn new() -> Self {
        let run = Run::calm();
        let queue = |name| Rc::new(StandardQueue::new(&run, name, Duration::from_hours(1), None));
        Self(Queues { queue: queue("queue"), dead_letters: queue("letters") })
    }
}

impl Bench for SimulatedBench {
    fn queue(&self) -> &(impl DeadLetters + Visibility) {
        &self.0
    }

    async fn letters(&self) -> Vec<DeadLetter> {
        let letters = self.0.dead_letters.look().into_iter();
        letters
            .map(|letter| DeadLetter { body: letter.body.to_string(), attributes: (*letter.attributes).clone() })
            .collect()
    }

    async fn hand_out(&self, messages: usize) -> Vec<String> {
        for _ in 0..messages {
            self.0.queue.send(SimulatedMessage::new(Rc::from(""), Rc::from("{}")));
        }
        let mut receipts = Vec::new();
        loop {
            let batch = self.0.queue.try_receive(10);
            if batch.is_empty() {
                return receipts;
            }
            receipts.extend(batch.into_iter().map(|message| message.receipt().to_text()));
        }
    }

    async fn seen_again(&self) -> usize {
        self.0.queue.try_receive(10).len()
    }
}

struct SqsBench {
    client: Client,
    queue_url: String,
    dead_letter_queue_url: String,
    queue: SqsQueue,
}

impl SqsBench {
    async fn new(aws: &Aws) -> Self {
        let (_, client) = aws.clients();
        let (queue_url, dead_letter_queue_url) = (aws.queue().await, aws.queue().await);
        let queue = SqsQueue::new(&aws.stack().sdk_config(), &queue_url, &dead_letter_queue_url);
        Self { client, queue_url, dead_letter_queue_url, queue }
    }
}

impl Bench for SqsBench {
    fn queue(&self) -> &(impl DeadLetters + Visibility) {
        &self.queue
    }

    async fn letters(&self) -> Vec<DeadLetter> {
        receive(&self.client, &self.dead_letter_queue_url).await.into_iter().map(to_letter).collect()
    }

    async fn hand_out(&self, messages: usize) -> Vec<String> {
        for _ in 0..messages {
            let request = self.client.send_message().queue_url(&self.queue_url).message_body("{}");
            request.send().await.expect("a message");
        }
        receive(&self.client, &self.queue_url).await.into_iter().filter_map(|message| message.receipt_handle).collect()
    }

    async fn seen_again(&self) -> usize {
        receive(&self.client, &self.queue_url).await.len()
    }
}

fn to_letter(message: Message) -> DeadLetter {
    let attributes = message.message_attributes.unwrap_or_default().into_iter().map(|(name, value)| {
        let attribute = match (value.string_value, value.binary_value) {
            (Some(text), _) => Attribute::Text(value.data_type, text),
            (None, blob) => Attribute::Binary(value.data_type, blob.expect("a value").into_inner()),
        };
        (name, attribute)
    });
    DeadLetter { body: message.body.unwrap_or_default(), attributes: attributes.collect() }
}

fn letter(attributes: BTreeMap<String, Attribute>) -> DeadLetter {
    DeadLetter { body: "{\"not\": JSON 🎈\n".to_owned(), attributes }
}

fn text(data_type: &str, value: &str) -> Attribute {
    Attribute::Text(data_type.to_owned(), value.to_owned())
}

async fn a_letter_is_kept_as_it_is(bench: &impl Bench) {
    let attributes = [
        ("text", text("String", "Zoë 名前 🎈")),
        ("number", text("Number", "-12.5")),
        ("own", text("String.uuid", "x")),
        ("bytes", Attribute::Binary("Binary".to_owned(), vec![0, 255, 10, 13])),
        ("picture", Attribute::Binary("Binary.png".to_owned(), b"png".to_vec())),
    ];
    let letter = letter(attributes.map(|(name, value)| (name.to_owned(), value)).into());
    bench.queue().park(&letter).await.unwrap();
    assert_eq!(bench.letters().await, [letter]);
}

async fn a_letter_with_ten_attributes_is_kept(bench: &impl Bench) {
    let attributes = (0..10).map(|number| (format!("a{number}"), text("String", "x"))).collect();
    let letter = letter(attributes);
    bench.queue().park(&letter).await.unwrap();
    assert_eq!(bench.letters().await, [letter]);
}

async fn letters_of_one_body_are_all_stored(bench: &impl Bench) {
    for _ in 0..3 {
        bench.queue().park(&letter(BTreeMap::new())).await.unwrap();
    }
    assert_eq!(bench.letters().await, [(); 3].map(|()| letter(BTreeMap::new())));
}

async fn a_message_is_seen_again_when_it_is_told_to(bench: &impl Bench) {
    let receipts = bench.hand_out(10).await;
    assert_eq!(receipts.iter().collect::<BTreeSet<_>>().len(), 10);
    let changes: Vec<(String, u32)> = receipts.into_iter().zip([0, 600, 0, 39_600, 0, 1_000, 0, 600, 0, 600]).collect();
    bench.queue().set(&changes).await.unwrap();
    assert_eq!(bench.seen_again().await, 5);
}

async fn a_message_that_is_not_known_is_an_error(bench: &impl Bench) {
    let receipts = bench.hand_out(1).await;
    let changes = [(receipts[0].clone(), 0), ("nobody's".to_owned(), 0)];
    let failure = bench.queue().set(&changes).await.unwrap_err();
    assert!(failure.kind().is_retryable(), "{failure}");
    assert_eq!(bench.seen_again().await, 1, "those that are known are changed");
}
