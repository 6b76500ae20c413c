//! Shapes of older versions, each with what makes the next one of it.
//!
//! They are read for as long as anybody may send them or a row may have them, and never written.

use serde::{Deserialize, Serialize};

use crate::id::OrderId;
use crate::money::Money;
use crate::payload::{Line, OrderCreated, OrderDetails, OrderNode as _};
use crate::person::{Address, Buyer, Destination, Person, PersonNode as _, shows_nothing};
use crate::text::{Email, PaymentMethod};
use envelope::{Faults, Node, Read, Text, reads};

/// An order was accepted: version 1, in which the buyer has no name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(transform = crate::payload::payable_by_total))]
#[serde(rename_all = "camelCase")]
pub struct OrderCreatedV1 {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
    /// The buyer.
    pub customer: CustomerV1,
    /// The goods that are bought.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::payload::MAX_LINES)))]
    pub lines: Vec<Line>,
    /// Address that the goods go to.
    pub shipping_address: Address,
    /// Payment method; absent only where there is nothing to pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<PaymentMethod>,
    /// Amount that is to be paid, in the currency of the lines.
    pub total: Money,
}

/// The buyer, without a name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CustomerV1 {
    /// The shop's own id of the customer.
    pub id: Text,
    /// Address of the customer's mails: one that mail can be sent to, with ASCII before the `@`, and any domain behind it.
    pub email: Email,
    /// Number of the customer's short messages, in any writing: with its country code, or as it is dialled in the country of
    /// the shipping address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::person::OptionalText"))]
    pub phone: Option<Text>,
}

shows_nothing!(CustomerV1, "a customer");

reads!(CustomerV1 { id: customer_id("id"), email: required("email"), phone: optional_phone("phone") });

impl Read for OrderCreatedV1 {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        let order_id = node.required("orderId", faults);
        let customer = node.required("customer", faults);
        let lines = node.lines("lines", faults);
        let shipping_address = node.required("shippingAddress", faults);
        let payment_method = node.optional_text("paymentMethod", faults);
        let total = node.total("total", lines.as_deref(), faults);
        node.payable(payment_method.as_ref(), total, faults);
        let (order_id, customer, lines, total) = (order_id?, customer?, lines?, total?);
        let (shipping_address, payment_method) = (shipping_address?, payment_method?);
        Some(Self { order_id, customer, lines, shipping_address, payment_method, total })
    }
}

/// The buyer has the name of the recipient of the goods.
impl From<OrderCreatedV1> for OrderCreatedV2 {
    fn from(order: OrderCreatedV1) -> Self {
        let CustomerV1 { id, email, phone } = order.customer;
        let name = order.shipping_address.name.clone();
        Self {
            order_id: order.order_id,
            customer: CustomerV2 { id, name, email, phone },
            lines: order.lines,
            shipping_address: order.shipping_address,
            payment_method: order.payment_method,
            total: order.total,
        }
    }
}

/// An order was accepted: version 2, in which the buyer is in clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(transform = crate::payload::payable_by_total))]
#[serde(rename_all = "camelCase")]
pub struct OrderCreatedV2 {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
    /// The buyer.
    pub customer: CustomerV2,
    /// The goods that are bought.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::payload::MAX_LINES)))]
    pub lines: Vec<Line>,
    /// Address that the goods go to.
    pub shipping_address: Address,
    /// Payment method; absent only where there is nothing to pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<PaymentMethod>,
    /// Amount that is to be paid, in the currency of the lines. From another producer it need not be the sum of the lines:
    /// there may be postage, or a discount.
    pub total: Money,
}

/// The buyer, in clear.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Customer", description = "The buyer."))]
pub struct CustomerV2 {
    /// The shop's own id of the customer.
    pub id: Text,
    /// Name of the customer.
    pub name: Text,
    /// Address of the customer's mails: one that mail can be sent to, with ASCII before the `@`, and any domain behind it.
    pub email: Email,
    /// Number of the customer's short messages, in any writing: with its country code, or as it is dialled in the country of
    /// the shipping address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::person::OptionalText"))]
    pub phone: Option<Text>,
}

shows_nothing!(CustomerV2, "a customer");

reads!(CustomerV2 {
    id: customer_id("id"),
    name: words("name"),
    email: required("email"),
    phone: optional_phone("phone")
});

impl Read for OrderCreatedV2 {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        let customer = node.required("customer", faults);
        let lines = node.lines("lines", faults);
        let shipping_address = node.required("shippingAddress", faults);
        let payment_method = node.optional_text("paymentMethod", faults);
        let order_id = node.required("orderId", faults);
        let total = node.total("total", lines.as_deref(), faults);
        node.payable(payment_method.as_ref(), total, faults);
        let (order_id, customer, lines, total) = (order_id?, customer?, lines?, total?);
        let (shipping_address, payment_method) = (shipping_address?, payment_method?);
        Some(Self { order_id, customer, lines, shipping_address, payment_method, total })
    }
}

/// The person is in clear still: whoever takes the order seals it.
impl From<OrderCreatedV2> for OrderCreated {
    fn from(order: OrderCreatedV2) -> Self {
        let CustomerV2 { id, name, email, phone } = order.customer;
        let shipping_address = Destination { country: order.shipping_address.country };
        let person = Person { name, email, phone, shipping_address: order.shipping_address };
        Self {
            order_id: order.order_id,
            details: OrderDetails {
                customer: Buyer { id },
                lines: order.lines,
                shipping_address,
                personal: person.into(),
                payment_method: order.payment_method,
            },
            total: order.total,
        }
    }
}
