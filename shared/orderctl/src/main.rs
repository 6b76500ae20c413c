//! The `orderctl` command. See [`orderctl::Cli`].

use std::process::ExitCode;

use clap::Parser;
use orderctl::{Cli, Environment};

fn main() -> ExitCode {
    Cli::parse().run(Environment::of_process())
}
