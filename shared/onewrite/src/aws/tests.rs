use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::config::{AsyncSleep, Credentials, Region, SharedCredentialsProvider, Sleep};
use aws_sdk_dynamodb::error::{ConnectorError, ErrorMetadata, SdkError};
use envelope::{Subject, Time};

use super::config::{FIRST_PAUSE, config};
use super::*;
use crate::config::Environment;
use crate::failure::{Failure, FailureKind};
use crate::port::{Appended, Log};
use crate::row::{Cause, Row};

/// A server that knows one answer.
pub(super) struct Server {
    url: String,
    pub(super) requests: Arc<AtomicUsize>,
    last: Arc<Mutex<String>>,
}

/// Answer of a server to a request.
#[derive(Clone)]
pub(super) enum Answer {
    Says(&'static str, String),
    HangsUp,
    SaysNothing,
}

pub(super) fn says(status: &'static str, code: &str) -> Answer {
    Answer::Says(status, format!(r#"{{"__type":"com.amazonaws.dynamodb#{code}","message":"said ada@example.com"}}"#))
}

impl Server {
    pub(super) fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let last = Arc::<Mutex<String>>::default();
        let (count, noted) = (Arc::clone(&requests), Arc::clone(&last));
        thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                // A request of a few hundred bytes comes in one piece.
                let mut request = [0; 8_192];
                let bytes = stream.read(&mut request).unwrap_or(0);
                *noted.lock().unwrap() = String::from_utf8_lossy(&request[..bytes]).into_owned();
                count.fetch_add(1, Ordering::SeqCst);
                match &answer {
                    Answer::Says(status, body) => {
                        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close", body.len());
                        let _ = write!(stream, "{head}\r\n\r\n{body}");
                    }
                    Answer::HangsUp => drop(stream),
                    Answer::SaysNothing => open.push(stream),
                }
            }
        });
        Self { url, requests, last }
    }

    pub(super) fn last_request(&self) -> String {
        self.last.lock().unwrap().clone()
    }

    pub(super) fn config(&self) -> SdkConfig {
        config_of(&self.url)
    }
}

fn config_of(url: &str) -> SdkConfig {
    let credentials = SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test"));
    let region = Region::new("us-east-1");
    config().unwrap().region(region).credentials_provider(credentials).endpoint_url(url).build()
}

async fn read(config: &SdkConfig) -> Failure {
    DynamoLog::new(Client::new(config), "Table").read(&Subject::new("ord_1").unwrap()).await.unwrap_err()
}

#[tokio::test]
async fn an_answer_is_classified_and_tried_again_where_that_helps() {
    for (answer, kind, reason, attempts) in [
        (
            says("400 Bad Request", "AccessDeniedException"),
            FailureKind::Misconfigured,
            "Query: AccessDeniedException (400): said …",
            1,
        ),
        (
            says("400 Bad Request", "ResourceNotFoundException"),
            FailureKind::Misconfigured,
            "Query: ResourceNotFoundException (400): said …",
            1,
        ),
        (
            says("400 Bad Request", "ThrottlingException"),
            FailureKind::Transient,
            "Query: ThrottlingException (400): said …",
            3,
        ),
        (
            says("400 Bad Request", "ValidationException"),
            FailureKind::Permanent,
            "Query: ValidationException (400): said …",
            1,
        ),
        (
            says("500 Oh", "InternalServerError"),
            FailureKind::Unavailable,
            "Query: InternalServerError (500): said …",
            3,
        ),
        (Answer::Says("503 Oh", "<html>".to_owned()), FailureKind::Unavailable, "Query: no code (503): no message", 3),
        (Answer::Says("200 OK", "<html>".to_owned()), FailureKind::Transient, "Query: no code (200): no message", 1),
        (Answer::HangsUp, FailureKind::Unavailable, "Query: no connection", 3),
    ] {
        let server = Server::start(answer);
        let failure = read(&server.config()).await;
        assert_eq!((failure.kind(), failure.reason()), (kind, reason));
        assert_eq!(server.requests.load(Ordering::SeqCst), attempts, "{reason}");
        assert!(server.last_request().contains("DynamoDB_20120810.Query"));
    }
}

#[tokio::test]
async fn a_row_that_collides_with_a_transaction_is_a_conflict() {
    let server = Server::start(says("400 Bad Request", "TransactionConflictException"));
    let log = DynamoLog::new(Client::new(&server.config()), "Table");
    let cause = Cause { source: "s".to_owned(), id: "1".to_owned(), event_type: "K".to_owned(), by: None };
    let row = Row {
        version: 1,
        at: Time::from_millis(0),
        cause,
        owner: None,
        unfinished: false,
        change: None,
        events: Vec::new(),
    };
    assert_eq!(log.append(&Subject::new("ord_1").unwrap(), &row, &[]).await, Ok(Appended::Conflict));
}

/// Notes how long the SDK means to sleep, and lets it.
#[derive(Clone, Debug, Default)]
struct Sleeps(Arc<Mutex<Vec<Duration>>>);

impl AsyncSleep for Sleeps {
    fn sleep(&self, duration: Duration) -> Sleep {
        self.0.lock().unwrap().push(duration);
        Sleep::new(tokio::time::sleep(duration))
    }
}

#[tokio::test]
async fn the_pauses_between_three_attempts_are_short() {
    let server = Server::start(says("500 Oh", "InternalServerError"));
    let sleeps = Sleeps::default();
    let config = server.config().into_builder().sleep_impl(sleeps.clone()).build();
    for _ in 0..5 {
        read(&config).await;
    }
    // By the clock of a busy machine they would look longer. All other sleeps, such as time limits, are whole
    // milliseconds, and a pause, which is random, hardly ever is.
    let mut pauses = sleeps.0.lock().unwrap().clone();
    pauses.retain(|sleep| sleep.subsec_nanos() % 1_000_000 > 0);
    let longest = pauses.iter().max().expect("a pause");
    assert!(*longest <= 2 * FIRST_PAUSE, "{pauses:?}");
}

#[tokio::test]
async fn a_call_that_hangs_is_given_up_and_tried_again() {
    let server = Server::start(Answer::SaysNothing);
    let config = server.config();
    let failure = read(&config).await;
    assert_eq!((failure.kind(), failure.reason()), (FailureKind::Unavailable, "Query: timed out"));
    assert!(server.requests.load(Ordering::SeqCst) > 1);
}

#[tokio::test]
async fn what_has_no_idempotency_key_is_attempted_once() {
    for answer in [says("500 Oh", "InternalServerError"), Answer::HangsUp, Answer::SaysNothing] {
        let server = Server::start(answer);
        let failure = read(&without_retries(&server.config())).await;
        assert_eq!(
            (failure.kind(), server.requests.load(Ordering::SeqCst)),
            (FailureKind::Unavailable, 1),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn nobody_there_is_no_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let failure = read(&config_of(&format!("http://{address}"))).await;
    assert_eq!((failure.kind(), failure.reason()), (FailureKind::Unavailable, "Query: no connection"));
}

#[tokio::test]
async fn the_trust_store_is_read_and_strangers_are_not_trusted() {
    let server = Server::start(Answer::HangsUp);
    let failure = read(&config_of(&server.url.replace("http", "https"))).await;
    assert_eq!((failure.kind(), failure.reason()), (FailureKind::Unavailable, "Query: no connection"));
}

#[tokio::test]
async fn what_is_missing_before_there_is_a_connection_is_for_a_person_to_mend() {
    let server = Server::start(says("500 Oh", "InternalServerError"));
    let mut without_credentials = server.config().to_builder();
    without_credentials.set_credentials_provider(None);
    let mut without_region = server.config().to_builder();
    without_region.set_region(None).set_endpoint_url(None);
    for config in [without_credentials.build(), without_region.build()] {
        let failure = read(&config).await;
        assert_eq!(failure.kind(), FailureKind::Misconfigured, "{failure}");
        assert!(failure.reason().contains("are there credentials"), "{failure}");
    }
    assert_eq!(server.requests.load(Ordering::SeqCst), 0);
}

#[test]
fn an_error_without_an_answer_is_classified() {
    type Error = SdkError<ErrorMetadata, HttpResponse>;
    for (error, kind, reason) in [
        (Error::construction_failure("x"), FailureKind::Misconfigured, "Put: the request cannot be made"),
        (Error::timeout_error("x"), FailureKind::Unavailable, "Put: timed out"),
        (Error::dispatch_failure(ConnectorError::timeout("x".into())), FailureKind::Unavailable, "Put: timed out"),
        (Error::dispatch_failure(ConnectorError::io("x".into())), FailureKind::Unavailable, "Put: no connection"),
        (
            Error::dispatch_failure(ConnectorError::user("x".into())),
            FailureKind::Misconfigured,
            "Put: the request cannot be sent: are there credentials, a region, an endpoint?",
        ),
    ] {
        let failure = classify("Put", &error);
        assert_eq!((failure.kind(), failure.reason()), (kind, reason));
    }
}

#[test]
fn addresses_are_left_out_of_what_a_service_says() {
    for (said, repeated) in [
        (
            "Email address is not verified. The following identities failed the check in region EU-WEST-1: \"Ada\" <ada@example.com>",
            "Email address is not verified. The following identities failed the check in region EU-WEST-1: \"Ada\" …",
        ),
        (
            "Invalid parameter: PhoneNumber Reason: +4930123456 is not valid",
            "Invalid parameter: PhoneNumber Reason: … is not valid",
        ),
        (
            "is not authorized to perform: SNS:Publish on resource: +49-30-123456.",
            "is not authorized to perform: SNS:Publish on resource: …",
        ),
        (
            "User: arn:aws:sts::123456789012:assumed-role/r/f is not authorized to perform: dynamodb:Query",
            "User: arn:aws:sts::123456789012:assumed-role/r/f is not authorized to perform: dynamodb:Query",
        ),
        ("Item size 400 exceeds 409600", "Item size 400 exceeds 409600"),
    ] {
        assert_eq!(without_addresses(said), repeated);
    }
}

/// The environment of a process cannot be changed safely, so that the test runs itself again in another one.
#[tokio::test]
async fn the_endpoint_is_that_of_the_environment() {
    const NAME: &str = "aws::tests::the_endpoint_is_that_of_the_environment";
    let child = Environment::of_process().read(|environment| environment.text("ONEWRITE_TEST_CHILD"));
    if child.is_ok() {
        read(&sdk_config().unwrap()).await;
        return;
    }
    let nowhere = "http://127.0.0.1:1";
    for of_one in [false, true] {
        let server = Server::start(says("400 Bad Request", "ValidationException"));
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", NAME])
            .env("ONEWRITE_TEST_CHILD", "yes")
            .env("AWS_ENDPOINT_URL", if of_one { nowhere } else { &server.url })
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "id")
            .env("AWS_SECRET_ACCESS_KEY", "secret");
        if of_one {
            command.env("AWS_ENDPOINT_URL_DYNAMODB", &server.url);
        }
        assert!(command.status().unwrap().success());
        assert_eq!(server.requests.load(Ordering::SeqCst), 1);
    }
}
