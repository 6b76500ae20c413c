//! The suite of a FIFO queue itself: what AWS documents of it, and every consumer counts on. Nothing of the product
//! implements it, but the simulation has a model of it, which must not be kinder than the real one.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use libtest_mimic::Trial;
use orderflow_simulation::model::queue::{FifoQueue, Redrive};
use orderflow_simulation::world::World;

use crate::aws::{Aws, unique};

/// Receives of a message before it is moved.
const MAX_RECEIVE_COUNT: u32 = 2;

/// For how long it is invisible.
const VISIBILITY_SECONDS: u32 = 30;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        ModelBench::new,
        SqsBench::new,
        [
            messages_of_a_group_come_in_their_order,
            a_group_in_flight_hands_out_nothing_more,
            what_is_deleted_does_not_come_again,
            what_is_put_back_comes_first_again_and_is_counted,
            a_message_that_stays_away_holds_back_those_behind_it,
            a_group_waits_for_all_that_were_handed_out,
            what_was_received_too_often_is_moved_and_its_group_goes_on,
            what_is_sent_twice_under_one_id_is_there_once,
            the_same_id_in_another_group_is_another_message,
        ]
    )
}

/// A queue with a dead-letter queue.
trait Bench {
    async fn send(&self, group: &str, body: &str, deduplication: &str);
    /// All that is to be had, in the order in which it comes.
    async fn receive(&self) -> Vec<Received>;
    /// True if it was deleted.
    async fn delete(&self, receipt: &str);
    async fn stay_away(&self, receipt: &str, seconds: u32) -> bool;
    async fn wait(&self, seconds: u64);
    /// The bodies of the dead letters.
    async fn letters(&self) -> Vec<String>;
}

struct Received {
    receipt: String,
    body: String,
    receives: u32,
}

struct ModelBench {
    world: Rc<World>,
    queue: FifoQueue,
    letters: Rc<FifoQueue>,
}

impl ModelBench {
    fn new() -> Self {
        let world = World::calm();
        let visibility = Duration::from_secs(VISIBILITY_SECONDS.into());
        let letters = Rc::new(FifoQueue::new(&world.executor, "letters", visibility, None));
        let redrive = Redrive { to: Rc::clone(&letters), max_receive_count: MAX_RECEIVE_COUNT };
        let queue = FifoQueue::new(&world.executor, "queue", visibility, Some(redrive));
        Self { world, queue, letters }
    }
}

impl Bench for ModelBench {
    async fn send(&self, group: &str, body: &str, deduplication: &str) {
        self.queue.send(group, Rc::from(body), BTreeMap::new(), deduplication);
    }

    async fn receive(&self) -> Vec<Received> {
        let messages = self.queue.try_receive(10).into_iter().map(|message| Received {
            receipt: message.receipt.to_string(),
            body: message.body.to_string(),
            receives: message.receives,
        });
        messages.collect()
    }

    async fn delete(&self, receipt: &str) {
        self.queue.delete(receipt.parse().unwrap());
    }

    async fn stay_away(&self, receipt: &str, seconds: u32) -> bool {
        self.queue.change_visibility(receipt.parse().unwrap(), seconds)
    }

    async fn wait(&self, seconds: u64) {
        let sleep = self.world.executor.sleep(Duration::from_secs(seconds));
        self.world.spawn(sleep);
        self.world.executor.run(|| false);
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
        let attributes =
            client.get_queue_attributes().queue_url(&letters_url).attribute_names(QueueAttributeName::QueueArn);
        let letters_arn = attributes.send().await.expect("an answer").attributes.expect("its attributes");
        let redrive = serde_json::json!({
            "deadLetterTargetArn": letters_arn[&QueueAttributeName::QueueArn], "maxReceiveCount": MAX_RECEIVE_COUNT,
        });
        let request = client
            .create_queue()
            .queue_name(format!("{}.fifo", unique()))
            .attributes(QueueAttributeName::FifoQueue, "true")
            .attributes(QueueAttributeName::DeduplicationScope, "messageGroup")
            .attributes(QueueAttributeName::FifoThroughputLimit, "perMessageGroupId")
            .attributes(QueueAttributeName::VisibilityTimeout, VISIBILITY_SECONDS.to_string())
            .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string());
        let queue_url = request.send().await.expect("a queue").queue_url.expect("its URL");
        Self { client, queue_url, letters_url }
    }
}

impl Bench for SqsBench {
    async fn send(&self, group: &str, body: &str, deduplication: &str) {
        let request = self.client.send_message().queue_url(&self.queue_url).message_body(body);
        request.message_group_id(group).message_deduplication_id(deduplication).send().await.expect("a message");
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
        // The result shows in what comes again.
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

/// Sends messages to one group, each under its body as its id.
async fn send_all(bench: &impl Bench, group: &str, bodies: &[&str]) {
    for body in bodies {
        bench.send(group, body, body).await;
    }
}

async fn check_receives(bench: &impl Bench, expected: &[&str]) -> Vec<Received> {
    let received = bench.receive().await;
    assert_eq!(received.iter().map(|one| one.body.as_str()).collect::<Vec<_>>(), expected);
    received
}

async fn messages_of_a_group_come_in_their_order(bench: &impl Bench) {
    send_all(bench, "a", &["1", "2", "3"]).await;
    let received = check_receives(bench, &["1", "2", "3"]).await;
    assert!(received.iter().all(|one| one.receives == 1));
}

async fn a_group_in_flight_hands_out_nothing_more(bench: &impl Bench) {
    send_all(bench, "a", &["1"]).await;
    check_receives(bench, &["1"]).await;
    send_all(bench, "a", &["2"]).await;
    send_all(bench, "b", &["3"]).await;
    check_receives(bench, &["3"]).await;
}

async fn what_is_deleted_does_not_come_again(bench: &impl Bench) {
    send_all(bench, "a", &["1", "2"]).await;
    let received = check_receives(bench, &["1", "2"]).await;
    bench.delete(&received[0].receipt).await;
    assert!(bench.stay_away(&received[1].receipt, 0).await);
    check_receives(bench, &["2"]).await;
}

async fn what_is_put_back_comes_first_again_and_is_counted(bench: &impl Bench) {
    send_all(bench, "a", &["1"]).await;
    let received = check_receives(bench, &["1"]).await;
    send_all(bench, "a", &["2"]).await;
    assert!(bench.stay_away(&received[0].receipt, 0).await);
    let again = check_receives(bench, &["1", "2"]).await;
    assert_eq!((again[0].receives, again[1].receives), (2, 1));
}

async fn a_message_that_stays_away_holds_back_those_behind_it(bench: &impl Bench) {
    send_all(bench, "a", &["1", "2"]).await;
    let received = check_receives(bench, &["1", "2"]).await;
    assert!(bench.stay_away(&received[0].receipt, 2).await);
    assert!(bench.stay_away(&received[1].receipt, 0).await);
    check_receives(bench, &[]).await;
    bench.wait(3).await;
    check_receives(bench, &["1", "2"]).await;
}

async fn a_group_waits_for_all_that_were_handed_out(bench: &impl Bench) {
    send_all(bench, "a", &["1", "2"]).await;
    let received = check_receives(bench, &["1", "2"]).await;
    assert!(bench.stay_away(&received[0].receipt, 0).await);
    check_receives(bench, &[]).await;
    assert!(bench.stay_away(&received[1].receipt, 0).await);
    check_receives(bench, &["1", "2"]).await;
}

async fn what_was_received_too_often_is_moved_and_its_group_goes_on(bench: &impl Bench) {
    send_all(bench, "a", &["1"]).await;
    for _ in 0..MAX_RECEIVE_COUNT {
        let received = check_receives(bench, &["1"]).await;
        assert!(bench.stay_away(&received[0].receipt, 0).await);
    }
    send_all(bench, "a", &["2"]).await;
    check_receives(bench, &["2"]).await;
    assert_eq!(bench.letters().await, ["1"]);
}

async fn what_is_sent_twice_under_one_id_is_there_once(bench: &impl Bench) {
    bench.send("a", "1", "id").await;
    bench.send("a", "other", "id").await;
    let received = check_receives(bench, &["1"]).await;
    bench.delete(&received[0].receipt).await;
    // It is known again even when it is gone.
    bench.send("a", "1", "id").await;
    check_receives(bench, &[]).await;
}

async fn the_same_id_in_another_group_is_another_message(bench: &impl Bench) {
    bench.send("a", "1", "id").await;
    bench.send("b", "2", "id").await;
    assert_eq!(bench.receive().await.len(), 2);
}
