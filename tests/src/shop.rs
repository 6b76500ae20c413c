//! A shop on a deployed stack. It knows the contract alone: the HTTP API, the topic, the queues, and the mails.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use orderflow_local::{Api, Outputs, Stack};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// The services that have a queue, as the stack's outputs name them.
pub const SERVICES: [Service; 7] =
    ["Orders", "Inventory", "Payment", "Shipping", "Screening", "Notification", "Journal"];

/// A service's name in the stack's outputs.
pub type Service = &'static str;

/// How long anything may take that takes a moment: long enough for the slowest machine, for it is reached only by a
/// failure.
const PATIENCE: Duration = Duration::from_mins(2);

/// Where messages to people go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Mails.
    Email,
    /// Short messages.
    Sms,
}

/// What plays AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulator {
    /// The one that `cargo local` starts.
    MiniStack,
    /// LocalStack, which was running before.
    LocalStack,
}

/// A deployed stack and clients for all of it.
pub struct Shop {
    /// The HTTP API.
    pub api: Api,
    outputs: Outputs,
    endpoint: String,
    http: reqwest::Client,
    sns: aws_sdk_sns::Client,
    sqs: aws_sdk_sqs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
}

impl Shop {
    /// A shop on that stack. Its connections belong to the async runtime at hand.
    #[must_use]
    pub fn on(stack: &Stack) -> Self {
        let aws = stack.sdk_config();
        Self {
            api: stack.api().expect("an HTTP client"),
            outputs: stack.outputs().clone(),
            endpoint: stack.endpoint().to_string().trim_end_matches('/').to_owned(),
            http: reqwest::Client::new(),
            sns: aws_sdk_sns::Client::new(&aws),
            sqs: aws_sdk_sqs::Client::new(&aws),
            dynamodb: aws_sdk_dynamodb::Client::new(&aws),
        }
    }

    /// An output of the stack.
    #[must_use]
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("the stack has no output {name}"))
    }

    /// Puts goods on the shelf.
    pub async fn stock(&self, sku: &str, on_hand: u64) {
        let reply = self.api.set_stock(sku, on_hand).await.expect("an answer");
        assert_eq!(reply.status, 200, "{}", reply.body);
    }

    /// What is on the shelf: on hand, reserved, available.
    pub async fn shelf(&self, sku: &str) -> [i64; 3] {
        let reply = self.api.stock(sku).await.expect("an answer");
        assert_eq!(reply.status, 200, "{}", reply.body);
        ["onHand", "reserved", "available"].map(|name| reply.body[name].as_i64().expect("a number"))
    }

    /// Places an order, and answers its id.
    pub async fn order(&self, order: &Value) -> String {
        let reply = self.api.place_order(order, None).await.expect("an answer");
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.body["orderId"].as_str().expect("an order id").to_owned()
    }

    /// What the API shows of an order.
    pub async fn show(&self, order_id: &str) -> Value {
        self.api.order(order_id).await.expect("an answer").body
    }

    /// Waits until an order has that status, and answers what the API shows of it.
    pub async fn wait_for(&self, order_id: &str, status: &str) -> Value {
        eventually(&format!("{order_id} is {status}"), async || {
            let shown = self.show(order_id).await;
            if shown["status"] == status { Ok(shown) } else { Err(shown) }
        })
        .await
    }

    /// Publishes an event as a producer outside does: `aws sns publish` with nothing but the group.
    pub async fn publish(&self, event: &Value) {
        let publish = self.sns.publish().topic_arn(self.output("EventsTopicArn")).message(event.to_string());
        publish.message_group_id(event["subject"].as_str().expect("a subject")).send().await.expect("it is published");
    }

    /// Sends a message to a service's queue, past the topic.
    pub async fn send(&self, service: Service, group: &str, body: &str) {
        let send = self.sqs.send_message().queue_url(self.output(&format!("{service}QueueUrl"))).message_body(body);
        let unique = uuid::Uuid::now_v7().to_string();
        send.message_group_id(group).message_deduplication_id(unique).send().await.expect("it is sent");
    }

    /// Waits for the letter with that body in a service's dead-letter queue, takes it out, and answers its attributes.
    pub async fn take_letter(&self, service: Service, body: &str) -> BTreeMap<String, String> {
        let url = self.output(&format!("{service}DlqUrl"));
        eventually(&format!("{body:.30} is among the dead letters of {service}"), async || {
            let receive = self.sqs.receive_message().queue_url(url).max_number_of_messages(10).visibility_timeout(1);
            let receive = receive.message_attribute_names("All");
            let receive = receive.message_system_attribute_names(MessageSystemAttributeName::MessageGroupId);
            let messages = receive.send().await.expect("an answer").messages.unwrap_or_default();
            let Some(letter) = messages.iter().find(|message| message.body() == Some(body)) else {
                return Err(json!(messages.len()));
            };
            let delete = self.sqs.delete_message().queue_url(url).receipt_handle(letter.receipt_handle().expect("one"));
            delete.send().await.expect("it is deleted");
            let group = letter.attributes().and_then(|all| all.get(&MessageSystemAttributeName::MessageGroupId));
            let marks = letter.message_attributes().into_iter().flatten();
            let marks = marks.map(|(name, value)| (name.clone(), value.string_value().unwrap_or_default().to_owned()));
            Ok(marks.chain([("group".to_owned(), group.cloned().unwrap_or_default())]).collect())
        })
        .await
    }

    /// How many letters are in a service's dead-letter queue.
    pub async fn letters(&self, service: Service) -> u64 {
        self.waiting(self.output(&format!("{service}DlqUrl"))).await
    }

    /// How often the payment provider has charged for an order. It keeps books of its own, in a table that is nobody's
    /// business but a test's.
    pub async fn charges(&self, payment_id: &str) -> u64 {
        let tables =
            self.dynamodb.list_tables().into_paginator().items().send().try_collect().await.expect("an answer");
        // The emulator may have other stacks, of which none has this payment.
        let mut charges = 0;
        for table in tables.iter().filter(|table: &&String| table.contains("PaymentProvider")) {
            let get = self.dynamodb.get_item().table_name(table).consistent_read(true);
            let get = get.key("pk", AttributeValue::S(payment_id.to_owned()));
            let item = get.send().await.expect("an answer").item.unwrap_or_default();
            let count = item.get("charges").and_then(|charges| charges.as_n().ok()?.parse::<u64>().ok());
            charges += count.unwrap_or_default();
        }
        charges
    }

    /// Waits until no queue has a message and nothing new is said.
    pub async fn quiet(&self) {
        eventually("all is quiet", async || {
            let before = self.journal_size().await;
            let mut waiting = 0;
            for service in SERVICES {
                waiting += self.waiting(self.output(&format!("{service}QueueUrl"))).await;
            }
            sleep(Duration::from_millis(400)).await;
            let after = self.journal_size().await;
            if waiting == 0 && before == after { Ok(()) } else { Err(json!([waiting, before, after])) }
        })
        .await;
    }

    async fn waiting(&self, url: &str) -> u64 {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesNotVisible as Hidden,
        };
        let names = vec![Visible, Hidden];
        let get = self.sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(names));
        let attributes = get.send().await.expect("an answer").attributes.unwrap_or_default();
        attributes.values().map(|count| count.parse::<u64>().expect("a number")).sum()
    }

    async fn journal_size(&self) -> i32 {
        let scan = self.dynamodb.scan().table_name(self.output("JournalTableName"));
        scan.select(aws_sdk_dynamodb::types::Select::Count).send().await.expect("an answer").count
    }

    /// All that the journal has of an order, in the order in which it happened.
    pub async fn journal(&self, order_id: &str) -> Vec<Value> {
        let query = self
            .dynamodb
            .query()
            .table_name(self.output("JournalTableName"))
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(order_id.to_owned()));
        let items = query.send().await.expect("an answer").items.unwrap_or_default();
        let text = |item: &std::collections::HashMap<String, AttributeValue>| {
            serde_json::from_str(item["event"].as_s().expect("a text")).expect("JSON")
        };
        let mut events: Vec<Value> = items.iter().map(text).collect();
        events.sort_by_key(|event| event["time"].to_string());
        events
    }

    /// The types of all events of an order, in the alphabet's order.
    pub async fn types(&self, order_id: &str) -> Vec<String> {
        let events = self.journal(order_id).await;
        let mut types: Vec<_> = events.iter().map(|e| e["type"].as_str().expect("a type").to_owned()).collect();
        types.sort();
        types
    }

    /// The messages to people that mention the order, each as text.
    pub async fn messages(&self, channel: Channel, order_id: &str) -> Vec<String> {
        let path = match (self.emulator().await, channel) {
            (Emulator::MiniStack, Channel::Email) => "/_ministack/ses/messages",
            (Emulator::MiniStack, Channel::Sms) => "/_ministack/sns/sms-messages",
            (Emulator::LocalStack, Channel::Email) => "/_aws/ses",
            (Emulator::LocalStack, Channel::Sms) => "/_aws/sns/sms-messages",
        };
        let sent = self.http.get(format!("{}{path}", self.endpoint)).send().await.expect("an answer");
        let mut found = Vec::new();
        collect(&sent.json().await.expect("JSON"), order_id, &mut found);
        found
    }

    /// Which emulator it is.
    pub async fn emulator(&self) -> Emulator {
        let own = self.http.get(format!("{}/_ministack/ses/messages", self.endpoint)).send().await.expect("an answer");
        if own.status().is_success() { Emulator::MiniStack } else { Emulator::LocalStack }
    }
}

/// The innermost objects that mention `word`: whatever the emulator's list looks like, a message is one of them.
fn collect(value: &Value, word: &str, found: &mut Vec<String>) -> bool {
    let inner = match value {
        Value::Array(list) => list.iter().map(|item| collect(item, word, found)).fold(false, |any, one| any | one),
        Value::Object(object) => {
            object.values().map(|item| collect(item, word, found)).fold(false, |any, one| any | one)
        }
        _ => return false,
    };
    let mentions = inner || matches!(value, Value::Object(_)) && value.to_string().contains(word);
    if mentions && !inner {
        found.push(value.to_string());
    }
    mentions
}

/// Tries until `attempt` answers `Ok`; gives up after two minutes, with what `attempt` saw last.
pub async fn eventually<T>(what: &str, attempt: impl AsyncFn() -> Result<T, Value>) -> T {
    let begin = Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(seen) if begin.elapsed() > PATIENCE => panic!("{what}: not after {PATIENCE:?}; last seen: {seen}"),
            Err(_) => sleep(Duration::from_millis(150)).await,
        }
    }
}
