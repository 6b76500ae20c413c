//! Withdrawals over HTTP: as JSON for programs, and as a page for people.

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use onewrite::access::KeySets;
use onewrite::http::{Problem, answer, path};
use onewrite::link::LinkKeySource;
use onewrite::personal::Keys;
use onewrite::port::{Clock, Log, OwnedSubjects, Random};
use onewrite::{Failure, Result};
use tracing::info;

use super::OrdersApi;
use crate::domain::withdrawal::{WithdrawalRefusal, withdraw};
use crate::domain::{Known, Order};
use crate::guests::Visitor;
use crate::page::{Depth, refused};
use crate::port::PriceStore;
use crate::withdrawal_page::{Step as PageStep, View, page};

impl<L: Log + OwnedSubjects, P: PriceStore, W: Clock + Random, R: Keys, K: KeySets, S: LinkKeySource>
    OrdersApi<L, P, W, R, K, S>
{
    pub(super) async fn withdraw(
        &self,
        request: &Request,
        id: &str,
        visitor: &Visitor,
    ) -> Result<Response<Body>, Problem> {
        let known = self.withdrawn(request, id, visitor).await?;
        let receipt = known.withdrawal_receipt().ok_or_else(not_on_record)?;
        Ok(answer(StatusCode::ACCEPTED, &receipt))
    }

    /// The order after a withdrawal, be it of this request or of an earlier one. Whoever loses to the shipment asks for the
    /// return of the goods instead.
    async fn withdrawn(&self, request: &Request, id: &str, visitor: &Visitor) -> Result<Known, Problem> {
        let decide =
            |order: &Order| withdraw(order, self.withdrawal_period, self.ledger.world().now()).map_err(Problem::from);
        let known = self.change(request, id, visitor, "WithdrawOrder", decide).await?;
        info!(order_id = id, "withdrawn from");
        Ok(known)
    }

    /// The page of two steps, which needs no script: each is a form that is sent to the address that the page has, with
    /// whatever that says of who may act for the order.
    pub(super) async fn withdrawal_page(&self, request: &Request, id: &str) -> Response<Body> {
        let shown = self.withdrawal_view(request, id).await;
        shown.unwrap_or_else(|problem| refused(request, problem, Depth::BelowOrder, self.socket.as_ref()))
    }

    async fn withdrawal_view(&self, request: &Request, id: &str) -> Result<Response<Body>, Problem> {
        let visitor = self.visitor(request, &path(request)).await?;
        let step = match *request.method() {
            Method::GET => PageStep::Offer,
            Method::POST => PageStep::of_form(request.body()),
            _ => return Err(Problem::not_found("resource")),
        };
        let known = match step {
            PageStep::Confirmed => self.withdrawn(request, id, &visitor).await?,
            PageStep::Offer | PageStep::Review => self.withdrawable(id, &visitor).await?,
        };
        page(request, &View::of(&known, self.person(&known).await?.as_ref(), step), self.socket.as_ref())
    }

    /// The order, if it can be withdrawn from or was.
    async fn withdrawable(&self, id: &str, visitor: &Visitor) -> Result<Known, Problem> {
        let now = self.ledger.world().now();
        if visitor.is_late(now) {
            return Err(Problem::not_found("order"));
        }
        let order = self.load(id, visitor).await?.state;
        withdraw(&order, self.withdrawal_period, now).map_err(Problem::from)?;
        match order {
            Order::Known(known) => Ok(*known),
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
