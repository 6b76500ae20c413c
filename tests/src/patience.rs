//! Waiting: for what is to happen, and for an answer.

use std::fmt;
use std::time::Duration;

use orderflow_local::Reply;
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// Longest wait for anything that takes a moment: long enough for the slowest machine, for it is reached only by a
/// failure.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// Time for which a token of the tests counts: more than any of them takes.
pub const LASTING: Duration = Duration::from_hours(1);

/// The pauses between two looks at what is to happen.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The answer to a request that may be made any number of times. Where its function is too slow, as on a machine that has much to
/// do, it is made again, as clients are asked to. A function that dies is not too slow.
pub async fn answered<E: fmt::Debug>(ask: impl AsyncFn() -> Result<Reply, E>) -> Reply {
    eventually("a function has the time to answer", async || {
        let reply = ask().await.expect("an answer");
        let is_too_slow = match reply.status {
            502 => reply.body.to_string().contains("timed out"),
            status => matches!(status, 503 | 504),
        };
        if is_too_slow { Err(reply.body) } else { Ok(reply) }
    })
    .await
}

/// Tries until `attempt` answers `Ok`, ever more patiently; gives up after five minutes, with what `attempt` saw last.
pub async fn eventually<T>(what: &str, attempt: impl AsyncFn() -> Result<T, Value>) -> T {
    eventually_within(PATIENCE, what, attempt).await
}

pub(crate) async fn eventually_within<T>(
    patience: Duration,
    what: &str,
    attempt: impl AsyncFn() -> Result<T, Value>,
) -> T {
    let begin = Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(seen) if begin.elapsed() > patience => panic!("{what}: not after {patience:?}; last seen: {seen}"),
            // All tests ask at once, and on LocalStack each question takes time from what is being waited for.
            Err(_) => sleep((begin.elapsed() / 4).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)).await,
        }
    }
}
