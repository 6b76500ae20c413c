//! The page of an order, for people: the same order at the same address as for programs.

use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Request, Response};
use onewrite::access::KeySets;
use onewrite::http::{Problem, path};
use onewrite::link::LinkKeySource;
use onewrite::personal::Keys;
use onewrite::port::{Clock, Log, OwnedSubjects, Random};
use onewrite::{Failure, Step};

use super::OrdersApi;
use crate::domain::withdrawal::withdraw;
use crate::domain::{CancelRefusal, Order, Status, cancel};
use crate::guests::access_of;
use crate::order_page::{self, Sight, View, asks_to_cancel};
use crate::page::{Depth, refused};
use crate::port::PriceStore;

impl<L: Log + OwnedSubjects, P: PriceStore, W: Clock + Random, R: Keys, K: KeySets, S: LinkKeySource>
    OrdersApi<L, P, W, R, K, S>
{
    pub(super) async fn order_page(&self, request: &Request, id: &str) -> Response<Body> {
        let shown = self.order_view(request, id, false).await;
        shown.unwrap_or_else(|problem| refused(request, problem, Depth::Order, self.socket.as_ref()))
    }

    /// The form of the page. What is done is answered by the way back to the page, so that no reload of it sends the form again.
    pub(super) async fn order_form(&self, request: &Request, id: &str) -> Response<Body> {
        let done = self.cancelled_by_form(request, id).await;
        done.unwrap_or_else(|problem| refused(request, problem, Depth::Order, self.socket.as_ref()))
    }

    async fn cancelled_by_form(&self, request: &Request, id: &str) -> Result<Response<Body>, Problem> {
        if !asks_to_cancel(request.body()) {
            return self.order_view(request, id, false).await;
        }
        let visitor = self.visitor(request, &path(request)).await?;
        let decide = |order: &Order| match cancel(order) {
            Ok(next) => Ok(next),
            // That is told on the page, with what can be done instead.
            Err(CancelRefusal::Shipped) => Ok(Step::Nothing),
            Err(CancelRefusal::Unknown) => Err(Problem::not_found("order")),
        };
        let known = self.change(request, id, &visitor, "CancelOrder", decide).await?;
        match known.status {
            Status::Shipped => self.order_view(request, id, true).await,
            Status::Open(_) | Status::Cancelled(_) => back_to(request, id),
        }
    }

    async fn order_view(&self, request: &Request, id: &str, was_late: bool) -> Result<Response<Body>, Problem> {
        let visitor = self.visitor(request, &path(request)).await?;
        let (now, access) = (self.ledger.world().now(), access_of(request));
        let order = self.load(id, &visitor).await?.state;
        let is_redacted = visitor.is_late(now);
        let is_withdrawable = !is_redacted && withdraw(&order, self.withdrawal_period, now).is_ok();
        let Order::Known(known) = order else { return Err(Problem::not_found("order")) };
        let person = if is_redacted { None } else { self.person(&known).await? };
        let sight = if is_redacted { Sight::Redacted } else { Sight::Whole(person.as_ref()) };
        let is_withdrawable = is_withdrawable && known.withdrawn().is_none();
        let access = access.as_deref();
        order_page::page(
            request,
            &View { known: &known, sight, access, is_withdrawable, was_late, now },
            self.socket.as_ref(),
        )
    }
}

/// The address that the request was sent to, as one to get.
fn back_to(request: &Request, id: &str) -> Result<Response<Body>, Problem> {
    let address = access_of(request).map_or_else(|| id.to_owned(), |access| format!("{id}?access={access}"));
    let location = HeaderValue::try_from(address);
    let location = location.map_err(|error| Failure::permanent(format!("an address that counts is none: {error}")))?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
