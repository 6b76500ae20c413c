use std::cell::Cell;

use lambda_http::http::{self, Method};
use lambda_http::{Body, Request, RequestExt};
use onewrite::access::{Access, KeySets, NoKeySets};
use onewrite::memory::MemoryIssuer;
use onewrite::personal::Keys;
use onewrite::webhook::{Loopback, Secrets};

use super::*;
use crate::api::WebhooksApi;
use crate::domain::{BOTH_SIGN_FOR, Delivery, MAX_PREVIOUS};
use crate::port::{Place, Roster};

impl Stage {
    fn ask_with<K: KeySets>(
        &self,
        access: Access<K>,
        token: Option<&str>,
        (method, path): (Method, &str),
        body: Option<&Value>,
    ) -> (u16, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut request = http::Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = body.map_or(Body::Empty, |body| Body::Text(body.to_string()));
        let request: Request = request.body(body).unwrap().with_raw_http_path(path);
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let pairs = pairs.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
        let request = request.with_query_string_parameters(pairs.collect::<std::collections::HashMap<_, _>>());
        let log = (&self.log, SHARDS);
        let api =
            WebhooksApi::new(log, &self.store, &self.receivers, &self.keys, &self.world, access, Loopback::Refused);
        let response = block_on(api.answer(&request));
        (response.status().as_u16(), serde_json::from_slice(response.body().as_ref()).unwrap())
    }

    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.ask_with(Access::<NoKeySets>::open(), None, (method, path), body)
    }

    fn told(&self, method: Method, path: &str, body: Option<&Value>, status: u16) -> Value {
        let (answered, told) = self.ask(method, path, body);
        assert_eq!(answered, status, "{path}: {told}");
        told
    }
}

fn new() -> Value {
    json!({ "url": "https://partner.example/hook", "match": payments(), "description": "mine" })
}

#[test]
fn a_webhook_is_made_shown_changed_and_deleted() {
    let stage = Stage::new();
    stage.tell(0);
    let made = stage.told(Method::POST, "/webhooks", Some(&new()), 201);
    let path = format!("/webhooks/{}", made["id"].as_str().unwrap());
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"), "{made}");
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("secret");
    assert_eq!(stage.told(Method::GET, &path, None, 200), shown, "the secret is shown once");
    assert_eq!(stage.told(Method::GET, "/webhooks", None, 200), json!({ "webhooks": [shown] }));
    (1..30).for_each(|number| stage.tell(number));
    stage.minutes(2);
    let numbers = || stage.receivers.posts().iter().map(number_of).collect::<Vec<_>>();
    assert_eq!(numbers().len(), 9, "what was before it is none of its");
    let off = stage.told(Method::PATCH, &path, Some(&json!({ "enabled": false })), 200);
    assert_eq!((&off["enabled"], &off["disabled"]["reason"]), (&json!(false), &json!("byOwner")));
    (30..40).for_each(|number| stage.tell(number));
    stage.minutes(2);
    assert_eq!(numbers().len(), 9);
    let on = json!({ "enabled": true, "url": "https://other.example/", "match": null });
    let on = stage.told(Method::PATCH, &path, Some(&on), 200);
    assert_eq!((&on["enabled"], on.get("match"), on.get("disabled")), (&json!(true), None, None));
    stage.minutes(3);
    assert_eq!(numbers()[9..], [30, 33, 36, 39], "what it has missed, by the condition of its time");
    stage.tell(40);
    stage.minutes(2);
    assert_eq!(numbers()[13..], [40]);
    assert!(stage.receivers.posts()[9..].iter().all(|post| post.url == "https://other.example/"));
    let page = stage.told(Method::GET, &format!("{path}/deliveries"), None, 200);
    let deliveries = page["deliveries"].as_array().unwrap();
    assert_eq!((deliveries.len(), page.get("next")), (14, None));
    assert_eq!((&deliveries[0]["eventId"], &deliveries[0]["status"]), (&json!("e-000040"), &json!(200)));
    assert_eq!(stage.keys.owners().len(), 1);
    stage.receivers.refuse("e-000041");
    stage.tell(41);
    stage.minute();
    let id = made["id"].as_str().unwrap();
    assert_eq!(block_on(stage.store.waiting(id)).unwrap().len(), 1);
    stage.told(Method::DELETE, &path, None, 200);
    for (method, path) in
        [(Method::GET, path.clone()), (Method::DELETE, path.clone()), (Method::POST, format!("{path}/rotate"))]
    {
        stage.told(method, &path, None, 404);
    }
    assert_eq!(stage.told(Method::GET, "/webhooks", None, 200), json!({ "webhooks": [] }));
    stage.world.pass(CLEARED_AFTER);
    stage.minute();
    assert_eq!(block_on(stage.store.waiting(id)).unwrap(), [], "what waits goes with it");
    assert_eq!(block_on(stage.store.get(id)).unwrap(), None);
    stage.told(Method::GET, &path, None, 404);
    stage.told(Method::GET, "/webhooks/-", None, 404);
    assert!(stage.keys.owners().is_empty(), "nobody can open its secret");
}

#[test]
fn each_fault_of_a_request_is_told_with_its_place() {
    let stage = Stage::new();
    let id = stage.told(Method::POST, "/webhooks", Some(&new()), 201)["id"].as_str().unwrap().to_owned();
    let path = |rest: &str| format!("/webhooks/{id}{rest}");
    for (method, path, body, places) in [
        (Method::POST, "/webhooks".to_owned(), json!({}), vec!["/url"]),
        (Method::POST, "/webhooks".to_owned(), json!([]), vec![""]),
        (
            Method::POST,
            "/webhooks".to_owned(),
            json!({ "url": "http://partner.example/", "match": { "type": [] }, "description": "", "inOrder": 1 }),
            vec!["/url", "/match/type", "/description", "/inOrder"],
        ),
        (
            Method::PATCH,
            path(""),
            json!({ "url": "https://10.0.0.1/", "match": 7, "enabled": "no" }),
            vec!["/url", "/match", "/enabled"],
        ),
        (Method::PATCH, path(""), json!({ "url": "https://localhost:1/", "match": {} }), vec!["/match"]),
        (
            Method::PATCH,
            path(""),
            json!({ "match": { "type": vec!["x".repeat(100); 50] }, "url": "http://partner.example/" }),
            vec!["/url", "/match"],
        ),
        (Method::POST, path("/resend"), json!({ "after": "yesterday" }), vec!["/after"]),
        (Method::POST, path("/resend"), json!({}), vec!["/after"]),
    ] {
        let told = stage.told(method, &path, Some(&body), 422);
        let found: Vec<&str> =
            told["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(found, places, "{body}: {told}");
    }
    stage.told(Method::GET, &path("/deliveries?before=%0A\n"), None, 400);
    stage.told(Method::GET, &path("/secret"), None, 404);
    stage.told(Method::PUT, &path(""), None, 404);
    for _ in 1..20 {
        stage.told(Method::POST, "/webhooks", Some(&new()), 201);
    }
    stage.told(Method::POST, "/webhooks", Some(&new()), 409);
}

#[test]
fn it_is_tested_rotated_and_sent_again() {
    let stage = Stage::new();
    let made = stage.told(Method::POST, "/webhooks", Some(&new()), 201);
    let path = |rest: &str| format!("/webhooks/{}{rest}", made["id"].as_str().unwrap());
    let tested = stage.told(Method::POST, &path("/test"), None, 200);
    assert_eq!(
        (&tested["type"], &tested["state"], &tested["status"]),
        (&json!("WebhookTested"), &json!("delivered"), &json!(200))
    );
    stage.receivers.answer("https://partner.example/hook", [Err(Unanswered::NotPublic), Ok(200)]);
    let tested = stage.told(Method::POST, &path("/test"), None, 200);
    assert_eq!((&tested["state"], &tested["answer"]), (&json!("failed"), &json!("its address is not public")));
    let rotated = stage.told(Method::POST, &path("/rotate"), None, 200);
    assert_ne!(rotated["secret"], made["secret"]);
    stage.told(Method::POST, &path("/test"), None, 200);
    let post = stage.receivers.posts().pop().unwrap();
    assert_eq!(post.headers[2].1.split(' ').count(), 2);
    assert!(rotated["previousSecretUntil"].is_string(), "{rotated}");
    let page = stage.told(Method::GET, &path("/deliveries"), None, 200);
    assert_eq!(page["deliveries"].as_array().unwrap().len(), 3);
    (0..9).for_each(|number| stage.tell(number));
    stage.minutes(2);
    stage.told(Method::POST, &path("/resend"), Some(&json!({ "after": made["cursor"] })), 202);
    stage.minutes(2);
    assert_eq!(stage.receivers.posts().len(), 3 + 3 + 3);
}

/// Tells that a receiver that knows that secret, and no other, takes what was posted last.
fn is_taken_with(stage: &Stage, secret: &Value) -> bool {
    let post = stage.receivers.posts().pop().unwrap();
    let [(_, id), (_, seconds), (_, signatures)] = post.headers.as_slice() else { panic!("{post:?}") };
    let at = Time::from_millis(seconds.parse::<i64>().unwrap() * 1_000);
    let secret = Secret::new(secret.as_str().unwrap()).unwrap();
    let [.., (_, expected)] = Secrets::new(secret, None).headers(id, at, &post.body);
    signatures.split(' ').any(|signature| signature == expected)
}

#[test]
fn a_secret_signs_for_a_day_though_it_is_rotated_again_meanwhile() {
    let stage = Stage::new();
    let made = stage.told(Method::POST, "/webhooks", Some(&new()), 201);
    let path = |rest: &str| format!("/webhooks/{}{rest}", made["id"].as_str().unwrap());
    let rotate = || stage.told(Method::POST, &path("/rotate"), None, 200);
    let taken_with = |secrets: [&Value; 3]| {
        stage.told(Method::POST, &path("/test"), None, 200);
        secrets.map(|secret| is_taken_with(&stage, secret))
    };
    // Its answer is lost, so that it is asked for again.
    let (first, rotated_at) = (rotate(), stage.world.now());
    stage.world.pass(Duration::from_hours(1));
    let second = rotate();
    let secrets = [&made["secret"], &first["secret"], &second["secret"]];
    assert_eq!(taken_with(secrets), [true, true, true]);
    let pass_to = |after: Duration| {
        let left = stage.world.now().until(rotated_at.after(after));
        stage.world.pass(left);
    };
    pass_to(BOTH_SIGN_FOR.saturating_sub(Duration::from_secs(1)));
    assert_eq!(taken_with(secrets), [true, true, true]);
    pass_to(BOTH_SIGN_FOR);
    assert_eq!(taken_with(secrets), [false, true, true], "a day after the first rotation");
    let shown = stage.told(Method::GET, &path(""), None, 200);
    assert_eq!(shown["previousSecretUntil"], second["previousSecretUntil"]);
    pass_to(BOTH_SIGN_FOR + Duration::from_hours(1));
    assert_eq!(taken_with(secrets), [false, false, true], "a day after the second");
    assert_eq!(stage.told(Method::GET, &path(""), None, 200).get("previousSecretUntil"), None);
}

#[test]
fn to_be_sent_again_what_has_not_happened_yet_is_to_get_it_once_it_does() {
    for after in ["999", "999-999-999-999", "0.99999", "1.99999-1.99999-1.99999"] {
        let stage = Stage::new();
        let all = json!({ "url": "https://partner.example/hook" });
        let made = stage.told(Method::POST, "/webhooks", Some(&all), 201);
        stage.minutes(2);
        let path = format!("/webhooks/{}/resend", made["id"].as_str().unwrap());
        stage.told(Method::POST, &path, Some(&json!({ "after": after })), 202);
        (0..30).for_each(|number| stage.tell(number));
        stage.endpoint("second", None, false);
        stage.minutes(2);
        (30..60).for_each(|number| stage.tell(number));
        stage.minutes(3);
        let posts = stage.receivers.posts();
        let of_first: BTreeSet<usize> =
            posts.iter().filter(|post| post.url == "https://partner.example/hook").map(number_of).collect();
        assert_eq!(of_first, (0..60).collect(), "{after}");
        stage.all_is_done("second", 30..60);
    }
}

#[test]
fn it_belongs_to_who_has_made_it_and_needs_the_scope() {
    let stage = Stage::new();
    let issuer = MemoryIssuer::new("1");
    let ask = |subject: &str, scopes: &str, method: Method, path: &str, body: Option<&Value>| {
        let token = issuer.token(subject, scopes);
        stage.ask_with(issuer.access(), Some(&token), (method, path), body)
    };
    let (status, made) = ask("ada", "webhooks", Method::POST, "/webhooks", Some(&new()));
    assert_eq!(status, 201, "{made}");
    let path = |rest: &str| format!("/webhooks/{}{rest}", made["id"].as_str().unwrap());
    let (on, off, after) = (json!({ "enabled": true }), json!({ "enabled": false }), json!({ "after": "0" }));
    // Method, path, body; then the answers to the owner with the scope, with another, with none, and to somebody else.
    for (method, rest, body, expected) in [
        (Method::GET, "", None, [200, 403, 403, 404]),
        (Method::PATCH, "", Some(&off), [200, 403, 403, 404]),
        (Method::PATCH, "", Some(&on), [200, 403, 403, 404]),
        (Method::GET, "/deliveries", None, [200, 403, 403, 404]),
        (Method::POST, "/test", None, [200, 403, 403, 404]),
        (Method::POST, "/rotate", None, [200, 403, 403, 404]),
        (Method::POST, "/resend", Some(&after), [202, 403, 403, 404]),
    ] {
        let callers = [("ada", "webhooks"), ("ada", "events:read"), ("ada", ""), ("eve", "webhooks")];
        let answered = callers.map(|(subject, scopes)| ask(subject, scopes, method.clone(), &path(rest), body).0);
        assert_eq!(answered, expected, "{method} {rest}");
    }
    assert_eq!(ask("ada", "events:read", Method::POST, "/webhooks", Some(&new())).0, 403);
    assert_eq!(ask("eve", "webhooks", Method::GET, "/webhooks", None).1, json!({ "webhooks": [] }));
    assert_eq!(ask("eve", "webhooks", Method::DELETE, &path(""), None).0, 404);
    assert_eq!(ask("ada", "webhooks", Method::DELETE, &path(""), None).0, 200);
}

#[test]
fn an_operator_sees_switches_and_deletes_any_and_is_on_record() {
    let stage = Stage::new();
    let issuer = MemoryIssuer::new("1");
    let ask = |who: &str, method: Method, path: &str, body: Option<&Value>| {
        let scopes = ["operations", "webhooks"][usize::from(who == "ada")];
        stage.ask_with(issuer.access(), Some(&issuer.token(who, scopes)), (method, path), body)
    };
    let (_, made) = ask("ada", Method::POST, "/webhooks", Some(&new()));
    let path = format!("/webhooks/{}", made["id"].as_str().unwrap());
    let (on, off) = (json!({ "enabled": true }), json!({ "enabled": false }));
    assert_eq!(ask("ada", Method::GET, "/webhooks?all=true", None).0, 403);
    assert_eq!(ask("ops", Method::GET, "/webhooks", None).0, 403, "they have none of their own");
    assert_eq!(ask("ops", Method::GET, "/webhooks?all=perhaps", None).0, 400);
    let listed = ask("ops", Method::GET, "/webhooks?all=true", None).1;
    let webhook = &listed["webhooks"][0];
    assert_eq!((&webhook["id"], &webhook["owner"], webhook.get("secret")), (&made["id"], &json!("ada"), None));
    assert_eq!(ask("ops", Method::GET, &path, None).1, *webhook);
    assert_eq!(ask("ops", Method::GET, &format!("{path}/deliveries"), None).0, 200);
    for rest in ["/test", "/rotate", "/resend"] {
        assert_eq!(ask("ops", Method::POST, &format!("{path}{rest}"), Some(&json!({ "after": "0" }))).0, 403, "{rest}");
    }
    for more in
        [json!({ "url": "https://ops.example/" }), json!({ "match": null }), json!({ "contact": "ops@shop.example" })]
    {
        assert_eq!(ask("ops", Method::PATCH, &path, Some(&more)).0, 403, "{more}");
    }
    let disabled = ask("ops", Method::PATCH, &path, Some(&off)).1;
    assert_eq!((&disabled["disabled"]["byOperator"], &disabled["operator"]["by"]), (&json!(true), &json!("ops")));
    assert_eq!(ask("ada", Method::PATCH, &path, Some(&on)).0, 409);
    assert_eq!(ask("ada", Method::PATCH, &path, Some(&off)).1["disabled"]["byOperator"], true);
    let of_owner = ask("ada", Method::GET, &path, None).1;
    assert!(of_owner.get("operator").is_none() && of_owner.get("owner").is_none(), "{of_owner}");
    let enabled = ask("ops", Method::PATCH, &path, Some(&on)).1;
    assert_eq!((&enabled["enabled"], &enabled["operator"]["what"]), (&json!(true), &json!("enabled")));
    let by_owner = ask("ada", Method::PATCH, &path, Some(&off)).1;
    assert_eq!((&by_owner["disabled"]["reason"], by_owner["disabled"].get("byOperator")), (&json!("byOwner"), None));
    assert_eq!(ask("ops", Method::PATCH, &path, Some(&off)).1["disabled"]["byOperator"], true, "the last word");
    assert_eq!(ask("ops", Method::DELETE, &path, None).0, 200);
    assert_eq!(ask("ada", Method::GET, &path, None).0, 404);
    assert_eq!(ask("ops", Method::GET, &path, None).0, 404);
    let deleted = format!("{path}?deleted=true");
    for _ in 0..2 {
        assert_eq!(ask("ada", Method::GET, &deleted, None).0, 403);
        let shown = ask("ops", Method::GET, &deleted, None).1;
        let by = (&shown["deleted"]["by"], &shown["operator"]["what"], &shown["owner"]);
        assert_eq!(by, (&json!("ops"), &json!("deleted"), &json!("ada")), "{shown}");
        stage.world.pass(CLEARED_AFTER);
        stage.minute();
    }
    assert!(stage.keys.owners().is_empty());
    assert_eq!(ask("ops", Method::GET, "/webhooks/-", None).0, 404);
    assert_eq!(ask("ops", Method::GET, "/webhooks/-?deleted=true", None).0, 404);
    assert_eq!(ask("ops", Method::GET, "/webhooks/whk_x?deleted=true", None).0, 404);
    assert_eq!(ask("ops", Method::GET, "/webhooks/whk_x", None).0, 404);
}

#[test]
fn an_address_is_kept_sealed_and_can_be_changed_and_taken_back() {
    let stage = Stage::new();
    let mut with_contact = new();
    with_contact["contact"] = json!("ada@partner.example");
    let made = stage.told(Method::POST, "/webhooks", Some(&with_contact), 201);
    assert!(made["hasContact"] == true && !made.to_string().contains("ada@"), "{made}");
    let (id, path) = (made["id"].as_str().unwrap(), format!("/webhooks/{}", made["id"].as_str().unwrap()));
    let stored = || format!("{:?} {}", stage.found(id), serde_json::to_string(&stage.found(id)).unwrap());
    assert!(!stored().contains("partner.example\"") && !stored().contains("ada"), "{}", stored());
    let faults = stage.told(Method::PATCH, &path, Some(&json!({ "contact": "nobody" })), 422);
    assert_eq!(faults["errors"][0]["pointer"], "/contact");
    let before = stage.found(id).contact;
    stage.told(Method::PATCH, &path, Some(&json!({ "contact": "eve@partner.example" })), 200);
    assert_ne!(stage.found(id).contact, before);
    stage.told(Method::PATCH, &path, Some(&json!({ "enabled": true })), 200);
    assert!(stage.found(id).contact.is_some(), "what is not named stays");
    let without = stage.told(Method::PATCH, &path, Some(&json!({ "contact": null })), 200);
    assert_eq!((without.get("hasContact"), stage.found(id).contact), (None, None));
}

#[test]
fn events_are_sent_again_for_one_request_at_a_time() {
    let stage = Stage::new();
    let made = stage.told(Method::POST, "/webhooks", Some(&json!({ "url": "https://partner.example/hook" })), 201);
    let path = |rest: &str| format!("/webhooks/{}{rest}", made["id"].as_str().unwrap());
    (0..120).for_each(|number| stage.tell(number));
    stage.minutes(3);
    let after = json!({ "after": "0" });
    let begun = stage.told(Method::POST, &path("/resend"), Some(&after), 202);
    assert_eq!(begun["resending"], true);
    stage.told(Method::POST, &path("/resend"), Some(&after), 409);
    assert_eq!(stage.receivers.posts().len(), 120);
    // Whatever happens meanwhile: it ends where the feed ended then.
    (120..240).for_each(|number| stage.tell(number));
    stage.minutes(4);
    assert!(stage.told(Method::GET, &path(""), None, 200).get("resending").is_none());
    assert_eq!(stage.receivers.posts().len(), 120 + 240);
    stage.told(Method::POST, &path("/resend"), Some(&after), 202);
    stage.told(Method::PATCH, &path(""), Some(&json!({ "enabled": false })), 200);
    stage.told(Method::POST, &path("/resend"), Some(&after), 202);
}

#[test]
fn each_event_is_held_against_the_condition_of_its_time() {
    for is_asleep in [true, false] {
        let stage = Stage::new();
        let made = stage.told(Method::POST, "/webhooks", Some(&new()), 201);
        let path = format!("/webhooks/{}", made["id"].as_str().unwrap());
        let change = |body: Value| stage.told(Method::PATCH, &path, Some(&body), 200);
        stage.minutes(2);
        if !is_asleep {
            change(json!({ "enabled": false }));
        }
        // None of them is a payment.
        for number in [1, 2, 4, 5, 7] {
            stage.tell(number);
        }
        stage.minutes(2);
        stage.tell(9);
        let shipments = json!({ "match": { "type": ["ShipmentCreated"] } });
        change(shipments.clone());
        change(shipments);
        for number in [10, 12, 13] {
            stage.tell(number);
        }
        change(json!({ "match": null, "url": "https://other.example/" }));
        for number in [14, 15] {
            stage.tell(number);
        }
        change(json!({ "enabled": true }));
        stage.minutes(3);
        let posted: BTreeSet<usize> = stage.receivers.posts().iter().map(number_of).collect();
        assert_eq!(posted, BTreeSet::from([9, 10, 13, 14, 15]), "asleep: {is_asleep}");
        assert_eq!(stage.found(made["id"].as_str().unwrap()).earlier, [], "what it has behind it is forgotten");
        for number in 16..60 {
            stage.tell(number);
        }
        change(json!({ "enabled": false }));
        let (mut changes, mut status) = (0, 200);
        while status == 200 {
            stage.tell(100 + changes);
            changes += 1;
            let named = json!({ "match": { "data": { "number": [changes] } } });
            status = stage.ask(Method::PATCH, &path, Some(&named)).0;
        }
        assert_eq!((status, changes), (409, 6));
    }
}

#[test]
fn a_public_key_is_shown_and_its_private_key_to_nobody() {
    let stage = Stage::new();
    let with = |signing: &str| json!({ "url": "https://partner.example/hook", "signing": signing });
    assert_eq!(stage.told(Method::POST, "/webhooks", Some(&with("rsa")), 422)["errors"][0]["pointer"], "/signing");
    let made = stage.told(Method::POST, "/webhooks", Some(&with("hmac")), 201);
    assert!(made["secret"].is_string() && made.get("publicKey").is_none(), "{made}");
    let made = stage.told(Method::POST, "/webhooks", Some(&with("ed25519")), 201);
    assert!(made.get("secret").is_none() && made["publicKey"].as_str().unwrap().starts_with("whpk_"), "{made}");
    let path = |rest: &str| format!("/webhooks/{}{rest}", made["id"].as_str().unwrap());
    assert_eq!(stage.told(Method::GET, &path(""), None, 200), made, "it is no secret");
    let signatures = || {
        stage.told(Method::POST, &path("/test"), None, 200);
        let post = stage.receivers.posts().pop().unwrap();
        post.headers[2]
            .1
            .split(' ')
            .map(|signature| signature.split(',').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(signatures(), ["v1a"]);
    let rotated = stage.told(Method::POST, &path("/rotate"), None, 200);
    assert!(rotated.get("secret").is_none() && rotated["publicKey"] != made["publicKey"], "{rotated}");
    assert_eq!(signatures(), ["v1a", "v1a"]);
    for _ in 0..9 {
        stage.told(Method::POST, &path("/rotate"), None, 200);
    }
    assert_eq!(signatures(), ["v1a"; 1 + MAX_PREVIOUS]);
    assert!(stage.receivers.posts().pop().unwrap().headers[2].1.len() < 600, "servers take headers of some kilobytes");
}

#[test]
fn whoever_makes_and_deletes_webhooks_has_no_more_of_them_and_no_more_mails_sent() {
    let stage = Stage::new();
    stage.receivers.answer("https://partner.example/hook", [Ok(410)]);
    let new = json!({ "url": "https://partner.example/hook", "contact": "victim@elsewhere.example" });
    let mut made = 0;
    for number in 0..60 {
        let (status, webhook) = stage.ask(Method::POST, "/webhooks", Some(&new));
        stage.tell(number);
        stage.minute();
        if status == 201 {
            made += 1;
            stage.told(Method::DELETE, &format!("/webhooks/{}", webhook["id"].as_str().unwrap()), None, 200);
        }
    }
    assert_eq!((made, stage.mailer.sent().len()), (20, 10));
    stage.world.pass(CLEARED_AFTER);
    stage.minute();
    assert_eq!(block_on(stage.store.roster()).unwrap().endpoints, [], "nothing is left of them");
    stage.told(Method::POST, "/webhooks", Some(&new), 201);
}

#[test]
fn the_webhooks_of_all_are_listed_by_pages() {
    let stage = Stage::new();
    for number in 0..250 {
        stage.endpoint(&format!("whk_{number:03}"), None, false);
    }
    stage.change("whk_100", |endpoint, now| endpoint.delete(None, now));
    let (mut listed, mut sizes, mut path) = (Vec::new(), Vec::new(), "/webhooks?all=true".to_owned());
    loop {
        let page = stage.told(Method::GET, &path, None, 200);
        let webhooks = page["webhooks"].as_array().unwrap();
        sizes.push(webhooks.len());
        listed.extend(webhooks.iter().map(|webhook| webhook["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/webhooks?all=true&after={next}");
    }
    let expected: Vec<String> =
        (0..250).filter(|number| *number != 100).map(|number| format!("whk_{number:03}")).collect();
    assert_eq!((listed, sizes), (expected, vec![100, 100, 49]));
}

#[test]
fn an_act_of_an_operator_is_on_record_where_it_has_changed_something() {
    let stage = Stage::new();
    let issuer = MemoryIssuer::new("1");
    let ask = |who: &str, scopes: &str, method: Method, path: &str, body: Option<&Value>| {
        stage.ask_with(issuer.access(), Some(&issuer.token(who, scopes)), (method, path), body)
    };
    let new = json!({ "url": "https://partner.example/hook?token=secret" });
    let (_, made) = ask("ada", "webhooks", Method::POST, "/webhooks", Some(&new));
    let path = format!("/webhooks/{}", made["id"].as_str().unwrap());
    let (on, off) = (json!({ "enabled": true }), json!({ "enabled": false }));
    let change = |who: &str, scopes: &str, body: &Value| {
        assert_eq!(ask(who, scopes, Method::PATCH, &path, Some(body)).0, 200);
        let act = ask("ops", "operations", Method::GET, &path, None).1["operator"].clone();
        stage.world.pass(Duration::from_secs(1));
        (act["by"].as_str().map(str::to_owned), act["what"].as_str().map(str::to_owned))
    };
    let act = |by: &str, what: &str| (Some(by.to_owned()), Some(what.to_owned()));
    assert_eq!(change("ops", "operations", &on), (None, None), "it is on already");
    assert_eq!(change("ops", "operations", &off), act("ops", "disabled"));
    assert_eq!(change("other", "operations", &off), act("ops", "disabled"), "it is off already");
    for rest in ["/test", "/resend"] {
        let body = json!({ "after": "0" });
        assert_eq!(ask("ada", "webhooks", Method::POST, &format!("{path}{rest}"), Some(&body)).0, 409, "{rest}");
    }
    assert_eq!(stage.receivers.posts(), [], "nothing is posted to it");
    assert_eq!(change("ada", "webhooks operations", &on), act("ada", "enabled"), "what an operator has done");
    assert_eq!(change("ada", "webhooks operations", &off), act("ada", "enabled"), "her own");
    assert_eq!(change("ada", "webhooks operations", &on), act("ada", "enabled"));
    // The query of the URL may be a secret.
    assert_eq!(ask("ada", "webhooks", Method::GET, &path, None).1["url"], new["url"]);
    let plain = "https://partner.example/hook";
    assert_eq!(ask("ops", "operations", Method::GET, &path, None).1["url"], plain);
    assert_eq!(ask("ops", "operations", Method::GET, "/webhooks?all=true", None).1["webhooks"][0]["url"], plain);
    assert_eq!(ask("ada", "webhooks", Method::DELETE, &path, None).1["url"], new["url"]);
    assert_eq!(stage.found(made["id"].as_str().unwrap()).url, plain);
}

/// Store whose answer to the next change is lost, so that it is made again and refused; or that takes none.
struct Forgetful<'a>(&'a MemoryWebhooks, Cell<Option<Loss>>);

/// Loss of a change.
enum Loss {
    Answer,
    Change,
}

impl Deliveries for Forgetful<'_> {
    async fn record(&self, endpoint: &str, delivery: &Delivery, was_waiting: bool) -> Result<()> {
        self.0.record(endpoint, delivery, was_waiting).await
    }

    async fn waiting(&self, endpoint: &str) -> Result<Vec<Delivery>> {
        self.0.waiting(endpoint).await
    }

    async fn ended(&self, endpoint: &str, before: Option<&str>, most: usize) -> Result<Vec<Delivery>> {
        self.0.ended(endpoint, before, most).await
    }
}

impl Endpoints for Forgetful<'_> {
    async fn roster(&self) -> Result<Roster> {
        self.0.roster().await
    }

    async fn get(&self, id: &str) -> Result<Option<Endpoint>> {
        self.0.get(id).await
    }

    async fn put(&self, endpoint: &Endpoint) -> Result<bool> {
        match self.1.take() {
            Some(Loss::Change) => Err(Failure::transient("the store takes nothing")),
            Some(Loss::Answer) => self.0.put(endpoint).await.map(|_| false),
            None => self.0.put(endpoint).await,
        }
    }

    async fn remove(&self, endpoint: &Endpoint) -> Result<()> {
        self.0.remove(endpoint).await
    }

    async fn removed(&self, id: &str) -> Result<Option<Endpoint>> {
        self.0.removed(id).await
    }

    async fn put_place(&self, place: &Place) -> Result<bool> {
        self.0.put_place(place).await
    }
}

impl Stage {
    /// The API on a store that loses something of the next change.
    fn ask_losing(&self, loss: Loss, method: Method, path: &str, body: &Value) -> u16 {
        let request = http::Request::builder().method(method).uri(path);
        let request: Request = request.body(Body::Text(body.to_string())).unwrap().with_raw_http_path(path);
        let (log, access) = ((&self.log, SHARDS), Access::<NoKeySets>::open());
        let store = Forgetful(&self.store, Cell::new(Some(loss)));
        let api = WebhooksApi::new(log, store, &self.receivers, &self.keys, &self.world, access, Loopback::Refused);
        block_on(api.answer(&request)).status().as_u16()
    }
}

#[test]
fn a_change_whose_answer_is_lost_is_made_once_and_answered() {
    let stage = Stage::new();
    stage.endpoint("whk_1", None, false);
    let after = json!({ "after": "0" });
    for (method, path, body, status) in [
        (Method::POST, "/webhooks/whk_1/resend", &after, 202),
        (Method::PATCH, "/webhooks/whk_1", &json!({ "enabled": false }), 200),
        (Method::DELETE, "/webhooks/whk_1", &Value::Null, 200),
    ] {
        let before = stage.found("whk_1").revision;
        assert_eq!(stage.ask_losing(Loss::Answer, method, path, body), status, "{path}");
        assert_eq!(stage.found("whk_1").revision, before + 1, "{path}");
    }
    assert_eq!(stage.ask_losing(Loss::Answer, Method::POST, "/webhooks", &new()), 201);
    assert_eq!(stage.ask_losing(Loss::Answer, Method::DELETE, "/webhooks/whk_1", &Value::Null), 404, "it was before");
}

#[test]
fn a_webhook_that_may_still_be_made_keeps_its_key() {
    let stage = Stage::new();
    let new = json!({ "url": "https://partner.example/hook", "contact": "ada@partner.example" });
    assert_eq!(stage.ask_losing(Loss::Change, Method::POST, "/webhooks", &new), 503);
    assert_eq!(stage.keys.owners().len(), 1, "the write may be late");
}

#[test]
fn one_whose_key_is_lost_is_left_alone_and_goes_on_once_its_secret_is_rotated() {
    let stage = Stage::new();
    let new = json!({ "url": "https://partner.example/hook", "contact": "ada@partner.example" });
    let made = stage.told(Method::POST, "/webhooks", Some(&new), 201);
    let id = made["id"].as_str().unwrap();
    let path = format!("/webhooks/{id}");
    stage.minutes(2);
    block_on(stage.keys.erase(id)).unwrap();
    stage.world.pass(Duration::from_mins(2));
    let mut worked = 0;
    for number in 0..20 {
        // Whatever happens in the shop.
        stage.tell(number);
        assert_eq!(stage.dispatch(&free()), Some(Ok(())));
        for name in stage.workers.take() {
            worked += 1;
            assert!(stage.send(&name, &free()).unwrap().is_err());
        }
        stage.world.pass(Duration::from_mins(1));
    }
    assert_eq!(worked, 5, "not at each dispatch");
    let shown = stage.told(Method::GET, &path, None, 200);
    assert!(shown["unableSince"].is_string() && shown["hasContact"] == true, "{shown}");
    let rotated = stage.told(Method::POST, &format!("{path}/rotate"), None, 200);
    assert_eq!((rotated.get("unableSince"), rotated.get("hasContact")), (None, None), "its address is lost as well");
    stage.minutes(2);
    assert_eq!(stage.receivers.posts().len(), 20, "nothing is missed");
}
