//! The commands of `cargo local`.

pub(crate) mod cli;
mod demo;
pub(crate) mod error;
mod logs;
mod publish;
pub(crate) mod trace;
mod watch;
