//! The operations of the OpenAPI document by which a customer is erased, and sees all their orders.

use orderflow_events::scope::PRIVACY;
use serde_json::{Value, json};

use crate::parts::{answer, operation, with_example};

const CUSTOMER_ID: &str = "cus_42";

pub(crate) fn erase_customer() -> Value {
    let mut erased = answer("The customer is erased, by this request or by an earlier one.", "Erasure", &json!({}));
    with_example(&mut erased, json!({ "customerId": CUSTOMER_ID, "orders": 2 }));
    operation(
        json!({
            "operationId": "eraseCustomer",
            "summary": "Erases a customer, for ever",
            "description": "The key goes that their name, their addresses and their numbers are sealed with, in every order, \
                            event, dead letter and backup: nobody can open them any more, at the latest a minute later. Each of \
                            their orders is told of by `PersonalDataErased`, and is cancelled if it is open, as by \
                            `cancelOrder`. What was bought, paid and refunded stays. Where it is answered with 503, the same \
                            request again goes on. Whoever orders again under the same id has a new key.",
            "tags": ["customers"],
            "security": [{ "token": [PRIVACY] }],
        }),
        &[("202", erased)],
        &["403", "404"],
    )
}

pub(crate) fn export_customer(order: &Value, address: &Value) -> Value {
    let mut exported = answer("All orders of the customer, in clear.", "CustomerExport", &json!({}));
    with_example(
        &mut exported,
        json!({
            "customerId": CUSTOMER_ID,
            "exportedAt": "2026-11-29T09:00:00.000Z",
            "orders": [{ "order": order, "shippingAddress": address, "paymentMethod": "pm_card_visa" }],
        }),
    );
    operation(
        json!({
            "operationId": "exportCustomer",
            "summary": "Shows all orders of a customer",
            "description": "A customer sees their own by their token; those of another need the scope `privacy`. They come in \
                            pages, the oldest first. Dead letters are not among them, not even those that are sealed with the \
                            customer's key: they are copies of what happened to these orders, or what no service could take, \
                            and operators read them.",
            "tags": ["customers"],
            "parameters": [{
                "name": "after",
                "in": "query",
                "description": "The cursor `next` of the page before.",
                "schema": { "type": "string" },
                "example": crate::parts::ORDER_ID,
            }],
        }),
        &[("200", exported)],
        &["400", "403", "404"],
    )
}

pub(crate) fn customer_id() -> Value {
    json!({
        "name": "customerId", "in": "path", "required": true, "description": "The customer, by the shop's own id.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 200 }, "example": CUSTOMER_ID,
    })
}
