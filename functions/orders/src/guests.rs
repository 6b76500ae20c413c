//! Guests: they place orders without a token, and reach them by a signed link.

use std::time::Duration;

use lambda_http::{Request, RequestExt};
use onewrite::access::Caller;
use onewrite::http::Problem;
use onewrite::link::{Link, LinkKeySource, LinkSigner, Links};
use onewrite::{Result, config::Environment};
use orderflow_events::scope::ORDERS_ANY;
use orderflow_events::{Time, is_guest, link_to};
use tracing::info;

use crate::domain::Known;

/// Longest life of a link, in days: it is in a mail, and mails are kept.
const MAX_DAYS: u32 = 3_650;

/// Guests of the shop: their links, and where these lead to.
#[derive(Debug)]
pub struct Guests<S> {
    links: Links<S>,
    shop_url: String,
}

impl<S: LinkKeySource> Guests<S> {
    /// Guests whose links lead to the shop's orders under that URL.
    #[must_use]
    pub fn new(links: Links<S>, shop_url: impl Into<String>) -> Self {
        Self { links, shop_url: shop_url.into() }
    }

    /// Reads the variables: `GUEST_LINK_SECRET`, a secret with the keys, of which `keys` makes their source; `GUEST_LINK_DAYS`;
    /// and `SHOP_URL`. Without the first there are no guests: the inner value is none.
    pub fn read(environment: &mut Environment, keys: impl FnOnce(String) -> S) -> Option<Option<Self>> {
        let Some(secret) = environment.optional("GUEST_LINK_SECRET") else { return Some(None) };
        let (days, shop_url) = (environment.number("GUEST_LINK_DAYS", 1..=MAX_DAYS), environment.text("SHOP_URL"));
        let lifetime = Duration::from_hours(24 * u64::from(days?));
        Some(Some(Self::new(Links::new(keys(secret), lifetime), shop_url?)))
    }

    /// Signer of the links that the answers have.
    pub(crate) async fn signer(&self, now: Time) -> Result<GuestLinks<'_>> {
        Ok(GuestLinks { signer: self.links.signer(now).await?, shop_url: &self.shop_url })
    }

    /// The holder of a link to the order `id`, for which nothing of the order is read.
    ///
    /// # Errors
    ///
    /// 404 of a link that is none to that order; 503 where nobody can tell, for the keys cannot be fetched.
    pub async fn holder(&self, id: &str, access: &str, now: Time) -> Result<Visitor, Problem> {
        match self.links.verify(access, id, now).await? {
            Ok(link) => Ok(Visitor::Holder { order: id.to_owned(), link }),
            Err(refusal) => {
                info!(reason = %refusal, "link refused");
                Err(Problem::not_found("order"))
            }
        }
    }
}

/// Links for the orders of guests.
pub(crate) struct GuestLinks<'a> {
    signer: LinkSigner,
    shop_url: &'a str,
}

impl GuestLinks<'_> {
    /// The link of the answer to a new order. It is issued with the order, so that every repetition of the request has the same
    /// one, and none that is newer than its revocation.
    pub(crate) fn link_to(&self, known: &Known) -> String {
        let order_id = &known.created.order_id;
        let issued_at = known.timeline.first().map_or(Time::from_millis(0), |created| created.time);
        link_to(self.shop_url, order_id, &self.signer.sign(order_id.as_str(), issued_at))
    }
}

/// Right by which a request about orders is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visitor {
    /// By a token, or as anybody may.
    Caller(Caller),
    /// By a link to one order, and to no other.
    Holder {
        /// Id of the order.
        order: String,
        /// The link.
        link: Link,
    },
}

impl Visitor {
    /// Tells that the order is theirs to see, and to act for.
    #[must_use]
    pub fn may_act_for(&self, known: &Known) -> bool {
        let customer = &known.created.details.customer.id;
        match self {
            // A guest's id is nobody's subject, whatever an issuer may say.
            Self::Caller(caller) => caller.has(ORDERS_ANY) || (caller.is(customer) && !is_guest(customer)),
            Self::Holder { order, link } => {
                known.created.order_id.as_str() == order && known.counts_link_of(link.issued_at)
            }
        }
    }

    /// True of the holder of a link whose time is over.
    #[must_use]
    pub fn is_late(&self, now: Time) -> bool {
        match self {
            Self::Caller(_) => false,
            Self::Holder { link, .. } => link.has_expired(now),
        }
    }

    /// Name on record for what is done to the order: of a link's holder that of its guest.
    pub(crate) fn by(&self, known: &Known) -> Option<String> {
        match self {
            Self::Caller(caller) => caller.subject().map(ToString::to_string),
            Self::Holder { .. } => Some(known.created.details.customer.id.to_string()),
        }
    }
}

/// The parameter `access` of a request, if it has one.
pub(crate) fn access_of(request: &Request) -> Option<String> {
    request.query_string_parameters().first("access").map(ToOwned::to_owned)
}
