//! Trials of a suite, over each implementation of its port.

use libtest_mimic::Trial;

/// Trials of a suite: each of its tests over a new bench in memory, over a new bench on AWS, and, where the simulation has a
/// model of its own, over a new bench of that.
macro_rules! suite {
    ($aws:ident, $in_memory:expr, $on_aws:expr, $simulated:expr, [$($test:ident),* $(,)?]) => {{
        let mut trials = $crate::suite::suite!($aws, $in_memory, $on_aws, [$($test),*]);
        $(trials.push($crate::suite::trial("simulation", stringify!($test), async || $test(&$simulated()).await));)*
        trials
    }};
    ($aws:ident, $in_memory:expr, $on_aws:expr, [$($test:ident),* $(,)?]) => {{
        let mut trials = Vec::new();
        $({
            trials.push($crate::suite::trial("memory", stringify!($test), async || $test(&$in_memory()).await));
            let aws = std::sync::Arc::clone($aws);
            trials.push($crate::suite::trial("aws", stringify!($test), async move || $test(&$on_aws(&aws).await).await));
        })*
        trials
    }};
}
pub(crate) use suite;

/// Trial of one test over one implementation.
pub(crate) fn trial(backend: &str, name: &str, test: impl AsyncFnOnce() + Send + 'static) -> Trial {
    Trial::test(format!("{name}::{backend}"), move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(test());
        Ok(())
    })
}
