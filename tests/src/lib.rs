//! What the tests that cross services share: a shop on a deployed stack, seen from outside.

#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a test says by a panic what is wrong")]

mod double;
mod emulator;
mod process;
mod script;
mod shop;

pub use double::Double;
pub use emulator::{Emulator, Gap};
pub use process::{FunctionProcess, socket_of_caller};
pub use shop::{Channel, Item, Letter, PATIENCE, SERVICES, Service, Shop, eventually};
