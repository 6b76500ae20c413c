//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::watchers;

/// The functions' release binaries beside a bare one: time, memory, calls to AWS, instructions.
///
/// It places orders at the real binaries, with a stub of Lambda and AWS around them, and measures each function on what
/// these orders have it do. One that no order comes to is only started. Only figures of one run compare: the same machine
/// may be three times slower an hour later. Calls, bytes, capacity units and instructions depend on no machine's mood, and
/// have budgets in tests/measure/budgets.json.
#[derive(Clone, Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(name = "cargo measure", bin_name = "cargo measure", version, about)]
pub(crate) struct Arguments {
    /// Folder of the binaries, if they are not to be built
    #[arg(long, value_name = "DIR")]
    pub(crate) bin_dir: Option<PathBuf>,
    /// Binaries of an older build, measured in the same rounds with the template of their own checkout
    #[arg(long, value_name = "DIR")]
    pub(crate) baseline: Option<PathBuf>,
    /// Debug builds: count calls, bytes and capacity units alone
    #[arg(long)]
    pub(crate) debug: bool,
    /// Functions whose name begins so, besides the floor; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Rounds, in each of which every function is measured once
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Events that each process handles while it is measured, at least [default: 500; 50 with --debug]
    #[arg(long)]
    pub(crate) events: Option<u32>,
    /// Starts of each function in a round for its init alone
    #[arg(long, default_value_t = 5)]
    pub(crate) starts: u32,
    /// Time that AWS takes for each answer
    #[arg(long, default_value_t = 0)]
    pub(crate) latency_ms: u64,
    /// Each function with its spans collected, too: by a collector that answers, a slow one and a dead one
    #[arg(long)]
    pub(crate) traced: bool,
    /// Instead of all that: so many watch the events of all orders, and are told of one. Times mean something of release builds
    /// alone
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(watchers::MOST)),
        conflicts_with_all = ["baseline", "only", "traced", "json", "check", "write_budgets"],
    )]
    pub(crate) watchers: Option<u32>,
    /// HTTP without TLS, which needs no copy of the binaries
    #[arg(long)]
    pub(crate) plain: bool,
    /// Do not count instructions, which takes minutes
    #[arg(long)]
    pub(crate) no_instructions: bool,
    /// Write all figures to that file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Fail if a function exceeds its budget
    #[arg(long)]
    pub(crate) check: bool,
    /// Make what is measured the budgets
    #[arg(long, conflicts_with_all = ["check", "bin_dir"])]
    pub(crate) write_budgets: bool,
}

impl Arguments {
    /// Events that a process handles while it is measured.
    pub(crate) fn events(&self) -> u32 {
        self.events.unwrap_or(if self.debug { 50 } else { 500 }).max(1)
    }

    /// Tells whether instructions are counted, if valgrind is there.
    pub(crate) fn counts_instructions(&self) -> bool {
        !(self.debug || self.no_instructions)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
