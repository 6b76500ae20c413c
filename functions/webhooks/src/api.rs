//! The HTTP API of webhooks. Each belongs to the subject of the token that has made it; others' are not there.

use lambda_http::http::{HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Request, RequestExt, Response};
use onewrite::Result;
use onewrite::access::{Access, Caller, KeySets, NoKeySets};
use onewrite::envelope::derive_id;
use onewrite::feed::{FeedLog, end};
use onewrite::http::{Problem, answer, path, read_body, read_json};
use onewrite::personal::{KeyRing, Keys};
use onewrite::port::{Clock, Random};
use onewrite::webhook::{Loopback, Secret};
use orderflow_events::scope::WEBHOOKS;
use orderflow_events::{EventId, Time};
use serde_json::{Value, json};
use tracing::info;

use crate::domain::{Delivery, Disabled, Endpoint};
use crate::port::{Deliveries, Endpoints, Receivers};
use crate::record::{change, secrets_of};
use crate::view::{
    DeliveryPage, NewWebhook, Resend, Webhook, WebhookChange, WebhookDelivery, WebhookList, read_with_url,
};

/// The most webhooks of an owner. Of many that are made at one moment some more may be.
const MAX_OF_OWNER: usize = 20;

/// Deliveries of a page.
const OF_A_PAGE: usize = 100;

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
        caller.demand(WEBHOOKS)?;
        match (method, parts) {
            (&Method::GET, [_]) => self.list(caller).await,
            (&Method::POST, [_]) => self.create(request, caller).await,
            (&Method::GET, [_, id]) => Ok(self.shown(&self.own(id, caller).await?, None)),
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

    async fn own(&self, id: &str, caller: &Caller) -> Result<Endpoint, Problem> {
        // The store has more than endpoints under names that somebody may guess.
        if !id.starts_with("whk_") {
            return Err(Problem::not_found("webhook"));
        }
        let found = self.store.get(id).await?.filter(|endpoint| is_own(endpoint, caller));
        found.ok_or_else(|| Problem::not_found("webhook"))
    }

    async fn changed(
        &self,
        id: &str,
        caller: &Caller,
        make: impl Fn(&mut Endpoint, Time),
    ) -> Result<Endpoint, Problem> {
        let changed = change(&self.store, id, |endpoint| {
            let is_own = is_own(endpoint, caller);
            if is_own {
                make(endpoint, self.world.now());
            }
            is_own
        });
        changed.await?.ok_or_else(|| Problem::not_found("webhook"))
    }

    async fn list(&self, caller: &Caller) -> Result<Response<Body>, Problem> {
        let (roster, now) = (self.store.roster().await?, self.world.now());
        let own = roster.endpoints.iter().filter(|endpoint| is_own(endpoint, caller));
        let webhooks = own.map(|endpoint| Webhook::of(endpoint, None, now)).collect();
        Ok(answer(StatusCode::OK, &WebhookList { webhooks }))
    }

    /// It gets what happens from now on, of all orders.
    async fn create(&self, request: &Request, caller: &Caller) -> Result<Response<Body>, Problem> {
        let new: NewWebhook = read_with_url(&read_json(request)?, self.loopback).map_err(Problem::invalid_at)?;
        let roster = self.store.roster().await?;
        if roster.endpoints.iter().filter(|endpoint| is_own(endpoint, caller)).count() >= MAX_OF_OWNER {
            let detail = format!("There are {MAX_OF_OWNER} webhooks of yours, and there may be no more.");
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
        let now = self.world.now();
        let id = derive_id("whk_", &[&self.event_id(now)]);
        let secret = Secret::random(&self.world).text();
        let endpoint = Endpoint {
            revision: 0,
            owner: caller.subject().cloned(),
            url: new.url,
            pattern: new.pattern.map(|pattern| pattern.document().clone()),
            description: new.description,
            in_order: new.in_order.unwrap_or(false),
            created_at: now,
            secret: self.keys.seal_text(&id, &secret, None).await?,
            previous: None,
            disabled: None,
            cursor: end(&self.feed.0, self.feed.1).await?,
            wakes: 0,
            // Awake: whoever looks through the feed at this moment may not know of it.
            due: Some(now),
            hold: None,
            failing: None,
            has_waiting: false,
            hurries: false,
            id,
        };
        // Whether this attempt has made it, or one before it whose answer was lost, is the same.
        let is_made = self.store.put(&endpoint).await?
            || self.store.get(&endpoint.id).await?.is_some_and(|found| found.secret == endpoint.secret);
        if !is_made {
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "This did not work out. Try again in a moment."));
        }
        info!(endpoint = endpoint.id, "a webhook is made");
        let mut made = self.shown(&endpoint, Some(secret));
        *made.status_mut() = StatusCode::CREATED;
        if let Ok(location) = HeaderValue::try_from(format!("/webhooks/{}", endpoint.id)) {
            made.headers_mut().insert(header::LOCATION, location);
        }
        Ok(made)
    }

    async fn change(&self, request: &Request, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        self.own(id, caller).await?;
        let document = read_json(request)?;
        let change: WebhookChange = read_with_url(&document, self.loopback).map_err(Problem::invalid_at)?;
        let gets_all = document.get("match").is_some_and(Value::is_null);
        let changed = self.changed(id, caller, |endpoint, now| {
            if let Some(pattern) = &change.pattern {
                endpoint.pattern = Some(pattern.document().clone());
            } else if gets_all {
                endpoint.pattern = None;
            }
            if let Some(url) = change.url.as_ref().filter(|url| **url != endpoint.url) {
                endpoint.url.clone_from(url);
                endpoint.begin_anew(now);
            }
            match change.enabled {
                Some(true) => endpoint.enable(now),
                Some(false) => endpoint.disable(Disabled::ByOwner, now),
                None => {}
            }
        });
        Ok(self.shown(&changed.await?, None))
    }

    /// The key goes last: whatever is sealed with it is gone by then.
    async fn delete(&self, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        let endpoint = self.own(id, caller).await?;
        self.store.remove(&endpoint.id).await?;
        self.keys.erase(&endpoint.id).await?;
        Ok(self.shown(&endpoint, None))
    }

    async fn deliveries(&self, request: &Request, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        let endpoint = self.own(id, caller).await?;
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
        self.own(id, caller).await?;
        let secret = Secret::random(&self.world).text();
        let sealed = self.keys.seal_text(id, &secret, None).await?;
        let rotated = self.changed(id, caller, |endpoint, now| endpoint.rotate(sealed.clone(), now)).await?;
        Ok(self.shown(&rotated, Some(secret)))
    }

    async fn resend(&self, request: &Request, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        self.own(id, caller).await?;
        let Resend { after } = read_body(request)?;
        // Nobody has got what has not happened yet.
        let after = after.nearest(&end(&self.feed.0, self.feed.1).await?);
        let sent = self.changed(id, caller, |endpoint, now| endpoint.resend(after.clone(), now)).await?;
        Ok(answer(StatusCode::ACCEPTED, &Webhook::of(&sent, None, self.world.now())))
    }

    fn event_id(&self, now: Time) -> String {
        let mut random = [0; 10];
        self.world.fill(&mut random);
        EventId::v7(u64::try_from(now.as_millis()).unwrap_or_default(), random).to_string()
    }
}

fn is_own(endpoint: &Endpoint, caller: &Caller) -> bool {
    endpoint.owner.as_ref() == caller.subject()
}
