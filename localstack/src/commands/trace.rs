//! `cargo local trace`: an order's traces as a waterfall, one below the other.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::{fmt, fs};

use anstyle::Style;

use crate::emulator::collector::Span;
use crate::terminal::colours::Colours;
use crate::terminal::stranger::shown;
use crate::terminal::style::{bad, faint, styled};

/// Columns of the picture of time.
const COLUMNS: u64 = 40;

/// Attribute of a span by which an order is found.
const SUBJECT: &str = "cloudevents.event_subject";

/// Attribute of the processing of a message: the time in milliseconds at which SQS first handed it out.
const FIRST_RECEIVED: &str = "aws.sqs.first_receive_timestamp";

/// Shortest time that a message is told to have been in a batching window: what is shorter is Lambda's own.
const WORTH_TELLING_NS: u64 = 200_000_000;

/// Failure to show a trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Nobody collects the spans of the stack.
    #[error("the stack has no traces: start it with --trace ({0})")]
    NoSpans(io::Error),
    /// No span is about the order.
    #[error("there is no trace of {0} yet")]
    Unknown(String),
    /// Standard output is closed.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Shows the trace of an order, from the spans in a collector's file.
pub(crate) fn show(order: &str, file: &Path) -> Result<(), TraceError> {
    let mut stdout = anstream::stdout();
    for line in drawn(order, file)? {
        writeln!(stdout, "{line}")?;
    }
    Ok(())
}

/// The lines by which `cargo local trace` shows the trace of an order, without their colours: of the spans in a file as a
/// [`Collector`](crate::Collector) keeps it.
///
/// # Errors
///
/// There is no such file, or no span of the order in it.
pub fn waterfall(order: &str, file: &Path) -> Result<Vec<String>, TraceError> {
    let plain = |line: &String| anstream::adapter::strip_str(line).to_string();
    Ok(drawn(order, file)?.iter().map(plain).collect())
}

fn drawn(order: &str, file: &Path) -> Result<Vec<String>, TraceError> {
    let lines = BufReader::new(fs::File::open(file).map_err(TraceError::NoSpans)?).lines();
    // The last line may be on its way.
    let spans = lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok());
    let pictures = pictures(order, spans.collect());
    if pictures.is_empty() {
        return Err(TraceError::Unknown(shown(order)));
    }
    Ok(draw(&pictures))
}

/// A span in its place of the waterfall.
#[derive(Debug)]
struct Row {
    span: Span,
    depth: usize,
    wait: Option<Wait>,
}

/// Time before a span in which nobody was at work on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wait {
    reason: Reason,
    since_ns: u64,
    /// Time of it in which Lambda had the message and gathered others: the batching window.
    gathering_ns: u64,
}

/// Reason of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// From the commit until the relay has the row.
    Stream,
    /// From the publication until a function has the message: the queue, and its batching window.
    Queue,
    /// From a failure until the next attempt.
    BackOff,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream => "in the stream",
            Self::Queue => "in the queue",
            Self::BackOff => "of back-off",
        })
    }
}

/// The traces in which the order is, and those that are linked to them, such as that of a request of days later: the rows of
/// each, in the order of their beginnings.
fn pictures(order: &str, spans: Vec<Span>) -> Vec<Vec<Row>> {
    let mut by_trace: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for span in spans {
        by_trace.entry(span.trace.clone()).or_default().push(span);
    }
    let is_in = |span: &Span| span.attributes.get(SUBJECT).is_some_and(|subject| subject == order);
    let is_own = |(_, spans): &(&String, &Vec<Span>)| spans.iter().any(is_in);
    let own: BTreeSet<String> = by_trace.iter().filter(is_own).map(|(trace, _)| trace.clone()).collect();
    let is_linked = |span: &Span| own.contains(&span.trace) || span.links.iter().any(|(trace, _)| own.contains(trace));
    let linked = by_trace.into_values().filter(|spans| spans.iter().any(is_linked));
    let mut pictures: Vec<Vec<Row>> = linked.map(|spans| rows(order, spans)).filter(|rows| !rows.is_empty()).collect();
    pictures.sort_by_key(|rows| begin(rows));
    pictures
}

/// Beginning of what is shown, in nanoseconds since 1970.
fn begin(rows: &[Row]) -> u64 {
    rows.iter().map(|row| row.span.start_ns).min().unwrap_or_default()
}

/// The spans of one trace, those of each parent below it, in the order of their beginnings. What is about another order, as in
/// a request about several, is left out with all that is below it.
fn rows(order: &str, spans: Vec<Span>) -> Vec<Row> {
    let is_of_another = |span: &Span| span.attributes.get(SUBJECT).is_some_and(|subject| subject != order);
    let ids: BTreeSet<String> = spans.iter().map(|span| span.id.clone()).collect();
    let mut below: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for span in spans {
        // What hangs on a span that nobody has sent stands at the edge.
        let parent = if ids.contains(&span.parent) { span.parent.clone() } else { String::new() };
        if is_of_another(&span) {
            continue;
        }
        below.entry(parent).or_default().push(span);
    }
    for siblings in below.values_mut() {
        siblings.sort_by_key(|span| span.start_ns);
    }
    let mut rows = Vec::new();
    add(&mut rows, &mut below, None, 0);
    rows
}

fn add(rows: &mut Vec<Row>, below: &mut BTreeMap<String, Vec<Span>>, parent: Option<&Span>, depth: usize) {
    let siblings = below.remove(parent.map_or("", |parent| parent.id.as_str())).unwrap_or_default();
    for (index, span) in siblings.iter().enumerate() {
        let wait = parent.and_then(|parent| wait(parent, &siblings[..index], span));
        rows.push(Row { span: span.clone(), depth, wait });
        add(rows, below, Some(span), depth + 1);
    }
}

/// The wait before a span that hears of an event, or publishes it. `before` are those that began earlier below the same.
fn wait(parent: &Span, before: &[Span], span: &Span) -> Option<Wait> {
    let is_processing = |span: &Span| span.name.starts_with("process");
    let (reason, since_ns) = if span.name.starts_with("send") {
        (Reason::Stream, parent.end_ns)
    } else if is_processing(span) {
        let mut attempts = before.iter().filter(|other| is_processing(other) && other.service == span.service);
        let sent = before.iter().find(|other| other.name.starts_with("send"));
        match attempts.next_back() {
            Some(failed) => (Reason::BackOff, failed.end_ns),
            None => (Reason::Queue, sent.map_or(parent.end_ns, |sent| sent.end_ns)),
        }
    } else {
        return None;
    };
    let gathering_ns = if reason == Reason::Queue { gathered(span) } else { 0 };
    (since_ns < span.start_ns).then_some(Wait { reason, since_ns, gathering_ns })
}

/// Time from when SQS handed out the message until its function began, if it is worth to be told.
fn gathered(span: &Span) -> u64 {
    let received_ms = span.attributes.get(FIRST_RECEIVED).and_then(|at| at.parse::<u64>().ok());
    let gathered_ns = received_ms.map(|at| span.start_ns.saturating_sub(at.saturating_mul(1_000_000)));
    gathered_ns.filter(|gathered_ns| *gathered_ns >= WORTH_TELLING_NS).unwrap_or_default()
}

/// Lines of the pictures. Each has a time of its own, for between them may be days.
fn draw(pictures: &[Vec<Row>]) -> Vec<String> {
    let services = pictures.iter().flatten().map(|row| row.span.service.chars().count());
    let (mut colours, width) = (Colours::default(), services.max().unwrap_or_default());
    let first = pictures.first().map_or(0, |rows| begin(rows));
    let mut lines = Vec::new();
    for (index, rows) in pictures.iter().enumerate() {
        if index > 0 {
            lines.push(faint(format!("{} later, in a trace of its own:", long(begin(rows) - first))));
        }
        lines.extend(draw_one(rows, width, &mut colours));
    }
    lines
}

fn draw_one(rows: &[Row], service_width: usize, colours: &mut Colours) -> Vec<String> {
    let begin = begin(rows);
    let end = rows.iter().map(|row| row.span.end_ns).max().unwrap_or_default();
    let column = |at: u64| usize::try_from((at - begin) * COLUMNS / (end - begin).max(1)).unwrap_or_default();
    let line = |Row { span, depth, wait }: &Row| {
        let colour = colours.of(family(&span.service));
        let (from, to) = (column(span.start_ns), column(span.end_ns));
        let waited = wait.map_or(from, |wait| column(wait.since_ns.max(begin)));
        let bar = bar(colour, [waited, from, to]);
        let at = format!("{:>9}", duration(span.start_ns - begin));
        let service = styled(colour, format!("{:<service_width$}", shown(&span.service)));
        let name = format!("{}{}", "  ".repeat(*depth), shown(&span.name));
        let took = faint(duration(span.end_ns.saturating_sub(span.start_ns)));
        let wait = wait.map(|wait| told(&wait, span));
        let error = span.error.as_deref().map(|reason| format!("  {}", bad(shown(reason)))).unwrap_or_default();
        format!("{}  {bar}  {service}  {name}  {took}{}{error}", faint(at), faint(wait.unwrap_or_default()))
    };
    rows.iter().map(line).collect()
}

/// A wait before a span, and how much of it was the batching window.
fn told(wait: &Wait, span: &Span) -> String {
    let window = match wait.gathering_ns {
        0 => String::new(),
        gathering_ns => format!(", {} of it the batching window", duration(gathering_ns)),
    };
    format!("  after {} {}{window}", duration(span.start_ns - wait.since_ns), wait.reason)
}

/// A span's place in time: dots while it waited, blocks while it worked.
fn bar(colour: Style, [waited, from, to]: [usize; 3]) -> String {
    let width = usize::try_from(COLUMNS).unwrap_or_default() + 1;
    let (dots, blocks) = (from.saturating_sub(waited), (to - from).max(1));
    let rest = width.saturating_sub(waited.min(from) + dots + blocks);
    let (dots, blocks) = (faint("·".repeat(dots)), styled(colour, "█".repeat(blocks)));
    format!("{}{dots}{blocks}{}", " ".repeat(waited.min(from)), " ".repeat(rest))
}

/// The service that a function is of: `orders` of `orders-api` and `orders-relay`.
fn family(service: &str) -> &str {
    service.trim_end_matches("-relay").trim_end_matches("-api")
}

/// `0.4 ms`, `12 ms`, `2.1 s`.
fn duration(ns: u64) -> String {
    match ns / 1_000 {
        micros @ 0..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        micros @ 10_000..1_000_000 => format!("{} ms", micros / 1_000),
        micros => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

/// `12 s`, `3 min`, `2 h 14 min`, `3 d 1 h`.
fn long(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{minutes} min"),
        3_600..86_400 => format!("{hours} h {} min", minutes % 60),
        86_400.. => format!("{} d {} h", hours / 24, hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(service: &str, [id, parent]: [&str; 2], name: &str, [start, end]: [u64; 2]) -> Span {
        Span {
            service: service.to_owned(),
            trace: "t".to_owned(),
            id: id.to_owned(),
            parent: parent.to_owned(),
            links: Vec::new(),
            name: name.to_owned(),
            kind: 0,
            start_ns: start * 1_000_000,
            end_ns: end * 1_000_000,
            attributes: BTreeMap::new(),
            events: Vec::new(),
            error: None,
        }
    }

    #[test]
    fn an_order_is_a_waterfall_with_its_waits() {
        let about = BTreeMap::from([(SUBJECT.to_owned(), "ord_1".to_owned())]);
        let failed =
            Span { error: Some("no answer".to_owned()), ..span("payment", ["4", "2"], "process payment", [40, 50]) };
        let spans = vec![
            span("payment", ["5", "2"], "process payment", [90, 100]),
            failed,
            span("orders-relay", ["3", "2"], "send events", [20, 30]),
            Span { attributes: about, ..span("orders-api", ["2", "1"], "create OrderCreated", [5, 10]) },
            span("orders-api", ["1", ""], "POST /orders", [0, 10]),
            Span { trace: "another".to_owned(), ..span("orders-api", ["9", ""], "POST /orders", [0, 10]) },
        ];
        let lines = picture("ord_1", spans);
        let expected = [
            "   0.0 ms  ████                                       orders-api    POST /orders  10 ms",
            "   5.0 ms    ██                                       orders-api      create OrderCreated  5.0 ms",
            "    20 ms      ····████                               orders-relay      send events  10 ms  after 10 ms in the stream",
            "    40 ms              ····████                       payment           process payment  10 ms  after 10 ms in the queue  no answer",
            "    90 ms                      ················████   payment           process payment  10 ms  after 40 ms of back-off",
        ];
        assert_eq!(lines, expected);
        assert!(pictures("ord_2", Vec::new()).is_empty());
    }

    fn picture(order: &str, spans: Vec<Span>) -> Vec<String> {
        let plain = |line: &String| anstream::adapter::strip_str(line).to_string().trim_end().to_owned();
        draw(&pictures(order, spans)).iter().map(plain).collect()
    }

    #[test]
    fn what_comes_later_is_drawn_below_by_its_link_without_the_orders_of_others() {
        const HOUR: u64 = 3_600_000;
        let about = |order: &str| BTreeMap::from([(SUBJECT.to_owned(), order.to_owned())]);
        let create = |order: &str, ids: [&str; 2], what: &str, times: [u64; 2]| Span {
            attributes: about(order),
            ..span("orders-api", ids, what, times)
        };
        let to_first = vec![("t".to_owned(), "1".to_owned())];
        let later = |span: Span| Span { trace: "later".to_owned(), ..span };
        let revoke = span("orders-api", ["7", ""], "DELETE /orders/{orderId}/access", [26 * HOUR, 26 * HOUR + 4]);
        let spans = vec![
            Span { trace: "last".to_owned(), links: to_first.clone(), ..revoke },
            later(span("orders-api", ["2", ""], "POST /customers/{id}/erase", [2 * HOUR, 2 * HOUR + 40])),
            later(Span {
                links: to_first,
                ..create("ord_1", ["3", "2"], "create PersonalDataErased", [2 * HOUR + 10, 2 * HOUR + 20])
            }),
            later(create("ord_2", ["4", "2"], "create PersonalDataErased", [2 * HOUR + 10, 2 * HOUR + 20])),
            later(span("orders-relay", ["5", "4"], "send events", [2 * HOUR + 30, 2 * HOUR + 40])),
            create("ord_1", ["1", ""], "create OrderCreated", [0, 10]),
            Span { trace: "of another".to_owned(), ..create("ord_2", ["6", ""], "create OrderCreated", [0, 10]) },
        ];
        let expected = [
            "   0.0 ms  ████████████████████████████████████████   orders-api  create OrderCreated  10 ms",
            "2 h 0 min later, in a trace of its own:",
            "   0.0 ms  ████████████████████████████████████████   orders-api  POST /customers/{id}/erase  40 ms",
            "    10 ms            ██████████                       orders-api    create PersonalDataErased  10 ms",
            "1 d 2 h later, in a trace of its own:",
            "   0.0 ms  ████████████████████████████████████████   orders-api  DELETE /orders/{orderId}/access  4.0 ms",
        ];
        assert_eq!(picture("ord_1", spans), expected);
    }

    #[test]
    fn the_batching_window_is_told_apart() {
        let sent = span("orders-relay", ["3", "2"], "send events", [20, 30]);
        let parent = span("orders-api", ["2", ""], "create OrderCreated", [5, 10]);
        for (received, expected) in [
            (Some(100), "  after 5.2 s in the queue, 5.1 s of it the batching window"),
            (Some(5_200), "  after 5.2 s in the queue"),
            (None, "  after 5.2 s in the queue"),
        ] {
            let received = received.map(|at: u64| (FIRST_RECEIVED.to_owned(), at.to_string()));
            let heard = Span {
                attributes: received.into_iter().collect(),
                ..span("journal", ["4", "2"], "process journal", [5_250, 5_260])
            };
            let wait = wait(&parent, std::slice::from_ref(&sent), &heard).unwrap();
            assert_eq!(told(&wait, &heard), expected);
        }
    }

    #[test]
    fn times_are_as_exact_as_they_are_short() {
        assert_eq!([0, 440_000, 12_000_000, 2_140_000_000].map(duration), ["0.0 ms", "0.4 ms", "12 ms", "2.1 s"]);
        let seconds = [59, 60, 3_660, 90_000].map(|seconds: u64| long(seconds * 1_000_000_000));
        assert_eq!(seconds, ["59 s", "1 min", "1 h 1 min", "1 d 1 h"]);
    }
}
