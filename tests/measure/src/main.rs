//! `cargo measure`: the release binaries of the functions beside a bare one, in time, memory, calls and instructions.
//!
//! ```text
//!   feed ──► Runtime API ──► function ──► AWS: DynamoDB, SNS, SQS, SES, connections in memory
//!              (stub)       (a process)     (stub, TLS)
//!                               │                │
//!                               └─ CPU, memory,  └─ calls, bytes, capacity units ──► table, JSON, budgets
//!                                  instructions
//! ```

mod affinity;
mod aws;
mod budget;
mod build;
mod cli;
mod collector;
mod feed;
mod package;
mod payload;
mod process;
mod report;
mod rounds;
mod run;
mod runtime_api;
mod shopping;
mod sign_in;
mod stack;
mod trust;
mod valgrind;
mod watchers;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match LocalSet::new().block_on(&runtime, run::run(arguments)) {
        Ok(outcome) => {
            anstream::println!("{}", outcome.text);
            if outcome.is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    anstream::eprintln!("error: {error}");
    ExitCode::FAILURE
}

/// Runs a test's future as `main` runs the program.
#[cfg(test)]
fn with_runtime(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}
