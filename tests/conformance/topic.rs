//! The suite of the relay's [`Topic`].

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::MessageSystemAttributeName;
use libtest_mimic::Trial;
use onewrite::aws::SnsTopic;
use onewrite::envelope::EventId;
use onewrite::memory::{MemoryTopic, VirtualTime};
use onewrite::relay::{Entry, MAX_BATCH_BYTES, MAX_BATCH_ENTRIES, OutboxRow, Topic};
use serde_json::Value;
use simulator::Run;
use simulator::model::queue::StandardQueue;
use simulator::model::topic::{FifoTopic, Subscription};

use crate::aws::{Aws, receive, unique};

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    let mut trials = crate::suite::suite!(
        aws,
        || MemoryTopic::new(VirtualTime::new(1)),
        SnsBench::new,
        SimulatedBench::new,
        [
            an_event_arrives_to_the_letter,
            a_full_batch_arrives,
            an_event_that_is_published_again_arrives_once,
            an_event_of_the_largest_size_arrives,
            a_batch_that_is_empty_or_too_long_is_refused_for_ever,
            an_event_that_is_too_large_is_refused_for_ever,
            warming_up_publishes_nothing,
        ]
    );
    trials.extend(crate::suite::suite!(
        aws,
        || MemoryTopic::new(VirtualTime::new(1)),
        SnsBench::new,
        [events_of_an_order_arrive_in_their_order_where_it_is_kept]
    ));
    trials
}

/// Topic, and all that has arrived at a standard queue that is subscribed to it: in any order.
trait Bench {
    fn topic(&self) -> &impl Topic;
    async fn arrived(&self) -> Vec<String>;
}

/// Topic, and all that has arrived at a FIFO queue that is subscribed to it: groups and texts, in their order.
trait OrderedBench: Bench {
    async fn arrived_in_order(&self) -> Vec<(String, String)>;
}

impl Bench for MemoryTopic<VirtualTime> {
    fn topic(&self) -> &impl Topic {
        self
    }

    async fn arrived(&self) -> Vec<String> {
        self.published().into_iter().map(|entry| entry.message).collect()
    }
}

impl OrderedBench for MemoryTopic<VirtualTime> {
    async fn arrived_in_order(&self) -> Vec<(String, String)> {
        self.published().iter().map(in_group).collect()
    }
}

struct SimulatedBench {
    run: Rc<Run>,
    topic: FifoTopic,
    queue: Rc<StandardQueue>,
}

impl SimulatedBench {
    fn new() -> Self {
        let run = Run::calm();
        let queue = |name| Rc::new(StandardQueue::new(&run, name, Duration::from_mins(1), None));
        let (queue, undeliverable) = (queue("queue"), queue("undeliverable"));
        let topic = FifoTopic::new(&run);
        topic.fanout.subscribe(Subscription {
            service: "nobody",
            queue: Rc::clone(&queue),
            filter: None,
            undeliverable,
        });
        Self { run, topic, queue }
    }
}

impl Bench for SimulatedBench {
    fn topic(&self) -> &impl Topic {
        &self.topic
    }

    async fn arrived(&self) -> Vec<String> {
        self.run.executor.run(|| false);
        self.queue.look().into_iter().map(|message| message.body.to_string()).collect()
    }
}

struct SnsBench {
    topic: SnsTopic,
    client: aws_sdk_sqs::Client,
    queue_url: String,
    fifo_queue_url: String,
}

impl SnsBench {
    /// Topic and subscription like those of the stack, and one of a FIFO queue.
    async fn new(aws: &Aws) -> Self {
        let (sns, (_, client)) = (aws_sdk_sns::Client::new(&aws.stack().sdk_config()), aws.clients());
        let mut create = sns.create_topic().name(format!("{}.fifo", unique()));
        for (name, value) in
            [("FifoTopic", "true"), ("FifoThroughputScope", "MessageGroup"), ("ContentBasedDeduplication", "true")]
        {
            create = create.attributes(name, value);
        }
        let arn = create.send().await.expect("a topic").topic_arn.expect("its ARN");
        let (queue_url, fifo_queue_url) = (aws.queue().await, aws.fifo_queue().await);
        for queue_url in [&queue_url, &fifo_queue_url] {
            let queue_arn = aws.allow(&arn, queue_url).await;
            let subscribe = sns.subscribe().topic_arn(&arn).protocol("sqs").endpoint(queue_arn);
            subscribe.attributes("RawMessageDelivery", "true").send().await.expect("a subscription");
        }
        Self { topic: SnsTopic::new(sns, arn), client, queue_url, fifo_queue_url }
    }
}

impl Bench for SnsBench {
    fn topic(&self) -> &impl Topic {
        &self.topic
    }

    async fn arrived(&self) -> Vec<String> {
        let messages = receive(&self.client, &self.queue_url).await.into_iter();
        messages.map(|message| message.body.expect("a body")).collect()
    }
}

impl OrderedBench for SnsBench {
    async fn arrived_in_order(&self) -> Vec<(String, String)> {
        let messages = receive(&self.client, &self.fifo_queue_url).await.into_iter().map(|message| {
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
        group: format!("ord_{group}"),
        id: EventId::v7(0, [id; 10]),
        committed_at: None,
        row: Rc::new(OutboxRow(Value::Null)),
    }
}

/// So many events of different orders.
fn entries(number: u8) -> Vec<Entry> {
    (0..number).map(|id| entry(id.into(), id, &format!("{{\"id\":{id}}}"))).collect()
}

fn in_group(entry: &Entry) -> (String, String) {
    (entry.group.clone(), entry.message.clone())
}

/// Checks that all of it has arrived, in whatever order.
async fn check_arrived(bench: &impl Bench, expected: &[&Entry]) {
    let (mut arrived, mut expected) = (bench.arrived().await, expected.to_vec());
    arrived.sort();
    expected.sort_by(|one, other| one.message.cmp(&other.message));
    assert!(arrived.iter().eq(expected.iter().map(|entry| &entry.message)), "{} texts arrived", arrived.len());
}

/// Publishes a batch of which nothing is refused.
async fn publish(bench: &impl Bench, batch: &[Entry]) {
    assert_eq!(bench.topic().publish(batch).await, Ok(Vec::new()));
}

async fn an_event_arrives_to_the_letter(bench: &impl Bench) {
    let texts = [
        r#"{"name":"Zoë 名前 🎈 \u0000 \"quoted\" \\"}"#,
        " {\r\n\t\"a\" : 1.50 , \"a\" : 1e2 }\n ",
        r#"{"markup":"<a href='x'>&amp;</a>]]>","url":"?a=b+c%20d&e;"}"#,
    ];
    let events: Vec<Entry> = (1..).zip(texts).map(|(id, text)| entry(id.into(), id, text)).collect();
    for event in &events {
        publish(bench, std::slice::from_ref(event)).await;
    }
    check_arrived(bench, &events.iter().collect::<Vec<_>>()).await;
}

async fn a_full_batch_arrives(bench: &impl Bench) {
    let batch = entries(10);
    assert_eq!(batch.len(), MAX_BATCH_ENTRIES);
    publish(bench, &batch).await;
    check_arrived(bench, &batch.iter().collect::<Vec<_>>()).await;
}

async fn events_of_an_order_arrive_in_their_order_where_it_is_kept(bench: &impl OrderedBench) {
    let events = [9, 1, 5].map(|id| entry(1, id, &format!("{id}")));
    for event in &events {
        publish(bench, std::slice::from_ref(event)).await;
    }
    assert_eq!(bench.arrived_in_order().await, events.each_ref().map(in_group));
}

async fn an_event_that_is_published_again_arrives_once(bench: &impl Bench) {
    let [first, second] = [entry(1, 1, "same"), entry(2, 2, "same")];
    // It counts what the id is, not what the text is.
    for batch in [&[first.clone()][..], &[first.clone(), second.clone()], &[second.clone(), entry(1, 1, "other")]] {
        publish(bench, batch).await;
    }
    check_arrived(bench, &[&first, &second]).await;
}

async fn an_event_of_the_largest_size_arrives(bench: &impl Bench) {
    let large = entry(1, 1, &"名".repeat(MAX_BATCH_BYTES / "名".len()));
    publish(bench, std::slice::from_ref(&large)).await;
    check_arrived(bench, &[&large]).await;
}

async fn a_batch_that_is_empty_or_too_long_is_refused_for_ever(bench: &impl Bench) {
    for batch in [entries(0), entries(11)] {
        let failure = bench.topic().publish(&batch).await.unwrap_err();
        assert!(!failure.kind().is_retryable(), "{}: {failure}", batch.len());
    }
    check_arrived(bench, &[]).await;
}

async fn an_event_that_is_too_large_is_refused_for_ever(bench: &impl Bench) {
    // SNS refuses the batch, an emulator the event: the relay does the same about both.
    let failure = match bench.topic().publish(&[entry(1, 1, &"x".repeat(262_145))]).await {
        Err(failure) => failure,
        Ok(refusals) => refusals.into_iter().find(|refusal| refusal.index == 0).expect("a refusal").failure,
    };
    assert!(!failure.kind().is_retryable(), "{failure}");
    check_arrived(bench, &[]).await;
}

async fn warming_up_publishes_nothing(bench: &impl Bench) {
    bench.topic().warm().await;
    check_arrived(bench, &[]).await;
}
