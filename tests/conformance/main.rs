//! One suite for each port, run over each of its implementations: the one in memory is not kinder than the real one.
//!
//! What is AWS in reality is an emulator here, started once; every test has tables, queues and the like of its own.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "all of it is tests, though Clippy does not see any")]

mod aws;
mod journal;
mod leases;
mod log;
mod messages;
mod queues;
mod sightings;
mod simulations;
mod standard_queue;
mod stocks;
mod topic;

use std::sync::Arc;

use aws::Aws;
use libtest_mimic::{Arguments, Trial};

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let aws = Arc::new(Aws::default());
    let trials = [
        log::trials(&aws),
        leases::trials(&aws),
        queues::trials(&aws),
        standard_queue::trials(&aws),
        topic::trials(&aws),
        stocks::trials(&aws),
        simulations::trials(&aws),
        sightings::trials(&aws),
        messages::trials(&aws),
        journal::trials(&aws),
    ];
    let trials = trials.into_iter().flatten().collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // It ends the emulator, which `exit` would not.
    drop(aws);
    conclusion.exit_code()
}

/// The trials of a suite: each of its tests over a new bench in memory, over a new bench on AWS, and, where the simulation
/// has a model of its own, over a new bench of that.
macro_rules! suite {
    ($aws:ident, $in_memory:expr, $on_aws:expr, $simulated:expr, [$($test:ident),* $(,)?]) => {{
        let mut trials = $crate::suite!($aws, $in_memory, $on_aws, [$($test),*]);
        $(trials.push($crate::trial("simulation", stringify!($test), async || $test(&$simulated()).await));)*
        trials
    }};
    ($aws:ident, $in_memory:expr, $on_aws:expr, [$($test:ident),* $(,)?]) => {{
        let mut trials = Vec::new();
        $({
            trials.push($crate::trial("memory", stringify!($test), async || $test(&$in_memory()).await));
            let aws = std::sync::Arc::clone($aws);
            trials.push($crate::trial("aws", stringify!($test), async move || $test(&$on_aws(&aws).await).await));
        })*
        trials
    }};
}
pub(crate) use suite;

fn trial(backend: &str, name: &str, test: impl AsyncFnOnce() + Send + 'static) -> Trial {
    Trial::test(format!("{name}::{backend}"), move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(test());
        Ok(())
    })
}
