//! Ids: opaque, at most 64 characters, with a prefix that names their kind.

use data_encoding::{Encoding, Specification};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::{Uuid, Variant};

use crate::read::{Faults, Node, Read};
use crate::text::{Invalid, text_type, token};

text_type!(
    /// One order. Ours begin with `ord_`; another producer's order has whatever id it gave, 1 to 64 of
    /// `[A-Za-z0-9_-]`. It is every event's `subject`, and so the message group that keeps an order's events in order.
    OrderId,
    order_id_rule,
    { "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9_-]+$", "examples": ["web-17"] }
);

fn order_id_rule(text: &str) -> Result<(), Invalid> {
    token(text, "[A-Za-z0-9_-]", |byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// What an id of ours stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// `ord_`
    Order,
    /// `pay_`
    Payment,
    /// `rfd_`
    Refund,
    /// `shp_`
    Shipment,
}

impl IdKind {
    /// The prefix that ids of this kind begin with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Order => "ord_",
            Self::Payment => "pay_",
            Self::Refund => "rfd_",
            Self::Shipment => "shp_",
        }
    }

    fn check(self, text: &str) -> Result<(), Invalid> {
        let prefix = self.prefix();
        let rest = text.strip_prefix(prefix).unwrap_or_default();
        if rest.is_empty() || text.len() > 64 || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Invalid::rule(format!("must be an id of at most 64 characters that begins with {prefix}")));
        }
        Ok(())
    }
}

/// Defines an id that belongs to an order, and so can be derived from the order's id.
macro_rules! derived_id {
    ($(#[doc = $doc:literal])* $name:ident, $kind:expr, $rule:ident) => {
        text_type!($(#[doc = $doc])* $name, $rule, {
            "type": "string",
            "maxLength": 64,
            "pattern": format!("^{}[!-~]+$", $kind.prefix()),
            "examples": [derive_id($kind, &["web-17"])],
        });

        fn $rule(text: &str) -> Result<(), Invalid> {
            $kind.check(text)
        }

        impl $name {
            /// The id of `order`'s only one. It is derived, not drawn, so that a second attempt asks for the same
            /// thing by the same name, whatever became of the first.
            #[must_use]
            pub fn of(order: &OrderId) -> Self {
                Self(derive_id($kind, &[order.as_str()]))
            }
        }
    };
}

derived_id!(
    /// The charge of an order.
    PaymentId, IdKind::Payment, payment_id_rule
);
derived_id!(
    /// The refund of an order's charge.
    RefundId, IdKind::Refund, refund_id_rule
);
derived_id!(
    /// The shipment of an order.
    ShipmentId, IdKind::Shipment, shipment_id_rule
);

/// An id made from `parts` alone: the same parts give the same id, different ones another (the first 130 bits of their
/// SHA-256, in Crockford's base 32). Each part is preceded by its length, so that `["ab", "c"]` and `["a", "bc"]` differ.
#[must_use]
pub fn derive_id(kind: IdKind, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let text = crockford().encode(&hash.finalize());
    format!("{}{}", kind.prefix(), &text[..26])
}

fn crockford() -> Encoding {
    let mut specification = Specification::new();
    specification.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    specification.encoding().unwrap_or(data_encoding::BASE32HEX_NOPAD)
}

crate::schema::json_schema_of!(
    EventId,
    ["The id of one event: a UUIDv7 (RFC 9562), unique for ever. The same event published twice has the same id."],
    {
        "type": "string",
        "format": "uuid",
        "pattern": "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-7[0-9A-Fa-f]{3}-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}$",
        "examples": ["019aa9d0-7c00-7b1e-9f00-5a0000000017"],
    }
);

/// The id of one event: a `UUIDv7` (RFC 9562), unique for ever. The same event published twice has the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(Uuid);

impl EventId {
    /// Reads the usual form, 36 characters with hyphens.
    ///
    /// # Errors
    ///
    /// The rule that `text` breaks.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let uuid = Uuid::try_parse(text)
            .ok()
            .filter(|uuid| uuid.get_version_num() == 7 && uuid.get_variant() == Variant::RFC4122 && text.len() == 36);
        uuid.map(Self).ok_or_else(|| Invalid::rule("must be a UUIDv7"))
    }

    /// Makes an id from the time, in milliseconds since 1970, and ten bytes of chance.
    #[must_use]
    pub fn from_parts(millis: u64, chance: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &chance).into_uuid())
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl TryFrom<String> for EventId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.to_string()
    }
}

impl Read for EventId {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let text = node.text(faults)?;
        Self::new(text).map_err(|rule| faults.add(node, rule.to_string())).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_rules() {
        for (text, good) in [("a", true), ("A-z_9", true), ("", false), ("a.b", false), ("lease#1", false)] {
            assert_eq!(OrderId::new(text).is_ok(), good, "{text:?}");
        }
        assert!(OrderId::new("x".repeat(64)).is_ok());
        assert!(OrderId::new("x".repeat(65)).is_err());
        for (text, good) in [("pay_1", true), ("pay_", false), ("rfd_1", false), ("pay_a b", false)] {
            assert_eq!(PaymentId::new(text).is_ok(), good, "{text:?}");
        }
    }

    #[test]
    fn a_derived_id_depends_on_every_part() {
        let id = |parts: &[&str]| derive_id(IdKind::Order, parts);
        assert_eq!(id(&["ab", "c"]), id(&["ab", "c"]));
        assert_ne!(id(&["ab", "c"]), id(&["a", "bc"]));
        assert_eq!(id(&["a"]).len(), 30);
        assert!(OrderId::new(id(&["a"])).is_ok());
        // Stored ids were derived by earlier builds: this value may never change.
        assert_eq!(PaymentId::of(&OrderId::new("ord_1").unwrap()).as_str(), "pay_1ez6m7xhq1v6vjcndwmdyvsfys");
    }

    #[test]
    fn an_event_id_is_a_uuid_of_version_7() {
        let id = EventId::from_parts(1_700_000_000_000, [7; 10]);
        assert_eq!(EventId::new(&id.to_string()), Ok(id));
        for bad in [
            "",
            "x",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "0193a5c07b1e7c3a9f000123456789ab",
            "0193a5c0-7b1e-7c3a-0f00-0123456789ab",
        ] {
            assert!(EventId::new(bad).is_err(), "{bad:?}");
        }
    }
}
