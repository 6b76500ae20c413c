//! The HTTP API of webhooks. Each belongs to the subject of the token that has made it; others' are not there. An operator sees all of
//! them, switches them off and on, and deletes them; that it was an operator, and who, is on record.

use lambda_http::http::{HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Request, RequestExt, Response};
use onewrite::Result;
use onewrite::access::{Access, Caller, KeySets, NoKeySets};
use onewrite::envelope::derive_id;
use onewrite::feed::{Cursor, FeedLog, end};
use onewrite::http::{Problem, answer, path, read_body, read_json};
use onewrite::personal::{KeyRing, Keys, SealedText};
use onewrite::port::{Clock, Random};
use onewrite::webhook::{Loopback, Secret};
use orderflow_events::scope::{OPERATIONS, WEBHOOKS};
use orderflow_events::{Email, EventId, Text, Time};
use serde_json::{Value, json};
use tracing::info;

use crate::domain::{Act, Delivery, Disabled, Endpoint, MAX_EARLIER, What};
use crate::port::{Deliveries, Endpoints, Receivers};
use crate::record::{secrets_of, try_change};
use crate::view::{
    DeliveryPage, NewWebhook, Resend, Signing, Webhook, WebhookChange, WebhookDelivery, WebhookList, read_with_url,
};

/// The most webhooks of an owner, with those that were deleted and are not cleared up yet. Of many that are made at one moment some more
/// may be.
const MAX_OF_OWNER: usize = 20;

/// Webhooks of a page: of the largest ones no more than a megabyte, of the six that a function may answer.
const WEBHOOKS_OF_A_PAGE: usize = 100;

/// Deliveries of a page.
const OF_A_PAGE: usize = 100;

/// Standing of a caller to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is theirs.
    Owner,
    /// It is another's, and they are an operator.
    Operator,
}

/// Takes webhooks, and shows what becomes of them.
pub struct WebhooksApi<L, S, R, P, W, K = NoKeySets> {
    feed: (L, u8),
    store: S,
    receivers: R,
    keys: KeyRing<P, W>,
    world: W,
    access: Access<K>,
    loopback: Loopback,
}

impl<L: FeedLog, S: Endpoints + Deliveries, R: Receivers, P: Keys, W: Clock + Random + Clone, K: KeySets>
    WebhooksApi<L, S, R, P, W, K>
{
    /// The API of the webhooks in that store, for whom `access` lets in. They begin at the end of a feed of so many shards, and their
    /// secrets are sealed with a key for each in `keys`.
    pub fn new(
        feed: (L, u8),
        store: S,
        receivers: R,
        keys: P,
        world: W,
        access: Access<K>,
        loopback: Loopback,
    ) -> Self {
        Self { feed, store, receivers, keys: KeyRing::new(keys, world.clone()), world, access, loopback }
    }

    /// Opens the connection to the table, and fetches the keys of the tokens. Whether it works out shows soon enough.
    pub async fn warm(&self) {
        let _ = self.store.get("-").await;
        self.access.warm(self.world.now()).await;
    }

    /// Answers a request.
    pub async fn answer(&self, request: &Request) -> Response<Body> {
        Box::pin(self.route(request)).await.unwrap_or_else(Response::from)
    }

    async fn route(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let caller = &self.access.caller(request, self.world.now()).await?;
        let parts = path(request);
        let (method, parts) = (request.method(), parts.as_slice());
        if parts.first() != Some(&"webhooks") {
            return Err(Problem::not_found("resource"));
        }
        let is_for_operators = match (method, parts) {
            (&Method::GET, [_]) => truth(request, "all")?,
            (&Method::GET, [_, _]) => truth(request, "deleted")? || caller.has(OPERATIONS),
            (&Method::GET, [_, _, "deliveries"]) | (&Method::PATCH | &Method::DELETE, [_, _]) => caller.has(OPERATIONS),
            _ => false,
        };
        caller.demand(if is_for_operators { OPERATIONS } else { WEBHOOKS })?;
        match (method, parts) {
            (&Method::GET, [_]) => self.list(request, caller, is_for_operators).await,
            (&Method::POST, [_]) => self.create(request, caller).await,
            (&Method::GET, [_, id]) if truth(request, "deleted")? => self.show_deleted(id).await,
            (&Method::GET, [_, id]) => self.known(id, caller).await.map(|(it, standing)| self.shown_to(standing, &it)),
            (&Method::PATCH, [_, id]) => self.change(request, id, caller).await,
            (&Method::DELETE, [_, id]) => self.delete(id, caller).await,
            (&Method::GET, [_, id, "deliveries"]) => self.deliveries(request, id, caller).await,
            (&Method::POST, [_, id, "test"]) => self.test(id, caller).await,
            (&Method::POST, [_, id, "rotate"]) => self.rotate(id, caller).await,
            (&Method::POST, [_, id, "resend"]) => self.resend(request, id, caller).await,
            _ => Err(Problem::not_found("resource")),
        }
    }

    fn shown(&self, endpoint: &Endpoint, secret: Option<String>) -> Response<Body> {
        answer(StatusCode::OK, &Webhook::of(endpoint, secret, self.world.now()))
    }

    fn shown_to(&self, standing: Standing, endpoint: &Endpoint) -> Response<Body> {
        match standing {
            Standing::Owner => self.shown(endpoint, None),
            Standing::Operator => {
                answer(StatusCode::OK, &Webhook::of(endpoint, None, self.world.now()).with_operation(endpoint))
            }
        }
    }

    async fn own(&self, id: &str, caller: &Caller) -> Result<Endpoint, Problem> {
        match self.known(id, caller).await? {
            (endpoint, Standing::Owner) => Ok(endpoint),
            (_, Standing::Operator) => Err(Problem::not_found("webhook")),
        }
    }

    /// A webhook that the caller may know of, and as whom.
    async fn known(&self, id: &str, caller: &Caller) -> Result<(Endpoint, Standing), Problem> {
        // The store has more than endpoints under names that somebody may guess.
        if !id.starts_with("whk_") {
            return Err(Problem::not_found("webhook"));
        }
        let found = self.store.get(id).await?.filter(|endpoint| endpoint.deleted.is_none());
        let known = found.and_then(|it| standing(&it, caller).map(|standing| (it, standing)));
        known.ok_or_else(|| Problem::not_found("webhook"))
    }

    /// Changes a webhook by `make`, if the caller may change it and `make` does not say why it may not be: as it is then, and as whom.
    async fn changed(
        &self,
        id: &str,
        caller: &Caller,
        make: impl Fn(&mut Endpoint, Standing, Time) -> Result<(), Problem>,
    ) -> Result<(Endpoint, Standing), Problem> {
        let changed = try_change(&self.store, id, |endpoint| {
            match standing(endpoint, caller).filter(|_| endpoint.deleted.is_none()) {
                Some(standing) => make(endpoint, standing, self.world.now()).map(|()| true),
                None => Ok(false),
            }
        });
        let known = changed.await?.and_then(|it| standing(&it, caller).map(|standing| (it, standing)));
        known.ok_or_else(|| Problem::not_found("webhook"))
    }

    async fn list(&self, request: &Request, caller: &Caller, is_of_all: bool) -> Result<Response<Body>, Problem> {
        let parameters = request.query_string_parameters();
        let after = parameters.first("after").unwrap_or_default();
        let (roster, now) = (self.store.roster().await?, self.world.now());
        let is_shown =
            |it: &&Endpoint| it.deleted.is_none() && (is_of_all || is_own(it, caller)) && it.id.as_str() > after;
        let mut there = roster.endpoints.iter().filter(is_shown).peekable();
        let page: Vec<&Endpoint> = there.by_ref().take(WEBHOOKS_OF_A_PAGE).collect();
        let next = page.last().filter(|_| there.peek().is_some()).map(|last| last.id.as_str());
        let shown = page.into_iter().map(|endpoint| {
            let webhook = Webhook::of(endpoint, None, now);
            if is_of_all { webhook.with_operation(endpoint) } else { webhook }
        });
        Ok(answer(StatusCode::OK, &WebhookList { webhooks: shown.collect(), next }))
    }

    /// One that was deleted, for operators. It is on record for some weeks.
    async fn show_deleted(&self, id: &str) -> Result<Response<Body>, Problem> {
        let unknown = || Problem::not_found("deleted webhook");
        if !id.starts_with("whk_") {
            return Err(unknown());
        }
        let there = self.store.get(id).await?;
        let known = if there.is_some() { there } else { self.store.removed(id).await? };
        let deleted = known.filter(|endpoint| endpoint.deleted.is_some()).ok_or_else(unknown)?;
        Ok(self.shown_to(Standing::Operator, &deleted))
    }

    /// It gets what happens from now on, of all orders.
    async fn create(&self, request: &Request, caller: &Caller) -> Result<Response<Body>, Problem> {
        let new: NewWebhook = read_with_url(&read_json(request)?, self.loopback).map_err(Problem::invalid_at)?;
        let (roster, now) = (self.store.roster().await?, self.world.now());
        // Else somebody who makes and deletes them would have as many mails sent as they like.
        let counts = |endpoint: &&Endpoint| is_own(endpoint, caller) && !endpoint.is_to_be_cleared(now);
        if roster.endpoints.iter().filter(counts).count() >= MAX_OF_OWNER {
            let detail = format!(
                "There are {MAX_OF_OWNER} webhooks of yours, with those deleted within the last hour, and there may be no more."
            );
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
        let id = derive_id("whk_", &[&self.event_id(now)]);
        let (secret, shown) = self.secret(new.signing == Some(Signing::Ed25519));
        let end = end(&self.feed.0, self.feed.1).await?;
        let endpoint = self.put_new(id, new, caller, (&secret, end), now).await?;
        info!(endpoint = endpoint.id, by = by(caller), "a webhook is made");
        let mut made = self.shown(&endpoint, shown);
        *made.status_mut() = StatusCode::CREATED;
        if let Ok(location) = HeaderValue::try_from(format!("/webhooks/{}", endpoint.id)) {
            made.headers_mut().insert(header::LOCATION, location);
        }
        Ok(made)
    }

    async fn put_new(
        &self,
        id: String,
        new: NewWebhook,
        caller: &Caller,
        (secret, end): (&Secret, Cursor),
        now: Time,
    ) -> Result<Endpoint, Problem> {
        let sealed = self.keys.seal_text(&id, &secret.text(), None).await?;
        let contact = self.sealed_address(&id, new.contact.as_ref()).await;
        if contact.is_err() {
            // Later than this the key stays: a write whose result is unknown may still come to pass, and needs it.
            self.drop_key_of_none(&id).await;
        }
        let contact = contact?;
        let endpoint = Endpoint {
            owner: caller.subject().cloned(),
            pattern: new.pattern.map(|pattern| pattern.document().clone()),
            description: new.description,
            in_order: new.in_order.unwrap_or(false),
            contact,
            public_key: secret.public(),
            ..Endpoint::new(id, new.url, sealed, end, now)
        };
        // Whether this attempt has made it, or one before it whose answer was lost, is the same.
        let is_made = self.store.put(&endpoint).await?
            || self.store.get(&endpoint.id).await?.is_some_and(|found| found.secret == endpoint.secret);
        let detail = "This did not work out. Try again in a moment.";
        is_made.then_some(endpoint).ok_or_else(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
    }

    /// A new secret, and its text for its owner, if they need it.
    fn secret(&self, is_ed25519: bool) -> (Secret, Option<String>) {
        if is_ed25519 {
            return (Secret::random_ed25519(&self.world), None);
        }
        let secret = Secret::random(&self.world);
        let text = secret.text();
        (secret, Some(text))
    }

    async fn sealed_address(&self, id: &str, address: Option<&Email>) -> Result<Option<SealedText>> {
        match address {
            Some(address) => self.keys.seal_text(id, address.as_str(), None).await.map(Some),
            None => Ok(None),
        }
    }

    async fn change(&self, request: &Request, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        let (known, standing) = self.known(id, caller).await?;
        let document = read_json(request)?;
        let change: WebhookChange = read_with_url(&document, self.loopback).map_err(Problem::invalid_at)?;
        let is_named = |name: &str| document.get(name).is_some();
        let is_removed = |name: &str| document.get(name).is_some_and(Value::is_null);
        if standing == Standing::Operator && ["url", "match", "contact"].into_iter().any(is_named) {
            let detail = "It is another's: an operator switches it on or off, and changes nothing else.";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        // The place before the end: what is told between the two is told again.
        let places = if is_named("match") {
            Some((self.store.roster().await?.place, end(&self.feed.0, self.feed.1).await?))
        } else {
            None
        };
        let contact = self.sealed_address(id, change.contact.as_ref()).await?;
        let changed = self.changed(id, caller, |endpoint, standing, now| {
            if let Some((seen, end)) = &places {
                let pattern = change.pattern.as_ref().map(|pattern| pattern.document().clone());
                let seen = seen.as_ref().map_or(&endpoint.cursor, |place| &place.cursor).clone();
                if !endpoint.listen(pattern, (&seen, end), now) {
                    let detail =
                        format!("Its condition was changed {MAX_EARLIER} times since it has got all that there was.");
                    return Err(Problem::new(StatusCode::CONFLICT, detail));
                }
            }
            if let Some(url) = change.url.as_ref().filter(|url| **url != endpoint.url) {
                endpoint.url.clone_from(url);
                endpoint.begin_anew(now);
            }
            if contact.is_some() || is_removed("contact") {
                endpoint.set_contact(contact.clone());
            }
            let before = endpoint.disabled;
            match (change.enabled, standing) {
                (Some(true), _) if endpoint.is_disabled_by_operator() && !caller.has(OPERATIONS) => {
                    let detail = "An operator has disabled it, and alone may enable it.";
                    return Err(Problem::new(StatusCode::CONFLICT, detail));
                }
                (Some(true), Standing::Owner) => endpoint.enable(now),
                (Some(true), Standing::Operator) => endpoint.enable_for_owner(now),
                (Some(false), Standing::Owner) => endpoint.disable(Disabled::ByOwner, now),
                (Some(false), Standing::Operator) => endpoint.disable(Disabled::ByOperator, now),
                (None, _) => {}
            }
            // Whoever lifts what an operator has done acts as one, though it be their own.
            let is_lifted = before.is_some_and(|(reason, _)| reason == Disabled::ByOperator);
            if endpoint.disabled != before && (standing == Standing::Operator || is_lifted) {
                let what = if endpoint.disabled.is_some() { What::Disabled } else { What::Enabled };
                endpoint.operator = Some(Act { at: now, by: caller.subject().cloned(), what });
            }
            Ok(())
        });
        let changed = changed.await;
        if changed.is_err() && contact.is_some() {
            self.drop_key_of_none(&known.id).await;
        }
        let (endpoint, standing) = changed?;
        info!(endpoint = endpoint.id, ?standing, by = by(caller), enabled = change.enabled, "a webhook is changed");
        Ok(self.shown_to(standing, &endpoint))
    }

    /// From now on it is gone. Its key and what waits go once nobody is at work for it any more: whoever has crashed at that is
    /// followed by another.
    async fn delete(&self, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        let before = self.known(id, caller).await?;
        let deleted = self.changed(id, caller, |endpoint, standing, now| {
            if standing == Standing::Operator {
                endpoint.operator = Some(Act { at: now, by: caller.subject().cloned(), what: What::Deleted });
            }
            endpoint.delete(caller.subject(), now);
            Ok(())
        });
        let (endpoint, standing) = deleted.await?;
        info!(endpoint = endpoint.id, ?standing, by = by(caller), "a webhook is deleted");
        Ok(self.shown_to(standing, &before.0))
    }

    /// A key that was made for an endpoint which somebody deletes at this moment goes again. If this fails, it goes when that is
    /// cleared up.
    async fn drop_key_of_none(&self, id: &str) {
        if matches!(self.store.get(id).await, Ok(None)) {
            let _ = self.keys.erase(id).await;
        }
    }

    async fn deliveries(&self, request: &Request, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        let (endpoint, _) = self.known(id, caller).await?;
        let parameters = request.query_string_parameters();
        let before = parameters.first("before").filter(|text| !text.is_empty());
        let before = before.map(|before| {
            EventId::new(before).map_err(|_| {
                Problem::malformed("The parameter before must be the id of an event, as a page has had it.")
            })
        });
        let before = before.transpose()?;
        let ended = self.store.ended(&endpoint.id, before.as_ref().map(EventId::as_str), OF_A_PAGE).await?;
        let waiting = match &before {
            None => self.store.waiting(&endpoint.id).await?,
            Some(_) => Vec::new(),
        };
        let next = ended.get(OF_A_PAGE - 1).map(|last| last.event_id.as_str());
        let deliveries = waiting.iter().chain(&ended).map(WebhookDelivery::from).collect();
        Ok(answer(StatusCode::OK, &DeliveryPage { deliveries, next }))
    }

    /// An event that says nothing is posted, signed as any other, at once and once.
    async fn test(&self, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        let endpoint = self.own(id, caller).await?;
        demand_no_operator(&endpoint)?;
        let now = self.world.now();
        let event = json!({
            "specversion": "1.0",
            "id": self.event_id(now),
            "source": "orderflow/webhooks",
            "type": "WebhookTested",
            "subject": endpoint.id,
            "time": now,
            "datacontenttype": "application/json",
            "data": { "webhookId": endpoint.id },
        });
        let mut delivery = Delivery::new(&event, (endpoint.id.clone(), String::new()), 0, now);
        let (secrets, text) = (secrets_of(&self.keys, &endpoint, now).await?, event.to_string());
        let headers = secrets.headers(&delivery.event_id, now, &text);
        let answered = self.receivers.post(&endpoint.url, &headers, &text).await;
        delivery.tried_once(&answered, self.world.now());
        self.store.record(&endpoint.id, &delivery, false).await?;
        Ok(answer(StatusCode::OK, &WebhookDelivery::from(&delivery)))
    }

    async fn rotate(&self, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        let endpoint = self.own(id, caller).await?;
        let (secret, shown) = self.secret(endpoint.public_key.is_some());
        let sealed = self.keys.seal_text(id, &secret.text(), None).await?;
        let rotated = self.changed(id, caller, |endpoint, _, now| {
            endpoint.rotate(sealed.clone(), secret.public(), now);
            Ok(())
        });
        let rotated = rotated.await;
        if rotated.is_err() {
            self.drop_key_of_none(id).await;
        }
        Ok(self.shown(&rotated?.0, shown))
    }

    /// One at a time: it would be a way to have the same events posted without an end.
    async fn resend(&self, request: &Request, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        self.own(id, caller).await?;
        let Resend { after } = read_body(request)?;
        let end = end(&self.feed.0, self.feed.1).await?;
        // Nobody has got what has not happened yet.
        let after = after.nearest(&end);
        let sent = self.changed(id, caller, |endpoint, _, now| {
            demand_no_operator(endpoint)?;
            let detail = "It still gets what was asked for before. Try again once resending is not there any more.";
            let is_begun = endpoint.resend(after.clone(), &end, now);
            is_begun.then_some(()).ok_or_else(|| Problem::new(StatusCode::CONFLICT, detail))
        });
        Ok(answer(StatusCode::ACCEPTED, &Webhook::of(&sent.await?.0, None, self.world.now())))
    }

    fn event_id(&self, now: Time) -> String {
        let mut random = [0; 10];
        self.world.fill(&mut random);
        EventId::v7(u64::try_from(now.as_millis()).unwrap_or_default(), random).to_string()
    }
}

/// Nothing is posted to one that an operator has disabled, whoever asks for it.
fn demand_no_operator(endpoint: &Endpoint) -> Result<(), Problem> {
    let detail = "An operator has disabled it, and nothing is posted to it.";
    if endpoint.is_disabled_by_operator() { Err(Problem::new(StatusCode::CONFLICT, detail)) } else { Ok(()) }
}

fn by(caller: &Caller) -> &str {
    caller.subject().map_or("anybody", Text::as_str)
}

fn is_own(endpoint: &Endpoint, caller: &Caller) -> bool {
    endpoint.owner.as_ref() == caller.subject()
}

fn standing(endpoint: &Endpoint, caller: &Caller) -> Option<Standing> {
    if is_own(endpoint, caller) && caller.has(WEBHOOKS) {
        return Some(Standing::Owner);
    }
    caller.has(OPERATIONS).then_some(Standing::Operator)
}

/// Parameter of a request that is true or false; without it, it is false.
fn truth(request: &Request, name: &str) -> Result<bool, Problem> {
    match request.query_string_parameters().first(name) {
        None | Some("" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Problem::malformed(format!("The parameter {name} must be true or false."))),
    }
}
