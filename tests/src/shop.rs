//! A shop on a deployed stack. It knows the contract alone: the HTTP API, the topic, the queues, and the mails.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sns::config::Credentials;
use aws_sdk_sqs::operation::delete_message::DeleteMessageError;
use aws_sdk_sqs::types::{Message, MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry};
use orderflow_local::{Api, Outputs, Reply, Stack, TokenSigner};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::calls::{Reach, answer, iam, lambda, logs, s3, secrets, sts};
use crate::emulator::{Channel, Emulator};
use crate::letter::Letter;
use crate::patience::{LASTING, LONGEST_PAUSE, PATIENCE, answered, eventually, eventually_within};

/// The services that have a queue at the topic of all facts, as the stack's outputs name them.
pub static SERVICES: LazyLock<Vec<Service>> =
    LazyLock::new(|| orderflow_registry::SERVICES.iter().map(|service| service.id).collect());

/// The intake, which has a queue too, and takes orders of others only.
pub const INTAKE: Service = "Intake";

/// All that have a queue.
pub fn queues() -> impl Iterator<Item = Service> {
    SERVICES.iter().copied().chain([INTAKE])
}

/// A service's name in the stack's outputs.
pub type Service = &'static str;

/// Services whose events make an order's way. What others say of it is their own tests' business.
const ON_THE_WAY: [&str; 5] = ["orders", "inventory", "payment", "shipping", "screening"];

/// A deployed stack and clients for all of it.
pub struct Shop {
    /// The HTTP API.
    pub api: Api,
    /// Emulator that it runs on.
    pub emulator: Emulator,
    /// Signer of the tokens that the API takes.
    pub tokens: Arc<TokenSigner>,
    pub(crate) endpoint: String,
    pub(crate) http: reqwest::Client,
    /// The queues.
    pub sqs: aws_sdk_sqs::Client,
    /// The tables.
    pub dynamodb: aws_sdk_dynamodb::Client,
    outputs: Outputs,
    pub(crate) sns: aws_sdk_sns::Client,
    relay: OnceCell<aws_sdk_sns::Client>,
    operator: OnceCell<aws_sdk_sqs::Client>,
}

/// An item of a table.
pub type Item = HashMap<String, AttributeValue>;

impl Reach for Shop {
    fn http(&self) -> &reqwest::Client {
        &self.http
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Shop {
    /// A shop on that stack. Its connections belong to the async runtime at hand.
    #[must_use]
    pub fn on(stack: &Stack, emulator: &Emulator) -> Self {
        let aws = stack.sdk_config();
        Self {
            emulator: emulator.clone(),
            api: stack.api().expect("an HTTP client"),
            tokens: Arc::clone(stack.tokens()),
            outputs: stack.outputs().clone(),
            endpoint: stack.endpoint().to_string().trim_end_matches('/').to_owned(),
            http: reqwest::Client::new(),
            sns: aws_sdk_sns::Client::new(&aws),
            relay: OnceCell::new(),
            operator: OnceCell::new(),
            sqs: aws_sdk_sqs::Client::new(&aws),
            dynamodb: aws_sdk_dynamodb::Client::new(&aws),
        }
    }

    /// The emulator's answer to a form that a page sends without asking, with one header as the browser sets it.
    pub async fn as_a_page_would_ask(&self, header: &str, value: &str) -> String {
        let form = "Action=ListStacks&Version=2010-05-15";
        let request = self.http.post(&self.endpoint).header("content-type", "application/x-www-form-urlencoded");
        let request = request.body(form).header(header, value);
        request.send().await.expect("an answer").text().await.expect("a text")
    }

    /// An output of the stack.
    #[must_use]
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("the stack has no output {name}"))
    }

    /// The HTTP API with a token for that subject, with those scopes.
    #[must_use]
    pub fn api_as(&self, subject: &str, scopes: &str) -> Api {
        self.api.clone().with_token(self.tokens.token(subject, scopes, LASTING).expect("a token"))
    }

    /// Puts goods on the shelf.
    pub async fn stock(&self, sku: &str, on_hand: u64) {
        let reply = answered(async || self.api.set_stock(sku, on_hand).await).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }

    /// Lists the price of goods, in euro cents.
    pub async fn price(&self, sku: &str, cents: u64) {
        let reply = answered(async || self.api.set_price(sku, cents).await).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }

    /// Stock of a SKU: on hand, reserved, available.
    pub async fn shelf(&self, sku: &str) -> [i64; 3] {
        let reply = answered(async || self.api.stock(sku).await).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        ["onHand", "reserved", "available"].map(|name| reply.body[name].as_i64().expect("a number"))
    }

    /// Places an order, and answers its id.
    pub async fn order(&self, order: &Value) -> String {
        let key = unique();
        let reply = answered(async || self.api.place_order(order, Some(&key)).await).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.body["orderId"].as_str().expect("an order id").to_owned()
    }

    /// The order as the API shows it.
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

    /// Publishes an order at the intake as a producer outside does: `aws sns publish` with nothing but the event.
    pub async fn publish(&self, event: &Value) {
        self.publish_text(&event.to_string()).await;
    }

    /// Publishes a text at the intake.
    pub async fn publish_text(&self, text: &str) {
        let publish = self.sns.publish().topic_arn(self.output("IntakeTopicArn")).message(text);
        publish.send().await.expect("it is published");
    }

    /// Publishes an event to all services that choose it, in the role of a relay: nobody else may. The same event again is
    /// delivered again.
    pub async fn publish_fact(&self, event: &Value) {
        self.publish_fact_text(event["subject"].as_str().expect("a subject"), &event.to_string()).await;
    }

    /// Publishes a text as a relay does.
    pub async fn publish_fact_text(&self, subject: &str, text: &str) {
        let publish = self.relay().await.publish().topic_arn(self.output("EventsTopicArn")).message(text);
        let publish = publish.message_group_id(subject).message_deduplication_id(unique());
        publish.send().await.expect("it is published");
    }

    /// Client of SNS in the role of a relay.
    async fn relay(&self) -> &aws_sdk_sns::Client {
        if self.relay.get().is_none() {
            let path = format!("functions/{}/configuration", self.output("OrdersRelayFunctionName"));
            let function = answer(lambda(self, Method::GET, &path)).await;
            let session = self.session(function["Role"].as_str().expect("a role")).await;
            let config = self.sns.config().to_builder().credentials_provider(session).build();
            let _only = self.relay.set(aws_sdk_sns::Client::from_conf(config));
        }
        self.relay.get().expect("it was made")
    }

    /// Client of SQS in the role of an operator, who alone may send to a service's queue past its topic.
    pub async fn operator(&self) -> &aws_sdk_sqs::Client {
        if self.operator.get().is_none() {
            let session = self.session(self.output("OperatorRoleArn")).await;
            let config = self.sqs.config().to_builder().credentials_provider(session).build();
            let _only = self.operator.set(aws_sdk_sqs::Client::from_conf(config));
        }
        self.operator.get().expect("it was made")
    }

    /// Session of somebody in a role.
    async fn session(&self, role: &str) -> Credentials {
        let session = sts(self, "AssumeRole", &[("RoleArn", role), ("RoleSessionName", "tests")]).await;
        let [key, secret, token] =
            ["AccessKeyId", "SecretAccessKey", "SessionToken"].map(|name| session.text(name).to_owned());
        Credentials::new(key, secret, Some(token), None, "role")
    }

    /// Clients of SNS and SQS of somebody who may do everything that the account's policies allow, and nothing that those of
    /// a topic or a queue deny.
    pub async fn administrator(&self) -> (aws_sdk_sns::Client, aws_sdk_sqs::Client) {
        let trust = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"},
        ]});
        let everything = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
        ]});
        let name = ("RoleName", "orderflow-tests-administrator");
        let role = iam(self, "CreateRole", &[name, ("AssumeRolePolicyDocument", &trust.to_string())]).await;
        let policy = [name, ("PolicyName", "everything"), ("PolicyDocument", &everything.to_string())];
        iam(self, "PutRolePolicy", &policy).await;
        let session = self.session(role.text("Arn")).await;
        let sns = self.sns.config().to_builder().credentials_provider(session.clone()).build();
        let sqs = self.sqs.config().to_builder().credentials_provider(session).build();
        (aws_sdk_sns::Client::from_conf(sns), aws_sdk_sqs::Client::from_conf(sqs))
    }

    /// Queues at the topic of all events by their ARNs, each with its filter, if it has one.
    pub async fn subscriptions(&self) -> Vec<(String, Option<Value>)> {
        let list = self.sns.list_subscriptions_by_topic().topic_arn(self.output("EventsTopicArn")).into_paginator();
        let all: Vec<_> = list.items().send().try_collect().await.expect("an answer");
        let mut subscriptions = Vec::new();
        for one in all {
            let get = self.sns.get_subscription_attributes().set_subscription_arn(one.subscription_arn);
            let attributes = get.send().await.expect("an answer").attributes.unwrap_or_default();
            // AWS leaves it out where there is none, and the emulator leaves it empty.
            let filter = attributes.get("FilterPolicy").filter(|filter| !filter.is_empty());
            let filter = filter.map(|filter| serde_json::from_str(filter).expect("JSON"));
            subscriptions.push((one.endpoint.unwrap_or_default(), filter));
        }
        subscriptions
    }

    /// Answer of Lambda to a request for what is at that path.
    pub async fn ask_lambda(&self, path: &str) -> Value {
        answer(lambda(self, Method::GET, path)).await
    }

    /// Answer of `CloudWatch` Logs.
    pub async fn ask_logs(&self, operation: &str, body: &Value) -> Value {
        logs(self, operation, body).await
    }

    /// Answer of Secrets Manager.
    pub async fn ask_secrets(&self, operation: &str, body: &Value) -> Value {
        secrets(self, operation, body).await
    }

    /// Sends a message to a service's queue, past the topic.
    pub async fn send(&self, service: Service, body: &str) {
        self.send_with(service, body, HashMap::new()).await;
    }

    /// Sends a message with attributes to a service's queue, past the topic.
    pub async fn send_with(&self, service: Service, body: &str, attributes: HashMap<String, MessageAttributeValue>) {
        let send = self.operator().await.send_message().queue_url(self.queue(service)).message_body(body);
        send.set_message_attributes(Some(attributes)).send().await.expect("it is sent");
    }

    /// Sends messages to the queue with that URL, all at once.
    pub async fn send_together(&self, url: &str, bodies: &[String]) {
        let mut send = self.sqs.send_message_batch().queue_url(url);
        for (index, body) in bodies.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body);
            send = send.entries(entry.build().expect("an entry"));
        }
        let answer = send.send().await.expect("an answer");
        assert!(answer.failed().is_empty(), "{answer:?}");
    }

    /// Waits for the letter with that body of a service, and drops it, so that nobody finds it again.
    pub async fn take_letter(&self, service: Service, body: &str) -> Letter {
        let letters = self.take_letters(service, &[body]).await;
        letters.into_iter().next().expect("as many letters as bodies")
    }

    /// Waits for a letter with each of those bodies, and drops them. The letters are answered in the order of the bodies.
    pub async fn take_letters(&self, service: Service, bodies: &[&str]) -> Vec<Letter> {
        let mut letters = Vec::new();
        for body in bodies {
            let letter = self.wait_for_letter(service, body).await;
            self.drop_letter(&letter).await;
            letters.push(letter);
        }
        letters
    }

    /// Waits for the letter with that body, about which nothing was done.
    pub async fn wait_for_letter(&self, service: Service, body: &str) -> Letter {
        eventually(&format!("there is a letter of {service} of {body:.60}"), async || {
            let found = self.open_letters(service).await.into_iter().find(|found| self.is_same(found.body(), body));
            self.found(found).await
        })
        .await
    }

    /// The whole of a letter that was looked for. Many tests look for some, and an emulator has more to do: who has found none
    /// lets it.
    async fn found(&self, letter: Option<Letter>) -> Result<Letter, Value> {
        if let Some(letter) = letter {
            return Ok(self.letter(letter.id()).await);
        }
        sleep(LONGEST_PAUSE).await;
        Err(json!("no such letter"))
    }

    /// Letters of a service about which something has to be done, those of its relay among them.
    pub async fn open_letters(&self, service: Service) -> Vec<Letter> {
        let mut letters = Vec::new();
        for state in ["waiting", "parkedAgain"] {
            let query = format!("service={}&state={state}", name_of(service));
            let mut next = Some(String::new());
            while let Some(after) = next {
                let path = format!("/operations/letters?{query}&after={}", after.replace('#', "%23"));
                let page = self.operations(Method::GET, &path, None, 200).await;
                letters.extend(page["letters"].as_array().into_iter().flatten().cloned().map(Letter));
                next = page["next"].as_str().map(str::to_owned);
            }
        }
        letters
    }

    /// A letter with all that is known of it.
    pub async fn letter(&self, id: &str) -> Letter {
        Letter(self.operations(Method::GET, &format!("/operations/letters/{id}"), None, 200).await)
    }

    /// Drops a letter.
    pub async fn drop_letter(&self, letter: &Letter) {
        let path = format!("/operations/letters/{}", letter.id());
        self.operations(Method::DELETE, &path, Some(json!({ "why": "a test has it" })), 200).await;
    }

    /// Asks the operations API, as an operator, and wants that status.
    pub async fn operations(&self, method: Method, path: &str, body: Option<Value>, status: u16) -> Value {
        let api = self.api_as("operator", "operations");
        let ask = async || {
            let request = api.request(method.clone(), path);
            let request = match &body {
                Some(body) => request.json(body),
                None => request,
            };
            Reply::to(request).await.expect("an answer")
        };
        // All tests ask at once, and a machine may be too slow for that; or somebody kills the function. What is posted begins a job,
        // of which two do what one does.
        let may_be_repeated = [Method::GET, Method::POST].contains(&method);
        let reply = eventually(&format!("{path} is answered"), async || {
            let reply = ask().await;
            if may_be_repeated && reply.status >= 500 { Err(reply.body) } else { Ok(reply) }
        })
        .await;
        assert_eq!(reply.status, status, "{path}: {}", reply.body);
        reply.body
    }

    /// A page of the feed of events, as a partner reads it.
    pub async fn feed(&self, query: &str) -> Value {
        let api = self.api_as("partner", "events:read");
        eventually("the feed is read", async || {
            let reply = Reply::to(api.request(Method::GET, &format!("/events?{query}"))).await.expect("an answer");
            if reply.status == 200 { Ok(reply.body) } else { Err(reply.body) }
        })
        .await
    }

    /// All events of the feed from that cursor on, to its end for now, in pages of so many; and the cursor there.
    pub async fn feed_after(&self, mut after: String, limit: usize, pattern: &Value) -> (Vec<Value>, String) {
        let mut seen = Vec::new();
        loop {
            let pairs = [("after", after.clone()), ("limit", limit.to_string()), ("match", pattern.to_string())];
            let pairs = pairs.into_iter().filter(|(_, value)| value != "null");
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            let mut page = self.feed(&query).await;
            let Value::Array(events) = page["events"].take() else { panic!("{page}") };
            assert!(events.len() <= limit, "{}", events.len());
            let next = page["next"].as_str().expect("a cursor").to_owned();
            if next == after {
                assert!(events.is_empty(), "the cursor stays, and there are events");
                return (seen, after);
            }
            seen.extend(events);
            after = next;
        }
    }

    /// True if a message is what was sent. On the way through a function its text may have changed, though not on AWS.
    fn is_same(&self, received: &str, sent: &str) -> bool {
        let value = |text| serde_json::from_str::<Value>(text).ok();
        received == sent
            || !self.emulator.keeps_texts() && value(sent).is_some_and(|sent| value(received) == Some(sent))
    }

    /// Waits for the letter with that body, and has it sent back.
    pub async fn redrive(&self, service: Service, body: &str) -> Letter {
        let letter = self.wait_for_letter(service, body).await;
        let redrive = self.start_redrive(&json!({ "letters": [letter.id()] })).await;
        self.wait_for_redrive(&redrive, |told| told["sent"] == 1).await;
        letter
    }

    /// Asks for a redrive, and has it begun at once, not at the next minute. Answers its id.
    pub async fn start_redrive(&self, which: &Value) -> String {
        self.start_job("/operations/redrives", which).await
    }

    /// Asks for a job of that kind, has it run, and answers what is told of it once it is done.
    pub async fn run_job(&self, path: &str, what: &Value) -> Value {
        let id = self.start_job(path, what).await;
        eventually(&format!("{id} is done"), async || {
            let told = self.operations(Method::GET, &format!("{path}/{id}"), None, 200).await;
            if told["state"] == "running" { Err(told) } else { Ok(told) }
        })
        .await
    }

    /// Asks for a job of that kind, and has it begun at once. Answers its id.
    pub async fn start_job(&self, path: &str, what: &Value) -> String {
        let taken = self.operations(Method::POST, path, Some(what.clone()), 202).await;
        self.run_jobs().await;
        taken["id"].as_str().expect("an id").to_owned()
    }

    /// Has the jobs go on at once, not at the next minute.
    pub async fn run_jobs(&self) {
        self.run_clock("JobsFunctionName").await;
    }

    /// Has the function of that output, which runs each minute, run at once.
    pub async fn run_clock(&self, output: &str) {
        let path = format!("functions/{}/invocations", self.output(output));
        let run = lambda(self, Method::POST, &path).header("X-Amz-Invocation-Type", "Event").json(&json!({}));
        answer(run).await;
    }

    /// Waits until a redrive is as far as that, and answers what is told of it.
    pub async fn wait_for_redrive(&self, id: &str, is_so_far: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("{id} is so far"), async || {
            let told = self.operations(Method::GET, &format!("/operations/redrives/{id}"), None, 200).await;
            if is_so_far(&told) { Ok(told) } else { Err(told) }
        })
        .await
    }

    /// Waits for a letter of a service's relay about `word`, and drops it.
    pub async fn take_relay_letter(&self, service: Service, word: &str) -> Letter {
        let letter = eventually(&format!("{word} is among the dead letters of the relay of {service}"), async || {
            let is_it = |letter: &Letter| letter.is_row() && letter.body().contains(word);
            let found = self.open_letters(service).await.into_iter().find(is_it);
            self.found(found).await
        })
        .await;
        self.drop_letter(&letter).await;
        letter
    }

    /// Letters of a service that are about one of these orders. Waits until all of its letters are collected.
    pub async fn letters_about(&self, service: Service, orders: &[&str]) -> Vec<Letter> {
        eventually(&format!("all letters of {service} are collected"), async || {
            let left = self.waiting(self.dead_letters(service)).await;
            if left == 0 { Ok(()) } else { Err(json!(left)) }
        })
        .await;
        let about = |letter: &Letter| orders.iter().any(|order| letter.body().contains(order));
        self.open_letters(service).await.into_iter().filter(about).collect()
    }

    /// Waits for a message with each of those bodies in the queue with that URL, which nobody collects, and takes them out.
    pub async fn take_messages(&self, url: &str, bodies: &[&str]) -> Vec<Message> {
        let found = RefCell::new(vec![None; bodies.len()]);
        eventually("there is a message of each", async || {
            let is_wanted = |message: &Message| {
                let mut found = found.borrow_mut();
                let body = message.body().unwrap_or_default();
                let is_it = |index: &usize| found[*index].is_none() && self.is_same(body, bodies[*index]);
                let place = (0..bodies.len()).find(is_it);
                place.map(|index| found[index] = Some(message.clone())).is_some()
            };
            self.take_some(url, is_wanted).await;
            let found = found.borrow();
            found.iter().cloned().collect::<Option<Vec<_>>>().ok_or_else(|| json!(found.len()))
        })
        .await
    }

    /// Looks at all messages, takes those out that are wanted, and leaves the others to everybody else. They are put back
    /// only when all have been seen: a queue hands out the same ten again and again.
    async fn take_some(&self, url: &str, is_wanted: impl Fn(&Message) -> bool) {
        let mut others = Vec::new();
        loop {
            let messages = self.receive(url, 10).await;
            if messages.is_empty() {
                break;
            }
            for message in messages {
                if is_wanted(&message) {
                    let delete = self.sqs.delete_message().queue_url(url);
                    delete.set_receipt_handle(message.receipt_handle).send().await.expect("it is deleted");
                } else {
                    others.push(message);
                }
            }
        }
        for message in others {
            let put_back = self.sqs.change_message_visibility().queue_url(url).visibility_timeout(0);
            put_back.set_receipt_handle(message.receipt_handle).send().await.expect("it is put back");
        }
    }

    async fn receive(&self, url: &str, most: i32) -> Vec<Message> {
        let receive = self.sqs.receive_message().queue_url(url).max_number_of_messages(most).visibility_timeout(30);
        receive.message_attribute_names("All").send().await.expect("an answer").messages.unwrap_or_default()
    }

    /// Moves a message of a service's queue behind all others. Answers whether there was one to move.
    pub async fn move_back(&self, service: Service) -> bool {
        let url = self.queue(service);
        let Some(message) = self.receive(url, 1).await.pop() else { return false };
        // Sent before it is deleted: whatever happens between, it is there.
        let (body, attributes) = (message.body.unwrap_or_default(), message.message_attributes.unwrap_or_default());
        self.send_with(service, &body, attributes).await;
        let delete = self.sqs.delete_message().queue_url(url).set_receipt_handle(message.receipt_handle);
        // MiniStack may hand out a message twice at the same moment, to the function too. Then it was not moved but
        // doubled.
        let deleted = delete.send().await;
        let is_lost = |error: &DeleteMessageError| error.is_receipt_handle_is_invalid();
        assert!(
            deleted.as_ref().err().is_none_or(|error| error.as_service_error().is_some_and(is_lost)),
            "{deleted:?}"
        );
        deleted.is_ok()
    }

    /// The URL of a service's queue.
    #[must_use]
    pub fn queue(&self, service: Service) -> &str {
        self.output(&format!("{service}QueueUrl"))
    }

    /// The URL of a service's dead-letter queue.
    #[must_use]
    pub fn dead_letters(&self, service: Service) -> &str {
        self.output(&format!("{service}DlqUrl"))
    }

    /// Lets the messages of a service's queue be hidden for so long when they are received.
    pub async fn hide_received(&self, service: Service, seconds: u32) {
        let set = self.sqs.set_queue_attributes().queue_url(self.queue(service));
        let set = set.attributes(QueueAttributeName::VisibilityTimeout, seconds.to_string());
        set.send().await.expect("it is set");
    }

    /// Puts a row into a service's table, as nobody but the service should.
    pub async fn put_row(&self, service: Service, row: &Value) {
        let put = self.dynamodb.put_item().table_name(self.output(&format!("{service}TableName")));
        put.set_item(attribute(row).as_m().ok().cloned()).send().await.expect("it is put");
    }

    /// Number of letters of a service and of its relay that are not collected yet.
    pub async fn letters(&self, service: Service) -> u64 {
        let relay = match self.outputs.get(&format!("{service}RelayDlqUrl")) {
            Some(url) => self.waiting(url).await,
            None => 0,
        };
        self.waiting(self.dead_letters(service)).await + relay
    }

    /// Number of charges that the payment provider has made for an order. It keeps a register of its own, in a table
    /// that is nobody's business but a test's.
    pub async fn charges(&self, payment_id: &str) -> usize {
        // The emulator may have other stacks, of which none has this payment.
        let mut charges = 0;
        for table in self.tables("PaymentProvider").await {
            let get = self.dynamodb.get_item().table_name(table).consistent_read(true);
            let get = get.key("pk", AttributeValue::S(payment_id.to_owned()));
            let item = get.send().await.expect("an answer").item.unwrap_or_default();
            charges += charged(&item);
        }
        charges
    }

    /// Numbers of charges that the payment provider has made, for each payment that it was ever asked for.
    pub async fn all_charges(&self) -> HashMap<String, usize> {
        let mut charges = HashMap::new();
        for table in self.tables("PaymentProvider").await {
            for item in self.scan(&table).await {
                let payment = item["pk"].as_s().expect("a text").clone();
                *charges.entry(payment).or_default() += charged(&item);
            }
        }
        charges
    }

    /// The names of the tables that have `word` in theirs: those that no output of the stack names are found so.
    pub async fn tables(&self, word: &str) -> Vec<String> {
        let all: Vec<String> =
            self.dynamodb.list_tables().into_paginator().items().send().try_collect().await.expect("an answer");
        all.into_iter().filter(|table| table.contains(word)).collect()
    }

    /// All items of a table.
    pub async fn scan(&self, table: &str) -> Vec<Item> {
        let scan = self.dynamodb.scan().table_name(table).consistent_read(true);
        scan.into_paginator().items().send().try_collect().await.expect("an answer")
    }

    /// Waits until no queue has a message and nothing new is said: for as long as other tests are at work on the same stack.
    pub async fn quiet(&self) {
        eventually_within(3 * PATIENCE, "all is quiet", async || {
            let before = self.journal_size().await;
            let mut waiting = 0;
            for service in queues() {
                waiting += self.waiting(self.queue(service)).await;
            }
            sleep(Duration::from_millis(400)).await;
            let after = self.journal_size().await;
            if waiting == 0 && before == after { Ok(()) } else { Err(json!([waiting, before, after])) }
        })
        .await;
    }

    /// Number of messages in the queue with that URL, handed out or not.
    pub async fn waiting(&self, url: &str) -> u64 {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesNotVisible as Hidden,
        };
        let names = vec![Visible, Hidden];
        let get = self.sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(names));
        let attributes = get.send().await.expect("an answer").attributes.unwrap_or_default();
        attributes.values().map(|count| count.parse::<u64>().expect("a number")).sum()
    }

    /// Bodies of the messages that a queue hands out now, which stay in it.
    pub async fn peek(&self, url: &str) -> Vec<String> {
        let mut bodies = Vec::new();
        // Of many messages a queue hands out some.
        for _ in 0..3 {
            let receive = self.sqs.receive_message().queue_url(url).max_number_of_messages(10).visibility_timeout(0);
            let answer = receive.send().await.expect("an answer");
            bodies.extend(answer.messages.into_iter().flatten().filter_map(|message| message.body));
        }
        bodies
    }

    /// Objects in a bucket, as text.
    pub async fn objects(&self, bucket: &str) -> Vec<String> {
        let list = s3(self, &format!("{bucket}?list-type=2")).await;
        let mut objects = Vec::new();
        for key in list.all("Key") {
            objects.push(s3(self, &format!("{bucket}/{key}")).await.0);
        }
        objects
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
        let text = |item: &Item| serde_json::from_str(item["event"].as_s().expect("a text")).expect("JSON");
        let mut events: Vec<Value> = items.iter().map(text).collect();
        events.sort_by_key(|event| event["time"].to_string());
        events
    }

    /// The same without the events of services on which an order's way does not depend.
    pub async fn way(&self, order_id: &str) -> Vec<Value> {
        let mut events = self.journal(order_id).await;
        events.retain(|event| {
            let service = event["source"].as_str().and_then(|source| source.strip_prefix("orderflow/"));
            service.is_none_or(|service| ON_THE_WAY.contains(&service))
        });
        events
    }

    /// The types of the events of an order's way, in the alphabet's order.
    pub async fn types(&self, order_id: &str) -> Vec<String> {
        let events = self.way(order_id).await;
        let mut types: Vec<_> = events.iter().map(|e| e["type"].as_str().expect("a type").to_owned()).collect();
        types.sort();
        types
    }

    /// Waits until the journal has events of just these types of an order.
    pub async fn wait_for_types(&self, order_id: &str, expected: &[&str]) {
        eventually(&format!("all of {order_id} is in the journal"), async || {
            let types = self.types(order_id).await;
            if types == expected { Ok(()) } else { Err(json!(types)) }
        })
        .await;
    }

    /// Waits until that is on the shelf: on hand, reserved, available.
    pub async fn wait_for_shelf(&self, sku: &str, expected: [i64; 3]) {
        eventually(&format!("the shelf of {sku} has {expected:?}"), async || {
            let seen = self.shelf(sku).await;
            if seen == expected { Ok(()) } else { Err(json!(seen)) }
        })
        .await;
    }

    /// The messages to people that mention the order, each as text.
    pub async fn messages(&self, channel: Channel, order_id: &str) -> Vec<String> {
        let path = self.emulator.path_to(channel);
        let sent = self.http.get(format!("{}{path}", self.endpoint)).send().await.expect("an answer");
        let mut found = Vec::new();
        collect(&sent.json().await.expect("JSON"), order_id, &mut found);
        found
    }
}

/// Number of charges in an item of the payment provider's register.
fn charged(item: &Item) -> usize {
    let performed = item.get("performed").and_then(|performed| performed.as_l().ok());
    let answers = performed.into_iter().flatten().filter_map(|one| one.as_m().ok()?.get("answer")?.as_s().ok());
    answers.filter(|answer| answer.starts_with(r#"{"succeeded":"#)).count()
}

/// A JSON value as DynamoDB has it.
fn attribute(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(truth) => AttributeValue::Bool(*truth),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Array(list) => AttributeValue::L(list.iter().map(attribute).collect()),
        Value::Object(object) => {
            AttributeValue::M(object.iter().map(|(name, value)| (name.clone(), attribute(value))).collect())
        }
    }
}

/// Name of a service in letters.
fn name_of(service: Service) -> &'static str {
    let known = orderflow_registry::SERVICES.iter().find(|known| known.id == service);
    known.map_or("intake", |known| known.name)
}

/// A new id, for ever.
pub(crate) fn unique() -> String {
    uuid::Uuid::now_v7().to_string()
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
