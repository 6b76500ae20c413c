//! The events of orderflow: what they say, who may say it, and within which limits.
//!
//! An event is one [CloudEvents 1.0](https://github.com/cloudevents/spec) object in structured JSON. This crate is the
//! single place that decides whether a text is such an event, so that every service accepts exactly the same ones:
//!
//! ```
//! use orderflow_events::{Event, Payload};
//!
//! let text = r#"{
//!     "specversion": "1.0",
//!     "id": "0193a5c0-7b1e-7c3a-9f00-0123456789ab",
//!     "source": "orderflow/payment",
//!     "type": "PaymentProcessed",
//!     "subject": "ord_1",
//!     "time": "2026-11-22T09:00:00.000Z",
//!     "dataschema": "urn:orderflow:PaymentProcessed:1",
//!     "data": { "orderId": "ord_1", "paymentId": "pay_1", "amount": { "amount": 1990, "currency": "EUR" } }
//! }"#;
//! let event = Event::decode(text)?;
//! assert!(matches!(event.data, Payload::PaymentProcessed(_)));
//! # Ok::<(), orderflow_events::DecodeError>(())
//! ```
//!
//! It is pure: no IO, no clock, no randomness, no AWS. Another team can depend on it alone.

mod address_block;
mod amount;
mod card;
mod clearance;
mod country;
#[cfg(test)]
mod event;
mod guest;
mod id;
mod money;
mod older;
mod payload;
mod person;
#[cfg(test)]
mod properties;
mod request;
#[cfg(feature = "sample")]
pub mod sample;
#[cfg(feature = "schema")]
pub mod schema;
pub mod scope;
#[cfg(any(test, feature = "strategy"))]
pub mod strategy;
mod text;
mod time;
mod types;

pub use address_block::{ADDRESS_BLOCK, AddressBlock};
pub use amount::amount;
pub use clearance::{ClearedBy, HoldFlagged, OrderCleared};
pub use country::Country;
pub use envelope::{
    Context, DecodeError, Envelope, EventId, EventType as AnyEventType, Extensions, Fault, Faults, Invalid, Node,
    Personal, Read, SPEC_VERSION, Source, Subject, Text, Time, parse,
};
pub use guest::{guest_of, is_guest, link_to, withdrawal_at};
pub use id::{IdKind, OrderId, PaymentId, RefundId, ReturnId, ShipmentId};
pub use money::{MAX_AMOUNT, Money};
pub use older::{CustomerV1, CustomerV2, OrderCreatedV1, OrderCreatedV2};
pub use payload::{
    CancellationReason, FlagReason, GoodsReturned, InventoryRejected, InventoryReleased, InventoryReserved, Line,
    MAX_LINES, MAX_QUANTITY, OrderCancelled, OrderCreated, OrderDetails, OrderFlagged, PaymentFailed, PaymentFailure,
    PaymentProcessed, PaymentRefunded, PersonalDataErased, Quantity, ReturnRequested, Score, ShipmentCancelled,
    ShipmentCreated, Shortage, StockLine,
};
pub use person::{Address, Buyer, Destination, IN_CLEAR, Person, PersonalData};
pub use request::{NewCustomer, NewLine, NewOrder};
pub use text::{Email, PaymentMethod, Sku};
pub use time::format_utc;
pub use types::{EventType, INVENTORY, ORDERS, PAYMENT, Payload, SCREENING, SHIPPING};

/// An event of the shop.
pub type Event = envelope::Event<Payload>;
