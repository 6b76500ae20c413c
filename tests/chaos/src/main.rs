//! `cargo chaos`: real processes under real load, killed and lied to, and an audit of what comes of it.
//!
//! ```text
//!   customers ──► API ──► functions ──► proxy ──► emulator
//!                             ▲           ▲           ▲
//!                             └─ kills    └─ faults   └─ duplicates, poison ── fault injector
//!   watchers ◄── sockets ◄────┘
//!
//!   then quiet, redrives, and the audit: tables, queues, dead letters, provider, carrier, stock, journal
//! ```

#![allow(clippy::expect_used, reason = "what must not fail says by a panic why it did, as in a test")]

mod audit;
mod call;
mod cli;
mod customer;
mod fault_injector;
mod fault_mix;
mod leftovers;
mod operator;
mod order;
mod plan;
mod poison;
mod proxy;
mod report;
mod rights;
mod run;
mod snapshot;
mod tally;
mod timeline;
mod watchers;

use std::process::ExitCode;

use clap::Parser;
use tokio::task::LocalSet;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an async runtime");
    match LocalSet::new().block_on(&runtime, run::run(arguments)) {
        Ok(outcome) => {
            anstream::println!("{}", outcome.text);
            if outcome.is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            anstream::eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
