//! Tables, queues, topics and the like on an emulator of AWS.

use std::sync::OnceLock;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use orderflow_local::{Options, Stack};
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

/// An emulator of AWS, started when it is needed first.
#[derive(Default)]
pub(crate) struct Aws {
    emulator: OnceLock<Emulator>,
}

impl Aws {
    /// The emulator, and what is needed to talk to it.
    pub(crate) fn stack(&self) -> &Stack {
        &self.emulator.get_or_init(Emulator::start).stack
    }

    /// Clients whose connections belong to the async runtime at hand.
    pub(crate) fn clients(&self) -> (aws_sdk_dynamodb::Client, aws_sdk_sqs::Client) {
        let aws = self.stack().sdk_config();
        (aws_sdk_dynamodb::Client::new(&aws), aws_sdk_sqs::Client::new(&aws))
    }

    /// A new table with a key of that many attributes: `pk`, a text, and `sk`, a number.
    pub(crate) async fn table(&self, key: usize) -> String {
        self.sorted_table(key, ScalarAttributeType::N).await
    }

    /// The same, with an `sk` of that type.
    pub(crate) async fn sorted_table(&self, key: usize, sort: ScalarAttributeType) -> String {
        let name = unique();
        let attributes = [("pk", KeyType::Hash, ScalarAttributeType::S), ("sk", KeyType::Range, sort)];
        let mut request = self.clients().0.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
        for (attribute, kind, data_type) in attributes.into_iter().take(key) {
            let key = KeySchemaElement::builder().attribute_name(attribute).key_type(kind).build().unwrap();
            let definition = AttributeDefinition::builder().attribute_name(attribute).attribute_type(data_type);
            request = request.key_schema(key).attribute_definitions(definition.build().unwrap());
        }
        request.send().await.expect("a table");
        name
    }

    /// A new table of the operations, with its index.
    pub(crate) async fn letters_table(&self) -> String {
        let projection = Projection::builder().projection_type(ProjectionType::Include).non_key_attributes("record");
        let keys_only = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
        let indexes =
            [("ByState", ["state", "place"], projection.build()), ("OpenLetters", ["open", "group"], keys_only)];
        self.table_with(ScalarAttributeType::S, indexes.into()).await
    }

    /// A new table of the journal, with its index.
    pub(crate) async fn journal_table(&self) -> String {
        let projection = Projection::builder().projection_type(ProjectionType::KeysOnly);
        self.indexed_table(ScalarAttributeType::S, "ByTime", ["slot", "at"], projection.build()).await
    }

    /// A new table of a ledger, with the index of what is open.
    pub(crate) async fn table_with_open_index(&self) -> String {
        let projection = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
        self.indexed_table(ScalarAttributeType::N, "Open", ["open", "at"], projection).await
    }

    /// A new table of a ledger, with the index of who owns what.
    pub(crate) async fn table_with_owner_index(&self) -> String {
        let projection = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
        self.indexed_table(ScalarAttributeType::N, "ByOwner", ["owner", "at"], projection).await
    }

    async fn indexed_table(
        &self,
        sort: ScalarAttributeType,
        index: &str,
        keys: [&str; 2],
        projection: Projection,
    ) -> String {
        self.table_with(sort, vec![(index, keys, projection)]).await
    }

    async fn table_with(&self, sort: ScalarAttributeType, indexes: Vec<(&str, [&str; 2], Projection)>) -> String {
        let name = unique();
        let schema = |[hash, range]: [&str; 2]| {
            [(hash, KeyType::Hash), (range, KeyType::Range)]
                .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap())
        };
        let definition = |name: &str| {
            let data_type = if name == "sk" { sort.clone() } else { ScalarAttributeType::S };
            AttributeDefinition::builder().attribute_name(name).attribute_type(data_type).build().unwrap()
        };
        let names = ["pk", "sk"].into_iter().chain(indexes.iter().flat_map(|(_, keys, _)| *keys));
        let definitions: Vec<AttributeDefinition> = names.map(definition).collect();
        let index = |(name, keys, projection): (&str, [&str; 2], Projection)| {
            let index = GlobalSecondaryIndex::builder().index_name(name).set_key_schema(Some(schema(keys).into()));
            index.projection(projection).build().unwrap()
        };
        let request = self
            .clients()
            .0
            .create_table()
            .table_name(&name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(schema(["pk", "sk"]).into()))
            .set_attribute_definitions(Some(definitions))
            .set_global_secondary_indexes(Some(indexes.into_iter().map(index).collect()));
        request.send().await.expect("a table");
        name
    }

    /// URL of a new standard queue like those of the stack.
    pub(crate) async fn queue(&self) -> String {
        let request = self.clients().1.create_queue().queue_name(unique());
        request.send().await.expect("a queue").queue_url.expect("its URL")
    }

    /// URL of a new FIFO queue, as somebody subscribes one who wants events in their order.
    pub(crate) async fn fifo_queue(&self) -> String {
        let request = self
            .clients()
            .1
            .create_queue()
            .queue_name(format!("{}.fifo", unique()))
            .attributes(QueueAttributeName::FifoQueue, "true")
            .attributes(QueueAttributeName::DeduplicationScope, "messageGroup")
            .attributes(QueueAttributeName::FifoThroughputLimit, "perMessageGroupId");
        request.send().await.expect("a queue").queue_url.expect("its URL")
    }

    /// Lets that topic send to a queue: its ARN.
    pub(crate) async fn allow(&self, topic_arn: &str, queue_url: &str) -> String {
        let queue_arn = self.queue_arn(queue_url).await;
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "sns.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": { "ArnEquals": { "aws:SourceArn": topic_arn } },
        }] });
        let allow = self.clients().1.set_queue_attributes().queue_url(queue_url);
        allow.attributes(QueueAttributeName::Policy, policy.to_string()).send().await.expect("a policy");
        queue_arn
    }

    /// ARN of a queue.
    pub(crate) async fn queue_arn(&self, queue_url: &str) -> String {
        let request = self.clients().1.get_queue_attributes().queue_url(queue_url);
        let answer = request.attribute_names(QueueAttributeName::QueueArn).send().await.expect("an answer");
        answer.attributes.expect("its attributes")[&QueueAttributeName::QueueArn].clone()
    }
}

/// Takes all that is visible in a queue, for an hour.
pub(crate) async fn receive(client: &aws_sdk_sqs::Client, queue_url: &str) -> Vec<Message> {
    let mut messages = Vec::new();
    loop {
        let request = client
            .receive_message()
            .queue_url(queue_url)
            .max_number_of_messages(10)
            .visibility_timeout(3_600)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let batch = request.send().await.expect("an answer").messages.unwrap_or_default();
        if batch.is_empty() {
            return messages;
        }
        messages.extend(batch);
    }
}

/// A running emulator; dropping it ends it.
struct Emulator {
    stack: Stack,
    /// Folder of the stack's log; dropped, it is deleted.
    _home: TempDir,
}

impl Emulator {
    fn start() -> Self {
        // Whoever needs it first is on an async runtime already, and a thread can have only one.
        let starting = std::thread::spawn(|| {
            let home = tempfile::tempdir().expect("a temporary directory");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let stack = runtime.block_on(Stack::up(&Options::apart(home.path())));
            let stack = stack.unwrap_or_else(|error| panic!("the emulator does not start: {error}"));
            Self { stack, _home: home }
        });
        starting.join().expect("an emulator")
    }
}

/// A name that nothing has.
pub(crate) fn unique() -> String {
    format!("conformance-{}", Uuid::now_v7().simple())
}
