mod customers;
mod guests;
mod pages;
mod persons;
mod prices;

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use futures::executor::block_on;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyRequestContext;
use lambda_http::request::RequestContext;
use lambda_http::{RequestExt, http};
use onewrite::TraceParent;
use onewrite::memory::{MemoryIssuer, MemoryKeys, MemoryLog, Pace, Paced, VirtualTime};
use orderflow_events::sample;
use orderflow_events::{
    Event, GoodsReturned, InventoryRejected, InventoryReserved, Payload, PaymentId, PaymentRefunded, RefundId,
    ReturnId, ShipmentCreated, ShipmentId, Text,
};
use serde_json::json;

use super::*;
use crate::memory::MemoryPrices;

const PERIOD: WithdrawalPeriod = WithdrawalPeriod::of_days(48);

/// An API in memory, and what the other services tell the orders service.
struct Shop {
    log: Rc<MemoryLog>,
    prices: MemoryPrices<Rc<MemoryLog>>,
    keys: MemoryKeys,
    world: VirtualTime,
}

struct Reply {
    status: u16,
    headers: http::HeaderMap,
    body: Value,
}

impl Shop {
    /// A shop whose table has the prices of [`order`].
    fn new() -> Self {
        let shop = Self::without_prices();
        for (sku, amount) in [("A-1", 995), ("B-2", 700)] {
            let body = json!({ "unitPrice": { "amount": amount, "currency": "EUR" } }).to_string();
            assert_eq!(shop.send("PUT", &format!("/prices/{sku}"), &[], body).status, 200);
        }
        shop
    }

    fn without_prices() -> Self {
        let log = Rc::<MemoryLog>::default();
        let keys = MemoryKeys::default();
        Self { prices: MemoryPrices::new(Rc::clone(&log)), log, keys, world: VirtualTime::new(1) }
    }

    /// Keys, as a function has them that was started a moment ago.
    fn key_ring(&self) -> KeyRing<&MemoryKeys, &VirtualTime> {
        KeyRing::new(&self.keys, &self.world)
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        block_on(self.attempt(&Pace::of(u32::MAX), method, path, headers, body))
    }

    /// A request that stands still where the pace says so.
    async fn attempt(
        &self,
        pace: &Pace,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let api = OrdersApi::new(
            Ledger::new(Paced { port: &*self.log, pace }, &self.world),
            &self.prices,
            KeyRing::new(Paced { port: &self.keys, pace }, &self.world),
            Access::open(),
            PERIOD,
        );
        reply(&api.answer(&request(method, path, headers, body)).await)
    }

    /// A request with a token of that issuer, or without any.
    fn send_as(&self, issuer: &MemoryIssuer, token: Option<&str>, method: &str, path: &str, body: &Value) -> Reply {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Idempotency-Key", "k")];
        headers.extend(authorization.iter().map(|value| ("Authorization", value.as_str())));
        let (ledger, keys) = (Ledger::new(&*self.log, &self.world), self.key_ring());
        let api = OrdersApi::new(ledger, &self.prices, keys, issuer.access(), PERIOD);
        reply(&block_on(api.answer(&request(method, path, &headers, body.to_string()))))
    }

    fn cancel(&self, id: &str) -> Reply {
        self.send("POST", &format!("/orders/{id}/cancel"), &[], Body::Empty)
    }

    fn withdraw(&self, id: &str) -> Reply {
        self.send("POST", &format!("/orders/{id}/withdrawals"), &[], Body::Empty)
    }

    /// Page of a withdrawal, and the answer to its forms.
    fn page(&self, method: &str, id: &str, form: &str) -> (u16, http::HeaderMap, String) {
        let (ledger, keys) = (Ledger::new(&*self.log, &self.world), self.key_ring());
        let api = OrdersApi::new(ledger, &self.prices, keys, Access::open(), PERIOD);
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let response = block_on(api.answer(&request(method, &format!("/orders/{id}/withdrawal"), &headers, form)));
        let text = String::from_utf8(response.body().to_vec()).unwrap();
        (response.status().as_u16(), response.headers().clone(), text)
    }

    fn place(&self, body: &Value, key: Option<&str>) -> Reply {
        let key: Vec<_> = key.map(|key| ("Idempotency-Key", key)).into_iter().collect();
        self.send("POST", "/orders", &key, body.to_string())
    }

    fn place_some(&self) -> String {
        self.place(&order(), None).body["orderId"].as_str().unwrap().to_owned()
    }

    /// Lets the consumer hear of `payload`.
    fn hear(&self, payload: impl Into<Payload>) {
        self.hear_of(&sample::event(payload));
    }

    fn hear_of(&self, event: &Event) {
        let process =
            onewrite::Process::<Orders, _, _, _>::new(Ledger::new(&*self.log, &self.world), onewrite::NoEffects);
        let delivery = onewrite::Delivery { text: "", deadline: orderflow_events::Time::from_millis(i64::MAX) };
        block_on(onewrite::Handle::handle(&process, event, &delivery)).unwrap();
    }

    fn published(&self) -> Vec<String> {
        self.log.published::<Payload>().iter().map(|event| event.event_type().to_string()).collect()
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request {
    let request = http::Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(body.into()).unwrap().with_raw_http_path(path)
}

/// The gateway says where a request came from, whatever its headers do; of that an order keeps what is nobody's address.
#[test]
fn an_order_has_the_block_of_its_callers_address_as_the_gateway_has_seen_it() {
    for (seen, block) in [
        (Some("203.0.113.7"), Some("203.0.113.0/24")),
        (Some("2001:db8:7:1::1"), Some("2001:db8:7::/48")),
        (Some("127.0.0.1"), None),
        (Some("a proxy"), None),
        (None, None),
    ] {
        let shop = Shop::new();
        let (ledger, keys) = (Ledger::new(&*shop.log, &shop.world), shop.key_ring());
        let api = OrdersApi::new(ledger, &shop.prices, keys, Access::open(), PERIOD);
        let headers =
            ["X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP"].map(|name| (name, "198.51.100.1"));
        let mut context = ApiGatewayProxyRequestContext::default();
        context.identity.source_ip = seen.map(str::to_owned);
        let request = request("POST", "/orders", &headers, order().to_string());
        let request = request.with_request_context(RequestContext::ApiGatewayV1(context));
        assert_eq!(reply(&block_on(api.answer(&request))).status, 201, "{seen:?}");
        let [event]: [Event; 1] = shop.log.published().try_into().unwrap();
        let extensions = block.map_or_else(|| json!({}), |block| json!({ "addressblock": block }));
        assert_eq!(Value::from(event.context.extensions), extensions, "{seen:?}");
    }
}

fn reply(response: &Response<Body>) -> Reply {
    // A page is a text.
    let text = || Value::from(String::from_utf8(response.body().to_vec()).unwrap());
    let body = serde_json::from_slice(response.body()).unwrap_or_else(|_| text());
    Reply { status: response.status().as_u16(), headers: response.headers().clone(), body }
}

fn shipment(order_id: OrderId) -> ShipmentCreated {
    let (carrier, tracking_number) = (Text::shortened("C"), Text::shortened("T"));
    ShipmentCreated { shipment_id: ShipmentId::of(&order_id), order_id, carrier, tracking_number }
}

fn order() -> Value {
    let mut order = sample::document("x");
    for derived in ["orderId", "total"] {
        order.as_object_mut().unwrap().remove(derived);
    }
    order
}

fn pointers(reply: &Reply) -> Vec<&str> {
    reply.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

#[test]
fn an_order_is_placed_and_shown() {
    let shop = Shop::new();
    let placed = shop.place(&order(), None);
    let id = placed.body["orderId"].as_str().unwrap();
    assert_eq!(placed.status, 201);
    assert!(id.starts_with("ord_"), "{id}");
    assert_eq!(placed.headers["location"], format!("/orders/{id}"));
    assert!(!placed.headers.contains_key("idempotent-replayed"));
    assert_eq!(placed.body["total"], json!({ "amount": 3685, "currency": "EUR" }));
    assert_eq!(shop.published(), ["OrderCreated"]);
    let shown = shop.send("GET", &format!("/orders/{id}"), &[], Body::Empty);
    assert_eq!((shown.status, &shown.body["status"]), (200, &json!("created")));
    for name in ["customer", "lines"] {
        assert_eq!(shown.body[name], order()[name]);
    }
    assert_eq!(shown.body["timeline"][0]["type"], "OrderCreated");
    assert_eq!(shown.body["createdAt"], placed.body["createdAt"]);
}

#[test]
fn a_customer_without_a_name_is_the_recipient() {
    let shop = Shop::new();
    let mut nameless = order();
    nameless["customer"].as_object_mut().unwrap().remove("name");
    let placed = shop.place(&nameless, Some("key-1"));
    assert_eq!(placed.status, 201);
    let id = placed.body["orderId"].as_str().unwrap();
    let shown = shop.send("GET", &format!("/orders/{id}"), &[], Body::Empty);
    assert_eq!(shown.body["customer"], order()["customer"]);
    for (name, status) in [(json!("Ada Lovelace"), 201), (json!("Grace Hopper"), 422), (json!(7), 422)] {
        let mut again = order();
        again["customer"]["name"] = name;
        let again = shop.place(&again, Some("key-1"));
        assert_eq!(again.status, status, "{}", again.body);
    }
    assert_eq!(shop.published(), ["OrderCreated"]);
}

#[test]
fn the_same_key_is_the_same_order_whatever_became_of_it() {
    let shop = Shop::new();
    let first = shop.place(&order(), Some("key-1"));
    let id = first.body["orderId"].as_str().unwrap();
    let reserved = InventoryReserved { order_id: OrderId::new(id).unwrap(), lines: Vec::new() };
    shop.hear(reserved);
    // Unknown fields and the order of the members make no difference: it is the same parsed request.
    let mut again = order();
    again["note"] = json!("ignored");
    let again = shop.place(&again, Some("key-1"));
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(shop.published(), ["OrderCreated"]);
    let mut other = order();
    other["lines"][0]["quantity"] = json!(9);
    let other = shop.place(&other, Some("key-1"));
    assert_eq!((other.status, &other.body["type"]), (422, &json!("urn:orderflow:problem:idempotency-key-reused")));
    // A key is its customer's own.
    let mut stranger = order();
    stranger["customer"]["id"] = json!("cus_2");
    for other in [shop.place(&stranger, Some("key-1")), shop.place(&order(), Some("key-2"))] {
        assert_eq!(other.status, 201);
        assert_ne!(other.body["orderId"], first.body["orderId"]);
    }
}

fn order_of(customer: &Value) -> Value {
    let mut order = order();
    order["customer"]["id"] = customer.clone();
    order
}

#[test]
fn an_order_is_placed_by_its_customer_or_by_whom_may_place_any() {
    let issuer = MemoryIssuer::new("1");
    let forged = MemoryIssuer::new("1").token("ada", "orders:any");
    let [ada, staff, other] = [("ada", ""), ("staff", "orders:any"), ("ada", "stock:write")]
        .map(|(subject, scopes)| Some(issuer.token(subject, scopes)));
    for (token, customer, expected) in [
        (&None, json!("ada"), Err(401)),
        (&Some(forged), json!("ada"), Err(401)),
        (&ada, json!("ada"), Ok("ada")),
        (&ada, Value::Null, Ok("ada")),
        (&ada, json!(""), Ok("ada")),
        (&ada, json!("grace"), Err(403)),
        (&ada, json!(7), Err(422)),
        (&other, json!("grace"), Err(403)),
        (&staff, json!("grace"), Ok("grace")),
        (&staff, Value::Null, Ok("staff")),
    ] {
        let shop = Shop::new();
        let placed = shop.send_as(&issuer, token.as_deref(), "POST", "/orders", &order_of(&customer));
        assert_eq!(placed.status, expected.err().unwrap_or(201), "{customer}: {}", placed.body);
        let customers: Vec<String> = (shop.log.published::<Payload>().into_iter())
            .filter_map(|event| if let Payload::OrderCreated(created) = event.data { Some(created) } else { None })
            .map(|created| created.details.customer.id.to_string())
            .collect();
        assert_eq!(customers, expected.into_iter().map(ToOwned::to_owned).collect::<Vec<_>>(), "{customer}");
    }
    let shop = Shop::new();
    for body in [json!([]), json!({ "customer": 7 }), json!({}), json!("x")] {
        assert_eq!(shop.send_as(&issuer, ada.as_deref(), "POST", "/orders", &body).status, 422, "{body}");
    }
    let nobody = shop.place(&order_of(&Value::Null), None);
    assert_eq!((nobody.status, pointers(&nobody)), (422, vec!["/customer/id"]), "nobody is signed in");
}

#[test]
fn an_order_of_somebody_else_is_one_that_does_not_exist() {
    let (shop, issuer) = (Shop::new(), MemoryIssuer::new("1"));
    let ada = issuer.token("ada", "");
    let id = shop.send_as(&issuer, Some(&ada), "POST", "/orders", &order_of(&json!("ada"))).body["orderId"].clone();
    let path = format!("/orders/{}", id.as_str().unwrap());
    let ask = |token: Option<&str>, method: &str, path: &str| shop.send_as(&issuer, token, method, path, &Value::Null);
    let cancel = |path: &str| format!("{path}/cancel");
    for (token, status) in [
        (None, 401),
        (Some(issuer.token("grace", "stock:read stock:write")), 404),
        (Some(issuer.token("staff", "orders:any")), 200),
        (Some(ada.clone()), 200),
    ] {
        let shown = ask(token.as_deref(), "GET", &path);
        assert_eq!(shown.status, status, "{token:?}");
        let unknown = ask(token.as_deref(), "GET", "/orders/ord_0");
        if status == 404 {
            let cancelled = ask(token.as_deref(), "POST", &cancel(&path));
            assert_eq!((unknown.status, &unknown.body), (404, &shown.body), "nobody can tell the two apart");
            assert_eq!((cancelled.status, &cancelled.body), (404, &shown.body));
            assert_eq!(unknown.headers, shown.headers);
        }
    }
    assert_eq!(shop.published(), ["OrderCreated"], "it goes on");
    assert_eq!(ask(None, "POST", &cancel(&path)).status, 401);
    assert_eq!(ask(Some(&issuer.token("staff", "orders:any")), "POST", &cancel(&path)).status, 202);
    assert_eq!(ask(Some(&ada), "POST", &cancel(&path)).status, 202);
    // Who has asked is on record, with what they asked for.
    let rows = block_on(shop.log.read(&Subject::new(id.as_str().unwrap()).unwrap())).unwrap();
    let by: Vec<_> = rows.iter().map(|row| (row.cause.event_type.as_str(), row.cause.by.as_deref())).collect();
    assert_eq!(by, [("PlaceOrder", Some("ada")), ("CancelOrder", Some("staff"))]);
}

#[test]
fn a_key_belongs_to_who_is_signed_in() {
    let (shop, issuer) = (Shop::new(), MemoryIssuer::new("1"));
    let place = |subject: &str, customer: &str| {
        let token = issuer.token(subject, "orders:any");
        let placed = shop.send_as(&issuer, Some(&token), "POST", "/orders", &order_of(&json!(customer)));
        (placed.status, placed.body["orderId"].clone())
    };
    let first = place("ada", "ada");
    assert_eq!(first.0, 201);
    assert_eq!(place("ada", "ada"), first, "the same again");
    assert_eq!(place("ada", "grace").0, 422, "another body under the same key");
    let other = place("grace", "ada");
    assert_eq!((other.0, other.1 == first.1), (201, false), "another's key");
    let open = shop.place(&order_of(&json!("ada")), Some("k"));
    assert_eq!((open.status, open.body["orderId"] == first.1), (201, false), "nobody's key is the customer's");
}

#[test]
fn bad_requests_are_told_what_is_wrong_and_leave_nothing() {
    let shop = Shop::new();
    let good = order().to_string();
    let long = "k".repeat(256);
    for (headers, body, status) in [
        (&[][..], "", 400),
        (&[], "{", 400),
        (&[], "[]", 422),
        (&[("Content-Type", "text/plain")], good.as_str(), 415),
        (&[("Content-Type", "application/x-www-form-urlencoded")], &good, 415),
        (&[("Idempotency-Key", "")], &good, 400),
        (&[("Idempotency-Key", &long)], &good, 400),
        (&[("Idempotency-Key", "a b")], &good, 400),
        (&[("Idempotency-Key", "ä")], &good, 400),
    ] {
        let reply = shop.send("POST", "/orders", headers, body);
        assert_eq!(reply.status, status, "{headers:?} {body:.20}");
        assert_eq!(reply.headers["content-type"], "application/problem+json");
        assert_eq!(reply.body["status"], status);
        assert!(reply.body["title"].is_string() && reply.body["type"].is_string(), "{}", reply.body);
        assert!(reply.body["detail"].as_str().unwrap().ends_with('.'), "{}", reply.body);
    }
    assert_eq!(shop.send("POST", "/orders", &[], Body::Empty).status, 400);
    let padded = |bytes: usize| format!("{good}{}", " ".repeat(bytes - good.len()));
    for bytes in [256 * 1024 + 1, 10_000_000] {
        assert_eq!(shop.send("POST", "/orders", &[], padded(bytes)).status, 413, "{bytes}");
    }
    for deep in ["[", "{\"lines\":", "{\"customer\":["] {
        assert_eq!(shop.send("POST", "/orders", &[], deep.repeat(15_000)).status, 400, "{deep}");
    }
    assert!(shop.published().is_empty());
    assert_eq!(shop.send("POST", "/orders", &[], padded(256 * 1024)).status, 201);
    let typed = [("Content-Type", "application/json; charset=utf-8"), ("Idempotency-Key", &long[..255])];
    assert_eq!(shop.send("POST", "/orders", &typed, good.as_str()).status, 201);
}

#[test]
fn each_limit_of_an_order_holds_before_anything_is_written() {
    let line = json!({ "sku": "A-1", "quantity": 1, "unitPrice": { "amount": 1, "currency": "EUR" } });
    let huge = || serde_json::from_str::<Value>("99999999999999999999").unwrap();
    let long = |length: usize| "x".repeat(length);
    for (pointer, good, bad) in [
        ("/lines", json!(vec![&line; 50]), json!([[], {}, "A-1", vec![&line; 51]])),
        ("/lines/0/sku", json!("x.Y_-9".repeat(10)), json!(["", "a b", "a\u{0}", "ü", long(65), 7, null])),
        ("/lines/0/quantity", json!(9_999), json!([0, -1, 10_000, 1.5, "1", huge(), null])),
        ("/lines/0/unitPrice/amount", json!(0), json!([-1, 0.5, 1e300, "1", huge(), null])),
        ("/lines/0/unitPrice/currency", json!("EUR"), json!(["eur", "EURO", "XXQ", 978, null])),
        ("/customer/id", json!("ä".repeat(200)), json!(["", long(201), "a\tb", 7, null])),
        (
            "/customer/email",
            json!(format!("{}@example.com", long(64))),
            json!(["", "ada", "a@b c.de", format!("{}@example.com", long(243)), null]),
        ),
        (
            "/shippingAddress/line1",
            json!("Straße 1\u{a0}b"),
            json!(["a\u{1b}[31mb", "a\u{7f}b", "a\u{ffff}b", "a\u{85}b", long(201), null]),
        ),
        ("/paymentMethod", json!("pm_card_visa"), json!(["", "4242 4242 4242 4242", {}, null])),
    ] {
        let shop = Shop::new();
        let place = |value: &Value| {
            let mut body = order();
            *body.pointer_mut(pointer).unwrap() = value.clone();
            shop.place(&body, None)
        };
        for value in bad.as_array().unwrap() {
            let reply = place(value);
            assert_eq!(reply.status, 422, "{pointer} = {value:.40}");
            assert!(pointers(&reply).iter().all(|fault| fault.starts_with(pointer)), "{value:.40}: {}", reply.body);
        }
        assert!(shop.published().is_empty(), "{pointer}");
        let reply = place(&good);
        assert_eq!(reply.status, 201, "{pointer}: {}", reply.body);
    }
}

#[test]
fn all_faults_of_an_order_are_listed_at_once() {
    let shop = Shop::new();
    let mut bad = order();
    bad["customer"]["email"] = json!("nobody");
    bad["lines"][0]["quantity"] = json!(1.5);
    bad["lines"][1]["unitPrice"]["amount"] = json!(-1);
    bad["lines"][2]["unitPrice"]["amount"] = json!("1");
    bad["shippingAddress"]["name"] = json!("a\nb");
    bad["shippingAddress"].as_object_mut().unwrap().remove("city");
    bad["paymentMethod"] = json!("4242424242424242");
    let reply = shop.place(&bad, None);
    assert_eq!(reply.status, 422);
    assert_eq!(
        pointers(&reply),
        [
            "/customer/email",
            "/lines/0/quantity",
            "/lines/1/unitPrice/amount",
            "/lines/2/unitPrice/amount",
            "/shippingAddress/name",
            "/shippingAddress/city",
            "/paymentMethod",
        ]
    );
    for (pointer, value) in
        [("/lines/0/unitPrice/currency", json!("USD")), ("/lines/0/unitPrice/amount", json!(99_999_999))]
    {
        let mut bad = order();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert_eq!(pointers(&shop.place(&bad, None)), ["/lines"], "{pointer}");
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let shop = Shop::new();
    for (method, path) in [
        ("GET", "/orders/ord_1"),
        ("GET", "/orders/a%20b"),
        ("POST", "/orders/ord_1/cancel"),
        ("POST", "/orders/ord_1/withdrawals"),
        ("DELETE", "/orders"),
        ("GET", "/"),
    ] {
        let reply = shop.send(method, path, &[], Body::Empty);
        assert_eq!((reply.status, &reply.body["status"]), (404, &json!(404)), "{method} {path}");
    }
}

#[test]
fn an_order_is_cancelled_once_and_not_when_it_is_on_its_way() {
    let shop = Shop::new();
    let id = shop.place_some();
    for _ in 0..2 {
        let reply = shop.cancel(&id);
        assert_eq!((reply.status, reply.body), (202, json!({ "orderId": id, "status": "cancelled" })));
    }
    assert_eq!(shop.published(), ["OrderCreated", "OrderCancelled"]);
    let events = shop.log.published::<Payload>();
    assert_eq!(events[1].context.correlation_id, events[0].context.correlation_id);
    assert_eq!(events[1].context.sequence, Some(2));
    let shown = shop.send("GET", &format!("/orders/{id}"), &[], Body::Empty);
    assert_eq!(shown.body["cancellationReason"], "customerRequest");

    let id = shop.place_some();
    shop.hear(shipment(OrderId::new(id.as_str()).unwrap()));
    assert_eq!(shop.cancel(&id).status, 409);
}

#[test]
fn a_cancellation_that_loses_a_race_decides_again() {
    type Rival = fn(&Shop, OrderId);
    let reserved: Rival = |shop, order_id| shop.hear(InventoryReserved { order_id, lines: Vec::new() });
    let rejected: Rival = |shop, order_id| shop.hear(InventoryRejected { order_id, shortages: Vec::new() });
    let shipped: Rival = |shop, order_id| shop.hear(shipment(order_id));
    let cancelled: Rival = |shop, order_id| assert_eq!(shop.cancel(order_id.as_str()).status, 202);
    for (rival, status, reason) in [
        (reserved, 202, Some("customerRequest")),
        (rejected, 202, Some("outOfStock")),
        (cancelled, 202, Some("customerRequest")),
        (shipped, 409, None),
    ] {
        let shop = Shop::new();
        let id = shop.place_some();
        let (path, pace) = (format!("/orders/{id}/cancel"), Pace::until("before append"));
        let mut cancelling = pin!(shop.attempt(&pace, "POST", &path, &[], Body::Empty));
        assert!(cancelling.as_mut().now_or_never().is_none());
        rival(&shop, OrderId::new(id.as_str()).unwrap());
        pace.release();
        assert_eq!(cancelling.now_or_never().unwrap().status, status);
        let shown = shop.send("GET", &format!("/orders/{id}"), &[], Body::Empty);
        assert_eq!(shown.body["cancellationReason"].as_str(), reason);
        let cancellations = shop.published().iter().filter(|kind| *kind == "OrderCancelled").count();
        assert_eq!(cancellations, usize::from(reason.is_some()));
    }
}

#[test]
fn a_cancellation_that_loses_every_race_is_told_to_try_again() {
    let shop = Shop::new();
    let id = shop.place_some();
    let (path, pace) = (format!("/orders/{id}/cancel"), Pace::of(1));
    let mut cancelling = pin!(shop.attempt(&pace, "POST", &path, &[], Body::Empty));
    for race in 1..=10 {
        assert!(cancelling.as_mut().now_or_never().is_none(), "before append");
        let order_id = OrderId::new(id.as_str()).unwrap();
        shop.hear_of(&sample::another_event(InventoryReserved { order_id, lines: Vec::new() }, race));
        // Through append, which loses, and the next read.
        pace.grant(3);
    }
    let reply = cancelling.now_or_never().unwrap();
    assert_eq!((reply.status, &reply.headers["retry-after"]), (503, &HeaderValue::from_static("1")));
    assert_eq!(shop.published(), ["OrderCreated"]);
}

#[test]
fn a_withdrawal_before_the_shipment_cancels_and_one_after_it_asks_for_the_goods() {
    for (is_shipped, outcome, told) in [(false, "cancelled", "OrderCancelled"), (true, "return", "ReturnRequested")] {
        let shop = Shop::new();
        let id = shop.place_some();
        let order_id = OrderId::new(id.as_str()).unwrap();
        if is_shipped {
            shop.hear(shipment(order_id.clone()));
        }
        let first = shop.withdraw(&id);
        assert_eq!(first.status, 202, "{}", first.body);
        let event = shop.log.published::<Payload>().pop().unwrap();
        let mut receipt = json!({
            "id": event.context.id, "orderId": id, "outcome": outcome, "withdrawnAt": event.context.time,
        });
        if is_shipped {
            receipt["returnId"] = json!(ReturnId::of(&order_id));
        }
        assert_eq!(first.body, receipt);
        let again = shop.withdraw(&id);
        assert_eq!((again.status, again.body), (202, receipt), "the same receipt");
        assert_eq!(shop.published(), ["OrderCreated", told], "once");
        assert_eq!(event.context.correlation_id, shop.log.published::<Payload>()[0].context.correlation_id);
        let shown = shop.send("GET", &format!("/orders/{id}"), &[], Body::Empty).body;
        let status = if is_shipped { "shipped" } else { "cancelled" };
        assert_eq!(
            (&shown["status"], shown["timeline"].as_array().unwrap().len()),
            (&json!(status), 2 + usize::from(is_shipped))
        );
        assert_eq!(shown["return"]["returnId"], first.body["returnId"]);
        assert_eq!(shop.cancel(&id).status, if is_shipped { 409 } else { 202 });
    }
}

#[test]
fn what_becomes_of_a_return_is_shown() {
    let shop = Shop::new();
    let id = shop.place_some();
    let order_id = OrderId::new(id.as_str()).unwrap();
    let shown = || shop.send("GET", &format!("/orders/{id}"), &[], Body::Empty).body["return"].clone();
    shop.hear(shipment(order_id.clone()));
    assert_eq!(shown(), Value::Null);
    let withdrawn_at = shop.withdraw(&id).body["withdrawnAt"].clone();
    let return_id = ReturnId::of(&order_id);
    assert_eq!(shown(), json!({ "returnId": return_id, "requestedAt": withdrawn_at, "refunded": false }));
    let returned = sample::event(GoodsReturned { order_id: order_id.clone(), return_id, lines: Vec::new() });
    shop.hear_of(&returned);
    assert_eq!((&shown()["receivedAt"], &shown()["refunded"]), (&json!(returned.context.time), &json!(false)));
    let (payment_id, refund_id) = (PaymentId::of(&order_id), RefundId::of(&order_id));
    shop.hear(PaymentRefunded { order_id, payment_id, refund_id, amount: sample::order("x").total });
    assert_eq!(shown()["refunded"], true);
}

#[test]
fn a_withdrawal_that_comes_too_late_is_refused_and_told_why() {
    let shop = Shop::new();
    let id = shop.place_some();
    shop.hear(shipment(OrderId::new(id.as_str()).unwrap()));
    shop.world.pass(Duration::from_hours(2 * 365 * 24));
    let reply = shop.withdraw(&id);
    assert_eq!((reply.status, &reply.body["type"]), (409, &json!("urn:orderflow:problem:withdrawal-period-over")));
    assert_eq!(shop.published(), ["OrderCreated"]);
    let (status, _, page) = shop.page("GET", &id, "");
    assert!(status == 409 && page.contains("The period for a withdrawal is over"), "{status} {page}");
}

#[test]
fn a_withdrawal_that_loses_a_race_decides_again() {
    type Rival = fn(&Shop, OrderId);
    let reserved: Rival = |shop, order_id| shop.hear(InventoryReserved { order_id, lines: Vec::new() });
    let rejected: Rival = |shop, order_id| shop.hear(InventoryRejected { order_id, shortages: Vec::new() });
    let shipped: Rival = |shop, order_id| shop.hear(shipment(order_id));
    let withdrawn: Rival = |shop, order_id| assert_eq!(shop.withdraw(order_id.as_str()).status, 202);
    for (rival, outcome, told) in [
        (reserved, "cancelled", ["OrderCreated", "OrderCancelled"]),
        (rejected, "cancelled", ["OrderCreated", "OrderCancelled"]),
        (withdrawn, "cancelled", ["OrderCreated", "OrderCancelled"]),
        (shipped, "return", ["OrderCreated", "ReturnRequested"]),
    ] {
        let shop = Shop::new();
        let id = shop.place_some();
        let (path, pace) = (format!("/orders/{id}/withdrawals"), Pace::until("before append"));
        let mut withdrawing = pin!(shop.attempt(&pace, "POST", &path, &[], Body::Empty));
        assert!(withdrawing.as_mut().now_or_never().is_none());
        rival(&shop, OrderId::new(id.as_str()).unwrap());
        pace.release();
        let reply = withdrawing.now_or_never().unwrap();
        assert_eq!((reply.status, &reply.body["outcome"]), (202, &json!(outcome)));
        assert_eq!(shop.published(), told);
    }
}

#[test]
fn an_order_is_withdrawn_from_by_its_customer_or_by_whom_may_act_for_any() {
    let (shop, issuer) = (Shop::new(), MemoryIssuer::new("1"));
    let ada = issuer.token("ada", "");
    let id = shop.send_as(&issuer, Some(&ada), "POST", "/orders", &order_of(&json!("ada"))).body["orderId"].clone();
    let id = id.as_str().unwrap();
    let withdraw = |token: Option<&str>, id: &str| {
        shop.send_as(&issuer, token, "POST", &format!("/orders/{id}/withdrawals"), &Value::Null)
    };
    let grace = issuer.token("grace", "stock:write");
    let (unknown, foreign) = (withdraw(Some(&grace), "ord_0"), withdraw(Some(&grace), id));
    assert_eq!((foreign.status, &foreign.body), (404, &unknown.body), "nobody can tell the two apart");
    assert_eq!(withdraw(None, id).status, 401);
    assert_eq!(shop.published(), ["OrderCreated"]);
    assert_eq!(withdraw(Some(&ada), id).status, 202);
    assert_eq!(withdraw(Some(&issuer.token("staff", "orders:any")), id).status, 202);
    let rows = block_on(shop.log.read(&Subject::new(id).unwrap())).unwrap();
    let by: Vec<_> = rows.iter().map(|row| (row.cause.event_type.as_str(), row.cause.by.as_deref())).collect();
    assert_eq!(by, [("PlaceOrder", Some("ada")), ("WithdrawOrder", Some("ada"))]);
}

#[test]
fn of_two_requests_of_one_key_at_once_one_is_the_order_and_the_other_its_echo() {
    let mut other = order();
    other["lines"][0]["quantity"] = json!(9);
    for (place, body, statuses, is_first) in [
        ("before append", &order(), [201, 201], false),
        ("after append", &order(), [201, 201], true),
        ("before append", &other, [422, 201], false),
        ("after append", &other, [201, 422], true),
    ] {
        let shop = Shop::new();
        let (key, pace) = ([("Idempotency-Key", "key-1")], Pace::until(place));
        let mut slow = pin!(shop.attempt(&pace, "POST", "/orders", &key, order().to_string()));
        assert!(slow.as_mut().now_or_never().is_none());
        let fast = shop.place(body, Some("key-1"));
        pace.release();
        let slow = slow.now_or_never().unwrap();
        assert_eq!([slow.status, fast.status], statuses, "{place}");
        let is_echo = [&slow, &fast].map(|reply| reply.headers.contains_key("idempotent-replayed"));
        let echoes = if is_first { [false, true] } else { [true, false] };
        if statuses == [201, 201] {
            assert_eq!((is_echo, slow.body), (echoes, fast.body), "{place}");
        }
        assert_eq!(shop.published(), ["OrderCreated"]);
    }
}

#[test]
fn a_trace_goes_on_or_begins_here() {
    let shop = Shop::new();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for header in [&[("traceparent", parent)][..], &[("traceparent", "nonsense")], &[]] {
        shop.send("POST", "/orders", header, order().to_string());
    }
    let traces: Vec<String> =
        shop.log.published::<Payload>().into_iter().map(|event| event.context.trace_parent.unwrap()).collect();
    assert_eq!(traces[0][..36], parent[..36]);
    assert!(traces.iter().all(|trace| TraceParent::parse(trace).is_some()), "{traces:?}");
    assert_ne!(traces[1][..36], traces[2][..36]);
}
