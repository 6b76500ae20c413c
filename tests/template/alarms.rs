//! Alarms: whom they reach, what they speak of, and their headings in the runbook.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use orderflow_registry::SERVICES;
use serde_json::{Value as Json, json};

use crate::stack::{GONE, ROOT, Stack, check, list, number, plain, reference, unlike, unpaired};

pub(crate) const ALARM: &str = "AWS::CloudWatch::Alarm";
const COMPOSITE: &str = "AWS::CloudWatch::CompositeAlarm";
const DASHBOARD: &str = "AWS::CloudWatch::Dashboard";

const RUNBOOK: &str = "docs/RUNBOOK.md";

/// Longest time that `CloudWatch` looks back for an alarm.
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Metric alarms and composite ones.
fn alarms<'a>(stack: &'a Stack) -> impl Iterator<Item = (&'a str, &'a Json)> {
    [ALARM, COMPOSITE].into_iter().flat_map(|kind| stack.of_type(kind))
}

/// With all that a parameter can bring, such as short messages.
fn whole<'a>(stack: &Stack<'a>) -> Stack<'a> {
    let queue = "arn:aws:sqs:eu-central-1:210987654321:events.fifo";
    stack.with([("SmsCountries", json!("DE")), ("PartnerQueueArn", json!(queue))])
}

#[test]
fn every_alarm_has_its_heading_in_the_runbook_and_no_heading_is_without_one() {
    check(
        "Who is called finds under the heading what to do.",
        headings,
        &[
            ("LagAlarm AlarmDescription", json!("It is late."), "OrdersLagAlarm"),
            ("LateOrdersAlarm AlarmDescription", json!("It is late. See docs/RUNBOOK.md#later"), "later"),
            ("ThrottlesAlarm", GONE, "throttles"),
            ("OrdersStuckAlarm AlarmDescription", GONE, "OrdersStuckAlarm"),
        ],
    );
}

fn headings(stack: &Stack) -> Vec<String> {
    let (mut faults, mut named) = (Vec::new(), BTreeSet::new());
    for (id, properties) in alarms(&whole(stack)) {
        let description = properties["AlarmDescription"].as_str().unwrap_or_default();
        match description.rsplit_once(&format!(" See {RUNBOOK}#")) {
            Some((_, anchor)) => drop(named.insert(anchor.to_owned())),
            None => faults.push(format!("{id}: its description names no heading of {RUNBOOK}: {description:?}")),
        }
    }
    let runbook = fs::read_to_string(Path::new(ROOT).join(RUNBOOK)).expect("the runbook");
    let section = runbook.split("\n## ").find(|section| section.starts_with("Alarms\n")).unwrap_or_default();
    let headings = section.lines().filter_map(|line| line.strip_prefix("### "));
    let headings: Vec<String> = headings.map(|heading| heading.to_lowercase().replace(' ', "-")).collect();
    let (named, headings) = (named.iter().map(String::as_str), headings.iter().map(String::as_str));
    faults.extend(unpaired("a heading of the runbook and named by an alarm", named, headings));
    faults
}

#[test]
fn every_alarm_reaches_somebody() {
    check(
        "An alarm that goes nowhere, or to nobody when it is over, is none. A part goes where the alarm that it is a part of \
         goes. What missing data means is said, since each default is wrong for some.",
        reach,
        &[
            ("LagAlarm AlarmActions", GONE, "OrdersLagAlarm"),
            ("LateOrdersAlarm OKActions", GONE, "LateOrdersAlarm"),
            ("OrdersStuckAlarm AlarmActions", json!([]), "OrdersStuckAlarm"),
            ("Payment Parameters/AlarmTopicArn", reference("EventsTopic"), "PaymentLagAlarm"),
            ("ApiBudgetAlarm AlarmRule", json!("ALARM(\"${ApiBudgetHourAlarm}\")"), "ApiBudgetFiveMinutesAlarm"),
            ("OrdersStuckAlarm AlarmRule", json!("ALARM(\"${LaterOrdersAlarm}\")"), "OrdersStuckAlarm"),
            ("ErrorsAlarm TreatMissingData", GONE, "OrdersErrorsAlarm"),
            ("OpenOrdersSilentAlarm TreatMissingData", json!("ignore"), "OpenOrdersSilentAlarm"),
            ("LateOrdersAlarm TreatMissingData", json!("breaching"), "LateOrdersAlarm"),
            ("DiscardedRowsAlarm EvaluationPeriods", json!(2), "DiscardedRowsAlarm"),
            ("LagAlarm AlarmName", json!({"Fn::Sub": "${Application}-lag"}), "PaymentLagAlarm"),
        ],
    );
}

fn reach(stack: &Stack) -> Vec<String> {
    let stack = whole(stack);
    let (mut faults, mut names) = (Vec::new(), BTreeMap::new());
    let rules: Vec<(&str, Vec<String>)> = stack.of_type(COMPOSITE).map(|(id, of)| (id, parts(of))).collect();
    for (id, properties) in alarms(&stack) {
        let is_part = rules.iter().any(|(_, parts)| parts.iter().any(|part| part == id));
        let is_told = !is_part || !properties["AlarmActions"].is_null();
        let actions = if is_told { json!([reference("AlarmTopic")]) } else { GONE };
        faults.extend(unlike(id, properties, &json!({"AlarmActions": actions, "OKActions": actions})));
        let name = plain(&properties["AlarmName"]);
        if let Some(other) = names.insert(name.clone(), id) {
            faults.push(format!("{id}: is called {name}, as {other} is"));
        }
    }
    for (id, parts) in &rules {
        let unknown = parts.iter().filter(|part| stack.resource(part)["Type"] != ALARM);
        faults.extend(unknown.map(|part| format!("{id}: {part} is no alarm")));
    }
    for (id, properties) in stack.of_type(ALARM) {
        faults.extend(unlike(id, properties, &json!({"TreatMissingData": missing_data(properties)})));
        let periods = number(&properties["EvaluationPeriods"]).unwrap_or_default();
        let metrics = list(&properties["Metrics"]);
        let own = number(&properties["Period"]);
        let of_metrics = metrics.iter().filter_map(|metric| number(&metric["MetricStat"]["Period"]));
        let period = own.or(of_metrics.max()).unwrap_or_default();
        if !(1..=DAY_SECONDS).contains(&(period * periods)) {
            faults.push(format!("{id}: looks at {periods} periods of {period} s"));
        }
    }
    faults
}

/// Names in the rule of a composite alarm: `ALARM("${LateOrdersAlarm}")`.
fn parts(composite: &Json) -> Vec<String> {
    let rule = plain(&composite["AlarmRule"]);
    rule.split("ALARM(\"${").skip(1).filter_map(|rest| Some(rest.split_once("}\")")?.0.to_owned())).collect()
}

/// Treatment of missing data. Where nothing happens AWS has none, and all is well. A gauge of ours that is silent leaves its
/// alarm as it is, but for the one that is of the silence. SES tells its rates from time to time.
fn missing_data(alarm: &Json) -> &'static str {
    let is_gauge = alarm["Namespace"] == reference("AWS::StackName") && alarm["Dimensions"].is_null();
    match alarm["MetricName"].as_str() {
        _ if alarm["Statistic"] == "SampleCount" => "breaching",
        _ if is_gauge => "ignore",
        Some(name) if name.starts_with("Reputation.") => "ignore",
        _ => "notBreaching",
    }
}

#[test]
fn every_service_has_alarms_of_its_queue_its_functions_its_stream_and_its_letters() {
    check(
        "A service without them stands still in silence.",
        of_services,
        &[
            ("LagAlarm Dimensions", json!([{"Name": "QueueName", "Value": "orders"}]), "OrdersLagAlarm"),
            ("InFlightAlarm Threshold", json!(120_000), "PaymentInFlightAlarm"),
            ("RelayAgeAlarm MetricName", json!("Age"), "ShippingRelayAgeAlarm"),
            ("ErrorsAlarm @Condition", json!("HasRelayAlarms"), "JournalErrorsAlarm"),
            ("ExhaustedLettersAlarm Namespace", json!("AWS/SQS"), "IntakeExhaustedLettersAlarm"),
            ("Journal Parameters/Alarms", GONE, "JournalLagAlarm"),
            ("Notification Parameters/LagObjectiveSeconds", reference("LagObjectiveSeconds"), "NotificationLagAlarm"),
            ("Payment Parameters/LagObjectiveSeconds", GONE, "PaymentLagAlarm"),
        ],
    );
}

/// Services that no step of an order waits for.
const FOLLOWERS: [&str; 4] = ["Notification", "Screening", "Analytics", "Journal"];

fn of_services(stack: &Stack) -> Vec<String> {
    let stack = stack.with([("LagObjectiveSeconds", json!(77)), ("FollowerLagObjectiveSeconds", json!(777))]);
    let services = SERVICES.iter().map(|service| (service.id, service.name, !service.sends().is_empty()));
    let mut faults = Vec::new();
    for (id, name, publishes) in services.chain([("Intake", "intake", false)]) {
        let of = |name: &str, value: Json| json!([{"Name": name, "Value": value}]);
        let queue = of("QueueName", json!({"Fn::GetAtt": [format!("{id}Queue"), "QueueName"]}));
        let function = |part: &str| of("FunctionName", reference(&format!("{id}{part}Function")));
        let letters = |class: &str| json!([{"Name": "Service", "Value": name}, {"Name": "Class", "Value": class}]);
        let own = reference("AWS::StackName");
        let [sqs, lambda] = ["AWS/SQS", "AWS/Lambda"].map(|of| json!(of));
        let objective = if FOLLOWERS.contains(&id) { 777 } else { 77 };
        let mut all = vec![
            ("Lag", &sqs, "ApproximateAgeOfOldestMessage", queue.clone(), objective),
            ("InFlight", &sqs, "ApproximateNumberOfMessagesNotVisible", queue, 80_000),
            ("Errors", &lambda, "Errors", function(""), 0),
            ("LettersErrors", &lambda, "Errors", function("Letters"), 0),
            ("PermanentLetters", &own, "LettersWaiting", letters("permanent"), 0),
            ("ExhaustedLetters", &own, "LettersWaiting", letters("exhausted"), 0),
            ("UnexplainedLetters", &own, "LettersWaiting", letters("none"), 0),
        ];
        if publishes {
            all.push(("RelayErrors", &lambda, "Errors", function("Relay"), 0));
            // A hundredth of the 24 hours of a stream.
            all.push(("RelayAge", &lambda, "IteratorAge", function("Relay"), DAY_SECONDS * 1_000 / 100));
        }
        for (alarm, namespace, metric, dimensions, threshold) in all {
            let id = format!("{id}{alarm}Alarm");
            let pattern = json!({
                "Namespace": namespace, "MetricName": metric, "Dimensions": dimensions, "Threshold": threshold,
                "ComparisonOperator": "GreaterThanThreshold",
            });
            faults.extend(unlike(&id, stack.properties(&id), &pattern));
        }
    }
    faults
}

#[test]
fn what_an_emulator_refuses_is_behind_one_parameter() {
    check(
        "An emulator refuses the whole template for one alarm of several metrics, or of other alarms.",
        refused,
        &[
            ("ApiBudgetAlarm @Condition", json!("HasAlarms"), "ApiBudgetAlarm"),
            ("ApiBudgetHourAlarm @Condition", json!("HasAlarms"), "ApiBudgetHourAlarm"),
            ("LateOrdersAlarm @Condition", json!("HasAllAlarms"), "plain"),
            ("ThrottlesAlarm @Condition", GONE, "ThrottlesAlarm"),
            ("Dashboard @Condition", GONE, "Dashboard"),
            ("Orders Parameters/Alarms", json!("plain"), "OrdersLagAlarm"),
        ],
    );
}

fn refused(stack: &Stack) -> Vec<String> {
    let [all, plain, none] = ["all", "plain", "none"].map(|which| stack.with([("Alarms", json!(which))]));
    let is_refused = |properties: &Json| !properties["Metrics"].is_null() || !properties["AlarmRule"].is_null();
    let watched = none.of_type(DASHBOARD).chain(alarms(&none));
    let mut faults: Vec<String> = watched.map(|(id, _)| format!("{id}: is there without alarms")).collect();
    let refused = alarms(&plain).filter(|(_, properties)| is_refused(properties));
    faults.extend(refused.map(|(id, _)| format!("{id}: is refused")));
    let accepted = |stack: &Stack| alarms(stack).filter(|(_, of)| !is_refused(of)).count();
    let counts = [&all, &plain].map(accepted);
    if counts[0] != counts[1] {
        faults.push(format!("plain has {} of {} plain alarms", counts[1], counts[0]));
    }
    faults
}

#[test]
fn the_dashboard_shows_every_alarm_of_the_whole() {
    check(
        "Whoever looks at the dashboard takes what is not on it for well.",
        shown,
        &[
            ("LateOrdersAlarm AlarmName", json!({"Fn::Sub": "${AWS::StackName}-later"}), "LateOrdersAlarm"),
            ("JobsErrorsAlarm AlarmName", json!({"Fn::Sub": "${AWS::StackName}-jobs"}), "JobsErrorsAlarm"),
        ],
    );
}

/// Plain alarms of `template.yaml`; the composite ones have the others in them.
fn shown(stack: &Stack) -> Vec<String> {
    let stack = &stack.without_notices();
    let dashboards: String = stack.of_type(DASHBOARD).map(|(_, body)| body["DashboardBody"].to_string()).collect();
    let resources = &stack.files.template["Resources"];
    let is_whole = |id: &str, alarm: &Json| resources[id].is_object() && alarm["Metrics"].is_null();
    let names = stack.of_type(ALARM).filter(|(id, alarm)| is_whole(id, alarm));
    let names = names.map(|(id, alarm)| (id, plain(&alarm["AlarmName"])));
    let missing = names.filter(|(_, name)| !dashboards.contains(&format!("alarm:{name}\\\"")));
    missing.map(|(id, name)| format!("{id}: {name} is not on the dashboard")).collect()
}

#[test]
fn what_all_of_them_cost_is_told() {
    check(
        "Whoever deploys it pays for each alarm, used or not.",
        price,
        &[
            ("LagAlarm", GONE, "6 of each of"),
            ("RelayAgeAlarm", GONE, "1 of each of"),
            ("ThrottlesAlarm", GONE, "15 of the whole"),
            ("ApiBudgetHourAlarm", GONE, "7 alarms of 10 metrics"),
            ("ApiBudgetAlarm", GONE, "2 composite"),
        ],
    );
}

/// Numbers of alarms as `docs/aws.md` tells them; a service more changes none of them.
fn price(stack: &Stack) -> Vec<String> {
    let stack = &stack.without_notices();
    let metrics = |properties: &Json| {
        list(&properties["Metrics"]).iter().filter(|metric| metric["MetricStat"].is_object()).count()
    };
    let of_several = || stack.of_type(ALARM).map(|(_, properties)| metrics(properties)).filter(|metrics| *metrics > 0);
    let of = |service: &str| stack.of_type(ALARM).filter(|(id, _)| id.starts_with(service)).count();
    let resources = &stack.files.template["Resources"];
    let of_the_whole = stack.of_type(ALARM).filter(|(id, _)| resources[*id].is_object()).count() - of_several().count();
    let told = fs::read_to_string(Path::new(ROOT).join("docs/aws.md")).expect("what it costs");
    let numbers = [
        format!("{of_the_whole} of the whole"),
        format!("{} of each of 9 services", of("Journal")),
        format!("{} of each of 5 relays", of("Payment") - of("Journal")),
        format!("{} alarms of {} metrics, 0.10 a metric", of_several().count(), of_several().sum::<usize>()),
        format!("{} composite alarms, 0.50 each", stack.of_type(COMPOSITE).count()),
    ];
    numbers.into_iter().filter(|sum| !told.contains(sum)).map(|sum| format!("{sum}: docs/aws.md has another")).collect()
}

#[test]
fn a_budget_is_watched_by_a_long_window_and_a_short_one() {
    check(
        "A long window alone goes on for hours after the cause is gone, and a short one alone comes at any hiccup. Both count by \
         the objective of the runbook.",
        budgets,
        &[
            ("ApiBudgetHourAlarm Threshold", json!(6), "ApiBudgetHourAlarm"),
            ("OrdersBudgetHalfHourAlarm Metrics/~PR(:/MetricStat/Period", json!(300), "OrdersBudgetHalfHourAlarm"),
            ("OrdersBudgetHourAlarm Metrics/~SampleCount/MetricStat/Stat", json!("Sum"), "OrdersBudgetHourAlarm"),
            ("ApiBudgetSixHoursAlarm Metrics/~burnRate/Expression", json!("failed / 0.01"), "ApiBudgetSixHoursAlarm"),
            ("OrdersBudgetAlarm AlarmRule", json!("ALARM(\"${OrdersBudgetHourAlarm}\")"), "OrdersBudgetAlarm"),
        ],
    );
}

/// Windows of a budget: name, seconds, how many times too fast it may be spent, and whether few events are no share.
const WINDOWS: [(&str, u64, f64, bool); 4] = [
    ("Hour", 60 * 60, 14.4, true),
    ("FiveMinutes", 5 * 60, 14.4, false),
    ("SixHours", 6 * 60 * 60, 6.0, true),
    ("HalfHour", 30 * 60, 6.0, false),
];

/// Budgets: one request in a thousand fails, and of a hundred orders one is shipped after five minutes.
fn budgets(stack: &Stack) -> Vec<String> {
    let of_api = ("Api", "calls", "failed / 0.001", "failed", "Average", "5XXError");
    let of_orders = ("Orders", "shipped", "(100 - inTime) / 100 / 0.01", "inTime", "PR(:300000)", "SinceCreated");
    let mut faults = Vec::new();
    for (budget, count, rate, measure, statistic, metric) in [of_api, of_orders] {
        for (window, period, threshold, is_long) in WINDOWS {
            let id = format!("{budget}Budget{window}Alarm");
            let expression = if is_long { format!("IF({count} >= 100, {rate}, 0)") } else { rate.to_owned() };
            let stat = |id: &str, stat: &str| json!({"Id": id, "MetricStat": {"Stat": stat, "Period": period, "Metric": {"MetricName": metric}}});
            let mut expected = vec![json!({ "Expression": expression }), stat(measure, statistic)];
            expected.extend(is_long.then(|| stat(count, "SampleCount")));
            let properties = stack.properties(&id);
            let metrics = list(&properties["Metrics"]);
            faults.extend((metrics.len() != expected.len()).then(|| format!("{id}: has {} metrics", metrics.len())));
            let pairs = metrics.iter().zip(&expected);
            faults.extend(pairs.flat_map(|(metric, pattern)| unlike(&id, metric, pattern)));
            let told = properties["Threshold"].as_f64();
            faults.extend((told != Some(threshold)).then(|| format!("{id}: its threshold is {told:?}")));
        }
        let id = format!("{budget}BudgetAlarm");
        let alarm = |window: &str| format!("ALARM(\"${{{budget}Budget{window}Alarm}}\")");
        let both = |long: &str, short: &str| format!("({} AND {})", alarm(long), alarm(short));
        let rule = format!("{} OR {}", both("Hour", "FiveMinutes"), both("SixHours", "HalfHour"));
        faults.extend(unlike(&id, stack.properties(&id), &json!({ "AlarmRule": rule })));
    }
    faults
}

#[test]
fn every_metric_of_ours_is_one_that_somebody_publishes() {
    check(
        "An alarm of a metric that nobody publishes is silent for ever.",
        published,
        &[
            ("LateOrdersAlarm MetricName", json!("OrdersLate"), "OrdersLate"),
            ("PermanentLettersAlarm MetricName", json!("LettersPermanent"), "LettersPermanent"),
            ("OrdersBudgetHourAlarm Metrics/~PR(:/MetricStat/Metric/MetricName", json!("SinceThen"), "SinceThen"),
        ],
    );
}

/// Metrics of the stack's own namespace, by their names in the sources.
fn published(stack: &Stack) -> Vec<String> {
    let sources: String = ["functions", "shared/onewrite/src/telemetry"].map(sources_in).concat();
    let of_ours = |metric: &Json| metric["Namespace"] == reference("AWS::StackName");
    let mut names = BTreeSet::new();
    for (_, properties) in stack.of_type(ALARM) {
        let metrics = list(&properties["Metrics"]);
        let metrics = metrics.iter().map(|metric| &metric["MetricStat"]["Metric"]).chain([properties]);
        names.extend(metrics.filter(|metric| of_ours(metric)).map(|metric| plain(&metric["MetricName"])));
    }
    let unknown = names.into_iter().filter(|name| !sources.contains(&format!("\"{name}\"")));
    unknown.map(|name| format!("{name}: nobody publishes it")).collect()
}

/// Source texts of a folder.
fn sources_in(folder: &str) -> String {
    let mut text = String::new();
    let mut folders = vec![Path::new(ROOT).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|end| end == "rs") {
                text += &fs::read_to_string(entry).expect("a source text");
            }
        }
    }
    text
}
