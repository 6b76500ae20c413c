//! Guests: orders without a token, and links to them.

use std::collections::HashMap;
use std::time::Duration;

use onewrite::link::Links;
use onewrite::memory::MemoryLinkKeys;
use onewrite::port::Clock as _;

use super::*;

const SHOP: &str = "https://shop.example";

const SECRET: (&str, &str) = ("GUEST_LINK_SECRET", "arn");

const DAY: Duration = Duration::from_hours(24);

/// Life of a link.
const LIFETIME: Duration = Duration::from_hours(24 * 90);

/// A shop that takes guests, with an issuer for those who are none.
struct Door {
    shop: Shop,
    issuer: MemoryIssuer,
    keys: MemoryLinkKeys,
    takes_guests: bool,
}

/// A guest's order: its id, and the `access` of its link.
struct Placed {
    id: String,
    access: String,
}

impl Door {
    fn new() -> Self {
        let (issuer, keys) = (MemoryIssuer::new("1"), MemoryLinkKeys::new("a"));
        Self { shop: Shop::new(), issuer, keys, takes_guests: true }
    }

    fn links(&self) -> Links<&MemoryLinkKeys> {
        Links::new(&self.keys, LIFETIME)
    }

    fn guests(&self) -> Option<Guests<&MemoryLinkKeys>> {
        self.takes_guests.then(|| Guests::new(self.links(), SHOP))
    }

    /// A request that may call the table so often.
    fn attempt(&self, calls: u32, headers: &[(&str, &str)], (method, path): (&str, &str), body: &Value) -> Reply {
        let pace = Pace::of(calls);
        let ledger = Ledger::new(Paced { port: &*self.shop.log, pace: &pace }, &self.shop.world);
        let keys = self.shop.key_ring();
        let api = OrdersApi::new(ledger, &self.shop.prices, keys, self.issuer.access(), PERIOD);
        let api = api.with_guests(self.guests());
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let query: HashMap<String, Vec<String>> =
            pairs.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).collect();
        let request = request(method, path, headers, body.to_string()).with_query_string_parameters(query);
        reply(&api.answer(&request).now_or_never().expect("it calls the table more often"))
    }

    fn ask(&self, asks: (&str, &str), body: &Value) -> Reply {
        self.attempt(u32::MAX, &[], asks, body)
    }

    fn ask_as(&self, token: &str, asks: (&str, &str), body: &Value) -> Reply {
        self.attempt(u32::MAX, &[("Authorization", &format!("Bearer {token}"))], asks, body)
    }

    fn place_with(&self, key: &str, body: &Value) -> Reply {
        self.attempt(u32::MAX, &[("Idempotency-Key", key)], ("POST", "/orders"), body)
    }

    fn place(&self) -> Placed {
        let placed = self.ask(("POST", "/orders"), &guests_order());
        let [id, link] = ["/orderId", "/links/order"].map(|at| placed.body.pointer(at).unwrap().as_str().unwrap());
        let access = link.strip_prefix(&format!("{SHOP}/orders/{id}?access=")).unwrap();
        Placed { id: id.to_owned(), access: access.to_owned() }
    }

    /// The status of each request that a link may be for: to read, to cancel, to revoke.
    fn statuses(&self, id: &str, access: &str) -> [u16; 3] {
        requests(id).map(|(method, path)| self.ask((method, &format!("{path}?access={access}")), &Value::Null).status)
    }

    /// A link as one of a mail of now.
    fn mailed(&self, id: &str) -> String {
        let now = self.shop.world.now();
        block_on(self.links().signer(now)).unwrap().sign(id, now)
    }

    fn by(&self, id: &str) -> Vec<(String, Option<String>)> {
        let rows = block_on(self.shop.log.read(&Subject::new(id).unwrap())).unwrap();
        rows.into_iter().map(|row| (row.cause.event_type, row.cause.by)).collect()
    }
}

fn requests(id: &str) -> [(&'static str, String); 3] {
    [
        ("GET", format!("/orders/{id}")),
        ("POST", format!("/orders/{id}/cancel")),
        ("DELETE", format!("/orders/{id}/access")),
    ]
}

fn guests_order() -> Value {
    order_of(&Value::Null)
}

#[test]
fn a_guest_places_an_order_and_reaches_it_by_its_link() {
    let door = Door::new();
    let placed = door.ask(("POST", "/orders"), &guests_order());
    assert_eq!(placed.status, 201, "{}", placed.body);
    assert_eq!(placed.headers["referrer-policy"], "no-referrer");
    assert_eq!(placed.headers["cache-control"], "no-store");
    let id = placed.body["orderId"].as_str().unwrap();
    assert_eq!(placed.headers["location"], format!("/orders/{id}"));
    let link = placed.body["links"]["order"].as_str().unwrap().strip_prefix(SHOP).unwrap();
    let shown = door.ask(("GET", link), &Value::Null);
    assert_eq!((shown.status, &shown.body["orderId"]), (200, &json!(id)));
    let guest = orderflow_events::guest_of(&OrderId::new(id).unwrap()).to_string();
    assert_eq!(shown.body["customer"]["id"], guest);
    assert_eq!(shown.body["shippingAddress"], Value::Null, "nobody is shown it");
    assert_eq!(shown.headers["referrer-policy"], "no-referrer");
    let cancelled = door.ask(("POST", &link.replace('?', "/cancel?")), &Value::Null);
    assert_eq!((cancelled.status, cancelled.body), (202, json!({ "orderId": id, "status": "cancelled" })));
    assert_eq!(door.shop.published(), ["OrderCreated", "OrderCancelled"]);
    let by = ["PlaceOrder", "CancelOrder"].map(|what| (what.to_owned(), Some(guest.clone())));
    assert_eq!(door.by(id), by);
}

#[test]
fn a_guest_withdraws_by_the_link_and_sees_a_price_without_any() {
    let door = Door::new();
    let Placed { id, access } = door.place();
    let other = door.place();
    let withdraw = |access: &str| {
        let page = door.ask(("GET", &format!("/orders/{id}/withdrawal?access={access}")), &Value::Null).status;
        let receipt = door.ask(("POST", &format!("/orders/{id}/withdrawals?access={access}")), &Value::Null);
        (page, receipt.status, receipt.body["outcome"].clone())
    };
    assert_eq!(withdraw(&other.access), (404, 404, Value::Null));
    assert_eq!(withdraw(&access), (200, 202, json!("cancelled")));
    door.shop.world.pass(LIFETIME);
    assert_eq!(withdraw(&access), (404, 404, Value::Null), "it shows, and changes nothing");
    assert_eq!(door.ask(("GET", "/prices/A-1"), &Value::Null).body["unitPrice"]["amount"], 995);
    assert_eq!(door.ask(("PUT", "/prices/A-1"), &json!({})).status, 401);
}

#[test]
fn without_guests_nobody_comes_in_without_a_token() {
    let door = Door::new();
    let Placed { id, access } = door.place();
    let door = Door { takes_guests: false, ..door };
    let ask = |(method, path): (&str, &str), body: &Value| door.attempt(0, &[], (method, path), body).status;
    assert_eq!(ask(("POST", "/orders"), &guests_order()), 401);
    for (method, path) in requests(&id) {
        assert_eq!(ask((method, &format!("{path}?access={access}")), &Value::Null), 401, "{method} {path}");
    }
    let staff = format!("Bearer {}", door.issuer.token("staff", "orders:any"));
    let revoke = ("DELETE", format!("/orders/{id}/access"));
    let revoked = door.attempt(u32::MAX, &[("Authorization", &staff)], (revoke.0, &revoke.1), &Value::Null);
    assert_eq!(revoked.status, 404, "there are no links");
}

#[test]
fn nobody_is_another_by_being_a_guest() {
    let door = Door::new();
    let [ada, staff] = [("ada", ""), ("staff", "orders:any")].map(|(who, scopes)| door.issuer.token(who, scopes));
    let Placed { id, .. } = door.place();
    let guest = orderflow_events::guest_of(&OrderId::new(&*id).unwrap()).to_string();
    let place = |token: Option<&str>, customer: &str| {
        let (asks, order) = (("POST", "/orders"), order_of(&json!(customer)));
        token.map_or_else(|| door.ask(asks, &order), |token| door.ask_as(token, asks, &order)).status
    };
    assert_eq!([place(None, "ada"), place(None, &guest)], [401, 422]);
    assert_eq!([place(Some(&ada), ""), place(Some(&ada), "grace"), place(Some(&ada), &guest)], [201, 403, 422]);
    assert_eq!([place(Some(&staff), "grace"), place(Some(&staff), "gst_1")], [201, 422]);
    // An issuer that gives such a subject gives nobody the order of a guest.
    let impostor = door.issuer.token(&guest, "");
    assert_eq!(place(Some(&impostor), ""), 422);
    for (method, path) in requests(&id) {
        assert_eq!(door.ask_as(&impostor, (method, &path), &Value::Null).status, 404, "{method}");
        assert_eq!(door.ask(((method), &path), &Value::Null).status, 401, "{method} without a link");
    }
    // What is signed in is no guest's, and has no link.
    let own = door.ask_as(&ada, ("POST", "/orders"), &guests_order());
    assert_eq!((own.status, own.body.get("links")), (201, None));
    let own = own.body["orderId"].as_str().unwrap();
    assert_eq!(door.statuses(own, &door.mailed(own)), [404; 3], "nor does one that is genuine count");
    assert_eq!(door.ask_as(&ada, ("DELETE", &format!("/orders/{own}/access")), &Value::Null).status, 200);
    assert_eq!(door.by(own).len(), 1, "there is nothing to revoke");
}

#[test]
fn a_key_is_the_guests_whose_address_is_given() {
    let door = Door::new();
    let first = door.place_with("k", &guests_order());
    door.shop.world.pass(DAY);
    let again = door.place_with("k", &guests_order());
    assert_eq!((again.status, &again.body), (201, &first.body), "with the same link");
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let mut changed = guests_order();
    changed["lines"][0]["quantity"] = json!(9);
    assert_eq!(door.place_with("k", &changed).status, 422);
    let mut other = guests_order();
    other["customer"]["email"] = json!("grace@example.com");
    let other = door.place_with("k", &other);
    assert_eq!((other.status, other.body["orderId"] == first.body["orderId"]), (201, false));
    // Neither takes the other's, whatever their id is.
    let email = guests_order()["customer"]["email"].as_str().unwrap().to_owned();
    for subject in ["guest", &email, "k"] {
        let token = format!("Bearer {}", door.issuer.token(subject, "orders:any"));
        let headers = [("Authorization", token.as_str()), ("Idempotency-Key", "k")];
        let signed_in = door.attempt(u32::MAX, &headers, ("POST", "/orders"), &guests_order());
        assert_eq!((signed_in.status, signed_in.body["orderId"] == first.body["orderId"]), (201, false), "{subject}");
    }
}

#[test]
fn a_link_is_for_one_order_until_its_time_is_over() {
    let door = Door::new();
    let [own, other] = [door.place(), door.place()];
    assert_eq!(door.statuses(&own.id, &other.access), [404; 3]);
    door.shop.world.pass(LIFETIME.saturating_sub(Duration::from_millis(1)));
    let read = format!("/orders/{}?access={}", own.id, own.access);
    assert_eq!(door.ask(("GET", &read), &Value::Null).body["customer"]["email"], guests_order()["customer"]["email"]);
    door.shop.world.pass(Duration::from_millis(1));
    assert_eq!(door.statuses(&own.id, &own.access), [200, 404, 404]);
    let late = door.ask(("GET", &read), &Value::Null);
    assert_eq!(late.headers["content-type"], "application/vnd.orderflow.redacted+json");
    let mut names: Vec<&str> = late.body.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["orderId", "status", "timeline", "total"]);
    for at in ["/customer/email", "/shippingAddress/name", "/shippingAddress/line1", "/paymentMethod", "/lines/0/sku"] {
        let personal = guests_order().pointer(at).unwrap().as_str().unwrap().to_owned();
        assert!(!late.body.to_string().contains(&personal), "{at}: {}", late.body);
    }
    assert_eq!(door.shop.published(), ["OrderCreated"; 2]);
    // A mail of now has one that counts.
    assert_eq!(door.statuses(&own.id, &door.mailed(&own.id)), [200, 202, 200]);
}

#[test]
fn a_wrong_link_and_a_missing_order_are_alike_and_nothing_is_read_for_either() {
    let door = Door::new();
    let Placed { id, access } = door.place();
    let forged = Links::new(MemoryLinkKeys::new("b"), LIFETIME);
    let forged = block_on(forged.signer(door.shop.world.now())).unwrap().sign(&id, door.shop.world.now());
    let (rest, last) = access.split_at(access.len() - 1);
    let tampered = format!("{rest}{}", if last == "A" { "E" } else { "A" });
    for wrong in ["", "nonsense", "1.2.3.4.5", &tampered, &forged, &access.replace("1.", "2.")] {
        for (of_this, of_none) in requests(&id).iter().zip(requests("ord_0")) {
            let ask = |(method, path): &(&str, String)| {
                door.attempt(0, &[], (method, &format!("{path}?access={wrong}")), &Value::Null)
            };
            let (present, missing) = (ask(of_this), ask(&of_none));
            assert_eq!(present.status, 404, "{wrong} {of_this:?}: {}", present.body);
            assert_eq!((&present.body, &present.headers), (&missing.body, &missing.headers), "{wrong}");
            let staff = door.ask_as(&door.issuer.token("staff", "orders:any"), (of_none.0, &of_none.1), &Value::Null);
            assert_eq!((staff.status, &staff.body, &staff.headers), (404, &missing.body, &missing.headers), "{wrong}");
            assert_eq!(present.headers["referrer-policy"], "no-referrer");
            assert_eq!(present.headers["cache-control"], "no-store");
        }
    }
    assert_eq!(door.ask(("GET", "/orders/a%20b?access=x"), &Value::Null).status, 404);
    let later = [requests(&id), requests("ord_0")].map(|requests| {
        door.shop.world.pass(LIFETIME);
        door.attempt(0, &[], (requests[1].0, &format!("{}?access={access}", requests[1].1)), &Value::Null)
    });
    assert_eq!((later[0].status, &later[0].body), (404, &later[1].body), "one that has expired changes nothing");
}

#[test]
fn a_token_goes_before_a_link() {
    let door = Door::new();
    let Placed { id, access } = door.place();
    let read = format!("/orders/{id}?access={access}");
    let forged = MemoryIssuer::new("1").token("ada", "orders:any");
    for (token, status) in [
        (forged.as_str(), 401),
        ("", 401),
        (&door.issuer.token("grace", ""), 404),
        (&door.issuer.token("staff", "orders:any"), 200),
    ] {
        assert_eq!(door.ask_as(token, ("GET", &read), &Value::Null).status, status, "{token}");
    }
    let basic = door.attempt(0, &[("Authorization", "Basic YTpi")], ("GET", &read), &Value::Null);
    assert_eq!(basic.status, 401);
    for (method, path) in [("PUT", format!("/orders/{id}")), ("GET", "/inventory/A-1".to_owned())] {
        let status = door.attempt(0, &[], (method, &format!("{path}?access={access}")), &Value::Null);
        assert!([401, 404].contains(&status.status), "{method} {path}: it is for nothing else");
    }
    assert_eq!(door.attempt(0, &[], ("POST", &format!("/orders?access={access}")), &json!({})).status, 422);
}

#[test]
fn links_of_before_a_revocation_count_no_more() {
    let door = Door::new();
    let staff = door.issuer.token("staff", "orders:any");
    for by_holder in [true, false] {
        let Placed { id, access } = door.place();
        let other = door.place();
        door.shop.world.pass(DAY);
        let mailed = door.mailed(&id);
        assert_eq!(door.ask(("GET", &format!("/orders/{id}?access={mailed}")), &Value::Null).status, 200);
        let (revoke, body) = (format!("/orders/{id}/access"), json!({ "orderId": id, "status": "created" }));
        let revoked = if by_holder {
            door.ask(("DELETE", &format!("{revoke}?access={access}")), &Value::Null)
        } else {
            door.ask_as(&staff, ("DELETE", &revoke), &Value::Null)
        };
        assert_eq!((revoked.status, revoked.body), (200, body));
        for link in [&access, &mailed] {
            assert_eq!(door.statuses(&id, link), [404; 3]);
        }
        assert_eq!(door.statuses(&other.id, &other.access), [200, 202, 200], "another's do");
        door.shop.world.pass(LIFETIME);
        assert_eq!(door.statuses(&id, &access), [404; 3], "nor does one show what it may that has expired");
        assert_eq!(door.statuses(&id, &door.mailed(&id)), [200, 202, 200], "a mail of later has one that does");
        let by = door.by(&id).remove(1);
        assert_eq!((by.0.as_str(), by.1.as_deref() == Some("staff")), ("RevokeLinks", !by_holder));
    }
}

#[test]
fn a_link_outlives_a_rotation_and_not_a_second_one() {
    let door = Door::new();
    let Placed { id, access } = door.place();
    door.keys.rotate();
    assert_eq!(door.ask(("GET", &format!("/orders/{id}?access={access}")), &Value::Null).status, 200);
    door.keys.rotate();
    assert_eq!(door.statuses(&id, &access), [404; 3]);
    assert_eq!(door.statuses(&id, &door.mailed(&id)), [200, 202, 200]);
}

#[test]
fn without_keys_no_guest_orders_and_nobody_else_notices() {
    let door = Door::new();
    let Placed { id, access } = door.place();
    door.keys.set_down(true);
    let before = (door.keys.fetches(), door.shop.log.len());
    let staff = door.issuer.token("staff", "orders:any");
    assert_eq!(door.ask_as(&staff, ("POST", "/orders"), &order_of(&json!("ada"))).status, 201);
    assert_eq!(door.ask_as(&staff, ("GET", &format!("/orders/{id}")), &Value::Null).status, 200);
    assert_eq!(door.ask(("POST", "/orders"), &json!({})).status, 422);
    assert_eq!(door.keys.fetches(), before.0, "nobody has asked for a link");
    assert_eq!(door.ask(("POST", "/orders"), &guests_order()).status, 503);
    assert_eq!(door.statuses(&id, &access), [503; 3]);
    assert_eq!(door.shop.log.len(), before.1 + 1, "an order without its link would be nobody's");
}

#[test]
fn where_access_is_open_a_guest_is_whom_nobody_names() {
    let (shop, keys) = (Shop::new(), MemoryLinkKeys::new("a"));
    let place = |order: &Value| {
        let guests = Guests::new(Links::new(&keys, LIFETIME), SHOP);
        let (ledger, keys) = (Ledger::new(&*shop.log, &shop.world), shop.key_ring());
        let api = OrdersApi::new(ledger, &shop.prices, keys, Access::open(), PERIOD).with_guests(Some(guests));
        reply(&block_on(api.answer(&request("POST", "/orders", &[], order.to_string()))))
    };
    let [guest, named] = [place(&guests_order()), place(&order_of(&json!("ada")))];
    assert_eq!([guest.status, named.status], [201, 201]);
    assert_eq!([guest.body.get("links").is_some(), named.body.get("links").is_some()], [true, false]);
}

#[test]
fn the_settings_of_guests_are_three_or_none() {
    let read = |variables: &'static [(&str, &str)]| {
        let value =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let environment = onewrite::config::Environment::new(value);
        let guests = environment.read(|environment| Guests::read(environment, |name| MemoryLinkKeys::new(&name)));
        guests.map(|guests| guests.is_some()).map_err(|error| error.to_string())
    };
    assert_eq!(read(&[]), Ok(false));
    assert_eq!(read(&[SECRET, ("GUEST_LINK_DAYS", "90"), ("SHOP_URL", SHOP)]), Ok(true));
    for (variables, fault) in [
        (&[SECRET][..], "GUEST_LINK_DAYS is not set; SHOP_URL is not set"),
        (
            &[SECRET, ("GUEST_LINK_DAYS", "0"), ("SHOP_URL", SHOP)],
            "GUEST_LINK_DAYS must be a whole number from 1 to 3650",
        ),
    ] {
        assert!(read(variables).unwrap_err().contains(fault), "{fault}");
    }
}

#[test]
fn a_guest_sees_the_page_by_the_link() {
    let door = Door::new();
    let Placed { id, access } = door.place();
    let at = format!("/orders/{id}?access={access}");
    let headers = [("Accept", "text/html"), ("Content-Type", "application/x-www-form-urlencoded")];
    let see = |at: &str| door.attempt(u32::MAX, &headers, ("GET", at), &Value::Null);
    let page = see(&at);
    let text = page.body.as_str().unwrap();
    assert!(page.status == 200 && text.contains(&format!("\"{id}/withdrawal?access={access}\"")), "{text}");
    assert_eq!(page.headers["referrer-policy"], "same-origin");
    assert_eq!(see(&at.replace("access=", "access=1")).status, 404);
    door.shop.world.pass(LIFETIME);
    let late = see(&at);
    let text = late.body.as_str().unwrap();
    assert!(late.status == 200 && text.contains("This link has expired"), "{text}");
    for hidden in ["Ada", "ada@", "A-1", "value=\"cancel\"", "/withdrawal"] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
    assert!(text.contains("We have your order") && text.contains("36,85 EUR"), "{text}");
}
