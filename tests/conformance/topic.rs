//! The suite of the relay's [`Topic`].

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use libtest_mimic::Trial;
use onewrite::memory::VirtualTime;
use orderflow_events::{EventId, OrderId};
use orderflow_relay::memory::MemoryTopic;
use orderflow_relay::{Entry, MAX_BATCH_BYTES, MAX_BATCH_ENTRIES, OutboxRow, SnsTopic, Topic};
use orderflow_simulation::model::queue::FifoQueue;
use orderflow_simulation::model::topic::{FifoTopic, Subscription};
use orderflow_simulation::world::World as SimulatedWorld;
use serde_json::Value;

use crate::aws::{Aws, receive, unique};

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        || MemoryTopic::new(VirtualTime::new(1)),
        SnsBench::new,
        SimulatedBench::new,
        [
            an_event_arrives_in_its_group_to_the_letter,
            a_full_batch_arrives_in_its_order,
            events_of_an_order_arrive_in_the_order_of_their_batches,
            an_event_that_is_published_again_arrives_once,
            an_event_of_the_largest_size_arrives,
            a_batch_that_is_empty_or_too_long_is_refused_for_ever,
            an_event_that_is_too_large_is_refused_for_ever,
            warming_up_publishes_nothing,
        ]
    )
}

/// A message: its group and its text.
type Arrived = (String, String);

/// A topic, and what arrives at a queue that is subscribed to it.
trait Bench {
    fn topic(&self) -> &impl Topic;
    async fn arrived(&self) -> Vec<Arrived>;
}

impl Bench for MemoryTopic<VirtualTime> {
    fn topic(&self) -> &impl Topic {
        self
    }

    async fn arrived(&self) -> Vec<Arrived> {
        self.published().iter().map(arrives).collect()
    }
}

struct SimulatedBench {
    world: Rc<SimulatedWorld>,
    topic: FifoTopic,
    queue: Rc<FifoQueue>,
}

impl SimulatedBench {
    fn new() -> Self {
        let world = SimulatedWorld::calm();
        let queue = |name| Rc::new(FifoQueue::new(&world.executor, name, Duration::from_mins(1), None));
        let (queue, undeliverable) = (queue("queue"), queue("undeliverable"));
        let subscription = Subscription { queue: Rc::clone(&queue), filter: None, undeliverable };
        let topic = FifoTopic::new(&world, vec![subscription]);
        Self { world, topic, queue }
    }
}

impl Bench for SimulatedBench {
    fn topic(&self) -> &impl Topic {
        &self.topic
    }

    async fn arrived(&self) -> Vec<Arrived> {
        self.world.executor.run(|| false);
        self.queue.look().into_iter().map(|message| (message.group.to_string(), message.body.to_string())).collect()
    }
}

struct SnsBench {
    topic: SnsTopic,
    client: aws_sdk_sqs::Client,
    queue_url: String,
}

impl SnsBench {
    /// A topic and a subscription like those of the stack.
    async fn new(aws: &Aws) -> Self {
        let (sns, (_, client)) = (aws_sdk_sns::Client::new(&aws.stack().sdk_config()), aws.clients());
        let mut create = sns.create_topic().name(format!("{}.fifo", unique()));
        for (name, value) in
            [("FifoTopic", "true"), ("FifoThroughputScope", "MessageGroup"), ("ContentBasedDeduplication", "true")]
        {
            create = create.attributes(name, value);
        }
        let arn = create.send().await.expect("a topic").topic_arn.expect("its ARN");
        let queue_url = aws.queue().await;
        let queue = client.get_queue_attributes().queue_url(&queue_url).attribute_names(QueueAttributeName::QueueArn);
        let queue = queue.send().await.expect("an answer").attributes.expect("its attributes");
        let subscribe = sns.subscribe().topic_arn(&arn).protocol("sqs").endpoint(&queue[&QueueAttributeName::QueueArn]);
        subscribe.attributes("RawMessageDelivery", "true").send().await.expect("a subscription");
        Self { topic: SnsTopic::new(sns, arn), client, queue_url }
    }
}

impl Bench for SnsBench {
    fn topic(&self) -> &impl Topic {
        &self.topic
    }

    async fn arrived(&self) -> Vec<Arrived> {
        let messages = receive(&self.client, &self.queue_url).await.into_iter().map(|message| {
            let group = message.attributes.and_then(|mut all| all.remove(&MessageSystemAttributeName::MessageGroupId));
            (group.expect("a group"), message.body.expect("a body"))
        });
        messages.collect()
    }
}

/// An event of order `ord_<group>`.
fn entry(group: usize, id: u8, message: &str) -> Entry {
    Entry {
        message: message.to_owned(),
        group: OrderId::new(format!("ord_{group}")).unwrap(),
        id: EventId::from_parts(0, [id; 10]),
        row: Rc::new(OutboxRow(Value::Null)),
    }
}

/// So many events of different orders.
fn entries(number: u8) -> Vec<Entry> {
    (0..number).map(|id| entry(id.into(), id, &format!("{{\"id\":{id}}}"))).collect()
}

fn arrives(entry: &Entry) -> Arrived {
    (entry.group.to_string(), entry.message.clone())
}

/// Publishes a batch of which nothing is refused.
async fn publish(bench: &impl Bench, batch: &[Entry]) {
    assert_eq!(bench.topic().publish(batch).await, Ok(Vec::new()));
}

async fn an_event_arrives_in_its_group_to_the_letter(bench: &impl Bench) {
    for (id, text) in (1..).zip([
        r#"{"name":"Zoë 名前 🎈 \u0000 \"quoted\" \\"}"#,
        " {\r\n\t\"a\" : 1.50 , \"a\" : 1e2 }\n ",
        r#"{"markup":"<a href='x'>&amp;</a>]]>","url":"?a=b+c%20d&e;"}"#,
    ]) {
        let event = entry(id.into(), id, text);
        publish(bench, std::slice::from_ref(&event)).await;
        assert_eq!(bench.arrived().await.last(), Some(&arrives(&event)));
    }
}

async fn a_full_batch_arrives_in_its_order(bench: &impl Bench) {
    let batch = entries(10);
    assert_eq!(batch.len(), MAX_BATCH_ENTRIES);
    publish(bench, &batch).await;
    assert_eq!(bench.arrived().await, batch.iter().map(arrives).collect::<Vec<_>>());
}

async fn events_of_an_order_arrive_in_the_order_of_their_batches(bench: &impl Bench) {
    let events = [9, 1, 5].map(|id| entry(1, id, &format!("{id}")));
    for event in &events {
        publish(bench, std::slice::from_ref(event)).await;
    }
    assert_eq!(bench.arrived().await, events.each_ref().map(arrives));
}

async fn an_event_that_is_published_again_arrives_once(bench: &impl Bench) {
    let [first, second] = [entry(1, 1, "same"), entry(2, 2, "same")];
    // It counts what the id is, not what the text is.
    for batch in [&[first.clone()][..], &[first.clone(), second.clone()], &[second.clone(), entry(1, 1, "other")]] {
        publish(bench, batch).await;
    }
    assert_eq!(bench.arrived().await, [arrives(&first), arrives(&second)]);
}

async fn an_event_of_the_largest_size_arrives(bench: &impl Bench) {
    let large = entry(1, 1, &"名".repeat(MAX_BATCH_BYTES / "名".len()));
    publish(bench, std::slice::from_ref(&large)).await;
    assert!(bench.arrived().await == [arrives(&large)], "it is not there, or differs");
}

async fn a_batch_that_is_empty_or_too_long_is_refused_for_ever(bench: &impl Bench) {
    for batch in [entries(0), entries(11)] {
        let failure = bench.topic().publish(&batch).await.unwrap_err();
        assert!(!failure.kind().is_retryable(), "{}: {failure}", batch.len());
    }
    assert_eq!(bench.arrived().await, []);
}

async fn an_event_that_is_too_large_is_refused_for_ever(bench: &impl Bench) {
    // SNS refuses the batch, an emulator the event: the relay does the same about both.
    let failure = match bench.topic().publish(&[entry(1, 1, &"x".repeat(262_145))]).await {
        Err(failure) => failure,
        Ok(refusals) => refusals.into_iter().find(|refusal| refusal.index == 0).expect("a refusal").failure,
    };
    assert!(!failure.kind().is_retryable(), "{failure}");
    assert_eq!(bench.arrived().await, []);
}

async fn warming_up_publishes_nothing(bench: &impl Bench) {
    bench.topic().warm().await;
    assert_eq!(bench.arrived().await, []);
}
