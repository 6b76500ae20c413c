//! The stack as it is deployed: functions, what invokes them, and who hears which events.

use std::collections::BTreeMap;

use orderflow_tests::{Shop, matches};
use serde_json::{Value, json};

/// Functions of a stack.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deployed {
    /// By their names on AWS.
    pub(crate) functions: BTreeMap<String, Function>,
    /// Subscriptions of the topic of all events.
    pub(crate) subscriptions: Vec<Subscription>,
    /// Number of queues that invoke a function, those of dead letters among them.
    pub(crate) queues: u32,
}

/// A function.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// Short name, which ends the name of its log group.
    pub(crate) name: String,
    pub(crate) log_group: String,
    pub(crate) trigger: Trigger,
}

/// Source of a function's invocations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    Api,
    /// Each minute, whether there are orders or not.
    Clock,
    Stream,
    Queue {
        arn: String,
        /// Time that messages are gathered for.
        window_seconds: u64,
    },
}

/// A function's queue at the topic.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    /// Short name of the function.
    pub(crate) function: String,
    /// On the body of the message; everything passes where there is none.
    pub(crate) filter: Option<Value>,
}

impl Deployed {
    pub(crate) async fn on(shop: &Shop) -> Self {
        let mappings = shop.ask_lambda("event-source-mappings/").await;
        let mappings = mappings["EventSourceMappings"].as_array().cloned().unwrap_or_default();
        let all = shop.ask_lambda("functions/").await;
        let mut functions = BTreeMap::new();
        for function in all["Functions"].as_array().into_iter().flatten() {
            let deployed = text(&function["FunctionName"]);
            let log_group = text(&function["LoggingConfig"]["LogGroup"]);
            let name = log_group.rsplit('/').next().unwrap_or_default().to_owned();
            let is_its_own = |mapping: &&Value| text(&mapping["FunctionArn"]).ends_with(&format!(":{deployed}"));
            let trigger = mappings.iter().find(is_its_own).map_or_else(|| Trigger::without_source(&name), Trigger::of);
            functions.insert(deployed, Function { name, log_group, trigger });
        }
        let of_queues = mappings.iter().filter(|mapping| text(&mapping["EventSourceArn"]).contains(":sqs:"));
        let queues = u32::try_from(of_queues.count()).unwrap_or(u32::MAX);
        let mut deployed = Self { functions, subscriptions: Vec::new(), queues };
        for (queue, filter) in shop.subscriptions().await {
            let is_its_own =
                |function: &&Function| matches!(&function.trigger, Trigger::Queue { arn, .. } if *arn == queue);
            let function = deployed.all().find(is_its_own).map(|function| function.name.clone());
            if let Some(function) = function {
                deployed.subscriptions.push(Subscription { function, filter });
            }
        }
        deployed
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Function> {
        self.functions.values()
    }

    /// Short name of a function by its name on AWS.
    pub(crate) fn name<'a>(&'a self, deployed: &'a str) -> &'a str {
        self.functions.get(deployed).map_or(deployed, |function| &function.name)
    }

    /// Lines that the functions have written since the last time, by short name; nothing of what Lambda writes.
    pub(crate) async fn take_logs(&self, shop: &Shop) -> BTreeMap<String, Logged> {
        let mut logs = BTreeMap::new();
        let groups = shop.ask_logs("DescribeLogGroups", &json!({})).await;
        let groups = groups["logGroups"].as_array().cloned().unwrap_or_default();
        let is_there = |function: &&Function| groups.iter().any(|group| group["logGroupName"] == *function.log_group);
        for Function { name, log_group, .. } in self.all().filter(is_there) {
            let group = json!({ "logGroupName": log_group });
            let events = shop.ask_logs("FilterLogEvents", &group).await;
            let events = events["events"].as_array().cloned().unwrap_or_default();
            logs.insert(name.clone(), Logged::of(events.iter().filter_map(|event| event["message"].as_str())));
            // The next line makes it anew.
            shop.ask_logs("DeleteLogGroup", &group).await;
        }
        logs
    }
}

/// Lines that a function has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) invocations: u64,
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
}

impl Logged {
    /// Reads the lines of a log, in which an emulator frames each invocation.
    fn of<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut logged = Self::default();
        for line in lines {
            match line.split_once(" RequestId: ") {
                Some(("START", _)) => logged.invocations += 1,
                Some(("END" | "REPORT", _)) => {}
                _ => {
                    logged.lines += 1;
                    logged.bytes += line.len() as u64;
                }
            }
        }
        logged
    }
}

impl Trigger {
    fn without_source(function: &str) -> Self {
        if function.ends_with("-api") { Self::Api } else { Self::Clock }
    }

    fn of(mapping: &Value) -> Self {
        let arn = text(&mapping["EventSourceArn"]);
        if arn.starts_with("arn:aws:sqs:") {
            let window_seconds = mapping["MaximumBatchingWindowInSeconds"].as_u64().unwrap_or(0);
            Self::Queue { arn, window_seconds }
        } else {
            Self::Stream
        }
    }
}

impl Subscription {
    /// True if a message with that body is delivered.
    pub(crate) fn takes(&self, body: &Value) -> bool {
        self.filter.as_ref().is_none_or(|filter| matches(filter, body))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_of_an_invocation_is_no_line_of_the_function() {
        let lines =
            ["START RequestId: 1 Version: $LATEST", r#"{"a":1}"#, "END RequestId: 1", "REPORT RequestId: 1\tDuration"];
        assert_eq!(Logged::of(lines.into_iter()), Logged { invocations: 1, lines: 1, bytes: 7 });
    }

    #[test]
    fn a_subscription_without_a_filter_takes_everything() {
        let mut subscription = Subscription { function: "f".to_owned(), filter: None };
        assert!(subscription.takes(&json!({"type": "A"})));
        subscription.filter = Some(json!({"type": ["B"]}));
        assert!(subscription.takes(&json!({"type": "B"})) && !subscription.takes(&json!({"type": "A"})));
    }
}
