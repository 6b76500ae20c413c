//! The dashboard: every service stands in it, and each widget in its own place.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::stack::{GONE, Stack, check, list, members, plain};

/// Columns of a dashboard.
const COLUMNS: u64 = 24;

#[test]
fn every_service_stands_in_the_dashboard() {
    check(
        "Who looks for what stands still would not find it.",
        services,
        &[
            ("Dashboard DashboardBody", json!("{\"widgets\": []}"), "Payment"),
            ("Journal Parameters/Service", json!("diary"), "Journal"),
            ("template Resources/Loyalty", json!({"Type": "AWS::CloudFormation::Stack"}), "Loyalty"),
            ("Notification Parameters/TableType", json!("outbox"), "Notification"),
        ],
    );
}

/// All nested stacks of the template, listed nowhere else.
fn services(stack: &Stack) -> Vec<String> {
    let shown: Vec<String> = metrics(stack).iter().map(text_of).collect();
    let mut faults = Vec::new();
    for (id, resource) in members(&stack.files.template["Resources"]) {
        if resource["Type"] != "AWS::CloudFormation::Stack" {
            continue;
        }
        let name = plain(&resource["Properties"]["Parameters"]["Service"]);
        let mut wanted = vec![
            format!("${{AWS::StackName}} Handled Service {name} {name}"),
            format!("AWS/SQS ApproximateAgeOfOldestMessage QueueName ${{{id}Queue.QueueName}} {name}"),
        ];
        if stack.functions().any(|function| function == format!("{id}RelayFunction")) {
            wanted.push(format!("AWS/Lambda IteratorAge FunctionName ${{{id}RelayFunction}} {name}"));
        }
        let missing = wanted.into_iter().filter(|metric| !shown.contains(metric));
        faults.extend(missing.map(|metric| format!("{id}: the dashboard has no {metric}")));
    }
    faults
}

#[test]
fn every_widget_has_a_place_of_its_own() {
    check(
        "CloudWatch shows a dashboard with a fault in it in part, or not at all.",
        places,
        &[
            ("Dashboard DashboardBody", json!("{"), "Dashboard"),
            (
                "Dashboard DashboardBody",
                json!({"Fn::Sub": "{\"widgets\": [{\"x\": 20, \"y\": 0, \"width\": 5, \"height\": 1}]}"}),
                "widget 0",
            ),
            (
                "Dashboard DashboardBody",
                json!(
                    "{\"widgets\": [{\"x\": 0, \"y\": 0, \"width\": 5, \"height\": 2}, {\"x\": 4, \"y\": 1, \"width\": 1, \"height\": 1}]}"
                ),
                "widget 1",
            ),
        ],
    );
}

fn places(stack: &Stack) -> Vec<String> {
    let (mut faults, mut taken) = (Vec::new(), BTreeSet::new());
    for which in ["all", "plain"] {
        let Some(body) = body(&stack.with([("Alarms", json!(which))])) else {
            return vec!["Dashboard: its body is no JSON".to_owned()];
        };
        taken.clear();
        for (index, widget) in list(&body["widgets"]).iter().enumerate() {
            let [x, y, width, height] =
                ["x", "y", "width", "height"].map(|side| widget[side].as_u64().unwrap_or(COLUMNS));
            let cells = (y..y + height).flat_map(|row| (x..x + width).map(move |column| (row, column)));
            // Each cell is put down, so that the next widget finds it taken.
            let overlaps = cells.filter(|cell| !taken.insert(*cell)).count();
            if x + width > COLUMNS || overlaps > 0 {
                faults.push(format!("widget {index}: does not fit in its place"));
            }
        }
    }
    faults
}

fn body(stack: &Stack) -> Option<Json> {
    serde_json::from_str(&plain(&stack.properties("Dashboard")["DashboardBody"])).ok()
}

fn metrics(stack: &Stack) -> Vec<Json> {
    let body = body(stack).unwrap_or(GONE);
    list(&body["widgets"]).iter().flat_map(|widget| list(&widget["properties"]["metrics"])).collect()
}

/// Namespace, name, dimensions and label of a metric.
fn text_of(metric: &Json) -> String {
    let text = |part: &Json| part["label"].as_str().or(part.as_str()).unwrap_or_default().to_owned();
    list(metric).iter().map(text).collect::<Vec<_>>().join(" ")
}
