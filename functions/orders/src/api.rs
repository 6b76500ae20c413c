//! The HTTP API of orders.

mod prices;

use lambda_http::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Request, RequestExt, Response};
use onewrite::access::{Access, Caller, KeySets, NoKeySets};
use onewrite::http::{Problem, answer, header, path, read_document, read_json};
use onewrite::port::{Clock, Log, Random};
use onewrite::{Cause, Commit, Committed, Failure, History, Ledger, Origin, Result, Step, TraceParent, telemetry};
use orderflow_events::scope::ORDERS_ANY;
use orderflow_events::{Extensions, IdKind, NewOrder, OrderCreated, OrderDetails, OrderId, Subject, Text};
use serde_json::{Value, json};
use tracing::info;

use crate::domain::{CancelRefusal, Known, Order, Orders, cancel};
use crate::port::PriceStore;

/// Number of times that a cancellation that loses the race against an event is decided again.
const MAX_RACES: u32 = 10;

const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Places, shows and cancels orders, and keeps the price table.
pub struct OrdersApi<L, P, W, K = NoKeySets> {
    ledger: Ledger<L, W>,
    prices: P,
    access: Access<K>,
}

impl<L: Log, P: PriceStore, W: Clock + Random, K: KeySets> OrdersApi<L, P, W, K> {
    /// The API on the ledger of orders and the price table, for whom `access` lets in.
    pub fn new(ledger: Ledger<L, W>, prices: P, access: Access<K>) -> Self {
        Self { ledger, prices, access }
    }

    /// Opens the connection to the table, and fetches the keys of the tokens.
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
            (&Method::POST, ["orders"]) => self.place(request, &caller).await,
            (&Method::GET, ["orders", id]) => self.show(id, &caller).await,
            (&Method::POST, ["orders", id, "cancel"]) => self.cancel(request, id, &caller).await,
            (&Method::GET, ["prices", sku]) => self.show_price(sku).await,
            (&Method::PUT, ["prices", sku]) => self.set_price(request, sku, &caller).await,
            _ => Err(Problem::not_found("resource")),
        }
    }

    /// The order's id is derived from the caller and their idempotency key, so that the one conditional write of the
    /// first row is the idempotency record too: the second of two requests finds the first one's order.
    async fn place(&self, request: &Request, caller: &Caller) -> Result<Response<Body>, Problem> {
        let key = header(request, "Idempotency-Key")?;
        if key.is_some_and(|key| !(1..=255).contains(&key.len())) {
            return Err(Problem::malformed("The header Idempotency-Key must have 1 to 255 characters."));
        }
        let (document, order) = read_order(request, caller)?;
        let order_id = self.order_id(caller, &order.customer.id, key)?;
        let (known, is_new) = match self.price(document, &order, &order_id, caller).await? {
            Some(details) => self.create(request, caller, order_id.clone(), details).await?,
            None => (self.placed(&Subject::from(&order_id)).await?, false),
        };
        if !prices::is_same(order, &known.created.details) {
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

    fn order_id(&self, caller: &Caller, customer: &Text, key: Option<&str>) -> Result<OrderId> {
        let id = match (key, caller.subject()) {
            (Some(key), Some(subject)) => IdKind::Order.derive(&["subject", subject.as_str(), key]),
            (Some(key), None) => IdKind::Order.derive(&["customer", customer.as_str(), key]),
            (None, _) => {
                let mut drawn = [0; 16];
                self.ledger.world().fill(&mut drawn);
                IdKind::Order.derive(&["random", &format!("{:032x}", u128::from_be_bytes(drawn))])
            }
        };
        OrderId::new(id).map_err(|error| Failure::permanent(format!("an order id that was made {error}")))
    }

    /// Writes the first row of an order. If there is one already, the answer is that order, and `false`.
    async fn create(
        &self,
        request: &Request,
        caller: &Caller,
        order_id: OrderId,
        details: OrderDetails,
    ) -> Result<(Known, bool)> {
        let total = details.total().ok_or_else(|| Failure::permanent("an order that was checked has no total"))?;
        let order = OrderCreated { order_id, details, total };
        let subject = Subject::from(&order.order_id);
        let origin = self.origin(request, caller, "PlaceOrder", None);
        let mut history = History::<Orders>::unknown(subject.clone());
        match self.ledger.commit(&mut history, &origin, Commit::publish(order)).await? {
            Committed::Done(_) => known_of(history.state).map(|known| (known, true)),
            Committed::LostRace | Committed::Short(_) => self.placed(&subject).await.map(|known| (known, false)),
        }
    }

    /// An order that was placed before.
    async fn placed(&self, subject: &Subject) -> Result<Known> {
        known_of(self.ledger.load::<Orders>(subject).await?.state)
    }

    async fn show(&self, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        match self.load(id, caller).await?.state {
            Order::Known(known) => Ok(answer(StatusCode::OK, &known.whole())),
            Order::Unknown => Err(Problem::not_found("order")),
        }
    }

    async fn cancel(&self, request: &Request, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        for _ in 0..MAX_RACES {
            let mut history = self.load(id, caller).await?;
            let step = cancel(&history.state).map_err(|refusal| match refusal {
                CancelRefusal::Unknown => Problem::not_found("order"),
                CancelRefusal::Shipped => Problem::new(StatusCode::CONFLICT, "The order is on its way already.")
                    .of_kind("urn:orderflow:problem:order-shipped", "Order shipped"),
            })?;
            if let (Step::Commit(commit), Order::Known(known)) = (step, &history.state) {
                let origin = self.origin(request, caller, "CancelOrder", Some(known));
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

    /// History of an order, as far as the caller may see it: an order of somebody else is to them as one that does not exist.
    async fn load(&self, id: &str, caller: &Caller) -> Result<History<Orders>, Problem> {
        let order_id = OrderId::new(id).map_err(|_| Problem::not_found("order"))?;
        let history = self.ledger.load::<Orders>(&Subject::from(&order_id)).await?;
        match &history.state {
            Order::Known(known) if !may_act_for(caller, &known.created.details) => Err(Problem::not_found("order")),
            Order::Known(_) | Order::Unknown => Ok(history),
        }
    }

    fn origin(&self, request: &Request, caller: &Caller, what: &str, known: Option<&Known>) -> Origin {
        let traced = request.headers().get("traceparent").and_then(|value| TraceParent::parse(value.to_str().ok()?));
        let trace_parent =
            traced.or_else(telemetry::trace_parent).unwrap_or_else(|| TraceParent::new(self.ledger.world()));
        Origin {
            cause: Cause {
                source: "orderflow/orders-api".to_owned(),
                id: request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default(),
                event_type: what.to_owned(),
                by: caller.subject().map(ToString::to_string),
            },
            correlation_id: known.map(|known| known.correlation_id.clone()),
            causation_id: None,
            extensions: Extensions::new(),
            trace_parent: Some(trace_parent),
            trace_state: None,
        }
    }
}

fn known_of(order: Order) -> Result<Known> {
    match order {
        Order::Known(known) => Ok(*known),
        Order::Unknown => Err(Failure::transient("the order is being created")),
    }
}

/// The order that a request places, and its document. Without a customer's id it is of the caller.
fn read_order(request: &Request, caller: &Caller) -> Result<(Value, NewOrder), Problem> {
    let mut document = read_json(request)?;
    if let (Some(subject), Some(customer)) =
        (caller.subject(), document.get_mut("customer").and_then(Value::as_object_mut))
        && customer.get("id").is_none_or(|id| id.is_null() || id == "")
    {
        customer.insert("id".to_owned(), json!(subject));
    }
    let order: NewOrder = read_document(&document)?;
    if !caller.is(&order.customer.id) {
        caller.demand(ORDERS_ANY)?;
    }
    Ok((document, order))
}

fn may_act_for(caller: &Caller, order: &OrderDetails) -> bool {
    caller.is(&order.customer.id) || caller.has(ORDERS_ANY)
}

#[cfg(test)]
mod tests;
