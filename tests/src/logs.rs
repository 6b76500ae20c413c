//! Logs of the functions, as CloudWatch has them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::calls::FUNCTIONS;
use crate::shop::Shop;

impl Shop {
    /// Names of the log groups of the stack's functions, as [`Shop::log_of`] takes them. A test may remove its own at any moment.
    pub async fn logging(&self) -> BTreeSet<String> {
        let functions = self.ask_lambda(FUNCTIONS).await;
        let functions = functions["Functions"].as_array().into_iter().flatten();
        let groups = functions.filter_map(|function| function["LoggingConfig"]["LogGroup"].as_str()?.rsplit_once('/'));
        let of_stack = format!("/aws/lambda/{}", self.name());
        groups.filter(|(of, _)| *of == of_stack).map(|(_, name)| name.to_owned()).collect()
    }

    /// Lines that a function has written, by the name of its log group: to that which the template gives it or, on LocalStack, to
    /// one that is named after the function.
    pub async fn log_of(&self, function: &str) -> Vec<String> {
        let functions = self.ask_lambda(FUNCTIONS).await;
        let of = |deployed: &&Value| {
            let group = deployed["LoggingConfig"]["LogGroup"].as_str().unwrap_or_default();
            group.ends_with(&format!("/{function}"))
        };
        let functions = functions["Functions"].as_array().cloned().unwrap_or_default();
        let deployed = functions.iter().find(of).unwrap_or_else(|| panic!("there is no function {function}"));
        let own = format!("/aws/lambda/{}", deployed["FunctionName"].as_str().unwrap_or_default());
        let given = deployed["LoggingConfig"]["LogGroup"].as_str().unwrap_or_default().to_owned();
        let groups = self.ask_logs("DescribeLogGroups", &json!({})).await;
        let mut lines = Vec::new();
        for group in [given, own] {
            if !groups["logGroups"].as_array().into_iter().flatten().any(|there| there["logGroupName"] == *group) {
                continue;
            }
            let mut request = json!({ "logGroupName": group });
            loop {
                let page = self.ask_logs("FilterLogEvents", &request).await;
                let events = page["events"].as_array().into_iter().flatten();
                lines.extend(events.filter_map(|event| event["message"].as_str()).map(str::to_owned));
                // An emulator may repeat the last token for ever.
                if page["nextToken"].is_null() || page["nextToken"] == request["nextToken"] {
                    break;
                }
                request["nextToken"] = page["nextToken"].clone();
            }
        }
        lines
    }
}
