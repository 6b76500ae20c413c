//! `orderctl journal`, `replay` and `reconcile`: what has happened, told again and compared.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use crate::client::Ask;
use crate::commands::job::{Following, begin, dry_run, exit_of};
use crate::commands::{Context, Ended, one_line};
use crate::documents::{Finding, Job, JournalPage};
use crate::error::{Error, Exit};
use crate::moment::{Moment, Seconds};
use crate::show::job::{Kind, whole};
use crate::terminal::note;
use crate::text::{shown, shown_json};

/// Kinds of findings that are a fault of the journal: an event that never reached it, and a number that is missing.
const OF_JOURNAL: [&str; 2] = ["unpublished", "gap"];

/// The record of every event.
#[derive(Debug, Subcommand)]
pub(crate) enum Journal {
    /// Write the entries of the journal, the oldest first, one JSON object {at, event} a line
    Export(Export),
    /// Hold the journal against the services' tables: is every event there, and each producer's count without a gap?
    Verify(Verify),
}

/// Events of the journal.
#[derive(Debug, Args)]
pub(crate) struct Wanted {
    /// From this time on: RFC 3339, or how long ago, such as 2h
    #[arg(long, value_name = "TIME", required_unless_present = "order")]
    from: Option<Moment>,
    /// Up to this time, written likewise [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,
    /// Only events of this order
    #[arg(long)]
    order: Option<String>,
    /// Only events of this type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
}

/// Scope of a reconciliation.
#[derive(Debug, Args)]
pub(crate) struct Scope {
    /// From this time on: RFC 3339, or how long ago, such as 2h [default: 1d]
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// Leave alone what is younger, for it is under way [default: 10m]
    #[arg(long, value_name = "SPAN")]
    older_than: Option<Seconds>,
    /// Age at which an order should have ended [default: that of the stack]
    #[arg(long, value_name = "SPAN")]
    late_after: Option<Seconds>,
}

/// Format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// JSON Lines
    Jsonl,
}

/// Export of the journal.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    wanted: Wanted,
    /// Format of the lines
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// The file, which must not be there yet, unless --after goes on with it [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Go on behind this cursor, which an export that was cut short ends with
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

/// Check of the journal.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    following: Following,
}

/// Comparison of all that the services, the provider and the carrier have on record.
#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// Heal what can be healed, by publishing it again
    #[arg(long)]
    heal: bool,
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    following: Following,
}

/// Events of the journal for one service, once more. Who has handled an event does nothing.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The service
    service: String,
    #[command(flatten)]
    wanted: Wanted,
    /// The most events in a second
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: Option<u32>,
    /// Say how many events it would be, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    following: Following,
}

impl Journal {
    pub(crate) fn run(self, context: &Context) -> Ended {
        match self {
            Self::Export(export) => export.run(context),
            Self::Verify(verify) => verify.run(context),
        }
    }
}

impl Scope {
    fn body(&self) -> Map<String, Value> {
        let seconds = |span: Option<Seconds>| span.map(|Seconds(seconds)| json!(seconds));
        let members = [
            ("from", self.from.map(|at| json!(at.to_string()))),
            ("olderThanSeconds", seconds(self.older_than)),
            ("lateAfterSeconds", seconds(self.late_after)),
        ];
        given(members)
    }
}

/// The members that have a value.
fn given<const N: usize>(members: [(&str, Option<Value>); N]) -> Map<String, Value> {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

impl Export {
    fn run(self, context: &Context) -> Ended {
        let Format::Jsonl = self.format;
        let mut sink = Sink::of(self.output.clone(), self.after.is_some());
        let mut after = self.after.clone();
        let mut count = 0;
        // It stays on the terminal where the command is killed.
        let so_far = ProgressBar::new_spinner();
        loop {
            let page = self.page(context, after.as_ref(), &mut sink);
            let (written, next) = page.map_err(|error| cut_short(error, count, after.as_deref()))?;
            count += written;
            if next.is_none() || next == after {
                break;
            }
            after = next;
            if self.output.is_some() {
                so_far.set_message(written_so_far(count, after.as_deref()));
                so_far.tick();
            }
        }
        so_far.finish_and_clear();
        note(&format!("{count} entries."));
        Ok(Exit::Done)
    }

    /// Writes a page; answers how many entries it has, and the cursor behind it.
    fn page(
        &self,
        context: &Context,
        after: Option<&String>,
        sink: &mut Sink,
    ) -> Result<(usize, Option<String>), Error> {
        let ask = Ask::get(&["operations", "journal"])
            .with("order", self.wanted.order.as_ref())
            .with("type", self.wanted.event_type.as_ref())
            .with("from", self.wanted.from)
            .with("to", self.wanted.to)
            .with("after", after);
        let page: JournalPage = context.api.ask(&ask)?.read()?;
        let lines: String = page.entries.iter().map(|entry| one_line(&shown_json(entry.get())) + "\n").collect();
        sink.write(&lines)?;
        Ok((page.entries.len(), page.next))
    }
}

/// The error, with what is there and how to go on.
fn cut_short(error: Error, count: usize, after: Option<&str>) -> Error {
    if error.exit() == Exit::Done {
        return error;
    }
    if after.is_some() { error.with_hint(written_so_far(count, after)) } else { error }
}

fn written_so_far(count: usize, after: Option<&str>) -> String {
    format!("{count} entries are written; go on with --after '{}'", shown(after.unwrap_or_default()))
}

/// File or standard output, which has whole pages at any time.
enum Sink {
    /// Standard output.
    Output,
    /// File that is opened for the first page, so that an export without one leaves none behind. True: it must be there.
    Unopened(PathBuf, bool),
    /// File with all that was written.
    Opened(PathBuf, File),
}

impl Sink {
    fn of(path: Option<PathBuf>, goes_on: bool) -> Self {
        path.map_or(Self::Output, |path| Self::Unopened(path, goes_on))
    }

    fn write(&mut self, lines: &str) -> Result<(), Error> {
        let failed = |path: &PathBuf, source| Error::File { path: path.clone(), source };
        match self {
            Self::Output => {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(lines.as_bytes())?;
                Ok(stdout.flush()?)
            }
            Self::Unopened(path, goes_on) => {
                let file = open(path, *goes_on).map_err(|source| failed(path, source))?;
                *self = Self::Opened(path.clone(), file);
                self.write(lines)
            }
            Self::Opened(path, file) => append(file, lines).map_err(|source| failed(path, source)),
        }
    }
}

fn open(path: &Path, goes_on: bool) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(!goes_on).open(path)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

/// Writes all lines or none: on a full disk half a page may be there, which the cursor does not count.
fn append(file: &mut File, lines: &str) -> io::Result<()> {
    let before = file.stream_position()?;
    let written = file.write_all(lines.as_bytes());
    if written.is_err() {
        file.set_len(before)?;
    }
    written
}

impl Verify {
    fn run(self, context: &Context) -> Ended {
        let body = Value::Object(self.scope.body());
        let ended = begin(context, Kind::Reconciliation, body, self.following)?;
        let Some((answer, mut job)) = ended else { return Ok(Exit::Done) };
        job.findings.retain(is_of_journal);
        context.terminal.answer(&answer.body, || whole(Kind::Reconciliation, &job))?;
        Ok(exit_of(&job))
    }
}

fn is_of_journal(finding: &Finding) -> bool {
    OF_JOURNAL.contains(&finding.kind.as_str())
}

impl Reconcile {
    pub(crate) fn run(self, context: &Context) -> Ended {
        let mut body = self.scope.body();
        if self.heal {
            context.terminal.confirm("Publish again what is missing?")?;
            body.insert("heal".to_owned(), true.into());
        }
        told(context, Kind::Reconciliation, begin(context, Kind::Reconciliation, Value::Object(body), self.following)?)
    }
}

impl Replay {
    pub(crate) fn run(self, context: &Context) -> Ended {
        let body = self.body();
        let (answer, taken) = dry_run(context, Kind::Replay, &body)?;
        let events = taken.total.map_or_else(|| "events".to_owned(), |total| format!("{total} events"));
        if self.dry_run {
            context.terminal.answer(&answer.body, || format!("{events} would be sent to {}.", self.service))?;
            return Ok(Exit::Done);
        }
        context.terminal.confirm(&format!("Send {events} of the journal to {} once more?", self.service))?;
        told(context, Kind::Replay, begin(context, Kind::Replay, body, self.following)?)
    }

    fn body(&self) -> Value {
        let Wanted { from, to, order, event_type } = &self.wanted;
        let time = |at: &Option<Moment>| at.map(|at| json!(at.to_string()));
        let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
        Value::Object(given([
            ("service", Some(json!(self.service))),
            ("from", time(from)),
            ("to", time(to)),
            ("order", text(order)),
            ("type", text(event_type)),
            ("ratePerSecond", self.rate.map(|rate| json!(rate))),
        ]))
    }
}

/// Tells what has become of a job, unless it was left alone.
fn told(context: &Context, kind: Kind, ended: Option<(crate::client::Answer, Job)>) -> Ended {
    let Some((answer, job)) = ended else { return Ok(Exit::Done) };
    context.terminal.answer(&answer.body, || whole(kind, &job))?;
    Ok(exit_of(&job))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_export_makes_a_file_and_goes_on_with_it_only_when_it_is_told_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let write = |goes_on, lines| Sink::of(Some(path.clone()), goes_on).write(lines);
        assert!(matches!(write(true, "0\n"), Err(Error::File { .. })), "there is nothing to go on with");
        assert!(!path.exists());
        write(false, "1\n").unwrap();
        assert!(matches!(write(false, "2\n"), Err(Error::File { .. })), "it would be overwritten");
        let mut sink = Sink::of(Some(path.clone()), true);
        sink.write("2\n").unwrap();
        sink.write("3\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n3\n");
    }

    #[test]
    fn an_export_that_is_cut_short_says_how_to_go_on() {
        let error = cut_short(Error::Declined, 500, Some("cursor"));
        assert_eq!(error.to_string(), "nothing was changed\n  500 entries are written; go on with --after 'cursor'");
        let closed = Error::Output(std::io::ErrorKind::BrokenPipe.into());
        assert!(matches!(cut_short(closed, 500, Some("cursor")), Error::Output(_)), "head has enough");
    }

    #[test]
    fn an_entry_is_one_line() {
        assert_eq!(one_line("{\n  \"at\": \"a\\nb\"\r\n}"), "{   \"at\": \"a\\nb\"  }");
    }

    #[test]
    fn the_journal_answers_for_what_never_reached_it() {
        let finding = |kind: &str| Finding { kind: kind.to_owned(), ..Finding::default() };
        for (kind, expected) in [("unpublished", true), ("gap", true), ("unhandled", false), ("charge", false)] {
            assert_eq!(is_of_journal(&finding(kind)), expected, "{kind}");
        }
    }
}
