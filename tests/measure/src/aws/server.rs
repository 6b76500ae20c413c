//! The endpoint: HTTP, with TLS or without, and the count of what is asked of it.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response};
use hyper_util::rt::TokioIo;
use orderflow_tests::{AwsService, Call, Counted, Tally, entries};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::spawn_local;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::dynamo::{Change, Effects, Tables};
use super::wire::{self, Answer};

/// A message that was published to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic_arn: String,
    pub(crate) body: String,
}

/// A message that was sent to a client of a WebSocket API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Post {
    pub(crate) connection: String,
    pub(crate) text: Bytes,
    pub(crate) at: Instant,
}

/// The stub of AWS. It runs for as long as the program.
pub(crate) struct Aws {
    endpoint: String,
    state: RefCell<State>,
    latency: Cell<Duration>,
}

#[derive(Default)]
struct State {
    tables: Tables,
    tally: Tally,
    changes: Vec<Change>,
    messages: Vec<Message>,
    posts: Vec<Post>,
    faults: Vec<String>,
}

impl Aws {
    /// Opens the endpoint, which takes that long for each answer.
    ///
    /// # Errors
    ///
    /// There is no port to listen on.
    pub(crate) async fn open(tls: Option<TlsAcceptor>, latency: Duration) -> io::Result<Rc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let endpoint = format!("{scheme}://localhost:{}", listener.local_addr()?.port());
        let aws = Rc::new(Self { endpoint, state: RefCell::default(), latency: Cell::new(latency) });
        spawn_local(Rc::clone(&aws).accept(listener, tls));
        Ok(aws)
    }

    /// URL of the endpoint, for `AWS_ENDPOINT_URL`.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Makes it take that long for each answer from now on.
    pub(crate) fn set_latency(&self, latency: Duration) {
        self.latency.set(latency);
    }

    /// Replaces the tables, and forgets all changes and messages.
    pub(crate) fn restore(&self, tables: Tables) {
        let mut state = self.state.borrow_mut();
        *state = State { tables, tally: state.tally.clone(), ..State::default() };
    }

    /// The tables as they are.
    pub(crate) fn tables(&self) -> Tables {
        self.state.borrow().tables.clone()
    }

    /// Calls since the program began.
    pub(crate) fn tally(&self) -> Tally {
        self.state.borrow().tally.clone()
    }

    /// Changes of items since the last time, in the order in which they were made.
    pub(crate) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.state.borrow_mut().changes)
    }

    /// Messages published since the last time.
    pub(crate) fn take_messages(&self) -> Vec<Message> {
        std::mem::take(&mut self.state.borrow_mut().messages)
    }

    /// Messages sent to clients since the last time, in the order in which they came.
    pub(crate) fn take_posts(&self) -> Vec<Post> {
        std::mem::take(&mut self.state.borrow_mut().posts)
    }

    /// Calls since the last time that no function makes if all is well: those that are not understood, and messages to
    /// a dead-letter queue.
    pub(crate) fn take_faults(&self) -> Vec<String> {
        std::mem::take(&mut self.state.borrow_mut().faults)
    }

    async fn accept(self: Rc<Self>, listener: TcpListener, tls: Option<TlsAcceptor>) {
        while let Ok((stream, _)) = listener.accept().await {
            let (aws, tls) = (Rc::clone(&self), tls.clone());
            spawn_local(async move {
                // Without it an answer would wait for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                match tls {
                    None => aws.serve(stream).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            aws.serve(stream).await;
                        }
                    }
                }
            });
        }
    }

    async fn serve(self: Rc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let service = service_fn(|request| Rc::clone(&self).answer(request));
        // It ends when the function is gone.
        let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(self: Rc<Self>, request: hyper::Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return Ok(wire::not_understood()) };
        let body = body.to_bytes();
        let answer = match Call::read(head.uri.path(), &head.headers, body.clone()) {
            Some(call) => self.state.borrow_mut().answer(&call, &head.method, body.len()),
            None => self.state.borrow_mut().not_understood("a call of an unknown service"),
        };
        let latency = self.latency.get();
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        Ok(answer)
    }
}

impl State {
    fn answer(&mut self, call: &Call, method: &Method, sent_bytes: usize) -> Answer {
        let is_post = call.service == AwsService::Connections && *method == Method::POST;
        let mut effects = Effects::default();
        let answer = match call.service {
            AwsService::DynamoDb => {
                let answer = self.tables.answer(&call.operation, &call.json(), &mut effects);
                if let Err(refused) = &answer
                    && !refused.is_condition()
                {
                    self.faults.push(format!("{}: {}: {}", call.operation, refused.code, refused.details));
                }
                wire::dynamodb(answer)
            }
            AwsService::Sqs => self.sqs(&call.operation, &call.json()),
            AwsService::Sns | AwsService::Ses => self.form(&call.operation, &call.form()),
            AwsService::Connections if is_post => {
                let connection = call.path.rsplit('/').next().unwrap_or_default().to_owned();
                self.posts.push(Post { connection, text: call.body.clone(), at: Instant::now() });
                wire::empty()
            }
            AwsService::SecretsManager | AwsService::Ssm | AwsService::Lambda | AwsService::Connections => {
                self.not_understood("a call that no order of these makes")
            }
        };
        self.changes.append(&mut effects.changes);
        let received_bytes = answer.body().size_hint().exact().unwrap_or(0);
        self.tally.count(Counted {
            operation: if is_post { "PostToConnection" } else { &call.operation },
            is_refused: !answer.status().is_success(),
            is_retry: call.is_retry,
            sent_bytes: sent_bytes as u64,
            received_bytes,
            units: effects.units,
        });
        answer
    }

    fn form(&mut self, operation: &str, form: &[(String, String)]) -> Answer {
        match operation {
            "PublishBatch" => {
                let topic = form.iter().find(|(name, _)| name == "TopicArn").map(|(_, arn)| arn.clone());
                let topic_arn = topic.unwrap_or_default();
                let bodies = entries(form, "Message").into_iter();
                self.messages
                    .extend(bodies.map(|body| Message { topic_arn: topic_arn.clone(), body: body.to_owned() }));
                let ids = entries(form, "Id").into_iter();
                let taken = ids.map(|id| format!("<member><Id>{id}</Id>{MESSAGE_ID}{SEQUENCE_NUMBER}</member>"));
                let taken: String = taken.collect();
                wire::xml(operation, &format!("<Failed/><Successful>{taken}</Successful>"))
            }
            "Publish" | "SendEmail" => wire::xml(operation, MESSAGE_ID),
            _ => self.not_understood(operation),
        }
    }

    fn sqs(&mut self, operation: &str, request: &Value) -> Answer {
        let ids = || request["Entries"].as_array().into_iter().flatten().map(|entry| json!({"Id": entry["Id"]}));
        match operation {
            "SendMessage" => {
                self.faults.push(format!("a message to {}: {}", request["QueueUrl"], request["MessageAttributes"]));
                wire::sqs(&json!({"MessageId": "94f20ce6-13c5-43a0-9a9e-ca52d816e90b"}))
            }
            "ChangeMessageVisibilityBatch" => {
                wire::sqs(&json!({"Failed": [], "Successful": ids().collect::<Vec<_>>()}))
            }
            _ => self.not_understood(operation),
        }
    }

    fn not_understood(&mut self, call: &str) -> Answer {
        self.faults.push(format!("{call} is not known to the stub of AWS"));
        wire::not_understood()
    }
}

const MESSAGE_ID: &str = "<MessageId>94f20ce6-13c5-43a0-9a9e-ca52d816e90b</MessageId>";
const SEQUENCE_NUMBER: &str = "<SequenceNumber>10000000000000003000</SequenceNumber>";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::KeySchema;
    use crate::with_runtime;

    async fn send(aws: &Aws, header: Option<&str>, body: &str) -> (u16, String) {
        let mut request = reqwest::Client::new().post(aws.endpoint()).body(body.to_owned());
        if let Some(target) = header {
            request = request.header("x-amz-target", target);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    #[test]
    fn calls_are_counted_by_kind_with_their_bytes() {
        with_runtime(async {
            let aws = Aws::open(None, Duration::ZERO).await.unwrap();
            let schema = KeySchema { hash: "pk".to_owned(), range: None };
            aws.restore(Tables::new([("t".to_owned(), schema)]));
            let put = r#"{"TableName":"t","Item":{"pk":{"S":"a"}},"ConditionExpression":"attribute_not_exists(pk)"}"#;
            let before = aws.tally();
            assert_eq!(send(&aws, Some("DynamoDB_20120810.PutItem"), put).await, (200, "{}".to_owned()));
            let (status, refused) = send(&aws, Some("DynamoDB_20120810.PutItem"), put).await;
            assert_eq!(status, 400);
            assert!(refused.contains("ConditionalCheckFailedException"), "{refused}");
            let (status, email) = send(&aws, None, "Action=SendEmail&Version=2010-12-01").await;
            assert_eq!(status, 200);
            let tally = aws.tally().since(&before);
            let calls: Vec<_> = tally.calls.iter().map(|(name, count)| (name.as_str(), *count)).collect();
            assert_eq!(calls, [("PutItem", 1), ("PutItem refused", 1), ("SendEmail", 1)]);
            assert_eq!(tally.sent_bytes, 2 * put.len() as u64 + 35);
            assert_eq!(tally.received_bytes, (2 + refused.len() + email.len()) as u64);
            assert_eq!((tally.units.read, tally.units.write), (0.0, 2.0));
            assert_eq!(aws.take_changes().len(), 1);
        });
    }

    #[test]
    fn messages_to_a_topic_are_kept() {
        with_runtime(async {
            let aws = Aws::open(None, Duration::ZERO).await.unwrap();
            let entry = "PublishBatchRequestEntries.member.1";
            let body =
                format!("Action=PublishBatch&Version=2010-03-31&TopicArn=arn%3At&{entry}.Id=7&{entry}.Message=hello");
            let (status, answer) = send(&aws, None, &body).await;
            assert_eq!(status, 200);
            assert!(answer.contains("<Id>7</Id>"), "{answer}");
            let message = Message { topic_arn: "arn:t".to_owned(), body: "hello".to_owned() };
            assert_eq!(aws.take_messages(), [message]);
            assert_eq!(aws.take_messages(), []);
        });
    }

    #[test]
    fn messages_to_clients_are_kept_and_a_connection_that_is_closed_is_a_fault() {
        with_runtime(async {
            let aws = Aws::open(None, Duration::ZERO).await.unwrap();
            let url = format!("{}/a/dev/@connections/c1", aws.endpoint());
            let client = reqwest::Client::new();
            let posted = client.post(&url).body("text").send().await.unwrap();
            assert_eq!((posted.status().as_u16(), aws.take_faults().len()), (200, 0));
            let posts = aws.take_posts();
            assert_eq!((posts.len(), posts[0].connection.as_str(), &*posts[0].text), (1, "c1", &b"text"[..]));
            assert_eq!(aws.tally().calls["PostToConnection"], 1);
            assert_eq!(client.delete(&url).send().await.unwrap().status().as_u16(), 400);
            assert_eq!((aws.take_posts().len(), aws.take_faults().len()), (0, 1));
        });
    }

    #[test]
    fn a_call_that_is_not_known_is_refused() {
        with_runtime(async {
            let aws = Aws::open(None, Duration::ZERO).await.unwrap();
            assert_eq!(send(&aws, Some("AmazonSQS.PurgeQueue"), "{}").await.0, 400);
            assert_eq!(send(&aws, Some("DynamoDB_20120810.Scan"), "{}").await.0, 400);
            assert_eq!(send(&aws, None, "a=b").await.0, 400);
            assert_eq!(aws.take_faults().len(), 3);
        });
    }

    #[test]
    fn a_dead_letter_is_a_fault_and_a_condition_that_does_not_hold_is_none() {
        with_runtime(async {
            let aws = Aws::open(None, Duration::ZERO).await.unwrap();
            let schema = KeySchema { hash: "pk".to_owned(), range: None };
            aws.restore(Tables::new([("t".to_owned(), schema)]));
            let put = r#"{"TableName":"t","Item":{"pk":{"S":"a"}},"ConditionExpression":"attribute_exists(pk)"}"#;
            assert_eq!(send(&aws, Some("DynamoDB_20120810.PutItem"), put).await.0, 400);
            assert_eq!(aws.take_faults(), [""; 0]);
            let letter = r#"{"QueueUrl":"u","MessageAttributes":{"failure-reason":{"StringValue":"why"}}}"#;
            assert_eq!(send(&aws, Some("AmazonSQS.SendMessage"), letter).await.0, 200);
            let faults = aws.take_faults();
            assert!(faults[0].contains("why"), "{faults:?}");
        });
    }
}
