//! Receivers of webhooks on this machine, as strangers might have written them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Answer to a request by its number, from 0.
type Answers = Box<dyn Fn(usize) -> Answering + Send + Sync>;

/// Answer of a receiver.
#[derive(Clone, Debug)]
pub enum Answering {
    /// That status, with those headers and no body.
    Status(u16, &'static str),
    /// None, for as long as the receiver lives.
    Never,
    /// The head of an answer, byte for byte, without an end.
    Slowly,
    /// A gigabyte.
    Endlessly,
}

/// Receiver on a port of its own. It ends with its handle.
#[derive(Debug)]
pub struct Receiver {
    port: u16,
    messages: Arc<Mutex<Vec<Message>>>,
    serving: JoinHandle<()>,
}

/// Message that a receiver has got.
#[derive(Clone, Debug)]
pub struct Message {
    /// Headers by their names in small letters.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

impl Message {
    /// The event in it.
    #[must_use]
    pub fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// It as one who verifies gets it, with a secret by which it is genuine, or not.
    #[must_use]
    pub fn to_verify(&self, secret: &str, genuine: bool) -> Value {
        json!({ "secret": secret, "headers": self.headers, "body": self.body, "genuine": genuine })
    }
}

impl Receiver {
    /// A receiver that answers so.
    pub async fn that(answers: impl Fn(usize) -> Answering + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let messages = Arc::<Mutex<Vec<Message>>>::default();
        let (kept, answers): (_, Arc<Answers>) = (Arc::clone(&messages), Arc::new(Box::new(answers)));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&kept), Arc::clone(&answers)));
            }
        });
        Self { port, messages, serving }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// Messages that it has got until now.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: TcpStream, messages: Arc<Mutex<Vec<Message>>>, answers: Arc<Answers>) {
    while let Some(message) = next(&mut stream).await {
        let number = {
            let mut messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
            messages.push(message);
            messages.len() - 1
        };
        let is_written = match answers(number) {
            Answering::Status(status, headers) => {
                let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).await.is_ok()
            }
            Answering::Never => std::future::pending().await,
            Answering::Slowly => {
                let mut is_written = stream.write_all(b"HTTP/1.1 200 OK\r\nx-slow: ").await.is_ok();
                while is_written {
                    is_written = stream.write_all(b"x").await.is_ok();
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
                false
            }
            Answering::Endlessly => {
                let head = "HTTP/1.1 500 X\r\ncontent-encoding: gzip\r\ncontent-length: 1073741824\r\n\r\n";
                let mut is_written = stream.write_all(head.as_bytes()).await.is_ok();
                while is_written {
                    is_written = stream.write_all(&[b'x'; 8_192]).await.is_ok();
                }
                false
            }
        };
        if !is_written {
            return;
        }
    }
}

/// The next request of a connection.
async fn next(stream: &mut TcpStream) -> Option<Message> {
    let (mut read, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        let head_end = read.windows(4).position(|end| end == b"\r\n\r\n");
        if let Some(end) = head_end {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let headers: BTreeMap<String, String> = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            if read.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&read[end + 4..end + 4 + length]).into_owned();
                return Some(Message { headers, body });
            }
        }
        match stream.read(&mut buffer).await {
            Ok(count @ 1..) => read.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}
