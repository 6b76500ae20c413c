//! Sign-in: who may do what, by whose tokens.

use std::path::PathBuf;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use orderflow_local::{Api, Reply, TokenSigner, all_scopes, token_claims, token_header};
use orderflow_tests::{ApiDouble, Gap, Issuer, Shop, UserPool, answered, eventually, node_packages};
use reqwest::Method;
use serde_json::{Value, json};

use crate::order;

const HOUR: Duration = Duration::from_hours(1);

/// The requests of a row: placing an order as oneself and as somebody else, reading and cancelling an order of one's own and
/// one of somebody else, reading and counting the stock; withdrawing from both orders, and taking back what nobody sends;
/// placing an order at a price of one's own, reading and setting a price; erasing a customer, and seeing what is held of
/// Ada; clearing an order that nobody knows; reading the events; the state of the queues; one's webhooks; asking in GraphQL.
type Row = [u16; 21];

const REFUSED: Row = [401; 21];

/// That of who has no token. Prices are no secret where guests may order.
const ANONYMOUS: Row =
    [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 200, 401, 401, 401, 401, 401, 401, 401, 401];

/// Price of the goods, in cents.
const PRICE: u64 = 1990;

/// The customer whose own the orders are.
const ADA: &str = "cus_sign-in";

/// Each kind of caller, with what each request is answered to them. An order is cancelled by Ada herself first, and so can
/// be cancelled again.
fn callers(shop: &Shop) -> Vec<(&'static str, Option<String>, Row)> {
    let token = |subject: &str, scopes: &str| Some(shop.tokens.token(subject, scopes, HOUR).unwrap());
    let changed = |name: &str, value: Value| {
        let mut claims = token_claims(ADA, &all_scopes(), HOUR);
        claims[name] = value;
        Some(shop.tokens.signed(&token_header(), &claims).unwrap())
    };
    let with_header = |name: &str, value: Value| {
        let mut header = token_header();
        header[name] = value;
        Some(shop.tokens.signed(&header, &token_claims(ADA, &all_scopes(), HOUR)).unwrap())
    };
    let now = token_claims("", "", HOUR)["iat"].as_i64().unwrap();
    let forger = TokenSigner::of_key(&TokenSigner::new_key().unwrap()).unwrap();
    let unsigned = [json!({ "alg": "none" }), token_claims(ADA, &all_scopes(), HOUR)];
    let unsigned = unsigned.map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes())).join(".");
    vec![
        ("anonymous", None, ANONYMOUS),
        (
            "a customer",
            token(ADA, ""),
            [201, 403, 200, 404, 202, 404, 403, 403, 202, 404, 403, 409, 200, 403, 403, 200, 403, 403, 403, 403, 200],
        ),
        (
            "another customer",
            token("cus_grace", ""),
            [403, 201, 404, 200, 404, 202, 403, 403, 404, 202, 403, 403, 200, 403, 403, 403, 403, 403, 403, 403, 200],
        ),
        (
            "orders:any",
            token("staff", "orders:any"),
            [201, 201, 200, 200, 202, 202, 403, 403, 202, 202, 403, 409, 200, 403, 403, 403, 403, 403, 403, 403, 200],
        ),
        (
            "stock:read",
            token("staff", "stock:read"),
            [403, 403, 404, 404, 404, 404, 200, 403, 404, 404, 403, 403, 200, 403, 403, 403, 403, 403, 403, 403, 200],
        ),
        (
            "stock:write",
            token("staff", "stock:write"),
            [403, 403, 404, 404, 404, 404, 403, 200, 404, 404, 409, 403, 200, 403, 403, 403, 403, 403, 403, 403, 200],
        ),
        (
            "prices:state",
            token(ADA, "prices:state"),
            [201, 403, 200, 404, 202, 404, 403, 403, 202, 404, 403, 201, 200, 403, 403, 200, 403, 403, 403, 403, 200],
        ),
        (
            "prices:write",
            token("staff", "prices:write"),
            [403, 403, 404, 404, 404, 404, 403, 403, 404, 404, 403, 403, 200, 200, 403, 403, 403, 403, 403, 403, 200],
        ),
        (
            "privacy",
            token("officer", "privacy"),
            [403, 403, 404, 404, 404, 404, 403, 403, 404, 404, 403, 403, 200, 403, 202, 200, 403, 403, 403, 403, 200],
        ),
        (
            "events:read",
            token("partner", "events:read"),
            [403, 403, 404, 404, 404, 404, 403, 403, 404, 404, 403, 403, 200, 403, 403, 403, 403, 200, 403, 403, 200],
        ),
        (
            "operations",
            token("operator", "operations"),
            [403, 403, 404, 404, 404, 404, 403, 403, 404, 404, 403, 403, 200, 403, 403, 403, 404, 403, 200, 403, 200],
        ),
        (
            "webhooks",
            token("partner", "webhooks"),
            [403, 403, 404, 404, 404, 404, 403, 403, 404, 404, 403, 403, 200, 403, 403, 403, 403, 403, 403, 200, 200],
        ),
        (
            "other scopes",
            token("staff", "orders stock prices orders:any2 STOCK:READ"),
            [403, 403, 404, 404, 404, 404, 403, 403, 404, 404, 403, 403, 200, 403, 403, 403, 403, 403, 403, 403, 200],
        ),
        (
            "every scope",
            token(ADA, &all_scopes()),
            [201, 201, 200, 200, 202, 202, 200, 200, 202, 202, 409, 201, 200, 200, 202, 200, 404, 200, 200, 200, 200],
        ),
        ("expired", changed("exp", json!(now - 120)), REFUSED),
        ("not yet valid", changed("nbf", json!(now + 3_600)), REFUSED),
        ("wrong audience", changed("aud", json!("another")), REFUSED),
        ("wrong issuer", changed("iss", json!("https://evil.example")), REFUSED),
        ("no subject", changed("sub", Value::Null), REFUSED),
        ("forged", Some(forger.token(ADA, &all_scopes(), HOUR).unwrap()), REFUSED),
        ("an unknown key", with_header("kid", json!("another")), REFUSED),
        ("HS256", with_header("alg", json!("HS256")), REFUSED),
        ("alg: none", Some(format!("{unsigned}.")), REFUSED),
        ("no token at all", Some("nonsense".to_owned()), REFUSED),
    ]
}

pub(crate) async fn each_route_answers_each_caller_as_the_contract_says(shop: &Shop) {
    shop.stock("sign-in", 100).await;
    shop.price("sign-in", PRICE).await;
    let orders = [ADA, "cus_grace"].map(|customer| order_of(customer, "sign-in"));
    let mut at_a_price_of_their_own = orders[0].clone();
    at_a_price_of_their_own["lines"][0]["unitPrice"]["amount"] = json!(PRICE - 1);
    let mut ids = Vec::new();
    for order in &orders {
        ids.push(shop.order(order).await);
        assert_eq!(answered(async || shop.api.cancel_order(ids.last().unwrap()).await).await.status, 202);
    }
    eventually("inventory has heard of the order", async || {
        let reply = shop.api.take_goods_back(&ids[0]).await.unwrap();
        if reply.status == 409 { Ok(()) } else { Err(reply.body) }
    })
    .await;
    let read = |id: &String| (Method::GET, format!("/orders/{id}"), Value::Null);
    let cancel = |id: &String| (Method::POST, format!("/orders/{id}/cancel"), Value::Null);
    let withdraw = |id: &String| (Method::POST, format!("/orders/{id}/withdrawals"), Value::Null);
    let requests = [
        (Method::POST, "/orders".to_owned(), orders[0].clone()),
        (Method::POST, "/orders".to_owned(), orders[1].clone()),
        read(&ids[0]),
        read(&ids[1]),
        cancel(&ids[0]),
        cancel(&ids[1]),
        (Method::GET, "/inventory/sign-in".to_owned(), Value::Null),
        (Method::PUT, "/inventory/sign-in".to_owned(), json!({ "onHand": 100 })),
        withdraw(&ids[0]),
        withdraw(&ids[1]),
        (Method::POST, format!("/orders/{}/returns", ids[0]), Value::Null),
        (Method::POST, "/orders".to_owned(), at_a_price_of_their_own),
        (Method::GET, "/prices/sign-in".to_owned(), Value::Null),
        (Method::PUT, "/prices/sign-in".to_owned(), json!({ "unitPrice": { "amount": PRICE, "currency": "EUR" } })),
        (Method::POST, "/customers/cus_nobody/erase".to_owned(), Value::Null),
        (Method::GET, format!("/customers/{ADA}/export"), Value::Null),
        (Method::POST, "/operations/orders/ord_nobody/clear".to_owned(), json!({ "why": "a test" })),
        (Method::GET, "/events?limit=1".to_owned(), Value::Null),
        (Method::GET, "/operations/status".to_owned(), Value::Null),
        (Method::GET, "/webhooks".to_owned(), Value::Null),
        (Method::POST, "/graphql".to_owned(), json!({ "query": "{ __typename }" })),
    ];
    for (caller, token, expected) in callers(shop) {
        let api = shop.api.clone().without_token();
        let api = token.map_or(api.clone(), |token| api.with_token(token));
        // A function fetches the keys ten times a minute at the most, and cannot tell of one that it does not know until then.
        let most = if caller == "an unknown key" { 9 } else { requests.len() };
        for (request, expected) in requests.iter().zip(expected).take(most) {
            let reply = ask(&api, request).await;
            let name = format!("{caller}: {} {}", request.0, request.1);
            assert_eq!(reply.status, expected, "{name}: {}", reply.body);
            assert_eq!(reply.header("Cache-Control"), Some("no-store"), "{name}");
            assert_eq!(reply.header("WWW-Authenticate").is_some(), [401, 403].contains(&expected), "{name}");
        }
    }
    // What is not said is the caller's.
    let placed = shop.api_as(ADA, "").place_order(&order_of("", "sign-in"), None).await.unwrap();
    let id = placed.body["orderId"].as_str().unwrap_or_else(|| panic!("{}", placed.body));
    assert_eq!(shop.show(id).await["customer"]["id"], ADA);
}

/// Like [`order`], of that customer, so cheap that screening has no word to say, and paid so slowly that it can be cancelled.
fn order_of(customer: &str, sku: &str) -> Value {
    let mut order = order(sku, 1, "pm_sim_unavailable_3");
    order["customer"]["id"] = json!(customer);
    order
}

async fn ask(api: &Api, (method, path, body): &(Method, String, Value)) -> Reply {
    answered(async || {
        let request = api.request(method.clone(), path);
        Reply::to(if body.is_null() { request } else { request.json(body) }).await
    })
    .await
}

const PLACE: (&str, &str, &str) = ("POST", "/orders", "/orders");
const STOCK: (&str, &str, &str) = ("GET", "/inventory/{sku}", "/inventory/issuer");

/// Doubles of both functions behind the API: they are large, and the emulator takes its time for each.
struct Doubles {
    orders: ApiDouble,
    inventory: ApiDouble,
}

impl Doubles {
    async fn take_tokens(&mut self, shop: &Shop, variables: &[(&str, String)]) {
        for double in [&mut self.orders, &mut self.inventory] {
            double.configure(shop, variables).await;
        }
    }
}

pub(crate) async fn issuers_that_others_have_written_are_taken_at_their_word(shop: &Shop) {
    if shop.emulator.lacks(Gap::Issuers) {
        return;
    }
    shop.stock("issuer", 50).await;
    shop.price("issuer", PRICE).await;
    let [orders, inventory] = ["OrdersApi", "InventoryApi"].map(|part| ApiDouble::of(shop, part));
    let mut doubles = Doubles { orders: orders.await, inventory: inventory.await };
    users_are_customers_whatever_becomes_of_the_issuers_key(shop, &mut doubles).await;
    if let Some(packages) = node_packages() {
        programs_have_their_scopes_by_each_of_the_issuers_keys(shop, &mut doubles, packages).await;
    }
    if !shop.emulator.lacks(Gap::UserPools) {
        users_and_programs_of_a_user_pool_have_what_is_theirs(shop, &mut doubles).await;
    }
    doubles.orders.remove(shop).await;
    doubles.inventory.remove(shop).await;
}

async fn users_are_customers_whatever_becomes_of_the_issuers_key(shop: &Shop, doubles: &mut Doubles) {
    let port = Issuer::free_port();
    let issuer = Issuer::of_python(shop, port).await;
    doubles.take_tokens(shop, &Issuer::variables(port, "127.0.0.1")).await;
    let Doubles { orders, inventory } = doubles;
    let ada = issuer.sign_in("ada", "orderflow").await;
    let (status, _, placed) = orders.ask(shop, PLACE, &ada, &order_of("", "issuer")).await;
    assert_eq!(status, 201, "{placed}");
    let path = format!("/orders/{}", placed["orderId"].as_str().unwrap());
    let read = ("GET", "/orders/{orderId}", path.as_str());
    assert_eq!(orders.ask(shop, read, &ada, &Value::Null).await.2["customer"]["id"], "ada");
    let grace = issuer.sign_in("grace", "orderflow").await;
    assert_eq!(orders.ask(shop, read, &grace, &Value::Null).await.0, 404);
    assert_eq!(inventory.ask(shop, STOCK, &ada, &Value::Null).await.0, 403);
    let of_another = issuer.sign_in("ada", "another-shop").await;
    assert_eq!(orders.ask(shop, read, &of_another, &Value::Null).await.0, 401);

    // A new key, and the old one is gone: nobody who has a new token is sent away.
    issuer.stop().await;
    let issuer = Issuer::of_python(shop, port).await;
    let next = issuer.sign_in("ada", "orderflow").await;
    issuer.stop().await;
    let (status, headers, problem) = orders.ask(shop, read, &next, &Value::Null).await;
    assert_eq!(status, 503, "nobody can tell: {problem}");
    assert!(headers.to_string().contains("retry-after"), "{headers}");
    assert_eq!(orders.ask(shop, read, &ada, &Value::Null).await.0, 200, "the known key counts on");
    let issuer = Issuer::of_python(shop, port).await;
    let last = issuer.sign_in("ada", "orderflow").await;
    assert_eq!(orders.ask(shop, read, &last, &Value::Null).await.0, 200);
    for withdrawn in [&ada, &next] {
        assert_eq!(orders.ask(shop, read, withdrawn, &Value::Null).await.0, 401);
    }
}

async fn programs_have_their_scopes_by_each_of_the_issuers_keys(shop: &Shop, doubles: &mut Doubles, packages: PathBuf) {
    let port = Issuer::free_port();
    let mut issuer = Issuer::of_node(packages, port).await;
    doubles.take_tokens(shop, &Issuer::variables(port, "localhost")).await;
    let Doubles { orders, inventory } = doubles;
    let mut tokens = vec![issuer.token("stock:read", "orderflow").await];
    assert_eq!(inventory.ask(shop, STOCK, &tokens[0], &Value::Null).await.0, 200);
    issuer.rotate().await;
    tokens.push(issuer.token("stock:read orders:any", "orderflow").await);
    for token in tokens.iter().rev() {
        assert_eq!(inventory.ask(shop, STOCK, token, &Value::Null).await.0, 200);
    }
    for (token, status) in tokens.iter().zip([403, 201]) {
        let (found, _, body) = orders.ask(shop, PLACE, token, &order_of("cus_any", "issuer")).await;
        assert_eq!(found, status, "{body}");
    }
    for (scopes, audience, status) in [("stock:write", "orderflow", 403), ("stock:read", "another", 401)] {
        let token = issuer.token(scopes, audience).await;
        assert_eq!(inventory.ask(shop, STOCK, &token, &Value::Null).await.0, status, "{scopes} {audience}");
    }
}

/// It comes last, for the doubles keep its prefix of scopes.
async fn users_and_programs_of_a_user_pool_have_what_is_theirs(shop: &Shop, doubles: &mut Doubles) {
    let scopes = ["stock:read", "orders:any"];
    let [pool, other] = [UserPool::with_scopes(shop, &scopes).await, UserPool::with_scopes(shop, &scopes).await];
    doubles.take_tokens(shop, &pool.variables(shop)).await;
    let Doubles { orders, inventory } = doubles;
    let (ada, token) = pool.sign_up(shop, "ada").await;
    let (status, _, placed) = orders.ask(shop, PLACE, &token, &order_of("", "issuer")).await;
    assert_eq!(status, 201, "{placed}");
    let path = format!("/orders/{}", placed["orderId"].as_str().unwrap());
    let read = ("GET", "/orders/{orderId}", path.as_str());
    assert_eq!(orders.ask(shop, read, &token, &Value::Null).await.2["customer"]["id"], ada);
    let (_, grace) = pool.sign_up(shop, "grace").await;
    assert_eq!(orders.ask(shop, read, &grace, &Value::Null).await.0, 404);
    assert_eq!(inventory.ask(shop, STOCK, &grace, &Value::Null).await.0, 403);
    let (_, of_another_pool) = other.sign_up(shop, "ada").await;
    assert_eq!(orders.ask(shop, read, &of_another_pool, &Value::Null).await.0, 401);
    let [reader, writer] = [pool.token(shop, "stock:read").await, pool.token(shop, "orders:any").await];
    assert_eq!(inventory.ask(shop, STOCK, &reader, &Value::Null).await.0, 200);
    assert_eq!(inventory.ask(shop, STOCK, &writer, &Value::Null).await.0, 403);
    assert_eq!(orders.ask(shop, read, &writer, &Value::Null).await.0, 200);
}
