//! The HTTP API of the clearance: a person says that a flagged order may be shipped.

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use onewrite::access::{Access, Caller, KeySets, NoKeySets, origin_of};
use onewrite::envelope::reads;
use onewrite::http::{Problem, answer, path, read_body};
use onewrite::port::{Clock, Log, Random};
use onewrite::{Committed, Failure, Ledger, Origin, Result, Step};
use orderflow_events::scope::OPERATIONS;
use orderflow_events::{OrderId, Subject, Text};
use serde::Serialize;
use tracing::info;

use crate::domain::{NotScreened, Screening, clear};

/// Number of attempts at a word that collides with others.
const MAX_RACES: u32 = 20;

/// Takes a person's word that an order may be shipped.
pub struct ScreeningApi<L, W, K = NoKeySets> {
    ledger: Ledger<L, W>,
    access: Access<K>,
}

impl<L: Log, W: Clock + Random, K: KeySets> ScreeningApi<L, W, K> {
    /// The API on that ledger, for whom `access` lets in.
    pub fn new(ledger: Ledger<L, W>, access: Access<K>) -> Self {
        Self { ledger, access }
    }

    /// Opens the connection to the table, and fetches the keys of the tokens. Whether it works out shows soon enough.
    pub async fn warm(&self) {
        self.ledger.warm().await;
        self.access.warm(self.ledger.world().now()).await;
    }

    /// Answers a request.
    pub async fn answer(&self, request: &Request) -> Response<Body> {
        self.route(request).await.unwrap_or_else(Response::from)
    }

    async fn route(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let caller = self.access.caller(request, self.ledger.world().now()).await?;
        match (request.method(), path(request).as_slice()) {
            (&Method::POST, ["operations", "orders", id, "clear"]) => self.clear(request, id, &caller).await,
            _ => Err(Problem::not_found("resource")),
        }
    }

    /// The order is cleared, once, however often it is said. Who says it first, and why, is in the row.
    async fn clear(&self, request: &Request, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        caller.demand(OPERATIONS)?;
        let order = OrderId::new(id).map_err(|_| Problem::not_found("order"))?;
        let Clearance { why } = read_body(request)?;
        for _ in 0..MAX_RACES {
            let mut history = self.ledger.load::<Screening>(&Subject::from(&order)).await?;
            if let Step::Commit(commit) = clear(&history.state, &order, why.clone()).map_err(Problem::from)? {
                let by = caller.subject().map(ToString::to_string);
                let origin = origin_of(request, "orderflow/screening-api", "ClearOrder", by, self.ledger.world());
                let origin = Origin { correlation_id: history.state.correlation_id().cloned(), ..origin };
                match self.ledger.commit(&mut history, &origin, commit).await? {
                    Committed::Done(_) => info!(order_id = id, by = caller.subject().map(Text::as_str), "cleared"),
                    Committed::LostRace | Committed::Short(_) => continue,
                }
            }
            return Ok(answer(StatusCode::ACCEPTED, &Cleared { order_id: &order }));
        }
        Err(Failure::transient(format!("a clearance lost {MAX_RACES} races")).into())
    }
}

impl From<NotScreened> for Problem {
    fn from(_: NotScreened) -> Self {
        Self::not_found("order that was screened")
    }
}

/// A person's word that an order may be shipped.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Clearance {
    /// The reason, for those who look into it later.
    why: Text,
}

reads!(Clearance { why: required("why") });

/// An order that is cleared.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Cleared<'a> {
    /// The order.
    order_id: &'a OrderId,
}

/// JSON Schemas of a clearance and of its answer, each under its name.
#[cfg(feature = "schema")]
#[must_use]
pub fn schemas() -> [(&'static str, serde_json::Value); 2] {
    use orderflow_events::schema::{of_answer, of_request};
    [("Clearance", of_request::<Clearance>()), ("Cleared", of_answer::<Cleared<'_>>())]
}
