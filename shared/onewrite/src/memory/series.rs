//! Metrics as CloudWatch makes them of log lines.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Most metrics of one line (CloudWatch's quota).
const MAX_METRICS: usize = 100;

/// Most values of a metric in one line (CloudWatch's quota).
const MAX_VALUES: usize = 100;

/// Most dimensions of a metric (CloudWatch's quota).
const MAX_DIMENSIONS: usize = 30;

/// Time series: CloudWatch has one, and bills it, for each metric and each combination of the values of its dimensions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// Namespace.
    pub namespace: String,
    /// Name of the metric.
    pub name: String,
    /// Unit; `None` where it has none.
    pub unit: Option<String>,
    /// Dimensions with their values.
    pub dimensions: BTreeMap<String, String>,
}

impl Series {
    /// Reads a line of a log: the series that it adds values to, with the values. A line that is not of the embedded metric
    /// format adds none.
    ///
    /// # Errors
    ///
    /// The rule of the format that the line breaks: CloudWatch would make nothing of it, and tell nobody.
    pub fn of_line(line: &str) -> Result<Vec<(Self, Vec<f64>)>, String> {
        let Ok(Value::Object(root)) = serde_json::from_str(line) else { return Ok(Vec::new()) };
        let Some(head) = root.get("_aws") else { return Ok(Vec::new()) };
        head["Timestamp"].as_u64().ok_or("the timestamp is not a whole number of milliseconds")?;
        let mut series = Vec::new();
        for directive in list(&head["CloudWatchMetrics"])? {
            let namespace = text(&directive["Namespace"])?;
            let metrics = list(&directive["Metrics"])?;
            if metrics.is_empty() || metrics.len() > MAX_METRICS {
                return Err(format!("{} metrics", metrics.len()));
            }
            for set in list(&directive["Dimensions"])? {
                let dimensions = dimensions(&root, list(set)?)?;
                for metric in metrics {
                    let name = text(&metric["Name"])?;
                    let unit = metric.get("Unit").map(text).transpose()?;
                    let values = values(root.get(&name).ok_or_else(|| format!("{name} has no value"))?)?;
                    let (namespace, dimensions) = (namespace.clone(), dimensions.clone());
                    series.push((Self { namespace, name, unit, dimensions }, values));
                }
            }
        }
        Ok(series)
    }
}

fn dimensions(root: &Map<String, Value>, names: &[Value]) -> Result<BTreeMap<String, String>, String> {
    if names.len() > MAX_DIMENSIONS {
        return Err(format!("{} dimensions", names.len()));
    }
    let dimension = |name: &Value| {
        let name = text(name)?;
        let value = text(root.get(&name).ok_or_else(|| format!("the dimension {name} has no value"))?)?;
        Ok((name, value))
    };
    names.iter().map(dimension).collect()
}

fn values(value: &Value) -> Result<Vec<f64>, String> {
    let number = |value: &Value| value.as_f64().ok_or_else(|| format!("{value} is not a number"));
    match value {
        Value::Array(values) if values.is_empty() || values.len() > MAX_VALUES => {
            Err(format!("{} values", values.len()))
        }
        Value::Array(values) => values.iter().map(number).collect(),
        value => Ok(vec![number(value)?]),
    }
}

fn list(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("{value} is not a list"))
}

fn text(value: &Value) -> Result<String, String> {
    let text = value.as_str().filter(|text| !text.trim().is_empty() && text.len() <= 1_024);
    text.map(str::to_owned).ok_or_else(|| format!("{value} is not a text of 1 to 1,024 characters"))
}
