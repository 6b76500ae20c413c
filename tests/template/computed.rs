//! Alarms that no emulator knows: those of several metrics, those of other alarms, and those of silence. They are evaluated
//! here, on numbers as a fault would bring them.

use std::iter::Peekable;
use std::str::Chars;

use serde_json::{Value as Json, json};

use crate::alarms::ALARM;
use crate::stack::{Stack, check, list, number, plain};

#[test]
fn a_budget_that_is_spent_too_fast_rings_and_a_hiccup_does_not() {
    check(
        "Whoever is called has something to do: a budget that will be gone, and still goes.",
        budgets,
        &[
            ("ApiBudgetHourAlarm Metrics/~burnRate/Expression", json!("IF(calls >= 100, failed, 0)"), "ApiBudgetAlarm"),
            (
                "OrdersBudgetHalfHourAlarm Metrics/~burnRate/Expression",
                json!("inTime / 100 / 0.01"),
                "OrdersBudgetAlarm",
            ),
            ("OrdersBudgetSixHoursAlarm Threshold", json!(60), "OrdersBudgetAlarm"),
            (
                "ApiBudgetAlarm AlarmRule",
                json!("ALARM(\"${ApiBudgetHourAlarm}\") OR ALARM(\"${ApiBudgetSixHoursAlarm}\")"),
                "ApiBudgetAlarm",
            ),
            ("ApiBudgetSixHoursAlarm Metrics/~burnRate/Expression", json!("failed / 0.001"), "ApiBudgetAlarm"),
        ],
    );
}

/// Times too fast that a budget is spent within the hour, five minutes, six hours and half an hour; the number of events;
/// whether somebody is to be called.
const COURSES: [(&str, [f64; 4], f64, bool); 8] = [
    ("all is well", [0.5, 0.5, 0.5, 0.5], 10_000.0, false),
    ("an outage", [14.5, 14.5, 3.0, 14.5], 10_000.0, true),
    ("an outage that is over", [14.5, 0.0, 3.0, 5.0], 10_000.0, false),
    ("a hiccup", [1.0, 90.0, 0.2, 2.0], 10_000.0, false),
    ("a slow loss", [6.1, 6.1, 6.1, 6.1], 10_000.0, true),
    ("a slow loss that is over", [1.0, 0.0, 6.1, 0.0], 10_000.0, false),
    ("as much as may be", [14.3, 14.3, 5.9, 14.3], 10_000.0, false),
    ("a few that fail", [90.0, 90.0, 90.0, 90.0], 99.0, false),
];

fn budgets(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    for budget in ["Api", "Orders"] {
        for (course, rates, events, rings) in COURSES {
            let is_on = |alarm: &str| {
                let windows = ["Hour", "FiveMinutes", "SixHours", "HalfHour"];
                let window = windows.iter().position(|window| alarm == format!("{budget}Budget{window}Alarm"))?;
                // One request of a thousand may fail, and one order of a hundred be late.
                let value = |name: &str| match name {
                    "failed" => Some(rates[window] * 0.001),
                    "inTime" => Some(100.0 - rates[window]),
                    "calls" | "shipped" => Some(events),
                    _ => None,
                };
                is_crossed(stack.properties(alarm), &value).map(f64::from)
            };
            let id = format!("{budget}BudgetAlarm");
            let told = evaluated(&plain(&stack.properties(&id)["AlarmRule"]), &is_on);
            if told != Some(f64::from(rings)) {
                faults.push(format!("{id}: {course} makes it {told:?}"));
            }
        }
    }
    faults
}

/// True if the expression of an alarm of several metrics is above its threshold; `None` where it is not understood.
fn is_crossed(alarm: &Json, value: &dyn Fn(&str) -> Option<f64>) -> Option<bool> {
    let metrics = list(&alarm["Metrics"]);
    let expression = metrics.iter().find_map(|metric| metric["Expression"].as_str())?;
    (alarm["ComparisonOperator"] == "GreaterThanThreshold").then_some(())?;
    Some(evaluated(expression, value)? > alarm["Threshold"].as_f64()?)
}

#[test]
fn whatever_holds_orders_up_calls_the_pager_by_itself() {
    check(
        "One call, whatever of it is on, and none while nothing is.",
        stuck,
        &[
            (
                "OrdersStuckAlarm AlarmRule",
                json!("ALARM(\"${LateOrdersAlarm}\") AND ALARM(\"${OpenOrdersSilentAlarm}\")"),
                "OrdersStuckAlarm",
            ),
            ("OrdersStuckAlarm AlarmRule", json!("ALARM(\"${LateOrdersAlarm}\")"), "OrdersStuckAlarm"),
            ("OrdersStuckAlarm AlarmRule", json!("ALARM(\"${LateOrdersAlarm}\") OR 1"), "OrdersStuckAlarm"),
        ],
    );
}

/// Services that an order waits for.
const ON_THE_WAY: [&str; 4] = ["Orders", "Inventory", "Payment", "Shipping"];

fn stuck(stack: &Stack) -> Vec<String> {
    let rule = plain(&stack.properties("OrdersStuckAlarm")["AlarmRule"]);
    let of_services =
        ON_THE_WAY.iter().flat_map(|id| ["LagAlarm", "RelayAgeAlarm"].map(|alarm| format!("{id}{alarm}")));
    let whole = ["LateOrdersAlarm", "OpenOrdersSilentAlarm", "IntakeLagAlarm"].map(str::to_owned);
    let parts: Vec<String> = whole.into_iter().chain(of_services).collect();
    let told = |on: Option<&str>| {
        evaluated(&rule, &|alarm| {
            let is_known = stack.resource(alarm)["Type"] == ALARM;
            is_known.then(|| f64::from(on == Some(alarm)))
        })
    };
    let alone = parts.iter().filter(|part| told(Some(part)) != Some(1.0));
    let mut faults: Vec<String> = alone.map(|part| format!("OrdersStuckAlarm: {part} alone does not call")).collect();
    if told(None) != Some(0.0) {
        faults.push("OrdersStuckAlarm: calls though nothing is on, or is not understood".to_owned());
    }
    faults
}

#[test]
fn silence_rings_and_a_gauge_that_is_silent_does_not() {
    check(
        "Nobody counts any more: that is told once, by the alarm that is of it.",
        silent,
        &[
            ("OpenOrdersSilentAlarm TreatMissingData", json!("notBreaching"), "OpenOrdersSilentAlarm"),
            ("LettersSilentAlarm ComparisonOperator", json!("GreaterThanThreshold"), "LettersSilentAlarm"),
            ("LettersSilentAlarm Statistic", json!("Maximum"), "LettersSilentAlarm"),
            ("OpenOrdersSilentAlarm EvaluationPeriods", json!(300), "OpenOrdersSilentAlarm"),
            ("LateOrdersAlarm TreatMissingData", json!("breaching"), "LateOrdersAlarm"),
        ],
    );
}

fn silent(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    for id in ["OpenOrdersSilentAlarm", "LettersSilentAlarm"] {
        let alarm = stack.properties(id);
        let seconds =
            number(&alarm["Period"]).unwrap_or_default() * number(&alarm["EvaluationPeriods"]).unwrap_or_default();
        // The clock comes each minute: of five, or of one that was late, there is no silence.
        let courses = [([None; 3], true), ([None, None, Some(1.0)], false), ([Some(5.0); 3], false)];
        let wrong = courses.iter().filter(|(course, rings)| is_on(alarm, course) != Some(*rings));
        faults.extend(wrong.map(|(course, rings)| format!("{id}: {course:?} is to ring is {rings}")));
        faults.extend((seconds != 15 * 60).then(|| format!("{id}: looks at {seconds} s")));
        faults.extend((alarm["Statistic"] != "SampleCount").then(|| format!("{id}: does not count what is published")));
    }
    for id in ["LateOrdersAlarm", "ForgottenOrderAlarm", "OldLetterAlarm"] {
        let is_on = is_on(stack.properties(id), &[None; 5]);
        faults.extend((is_on != Some(false)).then(|| format!("{id}: silence makes it {is_on:?}")));
    }
    faults
}

/// True if an alarm that is off rings after these values of its last periods, of which some are missing; `None` where it is
/// of another form.
fn is_on(alarm: &Json, values: &[Option<f64>]) -> Option<bool> {
    let threshold = alarm["Threshold"].as_f64()?;
    let of_missing = match alarm["TreatMissingData"].as_str()? {
        "breaching" => true,
        "notBreaching" | "ignore" => false,
        _ => return None,
    };
    let is_breaching = |value: &Option<f64>| {
        let Some(value) = *value else { return Some(of_missing) };
        match alarm["ComparisonOperator"].as_str()? {
            "LessThanThreshold" => Some(value < threshold),
            "GreaterThanThreshold" => Some(value > threshold),
            _ => None,
        }
    };
    let periods = number(&alarm["EvaluationPeriods"])?;
    let needed = number(&alarm["DatapointsToAlarm"]).unwrap_or(periods);
    let breaching = values.iter().map(is_breaching).collect::<Option<Vec<_>>>()?;
    let count = breaching.iter().filter(|is_breaching| **is_breaching).count();
    Some(u64::try_from(count).is_ok_and(|count| count >= needed))
}

// ── Expressions ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Value of an expression of metrics, or of a rule of alarms, in which true is 1 and false 0: numbers, names, `+ - * /`, `>=`,
/// `AND`, `OR`, `IF(…, …, …)`, `ALARM("${…}")`. `None` of whatever else there is in it.
fn evaluated(text: &str, value: &dyn Fn(&str) -> Option<f64>) -> Option<f64> {
    let mut expression = Expression { rest: text.chars().peekable(), value };
    let value = expression.either()?;
    expression.space();
    expression.rest.next().is_none().then_some(value)
}

struct Expression<'a> {
    rest: Peekable<Chars<'a>>,
    value: &'a dyn Fn(&str) -> Option<f64>,
}

impl Expression<'_> {
    fn either(&mut self) -> Option<f64> {
        let mut value = self.both()?;
        while self.takes("OR") {
            let other = self.both()?;
            value = f64::from(value + other > 0.0);
        }
        Some(value)
    }

    fn both(&mut self) -> Option<f64> {
        let mut value = self.compared()?;
        while self.takes("AND") {
            let other = self.compared()?;
            value = f64::from(value * other > 0.0);
        }
        Some(value)
    }

    fn compared(&mut self) -> Option<f64> {
        let value = self.sum()?;
        if !self.takes(">=") {
            return Some(value);
        }
        Some(f64::from(value >= self.sum()?))
    }

    fn sum(&mut self) -> Option<f64> {
        let mut value = self.product()?;
        loop {
            if self.takes("+") {
                value += self.product()?;
            } else if self.takes("-") {
                value -= self.product()?;
            } else {
                return Some(value);
            }
        }
    }

    fn product(&mut self) -> Option<f64> {
        let mut value = self.operand()?;
        loop {
            if self.takes("*") {
                value *= self.operand()?;
            } else if self.takes("/") {
                value /= self.operand()?;
            } else {
                return Some(value);
            }
        }
    }

    fn operand(&mut self) -> Option<f64> {
        if self.takes("(") {
            let value = self.either()?;
            return self.takes(")").then_some(value);
        }
        if self.takes("IF(") {
            let condition = self.either()?;
            let yes = self.takes(",").then(|| self.either())??;
            let no = self.takes(",").then(|| self.either())??;
            return self.takes(")").then_some(if condition > 0.0 { yes } else { no });
        }
        let is_alarm = self.takes("ALARM(\"${");
        self.space();
        let mut word = String::new();
        while let Some(c) = self.rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '.') {
            word.push(c);
        }
        if is_alarm && !self.takes("}\")") {
            return None;
        }
        word.parse().ok().or_else(|| (self.value)(&word))
    }

    fn space(&mut self) {
        while self.rest.next_if(|c| c.is_whitespace()).is_some() {}
    }

    /// Takes what comes next, if it is that.
    fn takes(&mut self, text: &str) -> bool {
        self.space();
        let mut ahead = self.rest.clone();
        let is_next = text.chars().all(|c| ahead.next() == Some(c));
        if is_next {
            self.rest = ahead;
        }
        is_next
    }
}

#[test]
fn expressions_are_evaluated_as_they_are_written() {
    let value = |name: &str| match name {
        "on" => Some(1.0),
        "off" => Some(0.0),
        _ => None,
    };
    for (text, expected) in [
        ("1 + 2 * 3 - 4 / 2", Some(5.0)),
        ("(1 + 2) * 3", Some(9.0)),
        ("IF(2 >= 2, 7, 8)", Some(7.0)),
        ("IF(off, 7, 8 / 2)", Some(4.0)),
        ("ALARM(\"${on}\") AND ALARM(\"${off}\") OR ALARM(\"${on}\")", Some(1.0)),
        ("ALARM(\"${on}\") AND (ALARM(\"${off}\") OR ALARM(\"${off}\"))", Some(0.0)),
        ("1 +", None),
        ("unknown", None),
        ("METRICS(\"m1\")", None),
    ] {
        assert_eq!(evaluated(text, &value), expected, "{text}");
    }
}
