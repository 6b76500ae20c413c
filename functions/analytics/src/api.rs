//! The HTTP API of the board: what was counted of late.

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use onewrite::access::{Access, KeySets, NoKeySets};
use onewrite::http::{Problem, answer, path};
use onewrite::port::Clock;
use orderflow_events::scope::{EVENTS_READ, OPERATIONS};

use crate::board::board;
use crate::counts::Counts;
use crate::port::CountStore;

/// Answers what was counted.
pub struct AnalyticsApi<S, C, K = NoKeySets> {
    counts: Counts<S>,
    clock: C,
    access: Access<K>,
}

impl<S: CountStore, C: Clock, K: KeySets> AnalyticsApi<S, C, K> {
    /// The API on those counts, for whom `access` lets in.
    pub fn new(counts: S, clock: C, access: Access<K>) -> Self {
        Self { counts: Counts::new(counts), clock, access }
    }

    /// Opens the connection to the table, and fetches the keys of the tokens. Whether it works out shows soon enough.
    pub async fn warm(&self) {
        self.counts.warm().await;
        self.access.warm(self.clock.now()).await;
    }

    /// Answers a request.
    pub async fn answer(&self, request: &Request) -> Response<Body> {
        self.route(request).await.unwrap_or_else(Response::from)
    }

    async fn route(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let now = self.clock.now();
        let caller = self.access.caller(request, now).await?;
        match (request.method(), path(request).as_slice()) {
            (&Method::GET, ["operations", "board"]) => {
                if !caller.has(EVENTS_READ) {
                    caller.demand(OPERATIONS)?;
                }
                Ok(answer(StatusCode::OK, &board(&self.counts, now).await?))
            }
            _ => Err(Problem::not_found("resource")),
        }
    }
}

/// JSON Schema of the board, under its name.
#[cfg(feature = "schema")]
#[must_use]
pub fn schemas() -> [(&'static str, serde_json::Value); 1] {
    [("Board", orderflow_events::schema::of_answer::<crate::board::Board>())]
}
