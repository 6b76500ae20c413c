//! The HTTP API of the stock, and of goods that come back.

mod returns;

use std::time::Duration;

use lambda_http::http::{HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Request, Response};
use onewrite::access::{Access, Caller, KeySets, NoKeySets};
use onewrite::http::{Problem, answer, if_match, path, read_body};
use onewrite::port::{Clock, Log, Random};
use onewrite::{Failure, Ledger};
use orderflow_events::scope::{STOCK_READ, STOCK_WRITE};
use orderflow_events::{Faults, Node, Read, Sku, Text};
use serde::Serialize;
use tracing::info;

use crate::port::{Counted, Revision, Stock, StockStore};

/// Number of attempts at a count that collides with reservations.
const MAX_RACES: u64 = 20;

/// The most pieces that a shelf may hold.
const MAX_ON_HAND: i64 = 1_000_000_000;

/// Shows the stock of a SKU, takes counts, and hears of goods that are back.
pub struct InventoryApi<S, L, W, K = NoKeySets> {
    stocks: S,
    ledger: Ledger<L, W>,
    access: Access<K>,
}

impl<S: StockStore, L: Log, W: Clock + Random, K: KeySets> InventoryApi<S, L, W, K> {
    /// The API on those stocks and the ledger that moves them, for whom `access` lets in.
    pub fn new(stocks: S, ledger: Ledger<L, W>, access: Access<K>) -> Self {
        Self { stocks, ledger, access }
    }

    /// Opens the connection to the table, and fetches the keys of the tokens. Whether it works out shows soon enough.
    pub async fn warm(&self) {
        if let Ok(nothing) = Sku::new("-") {
            let _ = self.stocks.get(&nothing).await;
        }
        self.access.warm(self.ledger.world().now()).await;
    }

    /// Answers a request.
    pub async fn answer(&self, request: &Request) -> Response<Body> {
        self.route(request).await.unwrap_or_else(Response::from)
    }

    async fn route(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let caller = self.access.caller(request, self.ledger.world().now()).await?;
        match (request.method(), path(request).as_slice()) {
            (&Method::GET, ["inventory", sku]) => self.show(sku, &caller).await,
            (&Method::PUT, ["inventory", sku]) => self.count(request, sku, &caller).await,
            (&Method::POST, ["orders", id, "returns"]) => self.take_back(request, id, &caller).await,
            _ => Err(Problem::not_found("resource")),
        }
    }

    async fn show(&self, sku: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        caller.demand(STOCK_READ)?;
        let sku = Sku::new(sku).map_err(|_| Problem::not_found("SKU"))?;
        let stock = self.stocks.get(&sku).await?.ok_or_else(|| Problem::not_found("SKU"))?;
        Ok(shown(&sku, stock))
    }

    /// A count is absolute, and what is reserved changes at any moment, so it is written only onto the stock that it
    /// was reckoned from.
    async fn count(&self, request: &Request, sku: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        caller.demand(STOCK_WRITE)?;
        let sku = Sku::new(sku)
            .map_err(|rule| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("The SKU in the path {rule}.")))?;
        let expected = if_match(request)?;
        let Count { on_hand } = read_body(request)?;
        let mut attempted = None;
        for race in 0..MAX_RACES {
            let before = self.stocks.get(&sku).await?;
            // The last attempt was refused, and yet what it meant to write is there: its first answer was lost.
            if let Some(stock) = before.filter(|_| before == attempted) {
                return Ok(shown(&sku, stock));
            }
            if !expected.accepts(before.map(tag).as_deref()) {
                return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "The stock has changed since that ETag.")
                    .of_kind("urn:orderflow:problem:stock-changed", "Stock changed"));
            }
            let stock = counted(before, on_hand)?;
            attempted = Some(stock);
            let since = before.map_or(Revision::New, |before| Revision::Read(before.revision));
            match self.stocks.count(&sku, stock, since, caller.subject()).await? {
                Counted::Done => {
                    info!(sku = sku.as_str(), on_hand, by = caller.subject().map(Text::as_str), "stock counted");
                    return Ok(shown(&sku, stock));
                }
                Counted::Changed => {
                    let world = self.ledger.world();
                    world.sleep(Duration::from_millis(world.below(5 * (race + 1)))).await;
                }
            }
        }
        Err(Failure::transient(format!("a count lost {MAX_RACES} races")).into())
    }
}

fn counted(before: Option<Stock>, on_hand: i64) -> Result<Stock, Problem> {
    let (reserved, revision) = before.map_or((0, 0), |before| (before.reserved, before.revision));
    if on_hand < reserved {
        let detail = format!("{reserved} pieces are reserved: onHand cannot be less.");
        return Err(Problem::new(StatusCode::CONFLICT, detail)
            .of_kind("urn:orderflow:problem:stock-reserved", "Stock reserved"));
    }
    Ok(Stock { available: on_hand - reserved, reserved, revision: revision + 1 })
}

/// A count of the shelf.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "camelCase"))]
struct Count {
    /// Number of pieces, those that are reserved included.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = MAX_ON_HAND)))]
    on_hand: i64,
}

struct OnHand(i64);

impl Read for OnHand {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.integer(0, MAX_ON_HAND, faults).map(Self)
    }
}

impl Read for Count {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        node.required("onHand", faults).map(|OnHand(on_hand)| Self { on_hand })
    }
}

fn tag(stock: Stock) -> String {
    format!("\"{}\"", stock.revision)
}

/// The stock of a SKU.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    /// The goods.
    sku: &'a Sku,
    /// Number of pieces.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    on_hand: i64,
    /// Pieces that are set aside for orders.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    reserved: i64,
    /// Pieces that can be ordered.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    available: i64,
}

/// JSON Schemas of a count and of the answers, each under its name.
#[cfg(feature = "schema")]
#[must_use]
pub fn schemas() -> [(&'static str, serde_json::Value); 3] {
    use orderflow_events::schema::{of_answer, of_request};
    let returned = of_answer::<crate::domain::Returned>();
    [("Count", of_request::<Count>()), ("Stock", of_answer::<Shown<'_>>()), ("Returned", returned)]
}

fn shown(sku: &Sku, stock: Stock) -> Response<Body> {
    let Stock { available, reserved, .. } = stock;
    let mut response = answer(StatusCode::OK, &Shown { sku, on_hand: stock.on_hand(), reserved, available });
    if let Ok(tag) = HeaderValue::from_str(&tag(stock)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests;
