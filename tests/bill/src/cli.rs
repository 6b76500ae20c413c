//! The command line.

use std::num::NonZeroUsize;

use clap::Parser;

/// Orders through a stack of its own, every call of whose functions is counted, and what a million of them cost on AWS.
///
/// It starts an emulator, deploys template.yaml with debug builds, and puts a proxy between the functions and the emulator.
/// Orders are placed one at a time, and then many at once, so that the queues give batches. Prices and assumptions are in
/// tests/bill/prices.json; calls, bytes and units of a shipped order have budgets in tests/bill/budgets.json.
#[derive(Clone, Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(name = "cargo bill", bin_name = "cargo bill", version, about)]
pub(crate) struct Arguments {
    /// Orders of each column of the table
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) orders: u32,
    /// Seed of the orders
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Place a few orders alone, and fail if a shipped order exceeds its budget
    #[arg(long)]
    pub(crate) check: bool,
    /// Place a few orders alone, and make what a shipped order takes its budget
    #[arg(long, conflicts_with = "check")]
    pub(crate) write_budgets: bool,
    /// Have the events of the orders posted and pulled instead: what a million deliveries cost, and how many there are a second
    #[arg(long, conflicts_with_all = ["check", "write_budgets"])]
    pub(crate) webhooks: bool,
    /// Release builds of the functions, of which rates a second mean something
    #[arg(long)]
    pub(crate) release: bool,
    /// Shards of the feed [default: the template's]
    #[arg(long)]
    pub(crate) shards: Option<u8>,
    /// Have so many clients place the orders, and print how long each took until it was shipped, and no bill
    #[arg(long, conflicts_with_all = ["check", "write_budgets"])]
    pub(crate) clients: Option<NonZeroUsize>,
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
