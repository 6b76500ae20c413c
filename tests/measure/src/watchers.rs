//! So many who watch the events of all orders, and what one event takes until the last of them has it.
//!
//! ```text
//!   each connects, says who they are, subscribes ──► live ──► rows of the watches
//!   one event ──► journal ──► page of the feed ──► live-push, one invocation after the other ──► a post to each
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use orderflow_tests::{Tally, to_f64};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::aws::{Aws, Post, Tables};
use crate::feed::{self, FeedError, Starter, named};
use crate::payload;
use crate::process::{Launch, Process, own_cpu_ms};
use crate::report::{short, table, tenths};
use crate::sign_in;
use crate::stack::{Function, Stack, Trigger};

/// Most connections: so many may watch the events of all orders.
pub(crate) const MOST: u32 = 10_000;

/// Events that are told, one after the other: at the first the function opens its connections.
const EVENTS: [&str; 2] = ["the first", "the second"];

/// Most invocations for one event. Each tells as many as it has the time for.
const INVOCATIONS: u32 = 50;

/// The event, but for its id.
const EVENT: &str = include_str!("../../../shared/events/golden/PaymentProcessed.1.json");

const QUERY: &str = "subscription { events { cursor type subject } }";

const LIVE: &str = "live";
const LIVE_PUSH: &str = "live-push";
const JOURNAL: &str = "journal";

/// The variable that tells where the connections of the API are.
const CONNECTIONS_URL: &str = "CONNECTIONS_URL";

type Result<T> = std::result::Result<T, FeedError>;

/// Figures of one event.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    name: &'static str,
    watchers: u32,
    invocations: u32,
    calls: Tally,
    /// From the first invocation until the last post has come.
    until_last: Duration,
    /// From the first invocation until the last has been answered.
    until_answered: Duration,
    cpu_ms: f64,
    /// CPU time of this program meanwhile, whose stubs may be what the function waits for.
    stub_cpu_ms: f64,
    resident_mb: f64,
}

/// Has so many watch, and tells them some events, while AWS takes that long for each answer. While they join it takes none.
pub(crate) async fn measure(
    aws: &Aws,
    stack: &Stack,
    start: Starter<'_>,
    watchers: u32,
    latency: Duration,
) -> Result<Vec<Told>> {
    aws.restore(Tables::new(stack.tables.clone()));
    aws.set_latency(Duration::ZERO);
    let launch = |binary| Ok::<Launch, FeedError>(connected(start(named(stack, binary)?), aws.endpoint()));
    let mut live = Process::start(&launch(LIVE)?).await?;
    for number in 0..watchers {
        join(aws, &mut live, &connection(number)).await?;
    }
    live.stop().await;
    expect_each(&aws.take_posts(), watchers, "connection_ack").map_err(|fault| unwell(LIVE, fault))?;

    let mut journal = Process::start(&launch(JOURNAL)?).await?;
    let mut push = Process::start(&launch(LIVE_PUSH)?).await?;
    let mut told = Vec::new();
    for (number, name) in EVENTS.into_iter().enumerate() {
        let page = happen(aws, stack, &mut journal, number).await?;
        aws.set_latency(latency);
        let (tally, cpu_ms, stub_cpu_ms, begun) = (aws.tally(), push.cpu_ms(), own_cpu_ms(), Instant::now());
        let invocations = push.invoke_until_handled(&page, INVOCATIONS).await?;
        let until_answered = begun.elapsed();
        let (cpu_ms, stub_cpu_ms) = (push.cpu_ms() - cpu_ms, own_cpu_ms() - stub_cpu_ms);
        aws.set_latency(Duration::ZERO);
        feed::expect_no_fault(aws, LIVE_PUSH)?;
        let posts = aws.take_posts();
        expect_each(&posts, watchers, "next").map_err(|fault| unwell(LIVE_PUSH, fault))?;
        let last = posts.iter().map(|post| post.at).max().unwrap_or(begun);
        told.push(Told {
            name,
            watchers,
            invocations,
            calls: aws.tally().since(&tally),
            until_last: last - begun,
            until_answered,
            cpu_ms,
            stub_cpu_ms,
            resident_mb: push.resident_mb(),
        });
    }
    journal.stop().await;
    push.stop().await;
    Ok(told)
}

/// The tables, and what one needs to know of them.
pub(crate) fn tables(told: &[Told]) -> String {
    let times = told.iter().map(|one| {
        vec![
            one.name.to_owned(),
            one.invocations.to_string(),
            milliseconds(one.until_last),
            milliseconds(one.until_answered),
            tenths(one.cpu_ms),
            format!("{:.3}", one.cpu_ms / f64::from(one.watchers.max(1))),
            tenths(one.stub_cpu_ms),
            tenths(one.resident_mb),
        ]
    });
    let head = [
        "event",
        "invocations",
        "ms to the last post",
        "ms to the answer",
        "CPU ms",
        "CPU ms a watcher",
        "CPU ms of the stubs",
        "RSS MB after it",
    ];
    let calls = told.iter().map(|one| {
        let kinds: Vec<String> = one.calls.calls.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        vec![
            one.name.to_owned(),
            one.calls.total().to_string(),
            short(to_f64(one.calls.total()) / f64::from(one.watchers.max(1))),
            kinds.join(", "),
            short(one.calls.units.read),
            short(one.calls.units.write),
            one.calls.retries.to_string(),
        ]
    });
    let calls = table(&["event", "calls", "a watcher", "of which", "RRU", "WRU", "repeated by the SDK"], calls);
    format!(
        "One process of live-push, one invocation after the other, as of the one shard that a page of the feed is in. \
         What has failed, for want of time, is tried again at once by the same record.\n\n{}\n{calls}",
        table(&head, times)
    )
}

fn milliseconds(time: Duration) -> String {
    format!("{:.0}", time.as_secs_f64() * 1_000.0)
}

/// The same function, if it speaks to connections, with the endpoint for the API that has them.
fn connected(mut launch: Launch, endpoint: &str) -> Launch {
    if let Some(url) = launch.variables.get_mut(CONNECTIONS_URL) {
        *url = format!("{endpoint}/1a2b3c4d5e/dev");
    }
    launch
}

/// Name of a connection, as long as those of API Gateway.
fn connection(number: u32) -> String {
    format!("W{number:015}")
}

/// A client connects, says who they are, and watches the events of all orders.
async fn join(aws: &Aws, live: &mut Process, connection: &str) -> Result<()> {
    let init = json!({"type": "connection_init", "payload": {"token": sign_in::token()}});
    let subscribe = json!({"id": "1", "type": "subscribe", "payload": {"query": QUERY}});
    for message in [None, Some(&init), Some(&subscribe)] {
        live.invoke(&payload::web_socket(connection, message)).await?;
        feed::expect_no_fault(aws, LIVE)?;
    }
    Ok(())
}

/// An event is put on record: what the stream of the feed says of it to the function that tells.
async fn happen(aws: &Aws, stack: &Stack, journal: &mut Process, number: usize) -> Result<Bytes> {
    let Trigger::Queue(queue) = &named(stack, JOURNAL)?.trigger else { return Err(FeedError::Absent(JOURNAL)) };
    let event = event(number);
    drop(aws.take_changes());
    let message = payload::message(queue, number, &event, &event.to_string());
    journal.invoke(&payload::batch(&[message])).await?;
    feed::expect_no_fault(aws, JOURNAL)?;
    let push: &Function = named(stack, LIVE_PUSH)?;
    let changes = aws.take_changes();
    let records = changes.iter().map(|change| (change, payload::stream_record(change, number)));
    let records = records.filter(|(change, record)| push.hears(&change.table, record)).map(|(_, record)| record);
    let records: Vec<Value> = records.collect();
    if records.is_empty() {
        return Err(unwell(JOURNAL, "it lists no event in the feed".to_owned()));
    }
    Ok(payload::batch(&records))
}

fn event(number: usize) -> Value {
    let mut event: Value = serde_json::from_str(EVENT).unwrap_or_default();
    event["id"] = format!("01a21364-19d0-73b5-be5f-{number:012x}").into();
    event
}

/// Checks that each connection has got one message of that type, and nothing else.
fn expect_each(posts: &[Post], watchers: u32, kind: &str) -> std::result::Result<(), String> {
    let mut got = BTreeMap::<&str, u32>::new();
    for Post { connection, text, .. } in posts {
        let message: Value = serde_json::from_slice(text).unwrap_or_default();
        // What GraphQL cannot answer is a `next`, too.
        if message["type"] != kind || !message["payload"]["errors"].is_null() {
            return Err(format!("{connection} was told {message}"));
        }
        *got.entry(connection).or_default() += 1;
    }
    for number in 0..watchers {
        let connection = connection(number);
        let count = got.get(connection.as_str()).copied().unwrap_or(0);
        if count != 1 {
            return Err(format!("{connection} was told {count} times, and not once"));
        }
    }
    Ok(())
}

fn unwell(name: &str, fault: String) -> FeedError {
    FeedError::Unwell { name: name.to_owned(), fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(number: u32, kind: &str) -> Post {
        let text = Bytes::from(json!({"type": kind}).to_string());
        Post { connection: connection(number), text, at: Instant::now() }
    }

    #[test]
    fn each_who_watches_has_to_be_told_once_and_nothing_else() {
        for (posts, fault) in [
            (vec![post(1, "next"), post(0, "next")], ""),
            (vec![post(0, "next")], "W000000000000001 was told 0 times, and not once"),
            (
                vec![post(0, "next"), post(1, "next"), post(0, "next")],
                "W000000000000000 was told 2 times, and not once",
            ),
            (vec![post(0, "next"), post(1, "error")], r#"W000000000000001 was told {"type":"error"}"#),
            (
                vec![Post {
                    text: Bytes::from_static(br#"{"payload":{"errors":[{}]},"type":"next"}"#),
                    ..post(0, "next")
                }],
                r#"W000000000000000 was told {"payload":{"errors":[{}]},"type":"next"}"#,
            ),
        ] {
            assert_eq!(expect_each(&posts, 2, "next").err().unwrap_or_default(), fault);
        }
    }

    #[test]
    fn events_differ_by_their_ids() {
        let [first, second] = [event(0), event(1)];
        assert_eq!(first["type"], "PaymentProcessed");
        assert_ne!(first["id"], second["id"]);
        assert_eq!(first["data"], second["data"]);
    }

    #[test]
    fn calls_and_times_are_shown_for_all_and_for_each() {
        let calls = [("PostToConnection", 10), ("Query", 5), ("UpdateItem", 20)];
        let calls = calls.map(|(name, count)| (name.to_owned(), count)).into();
        let one = Told {
            name: "the first",
            watchers: 10,
            invocations: 2,
            calls: Tally { calls, ..Tally::default() },
            until_last: Duration::from_millis(1_500),
            until_answered: Duration::from_millis(1_600),
            cpu_ms: 12.0,
            stub_cpu_ms: 9.0,
            resident_mb: 14.5,
        };
        let text = tables(&[one]);
        let columns =
            |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| the first")).map(columns).collect();
        assert_eq!(rows[0], ["the first", "2", "1500", "1600", "12.0", "1.200", "9.0", "14.5"]);
        assert_eq!(rows[1][1..4], ["35", "3.5", "PostToConnection 10, Query 5, UpdateItem 20"]);
    }
}
