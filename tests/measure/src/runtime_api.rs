//! The Lambda Runtime API for one process: what it asks for, and when.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::Instant;

/// Something that a function has asked or said.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// It waits for its next invocation.
    Next { at: Instant, reply: oneshot::Sender<Bytes> },
    /// It has answered one.
    Answer { at: Instant, body: Bytes },
    /// It has failed, at an invocation or before the first.
    Failure { body: Bytes },
}

/// A Runtime API of its own for one function process; it is closed when it is dropped.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    address: String,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    server: JoinHandle<()>,
}

impl RuntimeApi {
    /// Opens it, for a function with that timeout.
    ///
    /// # Errors
    ///
    /// There is no port to listen on.
    pub(crate) async fn open(timeout: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (sender, arrivals) = mpsc::unbounded_channel();
        let server = spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let sender = sender.clone();
                spawn_local(async move {
                    let service = service_fn(|request| answer(request, sender.clone(), timeout));
                    // It ends when the function is gone.
                    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { address, arrivals, server })
    }

    /// Host and port, for `AWS_LAMBDA_RUNTIME_API`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The next thing that the function asks or says.
    pub(crate) async fn arrival(&mut self) -> Option<Arrival> {
        self.arrivals.recv().await
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The caller is gone.
#[derive(Debug, thiserror::Error)]
#[error("nobody waits for the answer")]
struct Gone;

async fn answer(
    request: Request<Incoming>,
    sender: mpsc::UnboundedSender<Arrival>,
    timeout: Duration,
) -> Result<Response<Full<Bytes>>, Gone> {
    let at = Instant::now();
    let (head, body) = request.into_parts();
    if head.method == Method::GET {
        let (reply, invocation) = oneshot::channel();
        sender.send(Arrival::Next { at, reply }).map_err(|_| Gone)?;
        return Ok(invocation_of(invocation.await.map_err(|_| Gone)?, timeout));
    }
    let body = body.collect().await.map_err(|_| Gone)?.to_bytes();
    let is_error = head.uri.path().ends_with("/error");
    let arrival = if is_error { Arrival::Failure { body } } else { Arrival::Answer { at, body } };
    sender.send(arrival).map_err(|_| Gone)?;
    let mut accepted = Response::new(Full::new(Bytes::from_static(br#"{"status":"OK"}"#)));
    *accepted.status_mut() = StatusCode::ACCEPTED;
    Ok(accepted)
}

fn invocation_of(payload: Bytes, timeout: Duration) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(payload));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:measured"),
        ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(deadline) = HeaderValue::from_str(&(now() + timeout).as_millis().to_string()) {
        headers.insert("lambda-runtime-deadline-ms", deadline);
    }
    response
}

/// Time since 1970, in which deadlines are told.
#[expect(clippy::disallowed_methods, reason = "a deadline is a time of day, as Lambda tells it")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
