//! GraphQL over HTTP, as <https://graphql.github.io/graphql-over-http/draft/> has it: queries, by POST.

use futures::StreamExt;
use futures::future::join;
use lambda_http::http::{Method, StatusCode, header};
use lambda_http::{Body, Request, Response};
use onewrite::access::{Access, Caller, KeySets, NoKeySets};
use onewrite::http::{Problem, answer_as, path, read_json};
use onewrite::port::{Clock, Log, OwnedSubjects, Random};
use onewrite::{Ledger, Result};
use orderflow_events::scope::{ORDERS_ANY, STOCK_READ};
use orderflow_events::{OrderId, Sku, Subject, Text};
use orderflow_inventory::StockStore;
use orderflow_orders::{Known, Order as State, Orders, Visitor};
use serde_json::Value;

use crate::schema::{self, Answer, Ask, MAX_REQUEST_BYTES, Order, OrderConnection, OrdersAsk, PageInfo, Schema, Stock};

/// Media type of a response, for those who know it.
const RESPONSE: &str = "application/graphql-response+json";
const JSON: &str = "application/json";

/// Most orders that one page looks at. With a status most of them may be others.
const MAX_LOOKS: usize = 100;

/// Answers queries.
pub struct GraphqlApi<L, P, W, K = NoKeySets> {
    ledger: Ledger<L, W>,
    stock: P,
    access: Access<K>,
    schema: Schema,
    may_introspect: bool,
}

impl<L: Log + OwnedSubjects, P: StockStore, W: Clock + Random, K: KeySets> GraphqlApi<L, P, W, K> {
    /// The API on the ledger of the orders and on the stock, for whom `access` lets in. Whoever is in may ask for the schema, too,
    /// where `may_introspect`.
    pub fn new(ledger: Ledger<L, W>, stock: P, access: Access<K>, may_introspect: bool) -> Self {
        Self { ledger, stock, access, schema: schema::build(), may_introspect }
    }

    /// Opens the connection to the tables, and fetches the keys of the tokens.
    pub async fn warm(&self) {
        self.ledger.warm().await;
        self.access.warm(self.ledger.world().now()).await;
    }

    /// Answers a request.
    pub async fn answer(&self, request: &Request) -> Response<Body> {
        self.route(request).await.unwrap_or_else(Response::from)
    }

    async fn route(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let (&Method::POST, ["graphql"]) = (request.method(), path(request).as_slice()) else {
            return Err(Problem::not_found("resource"));
        };
        let caller = self.access.caller(request, self.ledger.world().now()).await?;
        let media_type = media_type(request)?;
        let query = read(&read_json(request)?)?;
        let query = if self.may_introspect { query } else { query.disable_introspection() };
        let response = Box::pin(self.execute(query, &caller)).await;
        // A request that was not executed, for it is none of this schema, has no data at all.
        let is_refused = response.is_err() && response.data == async_graphql::Value::Null && !has_path(&response);
        let status = if is_refused && media_type == RESPONSE { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        Ok(answer_as(status, media_type, &response))
    }

    /// Executes a query, and serves its asks one after the other: few queries have more than one.
    async fn execute(&self, query: async_graphql::Request, caller: &Caller) -> async_graphql::Response {
        let (executed, mut asked) = self.schema.ask(query);
        let served = async {
            while let Some(ask) = asked.next().await {
                self.serve(caller, ask).await;
            }
        };
        join(executed, served).await.0
    }

    async fn serve(&self, caller: &Caller, ask: Ask) {
        // Whoever has asked may be gone.
        match ask {
            Ask::Order(id, reply) => {
                drop(reply.send(self.order(caller, &id).await.map(|order| order.as_deref().map(Order::from))));
            }
            Ask::Orders(asked, reply) => drop(reply.send(self.orders(caller, asked).await)),
            Ask::Stock(sku, reply) => drop(reply.send(self.stock(caller, &sku).await)),
        }
    }

    /// An order; none of one that the caller may not see.
    async fn order(&self, caller: &Caller, id: &str) -> Answer<Option<Box<Known>>> {
        let Ok(order_id) = OrderId::new(id) else { return Ok(None) };
        let visitor = Visitor::Caller(caller.clone());
        match self.ledger.load::<Orders>(&Subject::from(&order_id)).await?.state {
            State::Known(known) if visitor.may_act_for(&known) => Ok(Some(known)),
            State::Known(_) | State::Unknown => Ok(None),
        }
    }

    async fn orders(&self, caller: &Caller, asked: OrdersAsk) -> Answer<OrderConnection> {
        let OrdersAsk { customer, status, first, after } = asked;
        let customer = match customer {
            Some(customer) => Text::new(customer).map_err(|rule| Problem::malformed(format!("customer {rule}.")))?,
            None => caller.subject().cloned().ok_or_else(|| Problem::malformed("A customer must be named."))?,
        };
        if !caller.is(&customer) {
            caller.demand(ORDERS_ANY)?;
        }
        let all = self.ledger.owned_by(customer.as_str()).await?;
        let begin = after.map_or(0, |after| {
            all.iter().position(|subject| subject.as_str() == after).map_or(all.len(), |place| place + 1)
        });
        let (mut nodes, mut looked) = (Vec::new(), begin);
        for subject in all.iter().skip(begin).take(MAX_LOOKS) {
            if nodes.len() == first {
                break;
            }
            looked += 1;
            let Some(known) = self.order(caller, subject.as_str()).await? else { continue };
            if status.is_none_or(|status| status == known.status.into()) {
                nodes.push(Order::from(known.as_ref()));
            }
        }
        let end_cursor = looked.checked_sub(1).and_then(|last| all.get(last)).map(ToString::to_string);
        Ok(OrderConnection { nodes, page_info: PageInfo { has_next_page: looked < all.len(), end_cursor } })
    }

    async fn stock(&self, caller: &Caller, sku: &str) -> Answer<Option<Stock>> {
        caller.demand(STOCK_READ)?;
        let Ok(id) = Sku::new(sku) else { return Ok(None) };
        Ok(self.stock.get(&id).await?.map(|stock| Stock::of(sku, &stock)))
    }
}

/// True of an error of a field: the request was executed.
fn has_path(response: &async_graphql::Response) -> bool {
    response.errors.iter().any(|error| !error.path.is_empty())
}

/// Media type that the answer is to have. Who says nothing of it takes plain JSON.
fn media_type(request: &Request) -> Result<&'static str, Problem> {
    let Some(accepted) = request.headers().get(header::ACCEPT) else { return Ok(JSON) };
    let accepted = accepted.to_str().unwrap_or_default();
    let mut ranges = accepted.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
    let known = ranges.find_map(|range| match range {
        RESPONSE => Some(RESPONSE),
        JSON | "application/*" | "*/*" => Some(JSON),
        _ => None,
    });
    known.ok_or_else(|| Problem::new(StatusCode::NOT_ACCEPTABLE, format!("The answer is {RESPONSE} or {JSON}.")))
}

/// Request of GraphQL from its JSON.
fn read(document: &Value) -> Result<async_graphql::Request, Problem> {
    let is_map = |name: &str| document.get(name).is_none_or(|value| value.is_null() || value.is_object());
    if document.to_string().len() > MAX_REQUEST_BYTES {
        let detail = format!("A request of GraphQL has at most {MAX_REQUEST_BYTES} bytes.");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    if !document["query"].is_string() {
        return Err(Problem::malformed("The member query must be a text."));
    }
    if !is_map("variables") || !is_map("extensions") {
        return Err(Problem::malformed("The members variables and extensions must be objects."));
    }
    serde_json::from_value(document.clone()).map_err(|_| Problem::malformed("The body is no request of GraphQL."))
}

#[cfg(test)]
mod tests;
