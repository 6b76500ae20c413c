//! Withdrawals over HTTP: as JSON for programs, and as a page for people.

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use onewrite::access::{Caller, KeySets};
use onewrite::http::{Problem, answer};
use onewrite::port::{Clock, Log, Random};
use onewrite::{Committed, Failure, Result, Step};
use tracing::info;

use super::{MAX_RACES, OrdersApi};
use crate::domain::withdrawal::{WithdrawalRefusal, withdraw};
use crate::domain::{Known, Order};
use crate::withdrawal_page::{self as page, Step as PageStep, View};

impl<L: Log, W: Clock + Random, K: KeySets> OrdersApi<L, W, K> {
    pub(super) async fn withdraw(
        &self,
        request: &Request,
        id: &str,
        caller: &Caller,
    ) -> Result<Response<Body>, Problem> {
        let known = self.withdrawn(request, id, caller).await?;
        let receipt = known.withdrawal_receipt().ok_or_else(not_on_record)?;
        Ok(answer(StatusCode::ACCEPTED, &receipt))
    }

    /// The order after a withdrawal, be it of this request or of an earlier one. Whoever loses to the shipment asks for the
    /// return of the goods instead.
    async fn withdrawn(&self, request: &Request, id: &str, caller: &Caller) -> Result<Box<Known>, Problem> {
        for _ in 0..MAX_RACES {
            let mut history = self.load(id, caller).await?;
            let step = withdraw(&history.state, self.withdrawal_period, self.ledger.world().now());
            let step = step.map_err(Problem::from)?;
            if let (Step::Commit(commit), Order::Known(known)) = (step, &history.state) {
                let origin = self.origin(request, caller, "WithdrawOrder", Some(known));
                if let Committed::LostRace = self.ledger.commit(&mut history, &origin, commit).await? {
                    continue;
                }
                info!(order_id = id, "withdrawn from");
            }
            if let Order::Known(known) = history.state {
                return Ok(known);
            }
        }
        Err(Failure::transient(format!("the withdrawal lost {MAX_RACES} races")).into())
    }

    /// The page of two steps, which needs no script: each is a form that is sent to the address that the page has, with
    /// whatever that says of who may act for the order.
    pub(super) async fn withdrawal_page(&self, request: &Request, id: &str) -> Response<Body> {
        let shown = self.withdrawal_view(request, id).await;
        shown.unwrap_or_else(page::refused)
    }

    async fn withdrawal_view(&self, request: &Request, id: &str) -> Result<Response<Body>, Problem> {
        let caller = self.access.caller(request, self.ledger.world().now()).await?;
        let step = match *request.method() {
            Method::GET => PageStep::Offer,
            Method::POST => PageStep::of_form(request.body()),
            _ => return Err(Problem::not_found("resource")),
        };
        let known = match step {
            PageStep::Confirmed => self.withdrawn(request, id, &caller).await?,
            PageStep::Offer | PageStep::Review => self.withdrawable(id, &caller).await?,
        };
        page::page(&View::of(&known, step))
    }

    /// The order, if it can be withdrawn from or was.
    async fn withdrawable(&self, id: &str, caller: &Caller) -> Result<Box<Known>, Problem> {
        let order = self.load(id, caller).await?.state;
        withdraw(&order, self.withdrawal_period, self.ledger.world().now()).map_err(Problem::from)?;
        match order {
            Order::Known(known) => Ok(known),
            Order::Unknown => Err(Problem::not_found("order")),
        }
    }
}

impl From<WithdrawalRefusal> for Problem {
    fn from(refusal: WithdrawalRefusal) -> Self {
        match refusal {
            WithdrawalRefusal::Unknown => Self::not_found("order"),
            WithdrawalRefusal::Late => Self::new(StatusCode::CONFLICT, "The period for a withdrawal is over.")
                .of_kind("urn:orderflow:problem:withdrawal-period-over", "Withdrawal period over"),
        }
    }
}

fn not_on_record() -> Failure {
    Failure::permanent("a withdrawal that was recorded is not on record")
}
