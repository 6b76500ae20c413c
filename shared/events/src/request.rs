//! Requests to the shop over HTTP, which become events.

use crate::money::Money;
use crate::payload::{Line, OrderDetails, OrderNode as _, PricedLine, Quantity, total_of};
#[cfg(feature = "schema")]
use crate::payload::{MAX_LINES, payable_by_lines};
#[cfg(feature = "schema")]
use crate::person::OptionalText;
use crate::person::{Address, Buyer, Destination, Person, PersonNode as _, shows_nothing};
use crate::text::{Email, PaymentMethod, Sku};
use envelope::{Faults, Node, Read, Text, reads};

/// The body of `POST /orders`. It keeps the rules of [`OrderDetails`], which it becomes once each line has a price.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "camelCase", transform = payable_by_lines))]
pub struct NewOrder {
    /// The buyer.
    pub customer: NewCustomer,
    /// The goods that are bought. All lines have the same currency, and sum up to at most 99,999,999 minor units of it.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_LINES)))]
    pub lines: Vec<NewLine>,
    /// Address that the goods go to.
    pub shipping_address: Address,
    /// Payment method; absent only where there is nothing to pay.
    #[cfg_attr(feature = "schema", schemars(with = "Option<PaymentMethod>"))]
    pub payment_method: Option<PaymentMethod>,
}

/// One line of a new order. A SKU may stand on more than one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "camelCase"))]
pub struct NewLine {
    /// The goods that are bought.
    pub sku: Sku,
    /// Number of pieces.
    pub quantity: Quantity,
    /// The price of one piece, as the caller expects it: it must be that of the price table. Whoever has the scope
    /// `prices:state` names it. Absent, it is that of the price table.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Money>"))]
    pub unit_price: Option<Money>,
}

reads!(NewLine { sku: required("sku"), quantity: required("quantity"), unit_price: optional("unitPrice") });

impl PricedLine for NewLine {
    fn quantity(&self) -> Quantity {
        self.quantity
    }

    fn unit_price(&self) -> Option<Money> {
        self.unit_price
    }
}

/// The buyer, as they name themselves.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewCustomer {
    /// The shop's own id of the customer. Whoever is signed in may leave it out: it is the subject of their token. A guest
    /// leaves it out, too, and gets one with the order.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Text>"))]
    pub id: Text,
    /// Name of the customer; without a name they are the recipient of the goods.
    #[cfg_attr(feature = "schema", schemars(with = "OptionalText", default, skip_serializing_if = "Option::is_none"))]
    pub name: Option<Text>,
    /// Address of the customer's mails: one that mail can be sent to, with ASCII before the `@`, and any domain behind it.
    pub email: Email,
    /// Number of the customer's short messages, in any writing: with its country code, or as it is dialled in the country of
    /// the shipping address.
    #[cfg_attr(feature = "schema", schemars(with = "OptionalText", default, skip_serializing_if = "Option::is_none"))]
    pub phone: Option<Text>,
}

impl Read for NewOrder {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        let customer = node.required("customer", faults);
        let lines: Option<Vec<NewLine>> = node.lines("lines", faults);
        let shipping_address = node.required("shippingAddress", faults);
        let payment_method = node.optional_text("paymentMethod", faults);
        node.payable(payment_method.as_ref(), lines.as_deref().and_then(total_of), faults);
        let (customer, lines, shipping_address) = (customer?, lines?, shipping_address?);
        Some(Self { customer, lines, shipping_address, payment_method: payment_method? })
    }
}

shows_nothing!(NewCustomer, "a customer");

reads!(NewCustomer {
    id: customer_id("id"),
    name: optional_words("name"),
    email: required("email"),
    phone: optional_phone("phone")
});

impl NewOrder {
    /// Details of the order, in which each line without a price has that of `price`, by the number of the line from 0 and its
    /// SKU. The person is in clear. `None` where one has none.
    #[must_use]
    pub fn priced(self, price: impl Fn(usize, &Sku) -> Option<Money>) -> Option<OrderDetails> {
        let NewCustomer { id, name, email, phone } = self.customer;
        let name = name.unwrap_or_else(|| self.shipping_address.name.clone());
        let lines = self.lines.into_iter().enumerate().map(|(index, NewLine { sku, quantity, unit_price })| {
            unit_price.or_else(|| price(index, &sku)).map(|unit_price| Line { sku, quantity, unit_price })
        });
        Some(OrderDetails {
            customer: Buyer { id },
            lines: lines.collect::<Option<_>>()?,
            shipping_address: Destination { country: self.shipping_address.country },
            personal: Person { name, email, phone, shipping_address: self.shipping_address }.into(),
            payment_method: self.payment_method,
        })
    }
}
