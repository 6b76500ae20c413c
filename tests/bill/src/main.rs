//! `cargo bill`: what orders ask of each service of AWS, and what a million of them cost.
//!
//! ```text
//!   orders ──► API ──► functions ──► proxy ──► emulator
//!                         │            │
//!                        logs        meter ──► usage ──► × prices = bill
//!                         └──────────────────────┘
//! ```

#![allow(clippy::expect_used, reason = "what must not fail says by a panic why it did, as in a test")]

mod budget;
mod cli;
mod deployed;
mod meter;
mod mix;
mod pace;
mod prices;
mod report;
mod run;
mod usage;
mod webhooks;

use std::process::ExitCode;

use clap::Parser;
use tokio::task::LocalSet;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an async runtime");
    match LocalSet::new().block_on(&runtime, run::run(&arguments)) {
        Ok(faults) if faults.is_empty() => ExitCode::SUCCESS,
        Ok(faults) => {
            for fault in faults {
                anstream::eprintln!("{fault}");
            }
            anstream::eprintln!("If it is meant: cargo bill --write-budgets, and in the commit why");
            ExitCode::FAILURE
        }
        Err(error) => {
            anstream::eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
