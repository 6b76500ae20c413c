//! Suite of a standard queue itself: the behaviour that AWS documents, and every consumer counts on. Nothing of the product
//! implements it, but the simulator has a model of it, which must not be kinder than the real one.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use libtest_mimic::Trial;
use simulator::Run;
use simulator::model::queue::{Message, Receipt, Redrive, StandardQueue};

use crate::aws::{Aws, unique};

/// Number of times that a message may be received before it is moved.
const MAX_RECEIVE_COUNT: u32 = 2;

/// Time for which it is invisible.
const VISIBILITY_SECONDS: u32 = 30;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        ModelBench::new,
        SqsBench::new,
        [
            every_message_comes,
            a_message_in_flight_is_invisible_and_holds_back_no_other,
            what_is_deleted_does_not_come_again,
            what_is_put_back_comes_again_and_is_counted,
            a_message_that_stays_away_comes_later_and_holds_back_no_other,
            what_was_received_too_often_is_moved,
            what_is_sent_twice_is_there_twice,
        ]
    )
}

/// Queue with a dead-letter queue.
trait Bench {
    async fn send(&self, body: &str);
    /// Takes all that is to be had.
    async fn receive(&self) -> Vec<Received>;
    async fn delete(&self, receipt: &str);
    /// Changes the visibility of a message, and answers whether that was done.
    async fn stay_away(&self, receipt: &str, seconds: u32) -> bool;
    async fn wait(&self, seconds: u64);
    /// Bodies of the dead letters.
    async fn letters(&self) -> Vec<String>;
}

struct Received {
    receipt: String,
    body: String,
    receives: u32,
}

struct ModelBench {
    run: Rc<Run>,
    queue: StandardQueue,
    letters: Rc<StandardQueue>,
}

impl ModelBench {
    fn new() -> Self {
        let run = Run::calm();
        let visibility = Duration::from_secs(VISIBILITY_SECONDS.into());
        let letters = Rc::new(StandardQueue::new(&run, "letters", visibility, None));
        let redrive = Redrive { to: Rc::clone(&letters), max_receive_count: MAX_RECEIVE_COUNT };
        let queue = StandardQueue::new(&run, "queue", visibility, Some(redrive));
        Self { run, queue, letters }
    }
}

impl Bench for ModelBench {
    async fn send(&self, body: &str) {
        self.queue.send(Message::new(Rc::from(""), Rc::from(body)));
    }

    async fn receive(&self) -> Vec<Received> {
        let messages = self.queue.try_receive(10).into_iter().map(|message| Received {
            receipt: message.receipt().to_text(),
            body: message.body.to_string(),
            receives: message.receives,
        });
        messages.collect()
    }

    async fn delete(&self, receipt: &str) {
        self.queue.delete(Receipt::parse(receipt).expect("a receipt"));
    }

    async fn stay_away(&self, receipt: &str, seconds: u32) -> bool {
        self.queue.change_visibility(Receipt::parse(receipt).expect("a receipt"), seconds)
    }

    async fn wait(&self, seconds: u64) {
        self.run.spawn(self.run.executor.sleep(Duration::from_secs(seconds)));
        self.run.executor.run(|| false);
    }

    async fn letters(&self) -> Vec<String> {
        self.letters.look().into_iter().map(|letter| letter.body.to_string()).collect()
    }
}

struct SqsBench {
    client: Client,
    queue_url: String,
    letters_url: String,
}

impl SqsBench {
    async fn new(aws: &Aws) -> Self {
        let (_, client) = aws.clients();
        let letters_url = aws.queue().await;
        let redrive = serde_json::json!({
            "deadLetterTargetArn": aws.queue_arn(&letters_url).await, "maxReceiveCount": MAX_RECEIVE_COUNT,
        });
        let request = client
            .create_queue()
            .queue_name(unique())
            .attributes(QueueAttributeName::VisibilityTimeout, VISIBILITY_SECONDS.to_string())
            .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string());
        let queue_url = request.send().await.expect("a queue").queue_url.expect("its URL");
        Self { client, queue_url, letters_url }
    }
}

impl Bench for SqsBench {
    async fn send(&self, body: &str) {
        let request = self.client.send_message().queue_url(&self.queue_url).message_body(body);
        request.send().await.expect("a message");
    }

    async fn receive(&self) -> Vec<Received> {
        let mut received = Vec::new();
        loop {
            let request = self.client.receive_message().queue_url(&self.queue_url).max_number_of_messages(10);
            let request = request.message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
            let messages = request.send().await.expect("an answer").messages.unwrap_or_default();
            if messages.is_empty() {
                return received;
            }
            received.extend(messages.into_iter().map(|message| {
                let attributes = message.attributes.expect("its attributes");
                let count = &attributes[&MessageSystemAttributeName::ApproximateReceiveCount];
                Received {
                    receipt: message.receipt_handle.expect("a receipt"),
                    body: message.body.expect("a body"),
                    receives: count.parse().expect("a number"),
                }
            }));
        }
    }

    async fn delete(&self, receipt: &str) {
        // Its effect shows in what comes again.
        let _ = self.client.delete_message().queue_url(&self.queue_url).receipt_handle(receipt).send().await;
    }

    async fn stay_away(&self, receipt: &str, seconds: u32) -> bool {
        let request = self.client.change_message_visibility().queue_url(&self.queue_url).receipt_handle(receipt);
        request.visibility_timeout(seconds.try_into().unwrap()).send().await.is_ok()
    }

    async fn wait(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    async fn letters(&self) -> Vec<String> {
        let letters = crate::aws::receive(&self.client, &self.letters_url).await;
        letters.into_iter().map(|letter| letter.body.expect("a body")).collect()
    }
}

async fn send_all(bench: &impl Bench, bodies: &[&str]) {
    for body in bodies {
        bench.send(body).await;
    }
}

/// Receives messages, which may come in any order, and answers them by their bodies.
async fn check_receives(bench: &impl Bench, expected: &[&str]) -> Vec<Received> {
    let mut received = bench.receive().await;
    received.sort_by(|one, other| one.body.cmp(&other.body));
    assert_eq!(received.iter().map(|one| one.body.as_str()).collect::<Vec<_>>(), expected);
    received
}

async fn every_message_comes(bench: &impl Bench) {
    send_all(bench, &["1", "2", "3"]).await;
    let received = check_receives(bench, &["1", "2", "3"]).await;
    assert!(received.iter().all(|one| one.receives == 1));
}

async fn a_message_in_flight_is_invisible_and_holds_back_no_other(bench: &impl Bench) {
    send_all(bench, &["1"]).await;
    check_receives(bench, &["1"]).await;
    send_all(bench, &["2"]).await;
    check_receives(bench, &["2"]).await;
}

async fn what_is_deleted_does_not_come_again(bench: &impl Bench) {
    send_all(bench, &["1", "2"]).await;
    let received = check_receives(bench, &["1", "2"]).await;
    bench.delete(&received[0].receipt).await;
    assert!(bench.stay_away(&received[1].receipt, 0).await);
    check_receives(bench, &["2"]).await;
}

async fn what_is_put_back_comes_again_and_is_counted(bench: &impl Bench) {
    send_all(bench, &["1"]).await;
    let received = check_receives(bench, &["1"]).await;
    send_all(bench, &["2"]).await;
    assert!(bench.stay_away(&received[0].receipt, 0).await);
    let again = check_receives(bench, &["1", "2"]).await;
    assert_eq!((again[0].receives, again[1].receives), (2, 1));
}

async fn a_message_that_stays_away_comes_later_and_holds_back_no_other(bench: &impl Bench) {
    send_all(bench, &["1", "2"]).await;
    let received = check_receives(bench, &["1", "2"]).await;
    assert!(bench.stay_away(&received[0].receipt, 2).await);
    assert!(bench.stay_away(&received[1].receipt, 0).await);
    check_receives(bench, &["2"]).await;
    bench.wait(3).await;
    check_receives(bench, &["1"]).await;
}

async fn what_was_received_too_often_is_moved(bench: &impl Bench) {
    send_all(bench, &["1"]).await;
    for _ in 0..MAX_RECEIVE_COUNT {
        let received = check_receives(bench, &["1"]).await;
        assert!(bench.stay_away(&received[0].receipt, 0).await);
    }
    send_all(bench, &["2"]).await;
    check_receives(bench, &["2"]).await;
    assert_eq!(bench.letters().await, ["1"]);
}

async fn what_is_sent_twice_is_there_twice(bench: &impl Bench) {
    send_all(bench, &["1", "1"]).await;
    check_receives(bench, &["1", "1"]).await;
}
