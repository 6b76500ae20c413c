//! Customers and other producers: whoever sends the shop something.

use std::cell::RefCell;
use std::rc::Rc;

use fastrand::Rng;
use futures::FutureExt;
use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use orderflow_events::{HoldFlagged, OrderId, guest_of};
use orderflow_orders::Status;
use serde_json::{Value, json};
use simulator::{Caller, Violation};

use crate::audit::{Audit, PRICING_PRODUCER, Promise};
use crate::invariants_at_rest::known;
use crate::names::ORDERS;
use crate::outside::{GONE, OPTED_OUT};
use crate::requests::{MAX_ATTEMPTS, by_link, post, read, request};
use crate::services::{SHOP_URL, System};
use crate::webhooks::Partner;

/// The mean time between two orders.
const GAP_MS: u64 = 25;

/// Time within which an order is placed that is on its way, however late its write takes effect, and after which the clock looks
/// at it, whichever time that has.
const PLACED_WITHIN_MS: u64 = 900_000;

/// Pause before the clock strikes again for orders that it has not come to.
const A_WHILE_MS: u64 = 4 * 3_600_000;

/// The goods of the shop. Of the first there are few, and everybody wants it.
const SKUS: [&str; 8] = ["flash", "coffee", "tea", "grinder", "kettle", "cup", "filter", "scale"];

/// Producer that may not state prices.
const MARKET: &str = "https://market.example";

/// Fills the shelves for so many orders, and lists the prices: enough of everything, but for the first.
pub fn fill_shelves(system: &System, orders: u64) {
    for (index, sku) in SKUS.iter().enumerate() {
        let pieces = if index == 0 { orders / 10 + 2 } else { orders * 12 + 20 };
        system.fill_shelf(sku, i64::try_from(pieces).unwrap_or(i64::MAX));
        system.list_price(sku, 995);
    }
}

/// Way by which an order comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// By the API, as one who may state prices.
    Open,
    /// By the shop's page, and so at the prices of the table.
    Page,
    /// The same, without a token: a guest, who reads and cancels by the link to the order.
    Guest,
    /// By the intake: another producer publishes it by itself.
    Foreign,
}

/// One order, told in advance: for the tests that try one thing after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script {
    /// The payment method.
    pub method: &'static str,
    /// The postal code, which tells the carrier what to do.
    pub postal_code: &'static str,
    /// Goods that are ordered.
    pub sku: &'static str,
    /// Way by which the order comes in.
    pub entry: Entry,
    /// True where there is nothing to pay.
    pub is_free: bool,
    /// Address of the customer's mails.
    pub email: &'static str,
    /// True where payment never hears that it is to charge.
    pub is_never_paid: bool,
    /// True where it looks like fraud.
    pub is_doubtful: bool,
    /// Rule of the stack whether such orders are held, until an operator clears or cancels them.
    pub rule: HoldFlagged,
    /// Time after the answer at which the customer cancels, if they do.
    pub cancel_after_ms: Option<u64>,
    /// Time after the answer at which the customer withdraws, if they do; what was shipped they send back.
    pub withdraw_after_ms: Option<u64>,
    /// Time after the answer at which the customer is erased, if they are.
    pub erase_after_ms: Option<u64>,
}

impl Script {
    /// An order that is paid and shipped.
    pub const SHIPPED: Self = Self {
        method: "pm_card_visa",
        postal_code: "10115",
        sku: "coffee",
        entry: Entry::Open,
        is_free: false,
        email: "c0@example.com",
        is_never_paid: false,
        is_doubtful: false,
        rule: HoldFlagged::No,
        cancel_after_ms: None,
        withdraw_after_ms: None,
        erase_after_ms: None,
    };

    /// Address that reaches nobody.
    pub const NOWHERE: &str = "gone0@example.com";

    /// Goods of which there are none.
    pub const SOLD_OUT: &str = "sold-out";
}

/// Starts the customer of a script.
pub fn arrive_by(system: &Rc<System>, script: Script) {
    let mut customer = Customer::new(system, 0, 0);
    if script.is_never_paid {
        system.keep_from_payment();
        system.start_clock();
    }
    system.run().spawn(async move {
        let mut order = customer.scripted(script);
        customer.entry = script.entry;
        match script.entry {
            Entry::Open | Entry::Foreign => {}
            Entry::Page => without_prices(&mut order),
            Entry::Guest => {
                as_guest(&mut order);
                without_prices(&mut order);
            }
        }
        if script.entry == Entry::Foreign {
            customer.publish(order, PRICING_PRODUCER, 1).await;
        } else if let Some(placed) = customer.place(&mut order, &mut Some("script".to_owned())).await {
            customer.try_links(&placed).await;
            if let Some(patience) = script.cancel_after_ms {
                customer.wait(patience).await;
                customer.cancel(&placed).await;
            }
            if let Some(patience) = script.withdraw_after_ms {
                customer.wait(patience).await;
                customer.withdraw(&placed, true).await;
            }
            if let Some(patience) = script.erase_after_ms {
                customer.wait(patience).await;
                customer.erase(&placed).await;
            }
            customer.revoke_links(&placed).await;
        }
    });
}

/// Starts everybody who places one of `orders` orders. Each order depends on the seed and its number alone.
pub fn arrive(system: &Rc<System>, seed: u64, orders: u64) {
    // In the others whatever was parked can still be paid, however late.
    if seed.is_multiple_of(2) {
        system.start_clock();
    }
    if seed % 4 == 3 {
        system.start_notices();
    }
    if seed % 8 == 2 {
        let _ = system.start_webhooks(&Partner::OF_A_SHOP);
    }
    order(system, seed, orders);
}

/// Starts everybody who places one of `orders` orders, and nothing else.
pub fn order(system: &Rc<System>, seed: u64, orders: u64) {
    for number in 0..orders {
        let customer = Customer::new(system, seed, number);
        system.run().spawn(customer.shop());
    }
}

/// Starts somebody who tries one stolen card, as often as that within a minute, and as many honest customers beside them.
pub fn arrive_beside_a_trier(system: &Rc<System>, orders: u64) {
    for number in 0..2 * orders {
        let mut customer = Customer::new(system, 0, 3 * number);
        let method = if number < orders { "pm_card_stolen" } else { "pm_card_visa" };
        system.run().spawn(async move {
            customer.wait(number % orders * 60_000 / orders).await;
            let mut order = customer.scripted(Script { method, ..Script::SHIPPED });
            order["customer"]["email"] = json!(format!("c{number}@example.com"));
            customer.place(&mut order, &mut Some(format!("try-{number}"))).await;
        });
    }
}

/// Door that an order comes in by, and what is sent to it.
#[derive(Clone, Debug)]
pub enum Door {
    /// The body of `POST /orders`.
    Api(Value),
    /// An event at the intake's topic.
    Intake(Value),
}

/// Status and body of an answer, once there is one.
pub type Answer = RefCell<Option<(u16, Value)>>;

/// Sends one order as it is written, and notes what is answered, and its id.
pub async fn send(system: &System, door: Door, answer: &Answer, order: &RefCell<Option<OrderId>>) {
    let id = match door {
        Door::Api(body) => {
            let reply = system.ask_orders(post("/orders", body.to_string(), None)).await;
            let reply = reply.map(read);
            let id = reply.as_ref().and_then(|(_, body)| body["orderId"].as_str()).and_then(|id| OrderId::new(id).ok());
            answer.replace(reply);
            id
        }
        Door::Intake(event) => {
            system.intake.publish(&event.to_string());
            event["subject"].as_str().and_then(|id| OrderId::new(id).ok())
        }
    };
    if let Some(id) = &id {
        system.shop.audit.met(id);
    }
    order.replace(id);
}

struct Customer {
    system: Rc<System>,
    caller: Caller,
    rng: Rng,
    number: u64,
    /// Way by which they place orders.
    entry: Entry,
    /// The `access` of the link to a guest's order.
    access: Option<String>,
}

impl Entry {
    const fn takes_listed_prices(self) -> bool {
        match self {
            Self::Open | Self::Foreign => false,
            Self::Page | Self::Guest => true,
        }
    }
}

impl Customer {
    fn new(system: &Rc<System>, seed: u64, number: u64) -> Self {
        let rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9).wrapping_add(number));
        Self { system: Rc::clone(system), caller: system.customer(), rng, number, entry: Entry::Open, access: None }
    }

    async fn shop(mut self) {
        let arrival = self.number * GAP_MS + self.rng.u64(0..GAP_MS * 4);
        self.wait(arrival).await;
        let mut body = self.order();
        if self.rng.u32(0..8) == 0 {
            self.change_a_price().await;
        }
        if self.rng.u32(0..10) == 0 {
            let events = 1 + u32::from(self.rng.u32(0..10) == 0);
            let producer = if self.rng.bool() { PRICING_PRODUCER } else { MARKET };
            // Some do not know the prices: their orders are not taken.
            if producer == MARKET && self.rng.u32(0..4) > 0 {
                self.take_listed_prices(&mut body);
            }
            return self.publish(body, producer, events).await;
        }
        self.entry = [Entry::Open, Entry::Open, Entry::Page, Entry::Guest][self.rng.usize(0..4)];
        if self.entry == Entry::Guest {
            as_guest(&mut body);
        }
        if self.entry.takes_listed_prices() {
            self.take_listed_prices(&mut body);
            match self.rng.u32(0..10) {
                0..5 => without_prices(&mut body),
                // Some would rather pay less.
                5 => body["lines"][0]["unitPrice"]["amount"] = json!(1),
                _ => {}
            }
        }
        // Without a key of their own a customer who tries again has ordered twice.
        let mut key = (self.rng.u32(0..10) > 0).then(|| format!("click-{}", self.number));
        if self.rng.u32(0..15) == 0 && key.is_some() {
            // A double click: the other one is on its way at the same moment.
            let request = post("/orders", body.to_string(), key.as_deref());
            self.system.run().spawn(order_by(Rc::clone(&self.system), self.entry, request).map(drop));
        }
        let Some(order) = self.place(&mut body, &mut key).await else { return };
        if self.rng.u32(0..20) == 0 && key.is_some() {
            self.place_again(&mut body, &mut key, &order).await;
        }
        if self.access.is_some() {
            self.try_links(&order).await;
        }
        if self.rng.u32(0..4) == 0 {
            let patience = [50, 400, 1_500, 60_000][self.rng.usize(0..4)];
            let patience = self.rng.u64(0..patience);
            self.wait(patience).await;
            self.cancel(&order).await;
        }
        if self.rng.u32(0..30) == 0 {
            self.count_a_shelf().await;
        }
        if self.rng.u32(0..5) == 0 {
            // Before the goods have left, about then, or long after.
            let patience = [100, 1_000, 120_000][self.rng.usize(0..3)];
            let patience = self.rng.u64(0..patience);
            self.wait(patience).await;
            let sends_back = self.rng.u32(0..4) > 0;
            self.withdraw(&order, sends_back).await;
        }
        if self.rng.u32(0..25) == 0 {
            let patience = [100, 1_000, 120_000][self.rng.usize(0..3)];
            let patience = self.rng.u64(0..patience);
            self.wait(patience).await;
            self.erase(&order).await;
        }
        if self.access.is_some() && self.rng.u32(0..3) == 0 {
            self.revoke_links(&order).await;
        }
    }

    /// A guest reads their order by its link, and by no other.
    async fn try_links(&mut self, order: &OrderId) {
        let Some(access) = self.access.clone() else { return };
        let path = format!("/orders/{order}");
        let shown = self.insist_by(&access, &Method::GET, &path).await;
        if let Some((status, shown)) = shown
            && (status, shown["orderId"].as_str()) != (200, Some(order.as_str()))
        {
            self.violate(Some(order), format!("a guest's link was answered with {status}: {shown}"));
        }
        for (access, path) in [(forged(&access), path), (access, "/orders/ord_nobody".to_owned())] {
            self.is_refused(order, &access, &path).await;
        }
    }

    /// No link that was issued until then counts any more.
    async fn revoke_links(&mut self, order: &OrderId) {
        let Some(access) = self.access.take() else { return };
        match self.insist_by(&access, &Method::DELETE, &format!("/orders/{order}/access")).await {
            // The answer of an earlier attempt was lost, and that has revoked the link itself.
            Some((200 | 404, _)) => self.is_refused(order, &access, &format!("/orders/{order}")).await,
            Some((status, answer)) => {
                self.violate(Some(order), format!("a revocation was answered with {status}: {answer}"));
            }
            None => {}
        }
    }

    /// Neither reads nor cancels by a link that does not count.
    async fn is_refused(&mut self, order: &OrderId, access: &str, path: &str) {
        for (method, path) in [(Method::GET, path.to_owned()), (Method::POST, format!("{path}/cancel"))] {
            if let Some((status, answer)) = self.insist_by(access, &method, &path).await
                && status != 404
            {
                self.violate(Some(order), format!("a link that does not count was answered with {status}: {answer}"));
            }
        }
    }

    async fn insist_by(&mut self, access: &str, method: &Method, path: &str) -> Option<(u16, Value)> {
        for _ in 0..MAX_ATTEMPTS {
            let request = by_link(request(method, path, String::new(), None), access);
            match self.system.ask_as_guest(request).await.map(read) {
                Some((500.., _)) | None => self.wait_a_little().await,
                Some(answer) => return Some(answer),
            }
        }
        None
    }

    /// Posts about an order: by the link to it, if there is one.
    async fn post_about(&self, path: &str) -> Option<Response<Body>> {
        let request = post(path, String::new(), None);
        match &self.access {
            Some(access) => self.system.ask_as_guest(by_link(request, access)).await,
            None => self.system.ask_orders(request).await,
        }
    }

    /// Sends the order until there is an answer. Where a price has changed the order is another, under a key of its own.
    async fn place(&mut self, body: &mut Value, key: &mut Option<String>) -> Option<OrderId> {
        for _ in 0..MAX_ATTEMPTS {
            let request = post("/orders", body.to_string(), key.as_deref());
            let reply = order_by(Rc::clone(&self.system), self.entry, request).await;
            match reply.map(read) {
                Some((409, problem)) if self.entry.takes_listed_prices() && correct_prices(body, &problem) => {
                    *key = key.take().map(|key| format!("{key}-again"));
                }
                Some((201, answer)) => {
                    let Some(order) = answer["orderId"].as_str().and_then(|id| OrderId::new(id).ok()) else {
                        self.violate(None, "an order was placed that has no id");
                        return None;
                    };
                    self.access = access_of(&answer, &order);
                    if self.access.is_some() != (self.entry == Entry::Guest) {
                        self.violate(Some(&order), format!("a link was given to {:?}: {answer}", self.entry));
                    }
                    self.audit().met(&order);
                    self.audit().promised(&order, Promise::Placed);
                    self.caller.tell_of(order.as_str(), || "is told: 201".to_owned());
                    return Some(order);
                }
                Some((500.., _)) | None => self.wait_a_little().await,
                Some((status, answer)) => {
                    let what = format!("a good order was answered with {status}: {answer}");
                    self.violate(None, what);
                    return None;
                }
            }
        }
        None
    }

    /// The same key must give the same order; with another body it must give none.
    async fn place_again(&mut self, body: &mut Value, key: &mut Option<String>, order: &OrderId) {
        if self.place(body, key).await.is_some_and(|again| again != *order) {
            self.violate(Some(order), "the same key gave two orders");
        }
        let mut other = body.clone();
        other["lines"][0]["quantity"] = json!(7);
        let request = post("/orders", other.to_string(), key.as_deref());
        let reply = order_by(Rc::clone(&self.system), self.entry, request).await;
        if let Some((status @ ..500, _)) = reply.map(read)
            && status != 422
        {
            self.violate(Some(order), format!("another body under the same key gave {status}"));
        }
    }

    async fn cancel(&mut self, order: &OrderId) {
        for _ in 0..MAX_ATTEMPTS {
            let reply = self.post_about(&format!("/orders/{order}/cancel")).await;
            let promise = match reply.map(read) {
                Some((202, _)) => Promise::Cancelled,
                Some((409, _)) => Promise::Shipped,
                Some((500.., _)) | None => {
                    self.wait_a_little().await;
                    continue;
                }
                Some((status, answer)) => {
                    let what = format!("a cancellation was answered with {status}: {answer}");
                    return self.violate(Some(order), what);
                }
            };
            self.caller.tell_of(order.as_str(), || format!("cancels: {promise:?}"));
            return self.audit().promised(order, promise);
        }
    }

    /// Withdraws, and then, where the goods have left, may send them back.
    async fn withdraw(&mut self, order: &OrderId, sends_back: bool) {
        let path = format!("/orders/{order}/withdrawals");
        let Some((status, receipt)) = self.insist_on_orders(&path).await else { return };
        let promise = match (status, receipt["outcome"].as_str()) {
            (202, Some("cancelled")) => Promise::Cancelled,
            (202, Some("return")) => Promise::Returning,
            _ => return self.violate(Some(order), format!("a withdrawal was answered with {status}: {receipt}")),
        };
        self.caller.tell_of(order.as_str(), || format!("withdraws: {promise:?}"));
        self.audit().promised(order, promise);
        if self.insist_on_orders(&path).await.is_some_and(|again| again != (status, receipt)) {
            self.violate(Some(order), "a second withdrawal has another receipt");
        }
        if promise == Promise::Returning && sends_back {
            self.wait_a_little().await;
            self.send_back(order).await;
        }
    }

    /// Is erased, with all of their orders. Whoever asks for it may give up, and an order may be on its way with the key that is
    /// gone: what is open of that the clock ends.
    async fn erase(&mut self, order: &OrderId) {
        // The shop does it for them, whose link says nothing of that.
        let access = self.access.take();
        let customer = match &access {
            Some(_) => guest_of(order).to_string(),
            None => format!("cus_{}", self.number / 3),
        };
        self.audit().erasing(&customer);
        let answer = self.insist_on_orders(&format!("/customers/{customer}/erase")).await;
        self.access = access;
        match answer {
            Some((202, answer)) if answer["orders"].as_u64().is_some_and(|orders| orders > 0) => {
                self.caller.tell_of(order.as_str(), || "is erased".to_owned());
                self.audit().promised(order, Promise::Erased);
            }
            Some((status, answer)) => {
                return self.violate(Some(order), format!("an erasure was answered with {status}: {answer}"));
            }
            None => {}
        }
        self.wait(PLACED_WITHIN_MS).await;
        for _ in 0..MAX_ATTEMPTS {
            if self.system.run_clock().await {
                return self.wait_for_the_clock().await;
            }
            self.wait_a_little().await;
        }
        // What keeps the clock from its work for so long is mended by somebody.
        self.caller.run.faults.end();
        if !self.system.run_clock().await {
            self.violate(Some(order), "the clock cannot look at the open orders, though nothing goes wrong");
        }
    }

    /// Lets the clock strike on for as long as an order of somebody who is erased is open: a look that failed it makes again when it strikes
    /// next.
    async fn wait_for_the_clock(&self) {
        let orders = &self.system.stack.tables()[ORDERS];
        let is_orphan = |order: &OrderId| {
            known(orders, order).is_some_and(|known| {
                matches!(known.status, Status::Open(_))
                    && self.audit().may_be_erased(known.created.details.customer.id.as_str())
            })
        };
        for _ in 0..MAX_ATTEMPTS {
            if !self.audit().orders().iter().any(is_orphan) {
                return;
            }
            self.wait(A_WHILE_MS).await;
            self.system.run_clock().await;
        }
    }

    async fn insist_on_orders(&mut self, path: &str) -> Option<(u16, Value)> {
        for _ in 0..MAX_ATTEMPTS {
            match self.post_about(path).await.map(read) {
                Some((500.., _)) | None => self.wait_a_little().await,
                Some(answer) => return Some(answer),
            }
        }
        None
    }

    /// The warehouse has the goods, and says so until it is heard, and once more: the inventory may not know yet that they are
    /// awaited, and takes them back once.
    async fn send_back(&mut self, order: &OrderId) {
        let path = format!("/orders/{order}/returns");
        let mut heard = None;
        for _ in 0..MAX_ATTEMPTS {
            match self.system.ask_inventory(post(&path, String::new(), None)).await.map(read) {
                Some((200, receipt)) if heard.is_none() => heard = Some(receipt),
                Some((200, again)) if heard != Some(again.clone()) => {
                    return self.violate(Some(order), format!("a second return has another receipt: {again}"));
                }
                Some((200, _)) => {
                    self.caller.tell_of(order.as_str(), || "sends the goods back".to_owned());
                    return self.audit().promised(order, Promise::Returned);
                }
                Some((409 | 500.., _)) | None => self.wait_a_little().await,
                Some((status, answer)) => {
                    return self.violate(Some(order), format!("a return was answered with {status}: {answer}"));
                }
            }
        }
    }

    /// Puts goods on a shelf, or takes some away.
    async fn count_a_shelf(&mut self) {
        let sku = SKUS[self.rng.usize(0..SKUS.len())];
        let body = json!({ "onHand": self.rng.u32(5..5_000) }).to_string();
        let request = request(&Method::PUT, &format!("/inventory/{sku}"), body, None);
        if let Some((status, answer)) = self.system.ask_inventory(request).await.map(read)
            && !matches!(status, 200 | 409 | 500..)
        {
            self.violate(None, format!("a count was answered with {status}: {answer}"));
        }
    }

    /// Sets a price, while others place orders.
    async fn change_a_price(&mut self) {
        let sku = SKUS[self.rng.usize(0..SKUS.len())];
        let price = json!({ "amount": self.rng.u32(100..9_000), "currency": "EUR" });
        let request = request(&Method::PUT, &format!("/prices/{sku}"), json!({ "unitPrice": price }).to_string(), None);
        if let Some((status, answer)) = self.system.ask_orders(request).await.map(read)
            && !matches!(status, 200 | 500..)
        {
            self.violate(None, format!("a price was answered with {status}: {answer}"));
        }
    }

    /// Lets an order have the prices that the table has at this moment.
    fn take_listed_prices(&self, order: &mut Value) {
        for line in order["lines"].as_array_mut().into_iter().flatten() {
            let price = line["sku"].as_str().and_then(|sku| self.audit().price_of(sku));
            line["unitPrice"] = json!(price);
        }
        order["paymentMethod"] = order.get("paymentMethod").cloned().unwrap_or_else(|| json!("pm_card_visa"));
    }

    /// Another producer publishes an order by itself, and sometimes, by mistake, as a second event.
    async fn publish(&mut self, mut data: Value, producer: &str, events: u32) {
        let Ok(order) = OrderId::new(format!("web-{}", self.number)) else { return };
        self.audit().met(&order);
        data["orderId"] = json!(order);
        let total: i64 = data["lines"].as_array().into_iter().flatten().map(price).sum();
        data["total"] = json!({ "amount": total, "currency": "EUR" });
        for event in 0..events {
            let event = json!({
                "specversion": "1.0", "id": format!("{}/{event}", self.number), "source": producer,
                "type": "OrderCreated", "subject": order, "time": self.caller.run.executor.now(),
                "dataschema": "urn:orderflow:OrderCreated:1", "data": data,
            });
            self.caller.tell_of(order.as_str(), || "publishes OrderCreated".to_owned());
            self.system.intake.publish(&event.to_string());
            let pause = self.rng.u64(0..2_000);
            self.wait(pause).await;
        }
    }

    fn order(&mut self) -> Value {
        let count = self.rng.usize(1..4);
        let lines: Vec<Value> = (0..count)
            .map(|_| {
                let sku = if self.rng.u32(0..8) == 0 { SKUS[0] } else { SKUS[self.rng.usize(1..SKUS.len())] };
                json!({
                    "sku": sku, "quantity": self.rng.u32(1..4),
                    "unitPrice": { "amount": self.rng.u32(100..9_000), "currency": "EUR" },
                })
            })
            .collect();
        let method = match self.rng.u32(0..20) {
            0 => "pm_card_visa_chargeDeclined".to_owned(),
            1 => "pm_card_visa_chargeDeclinedInsufficientFunds".to_owned(),
            2 => format!("pm_sim_unavailable_{}", self.rng.u32(1..10)),
            _ => "pm_card_visa".to_owned(),
        };
        let postal_code = match self.rng.u32(0..60) {
            0 => "SIM-NO-VOID".to_owned(),
            1 => format!("SIM-UNAVAILABLE-{}", self.rng.u32(1..10)),
            _ => "10115".to_owned(),
        };
        let (email, phone) = self.contact();
        let mut order = self.order_of(&lines, &method, &postal_code, &email, phone.as_deref());
        match self.rng.u32(0..30) {
            0 | 1 => make_free(&mut order),
            2..5 => make_doubtful(&mut order),
            _ => {}
        }
        order
    }

    /// Addresses and numbers as people have them, some of which reach nobody.
    fn contact(&mut self) -> (String, Option<String>) {
        let customer = self.number / 3;
        let email = match self.rng.u32(0..20) {
            0 => format!("{GONE}{customer}@example.com"),
            1 => format!("c{customer}@bücher.example"),
            _ => format!("c{customer}@example.com"),
        };
        let phone = match self.rng.u32(0..12) {
            0 => Some("+999".to_owned()),
            1 => Some(OPTED_OUT.to_owned()),
            2 => Some("0033 1 23 45 67 89".to_owned()),
            3 | 4 => Some(format!("(030) {:07}", self.number)),
            5 | 6 => Some(format!("+4930{:07}", self.number)),
            _ => None,
        };
        (email, phone)
    }

    fn scripted(&self, script: Script) -> Value {
        let line = json!({ "sku": script.sku, "quantity": 2, "unitPrice": { "amount": 1490, "currency": "EUR" } });
        let phone = Some("+49300000000");
        let mut order = self.order_of(&[line], script.method, script.postal_code, script.email, phone);
        if script.is_free {
            make_free(&mut order);
        }
        if script.is_doubtful {
            make_doubtful(&mut order);
        }
        order
    }

    fn order_of(&self, lines: &[Value], method: &str, postal_code: &str, email: &str, phone: Option<&str>) -> Value {
        let customer = self.number / 3;
        let mut order = json!({
            "customer": { "id": format!("cus_{customer}"), "email": email },
            "lines": lines,
            "shippingAddress": {
                "name": "Ada Lovelace", "line1": "Analytical Road 1", "city": "Berlin", "postalCode": postal_code,
                "country": "DE",
            },
            "paymentMethod": method,
        });
        if let Some(phone) = phone {
            order["customer"]["phone"] = json!(phone);
        }
        order
    }

    async fn wait_a_little(&mut self) {
        let pause = self.rng.u64(100..3_000);
        self.wait(pause).await;
    }

    async fn wait(&self, millis: u64) {
        self.caller.run.sleep_ms(millis).await;
    }

    fn audit(&self) -> &Audit {
        &self.system.shop.audit
    }

    fn violate(&self, order: Option<&OrderId>, what: impl Into<String>) {
        let violation = match order {
            Some(order) => Violation::of(order.as_str(), what),
            None => Violation::new(what),
        };
        self.caller.run.check(Err(violation));
    }
}

/// Sends an order in that way.
async fn order_by(system: Rc<System>, entry: Entry, request: Request) -> Option<Response<Body>> {
    match entry {
        Entry::Open | Entry::Foreign => system.ask_orders(request).await,
        Entry::Page => system.ask_by_page(request).await,
        Entry::Guest => system.ask_as_guest(request).await,
    }
}

/// The `access` of the link to an order, in the answer to its request.
fn access_of(answer: &Value, order: &OrderId) -> Option<String> {
    let link = answer.pointer("/links/order")?.as_str()?;
    link.strip_prefix(&format!("{SHOP_URL}/orders/{order}?access=")).map(ToOwned::to_owned)
}

/// The same link with another signature.
fn forged(access: &str) -> String {
    let (what, signature) = access.rsplit_once('.').unwrap_or((access, ""));
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{what}.{first}{}", signature.get(1..).unwrap_or_default())
}

/// Lets an order be of somebody who has no id.
fn as_guest(order: &mut Value) {
    order["customer"].as_object_mut().map(|customer| customer.remove("id"));
}

/// Lets an order have the prices that a problem says are right. Answers whether it is that problem, and says one.
fn correct_prices(order: &mut Value, problem: &Value) -> bool {
    let right = |sku: &Value| {
        let prices = problem["prices"].as_array()?;
        prices.iter().find(|price| price["sku"] == *sku).map(|price| price["unitPrice"].clone())
    };
    let mut corrected = false;
    for line in order["lines"].as_array_mut().into_iter().flatten() {
        if let Some(price) = right(&line["sku"]) {
            corrected |= line["unitPrice"] != price;
            line["unitPrice"] = price;
        }
    }
    corrected && problem["type"] == "urn:orderflow:problem:price-changed"
}

/// Takes the prices out of an order.
fn without_prices(order: &mut Value) {
    for line in order["lines"].as_array_mut().into_iter().flatten() {
        line.as_object_mut().map(|line| line.remove("unitPrice"));
    }
}

/// Lets an order look like fraud: an address that anybody gets for minutes, and more than most people spend.
fn make_doubtful(order: &mut Value) {
    order["customer"]["email"] =
        json!(format!("{}@mailinator.com", order["customer"]["id"].as_str().unwrap_or_default()));
    order["lines"][0]["unitPrice"]["amount"] = json!(100_000);
}

/// Lets an order cost nothing.
fn make_free(order: &mut Value) {
    for line in order["lines"].as_array_mut().into_iter().flatten() {
        line["unitPrice"]["amount"] = json!(0);
    }
    order.as_object_mut().map(|order| order.remove("paymentMethod"));
}

fn price(line: &Value) -> i64 {
    line["quantity"].as_i64().unwrap_or(0) * line["unitPrice"]["amount"].as_i64().unwrap_or(0)
}
