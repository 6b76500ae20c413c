//! The local stack: `template.yaml`, nothing left out, on an emulator of AWS on this machine.
//!
//! [`Stack::up`] makes the emulator's Python environment, starts the emulator, builds the functions, uploads them and
//! deploys the template through `CloudFormation`; a dropped [`Stack`] leaves nothing running. The `cargo local` command
//! ([`Cli`]) and the end-to-end tests stand on that one call.
//!
//! Nothing here can reach AWS: a client is made from an [`Endpoint`] alone, which refuses the hosts of AWS, and its
//! credentials are the constant `test`. The user's own AWS configuration is never read.
//!
//! Each folder knows those after it alone: `commands`, `scaffold`, `stack`, `emulator`, `client`, `terminal`.

mod client;
mod commands;
mod emulator;
#[cfg(test)]
mod layers;
mod scaffold;
mod stack;
mod terminal;
mod workspace;

pub use client::api::{Api, Reply};
pub use client::endpoint::{Endpoint, EndpointError};
pub use client::events::{Event, EventStream};
pub use client::outputs::Outputs;
pub use client::token::{TokenError, TokenSigner, all_scopes, token_claims, token_header};
pub use commands::cli::Cli;
pub use commands::error::Error;
pub use commands::trace::{TraceError, waterfall};
pub use emulator::collector::{Collector, Span};
pub use emulator::port::PortChoice;
pub use emulator::python::{Python, PythonError};
pub use stack::build::Profile;
pub use stack::error::StackError;
pub use stack::expand::{ExpandError, Fault, TemplateFiles};
pub use stack::template::{TemplateError, expanded};
pub use stack::yaml::{ReadError, read_template};
pub use stack::{Options, Stack};
pub use terminal::progress::Progress;
pub use workspace::cargo;
