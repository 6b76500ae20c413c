//! Functions measured in rounds: each once in every round, so that all have the machine at its best and at its worst.

use std::time::Duration;

use serde::Serialize;

use crate::aws::Aws;
use crate::feed::{self, FeedError, Subject};
use crate::process::{Launch, Process};
use orderflow_tests::PerEvent;

/// Groups of orders that a process handles before it is measured: it opens its connections meanwhile.
pub(crate) const WARM_UP: usize = 3;

/// Extent of a measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Events to be measured, at least.
    pub(crate) events: u32,
    /// Starts for the init alone.
    pub(crate) starts: u32,
}

/// Figures of one function in one round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) init_ms: Vec<f64>,
    pub(crate) init_cpu_ms: Vec<f64>,
    pub(crate) resident_after_init_mb: Vec<f64>,
    /// Calls before the first invocation.
    pub(crate) init_calls: u64,
    /// Attempts of the SDK to repeat a call, because it took too long.
    pub(crate) retries: u64,
    /// Figures of its events; `None` of a function that was only started.
    pub(crate) handling: Option<Handling>,
}

/// Figures of the events that a function has handled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handling {
    pub(crate) first_ms: Vec<f64>,
    pub(crate) later_ms: Vec<f64>,
    pub(crate) event_cpu_ms: Vec<f64>,
    pub(crate) resident_after_events_mb: Vec<f64>,
    pub(crate) per_event: PerEvent,
    /// Events that were handled when the memory was looked at.
    pub(crate) events: u32,
}

/// Middle of several figures, and their range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of no figures it is 0.
    pub(crate) fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
        let last = sorted.len().saturating_sub(1);
        Self { median: f64::midpoint(at(last / 2), at(last.div_ceil(2))), least: at(0), most: at(last) }
    }
}

impl Figures {
    /// Adds those of another round.
    pub(crate) fn add(&mut self, round: Self) {
        self.init_ms.extend(round.init_ms);
        self.init_cpu_ms.extend(round.init_cpu_ms);
        self.resident_after_init_mb.extend(round.resident_after_init_mb);
        self.init_calls = round.init_calls;
        self.retries += round.retries;
        if let Some(handling) = round.handling {
            self.handling.get_or_insert_default().add(handling);
        }
    }
}

impl Handling {
    fn add(&mut self, round: Self) {
        self.first_ms.extend(round.first_ms);
        self.later_ms.extend(round.later_ms);
        self.event_cpu_ms.extend(round.event_cpu_ms);
        self.resident_after_events_mb.extend(round.resident_after_events_mb);
        self.per_event = round.per_event;
        self.events = round.events;
    }
}

/// Groups that have so many events.
pub(crate) fn groups_of(subject: &Subject, events: u32) -> usize {
    let of_a_group: u32 = subject.groups.first().into_iter().flatten().map(|invocation| invocation.events).sum();
    usize::try_from(events.div_ceil(of_a_group.max(1))).unwrap_or(usize::MAX)
}

/// Measures a function once. One without events is started, and no more.
pub(crate) async fn measure(
    aws: &Aws,
    subject: &Subject,
    launch: &Launch,
    extent: Extent,
) -> Result<Figures, FeedError> {
    let mut figures = Figures::default();
    // Once: who is started right after that finds the processor's caches full of tables, and takes up to a third longer.
    aws.restore(subject.tables.clone());
    for _ in 0..extent.starts {
        let process = Process::start(launch).await?;
        figures.started(&process);
        process.stop().await;
    }
    let tally = aws.tally();
    let mut process = Process::start(launch).await?;
    figures.init_calls = aws.tally().since(&tally).total();
    figures.started(&process);
    // Its first thread of its own, and what it still writes, come to rest.
    tokio::time::sleep(Duration::from_millis(20)).await;
    figures.resident_after_init_mb.push(process.resident_mb());
    if !subject.has_events() {
        process.stop().await;
        feed::expect_no_fault(aws, &subject.name)?;
        return Ok(figures);
    }

    let mut handling = Handling::default();
    let (warm_up, measured) = subject.groups.split_at(WARM_UP.min(subject.groups.len()));
    for invocation in warm_up.iter().flatten() {
        let answer = process.invoke(&invocation.payload).await?;
        if handling.first_ms.is_empty() {
            handling.first_ms.push(milliseconds(answer.took));
        }
        handling.events += invocation.events;
    }
    let (tally, cpu_ms) = (aws.tally(), process.cpu_ms());
    let mut events = 0;
    for invocation in measured.iter().take(groups_of(subject, extent.events)).flatten() {
        handling.later_ms.push(milliseconds(process.invoke(&invocation.payload).await?.took));
        events += invocation.events;
    }
    feed::expect_no_fault(aws, &subject.name)?;
    handling.event_cpu_ms.push((process.cpu_ms() - cpu_ms) / f64::from(events.max(1)));
    let tally = aws.tally().since(&tally);
    figures.retries = tally.retries;
    handling.per_event = tally.per_event(events);
    handling.events += events;
    handling.resident_after_events_mb.push(process.resident_mb());
    figures.handling = Some(handling);
    process.stop().await;
    Ok(figures)
}

impl Figures {
    fn started(&mut self, process: &Process) {
        self.init_ms.push(milliseconds(process.init));
        self.init_cpu_ms.push(process.cpu_ms());
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_middle_and_the_ends() {
        assert_eq!(Spread::of(&[3.0, 1.0, 9.0]), Spread { median: 3.0, least: 1.0, most: 9.0 });
        assert_eq!(Spread::of(&[3.0, 1.0, 9.0, 4.0]).median.to_string(), "3.5");
        assert_eq!(Spread::of(&[]), Spread::default());
    }

    #[test]
    fn a_function_that_was_only_started_has_no_figures_of_events() {
        let started = || Figures { init_ms: vec![2.0], init_calls: 1, ..Figures::default() };
        let mut figures = Figures::default();
        figures.add(started());
        figures.add(started());
        assert_eq!((figures.init_ms.len(), figures.init_calls), (2, 1));
        assert!(figures.handling.is_none());
    }

    #[test]
    fn the_rounds_of_a_function_with_events_are_added_up() {
        let handling = |later_ms| Handling { later_ms: vec![later_ms], events: 530, ..Handling::default() };
        let mut figures = Figures::default();
        for later_ms in [1.0, 3.0] {
            figures.add(Figures { handling: Some(handling(later_ms)), ..Figures::default() });
        }
        let handling = figures.handling.unwrap();
        assert_eq!(Spread::of(&handling.later_ms).median.to_string(), "2");
        assert_eq!(handling.events, 530);
    }
}
