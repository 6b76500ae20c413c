//! A shop on a deployed stack, seen from outside, for all tests that cross services.

#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a test says by a panic what is wrong")]

mod api_double;
mod calls;
mod cognito;
mod double;
mod emulator;
mod issuer;
mod process;
mod script;
mod shop;

pub use api_double::ApiDouble;
pub use cognito::UserPool;
pub use double::Double;
pub use emulator::{Channel, Emulator, Gap};
pub use issuer::Issuer;
pub use process::{FunctionProcess, socket_of_caller};
pub use shop::{INTAKE, Item, Letter, PATIENCE, SERVICES, Service, Shop, eventually, queues};
