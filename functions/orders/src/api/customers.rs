//! Customers over HTTP: all orders of one, and its erasure.

use std::time::Duration;

use futures::future::{join_all, try_join_all};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, RequestExt, Response};
use onewrite::access::{Caller, KeySets};
use onewrite::envelope::KeyName;
use onewrite::http::{Problem, answer};
use onewrite::link::LinkKeySource;
use onewrite::personal::Keys;
use onewrite::port::{Clock, Log, OwnedSubjects, Random};
use onewrite::{Committed, Failure, Result, Step};
use orderflow_events::scope::PRIVACY;
use orderflow_events::{Subject, Text, is_guest};
use percent_encoding::percent_decode_str;
use tracing::{info, warn};

use super::{OrdersApi, known_of};
use crate::domain::erasure::erase;
use crate::domain::{Known, Order, Orders};
use crate::port::PriceStore;
use crate::view::{Erasure, Export};

/// Orders that are read or changed at once.
const AT_ONCE: usize = 10;

/// Orders of one page of an export.
const PAGE: usize = 100;

/// Time after which a request to erase ends, for the next one to go on. A function has ten seconds.
const ERASE_FOR: Duration = Duration::from_secs(6);

/// Number of times that an erasure of one order that loses the race against an event is decided again.
const MAX_RACES: u32 = 10;

impl<L: Log + OwnedSubjects, P: PriceStore, W: Clock + Random, R: Keys, K: KeySets, S: LinkKeySource>
    OrdersApi<L, P, W, R, K, S>
{
    /// Erases a customer. First the key goes, and there is no way back from that; then each of their orders is told of, and ends
    /// if it is open. A request that ends in between leaves the rest to the next, which is answered in the same way; an order that
    /// cannot be told of keeps no other from it.
    pub(super) async fn erase(&self, request: &Request, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        caller.demand(PRIVACY)?;
        let customer = customer_of(id)?;
        let begun = self.ledger.world().now();
        let had_key = self.keys.erase(customer.as_str()).await?;
        let orders = self.ledger.owned_by(customer.as_str()).await?;
        // After the orders: whatever is among them was sealed before with this key, or with one that is gone.
        let key = self.keys.name_of(customer.as_str()).await?;
        let mut told = Ok(());
        for some in in_turn(&orders, self.ledger.world()).chunks(AT_ONCE) {
            if begun.until(self.ledger.world().now()) >= ERASE_FOR {
                return Err(
                    Failure::transient("the customer has more orders than one request can tell of: ask again").into()
                );
            }
            let attempts = some.iter().map(|order| self.erase_order(request, order, key.as_ref(), caller));
            for (order, attempt) in some.iter().zip(join_all(attempts).await) {
                if let Err(failure) = attempt {
                    warn!(subject = order.as_str(), reason = failure.reason(), "not told of its erasure");
                    told = Err(failure);
                }
            }
        }
        told?;
        info!(had_key, orders = orders.len(), by = caller.subject().map(Text::as_str), "customer erased");
        Ok(answer(StatusCode::ACCEPTED, &Erasure { customer_id: &customer, orders: orders.len() }))
    }

    /// Tells an order that its customer, who has that key now, is erased, if it was not told before.
    async fn erase_order(
        &self,
        request: &Request,
        subject: &Subject,
        key: Option<&KeyName>,
        caller: &Caller,
    ) -> Result<()> {
        let by = caller.subject().map(ToString::to_string);
        for _ in 0..MAX_RACES {
            let mut history = self.ledger.load::<Orders>(subject).await?;
            let (Step::Commit(commit), Order::Known(known)) = (erase(&history.state, key), &history.state) else {
                return Ok(());
            };
            let origin = self.origin(request, by.clone(), "EraseCustomer", Some(known));
            match self.ledger.commit(&mut history, &origin, commit).await? {
                Committed::Done(_) | Committed::Short(_) => return Ok(()),
                Committed::LostRace => {}
            }
        }
        Err(Failure::transient(format!("an erasure lost {MAX_RACES} races")))
    }

    /// All orders of a customer, in clear, for them or for whom may see them: the oldest first, page by page.
    pub(super) async fn export(&self, request: &Request, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        let customer = customer_of(id)?;
        // A guest's id is nobody's subject, whatever an issuer may say.
        if !caller.is(&customer) || is_guest(&customer) {
            caller.demand(PRIVACY)?;
        }
        let subjects = self.ledger.owned_by(customer.as_str()).await?;
        let after = request.query_string_parameters().first("after").map(ToOwned::to_owned);
        let from = match &after {
            None => 0,
            Some(after) => {
                1 + subjects.iter().position(|subject| subject.as_str() == after).ok_or_else(not_an_order)?
            }
        };
        let rest = subjects.get(from..).unwrap_or_default();
        let page = rest.get(..PAGE).unwrap_or(rest);
        let mut orders = Vec::new();
        for some in page.chunks(AT_ONCE) {
            orders.extend(try_join_all(some.iter().map(|subject| self.order_and_person(subject))).await?);
        }
        info!(orders = orders.len(), by = caller.subject().map(Text::as_str), "customer exported");
        let next = page.last().filter(|_| page.len() < rest.len());
        let export = Export::of(&customer, self.ledger.world().now(), &orders, next.map(Subject::as_str));
        Ok(answer(StatusCode::OK, &export))
    }

    async fn order_and_person(&self, subject: &Subject) -> Result<(Known, Option<orderflow_events::Person>)> {
        let known = known_of(self.ledger.load::<Orders>(subject).await?.state)?;
        let person = self.person(&known).await?;
        Ok((known, person))
    }
}

/// Orders, of which the oldest come first, in the turn in which a request tells of them: the ten newest first, for those are open, and the
/// others from a place by chance on and around, so that requests without time for all come to each of them.
fn in_turn(orders: &[Subject], random: &impl Random) -> Vec<Subject> {
    let mut turn: Vec<Subject> = orders.iter().rev().cloned().collect();
    if let Some(others) = turn.get_mut(AT_ONCE..) {
        let place = random.below(others.len() as u64);
        others.rotate_left(usize::try_from(place).unwrap_or(0));
    }
    turn
}

/// Customer whom a path names. An id may have any character, and so is percent-encoded there.
fn customer_of(id: &str) -> Result<Text, Problem> {
    let decoded = percent_decode_str(id).decode_utf8().map_err(|_| Problem::not_found("customer"))?;
    Text::new(decoded).map_err(|_| Problem::not_found("customer"))
}

fn not_an_order() -> Problem {
    Problem::malformed("The parameter after must be the cursor of a page of this customer's orders.")
}
