//! Plans of customers, drawn from the seed before they act.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;
use orderflow_events::Time;
use serde_json::{Value, json};
use uuid::Uuid;

/// SKUs of which there is always enough.
const PLENTY: usize = 8;
/// SKUs of which there are fewer than are ordered.
const SCARCE: usize = 4;

/// SKU that nobody has ever counted.
pub(crate) const ABSENT: &str = "absent";

/// One customer, who wants one order.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The customer's id: no other customer has it. A guest's is the shop's to give, and this is their name alone.
    pub(crate) customer: String,
    /// True of one who places the order without a token, and gets a link to it.
    pub(crate) is_guest: bool,
    pub(crate) entrance: Entrance,
    /// SKU and quantity of each line.
    pub(crate) lines: Vec<(String, u32)>,
    /// Of every piece, in cents.
    pub(crate) price: u32,
    pub(crate) pricing: Pricing,
    pub(crate) method: String,
    /// It decides what the carrier does.
    pub(crate) postal_code: &'static str,
    pub(crate) has_phone: bool,
    /// Time after the order at which it is cancelled, and the number of clicks.
    pub(crate) cancel: Option<(Duration, usize)>,
    /// Time after the order at which it is withdrawn from, and whether goods that were shipped are sent back.
    pub(crate) withdraw: Option<(Duration, bool)>,
}

/// Way in which the price of an order comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pricing {
    /// Stated, by one who may.
    Stated,
    /// Of the table, as the customer expects it.
    Expected,
    /// Of the table. An event of another producer always says it.
    Listed,
}

/// Price in cents of every piece in the price table.
pub(crate) const LIST_PRICE: u32 = 1_490;

/// Producer that may state prices.
pub(crate) const PRICING_PRODUCER: &str = "https://shop.example/web";

/// Producer that may not.
const MARKET: &str = "https://market.example";

/// Way in which an order comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// Over HTTP, without an idempotency key: sent once, whatever the answer.
    Once,
    /// Over HTTP with a key, and sent again until there is an answer.
    WithKey(Repeat),
    /// As an event of another producer, in that version, published so often.
    Foreign { version: u32, times: usize },
}

/// In which way a request with a key is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    Never,
    /// So many requests at once.
    Clicks(usize),
    /// The first one is given up so soon.
    Impatient(Duration),
    /// Once more, so much later.
    Later(Duration),
    /// Once more, with another body, so much later.
    Changed(Duration),
}

/// Texts that the orders of these customers have, and that say who somebody is: they may stand in nothing that is kept. Of a
/// telephone it is the beginning, as it is written and as it is called.
pub(crate) const PERSONAL: [&str; 6] =
    ["Ada Lovelace", "Analytical Road", "@example.com", "@mailinator.com", "030 9019", "+49309019"];

/// Price in cents from which on an order is suspicious to screening.
const SUSPICIOUS: u32 = 100_000;

impl Plan {
    /// The plan of the customer with that number.
    pub(crate) fn draw(rng: &mut Rng, number: usize) -> Self {
        let postal_code = *pick(
            rng,
            &[
                (94, "10115"),
                (2, "SIM-UNAVAILABLE-1"),
                (2, "SIM-UNAVAILABLE-4"),
                (1, "SIM-REFUSED"),
                (1, "SIM-NO-VOID"),
            ],
        );
        // The carrier that does not take its goods back matters only to those who change their mind.
        let pricing = *pick(rng, &[(2, Pricing::Stated), (1, Pricing::Expected), (1, Pricing::Listed)]);
        let entrance = Entrance::draw(rng);
        // Without a key, whoever gets no answer has no link.
        let is_guest = matches!(entrance, Entrance::WithKey(_)) && pricing != Pricing::Stated && rng.bool();
        let cancels = rng.f64() < if postal_code == "SIM-NO-VOID" { 0.8 } else { 0.15 };
        Self {
            customer: format!("cus_{number}"),
            entrance,
            is_guest,
            lines: lines(rng),
            pricing,
            price: match rng.u32(0..100) {
                _ if pricing != Pricing::Stated => LIST_PRICE,
                0..5 => rng.u32(SUSPICIOUS..2 * SUSPICIOUS),
                5..10 => 0,
                _ => rng.u32(100..10_000),
            },
            method: method(rng),
            postal_code,
            has_phone: rng.bool(),
            cancel: cancels.then(|| (later(rng, 0..4_000), *pick(rng, &[(3, 1), (1, 2)]))),
            withdraw: (!cancels && rng.f64() < 0.25)
                .then(|| (Duration::from_millis(rng.u64(0..8_000)), *pick(rng, &[(3, true), (1, false)]))),
        }
    }

    /// The body of the request.
    pub(crate) fn body(&self) -> Value {
        // Screening flags an order for two reasons, and not for one.
        let host = if self.is_suspicious() { "mailinator.com" } else { "example.com" };
        let mut customer = json!({ "id": self.customer, "email": format!("{}@{host}", self.customer) });
        if self.is_guest {
            customer["id"].take();
        }
        if self.has_phone {
            // A number of one's own: nobody gets the messages of all.
            let number = self.customer.trim_start_matches(|c: char| !c.is_ascii_digit());
            customer["phone"] = json!(format!("030 9019{number:0>4}"));
        }
        let price = (self.pricing != Pricing::Listed).then(|| self.unit_price());
        let line = |(sku, quantity): &(String, u32)| json!({ "sku": sku, "quantity": quantity, "unitPrice": price });
        let mut body = json!({
            "customer": customer,
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "shippingAddress": {
                "name": "Ada Lovelace", "line1": "Analytical Road 1", "city": "Berlin",
                "postalCode": self.postal_code, "country": "DE"
            },
            "paymentMethod": self.method,
        });
        if self.is_free() {
            body["paymentMethod"].take();
        }
        body
    }

    /// The event with which the order begins that another producer takes, in that version.
    pub(crate) fn event(&self, version: u32) -> Value {
        let id = Uuid::now_v7();
        let (seconds, nanoseconds) = id.get_timestamp().map_or((0, 0), |timestamp| timestamp.to_unix());
        let millis = seconds * 1_000 + u64::from(nanoseconds) / 1_000_000;
        let order_id = format!("web-{}", self.customer);
        let mut data = self.body();
        data["orderId"] = json!(order_id);
        data["total"] = self.total();
        for line in data["lines"].as_array_mut().into_iter().flatten() {
            line["unitPrice"] = self.unit_price();
        }
        if version > 1 {
            data["customer"]["name"] = json!("Ada Lovelace");
        }
        json!({
            "specversion": "1.0",
            "id": id.to_string(),
            "source": if self.pricing == Pricing::Stated { PRICING_PRODUCER } else { MARKET },
            "type": "OrderCreated",
            "subject": order_id,
            "time": Time::from_millis(i64::try_from(millis).unwrap_or(0)).to_string(),
            "datacontenttype": "application/json",
            "dataschema": format!("urn:orderflow:OrderCreated:{version}"),
            "data": data,
        })
    }

    /// Total to be paid.
    pub(crate) fn total(&self) -> Value {
        self.money(self.lines.iter().map(|(_, quantity)| quantity).sum())
    }

    /// Price that a piece must have: the one that was stated, else that of the table.
    pub(crate) fn unit_price(&self) -> Value {
        self.money(1)
    }

    fn money(&self, pieces: u32) -> Value {
        json!({ "amount": self.price * pieces, "currency": "EUR" })
    }

    /// True if there is nothing to pay.
    pub(crate) fn is_free(&self) -> bool {
        self.price == 0
    }

    /// True if screening flags it.
    pub(crate) fn is_suspicious(&self) -> bool {
        self.price >= SUSPICIOUS
    }

    pub(crate) fn is_declined(&self) -> bool {
        !self.is_free() && self.method.starts_with("pm_card_visa_chargeDeclined")
    }

    /// True if some of its goods may be out of stock.
    pub(crate) fn may_be_short(&self) -> bool {
        self.lines.iter().any(|(sku, _)| !sku.starts_with("plenty"))
    }

    /// True if some of its goods are never in stock.
    pub(crate) fn is_short(&self) -> bool {
        self.lines.iter().any(|(sku, _)| matches!(sku.as_str(), "empty" | ABSENT))
    }
}

impl Entrance {
    fn draw(rng: &mut Rng) -> Self {
        let again = later(rng, 50..8_000);
        let repeats = [
            (50, Repeat::Never),
            (20, Repeat::Clicks(rng.usize(2..5))),
            (12, Repeat::Impatient(Duration::from_millis(rng.u64(1..150)))),
            (13, Repeat::Later(again)),
            (5, Repeat::Changed(again)),
        ];
        let with_key = Self::WithKey(*pick(rng, &repeats));
        let foreign = Self::Foreign { version: rng.u32(1..3), times: *pick(rng, &[(4, 1), (1, 2)]) };
        *pick(rng, &[(80, with_key), (8, Self::Once), (12, foreign)])
    }
}

/// Stock before the first of so many orders, by SKU.
pub(crate) fn shelves(orders: usize) -> BTreeMap<String, i64> {
    let scarce = i64::try_from(orders / 60 + 1).unwrap_or(i64::MAX);
    let plenty = (0..PLENTY).map(|number| (format!("plenty-{number}"), 100_000_000));
    let scarce = (0..SCARCE).map(|number| (format!("scarce-{number}"), scarce));
    plenty.chain(scarce).chain([("empty".to_owned(), 0)]).collect()
}

fn lines(rng: &mut Rng) -> Vec<(String, u32)> {
    let mut lines: BTreeMap<String, u32> =
        (0..rng.usize(1..4)).map(|_| (format!("plenty-{}", rng.usize(..PLENTY)), rng.u32(1..4))).collect();
    let special = *pick(rng, &[(79, None), (14, Some("scarce")), (4, Some("empty")), (3, Some(ABSENT))]);
    match special {
        Some("scarce") => lines.insert(format!("scarce-{}", rng.usize(..SCARCE)), rng.u32(1..3)),
        Some(sku) => lines.insert(sku.to_owned(), 1),
        None => None,
    };
    lines.into_iter().collect()
}

fn method(rng: &mut Rng) -> String {
    let unavailable = format!("pm_sim_unavailable_{}", *pick(rng, &[(4, 1), (3, 2), (2, 4), (1, 9)]));
    let all = [
        (70, "pm_card_visa"),
        (12, "pm_card_visa_chargeDeclined"),
        (5, "pm_card_visa_chargeDeclinedInsufficientFunds"),
        (13, unavailable.as_str()),
    ];
    (*pick(rng, &all)).to_owned()
}

/// Most of these moments are early.
fn later(rng: &mut Rng, range: Range<u64>) -> Duration {
    let chance = rng.f64();
    let span = u32::try_from(range.end - range.start).unwrap_or(u32::MAX);
    Duration::from_millis(range.start) + Duration::from_millis(1).mul_f64(f64::from(span) * chance * chance)
}

/// One of several, by their weights.
pub(crate) fn pick<'a, T>(rng: &mut Rng, choices: &'a [(u32, T)]) -> &'a T {
    let mut drawn = rng.u32(..choices.iter().map(|(weight, _)| *weight).sum::<u32>());
    for (weight, choice) in choices {
        if drawn < *weight {
            return choice;
        }
        drawn -= weight;
    }
    unreachable!("what is drawn is less than the sum of the weights")
}

#[cfg(test)]
mod tests {
    use orderflow_events::Event;

    use super::*;

    fn draw(seed: u64) -> Vec<Plan> {
        let mut rng = Rng::with_seed(seed);
        (0..2_000).map(|number| Plan::draw(&mut rng, number)).collect()
    }

    #[test]
    fn a_seed_draws_the_same_plans_again() {
        assert_eq!(format!("{:?}", draw(1)), format!("{:?}", draw(1)));
        assert_ne!(format!("{:?}", draw(1)), format!("{:?}", draw(2)));
    }

    #[test]
    fn the_events_of_other_producers_are_right() {
        for plan in draw(4).iter().filter(|plan| !plan.is_guest).take(100) {
            for version in [1, 2] {
                Event::from_value(&plan.event(version)).unwrap();
            }
        }
    }

    #[test]
    fn there_is_some_of_everything() {
        let plans = draw(3);
        let share = |is_it: fn(&Plan) -> bool| plans.iter().filter(|plan| is_it(plan)).count() * 100 / plans.len();
        assert!((10..20).contains(&share(|plan| plan.cancel.is_some())));
        assert!((15..25).contains(&share(|plan| plan.withdraw.is_some())));
        assert!(plans.iter().all(|plan| plan.cancel.is_none() || plan.withdraw.is_none()));
        assert!((10..25).contains(&share(Plan::is_declined)));
        assert!((5..10).contains(&share(Plan::is_short)));
        assert!((15..30).contains(&share(Plan::may_be_short)));
        assert!((10..30).contains(&share(|plan| plan.is_guest)));
        assert!((1..5).contains(&share(Plan::is_suspicious)));
        assert!((8..17).contains(&share(|plan| matches!(plan.entrance, Entrance::Foreign { .. }))));
        for code in ["SIM-REFUSED", "SIM-NO-VOID", "SIM-UNAVAILABLE-4"] {
            assert!(plans.iter().any(|plan| plan.postal_code == code), "{code}");
        }
        for repeat in [
            |repeat| matches!(repeat, Repeat::Never),
            |repeat| matches!(repeat, Repeat::Clicks(_)),
            |repeat| matches!(repeat, Repeat::Impatient(_)),
            |repeat| matches!(repeat, Repeat::Later(_)),
            |repeat| matches!(repeat, Repeat::Changed(_)),
        ] {
            assert!(plans.iter().any(|plan| matches!(plan.entrance, Entrance::WithKey(how) if repeat(how))));
        }
    }
}
