use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use futures::FutureExt;
use futures::executor::block_on;
use serde_json::{Value, json};

use super::super::{observe, observed_by, set_observer};
use super::*;
use crate::failure::Failure;
use crate::memory::Series;

/// Log of a function, in memory.
#[derive(Clone, Default)]
struct Lines(Rc<RefCell<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn take(&self) -> Vec<String> {
        String::from_utf8(self.0.take()).unwrap().lines().map(str::to_owned).collect()
    }
}

fn settings() -> MetricsSettings {
    MetricsSettings { namespace: "library".to_owned(), service: "loans".to_owned(), level: None }
}

fn metrics(settings: MetricsSettings) -> (impl Observe, Lines) {
    let lines = Lines::default();
    (Metrics::new(settings, || Time::from_millis(1_767_225_600_000), lines.clone()), lines)
}

fn handled(handled: Handled, age_ms: u64) -> Observation<'static> {
    Observation::Handled { handled, age: Duration::from_millis(age_ms) }
}

const ENDED: Observation = Observation::Ended { cold_start: false };

/// Values by metric and by values of the dimensions.
fn series(lines: &[String]) -> BTreeMap<(String, Vec<String>), Vec<f64>> {
    let mut all = BTreeMap::<_, Vec<f64>>::new();
    for (Series { name, dimensions, namespace, .. }, values) in
        lines.iter().flat_map(|line| Series::of_line(line).unwrap())
    {
        assert_eq!(namespace, "library");
        all.entry((name, dimensions.into_values().collect())).or_default().extend(values);
    }
    all
}

#[test]
fn a_line_has_the_form_that_cloudwatch_reads() {
    let (metrics, lines) = metrics(settings());
    metrics.observe(Some("BookRequested"), &handled(Handled::Changed, 12));
    metrics.observe(Some("BookRequested"), &handled(Handled::Unchanged, 1_500));
    let committed = Observation::Committed { since_created: Some(Duration::from_micros(2_700)) };
    metrics.observe(Some("BookRequested"), &committed);
    assert_eq!(lines.take(), [""; 0], "nothing is written before the end");
    metrics.observe(None, &Observation::Ended { cold_start: true });
    let [line] = lines.take().try_into().unwrap();
    let expected = json!({
        "_aws": {
            "Timestamp": 1_767_225_600_000_u64,
            "CloudWatchMetrics": [
                {
                    "Namespace": "library",
                    "Dimensions": [["Service"], ["Service", "Type"]],
                    "Metrics": [{ "Name": "Handled", "Unit": "Count" }, { "Name": "Age", "Unit": "Milliseconds" }],
                },
                {
                    "Namespace": "library",
                    "Dimensions": [["Service"]],
                    "Metrics": [{ "Name": "ColdStarts", "Unit": "Count" }],
                },
                {
                    "Namespace": "library",
                    "Dimensions": [["Service", "Type"]],
                    "Metrics": [{ "Name": "SinceCreated", "Unit": "Milliseconds" }],
                },
            ],
        },
        "Service": "loans", "Type": "BookRequested", "Handled": 2, "Age": [12, 1500], "ColdStarts": 1, "SinceCreated": 3,
    });
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), expected);
    metrics.observe(None, &ENDED);
    assert_eq!(lines.take(), [""; 0], "an invocation that has come to nothing has no line");
}

#[test]
fn each_fate_of_a_message_has_its_own_metric() {
    let (down, wrong) = (Failure::unavailable("down"), Failure::transient("too early"));
    let put_back = |kind| Observation::PutBack { kind, hidden_seconds: 1 };
    for (observation, names) in [
        (handled(Handled::Changed, 5), &["Handled", "Age"][..]),
        (handled(Handled::Performed, 5), &["Handled", "Age"]),
        (handled(Handled::Unchanged, 5), &["Handled", "Age"]),
        (handled(Handled::Duplicate, 5), &["Duplicates"]),
        (handled(Handled::Ignored, 5), &["Ignored"]),
        (Observation::Failed(&down), &["Unreachable"]),
        (Observation::Failed(&wrong), &[]),
        (put_back(FailureKind::Transient), &["Retried"]),
        (put_back(FailureKind::Misconfigured), &["Retried"]),
        (put_back(FailureKind::Deferred), &["Deferred"]),
        (Observation::Parked { retryable: true }, &["Parked"]),
        (Observation::NotParked(&wrong), &[]),
        (Observation::LostRace, &["LostRaces"]),
        (Observation::Conflict, &["Conflicts"]),
        (Observation::Short, &[]),
        (Observation::Committed { since_created: None }, &[]),
        (Observation::NotPublished { failure: &down, count: 3 }, &[]),
        (Observation::Published { count: 0, delays: &[] }, &[]),
    ] {
        let (metrics, lines) = metrics(settings());
        metrics.observe(Some("BookRequested"), &observation);
        metrics.observe(None, &ENDED);
        let found: Vec<_> = series(&lines.take()).into_keys().collect();
        let mut expected: Vec<_> = names
            .iter()
            .flat_map(|name| [vec!["loans"], vec!["loans", "BookRequested"]].map(|dimensions| (*name, dimensions)))
            .map(|(name, dimensions)| (name.to_owned(), dimensions.into_iter().map(str::to_owned).collect::<Vec<_>>()))
            .collect();
        expected.sort();
        assert_eq!(found, expected, "{observation:?}");
    }
}

#[test]
fn what_a_relay_does_is_of_its_service_and_no_line_has_more_than_a_hundred_values() {
    let (metrics, lines) = metrics(settings());
    let delays: Vec<Duration> = (0..250).map(Duration::from_millis).collect();
    metrics.observe(None, &Observation::Published { count: 260, delays: &delays });
    metrics.observe(None, &Observation::Discarded(&Failure::permanent("not understood")));
    metrics.observe(None, &ENDED);
    let lines = lines.take();
    assert_eq!(lines.len(), 3);
    let found = series(&lines);
    let of = |name: &str| found[&(name.to_owned(), vec!["loans".to_owned()])].clone();
    assert_eq!((of("Published"), of("Discarded"), found.len()), (vec![260.0], vec![1.0], 3));
    assert_eq!(of("PublishDelay"), (0..250).map(f64::from).collect::<Vec<_>>());
}

#[test]
fn types_are_told_apart_and_too_many_of_them_are_not() {
    let (metrics, lines) = metrics(settings());
    for number in 0..MAX_TYPES + 10 {
        metrics.observe(Some(&format!("Type{number}")), &handled(Handled::Ignored, 0));
    }
    metrics.observe(None, &ENDED);
    let found = series(&lines.take());
    assert_eq!(found.len(), MAX_TYPES + 1, "one for each of the types, and that of the service");
    let of_all = &found[&("Ignored".to_owned(), vec!["loans".to_owned()])];
    assert!((of_all.iter().sum::<f64>() - 42.0).abs() < 0.1, "all are counted for the service: {of_all:?}");
}

#[test]
fn measurements_of_an_application_have_the_dimensions_that_it_says() {
    let (metrics, lines) = metrics(settings());
    let measures = [
        Measure { name: "Waiting", unit: Unit::Count, value: 0.0 },
        Measure { name: "Share", unit: Unit::None, value: 0.25 },
    ];
    metrics.observe(None, &Observation::Measured { dimensions: &[], measures: &measures });
    let dimensions = &[("Shelf", "upper")];
    metrics.observe(None, &Observation::Measured { dimensions, measures: &measures[..1] });
    let lines = lines.take();
    assert!(lines[0].contains(r#""Dimensions":[[]]"#) && lines[0].contains(r#"{"Name":"Share"}"#), "{lines:?}");
    let expected = [
        (("Share".to_owned(), vec![]), vec![0.25]),
        (("Waiting".to_owned(), vec![]), vec![0.0]),
        (("Waiting".to_owned(), vec!["upper".to_owned()]), vec![0.0]),
    ];
    assert_eq!(series(&lines), expected.into());
}

#[test]
fn a_line_passes_where_lambda_drops_those_of_a_lower_level() {
    for (level, told) in [("DEBUG", None), ("INFO", None), ("WARN", Some("WARN")), ("ERROR", Some("ERROR"))] {
        let environment = Environment::new(move |name| match name {
            "METRICS_NAMESPACE" => Some("library".to_owned()),
            "AWS_LAMBDA_FUNCTION_NAME" => Some("loans".to_owned()),
            "AWS_LAMBDA_LOG_LEVEL" => Some(level.to_owned()),
            _ => None,
        });
        let read = MetricsSettings::read(&environment).unwrap();
        assert_eq!(read, MetricsSettings { level: told.map(str::to_owned), ..settings() });
        let (metrics, lines) = metrics(read);
        metrics.observe(None, &Observation::Ended { cold_start: true });
        let line: Value = serde_json::from_str(&lines.take()[0]).unwrap();
        let time = told.map(|_| "2026-01-01T00:00:00.000Z");
        assert_eq!((line["level"].as_str(), line["timestamp"].as_str()), (told, time));
    }
}

#[test]
fn without_a_namespace_there_are_no_metrics() {
    for namespace in [None, Some("")] {
        let environment = Environment::new(move |name| match name {
            "METRICS_NAMESPACE" => namespace.map(str::to_owned),
            _ => Some("x".to_owned()),
        });
        assert_eq!(MetricsSettings::read(&environment), None);
    }
}

#[test]
fn functions_that_share_a_thread_have_observers_of_their_own() {
    struct Count(Cell<u32>);

    impl Observe for Count {
        fn observe(&self, _: Option<&str>, _: &Observation<'_>) {
            self.0.set(self.0.get() + 1);
        }
    }

    let [of_thread, one, other] = [(); 3].map(|()| Rc::new(Count(Cell::new(0))));
    let work = |times: u32| async move {
        for _ in 0..times {
            observe(None, &Observation::LostRace);
            let mut is_second = false;
            std::future::poll_fn(|task| {
                task.waker().wake_by_ref();
                if std::mem::replace(&mut is_second, true) {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            })
            .await;
        }
    };
    set_observer(Some(Rc::clone(&of_thread) as _));
    let (one_works, other_works) = (observed_by(one.clone(), work(2)), observed_by(other.clone(), work(3)));
    block_on(futures::future::join3(one_works, other_works, work(1)));
    set_observer(None);
    observe(None, &Observation::LostRace);
    assert_eq!([of_thread, one, other].map(|count| count.0.get()), [1, 2, 3]);
    assert_eq!(work(1).now_or_never(), None, "each pauses in between");
}
