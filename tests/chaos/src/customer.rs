//! Customers: each does what it has planned, and remembers what it was told.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use futures::future::{join_all, join3};
use orderflow_events::scope::ORDERS_ANY;
use orderflow_events::{OrderId, guest_of};
use orderflow_local::{Api, Reply};
use orderflow_tests::Shop;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::plan::{Entrance, Plan, Pricing, Repeat};
use crate::tally::{Kind, Tally};

/// Lifetime of a token, longer than any run.
pub(crate) const LIFETIME: Duration = Duration::from_hours(24);

/// Name under which cancellations are counted, which are no orders of their own.
pub(crate) const CANCELLATION: &str = "among all these, with a wish to cancel";

/// The same of withdrawals.
pub(crate) const WITHDRAWAL: &str = "among all these, with a wish to withdraw";

/// Requests of a customer before giving up.
const MOST_ATTEMPTS: usize = 120;

/// A customer with what it knows of its order.
#[derive(Clone, Debug)]
pub(crate) struct Customer {
    pub(crate) plan: Plan,
    /// The ids that it was given: for the same key it must be one.
    pub(crate) order_ids: BTreeSet<String>,
    /// The first answer. To the same request it must be the same.
    receipt: Option<Value>,
    /// The event with which its order began, if another producer took it.
    pub(crate) event: Option<Value>,
    /// The `access` of the link to a guest's order.
    access: Option<String>,
    /// Answer to its cancellation.
    pub(crate) cancelled: Cancelled,
    /// Answer to its withdrawal.
    pub(crate) withdrawn: Withdrawn,
    /// Answers that the API should not have given.
    pub(crate) complaints: Vec<String>,
}

/// Result of a cancellation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Cancelled {
    /// There was none.
    #[default]
    NotWished,
    /// It is not known: there was no answer that says.
    Unknown,
    /// 202
    Accepted,
    /// 409
    Refused,
}

/// Result of a withdrawal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Withdrawn {
    /// There was none, or there was no answer that says.
    #[default]
    Unknown,
    /// The order is cancelled.
    Cancelled,
    /// The goods are to be sent back.
    Returning,
    /// The goods are back, as the warehouse was told.
    Returned,
}

/// Means by which a customer reaches the shop.
pub(crate) struct Means {
    pub(crate) shop: Rc<Shop>,
    /// API as the shop's page reaches it, which may state no prices.
    page: Api,
    /// The same without a token.
    guests: Api,
    pub(crate) tally: Rc<Tally>,
    rng: RefCell<Rng>,
}

impl Means {
    pub(crate) fn new(shop: Rc<Shop>, tally: Rc<Tally>, rng: Rng) -> Self {
        let token = shop.tokens.token("page", ORDERS_ANY, LIFETIME).expect("a token");
        let (page, guests) = (shop.api.clone().with_token(token), shop.api.clone().without_token());
        Self { page, guests, shop, tally, rng: RefCell::new(rng) }
    }

    /// API that takes an order of that plan.
    fn api(&self, plan: &Plan) -> &Api {
        match plan.pricing {
            _ if plan.is_guest => &self.guests,
            Pricing::Stated => &self.shop.api,
            Pricing::Expected | Pricing::Listed => &self.page,
        }
    }

    /// A request about an order: by the link to it, if there is one.
    fn request(&self, method: Method, path: &str, access: Option<&str>) -> RequestBuilder {
        match access {
            Some(access) => self.guests.request(method, &format!("{path}?access={access}")),
            None => self.shop.api.request(method, path),
        }
    }

    /// Asks until there is an answer that says something.
    async fn insist(&self, method: Method, path: &str, access: Option<&str>) -> Option<Reply> {
        for _ in 0..MOST_ATTEMPTS {
            match Reply::to(self.request(method.clone(), path, access)).await {
                Ok(reply) if reply.status < 500 => return Some(reply),
                Ok(_) | Err(_) => self.pause().await,
            }
        }
        None
    }

    async fn pause(&self) {
        let pause = self.rng.borrow_mut().u64(100..1_000);
        sleep(Duration::from_millis(pause)).await;
    }
}

impl Customer {
    pub(crate) fn new(plan: Plan) -> Self {
        let cancelled = if plan.cancel.is_some() { Cancelled::Unknown } else { Cancelled::NotWished };
        Self {
            plan,
            order_ids: BTreeSet::new(),
            receipt: None,
            event: None,
            access: None,
            cancelled,
            withdrawn: Withdrawn::Unknown,
            complaints: Vec::new(),
        }
    }

    /// Places its order, and does not wait for what comes of it.
    pub(crate) async fn order(&mut self, means: &Means) {
        let body = self.plan.body();
        match self.plan.entrance {
            Entrance::Foreign { version, times } => {
                means.tally.count(Kind::Order, format!("of another producer, in version {version}"));
                let event = self.plan.event(version);
                let subject = event["subject"].as_str().unwrap_or_default().to_owned();
                means.shop.publish_text(&event.to_string()).await;
                for _ in 1..times {
                    means.tally.count(Kind::Duplicate, "published by the producer");
                    // In other words: the topic drops what it has heard to the letter.
                    means.shop.publish_text(&format!("{event:#}")).await;
                }
                self.order_ids.insert(subject);
                self.event = Some(event);
            }
            Entrance::Once => {
                means.tally.count(Kind::Order, "over HTTP without a key");
                if let Ok(reply) = means.api(&self.plan).place_order(&body, None).await {
                    self.take(&reply, 201);
                }
            }
            Entrance::WithKey(repeat) => {
                means.tally.count(Kind::Order, "over HTTP with a key");
                let clicks = match repeat {
                    Repeat::Clicks(clicks) => clicks,
                    Repeat::Impatient(patience) => {
                        // Whether the request has arrived is not known: the connection is closed on it.
                        let _given_up =
                            timeout(patience, means.api(&self.plan).place_order(&body, Some(self.key()))).await;
                        1
                    }
                    Repeat::Never | Repeat::Later(_) | Repeat::Changed(_) => 1,
                };
                let replies = join_all((0..clicks).map(|_| self.insist(means, &body))).await;
                for reply in replies {
                    self.take_insisted(reply, 201);
                }
            }
        }
    }

    /// Its id, as it is on record. A guest's follows from the order's.
    pub(crate) fn id(&self) -> String {
        let order = self.order_ids.first().filter(|_| self.plan.is_guest).and_then(|id| OrderId::new(id.as_str()).ok());
        order.map_or_else(|| self.plan.customer.clone(), |order| guest_of(&order).to_string())
    }

    /// Its idempotency key.
    fn key(&self) -> &str {
        &self.plan.customer
    }

    fn take_insisted(&mut self, reply: Option<Reply>, status: u16) {
        match reply {
            Some(reply) => self.take(&reply, status),
            None => self.complaints.push(format!("no answer to {MOST_ATTEMPTS} requests")),
        }
    }

    fn take(&mut self, reply: &Reply, status: u16) {
        if reply.status >= 500 {
            return;
        }
        if reply.status != status {
            self.complaints.push(format!("the answer was {} instead of {status}: {}", reply.status, reply.body));
        } else if status == 201 {
            self.order_ids.extend(reply.body["orderId"].as_str().map(str::to_owned));
            let link = reply.body.pointer("/links/order").and_then(Value::as_str);
            self.access = link.and_then(|link| link.split_once("?access=")).map(|(_, access)| access.to_owned());
            if self.access.is_some() != self.plan.is_guest {
                self.complaints.push(format!("a link to whom it is not for, or none: {}", reply.body));
            }
            let first = self.receipt.get_or_insert_with(|| reply.body.clone());
            if *first != reply.body {
                self.complaints.push(format!("the same request was answered differently: {first}, {}", reply.body));
            }
        }
    }

    /// Cancels or withdraws, or not, after the order.
    pub(crate) async fn follow(&mut self, means: &Means) {
        let wishes = join3(self.repeat(means), self.cancel(means), self.withdraw(means));
        let ((again, cancelled, withdrawn), links, ()) =
            join3(wishes, self.try_links(means), self.be_cleared(means)).await;
        self.complaints.extend(links);
        if let Some((reply, status)) = again {
            self.take_insisted(reply, status);
        }
        match cancelled {
            Ok(cancelled) => self.cancelled = cancelled,
            Err(complaint) => self.complaints.push(complaint),
        }
        match withdrawn {
            Ok(withdrawn) => self.withdrawn = withdrawn,
            Err(complaint) => self.complaints.push(complaint),
        }
        let revoked = self.revoke_links(means).await;
        self.complaints.extend(revoked);
    }

    /// Somebody looks at an order that is flagged, and clears it. Of one that nobody has heard of they are not told.
    async fn be_cleared(&self, means: &Means) {
        let Some(order_id) = self.order_ids.first().filter(|_| self.plan.is_suspicious()) else { return };
        let (path, why) = (format!("/operations/orders/{order_id}/clear"), json!({ "why": "a regular customer" }));
        for _ in 0..MOST_ATTEMPTS {
            let request = means.shop.api.request(Method::POST, &path).json(&why);
            if Reply::to(request).await.is_ok_and(|reply| reply.status == 202) {
                return;
            }
            means.pause().await;
        }
    }

    /// A guest reads their order by its link, and by no other.
    async fn try_links(&self, means: &Means) -> Vec<String> {
        let (Some(access), Some(order_id)) = (&self.access, self.order_ids.first()) else { return Vec::new() };
        let (path, nobody) = (format!("/orders/{order_id}"), "/orders/ord_nobody".to_owned());
        let forged = format!("{access}A");
        let mut complaints = Vec::new();
        for (path, access, status) in [(&path, access, 200), (&path, &forged, 404), (&nobody, access, 404)] {
            complaints.extend(complaint(means.insist(Method::GET, path, Some(access)).await.as_ref(), status));
        }
        complaints
    }

    /// After all some let nobody in any more, not even themselves.
    async fn revoke_links(&self, means: &Means) -> Vec<String> {
        let (Some(access), Some(order_id)) = (&self.access, self.order_ids.first()) else { return Vec::new() };
        if self.plan.has_phone {
            return Vec::new();
        }
        let path = format!("/orders/{order_id}");
        // Where the answer of an earlier attempt was lost, that has revoked the link itself.
        let revoked = means.insist(Method::DELETE, &format!("{path}/access"), Some(access)).await;
        let mut complaints = Vec::new();
        if revoked.as_ref().is_some_and(|reply| reply.status != 404) {
            complaints.extend(complaint(revoked.as_ref(), 200));
        }
        for (method, path) in [(Method::GET, path.clone()), (Method::POST, format!("{path}/cancel"))] {
            complaints.extend(complaint(means.insist(method, &path, Some(access)).await.as_ref(), 404));
        }
        complaints
    }

    /// Asks until there is an answer that says something.
    async fn insist(&self, means: &Means, body: &Value) -> Option<Reply> {
        for _ in 0..MOST_ATTEMPTS {
            match means.api(&self.plan).place_order(body, Some(self.key())).await {
                Ok(reply) if reply.status < 500 => return Some(reply),
                Ok(_) | Err(_) => means.pause().await,
            }
        }
        None
    }

    async fn repeat(&self, means: &Means) -> Option<(Option<Reply>, u16)> {
        let mut body = self.plan.body();
        match self.plan.entrance {
            Entrance::WithKey(Repeat::Later(delay)) => {
                sleep(delay).await;
                Some((self.insist(means, &body).await, 201))
            }
            Entrance::WithKey(Repeat::Changed(delay)) => {
                sleep(delay).await;
                body["lines"][0]["quantity"] = json!(77);
                Some((self.insist(means, &body).await, 422))
            }
            _ => None,
        }
    }

    async fn cancel(&self, means: &Means) -> Result<Cancelled, String> {
        let Some((delay, clicks)) = self.plan.cancel else { return Ok(Cancelled::NotWished) };
        let Some(order_id) = self.order_ids.first() else { return Ok(Cancelled::Unknown) };
        sleep(delay).await;
        means.tally.count(Kind::Order, CANCELLATION);
        let answers =
            join_all((0..clicks).map(|_| cancel_until_answered(means, order_id, self.access.as_deref()))).await;
        let answers: Vec<Cancelled> = answers.into_iter().collect::<Result<_, _>>()?;
        match answers.as_slice() {
            [first, rest @ ..] if rest.iter().all(|other| other == first) => Ok(*first),
            // One of them may have got no answer.
            _ if answers.contains(&Cancelled::Unknown) => Ok(Cancelled::Unknown),
            _ => Err(format!("two requests to cancel were answered differently: {answers:?}")),
        }
    }

    async fn withdraw(&self, means: &Means) -> Result<Withdrawn, String> {
        let Some((delay, sends_back)) = self.plan.withdraw else { return Ok(Withdrawn::Unknown) };
        let Some(order_id) = self.order_ids.first() else { return Ok(Withdrawn::Unknown) };
        sleep(delay).await;
        means.tally.count(Kind::Order, WITHDRAWAL);
        let access = self.access.as_deref();
        let Some(receipt) = withdraw_until_answered(means, order_id, access).await? else {
            return Ok(Withdrawn::Unknown);
        };
        let again = withdraw_until_answered(means, order_id, access).await?;
        if again.is_some_and(|again| again != receipt) {
            return Err(format!("a second withdrawal has another receipt than {receipt}"));
        }
        match receipt["outcome"].as_str() {
            Some("cancelled") => Ok(Withdrawn::Cancelled),
            Some("return") if sends_back => send_back_until_answered(means, order_id).await,
            Some("return") => Ok(Withdrawn::Returning),
            _ => Err(format!("the receipt of a withdrawal was {receipt}")),
        }
    }
}

/// Complaint about an answer with another status.
fn complaint(reply: Option<&Reply>, status: u16) -> Option<String> {
    let reply = reply.filter(|reply| reply.status != status)?;
    Some(format!("by a link the answer was {} instead of {status}: {}", reply.status, reply.body))
}

async fn withdraw_until_answered(means: &Means, order_id: &str, access: Option<&str>) -> Result<Option<Value>, String> {
    let path = format!("/orders/{order_id}/withdrawals");
    for _ in 0..MOST_ATTEMPTS {
        match Reply::to(means.request(Method::POST, &path, access)).await {
            Ok(reply) if reply.status == 202 => return Ok(Some(reply.body)),
            // An order of another producer is not known at once.
            Ok(reply) if reply.status == 404 || reply.status >= 500 => {}
            Ok(reply) => return Err(format!("the answer to a withdrawal was {}: {}", reply.status, reply.body)),
            Err(_) => {}
        }
        means.pause().await;
    }
    Ok(None)
}

/// The warehouse says that the goods are back until it is heard: the inventory may not know yet that they are awaited.
async fn send_back_until_answered(means: &Means, order_id: &str) -> Result<Withdrawn, String> {
    for _ in 0..MOST_ATTEMPTS {
        match means.shop.api.take_goods_back(order_id).await {
            Ok(reply) if reply.status == 200 => return Ok(Withdrawn::Returned),
            Ok(reply) if reply.status == 409 || reply.status >= 500 => {}
            Ok(reply) => return Err(format!("the answer to a return was {}: {}", reply.status, reply.body)),
            Err(_) => {}
        }
        means.pause().await;
    }
    Ok(Withdrawn::Returning)
}

async fn cancel_until_answered(means: &Means, order_id: &str, access: Option<&str>) -> Result<Cancelled, String> {
    let path = format!("/orders/{order_id}/cancel");
    for _ in 0..MOST_ATTEMPTS {
        match Reply::to(means.request(Method::POST, &path, access)).await {
            Ok(reply) if reply.status == 202 => return Ok(Cancelled::Accepted),
            Ok(reply) if reply.status == 409 => return Ok(Cancelled::Refused),
            // An order of another producer is not known at once.
            Ok(reply) if reply.status == 404 || reply.status >= 500 => {}
            Ok(reply) => return Err(format!("the answer to a cancellation was {}: {}", reply.status, reply.body)),
            Err(_) => {}
        }
        means.pause().await;
    }
    Ok(Cancelled::Unknown)
}
