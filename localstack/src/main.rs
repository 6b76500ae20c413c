//! The `cargo local` command. See [`orderflow_local::Cli`].

use std::process::ExitCode;

use clap::Parser;
use orderflow_local::Cli;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    Cli::parse().run().await
}
