//! The operations of the OpenAPI document by which a customer withdraws, and the warehouse takes goods back.

use orderflow_events::scope::STOCK_WRITE;
use serde_json::{Value, json};

use crate::parts::{ORDER_ID, answer, link, operation, problem, problems, with_example};

const RETURN_ID: &str = "ret_8bpw9rtmx3cf9jacx1hd40yvms";

pub(crate) fn withdraw_order() -> Value {
    let mut received = answer(
        "The withdrawal is on record, by this request or by an earlier one: the receipt.",
        "WithdrawalReceipt",
        &json!({}),
    );
    received["links"] = json!({ "GetOrder": link("getOrder", &json!({ "orderId": "$response.body#/orderId" })) });
    with_example(
        &mut received,
        json!({
            "id": "019aa9d0-7ebc-7b1e-9f00-5a0000000005",
            "orderId": ORDER_ID,
            "outcome": "return",
            "returnId": RETURN_ID,
            "withdrawnAt": "2026-11-29T09:00:00.000Z",
        }),
    );
    let over = problem(
        409,
        "urn:orderflow:problem:withdrawal-period-over",
        "Withdrawal period over",
        "The period for a withdrawal is over.",
    );
    operation(
        json!({
            "operationId": "withdrawOrder",
            "summary": "Withdraws from the contract about an order",
            "description": "No reason is asked. Before the goods have left, the order is cancelled, as by `cancelOrder`. After \
                            that it stays shipped, its goods are to be sent back, and what was charged is refunded once they \
                            are there. The customer gets a mail with the time. For people there is a page at \
                            `/orders/{orderId}/withdrawal`.",
            "tags": ["orders"],
        }),
        &[
            ("202", received),
            ("409", problems("It was shipped longer ago than the law gives.", &json!({ "over": { "value": over } }))),
        ],
        &["404"],
    )
}

pub(crate) fn take_goods_back() -> Value {
    let mut returned = answer("The goods are back, by this request or by an earlier one.", "Returned", &json!({}));
    returned["links"] = json!({ "GetOrder": link("getOrder", &json!({ "orderId": "$response.body#/orderId" })) });
    with_example(
        &mut returned,
        json!({
            "orderId": ORDER_ID,
            "returnId": RETURN_ID,
            "lines": [{ "sku": "coffee-beans-1kg", "quantity": 2 }],
            "receivedAt": "2026-12-03T09:00:00.000Z",
        }),
    );
    let unasked = problem(
        409,
        "urn:orderflow:problem:return-not-requested",
        "Return not requested",
        "The customer has not asked to send these goods back, or has done so a moment ago.",
    );
    operation(
        json!({
            "operationId": "takeGoodsBack",
            "summary": "Says that the goods of an order are back",
            "description": "All of them, after a withdrawal: they are on hand again, and the order is refunded.",
            "tags": ["inventory"],
            "security": [{ "token": [STOCK_WRITE] }],
        }),
        &[
            ("200", returned),
            ("409", problems("No goods of this order are awaited.", &json!({ "unasked": { "value": unasked } }))),
        ],
        &["403", "404"],
    )
}
