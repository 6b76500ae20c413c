//! Endpoints and deliveries in a table of DynamoDB, receivers over HTTP, and workers that are invocations of a function.

use std::collections::HashMap;
use std::sync::OnceLock;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use onewrite::aws::{Functions, SdkConfig, WebhookClient, classify, put_if};
use onewrite::config::Environment;
use onewrite::envelope::parse;
use onewrite::webhook::{Answer, Loopback, Target, Unanswered};
use onewrite::{Failure, Result};
use orderflow_events::Email;
use orderflow_notification::{ConfigurationSet, SesMailer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tracing::error;

use crate::domain::{Delivery, Endpoint};
use crate::port::{Deliveries, Endpoints, Place, Receivers, Roster, Workers};

/// Partition of all endpoints, and of the place before them.
const ENDPOINTS: &str = "endpoints";

/// Partition of the endpoints that are removed.
const REMOVED: &str = "removed";

/// Sort key of the place, before those of the endpoints.
const PLACE: &str = "#place";

/// Time that a delivery is kept for once its event is that old, in seconds: 30 days.
const KEPT_SECONDS: i64 = 30 * 86_400;

type Item = HashMap<String, AttributeValue>;

/// Endpoints and deliveries in a table. `record` has each as JSON; an endpoint has its `revision` besides, and a delivery
/// that has ended, and an endpoint that is removed, the time after which the table forgets it.
#[derive(Clone, Debug)]
pub struct DynamoWebhooks {
    client: Client,
    table: String,
}

impl DynamoWebhooks {
    /// Endpoints and deliveries in that table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Puts the next revision of a record, if that is the one on record.
    async fn put_next(&self, sk: &str, revision: u64, record: &impl Serialize) -> Result<bool> {
        let put = self.client.put_item().table_name(&self.table);
        let put = put.item("pk", text(ENDPOINTS)).item("sk", text(sk));
        let put = put.item("revision", number(revision + 1)).item("record", text(&written(record)?));
        if revision == 0 {
            return put_if(put.condition_expression("attribute_not_exists(pk)")).await;
        }
        let put = put.condition_expression("revision = :read");
        put_if(put.expression_attribute_values(":read", number(revision))).await
    }

    async fn endpoint(&self, partition: &str, id: &str) -> Result<Option<Endpoint>> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let get = get.key("pk", text(partition)).key("sk", text(id));
        let found = Box::pin(get.send()).await.map_err(|error| classify("GetItem", &error))?.item;
        let endpoint = |item: Item| Ok(Endpoint { revision: revision_of(&item)?, ..read(&item)? });
        found.map(endpoint).transpose()
    }

    fn query(&self, partition: &str) -> QueryFluentBuilder {
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", text(partition))
    }

    async fn all(&self, partition: &str) -> Result<Vec<Item>> {
        let pages = self.query(partition).into_paginator().items().send();
        pages.try_collect().await.map_err(|error| classify("Query", &error))
    }

    async fn delete(&self, pk: &str, sk: &str) -> Result<()> {
        let delete = self.client.delete_item().table_name(&self.table).key("pk", text(pk)).key("sk", text(sk));
        Box::pin(delete.send()).await.map(drop).map_err(|error| classify("DeleteItem", &error))
    }
}

impl Endpoints for DynamoWebhooks {
    async fn roster(&self) -> Result<Roster> {
        let mut roster = Roster::default();
        for item in self.all(ENDPOINTS).await? {
            if item.get("sk") == Some(&text(PLACE)) {
                roster.place = Some(Place { revision: revision_of(&item)?, ..read(&item)? });
            } else {
                let endpoint = || Ok::<_, Failure>(Endpoint { revision: revision_of(&item)?, ..read(&item)? });
                match endpoint() {
                    Ok(endpoint) => roster.endpoints.push(endpoint),
                    // The others get theirs nevertheless.
                    Err(failure) => {
                        error!(endpoint = ?item.get("sk"), reason = failure.reason(), "a webhook is passed over");
                    }
                }
            }
        }
        Ok(roster)
    }

    async fn get(&self, id: &str) -> Result<Option<Endpoint>> {
        self.endpoint(ENDPOINTS, id).await
    }

    async fn put(&self, endpoint: &Endpoint) -> Result<bool> {
        self.put_next(&endpoint.id, endpoint.revision, endpoint).await
    }

    /// The endpoint goes last: until then it can be removed again.
    async fn remove(&self, endpoint: &Endpoint) -> Result<()> {
        let partition = waiting(&endpoint.id);
        for item in self.all(&partition).await? {
            if let Some(Ok(event)) = item.get("sk").map(AttributeValue::as_s) {
                self.delete(&partition, event).await?;
            }
        }
        let put = self.client.put_item().table_name(&self.table);
        let put = put.item("pk", text(REMOVED)).item("sk", text(&endpoint.id));
        let put = put.item("revision", number(endpoint.revision)).item("record", text(&written(endpoint)?));
        // As long as what was posted to it.
        let since = endpoint.deleted.as_ref().map_or(endpoint.created_at, |(at, _)| *at);
        let put = put.item("expiresAt", number(since.as_millis() / 1_000 + KEPT_SECONDS));
        Box::pin(put.send()).await.map_err(|error| classify("PutItem", &error))?;
        self.delete(ENDPOINTS, &endpoint.id).await
    }

    async fn removed(&self, id: &str) -> Result<Option<Endpoint>> {
        self.endpoint(REMOVED, id).await
    }

    async fn put_place(&self, place: &Place) -> Result<bool> {
        self.put_next(PLACE, place.revision, place).await
    }
}

impl Deliveries for DynamoWebhooks {
    async fn record(&self, endpoint: &str, delivery: &Delivery, was_waiting: bool) -> Result<()> {
        let is_waiting = delivery.next_at.is_some();
        let partition = if is_waiting { waiting(endpoint) } else { ended(endpoint) };
        let put = self.client.put_item().table_name(&self.table);
        let put = put.item("pk", text(&partition)).item("sk", text(&delivery.event_id));
        let mut put = put.item("record", text(&written(delivery)?));
        // What waits is not forgotten, however long its endpoint is disabled.
        if !is_waiting {
            put = put.item("expiresAt", number(delivery.first_at.as_millis() / 1_000 + KEPT_SECONDS));
        }
        Box::pin(put.send()).await.map_err(|error| classify("PutItem", &error))?;
        if was_waiting && !is_waiting {
            self.delete(&waiting(endpoint), &delivery.event_id).await?;
        }
        Ok(())
    }

    async fn waiting(&self, endpoint: &str) -> Result<Vec<Delivery>> {
        let items = self.all(&waiting(endpoint)).await?;
        let mut deliveries: Vec<Delivery> = items.iter().map(read).collect::<Result<_>>()?;
        deliveries.sort_by_key(|delivery| delivery.place);
        Ok(deliveries)
    }

    async fn ended(&self, endpoint: &str, before: Option<&str>, most: usize) -> Result<Vec<Delivery>> {
        let partition = ended(endpoint);
        let query = match before {
            None => self.query(&partition),
            Some(before) => {
                let query = self.query(&partition).key_condition_expression("pk = :pk AND sk < :before");
                query.expression_attribute_values(":before", text(before))
            }
        };
        let query = query.scan_index_forward(false).limit(i32::try_from(most).unwrap_or(i32::MAX));
        let answer = Box::pin(query.send()).await.map_err(|error| classify("Query", &error))?;
        answer.items().iter().map(read).collect()
    }
}

fn waiting(endpoint: &str) -> String {
    format!("waiting#{endpoint}")
}

fn ended(endpoint: &str) -> String {
    format!("ended#{endpoint}")
}

fn written(record: &impl Serialize) -> Result<String> {
    serde_json::to_string(record).map_err(|error| Failure::permanent(error.to_string()))
}

fn read<T: DeserializeOwned>(item: &Item) -> Result<T> {
    let record = item.get("record").and_then(|record| record.as_s().ok());
    let record = record.and_then(|record| serde_json::from_str(record).ok());
    record.ok_or_else(|| Failure::permanent("a record of the webhooks is not understood"))
}

fn revision_of(item: &Item) -> Result<u64> {
    let revision = item.get("revision").and_then(|revision| revision.as_n().ok()?.parse().ok());
    revision.ok_or_else(|| Failure::permanent("a record of the webhooks has no revision"))
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
}

/// The rule for this machine's own addresses, by the variable `WEBHOOK_LOOPBACK`: `allowed` or `refused`.
pub fn loopback_of(environment: &mut Environment) -> Option<Loopback> {
    match environment.text("WEBHOOK_LOOPBACK")?.as_str() {
        "allowed" => Some(Loopback::Allowed),
        "refused" => Some(Loopback::Refused),
        _ => environment.fault("WEBHOOK_LOOPBACK must be allowed or refused"),
    }
}

/// Mails to owners, by the variables `SENDER_EMAIL` and `CONFIGURATION_SET`.
pub fn mailer_of(environment: &mut Environment, config: &SdkConfig) -> Option<SesMailer> {
    let (sender, set) = (environment.text("SENDER_EMAIL"), environment.optional("CONFIGURATION_SET"));
    let sender = sender.and_then(|sender| match Email::new(sender) {
        Ok(sender) => Some(sender),
        Err(rule) => environment.fault(format!("SENDER_EMAIL {rule}")),
    });
    let set = match parse::<ConfigurationSet>(&json!(set.unwrap_or_default())) {
        Ok(set) => Some(set),
        Err(rule) => environment.fault(format!("CONFIGURATION_SET {rule}")),
    };
    Some(SesMailer::new(config, sender?, set?))
}

/// Receivers over HTTP. To read the roots of trust of this machine takes three times what all else of an init does, so a client that
/// seldom posts is made once it does.
#[derive(Debug)]
pub struct HttpReceivers {
    client: OnceLock<WebhookClient>,
    loopback: Loopback,
}

impl HttpReceivers {
    /// Receivers by that rule, whose client is made with the first post.
    #[must_use]
    pub fn new(loopback: Loopback) -> Self {
        Self { client: OnceLock::new(), loopback }
    }

    /// Receivers by that rule, whose client is there already.
    ///
    /// # Errors
    ///
    /// The trust store cannot be built.
    pub fn ready(loopback: Loopback) -> Result<Self, lambda_runtime::Error> {
        Ok(Self { client: WebhookClient::new(loopback)?.into(), loopback })
    }

    fn client(&self) -> Result<&WebhookClient, Unanswered> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = WebhookClient::new(self.loopback).map_err(|error| {
            error!(%error, "there is no client for receivers");
            Unanswered::Unreachable
        })?;
        Ok(self.client.get_or_init(|| client))
    }
}

impl Receivers for HttpReceivers {
    /// The rule for URLs is looked at here, too: it may have become narrower since somebody has named one.
    async fn post(&self, url: &str, headers: &[(&'static str, String)], body: &str) -> Result<Answer, Unanswered> {
        let target = Target::new(url, self.loopback).map_err(|_| Unanswered::NotPublic)?;
        Box::pin(self.client()?.post(&target, headers, body)).await
    }
}

/// Workers that are invocations of a function, which nobody waits for.
#[derive(Debug)]
pub struct LambdaWorkers {
    functions: Functions,
    function: String,
}

impl LambdaWorkers {
    /// Invocations of that function.
    pub fn new(config: &SdkConfig, function: impl Into<String>) -> Self {
        Self { functions: Functions::new(config), function: function.into() }
    }
}

impl Workers for LambdaWorkers {
    async fn start(&self, endpoint: &str) -> Result<()> {
        let started = self.functions.start(&self.function, &json!({ "endpoint": endpoint })).await;
        started.map_err(|error| classify("Invoke", &error))
    }
}
