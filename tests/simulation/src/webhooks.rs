//! Webhooks: partners who have the shop's events posted to them, and the functions that do it.

mod audit;
mod partners;
mod ports;

use std::cell::Cell;
use std::rc::Rc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use lambda_http::http::{HeaderValue, Method, header};
use onewrite::feed::{Page, RecordKey};
use onewrite::memory::{MemoryIssuer, MemoryKeys};
use onewrite::port::Clock;
use onewrite::webhook::Loopback;
use orderflow_events::scope::WEBHOOKS;
use orderflow_journal::Events;
use orderflow_webhooks::{Disabled, Dispatch, Endpoints, JournalFeed, MemoryWebhooks, Roster, Sender, WebhooksApi};
use serde_json::{Value, json};
use simulator::model::source::invoke;
use simulator::ports::KeyTable;
use simulator::{Caller, Run, Violation};

pub use crate::webhooks::audit::Pushed;
pub use crate::webhooks::partners::{Manner, Partner};

use crate::outside::FEED_SHARDS;
use crate::ports::{FeedTable, JournalTable, Port};
use crate::requests::{MAX_ATTEMPTS, read, request};
use crate::shop::{Follower, Shop};
use crate::template::template;
use crate::webhooks::audit::Audit;
use crate::webhooks::partners::{Partners, owner_of};
use crate::webhooks::ports::{MailPort, ReceiverPort, WebhookTable, WorkerPort};

/// Binary of the API.
pub const API: &str = "webhooks-api";
/// Binary of the dispatch.
pub const DISPATCH: &str = "webhooks";
/// Binary of the sender.
pub const SENDER: &str = "webhooks-send";

/// Strikes of the clock after a page of the feed: one each minute in which there is something to do, which are few. The others are
/// left out, as they would find nothing.
const STRIKES: u32 = 400;

/// Shortest pause between two of them.
const A_MINUTE_MS: u64 = 60_000;

/// Longest pause before the stream's source invokes the dispatch, and before it does so again, in milliseconds; and how often.
const STREAM_MS: u64 = 300;
const RETRY_MS: u64 = 5_000;
const TRIES: u32 = 3;

/// Longest pause before an owner asks again, in milliseconds.
const ASKS_AGAIN_MS: u64 = 20_000;

/// Shortest time for which an owner disables a webhook, and the longest by which it is longer. It is longer than whatever an attempt of
/// theirs takes that they have given up.
const OFF_MS: (u64, u64) = (30 * A_MINUTE_MS, 6 * 60 * A_MINUTE_MS);

/// Rounds of the clock at rest in which all must come to its end.
const ROUNDS_AT_REST: u32 = 6;

/// API of the webhooks.
type Api = WebhooksApi<FeedTable, WebhookTable, ReceiverPort, KeyTable, Caller, &'static MemoryIssuer>;

/// Functions of the webhooks, and the partners.
pub struct Webhooks {
    run: Rc<Run>,
    shop: Rc<Shop>,
    store: Rc<MemoryWebhooks>,
    keys: Rc<MemoryKeys>,
    audit: Rc<Audit>,
    partners: Rc<Partners>,
    api: Rc<Api>,
    issuer: &'static MemoryIssuer,
    owners: u64,
    is_striking: Cell<bool>,
    is_streaming: Cell<bool>,
    is_new: Cell<bool>,
}

impl Webhooks {
    /// Webhooks of those partners, who begin to ask for them.
    #[must_use]
    pub fn start(run: &Rc<Run>, shop: &Rc<Shop>, issuer: &'static MemoryIssuer, partners: &[Partner]) -> Rc<Self> {
        let (store, keys) = (Rc::<MemoryWebhooks>::default(), Rc::<MemoryKeys>::default());
        let (audit, receivers) = (Rc::<Audit>::default(), Rc::<Partners>::default());
        let caller = Caller::new(run, API);
        let port = Port { caller: caller.clone(), shop: Rc::clone(shop) };
        let table = WebhookTable { caller: caller.clone(), store: Rc::clone(&store), audit: Rc::clone(&audit) };
        let posts = ReceiverPort { caller: caller.clone(), partners: Rc::clone(&receivers), audit: Rc::clone(&audit) };
        let key_table = KeyTable { caller: caller.clone(), keys: Rc::clone(&keys) };
        let feed = (FeedTable(port), FEED_SHARDS);
        let access = issuer.access();
        let api = Rc::new(WebhooksApi::new(feed, table, posts, key_table, caller, access, Loopback::Refused));
        let webhooks = Rc::new(Self {
            run: Rc::clone(run),
            shop: Rc::clone(shop),
            store,
            keys,
            audit,
            partners: receivers,
            api,
            issuer,
            owners: partners.len() as u64,
            is_striking: Cell::new(false),
            is_streaming: Cell::new(false),
            is_new: Cell::new(false),
        });
        for (number, partner) in (0..).zip(partners.iter().copied()) {
            let webhooks = Rc::clone(&webhooks);
            run.spawn(async move { webhooks.attend(number, partner).await });
        }
        webhooks
    }

    /// Figures of the receivers.
    #[must_use]
    pub fn figures(&self) -> Pushed {
        self.audit.figures()
    }

    // ── Owners ──────────────────────────────────────────────────────────────────────────────────────────────────────

    /// Does what the owner of a webhook does.
    async fn attend(self: &Rc<Self>, number: u64, partner: Partner) {
        let Some((url, made)) = self.register(number, partner).await else { return };
        let path = format!("/webhooks/{}", made["id"].as_str().unwrap_or_default());
        let Self { run, audit, .. } = &**self;
        match partner.manner {
            Manner::Ready => {
                run.sleep_ms(run.faults.below(A_MINUTE_MS)).await;
                self.tell(number, &Method::POST, &format!("{path}/rotate"), &Value::Null).await;
            }
            Manner::Paused => {
                run.sleep_ms(run.faults.below(5 * 1_000)).await;
                self.tell(number, &Method::PATCH, &path, &json!({ "enabled": false })).await;
                audit.is_off(&url, Some(run.executor.now()));
                run.sleep_ms(OFF_MS.0 + run.faults.below(OFF_MS.1)).await;
                audit.is_off(&url, None);
                self.tell(number, &Method::PATCH, &path, &json!({ "enabled": true })).await;
                self.tell(number, &Method::POST, &format!("{path}/resend"), &json!({ "after": made["cursor"] })).await;
                self.strike();
            }
            Manner::Picky | Manner::Down(_) | Manner::Dead | Manner::Hanging => {}
        }
    }

    /// Asks for a webhook until there is one. An attempt without an answer may have made one, too: it has a URL of its own.
    async fn register(self: &Rc<Self>, number: u64, partner: Partner) -> Option<(String, Value)> {
        for attempt in 0..MAX_ATTEMPTS {
            let url = format!("https://partner-{number}.example/{attempt}");
            self.partners.add(&url, partner.manner);
            match self.ask(number, &Method::POST, "/webhooks", &partner.request(&url)).await {
                Some((201, made)) => {
                    self.strike();
                    return Some((url, made));
                }
                Some((500.., _)) | None => self.run.sleep_ms(self.run.faults.below(ASKS_AGAIN_MS)).await,
                // There are too many by now.
                Some((409, _)) => return None,
                Some((status, answer)) => {
                    self.run.check(Err(Violation::new(format!("a webhook is answered with {status}: {answer}"))));
                    return None;
                }
            }
        }
        None
    }

    /// Asks the API until it answers with anything but that it failed, and answers that.
    async fn tell(&self, number: u64, method: &Method, path: &str, body: &Value) -> (u16, Value) {
        loop {
            match self.ask(number, method, path, body).await {
                Some((500.., _)) | None => self.run.sleep_ms(self.run.faults.below(ASKS_AGAIN_MS)).await,
                Some(answer) => return answer,
            }
        }
    }

    async fn ask(&self, number: u64, method: &Method, path: &str, body: &Value) -> Option<(u16, Value)> {
        let mut request = request(method, path, body.to_string(), None);
        let token = self.issuer.token(&format!("partner-{number}"), WEBHOOKS);
        if let Ok(token) = HeaderValue::from_str(&format!("Bearer {token}")) {
            request.headers_mut().insert(header::AUTHORIZATION, token);
        }
        let api = Rc::clone(&self.api);
        invoke(&self.run, template().timeout(API), async move { api.answer(&request).await }).await.map(read)
    }

    // ── Functions ───────────────────────────────────────────────────────────────────────────────────────────────────

    fn feed(&self, caller: &Caller) -> JournalFeed<FeedTable, JournalTable> {
        let port = || Port { caller: caller.clone(), shop: Rc::clone(&self.shop) };
        JournalFeed::new(FeedTable(port()), FEED_SHARDS, JournalTable(port()))
    }

    fn table(&self, caller: &Caller) -> WebhookTable {
        WebhookTable { caller: caller.clone(), store: Rc::clone(&self.store), audit: Rc::clone(&self.audit) }
    }

    /// Lets the dispatch run once; answers whether it has come to its end.
    fn dispatch(self: &Rc<Self>) -> LocalBoxFuture<'static, bool> {
        let (caller, webhooks) = (Caller::new(&self.run, DISPATCH), Rc::clone(self));
        let begin = Rc::new(move |endpoint: String| {
            // Invocations of a function come at least once.
            let copies = if webhooks.run.faults.below(8) == 0 { 2 } else { 1 };
            for _ in 0..copies {
                let sending = webhooks.send(endpoint.clone());
                webhooks.run.spawn(sending);
            }
        });
        let workers = WorkerPort { caller: caller.clone(), begin };
        let (timeout, deadline) = (template().timeout(DISPATCH), caller.now().after(template().timeout(DISPATCH)));
        let dispatch = Dispatch::new(self.feed(&caller), self.table(&caller), workers, caller);
        let run = Rc::clone(&self.run);
        let work = async move { dispatch.run(deadline).await.is_ok() };
        async move { invoke(&run, timeout, work).await == Some(true) }.boxed_local()
    }

    /// Lets a sender work once for an endpoint. Each has a clock of its own.
    fn send(&self, endpoint: String) -> LocalBoxFuture<'static, ()> {
        let caller = Caller::new(&self.run, SENDER);
        let receivers =
            ReceiverPort { caller: caller.clone(), partners: Rc::clone(&self.partners), audit: Rc::clone(&self.audit) };
        let keys = KeyTable { caller: caller.clone(), keys: Rc::clone(&self.keys) };
        let (timeout, deadline) = (template().timeout(SENDER), caller.now().after(template().timeout(SENDER)));
        let mails = MailPort { caller: caller.clone(), audit: Rc::clone(&self.audit) };
        let sender = Sender::new(self.feed(&caller), self.table(&caller), receivers, keys, mails, caller);
        let run = Rc::clone(&self.run);
        async move {
            // What fails is due still.
            let _ =
                Box::pin(invoke(&run, timeout, async move { Box::pin(sender.run(&endpoint, deadline)).await })).await;
        }
        .boxed_local()
    }

    // ── What calls them ─────────────────────────────────────────────────────────────────────────────────────────────

    /// The stream of the feed's pages: what comes while the dispatch is at work comes together in the next call. What is given up the
    /// clock finds.
    async fn stream(self: Rc<Self>) {
        while self.is_new.replace(false) {
            self.run.sleep_ms(1 + self.run.faults.below(STREAM_MS)).await;
            for _ in 0..TRIES {
                if self.dispatch().await {
                    break;
                }
                self.run.sleep_ms(1 + self.run.faults.below(RETRY_MS)).await;
            }
        }
        self.is_streaming.set(false);
    }

    /// Lets the clock strike for as long as there is something to do.
    fn strike(self: &Rc<Self>) {
        if self.is_striking.replace(true) {
            return;
        }
        let webhooks = Rc::clone(self);
        self.run.spawn(async move {
            for _ in 0..STRIKES {
                let Some(due_ms) = webhooks.due_in() else { break };
                webhooks.run.sleep_ms(due_ms.max(A_MINUTE_MS)).await;
                webhooks.run.spawn(webhooks.dispatch().map(drop));
            }
            webhooks.is_striking.set(false);
        });
    }

    fn roster(&self) -> Roster {
        self.store.roster().now_or_never().and_then(Result::ok).unwrap_or_default()
    }

    /// Time until there is something to do, in milliseconds.
    fn due_in(&self) -> Option<u64> {
        let (Roster { endpoints, place }, now) = (self.roster(), self.run.executor.now());
        let enabled = || endpoints.iter().filter(|endpoint| endpoint.disabled.is_none());
        let behind = enabled().map(|endpoint| endpoint.cursor.clone()).reduce(|one, other| one.nearest(&other));
        let is_new = behind
            .is_some_and(|behind| place.is_none_or(|place| self.audit.goes_on_after(&place.cursor.furthest(&behind))));
        let due = enabled().filter_map(|endpoint| {
            let due = endpoint.due?;
            Some(endpoint.hold.as_ref().map_or(due, |(_, until)| due.max(*until)))
        });
        // An owner who is to be told of an outage is the last to be done.
        let due = due.chain(endpoints.iter().filter_map(|endpoint| Some(endpoint.untold.as_ref()?.due)));
        let due = if is_new { Some(now) } else { due.min() };
        due.map(|due| u64::try_from(now.until(due).as_millis()).unwrap_or_default())
    }

    /// Lets the clock strike until nothing is left to do.
    fn come_to_rest(self: &Rc<Self>) -> Result<(), Violation> {
        for _ in 0..ROUNDS_AT_REST {
            if self.due_in().is_none() || self.run.is_violated() {
                return Ok(());
            }
            self.strike();
            self.run.executor.run(|| self.run.is_violated());
        }
        match self.due_in() {
            Some(_) => Err(Violation::new("the webhooks do not come to an end")),
            None => Ok(()),
        }
    }

    /// Owners whose receiver was dead find that it is again, and enable their webhooks.
    async fn enable(self: Rc<Self>) {
        for number in 0..self.owners {
            let (_, list) = self.tell(number, &Method::GET, "/webhooks", &Value::Null).await;
            for webhook in list["webhooks"].as_array().into_iter().flatten() {
                let path = format!("/webhooks/{}", webhook["id"].as_str().unwrap_or_default());
                self.tell(number, &Method::PATCH, &path, &json!({ "enabled": true })).await;
            }
        }
    }
}

impl Follower for Webhooks {
    fn page(self: Rc<Self>, shard: u8, position: u64, page: &Page) {
        let keys: &[RecordKey] = &page.records;
        let texts = self.shop.outside.journal.texts(keys).now_or_never().and_then(Result::ok).unwrap_or_default();
        let texts =
            keys.iter().zip(texts).map(|(key, text)| ((key.0.clone(), key.1.clone()), text.unwrap_or_default()));
        self.run.check(self.audit.listed(shard, position, texts.collect(), self.run.executor.now()));
        self.is_new.set(true);
        if !self.is_streaming.replace(true) {
            self.run.spawn(Rc::clone(&self).stream());
        }
        self.strike();
    }

    /// Whoever is dead is disabled, and gets what they have missed once they are not. Then each has got all that they want.
    fn check(self: Rc<Self>) -> Result<(), Violation> {
        self.come_to_rest()?;
        let is_dead = |disabled: Option<(Disabled, _)>| disabled.is_some_and(|(reason, _)| reason == Disabled::Dead);
        for dead in self.roster().endpoints.iter().filter(|endpoint| is_dead(endpoint.disabled)) {
            self.audit.died(&dead.url, &owner_of(&dead.url))?;
        }
        self.partners.revive();
        self.run.spawn(Rc::clone(&self).enable());
        self.run.executor.run(|| self.run.is_violated());
        self.come_to_rest()?;
        self.audit.check()
    }
}
