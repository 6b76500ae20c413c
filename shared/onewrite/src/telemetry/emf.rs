//! Embedded metric format: log lines that CloudWatch makes metrics of.
//!
//! A line has the names of its metrics and of their dimensions in `_aws`, and the values beside it. Its form is
//! [AWS's](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).

use envelope::Time;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;

use super::observe::Unit;

/// Most values of a metric in one line (CloudWatch's quota).
pub(super) const MAX_VALUES: usize = 100;

/// Line of metrics.
pub(super) struct Line<'a> {
    pub(super) namespace: &'a str,
    pub(super) at: Time,
    /// Level that lets the line pass where Lambda drops lines of a lower one; `None` is `INFO`.
    pub(super) level: Option<&'a str>,
    /// Dimensions with their values: the metrics name those of them that they are counted by.
    pub(super) dimensions: &'a [(&'a str, &'a str)],
    pub(super) groups: &'a [Group<'a>],
}

/// Metrics that are counted by the same dimensions.
pub(super) struct Group<'a> {
    /// Sets of dimensions: a series for each.
    pub(super) sets: &'a [&'a [&'a str]],
    pub(super) metrics: Vec<Metric<'a>>,
}

/// A metric and its values: one, or several for the statistics.
pub(super) struct Metric<'a> {
    pub(super) name: &'a str,
    pub(super) unit: Unit,
    pub(super) values: &'a [f64],
}

impl Line<'_> {
    /// The line, with its end.
    pub(super) fn write(&self) -> Vec<u8> {
        // A text and numbers are written without fail.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("_aws", &self.head())?;
        if let Some(level) = self.level {
            line.serialize_entry("level", level)?;
            line.serialize_entry("timestamp", &self.at)?;
        }
        for (name, value) in self.dimensions {
            line.serialize_entry(name, value)?;
        }
        for metric in self.groups.iter().flat_map(|group| &group.metrics) {
            match metric.values {
                [value] => line.serialize_entry(metric.name, &number(*value))?,
                values => {
                    let values: Vec<Value> = values.iter().copied().map(number).collect();
                    line.serialize_entry(metric.name, &values)?;
                }
            }
        }
        line.end()
    }
}

/// A whole number without a fraction: each byte of a log is paid for.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and a time or a count")]
    if value.fract() == 0.0 { Value::from(value as i64) } else { Value::from(value) }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Head<'a> {
    timestamp: i64,
    cloud_watch_metrics: Vec<Directive<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    dimensions: &'a [&'a [&'a str]],
    metrics: Vec<Definition<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
}

impl<'a> Line<'a> {
    fn head(&self) -> Head<'a> {
        let definition = |metric: &Metric<'a>| Definition { name: metric.name, unit: metric.unit.as_str() };
        let directive = |group: &'a Group<'a>| Directive {
            namespace: self.namespace,
            dimensions: group.sets,
            metrics: group.metrics.iter().map(definition).collect(),
        };
        Head { timestamp: self.at.as_millis(), cloud_watch_metrics: self.groups.iter().map(directive).collect() }
    }
}
