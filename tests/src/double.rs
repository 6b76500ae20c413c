//! A double of a function, for what must not happen to the function itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_sqs::types::QueueAttributeName;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::calls::{answer, lambda};
use crate::process::FunctionProcess;
use crate::shop::{Shop, unique};
use crate::twin::Twin;

/// Time-out of a function, and visibility timeout of a message that it was given.
const PATIENCE_SECONDS: u32 = 5;

/// A second journal beside the stack's own: the same program with queues of its own, of little patience. It is killed
/// whenever it is about to put an entry on record that has a certain word in it.
pub struct Double {
    /// The URL of its queue.
    pub queue_url: String,
    /// The URL of its dead-letter queue.
    pub dead_letters_url: String,
    twin: Twin,
    mapping: String,
    kills: Arc<AtomicU32>,
}

impl Double {
    /// Deploys it to the emulator, which has to run its functions as processes of this machine.
    pub async fn killed_by(word: &'static str, receives: u32, shop: &Shop) -> Self {
        let name = format!("double-{}", unique());
        let (dead_letters_url, dead_letters_arn) = queue(shop, &format!("{name}-dlq"), &[]).await;
        let redrive = json!({ "deadLetterTargetArn": dead_letters_arn, "maxReceiveCount": receives });
        let attributes = [
            (QueueAttributeName::VisibilityTimeout, PATIENCE_SECONDS.to_string()),
            (QueueAttributeName::RedrivePolicy, redrive.to_string()),
        ];
        let (queue_url, queue_arn) = queue(shop, &name, &attributes).await;
        let kills = Arc::new(AtomicU32::new(0));
        let trap = Trap { word, function: name.clone(), upstream: upstream(shop), kills: Arc::clone(&kills) };
        let endpoint = trap.set().await;
        let variables = [
            ("QUEUE_URL", queue_url.clone()),
            ("DEAD_LETTER_QUEUE_URL", dead_letters_url.clone()),
            ("MAX_RECEIVE_COUNT", receives.to_string()),
            ("AWS_ENDPOINT_URL_DYNAMODB", endpoint),
        ];
        let rights =
            json!({ "Effect": "Allow", "Action": ["sqs:*", "dynamodb:PutItem", "dynamodb:Query"], "Resource": "*" });
        let journal = shop.output("JournalFunctionName");
        let twin = Twin::of(shop, journal, &name, Some(&rights), PATIENCE_SECONDS, &variables).await;
        let mapping = json!({
            "EventSourceArn": queue_arn, "FunctionName": name, "BatchSize": 10,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        });
        let mapping = answer(lambda(shop, Method::POST, "event-source-mappings/").json(&mapping)).await;
        let mapping = mapping["UUID"].as_str().expect("an id").to_owned();
        Self { queue_url, dead_letters_url, twin, mapping, kills }
    }

    /// Removes it from the emulator.
    pub async fn remove(self, shop: &Shop) {
        answer(lambda(shop, Method::DELETE, &format!("event-source-mappings/{}", self.mapping))).await;
        self.twin.remove(shop).await;
        for url in [&self.queue_url, &self.dead_letters_url] {
            shop.sqs.delete_queue().queue_url(url).send().await.expect("it is deleted");
        }
    }

    /// Number of kills.
    #[must_use]
    pub fn kills(&self) -> u32 {
        self.kills.load(Ordering::Relaxed)
    }
}

/// A queue: its URL and its ARN.
async fn queue(shop: &Shop, name: &str, attributes: &[(QueueAttributeName, String)]) -> (String, String) {
    let mut create = shop.sqs.create_queue().queue_name(name);
    for (attribute, value) in attributes {
        create = create.attributes(attribute.clone(), value);
    }
    let url = create.send().await.expect("it is created").queue_url.expect("a URL");
    let get = shop.sqs.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::QueueArn);
    let attributes = get.send().await.expect("an answer").attributes.unwrap_or_default();
    (url, attributes[&QueueAttributeName::QueueArn].clone())
}

fn upstream(shop: &Shop) -> String {
    shop.endpoint.trim_start_matches("http://").to_owned()
}

/// A way to the emulator that kills who sends a certain word.
#[derive(Clone)]
struct Trap {
    word: &'static str,
    function: String,
    upstream: String,
    kills: Arc<AtomicU32>,
}

impl Trap {
    /// Its URL.
    async fn set(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&self.upstream).await.expect("the emulator listens");
                let ((requests, mut replies), (mut from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(self.clone().forward(requests, to_server));
                tokio::spawn(async move { copy(&mut from_server, &mut replies).await });
            }
        });
        format!("http://127.0.0.1:{port}")
    }

    async fn forward(self, mut requests: OwnedReadHalf, mut to_server: OwnedWriteHalf) {
        let (mut buffer, mut seen) = (vec![0; 64 * 1024], Vec::new());
        while let Ok(count @ 1..) = requests.read(&mut buffer).await {
            seen.extend_from_slice(&buffer[..count]);
            if seen.windows(self.word.len()).any(|window| window == self.word.as_bytes()) {
                self.kills.fetch_add(1, Ordering::Relaxed);
                for process in FunctionProcess::all().iter().filter(|process| process.function == self.function) {
                    assert!(process.kill(), "it is killed");
                }
                return;
            }
            if to_server.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    }
}
