//! One suite for each port, run over each of its implementations: the one in memory is not kinder than the real one.
//!
//! AWS is an emulator here, started once; every test has tables, queues and the like of its own.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "all of it is tests, though Clippy does not see any")]

mod archive;
mod aws;
mod counts;
mod feed;
mod journal;
mod keys;
mod leases;
mod letters;
mod log;
mod messages;
mod notices;
mod occurrences;
mod open;
mod owned;
mod patterns;
mod prices;
mod queues;
mod sending;
mod simulations;
mod standard_queue;
mod stocks;
mod suite;
mod topic;
mod watches;
mod webhooks;

use std::sync::Arc;

use aws::Aws;
use libtest_mimic::Arguments;

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let aws = Arc::new(Aws::default());
    let trials = [
        log::trials(&aws),
        leases::trials(&aws),
        keys::trials(&aws),
        open::trials(&aws),
        owned::trials(&aws),
        patterns::trials(&aws),
        letters::trials(&aws),
        queues::trials(&aws),
        sending::trials(&aws),
        standard_queue::trials(&aws),
        topic::trials(&aws),
        stocks::trials(&aws),
        prices::trials(&aws),
        simulations::trials(&aws),
        occurrences::trials(&aws),
        messages::trials(&aws),
        journal::trials(&aws),
        notices::trials(&aws),
        counts::trials(&aws),
        feed::trials(&aws),
        archive::trials(&aws),
        watches::trials(&aws),
        webhooks::trials(&aws),
    ];
    let trials = trials.into_iter().flatten().collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // It ends the emulator, which `exit` would not.
    drop(aws);
    conclusion.exit_code()
}
