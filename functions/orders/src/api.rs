//! The HTTP API of orders.

mod customers;
mod pages;
mod prices;
mod withdrawals;

use lambda_http::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Request, Response};
use onewrite::access::{Access, Caller, KeySets, NoKeySets, origin_of};
use onewrite::http::{Problem, answer, answer_as, header, path, read_document, read_json, source_address};
use onewrite::link::{LinkKeySource, NoLinkKeys};
use onewrite::personal::{KeyRing, Keys};
use onewrite::port::{Clock, Log, OwnedSubjects, Random};
use onewrite::{Commit, Committed, Failure, History, Ledger, Origin, Result, Step};
use orderflow_events::scope::ORDERS_ANY;
use orderflow_events::{
    AddressBlock, Faults, IdKind, NewCustomer, NewOrder, Node, OrderCreated, OrderDetails, OrderId, Person,
    PersonalData, Subject, guest_of, is_guest,
};
use serde_json::{Value, json};
use tracing::info;

use crate::domain::withdrawal::WithdrawalPeriod;
use crate::domain::{CancelRefusal, Known, Next, Order, Orders, cancel, revoke_links};
use crate::guests::{Guests, Visitor, access_of};
use crate::page::{Socket, file, wants_page};
use crate::port::PriceStore;
use crate::pricing::is_same;

/// Number of times that a request that loses the race against an event is decided again.
const MAX_RACES: u32 = 10;

const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Media type of an order of which not everything is shown, so that nobody takes it for the whole.
const REDACTED: &str = "application/vnd.orderflow.redacted+json";

/// Places, shows and cancels orders, takes withdrawals from them, and keeps the price table.
///
/// Who orders is sealed before the first row, and opened for whoever may see it.
pub struct OrdersApi<L, P, W, R, K = NoKeySets, S = NoLinkKeys> {
    ledger: Ledger<L, W>,
    prices: P,
    keys: KeyRing<R, W>,
    access: Access<K>,
    withdrawal_period: WithdrawalPeriod,
    guests: Option<Guests<S>>,
    socket: Option<Socket>,
}

impl<L: Log + OwnedSubjects, P: PriceStore, W: Clock + Random, R: Keys, K: KeySets> OrdersApi<L, P, W, R, K> {
    /// The API on the ledger of orders, the price table and the keys of the customers, for whom `access` lets in.
    pub fn new(
        ledger: Ledger<L, W>,
        prices: P,
        keys: KeyRing<R, W>,
        access: Access<K>,
        withdrawal_period: WithdrawalPeriod,
    ) -> Self {
        Self { ledger, prices, keys, access, withdrawal_period, guests: None, socket: None }
    }
}

impl<L: Log + OwnedSubjects, P: PriceStore, W: Clock + Random, R: Keys, K: KeySets, S: LinkKeySource>
    OrdersApi<L, P, W, R, K, S>
{
    /// The same API, for guests too, if there are to be any.
    #[must_use]
    pub fn with_guests<T: LinkKeySource>(self, guests: Option<Guests<T>>) -> OrdersApi<L, P, W, R, K, T> {
        let Self { ledger, prices, keys, access, withdrawal_period, socket, .. } = self;
        OrdersApi { ledger, prices, keys, access, withdrawal_period, guests, socket }
    }

    /// The same API, whose pages hear by that socket of what happens, if there is one.
    #[must_use]
    pub fn with_socket(self, socket: Option<Socket>) -> Self {
        Self { socket, ..self }
    }

    /// Opens the connection to the table, and fetches the keys of the tokens.
    pub async fn warm(&self) {
        self.ledger.warm().await;
        self.access.warm(self.ledger.world().now()).await;
    }

    /// Answers a request.
    pub async fn answer(&self, request: &Request) -> Response<Body> {
        match (request.method(), path(request).as_slice()) {
            (_, ["orders", id, "withdrawal"]) => self.withdrawal_page(request, id).await,
            (&Method::GET, ["orders", id]) if wants_page(request) => self.order_page(request, id).await,
            (&Method::POST, ["orders", id]) => self.order_form(request, id).await,
            (&Method::GET, ["orders", name]) if let Some(file) = file(request, name) => file,
            _ => self.route(request).await.unwrap_or_else(Response::from),
        }
    }

    async fn route(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let path = path(request);
        let visitor = self.visitor(request, &path).await?;
        match (request.method(), path.as_slice(), &visitor) {
            (&Method::POST, ["orders"], Visitor::Caller(caller)) => self.place(request, caller).await,
            (&Method::GET, ["orders", id], _) => self.show(id, &visitor).await,
            (&Method::POST, ["orders", id, "cancel"], _) => self.cancel(request, id, &visitor).await,
            (&Method::POST, ["orders", id, "withdrawals"], _) => self.withdraw(request, id, &visitor).await,
            (&Method::DELETE, ["orders", id, "access"], _) if self.guests.is_some() => {
                self.revoke_links(request, id, &visitor).await
            }
            (&Method::POST, ["customers", id, "erase"], Visitor::Caller(caller)) => {
                self.erase(request, id, caller).await
            }
            (&Method::GET, ["customers", id, "export"], Visitor::Caller(caller)) => {
                self.export(request, id, caller).await
            }
            (&Method::GET, ["prices", sku], _) => self.show_price(sku).await,
            (&Method::PUT, ["prices", sku], Visitor::Caller(caller)) => self.set_price(request, sku, caller).await,
            _ => Err(Problem::not_found("resource")),
        }
    }

    /// The right by which a request is made. A token goes before a link; a link that does not count is refused here, before
    /// anything is read, and so takes the same time whether there is the order or not.
    async fn visitor(&self, request: &Request, path: &[&str]) -> Result<Visitor, Problem> {
        let now = self.ledger.world().now();
        let Some(guests) = &self.guests else { return Ok(Visitor::Caller(self.access.caller(request, now).await?)) };
        let is_without_token = !self.access.is_open() && !request.headers().contains_key(header::AUTHORIZATION);
        match (path, access_of(request)) {
            (["orders", id, ..], Some(access)) if is_without_token => guests.holder(id, &access, now).await,
            (["prices", _], _) if *request.method() == Method::GET => {
                Ok(Visitor::Caller(self.access.caller_or_guest(request, now).await?))
            }
            (["orders"], _) => Ok(Visitor::Caller(self.access.caller_or_guest(request, now).await?)),
            _ => Ok(Visitor::Caller(self.access.caller(request, now).await?)),
        }
    }

    /// The order's id is derived from the caller and their idempotency key, so that the one conditional write of the
    /// first row is the idempotency record too: the second of two requests finds the first one's order.
    async fn place(&self, request: &Request, caller: &Caller) -> Result<Response<Body>, Problem> {
        let key = header(request, "Idempotency-Key")?;
        if key.is_some_and(|key| !(1..=255).contains(&key.len())) {
            return Err(Problem::malformed("The header Idempotency-Key must have 1 to 255 characters."));
        }
        let (mut document, mut order, is_of_guest) = self.read_order(request, caller)?;
        // Before there is an order: without its link a guest could do nothing with it.
        let signer = match &self.guests {
            Some(guests) if is_of_guest => Some(guests.signer(self.ledger.world().now()).await?),
            _ => None,
        };
        let order_id = self.order_id(caller, &order.customer, is_of_guest, key)?;
        if is_of_guest {
            order.customer.id = guest_of(&order_id);
            document["customer"]["id"] = json!(order.customer.id);
        }
        let by = caller.subject().or_else(|| is_of_guest.then_some(&order.customer.id)).map(ToString::to_string);
        let (known, is_new) = match self.price(document, &order, &order_id, caller).await? {
            Some(details) => self.create(request, by, order_id.clone(), details).await?,
            None => (self.placed(&Subject::from(&order_id)).await?, false),
        };
        if !is_new && !is_same(order, &known.created.details, self.person(&known).await?.as_ref()) {
            let detail = "The Idempotency-Key was used for another order.";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
                .of_kind("urn:orderflow:problem:idempotency-key-reused", "Idempotency key reused"));
        }
        info!(order_id = order_id.as_str(), is_new, "order placed");
        let link = signer.map(|signer| signer.link_to(&known));
        let mut response = answer(StatusCode::CREATED, &known.receipt(link));
        if let Ok(location) = HeaderValue::from_str(&format!("/orders/{order_id}")) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        if !is_new && key.is_some() {
            response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        Ok(response)
    }

    /// The order that a request places, its document, and whether it is a guest's. Without a customer's id it is of the caller.
    fn read_order(&self, request: &Request, caller: &Caller) -> Result<(Value, NewOrder, bool), Problem> {
        let mut document = read_json(request)?;
        let mut is_of_guest = false;
        if let Some(customer) = document.get_mut("customer").and_then(Value::as_object_mut)
            && customer.get("id").is_none_or(|id| id.is_null() || id == "")
        {
            is_of_guest = self.guests.is_some() && caller.subject().is_none();
            // Of a guest it follows from the order's id, which is not known yet.
            let id = caller.subject().map(|subject| json!(subject));
            let id = id.or_else(|| is_of_guest.then(|| json!(IdKind::Guest.prefix())));
            customer.extend(id.map(|id| ("id".to_owned(), id)));
        }
        let order: NewOrder = read_document(&document)?;
        if is_of_guest {
            return Ok((document, order, true));
        }
        if is_guest(&order.customer.id) {
            let (mut faults, root) = (Faults::default(), Node::root(&document));
            faults.add(&root.field("customer").field("id"), "must not be that of a guest");
            return Err(Problem::invalid(&faults));
        }
        if !caller.is(&order.customer.id) && !caller.has(ORDERS_ANY) {
            caller.subject().ok_or_else(Problem::unauthorized)?;
            caller.demand(ORDERS_ANY)?;
        }
        Ok((document, order, false))
    }

    /// Guests have no id to tell their keys apart by: each is that of the address that their mails go to.
    fn order_id(
        &self,
        caller: &Caller,
        customer: &NewCustomer,
        is_of_guest: bool,
        key: Option<&str>,
    ) -> Result<OrderId> {
        let id = match (key, caller.subject()) {
            (Some(key), Some(subject)) => IdKind::Order.derive(&["subject", subject.as_str(), key]),
            (Some(key), None) if is_of_guest => IdKind::Order.derive(&["guest", customer.email.as_str(), key]),
            (Some(key), None) => IdKind::Order.derive(&["customer", customer.id.as_str(), key]),
            (None, _) => {
                let mut drawn = [0; 16];
                self.ledger.world().fill(&mut drawn);
                IdKind::Order.derive(&["random", &format!("{:032x}", u128::from_be_bytes(drawn))])
            }
        };
        OrderId::new(id).map_err(|error| Failure::permanent(format!("an order id that was made {error}")))
    }

    /// Seals who orders, and writes the first row of the order. If there is one already, the answer is that order, and `false`.
    async fn create(
        &self,
        request: &Request,
        by: Option<String>,
        order_id: OrderId,
        mut details: OrderDetails,
    ) -> Result<(Known, bool)> {
        if let Some(person) = details.personal.clear() {
            details.personal = self.keys.seal(details.customer.id.as_str(), person).await?.into();
        }
        let total = details.total().ok_or_else(|| Failure::permanent("an order that was checked has no total"))?;
        let order = OrderCreated { order_id, details, total };
        let subject = Subject::from(&order.order_id);
        let address_block = source_address(request).and_then(AddressBlock::of);
        let extensions = address_block.map(AddressBlock::into_extension).into_iter().collect();
        let origin = Origin { extensions, ..self.origin(request, by, "PlaceOrder", None) };
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

    /// Person who has placed an order; none where nobody can open that any more, and none of one who was erased, though the key
    /// may be at hand for a moment more.
    async fn person(&self, known: &Known) -> Result<Option<Person>> {
        if known.is_erased {
            return Ok(None);
        }
        let details = &known.created.details;
        match &details.personal {
            PersonalData::Sealed(sealed) => self.keys.open(details.customer.id.as_str(), sealed).await,
            PersonalData::Clear(person) => Ok(Some(Person::clone(person))),
        }
    }

    async fn show(&self, id: &str, visitor: &Visitor) -> Result<Response<Body>, Problem> {
        match self.load(id, visitor).await?.state {
            Order::Known(known) if visitor.is_late(self.ledger.world().now()) => {
                Ok(answer_as(StatusCode::OK, REDACTED, &known.redacted()))
            }
            Order::Known(known) => Ok(answer(StatusCode::OK, &known.whole(self.person(&known).await?.as_ref()))),
            Order::Unknown => Err(Problem::not_found("order")),
        }
    }

    async fn cancel(&self, request: &Request, id: &str, visitor: &Visitor) -> Result<Response<Body>, Problem> {
        let decide = |order: &Order| {
            cancel(order).map_err(|refusal| match refusal {
                CancelRefusal::Unknown => Problem::not_found("order"),
                CancelRefusal::Shipped => Problem::new(StatusCode::CONFLICT, "The order is on its way already.")
                    .of_kind("urn:orderflow:problem:order-shipped", "Order shipped"),
            })
        };
        let known = self.change(request, id, visitor, "CancelOrder", decide).await?;
        info!(order_id = id, "order cancelled");
        Ok(answer(StatusCode::ACCEPTED, &known.brief()))
    }

    async fn revoke_links(&self, request: &Request, id: &str, visitor: &Visitor) -> Result<Response<Body>, Problem> {
        let now = self.ledger.world().now();
        let known = self.change(request, id, visitor, "RevokeLinks", |order| Ok(revoke_links(order, now))).await?;
        info!(order_id = id, "links revoked");
        Ok(answer(StatusCode::OK, &known.brief()))
    }

    /// Changes an order as `decide` says, and decides again where an event was faster.
    async fn change(
        &self,
        request: &Request,
        id: &str,
        visitor: &Visitor,
        what: &str,
        decide: impl Fn(&Order) -> Result<Next, Problem>,
    ) -> Result<Known, Problem> {
        // It shows what it still may, and changes nothing.
        if visitor.is_late(self.ledger.world().now()) {
            return Err(Problem::not_found("order"));
        }
        for _ in 0..MAX_RACES {
            let mut history = self.load(id, visitor).await?;
            let step = decide(&history.state)?;
            if let (Step::Commit(commit), Order::Known(known)) = (step, &history.state) {
                let origin = self.origin(request, visitor.by(known), what, Some(known));
                if let Committed::LostRace = self.ledger.commit(&mut history, &origin, commit).await? {
                    continue;
                }
            }
            return match history.state {
                Order::Known(known) => Ok(*known),
                Order::Unknown => Err(Problem::not_found("order")),
            };
        }
        Err(Failure::transient(format!("the request lost {MAX_RACES} races")).into())
    }

    /// History of an order, as far as the visitor may see it: an order of somebody else is to them as one that does not exist.
    async fn load(&self, id: &str, visitor: &Visitor) -> Result<History<Orders>, Problem> {
        let order_id = OrderId::new(id).map_err(|_| Problem::not_found("order"))?;
        let history = self.ledger.load::<Orders>(&Subject::from(&order_id)).await?;
        match &history.state {
            Order::Known(known) if !visitor.may_act_for(known) => Err(Problem::not_found("order")),
            Order::Known(_) | Order::Unknown => Ok(history),
        }
    }

    fn origin(&self, request: &Request, by: Option<String>, what: &str, known: Option<&Known>) -> Origin {
        let origin = origin_of(request, "orderflow/orders-api", what, by, self.ledger.world());
        Origin { correlation_id: known.map(|known| known.correlation_id.clone()), ..origin }
    }
}

fn known_of(order: Order) -> Result<Known> {
    match order {
        Order::Known(known) => Ok(*known),
        Order::Unknown => Err(Failure::transient("the order is being created")),
    }
}

#[cfg(test)]
mod tests;
