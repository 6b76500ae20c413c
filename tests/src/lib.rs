//! What the tests that cross services share: a shop on a deployed stack, seen from outside.

#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a test says by a panic what is wrong")]

mod double;
mod shop;

pub use double::Double;
pub use shop::{Channel, Emulator, Letter, SERVICES, Service, Shop, eventually};
