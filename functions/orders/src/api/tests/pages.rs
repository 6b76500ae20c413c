//! Pages of an order, and what they answer to forms.

use orderflow_events::{EventType, GoodsReturned, PaymentFailed, PaymentFailure, PaymentProcessed, RefundId};

use super::*;

const PAGE: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

impl Shop {
    fn see(&self, id: &str) -> Reply {
        self.send("GET", &format!("/orders/{id}"), &[PAGE], Body::Empty)
    }

    fn fill_in(&self, id: &str, form: &str) -> Reply {
        self.send("POST", &format!("/orders/{id}"), &[PAGE, FORM], form)
    }

    /// Lets the order get on by what another service says of it.
    fn get_on(&self, id: &str, event_type: EventType) {
        let order_id = OrderId::new(id).unwrap();
        let (payment_id, amount) = (PaymentId::of(&order_id), sample::order("x").total);
        let payload: Payload = match event_type {
            EventType::InventoryReserved => InventoryReserved { order_id, lines: Vec::new() }.into(),
            EventType::InventoryRejected => InventoryRejected { order_id, shortages: Vec::new() }.into(),
            EventType::PaymentProcessed => PaymentProcessed { order_id, payment_id, amount }.into(),
            EventType::PaymentFailed => {
                let reason = PaymentFailure { code: Text::shortened("declined"), message: Text::shortened("no") };
                PaymentFailed { order_id, payment_id, reason }.into()
            }
            EventType::PaymentRefunded => {
                let refund_id = RefundId::of(&order_id);
                PaymentRefunded { order_id, payment_id, refund_id, amount }.into()
            }
            EventType::ShipmentCreated => shipment(order_id).into(),
            EventType::GoodsReturned => {
                let return_id = ReturnId::of(&order_id);
                GoodsReturned { order_id, return_id, lines: Vec::new() }.into()
            }
            other => panic!("orders does not hear {other}"),
        };
        self.hear(payload);
    }
}

fn text(reply: &Reply) -> &str {
    reply.body.as_str().unwrap_or_else(|| panic!("it is JSON: {}", reply.body))
}

fn between<'a>(page: &'a str, begin: &str, end: &str) -> &'a str {
    page.split_once(begin).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(found, _)| found)
}

/// Steps that a page says are to come, the present one first.
fn coming(page: &str) -> Vec<&str> {
    page.split("<span class=\"when\">").skip(1).map(|part| between(part, "<span>", "<")).collect()
}

#[test]
fn the_page_tells_how_far_an_order_is_and_what_comes_next() {
    use EventType::{
        GoodsReturned, InventoryRejected, InventoryReserved, PaymentFailed, PaymentProcessed, PaymentRefunded,
        ShipmentCreated,
    };
    const SHELF: &str = "We set your goods aside";
    const PAYMENT: &str = "Your payment goes through";
    const CARRIER: &str = "The carrier takes your parcel";
    const RETURN: &str = "You send the goods back";
    const REFUND: &str = "We give your money back";
    const CANCELS: &str = "name=\"do\" value=\"cancel\"";
    const WITHDRAWS: &str = "/withdrawal\" data-within";
    let [cancel, withdraw, none]: [fn(&Shop, &str); 3] = [
        |shop, id| assert_eq!(shop.cancel(id).status, 202),
        |shop, id| assert_eq!(shop.withdraw(id).status, 202),
        |_, _| {},
    ];
    for (before, act, after, title, next, acts) in [
        (&[][..], none, &[][..], "We have your order", &[SHELF, PAYMENT, CARRIER][..], [true, true]),
        (&[InventoryReserved], none, &[], "Your goods are set aside", &[PAYMENT, CARRIER], [true, true]),
        (&[PaymentProcessed], none, &[], "Your order is paid", &[CARRIER], [true, true]),
        (&[PaymentProcessed, ShipmentCreated], none, &[], "Your order is on its way", &[], [false, true]),
        (&[InventoryRejected], none, &[], "We had to cancel your order", &[], [false, false]),
        (&[InventoryReserved, PaymentFailed], none, &[], "Your order is cancelled", &[], [false, false]),
        (&[], cancel, &[], "Your order is cancelled", &[], [false, false]),
        (&[PaymentProcessed], cancel, &[], "Your order is cancelled", &[REFUND], [false, false]),
        (&[PaymentProcessed], cancel, &[PaymentRefunded], "Your order is cancelled", &[], [false, false]),
        (&[PaymentProcessed, ShipmentCreated], withdraw, &[], "We wait for your goods", &[RETURN, REFUND], [false; 2]),
        (
            &[PaymentProcessed, ShipmentCreated],
            withdraw,
            &[GoodsReturned],
            "Your goods are back",
            &[REFUND],
            [false, false],
        ),
        (
            &[PaymentProcessed, ShipmentCreated],
            withdraw,
            &[GoodsReturned, PaymentRefunded],
            "Your goods are back",
            &[],
            [false, false],
        ),
    ] {
        let shop = Shop::new();
        let id = shop.place_some();
        for event_type in before {
            shop.get_on(&id, *event_type);
        }
        act(&shop, &id);
        for event_type in after {
            shop.get_on(&id, *event_type);
        }
        let reply = shop.see(&id);
        let (page, told) = (text(&reply), format!("{before:?} {after:?}"));
        assert_eq!((reply.status, between(page, "<h1>", "<")), (200, title), "{told}: {page}");
        assert_eq!(coming(page), next, "{told}");
        assert_eq!([CANCELS, WITHDRAWS].map(|act| page.contains(act)), acts, "{told}");
        let happened = page.matches("<time ").count();
        let seen =
            shop.send("GET", &format!("/orders/{id}"), &[], Body::Empty).body["timeline"].as_array().unwrap().len();
        assert_eq!(happened, seen, "{told}: every event of its timeline is told");
        let is_at_rest = next.is_empty() || next[0] == RETURN;
        assert_eq!(between(page, "data-pace=\"", "\""), if is_at_rest { "60" } else { "2" }, "{told}");
        for shown in ["Ada Lovelace", "ada@example.com", "36,85 EUR", "A-1", "2 × 9,95 EUR"] {
            assert!(page.contains(shown), "{told}: {shown}");
        }
    }
}

#[test]
fn a_free_order_waits_for_no_payment() {
    let shop = Shop::new();
    for sku in ["A-1", "B-2"] {
        let body = json!({ "unitPrice": { "amount": 0, "currency": "EUR" } }).to_string();
        shop.send("PUT", &format!("/prices/{sku}"), &[], body);
    }
    let mut free = order();
    for line in free["lines"].as_array_mut().unwrap() {
        line.as_object_mut().unwrap().remove("unitPrice");
    }
    let id = shop.place(&free, None).body["orderId"].as_str().unwrap().to_owned();
    shop.get_on(&id, EventType::InventoryReserved);
    let page = shop.see(&id);
    assert_eq!(coming(text(&page)), ["The carrier takes your parcel"]);
}

#[test]
fn an_order_that_stands_still_is_said_to_be_slow() {
    let shop = Shop::new();
    let id = shop.place_some();
    let slow = "This takes longer than it should";
    assert!(!text(&shop.see(&id)).contains(slow));
    shop.world.pass(Duration::from_mins(3));
    assert!(text(&shop.see(&id)).contains(slow));
    shop.cancel(&id);
    assert!(!text(&shop.see(&id)).contains(slow), "there is nothing left to do");
}

#[test]
fn people_get_the_page_and_programs_the_order() {
    let shop = Shop::new();
    let id = shop.place_some();
    for (accept, media_type) in
        [(PAGE.1, "text/html; charset=utf-8"), ("application/json", "application/json"), ("*/*", "application/json")]
    {
        let reply = shop.send("GET", &format!("/orders/{id}"), &[("Accept", accept)], Body::Empty);
        assert_eq!((reply.status, &reply.headers["content-type"]), (200, &HeaderValue::from_static(media_type)));
        assert_eq!(reply.headers["cache-control"], "no-store");
    }
    let page = shop.see(&id);
    let again = |tag: &str| shop.send("GET", &format!("/orders/{id}"), &[PAGE, ("If-None-Match", tag)], Body::Empty);
    let tag = page.headers["etag"].to_str().unwrap();
    assert_eq!((again(tag).status, again(tag).body, again("\"a\"").status), (304, json!(""), 200));
    shop.get_on(&id, EventType::InventoryReserved);
    assert_eq!(again(tag).status, 200, "it has got on");
}

#[test]
fn the_form_cancels_once_and_leads_back() {
    let shop = Shop::new();
    let id = shop.place_some();
    for form in ["", "do=", "do=canceled", "cancel", "%"] {
        assert_eq!(shop.fill_in(&id, form).status, 200, "{form}");
    }
    assert_eq!(shop.published(), ["OrderCreated"]);
    for _ in 0..2 {
        let done = shop.fill_in(&id, "do=cancel");
        assert_eq!((done.status, &done.headers["location"]), (303, &HeaderValue::try_from(&id).unwrap()));
    }
    assert_eq!(shop.published(), ["OrderCreated", "OrderCancelled"]);
    let late = shop.place_some();
    shop.get_on(&late, EventType::ShipmentCreated);
    let refused = shop.fill_in(&late, "do=cancel");
    assert_eq!(refused.status, 409);
    assert!(text(&refused).contains("You can withdraw from it instead"), "{}", refused.body);
    let unknown = shop.fill_in("ord_0", "do=cancel");
    assert!(unknown.status == 404 && text(&unknown).contains("There is no such order"), "{}", unknown.body);
}

#[test]
fn who_is_signed_in_sees_the_page_by_the_token_and_nobody_else() {
    let (shop, issuer) = (Shop::new(), MemoryIssuer::new("1"));
    let ada = issuer.token("ada", "");
    let id = shop.send_as(&issuer, Some(&ada), "POST", "/orders", &order_of(&json!("ada"))).body["orderId"].clone();
    let id = id.as_str().unwrap();
    let see = |token: Option<&str>, id: &str| {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![PAGE];
        headers.extend(authorization.iter().map(|value| ("Authorization", value.as_str())));
        let (ledger, keys) = (Ledger::new(&*shop.log, &shop.world), shop.key_ring());
        let api = OrdersApi::new(ledger, &shop.prices, keys, issuer.access(), PERIOD);
        reply(&block_on(api.answer(&request("GET", &format!("/orders/{id}"), &headers, Body::Empty))))
    };
    assert_eq!(see(Some(&ada), id).status, 200);
    let grace = issuer.token("grace", "");
    let (foreign, unknown) = (see(Some(&grace), id), see(Some(&grace), "ord_0"));
    assert_eq!((foreign.status, text(&foreign)), (404, text(&unknown)), "nobody can tell the two apart");
    // The script asks again with the token of its tab.
    let nobody = see(None, id);
    assert!(nobody.status == 401 && text(&nobody).contains("data-view=\"nobody\""), "{}", nobody.body);
    assert_eq!(text(&nobody), text(&see(None, "ord_0")));
}

#[test]
fn the_files_of_a_page_are_kept_under_their_version_alone() {
    let (shop, issuer) = (Shop::new(), MemoryIssuer::new("1"));
    let page = shop.see(&shop.place_some());
    for (file, media_type) in [("page.css", "text/css; charset=utf-8"), ("page.mjs", "text/javascript; charset=utf-8")]
    {
        let version = between(text(&page), &format!("\"{file}?v="), "\"").to_owned();
        for (asked, control) in [(&version, "public, max-age=31536000, immutable"), (&"older".to_owned(), "no-cache")] {
            let query =
                [("v".to_owned(), vec![asked.clone()])].into_iter().collect::<std::collections::HashMap<_, _>>();
            let request = request("GET", &format!("/orders/{file}"), &[], Body::Empty);
            let api = OrdersApi::new(
                Ledger::new(&*shop.log, &shop.world),
                &shop.prices,
                shop.key_ring(),
                issuer.access(),
                PERIOD,
            );
            let answer = block_on(api.answer(&request.with_query_string_parameters(query)));
            assert_eq!(
                (answer.status(), answer.headers()["content-type"].to_str().unwrap()),
                (StatusCode::OK, media_type)
            );
            assert_eq!(answer.headers()["cache-control"], control, "{file}");
        }
    }
    assert!(text(&page).len() < 8_000, "{} bytes", text(&page).len());
}

#[test]
fn a_withdrawal_leads_by_two_steps_to_the_receipt_and_changes_nothing_before() {
    for is_shipped in [false, true] {
        let shop = Shop::new();
        let id = shop.place_some();
        if is_shipped {
            shop.hear(shipment(OrderId::new(id.as_str()).unwrap()));
        }
        let before = shop.published().len();
        let (status, headers, offer) = shop.page("GET", &id, "");
        assert_eq!((status, &headers["content-type"]), (200, &HeaderValue::from_static("text/html; charset=utf-8")));
        assert!(offer.contains("<button>Withdraw from contract here</button>"), "{offer}");
        for text in [id.as_str(), "Ada Lovelace", "ada@example.com"] {
            assert!(offer.contains(text), "{text}: {offer}");
        }
        // Whatever is sent, nothing is done before the second step.
        for form in ["", "step=offer", "step=confirm", "%", "step=review&step=confirmed", "confirmed"] {
            assert_eq!(shop.page("POST", &id, form).0, 200, "{form}");
        }
        let (status, _, review) = shop.page("POST", &id, "step=review");
        assert!(status == 200 && review.contains("<button>Confirm withdrawal</button>"), "{review}");
        assert_eq!(shop.published().len(), before);
        let (status, _, received) = shop.page("POST", &id, "step=confirmed");
        let event = shop.log.published::<Payload>().pop().unwrap();
        let proof = orderflow_events::format_utc(event.context.time);
        for text in ["We have received your withdrawal", &proof, event.context.id.as_str()] {
            assert!(status == 200 && received.contains(text), "{text}: {received}");
        }
        assert!(!received.contains("<form"), "{received}");
        assert_eq!(shop.published().len(), before + 1);
        for (method, form) in [("GET", ""), ("POST", "step=review"), ("POST", "step=confirmed")] {
            assert_eq!(shop.page(method, &id, form).2, received, "{method} {form}");
        }
        assert_eq!(shop.published().len(), before + 1);
    }
}

#[test]
fn the_page_has_few_rights_and_its_refusals_are_pages_too() {
    let shop = Shop::new();
    let id = shop.place_some();
    shop.hear(InventoryRejected { order_id: OrderId::new(id.as_str()).unwrap(), shortages: Vec::new() });
    let (status, headers, cancelled) = shop.page("GET", &id, "");
    assert!(status == 200 && cancelled.contains("This order is cancelled already"), "{cancelled}");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; ") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(
        (&headers["cache-control"], &headers["referrer-policy"]),
        (&"no-store".parse().unwrap(), &"same-origin".parse().unwrap())
    );
    assert_eq!(cancelled.matches("<script").count(), 1, "{cancelled}");
    assert!(
        cancelled.contains("<script type=\"module\" src=\"../page.mjs?v=") && !cancelled.contains(" style="),
        "{cancelled}"
    );
    for (method, id, status) in
        [("GET", "ord_0", 404), ("POST", "ord_0", 404), ("GET", "a%20b", 404), ("PUT", &id, 404)]
    {
        let (found, headers, page) = shop.page(method, id, "step=confirmed");
        assert_eq!(
            (found, &headers["content-type"]),
            (status, &"text/html; charset=utf-8".parse().unwrap()),
            "{method} {id}"
        );
        assert!(page.contains("There is no such order"), "{page}");
    }
    let issuer = MemoryIssuer::new("1");
    let (ledger, keys) = (Ledger::new(&*shop.log, &shop.world), shop.key_ring());
    let api = OrdersApi::new(ledger, &shop.prices, keys, issuer.access(), PERIOD);
    let anonymous = block_on(api.answer(&request("GET", &format!("/orders/{id}/withdrawal"), &[], Body::Empty)));
    assert_eq!(anonymous.status(), 401);
    assert!(anonymous.headers().contains_key("www-authenticate"));
    assert!(String::from_utf8_lossy(anonymous.body()).contains("We cannot tell who you are"));
}

#[test]
fn each_page_may_ask_the_socket_that_it_names_and_nobody_else() {
    let shop = Shop::new();
    let id = shop.place_some();
    for (address, expected) in [
        (None, None),
        (
            Some("wss://a1.execute-api.eu-west-1.amazonaws.com/dev"),
            Some("wss://a1.execute-api.eu-west-1.amazonaws.com/dev"),
        ),
        (Some("http://127.0.0.1:4566/_aws/execute-api/a1/dev"), Some("ws://127.0.0.1:4566/_aws/execute-api/a1/dev")),
    ] {
        for path in ["", "/withdrawal", "0"] {
            let (ledger, keys) = (Ledger::new(&*shop.log, &shop.world), shop.key_ring());
            let api = OrdersApi::new(ledger, &shop.prices, keys, Access::open(), PERIOD);
            let api = api.with_socket(address.map(Socket::at));
            let asked = request("GET", &format!("/orders/{id}{path}"), &[("Accept", "text/html")], Body::Empty);
            let answered = block_on(api.answer(&asked));
            let policy = answered.headers()["content-security-policy"].to_str().unwrap();
            let ours = policy.rsplit("connect-src 'self'").next().unwrap().trim();
            assert_eq!(ours, expected.unwrap_or_default(), "{path}");
            let page = String::from_utf8(answered.body().to_vec()).unwrap();
            let named = page.split("data-socket=\"").nth(1).and_then(|rest| rest.split('"').next());
            assert_eq!(named, expected, "{path}: {page}");
        }
    }
}

#[test]
fn what_comes_from_outside_cannot_break_out_of_the_page() {
    let shop = Shop::new();
    let mut evil = order();
    evil["customer"]["name"] = json!("<script>\"'&");
    let placed = shop.place(&evil, None).body;
    let (_, _, page) = shop.page("GET", placed["orderId"].as_str().unwrap(), "");
    assert!(page.contains("&#60;script&#62;&#34;&#39;&#38;") && !page.contains("<script>"), "{page}");
}
