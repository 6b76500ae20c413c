//! Views of an order, as the API shows it.

use onewrite::envelope::reads;
use orderflow_events::{
    Address, CancellationReason, Email, EventId, Line, Money, OrderId, PaymentMethod, Person, ReturnId, Sku, Text, Time,
};
use serde::Serialize;

use crate::domain::withdrawal::{Outcome, Withdrawn};
use crate::domain::{Known, Payment, Progress, Return, Seen, Shipment, Status};

/// Progress of an order. It never moves back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum OrderStatus {
    /// It was accepted.
    Created,
    /// Its goods are set aside.
    Reserved,
    /// It is paid.
    Paid,
    /// It is on its way to the customer.
    Shipped,
    /// It was given up.
    Cancelled,
}

/// The answer to a new order. It is the same for every repetition of the request, whatever has become of the order.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt<'a> {
    /// The order's id.
    order_id: &'a OrderId,
    /// Progress when it was placed.
    status: OrderStatus,
    /// Amount that is to be paid.
    total: Money,
    /// Time at which it was placed.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    created_at: Option<Time>,
    /// Links of a guest's order.
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<OrderLinks>,
}

/// Links of an order.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct OrderLinks {
    /// The order under the shop's URL, with the parameter `access` by which it is read and cancelled without a token. Whoever
    /// has the link may do so, too, until it expires or is revoked.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uri")))]
    order: String,
}

/// The answer to a cancellation, and to a revocation of links.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Brief<'a> {
    /// The order's id.
    order_id: &'a OrderId,
    /// Progress of the order.
    status: OrderStatus,
}

/// Acknowledgement of a withdrawal: the same for every repetition of the request.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct WithdrawalReceipt<'a> {
    /// The id under which it is on record: that of the event that tells of it.
    id: &'a EventId,
    /// The order's id.
    order_id: &'a OrderId,
    /// Outcome for the order: it is cancelled, or its goods are to be sent back.
    outcome: Outcome,
    /// The return, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    return_id: Option<&'a ReturnId>,
    /// Time at which it was received. Of an order that was cancelled before, the time of that.
    withdrawn_at: Time,
}

/// Customer of an order: with all of it, or, once nobody can tell any more who they were, with `id` and `erased` alone.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Customer"))]
struct OrderCustomer<'a> {
    /// The shop's own id of the customer.
    id: &'a Text,
    /// Name of the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Text"))]
    name: Option<&'a Text>,
    /// Address of the customer's mails.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Email"))]
    email: Option<&'a Email>,
    /// Number of the customer's short messages, as they have written it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Text"))]
    phone: Option<&'a Text>,
    /// True of a customer whose data is erased; else it is absent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", schemars(extend("const" = true)))]
    erased: bool,
}

impl<'a> OrderCustomer<'a> {
    fn of(id: &'a Text, person: Option<&'a Person>) -> Self {
        let Some(Person { name, email, phone, shipping_address: _ }) = person else {
            return Self { id, name: None, email: None, phone: None, erased: true };
        };
        Self { id, name: Some(name), email: Some(email), phone: phone.as_ref(), erased: false }
    }
}

/// An order in full.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Whole<'a> {
    /// The order's id.
    order_id: &'a OrderId,
    /// Progress of the order.
    status: OrderStatus,
    /// Reason for which it was given up, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancellation_reason: Option<CancellationReason>,
    /// The buyer.
    customer: OrderCustomer<'a>,
    /// The goods that are bought.
    lines: &'a [Line],
    /// Amount that is to be paid.
    total: Money,
    /// The charge, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<&'a Payment>,
    /// The shipment, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    shipment: Option<&'a Shipment>,
    /// The return of its goods, if the customer withdrew after they were shipped.
    #[serde(rename = "return", skip_serializing_if = "Option::is_none")]
    goods_return: Option<&'a Return>,
    /// Time at which it was placed.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    created_at: Option<Time>,
    /// Time of the last of its events.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    updated_at: Option<Time>,
    /// Every event about it, by time, the creation first.
    timeline: Vec<&'a Seen>,
}

/// An order as a link shows it that has expired: its progress and its total, and nobody's data.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Redacted<'a> {
    /// The order's id.
    order_id: &'a OrderId,
    /// Progress of the order.
    status: OrderStatus,
    /// Amount that is to be paid.
    total: Money,
    /// Every event about it, by time, the creation first.
    timeline: Vec<&'a Seen>,
}

/// The answer to an erasure: the same for every repetition of the request.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Erasure<'a> {
    /// The shop's own id of the customer.
    pub(crate) customer_id: &'a Text,
    /// Number of the orders that they have placed. None that was placed before says any more whose it was.
    pub(crate) orders: usize,
}

/// A page of all orders of a customer, in clear.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Export<'a> {
    /// The shop's own id of the customer.
    customer_id: &'a Text,
    /// Time of the export.
    exported_at: Time,
    /// The orders that they have placed, the oldest first.
    orders: Vec<ExportedOrder<'a>>,
    /// Cursor of the next page, for the parameter `after`, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    next: Option<&'a str>,
}

/// An order of a customer, with all that is held of them in it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct ExportedOrder<'a> {
    /// The order.
    order: Whole<'a>,
    /// Address that the goods go to; absent once the customer is erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Address"))]
    shipping_address: Option<&'a Address>,
    /// The provider's token of the payment method, if there is something to pay.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "PaymentMethod"))]
    payment_method: Option<&'a PaymentMethod>,
}

impl<'a> Export<'a> {
    pub(crate) fn of(
        customer_id: &'a Text,
        exported_at: Time,
        orders: &'a [(Known, Option<Person>)],
        next: Option<&'a str>,
    ) -> Self {
        let exported = |(known, person): &'a (Known, Option<Person>)| ExportedOrder {
            order: known.whole(person.as_ref()),
            shipping_address: person.as_ref().map(|person| &person.shipping_address),
            payment_method: known.created.details.payment_method.as_ref(),
        };
        Self { customer_id, exported_at, orders: orders.iter().map(exported).collect(), next }
    }
}

/// Change of the price of a SKU.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "camelCase"))]
pub(crate) struct PriceChange {
    /// The price of one piece.
    pub(crate) unit_price: Money,
}

reads!(PriceChange { unit_price: required("unitPrice") });

/// The price of a SKU.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Price<'a> {
    /// The goods.
    pub(crate) sku: &'a Sku,
    /// The price of one piece.
    pub(crate) unit_price: Money,
}

/// JSON Schemas of requests and answers, each under its name.
#[cfg(feature = "schema")]
#[must_use]
pub fn schemas() -> [(&'static str, serde_json::Value); 9] {
    use orderflow_events::schema::{of_answer, of_request};
    [
        ("PriceChange", of_request::<PriceChange>()),
        ("Price", of_answer::<Price<'_>>()),
        ("Receipt", of_answer::<Receipt<'_>>()),
        ("OrderBrief", of_answer::<Brief<'_>>()),
        ("WithdrawalReceipt", of_answer::<WithdrawalReceipt<'_>>()),
        ("Order", of_answer::<Whole<'_>>()),
        ("Erasure", of_answer::<Erasure<'_>>()),
        ("CustomerExport", of_answer::<Export<'_>>()),
        ("RedactedOrder", of_answer::<Redacted<'_>>()),
    ]
}

impl Known {
    pub(crate) fn receipt(&self, link: Option<String>) -> Receipt<'_> {
        Receipt {
            order_id: &self.created.order_id,
            status: OrderStatus::Created,
            total: self.created.total,
            created_at: self.timeline.first().map(|seen| seen.time),
            links: link.map(|order| OrderLinks { order }),
        }
    }

    pub(crate) fn redacted(&self) -> Redacted<'_> {
        let Whole { order_id, status, total, timeline, .. } = self.whole(None);
        Redacted { order_id, status, total, timeline }
    }

    pub(crate) fn brief(&self) -> Brief<'_> {
        Brief { order_id: &self.created.order_id, status: self.status.into() }
    }

    pub(crate) fn withdrawal_receipt(&self) -> Option<WithdrawalReceipt<'_>> {
        let Withdrawn { outcome, seen } = self.withdrawn()?;
        Some(WithdrawalReceipt {
            id: &seen.id,
            order_id: &self.created.order_id,
            outcome,
            return_id: self.goods_return.as_ref().map(|goods_return| &goods_return.return_id),
            withdrawn_at: seen.time,
        })
    }

    /// All of it, with who placed it, if anybody knows that still.
    pub(crate) fn whole<'a>(&'a self, person: Option<&'a Person>) -> Whole<'a> {
        let timeline = self.by_time();
        let cancellation_reason = match self.status {
            Status::Cancelled(reason) => Some(reason),
            Status::Open(_) | Status::Shipped => None,
        };
        Whole {
            order_id: &self.created.order_id,
            status: self.status.into(),
            cancellation_reason,
            customer: OrderCustomer::of(&self.created.details.customer.id, person),
            lines: &self.created.details.lines,
            total: self.created.total,
            payment: self.payment.as_ref(),
            shipment: self.shipment.as_ref(),
            goods_return: self.goods_return.as_ref(),
            created_at: self.timeline.first().map(|seen| seen.time),
            updated_at: timeline.iter().map(|seen| seen.time).max(),
            timeline,
        }
    }

    /// Events about it by the time at which they happened: the service may have learned of them in another order. All but the
    /// creation, which comes first even if the clock of its producer is wrong.
    pub(crate) fn by_time(&self) -> Vec<&Seen> {
        let mut timeline: Vec<&Seen> = self.timeline.iter().collect();
        if let [_creation, rest @ ..] = timeline.as_mut_slice() {
            rest.sort_by_key(|seen| seen.time);
        }
        timeline
    }
}

impl From<Status> for OrderStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Open(Progress::Created) => Self::Created,
            Status::Open(Progress::Reserved) => Self::Reserved,
            Status::Open(Progress::Paid) => Self::Paid,
            Status::Cancelled(_) => Self::Cancelled,
            Status::Shipped => Self::Shipped,
        }
    }
}

#[cfg(test)]
mod tests {
    use onewrite::{Decider, Step};
    use orderflow_events::sample;
    use orderflow_events::{InventoryReserved, Payload, PaymentId, PaymentProcessed};
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::{Order, Orders};

    fn at(second: i64) -> Time {
        Time::from_millis(1_767_225_600_000 + second * 1_000)
    }

    /// View of an order that has learned of these facts, each with the second at which it happened.
    fn shown(learned: Vec<(Payload, i64)>) -> Value {
        let order = learned.into_iter().fold(Order::default(), |order, (fact, second)| {
            let mut event = sample::event(fact);
            event.context.time = at(second);
            let change = Orders::change_from(&event).unwrap_or_else(|| {
                let decision = Orders::decide(&order, &event.heard().unwrap(), None);
                let Ok(Step::Commit(commit)) = decision else { panic!("{event:?}") };
                commit.change.unwrap()
            });
            Orders::evolve(order, change)
        });
        let Order::Known(known) = order else { panic!("nobody has created it") };
        serde_json::to_value(known.whole(Some(&sample::person()))).unwrap()
    }

    #[test]
    fn the_timeline_is_in_the_order_of_time_with_the_creation_first() {
        let order_id = OrderId::new("ord_1").unwrap();
        let (payment_id, amount) = (PaymentId::of(&order_id), Money::new(3685, "EUR").unwrap());
        let paid: Payload = PaymentProcessed { order_id: order_id.clone(), payment_id, amount }.into();
        let reserved: Payload = InventoryReserved { order_id, lines: Vec::new() }.into();
        let created: Payload = sample::order("ord_1").into();
        for (creation, updated) in [(0, 2), (3_600, 3_600)] {
            let shown = shown(vec![(created.clone(), creation), (paid.clone(), 2), (reserved.clone(), 1)]);
            let timeline: Vec<(&Value, &Value)> =
                shown["timeline"].as_array().unwrap().iter().map(|seen| (&seen["type"], &seen["time"])).collect();
            let happened = |kind: &str, second| (json!(kind), json!(at(second)));
            let expected =
                [happened("OrderCreated", creation), happened("InventoryReserved", 1), happened("PaymentProcessed", 2)];
            assert_eq!(timeline, expected.each_ref().map(|(kind, time)| (kind, time)), "created at {creation} s");
            assert_eq!(shown["createdAt"], json!(at(creation)));
            assert_eq!(shown["updatedAt"], json!(at(updated)), "created at {creation} s");
            assert_eq!(shown["status"], "paid");
        }
    }
}
