//! Ids of the shop: opaque, at most 64 characters, with a prefix that names their kind.

use envelope::{Invalid, Subject, derive_id, text_type, token};

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

impl From<&OrderId> for Subject {
    fn from(order: &OrderId) -> Self {
        Self::shortened(order.as_str())
    }
}

/// Kinds of ids of ours.
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
    /// `ret_`
    Return,
    /// `gst_`
    Guest,
}

impl IdKind {
    /// Derives an id of this kind from `parts`: see [`derive_id`].
    #[must_use]
    pub fn derive(self, parts: &[&str]) -> String {
        derive_id(self.prefix(), parts)
    }

    /// The prefix that ids of this kind begin with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Order => "ord_",
            Self::Payment => "pay_",
            Self::Refund => "rfd_",
            Self::Shipment => "shp_",
            Self::Return => "ret_",
            Self::Guest => "gst_",
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
            "examples": [$kind.derive(&["web-17"])],
        });

        fn $rule(text: &str) -> Result<(), Invalid> {
            $kind.check(text)
        }

        impl $name {
            /// The id of `order`'s only one. It is derived, not drawn, so that a second attempt asks for the same
            /// thing by the same name, whatever became of the first.
            #[must_use]
            pub fn of(order: &OrderId) -> Self {
                Self($kind.derive(&[order.as_str()]))
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
derived_id!(
    /// The return of an order's goods.
    ReturnId, IdKind::Return, return_id_rule
);

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
    fn a_derived_id_never_changes() {
        assert!(OrderId::new(IdKind::Order.derive(&["a"])).is_ok());
        // Stored ids were derived by earlier builds: this value may never change.
        assert_eq!(PaymentId::of(&OrderId::new("ord_1").unwrap()).as_str(), "pay_1ez6m7xhq1v6vjcndwmdyvsfys");
    }
}
