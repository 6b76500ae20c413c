//! Those who have events posted to them, whatever goes wrong at any call: each is posted what it wants, at least once.

use std::time::Duration;

use orderflow_simulation::customers::Script;
use orderflow_simulation::simulation::{simulate_pushed, simulate_pushed_script};
use orderflow_simulation::webhooks::{Partner, Pushed};
use simulator::{FaultKind, FaultKinds, Plan, PlannedFault, Trace};

const KINDS: [FaultKind; 5] =
    [FaultKind::CrashBefore, FaultKind::CrashAfter, FaultKind::Refused, FaultKind::Lost, FaultKind::Late];

/// One for whom order counts, and one that is down for some minutes.
const OF_A_SCRIPT: [Partner; 2] = [Partner::IN_ORDER, Partner::down(Duration::from_mins(10))];

#[test]
fn nobody_misses_what_is_posted_wherever_a_function_dies() {
    let run = |planned, trace| simulate_pushed_script(Script::SHIPPED, &OF_A_SCRIPT, planned, trace);
    let (well, pushed) = run(None, Trace::default());
    assert_eq!(well.run.violation, None);
    println!("{} calls, {} posts", well.run.calls, pushed.latencies.len() as u64 + pushed.again);
    let (mut runs, mut again) = (0, 0);
    for kind in KINDS {
        for call in 0..well.run.calls {
            let planned = Some(PlannedFault { call, kind });
            let (report, pushed) = run(planned, Trace::default());
            if let Some(violation) = report.run.violation {
                let trace = violation.subject.as_deref().map_or_else(Trace::of_none, Trace::of);
                panic!("{kind} at call {call}: {}\n{}", violation.what, run(planned, trace).0.run.trace);
            }
            assert_eq!(pushed.given_up, 0, "{kind} at call {call}");
            runs += 1;
            again += pushed.again;
        }
    }
    println!("{runs} places and faults, {again} events that arrived again");
    assert!(runs > 1_000 && again > runs, "{runs} places and faults only, {again} arrived again");
}

#[test]
fn nobody_misses_what_is_posted_of_many_orders_under_all_faults() {
    let (mut orders, mut events, mut again, mut given_up, mut dead, mut mails, mut overtaken) = (0, 0, 0, 0, 0, 0, 0);
    for seed in 0..16 {
        let plan = Plan::new(seed, 20);
        let (report, pushed) = simulate_pushed(&plan, &Partner::OF_A_SHOP, Trace::default());
        if let Some(violation) = report.run.violation {
            let trace = violation.subject.as_deref().map_or_else(Trace::of_none, Trace::of);
            let (shown, _) = simulate_pushed(&plan, &Partner::OF_A_SHOP, trace);
            panic!("seed {seed}: {}\n{}", violation.what, shown.run.trace);
        }
        orders += report.orders;
        events += pushed.latencies.len();
        again += pushed.again;
        given_up += pushed.given_up;
        dead += pushed.dead;
        mails += pushed.mails;
        overtaken += pushed.overtaken;
    }
    println!("{orders} orders, {events} events posted, {again} again; {given_up} given up");
    println!("{overtaken} overtaken on their way to the feed");
    println!("{dead} webhooks dead, of which {mails} mails tell");
    assert!(orders > 200 && events > 2_000 && again > 500 && dead > 8, "{orders}, {events}, {again}, {dead}");
}

#[test]
fn an_owner_is_told_of_an_outage_once_however_many_events_there_are() {
    let plan = Plan { kinds: FaultKinds::NONE, ..Plan::new(1, 20) };
    let (report, pushed) = simulate_pushed(&plan, &[Partner::DEAD, Partner::DEAD], Trace::default());
    assert_eq!(report.run.violation, None);
    assert_eq!((pushed.dead, pushed.mails), (2, 2));
}

/// Of virtual time in which an event is listed until it arrives, what 99 in a hundred do not exceed, in milliseconds.
fn p99_ms(pushed: &Pushed, is_meant: impl Fn(&str) -> bool) -> u128 {
    let meant = pushed.latencies.iter().filter(|(url, _)| is_meant(url));
    let mut latencies: Vec<u128> = meant.map(|(_, latency)| latency.as_millis()).collect();
    latencies.sort_unstable();
    assert!(latencies.len() > 20_000, "{} events", latencies.len());
    latencies[latencies.len() * 99 / 100]
}

/// Runs of which each is another few hundred events: of fewer the slowest in a hundred are a matter of chance.
const SEEDS: u64 = 20;

#[test]
fn one_of_a_hundred_that_hangs_delays_no_other() {
    let run = |partners: &[Partner]| {
        let mut all = Pushed::default();
        for seed in 0..SEEDS {
            let plan = Plan { kinds: FaultKinds::NONE, ..Plan::new(seed, 15) };
            let (report, pushed) = simulate_pushed(&plan, partners, Trace::default());
            assert_eq!(report.run.violation, None);
            all.latencies.extend(pushed.latencies);
            all.again += pushed.again;
        }
        all
    };
    let is_other = |url: &str| url != "https://partner-0.example/0";
    let well = p99_ms(&run(&[Partner::READY; 100]), is_other);
    let mut partners = [Partner::READY; 100];
    partners[0] = Partner::HANGING;
    let pushed = run(&partners);
    let beside = p99_ms(&pushed, is_other);
    println!("99 in 100 events arrive within {well} ms, and within {beside} ms where one of 100 receivers hangs");
    assert!(pushed.again > 0 && beside * 10 <= well * 11, "{well} ms, and {beside} ms beside one that hangs");
}
