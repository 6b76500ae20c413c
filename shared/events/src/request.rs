//! Requests to the shop over HTTP, which become events.

#[cfg(feature = "schema")]
use crate::payload::MAX_LINES;
use crate::payload::{Address, Customer, Line, OrderDetails, OrderNode as _};
use crate::text::{Email, PaymentMethod};
use envelope::{Text, reads};

/// The body of `POST /orders`. It keeps the rules of [`OrderDetails`], which it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "camelCase"))]
pub struct NewOrder {
    /// The buyer.
    pub customer: NewCustomer,
    /// The goods that are bought. All lines have the same currency, and sum up to at most 99,999,999 minor units of it.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_LINES)))]
    pub lines: Vec<Line>,
    /// Address that the goods go to.
    pub shipping_address: Address,
    /// Payment method.
    pub payment_method: PaymentMethod,
}

/// The buyer, as they name themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewCustomer {
    /// The shop's own id of the customer. Whoever is signed in may leave it out: it is the subject of their token.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Text>"))]
    pub id: Text,
    /// Name of the customer; without a name they are the recipient of the goods.
    pub name: Option<Text>,
    /// Address of the customer's mails.
    pub email: Email,
    /// Number of the customer's short messages; only one of E.164, such as `+4930123456`, can be reached.
    pub phone: Option<Text>,
}

reads!(NewOrder {
    customer: required("customer"),
    lines: lines("lines"),
    shipping_address: required("shippingAddress"),
    payment_method: required("paymentMethod"),
});

reads!(NewCustomer { id: required("id"), name: optional("name"), email: required("email"), phone: optional("phone") });

impl From<NewOrder> for OrderDetails {
    fn from(order: NewOrder) -> Self {
        let NewCustomer { id, name, email, phone } = order.customer;
        let name = name.unwrap_or_else(|| order.shipping_address.name.clone());
        Self {
            customer: Customer { id, name, email, phone },
            lines: order.lines,
            shipping_address: order.shipping_address,
            payment_method: order.payment_method,
        }
    }
}
