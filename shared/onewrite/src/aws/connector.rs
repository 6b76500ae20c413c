//! HTTP/1.1 for whatever a function calls: AWS, an issuer of tokens, a collector of spans, a receiver of webhooks.
//!
//! It is made of the pool and of the TLS that the SDK's own client is made of. That one speaks HTTP/2 as well, and knows proxies, which is
//! a tenth of a function's package, and nothing that these calls need.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::{CaptureConnection, Connect, HttpConnector as Tcp, capture_connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use lambda_runtime::Service;
use lambda_runtime::tower::util::MapFuture;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;

use super::roots;

/// The longest time until there is a connection to AWS, TLS included. A function's time is short.
pub(super) const CONNECT: Duration = Duration::from_secs(1);

/// Client of HTTP for clients of the SDK, which trusts Amazon's roots alone. They have a second for a connection, whatever their own
/// configuration says of that, and of a time to read.
///
/// # Errors
///
/// The trust store cannot be built.
pub fn http_client() -> Result<SharedHttpClient, lambda_runtime::Error> {
    let connector = over(Tcp::new(), roots::amazon()?, Some(CONNECT))?;
    Ok(http_client_fn(move |_, _| connector.clone()))
}

/// Connector for one URL, with the roots that its host needs: AWS has its certificates of Amazon, and others have theirs of
/// whom they like. With a limit, a connection is to come within that; without, whoever asks has a time for all of it.
#[cfg(any(feature = "http", feature = "otlp", feature = "signed"))]
pub(super) fn connector(url: &str, limit: Option<Duration>) -> Result<SharedHttpConnector, lambda_runtime::Error> {
    let is_of_aws = roots::host_of(url).ends_with(".amazonaws.com");
    let needs_none = url.starts_with("http:");
    let roots = if is_of_aws || needs_none { roots::amazon()? } else { roots::of_this_machine()? };
    over(Tcp::new(), roots, limit)
}

/// HTTP over these connections of TCP, with TLS by these roots where the URL wants it. With a limit, a connection is to come within that.
pub(super) fn over<R>(
    mut tcp: Tcp<R>,
    roots: RootCertStore,
    limit: Option<Duration>,
) -> Result<SharedHttpConnector, lambda_runtime::Error>
where
    Tcp<R>: Service<hyper::Uri, Response = TokioIo<TcpStream>, Future: Send, Error: Into<BoxError>>
        + Clone
        + Send
        + Sync
        + 'static,
{
    tcp.enforce_http(false);
    // A request may be more than one write, of which the second would wait for the receipt of the first.
    tcp.set_nodelay(true);
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let tls = tls.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth();
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    let limited = MapFuture::new(https, move |connecting| {
        Box::pin(async move {
            match limit {
                Some(limit) => tokio::time::timeout(limit, connecting).await?,
                None => connecting.await,
            }
        })
    });
    let mut pool = Client::builder(TokioExecutor::new());
    pool.pool_timer(TokioTimer::new());
    Ok(SharedHttpConnector::new(Http(pool.build(limited))))
}

/// A pool of connections, as the SDK wants its own.
struct Http<C>(Client<C, SdkBody>);

impl<C> fmt::Debug for Http<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

impl<C: Connect + Clone + Send + Sync + 'static> HttpConnector for Http<C> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        // The SDK leaves no connection open on which it has had no answer, or one of a server in trouble.
        if let Some(asked) = request.extensions().get::<CaptureSmithyConnection>().cloned() {
            let captured = capture_connection(&mut request);
            asked.set_connection_retriever(move || connection(&captured));
        }
        let answer = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let response = answer.await.map_err(failed)?.map(SdkBody::from_body_1_x);
            HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// The connection that a request was made on, once there is one.
fn connection(captured: &CaptureConnection) -> Option<ConnectionMetadata> {
    captured.connection_metadata().as_ref()?;
    let captured = captured.clone();
    let poison = move || {
        if let Some(connected) = captured.connection_metadata().as_ref() {
            connected.poison();
        }
    };
    Some(ConnectionMetadata::builder().proxied(false).poison_fn(poison).build())
}

/// The failure in the SDK's words, which say whether it tries again.
fn failed(error: legacy::Error) -> ConnectorError {
    let of_http = cause::<hyper::Error>(&error);
    let is = |question: fn(&hyper::Error) -> bool| of_http.is_some_and(question);
    let is_of_the_connection = error.is_connect()
        || is(hyper::Error::is_closed)
        || is(hyper::Error::is_canceled)
        || cause::<io::Error>(&error).is_some();
    if cause::<Elapsed>(&error).is_some() || is(hyper::Error::is_timeout) {
        ConnectorError::timeout(error.into())
    } else if is(hyper::Error::is_user) {
        ConnectorError::user(error.into())
    } else if is_of_the_connection {
        ConnectorError::io(error.into())
    } else if is(hyper::Error::is_incomplete_message) {
        ConnectorError::other(error.into(), Some(ErrorKind::TransientError))
    } else {
        ConnectorError::other(error.into(), None)
    }
}

pub(super) fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(cause) = error.downcast_ref() {
            return Some(cause);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    /// A server that answers all that it is asked on a connection, or nothing: its address, and how many connections it has had.
    fn server(answer: &'static str) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    while stream.read(&mut [0; 8_192]).is_ok_and(|read| read > 0)
                        && stream.write_all(answer.as_bytes()).is_ok()
                    {}
                });
            }
        });
        (address.to_string(), connections)
    }

    /// Asks for that URL, each time by a new request of one connector.
    fn ask(
        url: &str,
        times: usize,
        prepare: impl Fn(&mut HttpRequest),
        answered: impl Fn(),
    ) -> Vec<Result<u16, ConnectorError>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connector = over(Tcp::new(), roots::amazon().unwrap(), Some(Duration::from_millis(300))).unwrap();
        let ask = async || {
            let mut request = HttpRequest::get(url).unwrap();
            prepare(&mut request);
            let answer = connector.call(request).await?;
            answered();
            let status = answer.status().as_u16();
            // A connection is free once its answer is read.
            let _ = http_body_util::BodyExt::collect(answer.into_body()).await;
            Ok(status)
        };
        runtime.block_on(async {
            let mut answers = Vec::new();
            for _ in 0..times {
                answers.push(ask().await);
                // And once its task has seen that.
                tokio::task::yield_now().await;
            }
            answers
        })
    }

    const GOOD: &str = "HTTP/1.1 204 No Content\r\n\r\n";

    #[test]
    fn a_connection_is_used_again_unless_the_sdk_gives_it_up() {
        let (address, connections) = server(GOOD);
        let url = format!("http://{address}/");
        let statuses =
            |answers: Vec<Result<u16, ConnectorError>>| answers.into_iter().map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(statuses(ask(&url, 3, |_| (), || ())), [204; 3]);
        assert_eq!(connections.load(Ordering::SeqCst), 1);
        let captured = CaptureSmithyConnection::new();
        let capture = |request: &mut HttpRequest| {
            request.add_extension(captured.clone());
        };
        assert_eq!(statuses(ask(&url, 3, capture, || captured.get().unwrap().poison())), [204; 3]);
        assert_eq!(connections.load(Ordering::SeqCst), 4);
    }

    #[test]
    fn a_failure_says_whether_it_is_worth_another_attempt() {
        let failure = |url: &str| ask(url, 1, |_| (), || ()).remove(0).unwrap_err();
        // No TLS comes of it: the answer to its first words does not, for the second of them is waited for.
        let (silent, _) = server("");
        assert!(failure(&format!("https://{silent}/")).is_timeout());
        let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        assert!(failure(&format!("http://{nobody}/")).is_io());
        let (no_tls, _) = server(GOOD);
        assert!(failure(&format!("https://{no_tls}/")).is_io());
        let (no_http, _) = server("Good morning!\r\n\r\n");
        let failure = failure(&format!("http://{no_http}/"));
        assert!(failure.is_other() && failure.as_other().is_none(), "{failure:?}");
    }
}
