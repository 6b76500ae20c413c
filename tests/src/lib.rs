//! What the tests that cross services share: a shop on a deployed stack, seen from outside.

mod shop;

pub use shop::{Channel, Emulator, SERVICES, Service, Shop, eventually};
