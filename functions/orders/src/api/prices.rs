//! Prices over HTTP: the table, and what an order that is placed is to cost.

use std::time::Duration;

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use onewrite::Failure;
use onewrite::access::{Caller, KeySets};
use onewrite::http::{Problem, answer, read_body, read_document};
use onewrite::link::LinkKeySource;
use onewrite::personal::Keys;
use onewrite::port::{Clock, Log, OwnedSubjects, Random};
use orderflow_events::scope::{PRICES_STATE, PRICES_WRITE};
use orderflow_events::{NewOrder, OrderDetails, OrderId, Sku, Subject, Text};
use serde_json::{Value, json};
use tracing::info;

use super::OrdersApi;
use crate::port::{NewPrice, PriceStore};
use crate::pricing::{Mispriced, prices_of, skus_to_read};
use crate::view::{Price, PriceChange};

/// Number of attempts to set a price that others are setting, too.
const MAX_RACES: u64 = 10;

impl<L: Log + OwnedSubjects, P: PriceStore, W: Clock + Random, R: Keys, K: KeySets, S: LinkKeySource>
    OrdersApi<L, P, W, R, K, S>
{
    pub(super) async fn show_price(&self, sku: &str) -> Result<Response<Body>, Problem> {
        let sku = Sku::new(sku).map_err(|_| Problem::not_found("price"))?;
        let listed = self.prices.get(&sku).await?.ok_or_else(|| Problem::not_found("price"))?;
        Ok(answer(StatusCode::OK, &Price { sku: &sku, unit_price: listed.unit_price }))
    }

    /// A price is written only onto the one that was read, so that a request which comes to its effect late undoes no other.
    pub(super) async fn set_price(
        &self,
        request: &Request,
        sku: &str,
        caller: &Caller,
    ) -> Result<Response<Body>, Problem> {
        caller.demand(PRICES_WRITE)?;
        let sku = Sku::new(sku)
            .map_err(|rule| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("The SKU in the path {rule}.")))?;
        let PriceChange { unit_price } = read_body(request)?;
        let (world, by) = (self.ledger.world(), caller.subject());
        for race in 0..MAX_RACES {
            let before = self.prices.get(&sku).await?;
            let is_set = before.is_some_and(|listed| listed.unit_price == unit_price) || {
                let price = NewPrice { unit_price, by, at: world.now() };
                self.prices.set(&sku, price, before.map_or(0, |listed| listed.revision)).await?
            };
            if is_set {
                let (amount, currency) = (unit_price.amount(), unit_price.currency());
                info!(sku = sku.as_str(), amount, currency, by = by.map(Text::as_str), "price set");
                return Ok(answer(StatusCode::OK, &Price { sku: &sku, unit_price }));
            }
            world.sleep(Duration::from_millis(world.below(5 * (race + 1)))).await;
        }
        Err(Failure::transient(format!("a price lost {MAX_RACES} races")).into())
    }

    /// Details of an order that is to be placed, with the price of each line. Where each is stated by a caller who may, nothing
    /// is read. `None` where the order has been placed before: its prices are frozen.
    pub(super) async fn price(
        &self,
        mut document: Value,
        order: &NewOrder,
        order_id: &OrderId,
        caller: &Caller,
    ) -> Result<Option<OrderDetails>, Problem> {
        let may_state = caller.has(PRICES_STATE);
        let lines = || order.lines.iter().map(|line| (&line.sku, line.unit_price));
        let skus = skus_to_read(lines(), may_state);
        if skus.is_empty() {
            return Ok(order.clone().priced(|_, _| None));
        }
        let quote = self.prices.quote(&skus, &Subject::from(order_id)).await?;
        if quote.is_placed {
            return Ok(None);
        }
        let prices = prices_of(lines(), &quote.prices, may_state)?;
        // The rules of an order with prices are those of one that had them from the beginning.
        for (line, price) in document["lines"].as_array_mut().into_iter().flatten().zip(prices) {
            line["unitPrice"] = json!(price);
        }
        let details = read_document::<NewOrder>(&document)?.priced(|_, _| None);
        details.map(Some).ok_or_else(|| Failure::permanent("a line that was priced has no price").into())
    }
}

impl From<Mispriced> for Problem {
    fn from(Mispriced { faults, changed, is_unpriced }: Mispriced) -> Self {
        if is_unpriced {
            return Self::invalid_at(faults);
        }
        let prices: Vec<Price<'_>> =
            changed.iter().map(|(sku, unit_price)| Price { sku, unit_price: *unit_price }).collect();
        Self::new(StatusCode::CONFLICT, "The goods have another price than was expected: see prices.")
            .of_kind("urn:orderflow:problem:price-changed", "Price changed")
            .with_errors(faults)
            .with_extension("prices", json!(prices))
    }
}
