//! Guests: orders without a token, and links that let in whoever has them.

use std::time::{Duration, SystemTime};

use onewrite::link::{Link, LinkKeys};
use orderflow_events::{OrderId, Time, guest_of};
use orderflow_local::{Api, Reply};
use orderflow_tests::{Channel, Shop, answered, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::order;

const DAY_MS: i64 = 86_400_000;

/// Text that no log may have: it begins as every link to an order does.
const ACCESS: &str = "access=";

/// Link by a key that there is not.
const UNKNOWN_KEY: &str = "1.AAAAAAAA.1.1.AA";

/// Lock of the keys of links: whoever makes new ones makes all links worthless that were made before.
pub(crate) static LINKS: Mutex<()> = Mutex::const_new(());

/// An order of a guest: its id, and the `access` of its link.
struct Placed {
    id: String,
    access: String,
}

/// Order of a guest, who names no `customer.id`. It takes a while to be paid, so that it can be cancelled.
fn guests_order(email: &str) -> Value {
    let mut order = order("guest", 1, "pm_sim_unavailable_3");
    order["customer"] = json!({ "email": email });
    order
}

async fn place(nobody: &Api, email: &str) -> Placed {
    let order = guests_order(email);
    let placed = answered(async || nobody.place_order(&order, Some("guest")).await).await;
    assert_eq!(placed.status, 201, "{}", placed.body);
    let id = placed.body["orderId"].as_str().expect("an id").to_owned();
    let access = access_in(placed.body["links"]["order"].as_str().expect("a link"), &id);
    Placed { id, access }
}

/// The `access` of the link to an order in a text.
fn access_in(text: &str, id: &str) -> String {
    let (_, rest) = text.split_once(&format!("/orders/{id}?{ACCESS}")).expect("a link");
    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect()
}

/// An answer by a link.
async fn ask(api: &Api, method: Method, path: &str, access: &str) -> Reply {
    let path = format!("{path}?{ACCESS}{access}");
    answered(async || Reply::to(api.request(method.clone(), &path)).await).await
}

/// The answers to reading, cancelling and revoking by a link.
async fn answers(nobody: &Api, id: &str, access: &str) -> [Reply; 3] {
    let path = format!("/orders/{id}");
    [
        ask(nobody, Method::GET, &path, access).await,
        ask(nobody, Method::POST, &format!("{path}/cancel"), access).await,
        ask(nobody, Method::DELETE, &format!("{path}/access"), access).await,
    ]
}

/// Keys of the stack, as of now.
async fn keys(shop: &Shop) -> LinkKeys {
    let secret = json!({ "SecretId": shop.output("GuestLinkSecretArn") });
    let secret = shop.ask_secrets("GetSecretValue", &secret).await;
    LinkKeys::new(secret["SecretString"].as_str().expect("a key").as_bytes(), None).expect("a key")
}

/// Makes a new key, by the commands of the runbook.
async fn rotate(shop: &Shop) {
    let length = json!({ "PasswordLength": 64, "ExcludePunctuation": true });
    let password = shop.ask_secrets("GetRandomPassword", &length).await["RandomPassword"].take();
    let secret = shop.output("GuestLinkSecretArn");
    shop.ask_secrets("PutSecretValue", &json!({ "SecretId": secret, "SecretString": password })).await;
}

#[expect(clippy::disallowed_methods, reason = "a link ends at a time of day")]
fn now() -> Time {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970");
    Time::from_millis(i64::try_from(since_1970.as_millis()).expect("a time of this age"))
}

pub(crate) async fn guests_reach_their_order_by_its_link_and_nothing_else(shop: &Shop) {
    shop.stock("guest", 100).await;
    shop.price("guest", 1990).await;
    let nobody = shop.api.clone().without_token();
    let own = place(&nobody, "guest-1@example.com").await;
    assert_eq!(answered(async || shop.api.cancel_order(&own.id).await).await.status, 202);
    let other = place(&nobody, "guest-2@example.com").await;
    let keys = keys(shop).await;
    let link = |issued_ms: i64, expires_ms: i64| {
        let [issued_at, expires_at] = [issued_ms, expires_ms].map(|ms| Time::from_millis(now().as_millis() + ms));
        keys.sign(&own.id, Link { issued_at, expires_at })
    };
    let forged = LinkKeys::new(&[7; 64], None)
        .expect("a key")
        .sign(&own.id, Link { issued_at: now(), expires_at: now().after(Duration::from_hours(1)) });
    let expired = link(-2 * DAY_MS, -DAY_MS);
    let issued_before = link(-1_000, DAY_MS);
    for (caller, id, access, expected) in [
        ("a wrong link", &own.id, "nonsense", [404; 3]),
        ("a forged link", &own.id, &forged, [404; 3]),
        ("another order's link", &own.id, &other.access, [404; 3]),
        ("a link and no order", &"ord_0".to_owned(), &own.access, [404; 3]),
        ("an expired link", &own.id, &expired, [200, 404, 404]),
        ("the right link", &own.id, &own.access, [200, 202, 200]),
        ("a revoked link", &own.id, &own.access, [404; 3]),
        ("a link from before the revocation", &own.id, &issued_before, [404; 3]),
    ] {
        let answers = answers(&nobody, id, access).await;
        assert_eq!(answers.each_ref().map(|reply| reply.status), expected, "{caller}");
        for reply in &answers {
            assert_eq!(reply.header("Cache-Control"), Some("no-store"), "{caller}");
            assert_eq!(reply.header("Referrer-Policy"), Some("no-referrer"), "{caller}");
        }
        if caller == "an expired link" {
            let mut names: Vec<&str> =
                answers[0].body.as_object().expect("an object").keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["orderId", "status", "timeline", "total"]);
        }
    }
    for (path, status) in [("/orders", 401), (&format!("/orders/{}", own.id), 401), ("/inventory/guest", 401)] {
        let (reply, mut named) = (nobody.request(Method::GET, path), guests_order("guest-1@example.com"));
        named["customer"]["id"] = json!("cus_guest");
        let reply = if path == "/orders" { nobody.request(Method::POST, path).json(&named) } else { reply };
        assert_eq!(Reply::to(reply).await.expect("an answer").status, status, "{path}");
    }
    let staff = shop.api_as("staff", "orders:any");
    assert_eq!(ask(&staff, Method::DELETE, &format!("/orders/{}/access", other.id), "").await.status, 200);
    assert_eq!(ask(&nobody, Method::GET, &format!("/orders/{}", other.id), &other.access).await.status, 404);
    let guest = guest_of(&OrderId::new(other.id.as_str()).expect("an id"));
    let impostor = shop.api_as(guest.as_str(), "");
    assert_eq!(ask(&impostor, Method::GET, &format!("/orders/{}", other.id), "").await.status, 404);
    a_link_of_a_mail_outlives_one_rotation(shop, &nobody).await;
    no_log_has_a_link(shop).await;
}

async fn a_link_of_a_mail_outlives_one_rotation(shop: &Shop, nobody: &Api) {
    let _alone = LINKS.lock().await;
    let placed = place(nobody, "guest-3@example.com").await;
    let mail = eventually("the guest has a mail with a link", async || {
        let mails = shop.messages(Channel::Email, &placed.id).await;
        mails.iter().find(|mail| mail.contains(ACCESS)).cloned().ok_or(json!(mails))
    })
    .await;
    let path = format!("/orders/{}", placed.id);
    let mailed = access_in(&mail, &placed.id);
    assert_eq!(ask(nobody, Method::GET, &path, &mailed).await.body["customer"]["email"], "guest-3@example.com");
    rotate(shop).await;
    // By a key that it does not know a function hears of the rotation.
    assert_eq!(ask(nobody, Method::GET, &path, UNKNOWN_KEY).await.status, 404);
    assert_eq!(ask(nobody, Method::GET, &path, &mailed).await.status, 200, "rotated once");
    // By the second key: a function that has not heard of the rotation signs by the first.
    let expires_at = now().after(Duration::from_hours(1));
    let second = keys(shop).await.sign(&placed.id, Link { issued_at: now(), expires_at });
    rotate(shop).await;
    eventually("what was rotated twice counts no more", async || {
        ask(nobody, Method::GET, &path, UNKNOWN_KEY).await;
        let status = ask(nobody, Method::GET, &path, &mailed).await.status;
        if status == 404 { Ok(()) } else { Err(json!(status)) }
    })
    .await;
    assert_eq!(ask(nobody, Method::GET, &path, &second).await.status, 200);
}

async fn no_log_has_a_link(shop: &Shop) {
    for function in ["orders-api", "notification"] {
        let lines = shop.log_of(function).await;
        assert!(!lines.is_empty(), "{function} has a log");
        for line in lines {
            assert!(!line.contains(ACCESS) && !line.contains(UNKNOWN_KEY), "{line}");
        }
    }
}
