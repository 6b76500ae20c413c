//! The schema of GraphQL. Resolvers do no IO: what a query asks for is handed out to whoever serves it, and a subscription is
//! executed for each update, which it is given.

mod objects;

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::parser::types::{Selection, SelectionSet};
use async_graphql::{
    Context, EmptyMutation, ErrorExtensions, ID, Json, Object, Request, Response, ServerError, Subscription,
};
use futures::channel::{mpsc, oneshot};
use futures::{Stream, StreamExt, stream};
use onewrite::http::Problem;
use serde_json::{Value, json};

pub(crate) use objects::{Board, Event, Order, OrderConnection, OrderStatus, OrderUpdate, PageInfo, Stock};

use crate::domain::{Refusal, Update};

/// Deepest nesting of fields: the deepest that means something has six.
const MAX_DEPTH: usize = 10;

/// Most fields of a request, those of lists as often as there may be members.
const MAX_COMPLEXITY: usize = 2_000;

/// Most spreads of fragments in a request. A fragment is walked at each place that it is spread into, and so are those within it: as
/// they multiply, 16 are walked some 350 times, and 30 would be a billion.
const MAX_SPREADS: usize = 16;

/// Most orders of a page, and how many there are where nobody says.
pub(crate) const MAX_FIRST: i32 = 50;
pub(crate) const FIRST: i32 = 10;

/// The longest text of a request, in bytes: variables included.
pub(crate) const MAX_REQUEST_BYTES: usize = 16 * 1024;

/// Result of an ask.
pub(crate) type Answer<T> = Result<T, Problem>;

/// Ask of a query, with the place that its answer goes to.
pub(crate) enum Ask {
    /// An order; none where there is none, or none that the caller may see.
    Order(String, oneshot::Sender<Answer<Option<Order>>>),
    /// A page of the orders of a customer.
    Orders(OrdersAsk, oneshot::Sender<Answer<OrderConnection>>),
    /// Stock of a SKU; none where it was never counted.
    Stock(String, oneshot::Sender<Answer<Option<Stock>>>),
}

/// Ask for a page of orders.
pub(crate) struct OrdersAsk {
    pub(crate) customer: Option<String>,
    pub(crate) status: Option<OrderStatus>,
    pub(crate) first: usize,
    pub(crate) after: Option<String>,
}

/// Way to whoever serves the asks of a query.
struct Asking(mpsc::UnboundedSender<Ask>);

/// Purpose that a subscription is executed for.
enum Purpose {
    /// To find out what it is about.
    Look(Arc<Mutex<Vec<Wish>>>),
    /// For that update.
    Tell(Update),
}

/// Wish of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The updates of an order after the last that the client has; none where it has none, and begins with the order as it stands.
    Order(String, Option<i32>),
    /// The events of all orders that match, after a position.
    Events(Option<Value>, Option<String>),
    /// The board.
    Board,
}

/// Queries.
pub(crate) struct Query;

#[Object]
impl Query {
    /// An order: one's own, or any with the scope orders:any.
    #[graphql(complexity = "child_complexity + 20")]
    async fn order(&self, context: &Context<'_>, id: ID) -> async_graphql::Result<Option<Order>> {
        ask(context, |reply| Ask::Order(id.0, reply)).await
    }

    /// Orders of a customer, what was placed first comes first: one's own, or anybody's with the scope orders:any.
    #[graphql(complexity = "usize::try_from(first.unwrap_or(FIRST)).unwrap_or(0) * child_complexity + 100")]
    async fn orders(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The shop's own id of the customer; the caller, where it is absent.")] customer: Option<ID>,
        #[graphql(desc = "Those alone that stand so.")] status: Option<OrderStatus>,
        #[graphql(
            desc = "Number of orders, 1 to 50; 10 where it is absent. With a status there may be fewer before the end."
        )]
        first: Option<i32>,
        #[graphql(desc = "The endCursor of the page before.")] after: Option<String>,
    ) -> async_graphql::Result<OrderConnection> {
        let first = first.unwrap_or(FIRST);
        let Some(first) = usize::try_from(first).ok().filter(|_| (1..=MAX_FIRST).contains(&first)) else {
            return Err(told(&Problem::malformed(format!("first must be 1 to {MAX_FIRST}."))));
        };
        let asked = OrdersAsk { customer: customer.map(|id| id.0), status, first, after };
        ask(context, |reply| Ask::Orders(asked, reply)).await
    }

    /// Stock of a SKU, with the scope stock:read.
    #[graphql(complexity = "child_complexity + 20")]
    async fn stock(&self, context: &Context<'_>, sku: ID) -> async_graphql::Result<Option<Stock>> {
        ask(context, |reply| Ask::Stock(sku.0, reply)).await
    }
}

async fn ask<T>(
    context: &Context<'_>,
    ask: impl FnOnce(oneshot::Sender<Answer<T>>) -> Ask,
) -> async_graphql::Result<T> {
    let unserved = || async_graphql::Error::new("Queries are answered over HTTP.");
    let (reply, answer) = oneshot::channel();
    let asking = context.data_opt::<Asking>().ok_or_else(unserved)?;
    asking.0.unbounded_send(ask(reply)).map_err(|_| unserved())?;
    answer.await.map_err(|_| unserved())?.map_err(|problem| told(&problem))
}

/// Subscriptions.
pub(crate) struct Subscription;

#[Subscription]
impl Subscription {
    /// Updates of an order, each once and in sequence: those that were missed since `after`, then what happens.
    async fn order(
        &self,
        context: &Context<'_>,
        id: ID,
        #[graphql(
            desc = "Sequence of the last update that the client has; 0 for all from the beginning. Absent, it begins with the latest, which says how the order stands."
        )]
        after: Option<i32>,
    ) -> impl Stream<Item = OrderUpdate> {
        stream::iter(match executed_for(context, || Wish::Order(id.0, after)) {
            Some(Update::Order(update)) => Some(OrderUpdate::from(update)),
            Some(Update::Event(_) | Update::Board(_)) | None => None,
        })
    }

    /// Events of all orders, each once, in the order of the log, with the scope events:read.
    async fn events(
        &self,
        context: &Context<'_>,
        #[graphql(
            name = "match",
            desc = "An event pattern, in the syntax of SNS and EventBridge: those alone that match."
        )]
        matching: Option<Json<Value>>,
        #[graphql(
            desc = "Cursor of the last event that the client has, or a page's of GET /events; \"now\" for what happens from now on. Absent, it begins at the beginning."
        )]
        after: Option<String>,
    ) -> impl Stream<Item = Event> {
        stream::iter(match executed_for(context, || Wish::Events(matching.map(|json| json.0), after)) {
            Some(Update::Event(event)) => Some(Event::from(event)),
            Some(Update::Order(_) | Update::Board(_)) | None => None,
        })
    }

    /// Orders and money of late, and the letters that are open, with the scope operations or events:read: as it is, and then
    /// whenever it changes, some seconds apart at the least. A change by the time alone is told at the client's next ping.
    async fn board(&self, context: &Context<'_>) -> impl Stream<Item = Board> {
        stream::iter(match executed_for(context, || Wish::Board) {
            Some(Update::Board(update)) => Some(Board::from(update.as_ref())),
            Some(Update::Order(_) | Update::Event(_)) | None => None,
        })
    }
}

/// Update that a subscription is executed for; none where it is looked what it wants.
fn executed_for<'a>(context: &Context<'a>, wish: impl FnOnce() -> Wish) -> Option<&'a Update> {
    match context.data_opt::<Purpose>()? {
        Purpose::Tell(update) => Some(update),
        Purpose::Look(wishes) => {
            wishes.lock().unwrap_or_else(PoisonError::into_inner).push(wish());
            None
        }
    }
}

/// The schema, with its limits.
pub(crate) struct Schema(async_graphql::Schema<Query, EmptyMutation, Subscription>);

/// Builds the schema.
pub(crate) fn build() -> Schema {
    let schema = async_graphql::Schema::build(Query, EmptyMutation, Subscription);
    Schema(schema.limit_depth(MAX_DEPTH).limit_complexity(MAX_COMPLEXITY).finish())
}

/// The schema in the schema definition language, as it is published.
#[must_use]
pub fn sdl() -> String {
    build().0.sdl()
}

impl Schema {
    /// Wish of a subscription, from its request.
    ///
    /// # Errors
    ///
    /// The errors of GraphQL, to tell the client.
    pub(crate) async fn wish(&self, request: &str) -> Result<Wish, Value> {
        if request.len() > MAX_REQUEST_BYTES {
            return Err(errors(&format!("A request has at most {MAX_REQUEST_BYTES} bytes."), "BAD_USER_INPUT"));
        }
        let wishes = Arc::new(Mutex::new(Vec::new()));
        let response = self.execute(request, Purpose::Look(Arc::clone(&wishes))).await;
        if let Some(Response { errors, .. }) = response.filter(Response::is_err) {
            return Err(json!(errors));
        }
        let wishes = std::mem::take(&mut *wishes.lock().unwrap_or_else(PoisonError::into_inner));
        match <[Wish; 1]>::try_from(wishes) {
            Ok([wish]) => Ok(wish),
            Err(_) => Err(errors("A subscription has one field; queries are answered over HTTP.", "BAD_USER_INPUT")),
        }
    }

    /// The response of a subscription to an update.
    pub(crate) async fn next(&self, request: &str, update: &Update) -> Response {
        let response = self.execute(request, Purpose::Tell(update.clone())).await;
        response.unwrap_or_else(|| Response::from_errors(vec![ServerError::new("The request has no answer.", None)]))
    }

    async fn execute(&self, request: &str, purpose: Purpose) -> Option<Response> {
        let request = serde_json::from_str::<Request>(request);
        match request.map_err(|error| ServerError::new(error.to_string(), None)).and_then(bounded) {
            Ok(request) => {
                let mut responses = std::pin::pin!(self.0.execute_stream(request.data(purpose)));
                responses.next().await
            }
            Err(error) => Some(Response::from_errors(vec![error])),
        }
    }

    /// Execution of a query, and its asks, which come while it goes on and are to be served. They come to no end before it does.
    pub(crate) fn ask(
        &self,
        request: Request,
    ) -> (impl Future<Output = Response> + Send + '_, mpsc::UnboundedReceiver<Ask>) {
        let (asking, asked) = mpsc::unbounded();
        let executed = async move {
            match bounded(request) {
                Ok(request) => self.0.execute(request.data(Asking(asking))).await,
                Err(error) => Response::from_errors(vec![error]),
            }
        };
        (executed, asked)
    }
}

/// A request whose document can be walked: the limits of depth and complexity are looked at only once it has been.
fn bounded(mut request: Request) -> Result<Request, ServerError> {
    let document = request.parsed_query()?;
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
    if operations.chain(fragments).map(spreads).sum::<usize>() > MAX_SPREADS {
        return Err(ServerError::new(format!("A request has at most {MAX_SPREADS} spreads of fragments."), None));
    }
    Ok(request)
}

/// Spreads of named fragments within a selection.
fn spreads(selection: &SelectionSet) -> usize {
    let of = |selection: &Selection| match selection {
        Selection::Field(field) => spreads(&field.node.selection_set.node),
        Selection::InlineFragment(fragment) => spreads(&fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => 1,
    };
    selection.items.iter().map(|item| of(&item.node)).sum()
}

/// Code of an error, for programs, by the status that it has over HTTP.
fn code(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        400..500 => "BAD_USER_INPUT",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}

/// A problem as GraphQL tells it.
pub(crate) fn told(problem: &Problem) -> async_graphql::Error {
    let code = code(problem.status());
    async_graphql::Error::new(problem.detail()).extend_with(|_, extensions| extensions.set("code", code))
}

/// Errors of GraphQL with that message and that code.
pub(crate) fn errors(message: &str, code: &str) -> Value {
    json!([{ "message": message, "extensions": { "code": code } }])
}

/// A refusal as GraphQL tells it.
pub(crate) fn refused(refusal: &Refusal) -> Value {
    match refusal {
        Refusal::Unauthorized(reason) => errors(reason, code(401)),
        Refusal::Forbidden(scope) => errors(&format!("The caller needs the scope {scope}."), code(403)),
        Refusal::NotFound => errors("There is no such order.", code(404)),
        Refusal::TooLarge(most) => {
            let message = format!("The next update has more than {most} bytes: ask for fewer of its fields.");
            errors(&message, code(400))
        }
    }
}
