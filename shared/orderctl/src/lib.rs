//! `orderctl`: the operator's command. It sees which orders are stuck, why and since when, mends what is broken, and sends it
//! back.
//!
//! It knows the stack by its HTTP API alone, as anybody with the scope `operations` does: no AWS, no other crate of the
//! shop. Each folder and file knows those after it alone: `cli`, `commands`, `show`, `client`, `documents`.

mod cli;
mod client;
mod commands;
mod documents;
mod error;
mod moment;
mod price_list;
mod show;
mod terminal;
mod text;

pub use cli::{Cli, Environment};
