//! Collectors of spans: one that answers, one that is slow, and one that is dead.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

/// Collector that functions send their spans to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Collector {
    /// It answers at once.
    Prompt,
    /// It takes longer for an answer than functions wait for one.
    Slow,
    /// It takes connections, and answers nothing.
    Dead,
}

impl Collector {
    pub(crate) const ALL: [Self; 3] = [Self::Prompt, Self::Slow, Self::Dead];

    /// Name in a table.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Slow => "slow",
            Self::Dead => "dead",
        }
    }

    /// Waits until it answers: a slow one twice what an export has. A prompt one sets no timer, which would round no time at all up
    /// to a millisecond: AWS's stub answers without one, too, and a processor that has gone to sleep costs whoever wakes it.
    async fn pause(self) {
        match self {
            Self::Prompt => {}
            Self::Slow => tokio::time::sleep(Duration::from_millis(400)).await,
            Self::Dead => std::future::pending().await,
        }
    }

    /// Opens it for as long as the program runs; its URL, for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    ///
    /// # Errors
    ///
    /// There is no port to listen on.
    pub(crate) async fn open(self) -> io::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn_local(self.serve(stream));
            }
        });
        Ok(endpoint)
    }

    async fn serve(self, stream: TcpStream) {
        // Without it an answer would wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request| self.answer(request));
        // It ends when the function is gone.
        let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    /// An empty `ExportTraceServiceResponse`, which is no bytes: all is taken.
    async fn answer(self, request: hyper::Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let _ = request.into_body().collect().await;
        self.pause().await;
        Ok(Response::new(Full::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::with_runtime;

    #[test]
    fn a_prompt_collector_answers_and_the_others_do_not_in_time() {
        with_runtime(async {
            for (collector, answers) in [(Collector::Prompt, true), (Collector::Slow, false), (Collector::Dead, false)]
            {
                let url = format!("{}/v1/traces", collector.open().await.unwrap());
                let sent = reqwest::Client::new().post(url).body("spans").send();
                let patience = if answers { Duration::from_secs(10) } else { Duration::from_millis(300) };
                let answered = tokio::time::timeout(patience, sent).await.is_ok();
                assert_eq!(answered, answers, "{collector:?}");
            }
        });
    }
}
