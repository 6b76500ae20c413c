//! Orders of customers: all are paid and shipped, one like the other but for names, goods and amounts.

use serde_json::{Value, json};

use crate::payload::HttpRequest;

/// SKU and price in cents.
const GOODS: [(&str, u32); 5] =
    [("coffee-1kg", 1_490), ("hand-grinder", 4_900), ("filter-100", 390), ("kettle-1l", 2_950), ("cup-0.2l", 850)];

/// More of each than will be ordered.
const SHELF: u32 = 50_000_000;

/// Route of the stock of one SKU.
pub(crate) const STOCK: &str = "/inventory/{sku}";

pub(crate) fn skus() -> impl Iterator<Item = &'static str> {
    GOODS.iter().map(|(sku, _)| *sku)
}

pub(crate) fn sku(number: usize) -> &'static str {
    GOODS[number % GOODS.len()].0
}

/// A count of the shelf.
pub(crate) fn fill_shelf(sku: &str) -> HttpRequest {
    HttpRequest::new("PUT", STOCK, sku).with_body(json!({"onHand": SHELF}))
}

/// The request for one order.
pub(crate) fn place(number: usize) -> HttpRequest {
    let body = json!({
        "customer": customer(number), "lines": lines(number), "shippingAddress": address(),
        "paymentMethod": "pm_card_visa",
    });
    let key = Some(format!("click-{number:06}"));
    HttpRequest { idempotency_key: key, ..HttpRequest::new("POST", "/orders", "").with_body(body) }
}

/// `OrderCreated` of another producer.
pub(crate) fn foreign_order(number: usize) -> Value {
    let lines = lines(number);
    let cents =
        |line: &Value| line["quantity"].as_u64().zip(line["unitPrice"]["amount"].as_u64()).map(|(n, price)| n * price);
    let total: u64 = lines.iter().filter_map(cents).sum();
    let order = format!("shop-{number:06}");
    json!({
        "specversion": "1.0", "id": format!("created-{number:06}"), "source": "https://shop.example/orders",
        "type": "OrderCreated", "subject": order, "time": "2026-01-01T00:00:00.000Z",
        "data": {
            "orderId": order, "customer": customer(number), "lines": lines, "total": euros(total),
            "shippingAddress": address(), "paymentMethod": "pm_card_visa",
        },
    })
}

fn customer(number: usize) -> Value {
    json!({
        "id": format!("cus_{number:06}"), "name": "Ada Lovelace", "email": format!("ada.{number:06}@example.com"),
        "phone": format!("+4930{:07}", 1_000_000 + number),
    })
}

/// Two different goods, of each one to three.
fn lines(number: usize) -> Vec<Value> {
    let line = |(index, (sku, price)): (usize, (&str, u32))| json!({"sku": sku, "quantity": 1 + (number + index) % 3, "unitPrice": euros(price.into())});
    (0..2).map(|index| line((index, GOODS[(number + index) % GOODS.len()]))).collect()
}

fn euros(cents: u64) -> Value {
    json!({"amount": cents, "currency": "EUR"})
}

fn address() -> Value {
    json!({
        "name": "Ada Lovelace", "line1": "Unter den Linden 77", "city": "Berlin", "postalCode": "10117", "country": "DE",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_order_has_the_sum_of_its_lines_as_total() {
        // One of 1,490 and two of 4,900.
        assert_eq!(foreign_order(0)["data"]["total"], json!({"amount": 11_290, "currency": "EUR"}));
    }
}
