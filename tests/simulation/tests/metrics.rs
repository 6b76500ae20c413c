//! Metrics of the shop: each combination of dimensions is paid for, so that there must be few, however many orders there are.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::rc::Rc;

use onewrite::envelope::Time;
use onewrite::memory::Series;
use onewrite::telemetry::{Metrics, MetricsSettings, Observe};
use orderflow_events::EventType;
use orderflow_registry::SERVICES;
use orderflow_simulation::simulation::{Report, simulate_observed};
use simulator::Plan;

/// Most series of the consumers and the relays when everything goes wrong: 381 with this seed. A month of each costs $0.30.
const MOST_SERIES: usize = 410;

/// Log of all functions.
#[derive(Clone, Default)]
struct Lines(Rc<RefCell<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs a plan, each function with metrics of its own, and answers the lines of all.
fn metered(plan: &Plan) -> (Report, Vec<String>) {
    let lines = Lines::default();
    let functions = RefCell::new(BTreeMap::<&'static str, Box<dyn Observe>>::new());
    let log = lines.clone();
    let report = simulate_observed(
        plan,
        Box::new(move |service, event_type, observation| {
            let mut functions = functions.borrow_mut();
            let metrics = functions.entry(service).or_insert_with(|| {
                let settings =
                    MetricsSettings { namespace: "orderflow".to_owned(), service: service.to_owned(), level: None };
                Box::new(Metrics::new(settings, || Time::from_millis(1_767_225_600_000), log.clone()))
            });
            metrics.observe(event_type, observation);
        }),
    );
    let text = String::from_utf8(lines.0.take()).unwrap_or_else(|error| panic!("{error}"));
    (report, text.lines().map(str::to_owned).collect())
}

#[test]
fn a_thousand_orders_have_few_series_and_no_id_is_a_dimension() {
    // While the API is down some give up.
    let plan = Plan::new(7, 1_100);
    let (report, lines) = metered(&plan);
    assert_eq!(report.run.violation, None);
    assert!(report.orders >= 1_000);
    let all = lines.iter().flat_map(|line| Series::of_line(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    let series: BTreeSet<Series> = all.map(|(series, _)| series).collect();
    let services: BTreeSet<&str> = SERVICES.iter().map(|service| service.name).chain(["intake"]).collect();
    let types: BTreeSet<&str> = EventType::ALL.iter().map(|known| known.as_str()).collect();
    for Series { dimensions, .. } in &series {
        for (name, value) in dimensions {
            match name.as_str() {
                "Service" => assert!(services.contains(value.as_str()), "{value}"),
                "Type" => assert!(types.contains(value.as_str()), "{value}"),
                "Channel" => assert!(["email", "sms"].contains(&value.as_str()), "{value}"),
                other => panic!("{other} is a dimension"),
            }
        }
    }
    println!(
        "{} series, {} lines of {} bytes",
        series.len(),
        lines.len(),
        lines.iter().map(String::len).sum::<usize>()
    );
    assert!(series.len() <= MOST_SERIES, "{} series", series.len());
    let told = format!("at most {MOST_SERIES} of consumers and relays");
    assert!(include_str!("../../../docs/aws.md").contains(&told), "docs/aws.md reckons with another number");
}
