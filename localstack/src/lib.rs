//! The local stack: `template.yaml`, unchanged, on an emulator of AWS on this machine.
//!
//! [`Stack::up`] makes the emulator's Python environment, starts the emulator, builds the functions, uploads them and
//! deploys the template through `CloudFormation`; a dropped [`Stack`] leaves nothing running. The `cargo local` command
//! ([`cli`]) and the end-to-end tests stand on that one call.
//!
//! Nothing here can reach AWS: a client is made from an [`Endpoint`] alone, which refuses the hosts of AWS, and its
//! credentials are the constant `test`. The user's own AWS configuration is never read.

mod api;
mod build;
pub mod cli;
mod demo;
mod deploy;
mod emulator;
mod endpoint;
mod error;
mod events;
mod gaps;
mod group;
mod home;
mod logs;
mod mailbox;
mod outputs;
mod package;
mod port;
mod program;
mod progress;
mod publish;
mod python;
mod ready;
mod sam;
mod signals;
mod stack;
mod template;
mod terminal;
mod watch;
mod workspace;

pub use api::{Api, Reply};
pub use build::Profile;
pub use endpoint::{Endpoint, EndpointError};
pub use error::Error;
pub use events::{Event, EventStream};
pub use outputs::Outputs;
pub use port::PortChoice;
pub use progress::Progress;
pub use python::{Python, PythonError};
pub use stack::{Options, Stack};
pub use template::{TemplateError, read_template};
