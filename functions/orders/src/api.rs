//! The HTTP API of orders.

use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyRequestContext;
use lambda_http::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt, Response};
use onewrite::http::{Problem, answer, header, path, read_body};
use onewrite::port::{Clock, Log, Random};
use onewrite::{Cause, Commit, Committed, Failure, History, Ledger, Origin, Result, Step, TraceParent, telemetry};
use orderflow_events::{Extensions, IdKind, NewOrder, OrderCreated, OrderDetails, OrderId, Subject};
use serde_json::Value;
use tracing::info;

use crate::domain::{CancelRefusal, Known, Order, Orders, cancel};

/// Number of times that a cancellation that loses the race against an event is decided again.
const MAX_RACES: u32 = 10;

const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Places, shows and cancels orders.
pub struct OrdersApi<L, W> {
    ledger: Ledger<L, W>,
}

impl<L: Log, W: Clock + Random> OrdersApi<L, W> {
    /// The API on the ledger of orders.
    pub fn new(ledger: Ledger<L, W>) -> Self {
        Self { ledger }
    }

    /// Opens the connection to the table.
    pub async fn warm(&self) {
        self.ledger.warm().await;
    }

    /// Answers a request.
    pub async fn answer(&self, request: &Request) -> Response<Body> {
        let answered = match (request.method(), path(request).as_slice()) {
            (&Method::POST, ["orders"]) => self.place(request).await,
            (&Method::GET, ["orders", id]) => self.show(id).await,
            (&Method::POST, ["orders", id, "cancel"]) => self.cancel(request, id).await,
            _ => Err(Problem::not_found("resource")),
        };
        answered.unwrap_or_else(Response::from)
    }

    /// The order's id is derived from the caller and their idempotency key, so that the one conditional write of the
    /// first row is the idempotency record too: the second of two requests finds the first one's order.
    async fn place(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let key = header(request, "Idempotency-Key")?;
        if key.is_some_and(|key| !(1..=255).contains(&key.len())) {
            return Err(Problem::malformed("The header Idempotency-Key must have 1 to 255 characters."));
        }
        let details: OrderDetails = read_body::<NewOrder>(request)?.into();
        let order_id = self.order_id(request, &details, key)?;
        let total = details.total().ok_or_else(|| Failure::permanent("an order that was checked has no total"))?;
        let order = OrderCreated { order_id: order_id.clone(), details, total };
        let (known, is_new) = self.create(request, order.clone()).await?;
        if known.created != order {
            let detail = "The Idempotency-Key was used for another order.";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
                .of_kind("urn:orderflow:problem:idempotency-key-reused", "Idempotency key reused"));
        }
        info!(order_id = order_id.as_str(), is_new, "order placed");
        let mut response = answer(StatusCode::CREATED, &known.receipt());
        if let Ok(location) = HeaderValue::from_str(&format!("/orders/{order_id}")) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        if !is_new && key.is_some() {
            response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        Ok(response)
    }

    fn order_id(&self, request: &Request, details: &OrderDetails, key: Option<&str>) -> Result<OrderId> {
        let id = match (key, principal(request)) {
            (Some(key), Some(principal)) => IdKind::Order.derive(&["principal", principal, key]),
            (Some(key), None) => IdKind::Order.derive(&["customer", details.customer.id.as_str(), key]),
            (None, _) => {
                let mut drawn = [0; 16];
                self.ledger.world().fill(&mut drawn);
                IdKind::Order.derive(&["random", &format!("{:032x}", u128::from_be_bytes(drawn))])
            }
        };
        OrderId::new(id).map_err(|error| Failure::permanent(format!("an order id that was made {error}")))
    }

    /// Writes the first row of an order. If there is one already, the answer is that order, and `false`.
    async fn create(&self, request: &Request, order: OrderCreated) -> Result<(Known, bool)> {
        let subject = Subject::from(&order.order_id);
        let origin = self.origin(request, "PlaceOrder", None);
        let mut history = History::<Orders>::unknown(subject.clone());
        let is_new = match self.ledger.commit(&mut history, &origin, Commit::publish(order)).await? {
            Committed::Done(_) => true,
            Committed::LostRace | Committed::Short(_) => {
                history = self.ledger.load(&subject).await?;
                false
            }
        };
        match history.state {
            Order::Known(known) => Ok((*known, is_new)),
            Order::Unknown => Err(Failure::transient("the order is being created")),
        }
    }

    async fn show(&self, id: &str) -> Result<Response<Body>, Problem> {
        match self.load(id).await?.state {
            Order::Known(known) => Ok(answer(StatusCode::OK, &known.whole())),
            Order::Unknown => Err(Problem::not_found("order")),
        }
    }

    async fn cancel(&self, request: &Request, id: &str) -> Result<Response<Body>, Problem> {
        for _ in 0..MAX_RACES {
            let mut history = self.load(id).await?;
            let step = cancel(&history.state).map_err(|refusal| match refusal {
                CancelRefusal::Unknown => Problem::not_found("order"),
                CancelRefusal::Shipped => Problem::new(StatusCode::CONFLICT, "The order is on its way already.")
                    .of_kind("urn:orderflow:problem:order-shipped", "Order shipped"),
            })?;
            if let (Step::Commit(commit), Order::Known(known)) = (step, &history.state) {
                let origin = self.origin(request, "CancelOrder", Some(known));
                if let Committed::LostRace = self.ledger.commit(&mut history, &origin, commit).await? {
                    continue;
                }
            }
            if let Order::Known(known) = &history.state {
                info!(order_id = id, "order cancelled");
                return Ok(answer(StatusCode::ACCEPTED, &known.brief()));
            }
        }
        Err(Failure::transient(format!("the cancellation lost {MAX_RACES} races")).into())
    }

    async fn load(&self, id: &str) -> Result<History<Orders>, Problem> {
        let order_id = OrderId::new(id).map_err(|_| Problem::not_found("order"))?;
        Ok(self.ledger.load(&Subject::from(&order_id)).await?)
    }

    fn origin(&self, request: &Request, what: &str, known: Option<&Known>) -> Origin {
        let traced = request.headers().get("traceparent").and_then(|value| TraceParent::parse(value.to_str().ok()?));
        let trace_parent =
            traced.or_else(telemetry::trace_parent).unwrap_or_else(|| TraceParent::new(self.ledger.world()));
        Origin {
            cause: Cause {
                source: "orderflow/orders-api".to_owned(),
                id: request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default(),
                event_type: what.to_owned(),
            },
            correlation_id: known.map(|known| known.correlation_id.clone()),
            causation_id: None,
            extensions: Extensions::new(),
            trace_parent: Some(trace_parent),
            trace_state: None,
        }
    }
}

/// Caller as the stage's authorizer names it, if the stage has one: a Lambda authorizer by its principal, a user pool
/// by the subject of its token, IAM by the ARN of the user.
fn principal(request: &Request) -> Option<&str> {
    let RequestContext::ApiGatewayV1(context) = request.request_context_ref()? else { return None };
    let ApiGatewayProxyRequestContext { authorizer, identity, .. } = context;
    let principal = authorizer.fields.get("principalId").and_then(Value::as_str);
    let subject = || authorizer.fields.get("claims")?.get("sub")?.as_str();
    principal.or_else(subject).or(identity.user_arn.as_deref()).filter(|principal| !principal.is_empty())
}

#[cfg(test)]
mod tests;
