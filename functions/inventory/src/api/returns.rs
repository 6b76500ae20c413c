//! Goods that come back, as the warehouse says it over HTTP.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use onewrite::access::{Caller, KeySets, origin_of};
use onewrite::http::{Problem, answer};
use onewrite::port::{Clock, Log, Random};
use onewrite::{Committed, Failure, Origin, Result, Step};
use orderflow_events::scope::STOCK_WRITE;
use orderflow_events::{OrderId, Subject};
use tracing::info;

use super::{InventoryApi, MAX_RACES};
use crate::domain::{Inventory, Reservation, ReturnRefusal, take_back};
use crate::port::StockStore;

impl<S: StockStore, L: Log, W: Clock + Random, K: KeySets> InventoryApi<S, L, W, K> {
    /// All goods of an order are back: they are on hand again, once, however often it is said.
    pub(super) async fn take_back(
        &self,
        request: &Request,
        id: &str,
        caller: &Caller,
    ) -> Result<Response<Body>, Problem> {
        caller.demand(STOCK_WRITE)?;
        let order = OrderId::new(id).map_err(|_| Problem::not_found("order"))?;
        for _ in 0..MAX_RACES {
            let mut history = self.ledger.load::<Inventory>(&Subject::from(&order)).await?;
            if let Step::Commit(commit) = take_back(&order, &history.state).map_err(Problem::from)? {
                let by = caller.subject().map(ToString::to_string);
                let origin = origin_of(request, "orderflow/inventory-api", "TakeGoodsBack", by, self.ledger.world());
                let correlation_id = history.state.correlation_id().cloned();
                let origin = Origin { correlation_id, ..origin };
                match self.ledger.commit(&mut history, &origin, commit).await? {
                    Committed::Done(_) => info!(order_id = id, "goods are back"),
                    Committed::LostRace => continue,
                    // What is put onto a shelf needs nothing there.
                    Committed::Short(_) => return Err(Failure::permanent("a shelf has less than nothing").into()),
                }
            }
            if let Reservation::Returned(returned) = &history.state {
                return Ok(answer(StatusCode::OK, returned));
            }
        }
        Err(Failure::transient(format!("a return lost {MAX_RACES} races")).into())
    }
}

impl From<ReturnRefusal> for Problem {
    fn from(refusal: ReturnRefusal) -> Self {
        match refusal {
            ReturnRefusal::Unknown => Self::not_found("order"),
            ReturnRefusal::NotAwaited => {
                let detail = "The customer has not asked to send these goods back, or has done so a moment ago.";
                Self::new(StatusCode::CONFLICT, detail)
                    .of_kind("urn:orderflow:problem:return-not-requested", "Return not requested")
            }
        }
    }
}
