//! The command line.

use std::num::NonZeroUsize;

use clap::Parser;

/// Orders through a stack of its own whose functions are killed and whose calls fail, and an audit of what comes of them.
///
/// It starts an emulator, deploys template.yaml, and puts a proxy between the functions and the emulator. Then customers
/// order, and a fault injector kills functions, takes tables and services down, and sends duplicates and poison to
/// every queue; the proxy loses, repeats and delays calls and answers. When all is quiet again, every table, queue and
/// register is audited. The exit code is 1 if anything is not as it must be.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo chaos", bin_name = "cargo chaos", version, about)]
pub(crate) struct Arguments {
    /// Number of orders
    #[arg(long, default_value = "1000")]
    pub(crate) orders: NonZeroUsize,
    /// Seed of the customers and the faults; the processes themselves are not repeated by it
    #[arg(long, default_value_t = fastrand::u64(..1_000_000))]
    pub(crate) seed: u64,
    /// Orders in a second at the most; the queues may allow fewer
    #[arg(long, default_value_t = 25.0)]
    pub(crate) rate: f64,
    /// Factor by which faults are more likely than usual: 0 is none at the proxy but outages
    #[arg(long, default_value_t = 1.0)]
    pub(crate) faults: f64,
    /// Functions that are killed in a minute, besides those that the proxy kills at a call
    #[arg(long, default_value_t = 20.0)]
    pub(crate) kills_per_minute: f64,
    /// Visibility timeout of the queues: what a killed function had at hand comes again after it. The
    /// template has 60 s, which makes a run longer and no harder
    #[arg(long, default_value_t = 12)]
    pub(crate) visibility_seconds: u32,
    /// Longest wait for quiet
    #[arg(long, default_value_t = 10)]
    pub(crate) patience_minutes: u64,
    /// Build the functions for debugging: their release builds take minutes
    #[arg(long)]
    pub(crate) debug: bool,
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
