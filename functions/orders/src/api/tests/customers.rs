//! Erasure of a customer, and all orders of one.

use super::*;
use crate::{Endings, PaymentDue};

/// Texts of [`order`] that say who ordered.
const PERSONAL: [&str; 4] = ["Lovelace", "ada@example.com", "Analytical", "10115"];

impl Shop {
    fn erase(&self, customer: &str) -> Reply {
        self.send("POST", &format!("/customers/{customer}/erase"), &[], Body::Empty)
    }

    fn export(&self, customer: &str) -> Reply {
        self.send("GET", &format!("/customers/{customer}/export"), &[], Body::Empty)
    }

    fn show(&self, id: &str) -> Value {
        self.send("GET", &format!("/orders/{id}"), &[], Body::Empty).body
    }

    /// Events of an order, by its timeline.
    fn timeline(&self, id: &str) -> Vec<String> {
        let shown = self.show(id);
        let timeline = shown["timeline"].as_array().unwrap().iter();
        timeline.map(|seen| seen["type"].as_str().unwrap().to_owned()).collect()
    }

    /// One order that is open, one that is shipped, and one that is cancelled, all of `cus_1`.
    fn with_three_orders() -> (Self, [String; 3]) {
        let shop = Self::new();
        let orders = [(), (), ()].map(|()| shop.place_some());
        shop.hear(shipment(OrderId::new(orders[1].as_str()).unwrap()));
        shop.cancel(&orders[2]);
        (shop, orders)
    }
}

fn are_told(shop: &Shop, orders: &[String; 3]) {
    let [open, shipped, cancelled] = orders.each_ref().map(|id| shop.timeline(id));
    assert_eq!(open, ["OrderCreated", "OrderCancelled", "PersonalDataErased"]);
    assert_eq!(shipped.iter().filter(|seen| *seen == "PersonalDataErased").count(), 1, "{shipped:?}");
    assert_eq!(cancelled, ["OrderCreated", "OrderCancelled", "PersonalDataErased"]);
    let status = orders.each_ref().map(|id| shop.show(id)["status"].clone());
    assert_eq!(status, ["cancelled", "shipped", "cancelled"]);
    for id in orders {
        assert_eq!(shop.show(id)["customer"], json!({ "id": "cus_1", "erased": true }));
    }
}

#[test]
fn an_erased_customer_is_nobody_and_each_of_their_orders_is_told_of_once() {
    let (shop, orders) = Shop::with_three_orders();
    let mut of_another = order();
    of_another["customer"]["id"] = json!("cus_2");
    let kept = shop.place(&of_another, None).body["orderId"].as_str().unwrap().to_owned();
    let erased = shop.erase("cus_1");
    assert_eq!((erased.status, &erased.body), (202, &json!({ "customerId": "cus_1", "orders": 3 })));
    assert_eq!(shop.keys.owners(), ["cus_2"]);
    are_told(&shop, &orders);
    let published = shop.published();
    let again = shop.erase("cus_1");
    assert_eq!((again.status, &again.body), (202, &erased.body));
    assert_eq!(shop.published(), published, "once");
    assert_eq!(shop.timeline(&kept), ["OrderCreated"], "another customer's goes on");
    assert_eq!(shop.show(&kept)["customer"]["name"], "Ada Lovelace");
    let nobody = shop.erase("cus_0");
    assert_eq!((nobody.status, &nobody.body), (202, &json!({ "customerId": "cus_0", "orders": 0 })));
}

/// The key goes first, so that no crash leaves a person whom nobody has erased; the next request says what is left to say.
#[test]
fn an_erasure_that_dies_at_any_call_goes_on_with_the_next() {
    for steps in 1.. {
        let (shop, orders) = Shop::with_three_orders();
        let pace = Pace::of(steps);
        let mut attempt = Box::pin(shop.attempt(&pace, "POST", "/customers/cus_1/erase", &[], Body::Empty));
        let is_whole = attempt.as_mut().now_or_never().is_some();
        drop(attempt);
        let is_told = shop.published().iter().any(|event| event == "PersonalDataErased");
        assert!(shop.keys.owners().is_empty() || !is_told, "{steps}: nothing is told of who can be opened still");
        assert_eq!(shop.erase("cus_1").status, 202);
        assert!(shop.keys.owners().is_empty());
        are_told(&shop, &orders);
        let told = shop.published().iter().filter(|event| *event == "PersonalDataErased").count();
        assert_eq!(told, 3, "{steps}");
        if is_whole {
            assert!(steps > 8, "{steps}");
            return;
        }
    }
}

#[test]
fn an_erasure_whose_answer_is_lost_is_asked_for_again() {
    for call in ["erase key", "append"] {
        let (shop, orders) = Shop::with_three_orders();
        let lost = block_on(shop.attempt(&Pace::losing(call), "POST", "/customers/cus_1/erase", &[], Body::Empty));
        assert_eq!(lost.status, 503, "{call}");
        assert_eq!(shop.erase("cus_1").status, 202);
        are_told(&shop, &orders);
    }
}

#[test]
fn an_order_that_ships_meanwhile_is_not_cancelled() {
    let (shop, orders) = Shop::with_three_orders();
    let (path, pace) = ("/customers/cus_1/erase", Pace::until("before append"));
    let mut erasing = pin!(shop.attempt(&pace, "POST", path, &[], Body::Empty));
    assert!(erasing.as_mut().now_or_never().is_none(), "it stands still");
    shop.hear(shipment(OrderId::new(orders[0].as_str()).unwrap()));
    pace.release();
    assert_eq!(erasing.now_or_never().map(|erased| erased.status), Some(202));
    assert!(!shop.timeline(&orders[0]).contains(&"OrderCancelled".to_owned()));
    assert!(shop.timeline(&orders[0]).contains(&"PersonalDataErased".to_owned()));
    assert_eq!(shop.show(&orders[0])["status"], "shipped");
}

#[test]
fn a_customer_with_many_orders_is_erased_page_by_page() {
    let shop = Shop::new();
    let orders: Vec<String> = (0..25).map(|_| shop.place_some()).collect();
    assert_eq!(shop.erase("cus_1").body["orders"], 25);
    assert!(orders.iter().all(|id| shop.show(id)["customer"]["erased"] == true));
}

#[test]
fn an_export_has_all_that_is_held_of_a_customer_and_of_nobody_else() {
    let (shop, orders) = Shop::with_three_orders();
    let mut of_another = order();
    of_another["customer"] = json!({ "id": "cus_2", "name": "Grace Hopper", "email": "grace@example.com" });
    shop.place(&of_another, None);
    let export = shop.export("cus_1");
    assert_eq!((export.status, &export.body["customerId"]), (200, &json!("cus_1")));
    let exported = export.body["orders"].as_array().unwrap();
    let mut ids: Vec<&str> = exported.iter().map(|of| of["order"]["orderId"].as_str().unwrap()).collect();
    ids.sort_unstable();
    let mut expected: Vec<&str> = orders.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(ids, expected);
    for of in exported {
        assert_eq!(of["order"]["customer"], order()["customer"]);
        assert_eq!(of["shippingAddress"], order()["shippingAddress"]);
        assert_eq!(of["paymentMethod"], order()["paymentMethod"]);
    }
    assert!(!export.body.to_string().contains("Hopper"));
    assert_eq!(export.body.get("next"), None);
    assert_eq!(shop.export("cus_0").body["orders"], json!([]));
    shop.erase("cus_1");
    let export = shop.export("cus_1").body;
    assert_eq!(export["orders"].as_array().unwrap().len(), 3, "what was bought is known still");
    assert!(PERSONAL.iter().all(|personal| !export.to_string().contains(personal)), "{export}");
}

#[test]
fn an_export_comes_in_pages() {
    let shop = Shop::new();
    for _ in 0..101 {
        shop.place_some();
    }
    let first = shop.export("cus_1").body;
    let next = first["next"].as_str().unwrap();
    assert_eq!(first["orders"].as_array().unwrap().len(), 100);
    // The query is what the gateway has taken apart.
    let page = |after: &str| {
        let request = request("GET", "/customers/cus_1/export", &[], Body::Empty);
        let query = std::collections::HashMap::from([("after".to_owned(), vec![after.to_owned()])]);
        let request = request.with_query_string_parameters(query);
        let (ledger, keys) = (Ledger::new(&*shop.log, &shop.world), shop.key_ring());
        let api = OrdersApi::new(ledger, &shop.prices, keys, Access::open(), PERIOD);
        reply(&block_on(api.answer(&request)))
    };
    let last = page(next).body;
    assert_eq!(last["orders"].as_array().unwrap().len(), 1);
    assert_eq!(last.get("next"), None);
    assert_eq!(page("ord_0").status, 400);
}

#[test]
fn who_may_erase_and_who_may_see_what_is_held() {
    let issuer = MemoryIssuer::new("1");
    let shop = Shop::new();
    let ada = issuer.token("auth0|ada", "");
    let body = order_of(&Value::Null);
    let placed = shop.send_as(&issuer, Some(&ada), "POST", "/orders", &body).body["orderId"].clone();
    let erase = "/customers/auth0%7Cada/erase";
    let export = "/customers/auth0%7Cada/export";
    let privacy = issuer.token("officer", "privacy");
    for (token, erased, exported) in [
        (None, 401, 401),
        (Some(MemoryIssuer::new("1").token("officer", "privacy")), 401, 401),
        (Some(issuer.token("grace", "orders:any operations")), 403, 403),
        (Some(issuer.token("grace", "")), 403, 403),
        (Some(ada), 403, 200),
        (Some(privacy.clone()), 202, 200),
    ] {
        let ask = |method, path| shop.send_as(&issuer, token.as_deref(), method, path, &Value::Null).status;
        assert_eq!(ask("GET", export), exported, "{token:?}");
        assert_eq!(ask("POST", erase), erased, "{token:?}");
    }
    // Who has asked for it is on record.
    let rows = block_on(shop.log.read(&Subject::new(placed.as_str().unwrap()).unwrap())).unwrap();
    let last = rows.last().unwrap();
    assert_eq!((last.cause.event_type.as_str(), last.cause.by.as_deref()), ("EraseCustomer", Some("officer")));
    // A guest's id is nobody's, whoever says that it is theirs.
    let forged = issuer.token("gst_1", "");
    let asked = shop.send_as(&issuer, Some(&forged), "GET", "/customers/gst_1/export", &Value::Null);
    assert_eq!(asked.status, 403);
    for path in ["/customers/%FF/export", "/customers/%00/export"] {
        assert_eq!(shop.send_as(&issuer, Some(&privacy), "GET", path, &Value::Null).status, 404, "{path}");
    }
}

/// Rows that were copied before the erasure and are put back after it open nothing: who they are of is gone with the key.
#[test]
fn rows_from_a_backup_bring_nobody_back() {
    let (shop, orders) = Shop::with_three_orders();
    let backup: Vec<_> = (orders.iter())
        .map(|id| Subject::new(id.as_str()).unwrap())
        .map(|subject| (block_on(shop.log.read(&subject)).unwrap(), subject))
        .collect();
    shop.erase("cus_1");
    // The customer orders once more, under a new key.
    let new = shop.place_some();
    let restored = Shop { log: Rc::default(), ..shop };
    for (rows, subject) in &backup {
        for row in rows {
            assert_eq!(block_on(restored.log.append(subject, row, &[])), Ok(onewrite::port::Appended::Done));
        }
    }
    for id in &orders {
        let shown = restored.show(id);
        assert_eq!(shown["customer"], json!({ "id": "cus_1", "erased": true }), "{id}");
        assert_ne!(*id, new);
    }
    let rows = format!("{backup:?}");
    assert!(PERSONAL.iter().all(|personal| !rows.contains(personal)), "{rows}");
    // And the next erasure tells of what was restored.
    assert_eq!(restored.erase("cus_1").body["orders"], 3);
    are_told(&restored, &orders);
}

/// Lets the clock of the orders strike once, as far as the pace lets it; answers the number of orders that it has ended.
async fn strike(shop: &Shop, pace: &Pace) -> u64 {
    let log = Paced { port: &*shop.log, pace };
    let sweep = onewrite::Sweep::new(Ledger::new(log, &shop.world), log, Duration::from_hours(1));
    let endings = Endings::new(PaymentDue::of_hours(72), Paced { port: &shop.keys, pace });
    let ending = async |order: &Order, age| endings.of(order, age).await;
    sweep.run_ending::<Orders>(shop.world.now().after(Duration::from_mins(1)), ending).await.unwrap().ended
}

#[test]
fn an_order_that_an_erasure_has_missed_is_ended_by_the_clock() {
    for steps in 1.. {
        let (shop, orders) = Shop::with_three_orders();
        // An erasure that has died when the key was gone, and whoever asked for it is gone, too.
        assert_eq!(block_on(shop.keys.erase("cus_1")), Ok(true));
        assert_eq!(block_on(strike(&shop, &Pace::of(u32::MAX))), 0, "it may be under way");
        // The customer comes back, and that order goes on.
        let new = shop.place_some();
        shop.world.pass(Duration::from_mins(5));
        let pace = Pace::of(steps);
        let is_whole = strike(&shop, &pace).now_or_never().is_some();
        let ended = block_on(strike(&shop, &Pace::of(u32::MAX)));
        assert_eq!(shop.timeline(&orders[0]), ["OrderCreated", "OrderCancelled", "PersonalDataErased"], "{steps}");
        assert_eq!(shop.timeline(&new), ["OrderCreated"], "{steps}");
        assert!(ended <= 1, "{steps}");
        if is_whole {
            assert_eq!(ended, 0, "twice is once");
            assert!(steps > 20, "{steps}");
            return;
        }
    }
}

#[test]
fn an_erasure_that_takes_too_long_goes_on_with_the_next_request() {
    let shop = Shop::new();
    for _ in 0..25 {
        shop.place_some();
    }
    let pace = Pace::until("before append");
    let mut erasing = pin!(shop.attempt(&pace, "POST", "/customers/cus_1/erase", &[], Body::Empty));
    assert!(erasing.as_mut().now_or_never().is_none(), "it stands still");
    shop.world.pass(Duration::from_secs(6));
    pace.release();
    assert_eq!(erasing.now_or_never().map(|erased| erased.status), Some(503));
    let told = || shop.published().iter().filter(|event| *event == "PersonalDataErased").count();
    assert_eq!(told(), 10, "those that were under way");
    assert_eq!(shop.erase("cus_1").status, 202);
    assert_eq!(told(), 25);
}

/// The key of an order that is placed while its customer is being erased is another, and stays: so does the order.
#[test]
fn an_order_that_is_placed_meanwhile_under_a_new_key_goes_on() {
    let (shop, orders) = Shop::with_three_orders();
    let pace = Pace::until("before owned");
    let mut erasing = pin!(shop.attempt(&pace, "POST", "/customers/cus_1/erase", &[], Body::Empty));
    assert!(erasing.as_mut().now_or_never().is_none(), "it stands still");
    let new = shop.place_some();
    pace.release();
    let erased = erasing.now_or_never().unwrap();
    assert_eq!((erased.status, &erased.body["orders"]), (202, &json!(4)));
    are_told(&shop, &orders);
    assert_eq!(shop.timeline(&new), ["OrderCreated"]);
    assert_eq!(shop.show(&new)["customer"]["name"], "Ada Lovelace");
}

/// Of many orders of somebody else which are open for longer, such as those that are held over a weekend, none is in the way.
#[test]
fn many_orders_that_are_open_for_longer_do_not_hide_an_orphan() {
    let shop = Shop::new();
    let held: Vec<String> = (0..12).map(|_| shop.place_of("cus_2")).collect();
    shop.world.pass(Duration::from_secs(1));
    let orphan = shop.place_some();
    assert_eq!(block_on(shop.keys.erase("cus_1")), Ok(true));
    shop.world.pass(Duration::from_mins(5));
    assert_eq!(block_on(strike(&shop, &Pace::of(u32::MAX))), 1);
    assert_eq!(shop.timeline(&orphan), ["OrderCreated", "OrderCancelled", "PersonalDataErased"]);
    assert!(held.iter().all(|id| shop.timeline(id) == ["OrderCreated"]));
    let rows = block_on(shop.log.read(&Subject::new(orphan).unwrap())).unwrap();
    assert_eq!(rows.last().unwrap().cause.event_type, "EndOrphan");
}

#[test]
fn an_orphan_that_is_unpaid_for_too_long_is_told_to_be_one() {
    let shop = Shop::new();
    let (orphan, unpaid) = (shop.place_some(), shop.place_of("cus_2"));
    assert_eq!(block_on(shop.keys.erase("cus_1")), Ok(true));
    shop.world.pass(Duration::from_hours(72));
    assert_eq!(block_on(strike(&shop, &Pace::of(u32::MAX))), 2);
    assert_eq!(shop.timeline(&orphan), ["OrderCreated", "OrderCancelled", "PersonalDataErased"]);
    assert_eq!(shop.timeline(&unpaid), ["OrderCreated", "OrderCancelled"]);
    assert_eq!(shop.show(&unpaid)["cancellationReason"], "paymentFailed");
}

/// Table of a shop that takes two seconds for each read of an order, and that cannot read some.
struct Slow<'a> {
    shop: &'a Shop,
    unreadable: &'a [String],
}

impl Log for Slow<'_> {
    async fn read(&self, subject: &Subject) -> Result<Vec<onewrite::Row>> {
        self.shop.world.sleep(Duration::from_secs(2)).await;
        if self.unreadable.iter().any(|id| id == subject.as_str()) {
            return Err(Failure::transient("it cannot be read"));
        }
        self.shop.log.read(subject).await
    }

    async fn append_all(&self, additions: &[onewrite::port::Addition<'_>]) -> Result<onewrite::port::Appended> {
        self.shop.log.append_all(additions).await
    }
}

impl OwnedSubjects for Slow<'_> {
    async fn owned_by(&self, owner: &str) -> Result<Vec<Subject>> {
        self.shop.log.owned_by(owner).await
    }
}

impl Shop {
    fn place_of(&self, customer: &str) -> String {
        self.place(&order_of(&json!(customer)), None).body["orderId"].as_str().unwrap().to_owned()
    }

    /// So many orders of `cus_1`, a second after each other.
    fn with_orders(orders: u32) -> (Self, Vec<String>) {
        let shop = Self::new();
        let place = |_| {
            shop.world.pass(Duration::from_secs(1));
            shop.place_some()
        };
        let placed = (0..orders).map(place).collect();
        (shop, placed)
    }

    /// A request to erase `cus_1` that has time for thirty orders, and cannot read some; answers its status.
    fn erase_slowly(&self, unreadable: &[String]) -> u16 {
        let ledger = Ledger::new(Slow { shop: self, unreadable }, &self.world);
        let api = OrdersApi::new(ledger, &self.prices, self.key_ring(), Access::open(), PERIOD);
        let request = request("POST", "/customers/cus_1/erase", &[], Body::Empty);
        block_on(api.answer(&request)).status().as_u16()
    }

    /// Those of the orders that are told of, once each.
    fn told(&self, orders: &[String]) -> Vec<bool> {
        let told: Vec<String> = (self.log.published::<Payload>().into_iter())
            .filter_map(|event| if let Payload::PersonalDataErased(erased) = event.data { Some(erased) } else { None })
            .map(|erased| erased.order_id.to_string())
            .collect();
        let times = |order: &String| told.iter().filter(|told| *told == order).count();
        orders.iter().map(|order| times(order) == 1).collect()
    }
}

#[test]
fn an_order_that_cannot_be_read_does_not_keep_the_others_from_being_told_of() {
    for place in [0, 12, 24] {
        let (shop, orders) = Shop::with_orders(25);
        assert_eq!(shop.erase_slowly(&orders[place..=place]), 503);
        let told = shop.told(&orders);
        let untold: Vec<usize> = (0..25).filter(|order| !told[*order]).collect();
        assert_eq!(untold, [place]);
        assert_eq!(shop.erase_slowly(&[]), 202);
        assert_eq!(shop.told(&orders), [true; 25]);
    }
}

#[test]
fn the_newest_orders_of_an_erased_customer_are_told_of_first() {
    let (shop, orders) = Shop::with_orders(45);
    assert_eq!(shop.erase_slowly(&[]), 503);
    let told = shop.told(&orders);
    assert_eq!(told[35..], [true; 10]);
    assert_eq!(told.iter().filter(|told| **told).count(), 30);
}

#[test]
fn requests_to_erase_that_have_no_time_for_all_orders_come_to_all_of_them() {
    let (shop, orders) = Shop::with_orders(100);
    for _ in 0..50 {
        assert_eq!(shop.erase_slowly(&[]), 503);
    }
    assert_eq!(shop.told(&orders), [true; 100]);
}
