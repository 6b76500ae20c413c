//! Metrics: observations of an invocation, added up, as lines of the embedded metric format in the log.
//!
//! An invocation has one line for each type of event that it has handled, and not one for each message, for each byte of a log
//! is paid for. The lines are written when the invocation is over.

use std::cell::RefCell;
use std::io::Write;
use std::mem::take;
use std::slice::from_ref;
use std::time::Duration;

use envelope::Time;

use super::emf::{Group, Line, MAX_VALUES, Metric};
use super::observe::{Measure, Observation, Observe, Unit};
use crate::config::Environment;
use crate::failure::FailureKind;
use crate::handle::Handled;

/// Dimension of the service.
const SERVICE: &str = "Service";

/// Dimension of the type of an event.
const TYPE: &str = "Type";

/// Most types of events that one process makes metrics of, each of which is paid for: whatever comes in after these is counted
/// for the service alone.
const MAX_TYPES: usize = 32;

/// Metrics of a function.
pub struct Metrics<N, W> {
    settings: MetricsSettings,
    now: N,
    output: RefCell<W>,
    gathered: RefCell<Gathered>,
}

/// Settings of a function's metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsSettings {
    /// `METRICS_NAMESPACE`: namespace of the metrics, such as the name of the stack.
    pub namespace: String,
    /// `SERVICE`: the service that they are of; by default the function's name.
    pub service: String,
    /// Level of the lines, where Lambda drops those of a lower one; `None` is `INFO`.
    pub level: Option<String>,
}

impl MetricsSettings {
    /// Reads the variables; `None` where there is no namespace, and so no metrics are wanted.
    #[must_use]
    pub fn read(environment: &Environment) -> Option<Self> {
        let namespace = environment.optional("METRICS_NAMESPACE")?;
        let service = environment.optional("SERVICE").or_else(|| environment.optional("AWS_LAMBDA_FUNCTION_NAME"));
        // Lambda takes a line without a level for one of INFO.
        let level = environment.optional("AWS_LAMBDA_LOG_LEVEL");
        let level = level.filter(|level| ["WARN", "ERROR", "FATAL"].contains(&level.as_str()));
        Some(Self { namespace, service: service.unwrap_or_default(), level })
    }
}

/// Sets of dimensions that a metric is counted by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// The service; and the service and the type.
    Both,
    /// The service alone.
    Service,
    /// The service and the type.
    Type,
}

impl Scope {
    /// Sets of dimensions of a line, which has a type or none.
    const fn sets(self, has_type: bool) -> &'static [&'static [&'static str]] {
        match self {
            Self::Both if has_type => &[&[SERVICE], &[SERVICE, TYPE]],
            Self::Type if has_type => &[&[SERVICE, TYPE]],
            Self::Both | Self::Service | Self::Type => &[&[SERVICE]],
        }
    }
}

/// A metric of the invocation that is under way.
struct Gauge {
    name: &'static str,
    unit: Unit,
    scope: Scope,
    values: Vec<f64>,
}

impl Gauge {
    /// Values from that one on, as many as a line takes; `None` where there are none.
    fn part(&self, begin: usize) -> Option<Metric<'_>> {
        let values = self.values.get(begin..)?;
        let values = &values[..values.len().min(MAX_VALUES)];
        (!values.is_empty()).then_some(Metric { name: self.name, unit: self.unit, values })
    }
}

/// Metrics of one line.
#[derive(Default)]
struct Gauges(Vec<Gauge>);

impl Gauges {
    fn values(&mut self, name: &'static str, unit: Unit, scope: Scope) -> &mut Vec<f64> {
        let at = self.0.iter().position(|gauge| gauge.name == name).unwrap_or_else(|| {
            self.0.push(Gauge { name, unit, scope, values: Vec::new() });
            self.0.len() - 1
        });
        &mut self.0[at].values
    }

    /// Adds to a count. One that stays 0 is not written.
    fn count(&mut self, name: &'static str, scope: Scope, more: usize) {
        if more > 0 {
            let values = self.values(name, Unit::Count, scope);
            #[expect(clippy::cast_precision_loss, reason = "a count of an invocation is small")]
            let total = values.first().copied().unwrap_or_default() + more as f64;
            *values = vec![total];
        }
    }

    fn times(&mut self, name: &'static str, scope: Scope, times: &[Duration]) {
        if !times.is_empty() {
            let milliseconds = times.iter().map(|time| (time.as_secs_f64() * 1_000.0).round());
            self.values(name, Unit::Milliseconds, scope).extend(milliseconds);
        }
    }
}

/// Metrics of the invocation that is under way: by type, and those of no type that is known.
#[derive(Default)]
struct Gathered {
    types: Vec<(String, Gauges)>,
    untyped: Gauges,
}

impl Gathered {
    /// Metrics of that type.
    fn of(&mut self, event_type: Option<&str>) -> &mut Gauges {
        let Some(event_type) = event_type else { return &mut self.untyped };
        let known = self.types.iter().position(|(known, _)| known == event_type);
        let at = known.unwrap_or(self.types.len());
        if at == MAX_TYPES {
            return &mut self.untyped;
        }
        if known.is_none() {
            self.types.push((event_type.to_owned(), Gauges::default()));
        }
        &mut self.types[at].1
    }
}

impl<N: Fn() -> Time, W: Write> Metrics<N, W> {
    /// Metrics that are written to `output`, at the time that `now` tells.
    pub fn new(settings: MetricsSettings, now: N, output: W) -> Self {
        Self { settings, now, output: RefCell::new(output), gathered: RefCell::default() }
    }

    /// Writes what the invocation has come to.
    fn flush(&self, cold_start: bool) {
        let mut gathered = self.gathered.borrow_mut();
        let Gathered { types, untyped } = &mut *gathered;
        if cold_start {
            // In the line of a type, if there is one: a line of its own would have more bytes.
            let line = types.iter_mut().map(|(_, gauges)| gauges).find(|gauges| !gauges.0.is_empty());
            line.unwrap_or(untyped).count("ColdStarts", Scope::Service, 1);
        }
        let service = (SERVICE, self.settings.service.as_str());
        for (event_type, gauges) in types {
            self.write_gauges(&[service, (TYPE, event_type)], &take(gauges));
        }
        self.write_gauges(&[service], &take(untyped));
    }

    /// Writes metrics in as many lines as their values need.
    fn write_gauges(&self, dimensions: &[(&str, &str)], Gauges(gauges): &Gauges) {
        let most = gauges.iter().map(|gauge| gauge.values.len()).max().unwrap_or_default();
        for begin in (0..most).step_by(MAX_VALUES) {
            let groups = [Scope::Both, Scope::Service, Scope::Type].map(|scope| {
                let gauges = gauges.iter().filter(|gauge| gauge.scope == scope);
                let metrics = gauges.filter_map(|gauge| gauge.part(begin)).collect();
                Group { sets: scope.sets(dimensions.len() > 1), metrics }
            });
            let groups: Vec<Group> = groups.into_iter().filter(|group| !group.metrics.is_empty()).collect();
            self.write(dimensions, &groups);
        }
    }

    fn write(&self, dimensions: &[(&str, &str)], groups: &[Group<'_>]) {
        let MetricsSettings { namespace, level, .. } = &self.settings;
        let line = Line { namespace, at: (self.now)(), level: level.as_deref(), dimensions, groups };
        // Metrics are lost where the log is.
        let _ = self.output.borrow_mut().write_all(&line.write());
    }

    /// Writes measurements of the application's own.
    fn measured(&self, dimensions: &[(&str, &str)], measures: &[Measure]) {
        let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
        let metrics = measures
            .iter()
            .map(|measure| Metric { name: measure.name, unit: measure.unit, values: from_ref(&measure.value) })
            .collect();
        self.write(dimensions, &[Group { sets: &[&names], metrics }]);
    }
}

impl<N: Fn() -> Time, W: Write> Observe for Metrics<N, W> {
    fn observe(&self, event_type: Option<&str>, observation: &Observation<'_>) {
        match *observation {
            Observation::Measured { dimensions, measures } => return self.measured(dimensions, measures),
            Observation::Ended { cold_start } => return self.flush(cold_start),
            _ => {}
        }
        let mut gathered = self.gathered.borrow_mut();
        let gauges = gathered.of(event_type);
        let mut one = |name| gauges.count(name, Scope::Both, 1);
        match *observation {
            Observation::Handled { handled: Handled::Duplicate, .. } => one("Duplicates"),
            Observation::Handled { handled: Handled::Ignored, .. } => one("Ignored"),
            Observation::Handled { handled: Handled::Changed | Handled::Performed | Handled::Unchanged, age } => {
                one("Handled");
                gauges.times("Age", Scope::Both, &[age]);
            }
            Observation::Failed(failure) if failure.kind() == FailureKind::Unavailable => one("Unreachable"),
            Observation::PutBack { kind: FailureKind::Deferred, .. } => one("Deferred"),
            Observation::PutBack { .. } => one("Retried"),
            Observation::Parked { .. } => one("Parked"),
            Observation::LostRace => one("LostRaces"),
            Observation::Conflict => one("Conflicts"),
            Observation::Committed { since_created } => {
                gauges.times("SinceCreated", Scope::Type, since_created.as_slice());
            }
            Observation::Published { count: published, delays } => {
                gauges.count("Published", Scope::Service, published);
                gauges.times("PublishDelay", Scope::Service, delays);
            }
            Observation::Discarded(_) => gauges.count("Discarded", Scope::Service, 1),
            Observation::Failed(_)
            | Observation::NotParked(_)
            | Observation::Short
            | Observation::NotPublished { .. }
            | Observation::Measured { .. }
            | Observation::Ended { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests;
