//! Types of the shop's events, once each: who may say it, and what it says in each of its versions.
//!
//! Those who handle events see the newest version only. Data of an older one is read in its own shape, and then made the
//! newest, one version after the other, by the `From` of each shape for the next.
//!
//! To add a version, say 4, of a type:
//!
//! 1. Move the shape that is the newest to `older.rs`, with its number in its name, and give the new one the type's name.
//! 2. Say how the older becomes it: `impl From<OrderCreatedV3> for OrderCreated`, pure and for every value.
//! 3. Add it to the table below: `{ 1: OrderCreatedV1, 2: OrderCreatedV2, 3: OrderCreatedV3, 4: OrderCreated }`.
//! 4. Make an empty file for its schema, `schemas/OrderCreated.4.json`, and let `cargo documents` write it.
//! 5. Save one event of it, as it is published, in `golden/OrderCreated.4.json`, and run `cargo documents` again.

use envelope::{Source, events};

use crate::clearance::OrderCleared;
use crate::id::OrderId;
use crate::older::{OrderCreatedV1, OrderCreatedV2};
use crate::payload::{
    GoodsReturned, InventoryRejected, InventoryReleased, InventoryReserved, OrderCancelled, OrderCreated, OrderFlagged,
    PaymentFailed, PaymentProcessed, PaymentRefunded, PersonalDataErased, ReturnRequested, ShipmentCancelled,
    ShipmentCreated,
};

/// The source of the orders service, and of what its intake adopts.
pub const ORDERS: Source = Source::from_static("orderflow/orders");
/// The source of the inventory service.
pub const INVENTORY: Source = Source::from_static("orderflow/inventory");
/// The source of the payment service.
pub const PAYMENT: Source = Source::from_static("orderflow/payment");
/// The source of the shipping service.
pub const SHIPPING: Source = Source::from_static("orderflow/shipping");
/// The source of the screening service.
pub const SCREENING: Source = Source::from_static("orderflow/screening");

events! {
    /// The types of facts.
    pub enum EventType;
    /// Data of an event, by its type; always in the newest version.
    pub enum Payload in "urn:orderflow", about order_id: OrderId as "orderId", schemas "../schemas",
    describe if feature = "schema" {
        /// An order was accepted. Sent once for each order: by orders when it comes in over HTTP, or by another producer, whose
        /// order is then adopted.
        OrderCreated from ORDERS or anyone: { 1: OrderCreatedV1, 2: OrderCreatedV2, 3: OrderCreated },
        /// An order was given up. Sent when the customer asks for it, when goods are missing and when the payment is declined or does
        /// not come in time, unless the order is on its way already.
        OrderCancelled from ORDERS: { 1: OrderCancelled },
        /// All goods of an order are set aside. Sent on `OrderCreated`, if there is enough of everything.
        InventoryReserved from INVENTORY: { 1: InventoryReserved },
        /// Goods of an order are missing, and nothing was set aside. Sent on `OrderCreated`, if there is not enough of something.
        InventoryRejected from INVENTORY: { 1: InventoryRejected },
        /// The goods of an order are available again. Sent on `PaymentFailed` and `OrderCancelled`, if they were set aside.
        InventoryReleased from INVENTORY: { 1: InventoryReleased },
        /// An order was paid. Sent on `InventoryReserved`, when the charge has gone through.
        PaymentProcessed from PAYMENT: { 1: PaymentProcessed },
        /// The payment of an order was declined. Sent on `InventoryReserved`, when the charge has not gone through.
        PaymentFailed from PAYMENT: { 1: PaymentFailed },
        /// The payment of an order was given back. Sent on `OrderCancelled` and `GoodsReturned`, if the order was paid.
        PaymentRefunded from PAYMENT: { 1: PaymentRefunded },
        /// The carrier took an order's shipment. Sent on `PaymentProcessed`.
        ShipmentCreated from SHIPPING: { 1: ShipmentCreated },
        /// The carrier gave up an order's shipment. Sent on `OrderCancelled`, if the shipment was booked.
        ShipmentCancelled from SHIPPING: { 1: ShipmentCancelled },
        /// The customer has withdrawn from an order that was shipped, within the period for it, and sends the goods back. Sent
        /// when the customer says so. The order stays shipped.
        ReturnRequested from ORDERS: { 1: ReturnRequested },
        /// The goods of an order are back, and available again. Sent when the warehouse says so, once, after `ReturnRequested`.
        GoodsReturned from INVENTORY: { 1: GoodsReturned },
        /// An order looks like fraud. Sent on `OrderCreated`, if enough about it is suspicious. The order goes on; where the stack
        /// holds such orders, `held`, up to the payment, and is shipped only after `OrderCleared`.
        OrderFlagged from SCREENING: { 1: OrderFlagged },
        /// An order may be shipped, as far as fraud goes. Sent where the stack holds flagged orders: on `OrderCreated`, if the order
        /// is not flagged, and for one that is when a person says so. Where it holds none, only when a person says so.
        OrderCleared from SCREENING: { 1: OrderCleared },
        /// The customer of an order was forgotten: what is sealed of them in the order's events nobody can open any more. Sent for
        /// each order of a customer whose data is erased.
        PersonalDataErased from ORDERS: { 1: PersonalDataErased },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_names_a_version_of_its_type() {
        for (schema, version) in [
            ("urn:orderflow:OrderCreated:1", Some(1)),
            ("urn:orderflow:OrderCreated:2", Some(2)),
            ("urn:orderflow:OrderCreated:3", Some(3)),
            ("urn:orderflow:OrderCreated:10", Some(10)),
            ("urn:orderflow:OrderCreated:0", None),
            ("urn:orderflow:OrderCreated:01", None),
            ("urn:orderflow:OrderCreated:+1", None),
            ("urn:orderflow:OrderCreated:1.0", None),
            ("urn:orderflow:OrderCreated:99999999999", None),
            ("urn:orderflow:OrderCreated:", None),
            ("urn:orderflow:OrderCreated", None),
            ("urn:orderflow:OrderCancelled:1", None),
            ("https://shop.example/OrderCreated:1", None),
        ] {
            assert_eq!(EventType::OrderCreated.version_named(schema), version, "{schema}");
        }
    }

    #[test]
    fn versions_are_counted_from_1() {
        for kind in EventType::ALL {
            let counted: Vec<u32> = (1..=kind.newest_version()).collect();
            assert_eq!(kind.versions(), counted, "{kind}");
            assert_eq!(kind.version_named(&kind.schema()), Some(kind.newest_version()));
        }
    }
}
