//! Payloads of the events: one for each type, in camelCase on the wire.
//!
//! A `Read` implementation checks the rules; the derived `Serialize` writes the same shape back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use serde_json::{Value, json};

use crate::id::{OrderId, PaymentId, RefundId, ReturnId, ShipmentId};
use crate::money::{MAX_AMOUNT, Money};
#[cfg(feature = "schema")]
use crate::person::Person;
use crate::person::{Buyer, Destination, PersonNode as _, PersonalData};
use crate::text::{PaymentMethod, Sku};
#[cfg(feature = "schema")]
use envelope::Personal;
use envelope::{Faults, Node, Read, Text, reads};

/// The most lines that an order may have.
pub const MAX_LINES: usize = 50;

/// The most pieces that one line may ask for.
pub const MAX_QUANTITY: u32 = 9_999;

/// The most pieces of one SKU that an order may ask for, over all its lines.
#[expect(clippy::cast_possible_wrap, reason = "fifty lines fit into any integer")]
const MAX_PIECES: i64 = MAX_LINES as i64 * MAX_QUANTITY as i64;

envelope::json_schema_of!(
    Quantity,
    ["Number of pieces."],
    { "type": "integer", "minimum": 1, "maximum": MAX_QUANTITY }
);

/// Number of pieces: 1 to [`MAX_QUANTITY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Quantity(u32);

impl Quantity {
    /// The number of pieces.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Quantity {
    type Error = envelope::Invalid;

    fn try_from(pieces: u32) -> Result<Self, Self::Error> {
        let valid = (1..=MAX_QUANTITY).contains(&pieces);
        valid.then_some(Self(pieces)).ok_or_else(|| envelope::Invalid::rule(format!("must be 1 to {MAX_QUANTITY}")))
    }
}

impl From<Quantity> for u32 {
    fn from(quantity: Quantity) -> Self {
        quantity.0
    }
}

impl Read for Quantity {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.integer(1, MAX_QUANTITY.into(), faults).and_then(|pieces| u32::try_from(pieces).ok()).map(Self)
    }
}

/// One line of an order. A SKU may stand on more than one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The goods that are bought.
    pub sku: Sku,
    /// Number of pieces.
    pub quantity: Quantity,
    /// The price of one piece.
    pub unit_price: Money,
}

reads!(Line { sku: required("sku"), quantity: required("quantity"), unit_price: required("unitPrice") });

/// Line of an order whose price need not be known yet.
pub(crate) trait PricedLine: Read {
    /// Number of pieces.
    fn quantity(&self) -> Quantity;

    /// Price of one piece, as far as it is known.
    fn unit_price(&self) -> Option<Money>;
}

impl PricedLine for Line {
    fn quantity(&self) -> Quantity {
        self.quantity
    }

    fn unit_price(&self) -> Option<Money> {
        Some(self.unit_price)
    }
}

/// Order as a customer decides it: the heart of `OrderCreated`.
///
/// Read from JSON it keeps every rule: 1 to [`MAX_LINES`] lines, one currency, a sum of at most [`MAX_AMOUNT`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderDetails {
    /// The buyer.
    pub customer: Buyer,
    /// The goods that are bought.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_LINES)))]
    pub lines: Vec<Line>,
    /// Country that the goods go to.
    pub shipping_address: Destination,
    /// Name and contact of the buyer, and the address that the goods go to: sealed, a JWE (RFC 7516) under a key of the
    /// customer's own. Once that key is deleted nobody can open it any more.
    #[cfg_attr(feature = "schema", schemars(with = "Personal<Person>"))]
    pub personal: PersonalData,
    /// Payment method; absent only where there is nothing to pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<PaymentMethod>,
}

impl OrderDetails {
    /// The sum of all lines. `None` if it is above [`MAX_AMOUNT`], or the lines have several currencies, or there are
    /// none; details that were read from JSON always have a sum.
    #[must_use]
    pub fn total(&self) -> Option<Money> {
        total_of(&self.lines)
    }

    /// Number of pieces of each SKU: the lines of one SKU are summed.
    #[must_use]
    pub fn stock_lines(&self) -> Vec<StockLine> {
        let mut pieces = BTreeMap::<&Sku, u32>::new();
        for line in &self.lines {
            *pieces.entry(&line.sku).or_default() += line.quantity.get();
        }
        pieces.into_iter().map(|(sku, quantity)| StockLine { sku: sku.clone(), quantity }).collect()
    }
}

/// The sum of the lines whose price is known.
pub(crate) fn total_of(lines: &[impl PricedLine]) -> Option<Money> {
    let mut known = lines.iter().filter_map(|line| Some((line.unit_price()?, line.quantity().get())));
    known.try_fold(None, |sum, (price, quantity)| price.add_to(quantity, sum).map(Some)).flatten()
}

reads!(OrderDetails {
    customer: required("customer"),
    lines: lines("lines"),
    shipping_address: required("shippingAddress"),
    personal: required("personal"),
    payment_method: optional_text("paymentMethod"),
});

/// Parts of an order that no other document has.
pub(crate) trait OrderNode {
    /// Makes sure that something to pay has a way to pay.
    fn payable(&self, method: Option<&Option<PaymentMethod>>, total: Option<Money>, faults: &mut Faults);

    /// The lines of an order, which have one currency and a sum, as far as their prices are known.
    fn lines<L: PricedLine>(&self, name: &str, faults: &mut Faults) -> Option<Vec<L>>;

    /// Total to be paid for `lines`, if those could be read.
    fn total(&self, name: &str, lines: Option<&[Line]>, faults: &mut Faults) -> Option<Money>;
}

impl OrderNode for Node<'_> {
    fn payable(&self, method: Option<&Option<PaymentMethod>>, total: Option<Money>, faults: &mut Faults) {
        if method == Some(&None) && total.is_some_and(|total| !total.is_zero()) {
            faults.add(&self.field("paymentMethod"), "is required");
        }
    }

    fn lines<L: PricedLine>(&self, name: &str, faults: &mut Faults) -> Option<Vec<L>> {
        let lines = self.list::<L>(name, MAX_LINES, faults)?;
        let mut currencies = lines.iter().filter_map(PricedLine::unit_price).map(|price| price.currency());
        let Some(first) = currencies.next() else { return Some(lines) };
        if currencies.any(|other| other != first) {
            faults.add(&self.field(name), "must all have the same currency");
        } else if total_of(&lines).is_none() {
            faults.add(&self.field(name), format!("must sum up to at most {MAX_AMOUNT} minor units"));
        }
        Some(lines)
    }

    fn total(&self, name: &str, lines: Option<&[Line]>, faults: &mut Faults) -> Option<Money> {
        let total: Money = self.required(name, faults)?;
        if lines.is_some_and(|lines| lines[0].unit_price.currency() != total.currency()) {
            faults.add(&self.field(name), "must have the currency of the lines");
        }
        Some(total)
    }
}

/// Adds to the schema of an order that has a total: without a payment method there is nothing to pay.
#[cfg(feature = "schema")]
pub(crate) fn payable_by_total(schema: &mut schemars::Schema) {
    let free = json!({ "properties": { "total": { "properties": { "amount": { "const": 0 } } } } });
    payable_unless(schema, &free);
}

/// The same of an order that has none yet: all of its lines cost nothing.
#[cfg(feature = "schema")]
pub(crate) fn payable_by_lines(schema: &mut schemars::Schema) {
    let price = json!({ "properties": { "amount": { "const": 0 } } });
    let free = json!({ "properties": { "lines": { "items": { "properties": { "unitPrice": price } } } } });
    payable_unless(schema, &free);
}

#[cfg(feature = "schema")]
fn payable_unless(schema: &mut schemars::Schema, free: &Value) {
    let paid = json!({ "required": ["paymentMethod"], "properties": { "paymentMethod": { "type": "string", "minLength": 1 } } });
    schema.insert("if".to_owned(), free.clone());
    schema.insert("else".to_owned(), paid);
}

/// An order was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(transform = payable_by_total))]
#[serde(rename_all = "camelCase")]
pub struct OrderCreated {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
    /// Order as the customer decided it.
    #[serde(flatten)]
    pub details: OrderDetails,
    /// Amount that is to be paid, in the currency of the lines. From another producer it need not be the sum of the lines:
    /// there may be postage, or a discount.
    pub total: Money,
}

impl Read for OrderCreated {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let details = OrderDetails::read(node, faults);
        node.value().filter(|value| value.is_object())?;
        let order_id = node.required("orderId", faults);
        let total = node.total("total", details.as_ref().map(|details| details.lines.as_slice()), faults);
        node.payable(details.as_ref().map(|details| &details.payment_method), total, faults);
        Some(Self { order_id: order_id?, details: details?, total: total? })
    }
}

/// Reason for which an order was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum CancellationReason {
    /// The customer asked for it.
    CustomerRequest,
    /// Goods are missing.
    OutOfStock,
    /// The payment was declined, or did not come in time.
    PaymentFailed,
}

impl Read for CancellationReason {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        match node.text(faults)? {
            "customerRequest" => Some(Self::CustomerRequest),
            "outOfStock" => Some(Self::OutOfStock),
            "paymentFailed" => Some(Self::PaymentFailed),
            _ => {
                faults.add(node, "must be customerRequest, outOfStock or paymentFailed");
                None
            }
        }
    }
}

/// An order was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelled {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
    /// Reason for which it was given up.
    pub reason: CancellationReason,
}

reads!(OrderCancelled { order_id: required("orderId"), reason: required("reason") });

/// The customer of an order was forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PersonalDataErased {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
}

reads!(PersonalDataErased { order_id: required("orderId") });

/// Number of pieces of one SKU, over all lines of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StockLine {
    /// The goods.
    pub sku: Sku,
    /// Number of pieces.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MAX_PIECES)))]
    pub quantity: u32,
}

reads!(StockLine { sku: required("sku"), quantity: pieces("quantity") });

/// A number of pieces, summed over all lines of an order.
struct Pieces(u32);

impl Read for Pieces {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        u32::try_from(node.integer(1, MAX_PIECES, faults)?).ok().map(Self)
    }
}

/// Count of something: any number from 0.
struct Count(i64);

impl Read for Count {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.integer(0, i64::MAX, faults).map(Self)
    }
}

/// Numbers of goods.
trait StockNode {
    fn pieces(&self, name: &str, faults: &mut Faults) -> Option<u32>;
    fn count(&self, name: &str, faults: &mut Faults) -> Option<i64>;
}

impl StockNode for Node<'_> {
    fn pieces(&self, name: &str, faults: &mut Faults) -> Option<u32> {
        self.required(name, faults).map(|Pieces(pieces)| pieces)
    }

    fn count(&self, name: &str, faults: &mut Faults) -> Option<i64> {
        self.required(name, faults).map(|Count(count)| count)
    }
}

/// All goods of an order are set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InventoryReserved {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
    /// Goods that are set aside, one line for each SKU.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_LINES)))]
    pub lines: Vec<StockLine>,
}

reads!(InventoryReserved { order_id: required("orderId"), lines: list("lines", MAX_LINES) });

/// Goods that are missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Shortage {
    /// The goods.
    pub sku: Sku,
    /// Number of pieces that the order asks for.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MAX_PIECES)))]
    pub requested: u32,
    /// Number of pieces that could be had.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub available: i64,
}

reads!(Shortage { sku: required("sku"), requested: pieces("requested"), available: count("available") });

/// Goods of an order are missing, and nothing was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InventoryRejected {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
    /// Goods that are missing.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_LINES)))]
    pub shortages: Vec<Shortage>,
}

reads!(InventoryRejected { order_id: required("orderId"), shortages: list("shortages", MAX_LINES) });

/// The goods of an order are available again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InventoryReleased {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
    /// Goods that are available again, one line for each SKU.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_LINES)))]
    pub lines: Vec<StockLine>,
}

reads!(InventoryReleased { order_id: required("orderId"), lines: list("lines", MAX_LINES) });

/// An order was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PaymentProcessed {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
    /// The charge.
    pub payment_id: PaymentId,
    /// Amount that was charged.
    pub amount: Money,
}

reads!(PaymentProcessed {
    order_id: required("orderId"),
    payment_id: required("paymentId"),
    amount: required("amount")
});

/// Reason for which a payment was declined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PaymentFailure {
    /// The provider's code, such as `insufficient_funds`; `tooManyDeclines` where it was not asked any more, since too many payments
    /// of the same customer, method or addresses had been declined.
    pub code: Text,
    /// The same for people.
    pub message: Text,
}

reads!(PaymentFailure { code: required("code"), message: required("message") });

/// The payment of an order was declined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PaymentFailed {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
    /// The charge that was tried.
    pub payment_id: PaymentId,
    /// Reason for which it was declined.
    pub reason: PaymentFailure,
}

reads!(PaymentFailed { order_id: required("orderId"), payment_id: required("paymentId"), reason: required("reason") });

/// The payment of an order was given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PaymentRefunded {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
    /// The charge.
    pub payment_id: PaymentId,
    /// The refund.
    pub refund_id: RefundId,
    /// Amount that was given back.
    pub amount: Money,
}

reads!(PaymentRefunded {
    order_id: required("orderId"),
    payment_id: required("paymentId"),
    refund_id: required("refundId"),
    amount: required("amount"),
});

/// The carrier took an order's shipment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ShipmentCreated {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
    /// The shipment.
    pub shipment_id: ShipmentId,
    /// The carrier.
    pub carrier: Text,
    /// The carrier's number to follow it by.
    pub tracking_number: Text,
}

reads!(ShipmentCreated {
    order_id: required("orderId"),
    shipment_id: required("shipmentId"),
    carrier: required("carrier"),
    tracking_number: required("trackingNumber"),
});

/// The carrier gave up an order's shipment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ShipmentCancelled {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
    /// The shipment.
    pub shipment_id: ShipmentId,
}

reads!(ShipmentCancelled { order_id: required("orderId"), shipment_id: required("shipmentId") });

/// The customer has withdrawn from an order whose goods are on their way or delivered, and sends them back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReturnRequested {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
    /// The return.
    pub return_id: ReturnId,
}

reads!(ReturnRequested { order_id: required("orderId"), return_id: required("returnId") });

/// The goods of an order are back, all of them, and available again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GoodsReturned {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
    /// The return.
    pub return_id: ReturnId,
    /// Goods that are back, one line for each SKU.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_LINES)))]
    pub lines: Vec<StockLine>,
}

reads!(GoodsReturned {
    order_id: required("orderId"),
    return_id: required("returnId"),
    lines: list("lines", MAX_LINES)
});

envelope::json_schema_of!(
    Score,
    ["How much an order looks like fraud: 0, not at all, to 100."],
    { "type": "integer", "minimum": 0, "maximum": 100 }
);

/// Fraud score: how much an order looks like fraud, from 0, not at all, to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Score(u8);

impl Score {
    /// A sum of points as a score: what is above 100 does not count.
    #[must_use]
    pub fn of_points(points: u32) -> Self {
        Self(u8::try_from(points).unwrap_or(100).min(100))
    }

    /// The score as a number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Score {
    type Error = envelope::Invalid;

    fn try_from(score: u8) -> Result<Self, Self::Error> {
        (score <= 100).then_some(Self(score)).ok_or_else(|| envelope::Invalid::rule("must be 0 to 100"))
    }
}

impl From<Score> for u8 {
    fn from(score: Score) -> Self {
        score.0
    }
}

impl Read for Score {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.integer(0, 100, faults).and_then(|score| u8::try_from(score).ok()).map(Self)
    }
}

/// The most reasons that a flag may have.
const MAX_FLAG_REASONS: usize = 100;

/// One reason to take an order for fraud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FlagReason {
    /// The rule that fired.
    pub code: Text,
    /// Observation of the rule.
    pub detail: Text,
}

reads!(FlagReason { code: required("code"), detail: required("detail") });

/// An order looks like fraud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderFlagged {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
    /// Score of suspicion.
    pub score: Score,
    /// Signs that are suspicious.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_FLAG_REASONS)))]
    pub reasons: Vec<FlagReason>,
    /// True where the order is not shipped before a person clears it, which `OrderCleared` tells.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}

/// True or false.
struct Held(bool);

impl Read for Held {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let held = node.value().and_then(serde_json::Value::as_bool);
        if held.is_none() {
            faults.add(node, "must be true or false");
        }
        held.map(Self)
    }
}

impl Read for OrderFlagged {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        let (order_id, score) = (node.required("orderId", faults), node.required("score", faults));
        let (reasons, held) = (node.list("reasons", MAX_FLAG_REASONS, faults), node.optional("held", faults));
        let held = held?.is_some_and(|Held(held)| held);
        Some(Self { order_id: order_id?, score: score?, reasons: reasons?, held })
    }
}
