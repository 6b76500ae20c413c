//! Crates that the macros of this one name in others: nobody else needs it.

#[cfg(feature = "schema")]
pub use schemars;
pub use serde;
