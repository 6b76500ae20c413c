//! Three orders that show what the stack does.

use std::collections::BTreeSet;
use std::time::Duration;

use anstream::println;
use iso_currency::Currency;
use orderflow_events::scope::ORDERS_ANY;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::client::api::{Api, ApiError, Reply};
use crate::client::events::{Event, EventStream, EventsError};
use crate::client::mailbox::Mailbox;
use crate::stack::Stack;
use crate::stack::error::StackError;
use crate::terminal::progress::Progress;
use crate::terminal::style::{bad, elapsed, faint, good, strong};

const BEANS: &str = "coffee-beans-1kg";
const GRINDER: &str = "hand-grinder";
const MACHINE: &str = "espresso-machine";

/// Goods, each with the pieces on the shelf and the price in euro cents.
const GOODS: [(&str, u64, u64); 3] = [(BEANS, 100, 1490), (GRINDER, 10, 4900), (MACHINE, 1, 64_900)];

/// The longest that one order may take.
const LIMIT: Duration = Duration::from_mins(1);

/// Quiet after which an order is over: mails follow the last event.
const QUIET: Duration = Duration::from_millis(1500);

const POLL: Duration = Duration::from_millis(100);

/// Lifetime of a token in a link.
const HOUR: Duration = Duration::from_hours(1);

/// Failure of the demonstration.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The API does not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// There is no client of the API.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The API answers with something else than it should.
    #[error("{what} answers {status}: {body}")]
    Answer {
        /// The request.
        what: &'static str,
        /// The answer's status.
        status: u16,
        /// The answer's body.
        body: Value,
    },
    /// An order does not get where it should.
    #[error("order {order_id} is {status} after {} s and lacks {missing} (log: {log})", LIMIT.as_secs())]
    Stuck {
        /// The order.
        order_id: String,
        /// Its status.
        status: String,
        /// The events that have not come.
        missing: String,
        /// File with the functions' logs.
        log: String,
    },
    /// The events cannot be followed.
    #[error(transparent)]
    Events(#[from] EventsError),
    /// The emulator's mails.
    #[error("cannot read the mails: {0}")]
    Mails(#[from] reqwest::Error),
}

/// One order and how it ends.
struct Scene {
    title: &'static str,
    customer: &'static str,
    email: &'static str,
    lines: &'static [(&'static str, u64)],
    payment_method: &'static str,
    ends_as: &'static str,
    /// The events after which nothing more is to come.
    ends_with: &'static [&'static str],
}

const SCENES: [Scene; 3] = [
    Scene {
        title: "An order that is paid and shipped",
        customer: "Ada Lovelace",
        email: "ada@example.com",
        lines: &[(BEANS, 2), (GRINDER, 1)],
        payment_method: "pm_card_visa",
        ends_as: "shipped",
        ends_with: &["ShipmentCreated"],
    },
    Scene {
        title: "An order whose card is declined: its goods come back",
        customer: "Grace Hopper",
        email: "grace@example.com",
        lines: &[(BEANS, 1)],
        payment_method: "pm_card_visa_chargeDeclined",
        ends_as: "cancelled",
        ends_with: &["OrderCancelled", "InventoryReleased"],
    },
    Scene {
        title: "An order for more than there is",
        customer: "Edsger Dijkstra",
        email: "edsger@example.com",
        lines: &[(MACHINE, 2)],
        payment_method: "pm_card_visa",
        ends_as: "cancelled",
        ends_with: &["OrderCancelled"],
    },
];

/// Fills the shelves and lists the prices, places the orders one after the other and shows what happens to each. The id of one of them.
pub(crate) async fn run(stack: &Stack) -> Result<String, DemoError> {
    let api = stack.api()?;
    fill_shelves(&api).await?;
    let mut stage = Stage {
        events: EventStream::open(&stack.sdk_config(), stack.outputs()).await?,
        mailbox: Mailbox::of(stack.endpoint())?,
        log: stack.log().display().to_string(),
        api,
    };
    let mut first = None;
    for scene in &SCENES {
        let order_id = stage.play(stack, scene).await?;
        first.get_or_insert(order_id);
    }
    stage.events.close().await?;
    Ok(first.unwrap_or_default())
}

/// Link to the page of an order, with a token after the `#`, as the shop's own pages hand it over.
pub(crate) fn order_page(stack: &Stack, order_id: &str) -> Result<String, StackError> {
    let api = stack.outputs().get("ApiUrl").unwrap_or_default();
    let token = stack.tokens().token("developer", ORDERS_ANY, HOUR)?;
    Ok(format!("{api}/orders/{order_id}#token={token}"))
}

async fn fill_shelves(api: &Api) -> Result<(), DemoError> {
    let step = Progress::Shown.step("stock, prices");
    for (sku, on_hand, cents) in GOODS {
        expect_success("PUT /inventory", &api.set_stock(sku, on_hand).await?)?;
        expect_success("PUT /prices", &api.set_price(sku, cents).await?)?;
    }
    let list: Vec<String> = GOODS.iter().map(|(sku, on_hand, _)| format!("{on_hand} {sku}")).collect();
    step.done(&list.join(", "));
    Ok(())
}

fn expect_success(what: &'static str, reply: &Reply) -> Result<(), DemoError> {
    if reply.is_success() {
        return Ok(());
    }
    Err(DemoError::Answer { what, status: reply.status, body: reply.body.clone() })
}

impl Scene {
    fn order(&self) -> Value {
        // Their prices are those of the table.
        let lines: Vec<Value> =
            self.lines.iter().map(|(sku, quantity)| json!({"sku": sku, "quantity": quantity})).collect();
        json!({
            "customer": {"id": self.email, "email": self.email},
            "lines": lines,
            "shippingAddress": {
                "name": self.customer, "line1": "Brunnenstraße 1", "city": "Berlin", "postalCode": "10119", "country": "DE"
            },
            "paymentMethod": self.payment_method,
        })
    }
}

/// Connections to the stack that the orders are placed on.
struct Stage {
    api: Api,
    events: EventStream,
    mailbox: Mailbox,
    log: String,
}

impl Stage {
    /// Places one order and shows what happens until it is over; its id.
    async fn play(&mut self, stack: &Stack, scene: &Scene) -> Result<String, DemoError> {
        println!("\n{}", strong(scene.title));
        let placed = Instant::now();
        let reply = self.api.place_order(&scene.order(), None).await?;
        expect_success("POST /orders", &reply)?;
        let order_id = reply.body["orderId"].as_str().unwrap_or_default().to_owned();
        show(placed, "POST /orders", "client", &format!("{} {order_id}", reply.status));
        println!("  {}", faint(format!("watch it: {}", order_page(stack, &order_id)?)));

        let mut missing: BTreeSet<&str> = scene.ends_with.iter().copied().collect();
        let mut last_sign = Instant::now();
        while !missing.is_empty() || last_sign.elapsed() < QUIET {
            if placed.elapsed() > LIMIT {
                return Err(self.stuck(order_id, &missing).await?);
            }
            for event in self.events.next(Duration::ZERO).await?.iter().filter(|event| event.subject == order_id) {
                missing.remove(event.kind.as_str());
                last_sign = Instant::now();
                show(placed, &event.kind, producer(event), &describe(event));
            }
            for mail in self.mailbox.new_mails().await.iter().filter(|mail| mail.to == scene.email) {
                last_sign = Instant::now();
                let subject = mail.subject.replace(&order_id, &shortened(&order_id));
                show(placed, "mail", "notification", &format!("to {}: {subject}", mail.to));
            }
            sleep(POLL).await;
        }
        self.curtain(scene, &order_id).await?;
        Ok(order_id)
    }

    /// Says how the order ended; what `GET /orders` tells may be a moment behind the events.
    async fn curtain(&self, scene: &Scene, order_id: &str) -> Result<(), DemoError> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let order = self.api.order(order_id).await?;
            expect_success("GET /orders", &order)?;
            let status = order.body["status"].as_str().unwrap_or("?");
            if status == scene.ends_as {
                let reason = order.body["cancellationReason"].as_str().map(|reason| format!(": {reason}"));
                let verdict = format!("{status}{}", reason.unwrap_or_default());
                let colour = if status == "shipped" { good(verdict) } else { bad(verdict) };
                println!("  {} {colour}", faint("→"));
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.stuck(order_id.to_owned(), &BTreeSet::new()).await?);
            }
            sleep(POLL).await;
        }
    }

    async fn stuck(&self, order_id: String, missing: &BTreeSet<&str>) -> Result<DemoError, DemoError> {
        let order = self.api.order(&order_id).await?;
        let status = order.body["status"].as_str().unwrap_or("unknown").to_owned();
        let missing = missing.iter().copied().collect::<Vec<_>>().join(", ");
        Ok(DemoError::Stuck { order_id, status, missing, log: self.log.clone() })
    }
}

fn show(placed: Instant, what: &str, who: &str, details: &str) {
    let time = elapsed(placed.elapsed());
    println!("  {}  {what:<18} {}  {details}", faint(format!("{time:>6}")), faint(format!("{who:<12}")));
}

/// Enough of an id to tell one order from the next.
fn shortened(id: &str) -> String {
    let start: String = id.chars().take(8).collect();
    format!("{start}…")
}

pub(crate) fn producer(event: &Event) -> &str {
    event.source.rsplit('/').next().unwrap_or_default()
}

/// Summary of an event's payload in a few words.
pub(crate) fn describe(event: &Event) -> String {
    let data = &event.data;
    let text = |pointer: &str| data.pointer(pointer).and_then(Value::as_str).unwrap_or("?").to_owned();
    match event.kind.as_str() {
        "OrderCreated" => format!("{}, {}", lines(data), money(&data["total"])),
        "OrderCancelled" => text("/reason"),
        "InventoryReserved" | "InventoryReleased" | "GoodsReturned" => lines(data),
        "InventoryRejected" => shortages(data),
        "PaymentProcessed" | "PaymentRefunded" => money(&data["amount"]),
        "PaymentFailed" => text("/reason/message"),
        "ShipmentCreated" => format!("{} {}", text("/carrier"), text("/trackingNumber")),
        "OrderFlagged" => format!("score {}: {}", data["score"], reasons(data)),
        "OrderCleared" => format!("by {}", text("/by")),
        _ => String::new(),
    }
}

fn lines(data: &Value) -> String {
    list(&data["lines"], |line| format!("{} {}", line["quantity"], line["sku"].as_str().unwrap_or("?")))
}

fn shortages(data: &Value) -> String {
    list(&data["shortages"], |shortage| {
        let sku = shortage["sku"].as_str().unwrap_or("?");
        format!("{} {sku} wanted, {} there", shortage["requested"], shortage["available"])
    })
}

fn reasons(data: &Value) -> String {
    list(&data["reasons"], |reason| reason["code"].as_str().unwrap_or("?").to_owned())
}

fn list(items: &Value, describe: impl Fn(&Value) -> String) -> String {
    items.as_array().into_iter().flatten().map(describe).collect::<Vec<_>>().join(", ")
}

/// `78.80 EUR`: the minor units of the contract as people write them.
fn money(money: &Value) -> String {
    let (Some(amount), Some(code)) = (money["amount"].as_u64(), money["currency"].as_str()) else {
        return "?".to_owned();
    };
    let digits = Currency::from_code(code).and_then(Currency::exponent).unwrap_or(0);
    let unit = 10_u64.pow(digits.into());
    match digits {
        0 => format!("{amount} {code}"),
        digits => format!("{}.{:0>width$} {code}", amount / unit, amount % unit, width = digits.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_as_people_write_it() {
        for (amount, currency, expected) in
            [(7880, "EUR", "78.80 EUR"), (5, "EUR", "0.05 EUR"), (500, "JPY", "500 JPY"), (1234, "BHD", "1.234 BHD")]
        {
            assert_eq!(money(&json!({"amount": amount, "currency": currency})), expected);
        }
    }

    #[test]
    fn events_are_described_in_a_few_words() {
        for (kind, data, expected) in [
            (
                "InventoryReserved",
                json!({"lines": [{"sku": "a", "quantity": 2}, {"sku": "b", "quantity": 1}]}),
                "2 a, 1 b",
            ),
            (
                "InventoryRejected",
                json!({"shortages": [{"sku": "a", "requested": 2, "available": 1}]}),
                "2 a wanted, 1 there",
            ),
            ("ShipmentCreated", json!({"carrier": "DHL", "trackingNumber": "T1"}), "DHL T1"),
            ("OrderFlagged", json!({"score": 75, "reasons": [{"code": "amount"}]}), "score 75: amount"),
            ("OrderCleared", json!({"by": "person"}), "by person"),
            ("ShipmentCancelled", json!({}), ""),
        ] {
            let event = Event { kind: kind.to_owned(), data, ..Event::default() };
            assert_eq!(describe(&event), expected, "{kind}");
        }
    }
}
