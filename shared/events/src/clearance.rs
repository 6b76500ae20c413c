//! Clearance of orders: whether one that looks like fraud waits for a person, and the word that it may be shipped.

use envelope::{Faults, Node, Read, reads};
use serde::{Deserialize, Serialize};

use crate::id::OrderId;

/// Rule of a stack, its parameter `HoldFlagged`: an order that is flagged does not ship before a person clears it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HoldFlagged {
    /// Each order ships once it is paid.
    #[default]
    No,
    /// Each order ships once it is paid and cleared.
    Yes,
}

impl Read for HoldFlagged {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        match node.text(faults)? {
            "yes" => Some(Self::Yes),
            "no" => Some(Self::No),
            _ => {
                faults.add(node, "must be yes or no");
                None
            }
        }
    }
}

/// Author of a clearance. A person is not named: the row of the screening service says who it was, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ClearedBy {
    /// The rules: it is not suspicious enough to be flagged.
    Screening,
    /// A person, with the scope `operations`.
    Person,
}

impl Read for ClearedBy {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        match node.text(faults)? {
            "screening" => Some(Self::Screening),
            "person" => Some(Self::Person),
            _ => {
                faults.add(node, "must be screening or person");
                None
            }
        }
    }
}

/// An order may be shipped, as far as fraud goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderCleared {
    /// The order that this is about: the `subject` of the event.
    pub order_id: OrderId,
    /// Author of the clearance.
    pub by: ClearedBy,
}

reads!(OrderCleared { order_id: required("orderId"), by: required("by") });
