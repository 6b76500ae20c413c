//! Settings of functions and their event sources, as a template makes them.

use std::time::Duration;

/// Settings of one consumer: its function, its queue and the event source between them.
///
/// The default has what the toolkit recommends for a consumer that publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Time that an invocation may take.
    pub timeout: Duration,
    /// Time for which a message is invisible that was handed out: six time-outs, as Lambda's guide to SQS sources asks.
    pub visibility_timeout: Duration,
    /// Receive at which the consumer itself parks a message that still fails.
    pub max_receive_count: u32,
    /// Receives after which the queue moves a message to its dead-letter queue: well above the consumer's own limit, so
    /// that a queue whose functions get no slot loses nothing to it.
    pub redrive_max_receive_count: u32,
    /// Longest back-off, in seconds.
    pub max_backoff_seconds: u32,
    /// Number of invocations that may be under way at once.
    pub maximum_concurrency: u32,
    /// Number of messages in a batch at the most.
    pub batch_size: usize,
    /// Time for which the source waits for more messages.
    pub batching_window: Duration,
    /// Settings of the relay; none for a service that publishes nothing.
    pub relay: Option<RelaySettings>,
}

/// Settings of a relay: its function and the event source on the table's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelaySettings {
    /// Time that an invocation may take.
    pub timeout: Duration,
    /// Number of records in a batch at the most.
    pub batch_size: usize,
    /// True if Lambda splits a batch in two that has failed.
    pub bisects: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            visibility_timeout: Duration::from_mins(1),
            max_receive_count: 20,
            redrive_max_receive_count: 60,
            max_backoff_seconds: 900,
            maximum_concurrency: 10,
            batch_size: 10,
            batching_window: Duration::ZERO,
            relay: Some(RelaySettings { timeout: Duration::from_mins(1), batch_size: 100, bisects: true }),
        }
    }
}

impl Settings {
    /// Settings under which messages are given up after few receives, so that much is redriven.
    pub(crate) fn impatient(self) -> Self {
        let more = (self.redrive_max_receive_count.saturating_sub(self.max_receive_count)).min(2);
        Self { max_receive_count: 3, redrive_max_receive_count: 3 + more, ..self }
    }
}
