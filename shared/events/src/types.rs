//! Every type of event, once: who may say it, and what it says in each of its versions.
//!
//! Those who handle events see the newest version only. Data of an older one is read in its own shape, and then made the
//! newest, one version after the other, by the `From` of each shape for the next.
//!
//! To add a version, say 3, of a type:
//!
//! 1. Move the shape that is the newest to `older.rs`, with its number in its name, and give the new one the type's name.
//! 2. Say how the older becomes it: `impl From<OrderCreatedV2> for OrderCreated`, pure and for every value.
//! 3. Add it to the table below: `{ 1: OrderCreatedV1, 2: OrderCreatedV2, 3: OrderCreated }`.
//! 4. Make an empty file for its schema, `schemas/OrderCreated.3.json`, and let `cargo documents` write it.
//! 5. Save one event of it, as it is published, in `golden/OrderCreated.3.json`, and run `cargo documents` again.

use std::fmt;

use serde::Serialize;

use crate::id::OrderId;
use crate::older::OrderCreatedV1;
use crate::payload::{
    InventoryRejected, InventoryReleased, InventoryReserved, OrderCancelled, OrderCreated, OrderFlagged, PaymentFailed,
    PaymentProcessed, PaymentRefunded, ShipmentCancelled, ShipmentCreated,
};
use crate::read::{Faults, Node, Read};
use crate::text::Source;

/// Reads data in the shape of its version, and makes it the newest.
macro_rules! read_version {
    ($node:ident, $faults:ident, $version:ident of) => { None };
    ($node:ident, $faults:ident, $version:ident of $number:literal $shape:ident $($later:literal $next:ident)*) => {
        if $version == $number {
            $shape::read($node, $faults)$(.map($next::from))*
        } else {
            read_version!($node, $faults, $version of $($later $next)*)
        }
    };
}

/// Lists each type once: who of us sends it, whether anyone else may, and the shape of its data in each version. The newest is
/// the last, and has the type's own name. Of its comment the published documents are made.
macro_rules! event_types {
    (@ anyone) => { None };
    ($($(#[doc = $doc:literal])* $name:ident from $producer:ident $(or $anyone:ident)?, { $($version:literal: $shape:ident),+ };)*) => {
        /// The kinds of facts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventType {
            $($(#[doc = $doc])* $name,)*
        }

        impl EventType {
            /// Every type.
            pub const ALL: [Self; 0 $(+ { let _ = Self::$name; 1 })*] = [$(Self::$name),*];

            /// The attribute `type`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// Which of our services sends it.
            #[must_use]
            pub const fn producer(self) -> Source {
                match self {
                    $(Self::$name => Source::$producer,)*
                }
            }

            /// The only source from which this type counts; none where anyone may say it.
            #[must_use]
            pub const fn source(self) -> Option<Source> {
                match self {
                    $($(Self::$name => event_types!(@ $anyone),)?)*
                    _ => Some(self.producer()),
                }
            }

            /// The versions of its data that are understood, the newest last.
            #[must_use]
            pub const fn versions(self) -> &'static [u32] {
                match self {
                    $(Self::$name => &[$($version),+],)*
                }
            }

            /// The committed JSON Schema (2020-12) of its data in that version, as others have it; none where there is no
            /// such version.
            #[must_use]
            pub const fn committed_schema(self, version: u32) -> Option<&'static str> {
                match (self, version) {
                    $($((Self::$name, $version) => {
                        Some(include_str!(concat!("../schemas/", stringify!($name), ".", $version, ".json")))
                    })+)*
                    _ => None,
                }
            }

            /// What it tells, and when it is sent.
            #[cfg(feature = "schema")]
            pub(crate) fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),*).trim_start(),)*
                }
            }

            /// The JSON Schema of the shape of its data in that version.
            #[cfg(feature = "schema")]
            pub(crate) fn shape(self, version: u32) -> Option<schemars::Schema> {
                match (self, version) {
                    $($((Self::$name, $version) => Some(crate::schema::of::<$shape>()),)+)*
                    _ => None,
                }
            }
        }

        /// What an event says, by its type; always in the newest version.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        #[expect(clippy::large_enum_variant, reason = "the large one is the first of every order, and is rarely moved")]
        pub enum Payload {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name($name),
            )*
        }

        impl Payload {
            /// The type of the event that says this.
            #[must_use]
            pub const fn kind(&self) -> EventType {
                match self {
                    $(Self::$name(_) => EventType::$name,)*
                }
            }

            /// The order that this is about.
            #[must_use]
            pub const fn order_id(&self) -> &OrderId {
                match self {
                    $(Self::$name(payload) => &payload.order_id,)*
                }
            }

            /// Reads data of a version that is understood.
            pub(crate) fn read(kind: EventType, version: u32, node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
                match kind {
                    $(EventType::$name => {
                        read_version!(node, faults, version of $($version $shape)+).map(Self::$name)
                    })*
                }
            }
        }

        $(
            impl From<$name> for Payload {
                fn from(payload: $name) -> Self {
                    Self::$name(payload)
                }
            }
        )*
    };
}

event_types! {
    /// An order was accepted. Sent once for each order: by orders when it comes in over HTTP, or by another producer, whose
    /// order is then adopted.
    OrderCreated from ORDERS or anyone, { 1: OrderCreatedV1, 2: OrderCreated };
    /// An order was given up. Sent when the customer asks for it, when goods are missing and when the payment is declined,
    /// unless the order is on its way already.
    OrderCancelled from ORDERS, { 1: OrderCancelled };
    /// All goods of an order are set aside. Sent on `OrderCreated`, if there is enough of everything.
    InventoryReserved from INVENTORY, { 1: InventoryReserved };
    /// Goods of an order are missing, and nothing was set aside. Sent on `OrderCreated`, if there is not enough of something.
    InventoryRejected from INVENTORY, { 1: InventoryRejected };
    /// The goods of an order are available again. Sent on `PaymentFailed` and `OrderCancelled`, if they were set aside.
    InventoryReleased from INVENTORY, { 1: InventoryReleased };
    /// An order was paid. Sent on `InventoryReserved`, when the charge has gone through.
    PaymentProcessed from PAYMENT, { 1: PaymentProcessed };
    /// The payment of an order was declined. Sent on `InventoryReserved`, when the charge has not gone through.
    PaymentFailed from PAYMENT, { 1: PaymentFailed };
    /// What was paid for an order was given back. Sent on `OrderCancelled`, if the order was paid.
    PaymentRefunded from PAYMENT, { 1: PaymentRefunded };
    /// The carrier took an order's shipment. Sent on `PaymentProcessed`.
    ShipmentCreated from SHIPPING, { 1: ShipmentCreated };
    /// The carrier gave up an order's shipment. Sent on `OrderCancelled`, if the shipment was booked.
    ShipmentCancelled from SHIPPING, { 1: ShipmentCancelled };
    /// An order looks like fraud. Sent on `OrderCreated`, if enough about it is suspicious. The order goes on.
    OrderFlagged from SCREENING, { 1: OrderFlagged };
}

impl EventType {
    /// The type of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The version in which it is published.
    #[must_use]
    pub fn newest_version(self) -> u32 {
        self.versions().last().copied().unwrap_or_default()
    }

    /// The attribute `dataschema` of the version in which it is published.
    #[must_use]
    pub fn schema(self) -> String {
        self.schema_of(self.newest_version())
    }

    /// The attribute `dataschema` of a version.
    #[must_use]
    pub fn schema_of(self, version: u32) -> String {
        format!("urn:orderflow:{self}:{version}")
    }

    /// The version that a `dataschema` names; `None` if it is of another type, or in another form.
    #[must_use]
    pub fn version_named(self, schema: &str) -> Option<u32> {
        let number = schema.strip_prefix("urn:orderflow:")?.strip_prefix(self.as_str())?.strip_prefix(':')?;
        let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
        number.parse().ok().filter(|_| plain)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
