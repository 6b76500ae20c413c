//! Ports of the webhooks' functions.

use std::rc::Rc;
use std::time::Duration;

use onewrite::Result;
use onewrite::port::Clock;
use onewrite::webhook::{Answer, Unanswered};
use orderflow_events::Email;
use orderflow_notification::{Mail, MailError, Mailer};
use orderflow_webhooks::{
    Deliveries, Delivery, Endpoint, Endpoints, MemoryWebhooks, Place, Receivers, Roster, Workers,
};
use simulator::{Caller, Lost};

use crate::safeguards::{WEBHOOK_NOTE, WEBHOOK_REVISION, WEBHOOK_WAKES};
use crate::webhooks::audit::Audit;
use crate::webhooks::partners::Partners;

/// Time that a receiver has for its answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Table of the webhooks.
#[derive(Clone)]
pub(super) struct WebhookTable {
    pub(super) caller: Caller,
    pub(super) store: Rc<MemoryWebhooks>,
    pub(super) audit: Rc<Audit>,
}

impl WebhookTable {
    async fn ask<T: 'static, F: Future<Output = Result<T>> + 'static>(
        &self,
        name: &'static str,
        effect: impl FnOnce(Self) -> F + 'static,
    ) -> Result<T> {
        let table = self.clone();
        self.caller.ask("table", name, move || effect(table)).await
    }
}

impl Endpoints for WebhookTable {
    async fn roster(&self) -> Result<Roster> {
        self.ask("roster of webhooks", |table| async move { table.store.roster().await }).await
    }

    async fn get(&self, id: &str) -> Result<Option<Endpoint>> {
        let id = id.to_owned();
        self.ask("get webhook", move |table| async move { table.store.get(&id).await }).await
    }

    async fn put(&self, endpoint: &Endpoint) -> Result<bool> {
        let mut endpoint = endpoint.clone();
        self.ask("put webhook", move |table| async move {
            if table.caller.run.lacks(WEBHOOK_WAKES) {
                endpoint.wakes = 0;
            }
            if table.caller.run.lacks(WEBHOOK_REVISION) {
                endpoint.revision = table.store.get(&endpoint.id).await?.map_or(0, |known| known.revision);
            }
            let is_put = table.store.put(&endpoint).await?;
            if is_put {
                table.caller.run.check(table.audit.put(&endpoint));
            }
            Ok(is_put)
        })
        .await
    }

    async fn remove(&self, endpoint: &Endpoint) -> Result<()> {
        let endpoint = endpoint.clone();
        self.ask("remove webhook", move |table| async move { table.store.remove(&endpoint).await }).await
    }

    async fn removed(&self, id: &str) -> Result<Option<Endpoint>> {
        let id = id.to_owned();
        self.ask("get removed webhook", move |table| async move { table.store.removed(&id).await }).await
    }

    async fn put_place(&self, place: &Place) -> Result<bool> {
        let place = place.clone();
        self.ask("put place", move |table| async move {
            let is_put = table.store.put_place(&place).await?;
            if is_put {
                table.audit.looked(&place.cursor);
            }
            Ok(is_put)
        })
        .await
    }
}

impl Deliveries for WebhookTable {
    async fn record(&self, endpoint: &str, delivery: &Delivery, was_waiting: bool) -> Result<()> {
        let (endpoint, delivery) = (endpoint.to_owned(), delivery.clone());
        self.ask("record delivery", move |table| async move {
            if table.caller.run.lacks(WEBHOOK_NOTE) && delivery.next_at.is_some() {
                return Ok(());
            }
            table.caller.run.check(table.audit.noted(&endpoint, &delivery));
            table.store.record(&endpoint, &delivery, was_waiting).await
        })
        .await
    }

    async fn waiting(&self, endpoint: &str) -> Result<Vec<Delivery>> {
        let endpoint = endpoint.to_owned();
        self.ask("query waiting", move |table| async move { table.store.waiting(&endpoint).await }).await
    }

    async fn ended(&self, endpoint: &str, before: Option<&str>, most: usize) -> Result<Vec<Delivery>> {
        let (endpoint, before) = (endpoint.to_owned(), before.map(str::to_owned));
        let effect = move |table: Self| async move { table.store.ended(&endpoint, before.as_deref(), most).await };
        self.ask("query ended", effect).await
    }
}

/// Receivers of the partners.
#[derive(Clone)]
pub(super) struct ReceiverPort {
    pub(super) caller: Caller,
    pub(super) partners: Rc<Partners>,
    pub(super) audit: Rc<Audit>,
}

impl Receivers for ReceiverPort {
    async fn post(&self, url: &str, _: &[(&'static str, String)], body: &str) -> Result<Answer, Unanswered> {
        let (port, url, body) = (self.clone(), url.to_owned(), body.to_owned());
        let effect = move || async move {
            let (run, now) = (&port.caller.run, port.caller.run.executor.now());
            let answer = port.partners.answer(&url, now);
            let is_taken = answer.is_some_and(|status| (200..300).contains(&status));
            run.check(port.audit.received(&url, &body, now, is_taken));
            answer
        };
        match self.caller.call("receiver", "post", effect).await {
            Ok(Some(status)) => Ok(Answer { status, beginning: String::new() }),
            Ok(None) => {
                self.caller.sleep(ANSWERS_WITHIN).await;
                Err(Unanswered::TooSlow)
            }
            Err(Lost::Refused) => Err(Unanswered::Unreachable),
            Err(Lost::Unknown) => Err(Unanswered::TooSlow),
        }
    }
}

/// Mails to the owners.
#[derive(Clone)]
pub(super) struct MailPort {
    pub(super) caller: Caller,
    pub(super) audit: Rc<Audit>,
}

impl Mailer for MailPort {
    async fn send(&self, recipient: &Email, _: &Mail) -> Result<(), MailError> {
        let (audit, owner) = (Rc::clone(&self.audit), recipient.to_string());
        let sent = self.caller.call("mail", "tell owner", move || async move { audit.told(&owner) }).await;
        sent.map_err(|lost| MailError::Other(lost.into()))
    }
}

/// Invocations of the sender, which nobody waits for.
#[derive(Clone)]
pub(super) struct WorkerPort {
    pub(super) caller: Caller,
    /// Begins an invocation for an endpoint.
    pub(super) begin: Rc<dyn Fn(String)>,
}

impl Workers for WorkerPort {
    async fn start(&self, endpoint: &str) -> Result<()> {
        let (begin, endpoint) = (Rc::clone(&self.begin), endpoint.to_owned());
        let effect = move || async move {
            begin(endpoint);
            Ok(())
        };
        self.caller.ask("lambda", "invoke sender", effect).await
    }
}
