//! The commands of `cargo local`.

pub(crate) mod cli;
mod demo;
pub(crate) mod error;
mod logs;
mod publish;
mod trace;
mod watch;
