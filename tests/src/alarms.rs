//! Metrics as `CloudWatch` gets them, and the alarms that they cross.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_sqs::types::QueueAttributeName;
use onewrite::memory::Series;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::calls::cloudwatch;
use crate::patience::eventually;
use crate::shop::Shop;

/// The function that counts dead letters, each minute: the output that names it, and its log.
pub const JOBS: (&str, &str) = ("JobsFunctionName", "jobs");

/// The function that counts orders that are open, likewise.
pub const OPEN_ORDERS: (&str, &str) = ("OpenOrdersFunctionName", "open-orders");

/// Values of one series of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// Its namespace: the stack's name, or a service of AWS.
    pub namespace: String,
    /// Name of the metric.
    pub name: String,
    /// Its dimensions with their values.
    pub dimensions: BTreeMap<String, String>,
    /// One value, or several.
    pub values: Vec<f64>,
}

impl Datum {
    /// One value of a series.
    #[must_use]
    pub fn new(namespace: &str, name: &str, dimensions: &[(&str, &str)], value: f64) -> Self {
        let dimensions = dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Self { namespace, name, dimensions: dimensions.collect(), values: vec![value] }
    }

    /// The same series with another value.
    #[must_use]
    pub fn with(&self, value: f64) -> Self {
        Self { values: vec![value], ..self.clone() }
    }
}

/// The values of a series that a function has logged last.
fn last_counted(lines: &[String], expected: &Datum) -> Option<Datum> {
    let series = lines.iter().flat_map(|line| Series::of_line(line).unwrap_or_else(|fault| panic!("{fault}: {line}")));
    let mut data = series.map(|(Series { namespace, name, dimensions, .. }, values)| Datum {
        namespace,
        name,
        dimensions,
        values,
    });
    data.rfind(|datum| datum.with(0.0) == expected.with(0.0))
}

/// Alarm of one metric, as it is deployed.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Alarm {
    /// Its name.
    pub alarm_name: String,
    /// State before anything was published: `INSUFFICIENT_DATA`, `OK` or `ALARM`.
    pub state_value: String,
    /// Value that is still as it should be.
    pub threshold: f64,
    namespace: String,
    metric_name: String,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    statistic: Option<String>,
    extended_statistic: Option<String>,
    comparison_operator: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension {
    name: String,
    value: String,
}

impl Alarm {
    /// True if these values, in each of the periods that it looks at, cross its threshold.
    #[must_use]
    pub fn is_crossed_by(&self, datum: &Datum) -> bool {
        let dimensions: BTreeMap<&str, &str> =
            self.dimensions.iter().map(|each| (each.name.as_str(), each.value.as_str())).collect();
        let is_its_series = self.namespace == datum.namespace
            && self.metric_name == datum.name
            && dimensions == datum.dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let value = self.statistic_of(&datum.values);
        let is_crossed = match self.comparison_operator.as_str() {
            "GreaterThanThreshold" => value > self.threshold,
            "LessThanThreshold" => value < self.threshold,
            other => panic!("{}: {other} is new in the template: the tests have to learn it", self.alarm_name),
        };
        is_its_series && is_crossed
    }

    fn statistic_of(&self, values: &[f64]) -> f64 {
        let sum = values.iter().sum::<f64>();
        #[expect(clippy::cast_precision_loss, reason = "a handful of values")]
        let count = values.len() as f64;
        match (self.extended_statistic.as_deref(), self.statistic.as_deref()) {
            // Of a handful of values the highest percentile is the largest value.
            (Some("p99"), _) | (None, Some("Maximum")) => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            (None, Some("Sum")) => sum,
            (None, Some("Average")) => sum / count,
            (None, Some("SampleCount")) => count,
            other => panic!("{}: {other:?} is new in the template: the tests have to learn it", self.alarm_name),
        }
    }
}

/// Queue behind the topic of the alarms: somebody who is called.
pub struct OnCall<'a> {
    shop: &'a Shop,
    queue_url: String,
}

impl Shop {
    /// Name of the stack, which is the namespace of its own metrics and the beginning of its alarms' names.
    #[must_use]
    pub fn name(&self) -> &str {
        let topic = self.output("AlarmTopicArn").rsplit(':').next().unwrap_or_default();
        topic.split_once("-AlarmTopic").unwrap_or_else(|| panic!("{topic} is not the topic's name")).0
    }

    /// All alarms of one metric.
    pub async fn alarms(&self) -> Vec<Alarm> {
        let (mut alarms, mut token) = (Vec::new(), Value::Null);
        loop {
            let mut page = json!({ "AlarmNamePrefix": format!("{}-", self.name()), "MaxRecords": 100 });
            if token.is_string() {
                page["NextToken"] = token;
            }
            let mut told = cloudwatch(self, "DescribeAlarms", &page).await;
            let page: Vec<Alarm> = serde_json::from_value(told["MetricAlarms"].take()).expect("alarms");
            alarms.extend(page);
            token = told["NextToken"].take();
            if !token.is_string() {
                return alarms;
            }
        }
    }

    /// Has a function that counts run, until all that it has counted last of that series is as it should be; answers that.
    pub async fn counted(
        &self,
        (clock, function): (&str, &str),
        series: &Datum,
        is_expected: impl Fn(f64) -> bool,
    ) -> Datum {
        let Datum { name, dimensions, .. } = series;
        eventually(&format!("{function} has counted {name} {dimensions:?}"), async || {
            self.run_clock(clock).await;
            match last_counted(&self.log_of(function).await, series) {
                Some(datum) if datum.values.iter().all(|value| is_expected(*value)) => Ok(datum),
                other => Err(json!(other.map(|datum| datum.values))),
            }
        })
        .await
    }

    /// Metric that AWS publishes of the queue with that URL each minute: the number of messages that it would hand out.
    pub async fn depth(&self, url: &str) -> Datum {
        let get = self.sqs.get_queue_attributes().queue_url(url);
        let get = get.attribute_names(QueueAttributeName::ApproximateNumberOfMessages);
        let told = get.send().await.expect("an answer").attributes.unwrap_or_default();
        let count = told[&QueueAttributeName::ApproximateNumberOfMessages].parse().expect("a number");
        let name = url.rsplit('/').next().unwrap_or_default();
        Datum::new("AWS/SQS", "ApproximateNumberOfMessagesVisible", &[("QueueName", name)], count)
    }

    /// Publishes a metric, as AWS does itself of its services, and of what a function has logged.
    pub async fn put_metric(&self, datum: &Datum) {
        let Datum { namespace, name, dimensions, values } = datum;
        let dimensions: Vec<Value> =
            dimensions.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
        let metric = |value: &f64| json!({ "MetricName": name, "Dimensions": dimensions, "Value": value });
        let data = json!({ "Namespace": namespace, "MetricData": values.iter().map(metric).collect::<Value>() });
        cloudwatch(self, "PutMetricData", &data).await;
    }

    /// Publishes what crosses that alarm, named without its stack, and waits until somebody hears it.
    pub async fn rings(&self, alarm: &str, datum: &Datum) {
        let name = format!("{}-{alarm}", self.name());
        let alarms = self.alarms().await;
        let crossed = alarms.iter().filter(|alarm| alarm.is_crossed_by(datum)).map(|alarm| alarm.alarm_name.as_str());
        assert_eq!(crossed.collect::<Vec<_>>(), [name.as_str()], "{datum:?}");
        // The emulator holds a metric's values against the alarms of all its series: it may be on for another's.
        let over = json!({ "AlarmName": name, "StateValue": "OK", "StateReason": "it is over" });
        cloudwatch(self, "SetAlarmState", &over).await;
        let on_call = self.on_call().await;
        self.put_metric(datum).await;
        on_call.hears(&[name].into()).await;
    }

    /// Body of the dashboard.
    pub async fn dashboard(&self) -> Value {
        let told = cloudwatch(self, "GetDashboard", &json!({ "DashboardName": self.name() })).await;
        serde_json::from_str(told["DashboardBody"].as_str().unwrap_or_default()).expect("a body in JSON")
    }

    /// Subscribes somebody to the alarms.
    pub async fn on_call(&self) -> OnCall<'_> {
        let topic = self.output("AlarmTopicArn");
        let may_send = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage",
            "Resource": "*", "Condition": { "ArnEquals": { "aws:SourceArn": topic } },
        }]});
        let create = self.sqs.create_queue().queue_name(format!("on-call-{}", uuid::Uuid::now_v7()));
        let create = create.attributes(QueueAttributeName::Policy, may_send.to_string());
        let queue_url = create.send().await.expect("a queue").queue_url.expect("its URL");
        let get = self.sqs.get_queue_attributes().queue_url(&queue_url);
        let told = get.attribute_names(QueueAttributeName::QueueArn).send().await.expect("an answer");
        let arn = told.attributes.and_then(|mut all| all.remove(&QueueAttributeName::QueueArn)).expect("its ARN");
        let subscribe = self.sns.subscribe().topic_arn(topic).protocol("sqs").endpoint(arn);
        subscribe.attributes("RawMessageDelivery", "true").send().await.expect("it is subscribed");
        OnCall { shop: self, queue_url }
    }
}

impl OnCall<'_> {
    /// Waits until each of these alarms has come, and answers what they say, by their names.
    pub async fn hears(&self, names: &BTreeSet<String>) -> BTreeMap<String, Value> {
        let heard = std::cell::RefCell::new(BTreeMap::new());
        eventually("the alarms come", async || {
            let receive = self.shop.sqs.receive_message().queue_url(&self.queue_url).max_number_of_messages(10);
            for message in receive.send().await.expect("an answer").messages.unwrap_or_default() {
                let alarm: Value = serde_json::from_str(message.body().unwrap_or_default()).expect("JSON");
                if alarm["NewStateValue"] == "ALARM" {
                    heard.borrow_mut().insert(alarm["AlarmName"].as_str().expect("a name").to_owned(), alarm);
                }
                let delete = self.shop.sqs.delete_message().queue_url(&self.queue_url);
                delete.set_receipt_handle(message.receipt_handle).send().await.expect("it is deleted");
            }
            let missing: Vec<_> = names.iter().filter(|name| !heard.borrow().contains_key(*name)).collect();
            if missing.is_empty() { Ok(()) } else { Err(json!({ "not heard": missing })) }
        })
        .await;
        heard.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_crossed_by_its_own_series_alone() {
        let described = json!({
            "AlarmName": "a", "StateValue": "OK", "Threshold": 300.0, "Namespace": "AWS/SQS", "MetricName": "Age",
            "Dimensions": [{ "Name": "QueueName", "Value": "q" }], "Statistic": "Maximum",
            "ComparisonOperator": "GreaterThanThreshold",
        });
        let alarm: Alarm = serde_json::from_value(described).unwrap();
        let age = |queue: &str, value: f64| Datum::new("AWS/SQS", "Age", &[("QueueName", queue)], value);
        assert!(alarm.is_crossed_by(&age("q", 300.5)));
        assert!(!alarm.is_crossed_by(&age("q", 300.0)));
        assert!(!alarm.is_crossed_by(&age("r", 301.0)));
        assert!(!alarm.is_crossed_by(&Datum::new("AWS/SQS", "Age", &[], 301.0)));
    }

    #[test]
    fn what_was_counted_last_is_told_of_its_series_alone() {
        let line = |name: &str, value: u32| {
            let metrics = json!({ "Namespace": "shop", "Dimensions": [[]], "Metrics": [{ "Name": name }] });
            json!({ "_aws": { "Timestamp": 1, "CloudWatchMetrics": [metrics] }, name: value }).to_string()
        };
        let lines = [line("Late", 1), line("Late", 2), line("Other", 3), "a line of a log".to_owned()];
        let late = Datum::new("shop", "Late", &[], 2.0);
        assert_eq!(last_counted(&lines, &late.with(7.0)), Some(late.clone()));
        assert_eq!(last_counted(&lines, &Datum { namespace: "AWS/SQS".to_owned(), ..late }), None);
    }
}
