//! Events, pushed to others: verified by libraries that nobody here has written, and to receivers that mean no good.

use std::collections::{BTreeSet, HashMap};
use std::process::Stdio;

use orderflow_local::{Api, Reply};
use orderflow_tests::{
    Answering, Channel, FULFILLED, Gap, Message, PATIENCE, Receiver, Shop, eventually, node_packages, order,
};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

const SCOPES: &str = "webhooks";

/// Partner with webhooks.
struct Partner {
    api: Api,
}

impl Partner {
    fn of(shop: &Shop, name: &str) -> Self {
        Self { api: shop.api_as(name, SCOPES) }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let mut request = self.api.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Reply::to(request).await.expect("an answer")
    }

    async fn told(&self, method: Method, path: &str, body: Option<Value>, status: u16) -> Value {
        let reply = self.ask(method, path, body).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.body);
        reply.body
    }

    /// A webhook to that receiver: its path, and its secret.
    async fn webhook(&self, receiver: &Receiver, more: Value) -> (String, String) {
        let mut new = json!({ "url": receiver.url() });
        new.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let made = self.told(Method::POST, "/webhooks", Some(new), 201).await;
        (format!("/webhooks/{}", text(&made["id"])), text(&made["secret"]))
    }

    async fn deliveries(&self, webhook: &str) -> Vec<Value> {
        let page = self.told(Method::GET, &format!("{webhook}/deliveries"), None, 200).await;
        page["deliveries"].as_array().unwrap().clone()
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

async fn ready() -> Receiver {
    Receiver::that(|_| Answering::Status(204, "")).await
}

/// Types of the events of an order that a receiver has got, each once.
fn types_of(receiver: &Receiver, order: &str) -> BTreeSet<String> {
    let events = receiver.messages().iter().map(Message::event).collect::<Vec<_>>();
    events.iter().filter(|event| event["subject"] == order).map(|event| text(&event["type"])).collect()
}

/// Waits until a receiver has got events of those types about an order, and lets the dispatch look, not at the next minute.
async fn got(shop: &Shop, receiver: &Receiver, order: &str, types: &[&str]) {
    eventually("the events are pushed", async || {
        let got = types_of(receiver, order);
        if types.iter().all(|kind| got.contains(*kind)) {
            return Ok(());
        }
        shop.run_clock("WebhooksFunctionName").await;
        Err(json!(got))
    })
    .await;
}

/// Has the libraries of three languages verify the messages.
async fn verify(shop: &Shop, messages: &[Value]) {
    // That of Rust knows no public keys.
    for message in messages.iter().filter(|message| text(&message["secret"]).starts_with("whsec_")) {
        let headers: HashMap<String, String> = serde_json::from_value(message["headers"].clone()).expect("headers");
        let headers = HeaderMap::try_from(&headers).expect("headers");
        let webhook = Webhook::new(&text(&message["secret"])).expect("a secret");
        let verified = webhook.verify(text(&message["body"]).as_bytes(), &headers);
        assert_eq!(json!(verified.is_ok()), message["genuine"], "{message}: {verified:?}");
    }
    let mut python = shop.python().await;
    python.arg("webhooks/verify.py");
    let mut programs = vec![python];
    if let Some(packages) = node_packages() {
        let mut node = Command::new("node");
        node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/webhooks/verify.mjs")).arg(packages).kill_on_drop(true);
        programs.push(node);
    }
    for mut program in programs {
        let mut running = program.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut input = running.stdin.take().expect("an input");
        input.write_all(json!(messages).to_string().as_bytes()).await.expect("it reads");
        drop(input);
        let output = timeout(PATIENCE, running.wait_with_output()).await.expect("it ends").expect("an output");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

pub(crate) async fn a_partner_gets_what_it_wants_signed_and_again_if_it_was_down(shop: &Shop) {
    if shop.emulator.lacks(Gap::Receivers) {
        return;
    }
    shop.stock("webhooks", 10).await;
    let partner = Partner::of(shop, "partner");
    let all = ready().await;
    let (webhook, secret) = partner.webhook(&all, json!({ "inOrder": true })).await;
    let shipments = Receiver::that(|number| Answering::Status(if number == 0 { 503 } else { 200 }, "")).await;
    let pattern = json!({ "match": { "type": ["ShipmentCreated"], "data": { "carrier": [{ "exists": true }] } } });
    let (of_shipments, _) = partner.webhook(&shipments, pattern).await;
    let start = text(&partner.told(Method::GET, &webhook, None, 200).await["cursor"]);
    let id = shop.order(&order("webhooks", 1, "pm_card_visa")).await;
    got(shop, &all, &id, &FULFILLED).await;
    // The one that was down at first.
    got(shop, &shipments, &id, &["ShipmentCreated"]).await;
    let only: BTreeSet<String> = shipments.messages().iter().map(|message| text(&message.event()["type"])).collect();
    assert_eq!(only, BTreeSet::from(["ShipmentCreated".to_owned()]));
    eventually("what was refused at first is taken", async || {
        shop.run_clock("WebhooksFunctionName").await;
        let deliveries = partner.deliveries(&of_shipments).await;
        let again = deliveries.iter().any(|it| it["state"] == "delivered" && it["attempts"].as_u64() > Some(1));
        if again { Ok(()) } else { Err(json!(deliveries)) }
    })
    .await;
    // It is as it was published, names nobody, and counts.
    let of_order = |message: &&Message| message.event()["subject"] == *id;
    let messages: Vec<Message> = all.messages().iter().filter(of_order).cloned().collect();
    let journal = shop.journal(&id).await;
    assert!(
        messages.iter().all(|message| journal.contains(&message.event()) && message.event()["sequence"].is_string())
    );
    // Verified by others, and forgeries found.
    let mut to_verify: Vec<Value> = messages.iter().map(|message| message.to_verify(&secret, true)).collect();
    let mut forged = messages[0].clone();
    forged.body = forged.body.replacen("orderflow", "evilflow", 1);
    to_verify.push(forged.to_verify(&secret, false));
    let before = all.messages().len();
    let tested = partner.told(Method::POST, &format!("{webhook}/test"), None, 200).await;
    assert_eq!((&tested["state"], &tested["status"]), (&json!("delivered"), &json!(204)), "{tested}");
    let test = all.messages()[before..].iter().find(|it| it.event()["type"] == "WebhookTested").cloned().unwrap();
    to_verify.push(test.to_verify(&secret, true));
    // For a day, both secrets.
    let rotated = partner.told(Method::POST, &format!("{webhook}/rotate"), None, 200).await;
    let before = all.messages().len();
    partner.told(Method::POST, &format!("{webhook}/test"), None, 200).await;
    let test = all.messages()[before..].iter().find(|it| it.event()["type"] == "WebhookTested").cloned().unwrap();
    let stranger = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    to_verify.extend([
        test.to_verify(&secret, true),
        test.to_verify(&text(&rotated["secret"]), true),
        test.to_verify(stranger, false),
    ]);
    to_verify.extend(of_public_keys(&partner).await);
    verify(shop, &to_verify).await;
    // Anything again, under the same id.
    let ids = |messages: &[Message]| {
        let of_order = messages.iter().filter(|it| it.event()["subject"] == *id);
        of_order.map(|it| it.headers["webhook-id"].clone()).collect::<Vec<_>>()
    };
    let before = all.messages().len();
    partner.told(Method::POST, &format!("{webhook}/resend"), Some(json!({ "after": start })), 202).await;
    eventually("it is sent again", async || {
        shop.run_clock("WebhooksFunctionName").await;
        let again: BTreeSet<String> = ids(&all.messages()[before..]).into_iter().collect();
        let first: BTreeSet<String> = ids(&messages).into_iter().collect();
        if first.is_subset(&again) { Ok(()) } else { Err(json!(again)) }
    })
    .await;
    let listed = partner.deliveries(&webhook).await;
    assert!(listed.iter().any(|it| it["type"] == "WebhookTested" && it["status"] == 204), "{listed:?}");
    for path in [&webhook, &of_shipments] {
        partner.told(Method::DELETE, path, None, 200).await;
        partner.told(Method::GET, path, None, 404).await;
    }
}

/// Messages that are signed by Ed25519, before, during and after a rotation, and forgeries.
async fn of_public_keys(partner: &Partner) -> Vec<Value> {
    let receiver = ready().await;
    let new = json!({ "url": receiver.url(), "signing": "ed25519" });
    let made = partner.told(Method::POST, "/webhooks", Some(new), 201).await;
    assert!(made.get("secret").is_none(), "{made}");
    let (webhook, first) = (format!("/webhooks/{}", text(&made["id"])), text(&made["publicKey"]));
    let test = async || {
        partner.told(Method::POST, &format!("{webhook}/test"), None, 200).await;
        let messages = receiver.messages();
        messages.into_iter().rfind(|it| it.event()["type"] == "WebhookTested").expect("it is posted")
    };
    let before = test().await;
    let rotated = partner.told(Method::POST, &format!("{webhook}/rotate"), None, 200).await;
    let (second, during) = (text(&rotated["publicKey"]), test().await);
    let mut forged = during.clone();
    forged.body = forged.body.replacen("orderflow", "evilflow", 1);
    partner.told(Method::DELETE, &webhook, None, 200).await;
    vec![
        before.to_verify(&first, true),
        before.to_verify(&second, false),
        during.to_verify(&first, true),
        during.to_verify(&second, true),
        forged.to_verify(&second, false),
    ]
}

pub(crate) async fn webhooks_are_their_owners_and_go_nowhere_inside(shop: &Shop) {
    if shop.emulator.lacks(Gap::Receivers) {
        return;
    }
    let (partner, other) = (Partner::of(shop, "owner"), Partner::of(shop, "another"));
    let receiver = ready().await;
    let (webhook, secret) = partner.webhook(&receiver, json!({ "description": "mine" })).await;
    for (method, path, body) in [
        (Method::GET, webhook.clone(), None),
        (Method::PATCH, webhook.clone(), Some(json!({ "enabled": false }))),
        (Method::DELETE, webhook.clone(), None),
        (Method::GET, format!("{webhook}/deliveries"), None),
        (Method::POST, format!("{webhook}/test"), None),
        (Method::POST, format!("{webhook}/rotate"), None),
        (Method::POST, format!("{webhook}/resend"), Some(json!({ "after": "0" }))),
    ] {
        other.told(method, &path, body, 404).await;
    }
    let owners = async |partner: &Partner| {
        let list = partner.told(Method::GET, "/webhooks", None, 200).await;
        list["webhooks"].as_array().unwrap().len()
    };
    assert_eq!((owners(&partner).await, owners(&other).await), (1, 0));
    let shown = partner.told(Method::GET, &webhook, None, 200).await;
    assert!(!shown.to_string().contains("whsec_"), "{shown}");
    for (subject, scopes) in [("owner", ""), ("owner", "events:read")] {
        let partner = Partner { api: shop.api_as(subject, scopes) };
        partner.told(Method::POST, "/webhooks", Some(json!({ "url": receiver.url() })), 403).await;
    }
    let partner = &partner;
    for url in [
        "http://partner.example/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:169.254.169.254]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://0xa9fea9fe/",
        "https://2852039166/",
        "https://0251.0376.0251.0376/",
        "https://10.1/",
        "https://192.168.0.1/",
        "https://[fd00::1]/",
        "https://[64:ff9b::10.0.0.1]/",
        "https://user:word@partner.example/",
        "ftp://partner.example/",
        "file:///etc/passwd",
        "partner",
    ] {
        let new = json!({ "url": url, "match": { "type": "all" } });
        let refused = partner.told(Method::POST, "/webhooks", Some(new), 422).await;
        let places: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|it| it["pointer"].clone()).collect();
        assert_eq!(places, ["/url", "/match/type"], "{url}: {refused}");
    }
    // The table has no secret.
    for item in shop.scan(shop.output("WebhooksTableName")).await {
        let item = format!("{item:?}");
        assert!(!item.contains(&secret) && !item.contains("whsec_"), "{item}");
    }
    partner.told(Method::DELETE, &webhook, None, 200).await;
}

pub(crate) async fn receivers_that_mean_no_good_hold_up_nobody(shop: &Shop) {
    if shop.emulator.lacks(Gap::Receivers) {
        return;
    }
    shop.stock("hostile", 10).await;
    let partner = Partner::of(shop, "hostile");
    let inner = ready().await;
    let location: &'static str = format!("location: {}\r\n", inner.url()).leak();
    let moved = Receiver::that(move |_| Answering::Status(307, location)).await;
    let silent = Receiver::that(|_| Answering::Never).await;
    let slow = Receiver::that(|_| Answering::Slowly).await;
    let endless = Receiver::that(|_| Answering::Endlessly).await;
    let good = ready().await;
    let mut webhooks = Vec::new();
    for receiver in [&moved, &silent, &slow, &endless, &good] {
        webhooks.push(
            partner.webhook(receiver, json!({ "match": { "type": ["OrderCreated", "InventoryReserved"] } })).await.0,
        );
    }
    let id = shop.order(&order("hostile", 1, "pm_card_visa")).await;
    got(shop, &good, &id, &["OrderCreated", "InventoryReserved"]).await;
    let expected = [Some(json!(307)), None, None, Some(json!(500))];
    for (webhook, status) in webhooks.iter().zip(expected) {
        eventually("each was tried", async || {
            shop.run_clock("WebhooksFunctionName").await;
            let deliveries = partner.deliveries(webhook).await;
            let tried = deliveries.iter().find(|it| it["attempts"].as_u64() > Some(0));
            let Some(tried) = tried else { return Err(json!(deliveries)) };
            assert_eq!((tried.get("status"), &tried["state"]), (status.as_ref(), &json!("waiting")), "{tried}");
            assert!(tried["answer"].as_str().is_none_or(|answer| answer.len() <= 2_048), "{tried}");
            Ok(())
        })
        .await;
    }
    assert!(inner.messages().is_empty(), "no redirect is followed");
    for webhook in &webhooks {
        partner.told(Method::DELETE, webhook, None, 200).await;
    }
}

pub(crate) async fn the_owner_of_a_webhook_that_is_gone_is_told_once_and_an_operator_sees_to_it(shop: &Shop) {
    if shop.emulator.lacks(Gap::Receivers) {
        return;
    }
    shop.stock("outage", 10).await;
    let partner = Partner::of(shop, "outage");
    let gone = Receiver::that(|_| Answering::Status(410, "")).await;
    let contact = json!({ "contact": "owner.of.the.webhook@partner.example", "match": { "type": ["OrderCreated"] } });
    let (webhook, _) = partner.webhook(&gone, contact).await;
    let id = webhook.trim_start_matches("/webhooks/").to_owned();
    let order = shop.order(&order("outage", 1, "pm_card_visa")).await;
    shop.wait_for_types(&order, &FULFILLED).await;
    let mails = async || shop.messages(Channel::Email, &id).await;
    eventually("the owner is told", async || {
        shop.run_clock("WebhooksFunctionName").await;
        let told = mails().await;
        if told.is_empty() { Err(json!(shop.log_of("webhooks-send").await)) } else { Ok(()) }
    })
    .await;
    let shown = partner.told(Method::GET, &webhook, None, 200).await;
    assert_eq!((&shown["disabled"]["reason"], &shown["hasContact"]), (&json!("gone"), &json!(true)), "{shown}");
    // Its texts, and its subject: all of one mail.
    let told = mails().await;
    for _ in 0..3 {
        shop.run_clock("WebhooksFunctionName").await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    assert_eq!(mails().await, told, "once for the outage");
    assert!(told.iter().any(|text| text.contains("410 Gone") && text.contains("/hook")), "{told:?}");
    for item in shop.scan(shop.output("WebhooksTableName")).await {
        assert!(!format!("{item:?}").contains("owner.of.the.webhook"), "nobody is in a row in clear: {item:?}");
    }
    // An operator.
    let operator = Partner { api: shop.api_as("operator", "operations") };
    let all = operator.told(Method::GET, "/webhooks?all=true", None, 200).await;
    let listed = all["webhooks"].as_array().unwrap().iter().find(|it| it["id"] == *id).cloned().expect("it is listed");
    assert_eq!(listed["owner"], "outage");
    operator.told(Method::PATCH, &webhook, Some(json!({ "enabled": false })), 200).await;
    partner.told(Method::PATCH, &webhook, Some(json!({ "enabled": true })), 409).await;
    partner.told(Method::POST, &format!("{webhook}/test"), None, 409).await;
    operator.told(Method::POST, &format!("{webhook}/test"), None, 403).await;
    operator.told(Method::DELETE, &webhook, None, 200).await;
    partner.told(Method::GET, &webhook, None, 404).await;
    let deleted = operator.told(Method::GET, &format!("{webhook}?deleted=true"), None, 200).await;
    assert_eq!((&deleted["operator"]["by"], &deleted["operator"]["what"]), (&json!("operator"), &json!("deleted")));
}
