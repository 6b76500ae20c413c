//! Jobs of the system: begun, followed, looked at, stopped. They go on whether anybody looks or not.

use std::thread::sleep;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use crate::client::{Answer, Ask, Method};
use crate::commands::{Context, Ended};
use crate::documents::{Job, Taken};
use crate::error::{Error, Exit};
use crate::show::job::{Kind, done_of, fate, has_findings, progress, whole};
use crate::terminal::{Terminal, note};

/// Pause between two looks at a job.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks in a row that may fail: a laptop that wakes up has no network for some seconds.
const MAX_SILENCES: u32 = 60;

/// Jobs: redrives, replays and reconciliations.
#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Show a job: its progress, and all that it has found
    Show {
        /// Its id, as `--detach` prints it
        id: String,
    },
    /// Follow a job to its end
    Follow {
        /// Its id, as `--detach` prints it
        id: String,
    },
    /// Stop a job: it sends nothing more; nobody is asked
    Stop {
        /// Its id, as `--detach` prints it
        id: String,
    },
}

/// Way in which a job is begun.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Following {
    /// Begin the job, print its id, and let it go on by itself
    #[arg(long)]
    pub(crate) detach: bool,
}

impl JobCommand {
    pub(crate) fn run(self, context: &Context) -> Ended {
        match self {
            Self::Show { id } => {
                let (kind, answer) = find(context, &id)?;
                let job = answer.read()?;
                context.terminal.answer(&answer.body, || whole(kind, &job))?;
                Ok(Exit::Done)
            }
            Self::Follow { id } => {
                let (kind, _) = find(context, &id)?;
                let (answer, job) = follow(context, kind, &id)?;
                context.terminal.answer(&answer.body, || whole(kind, &job))?;
                Ok(exit_of(&job))
            }
            Self::Stop { id } => {
                let (kind, _) = find(context, &id)?;
                let answer = context.api.ask(&ask(Method::Delete, kind, &id))?;
                let job = answer.read()?;
                context.terminal.answer(&answer.body, || fate(kind, &job))?;
                Ok(Exit::Done)
            }
        }
    }
}

fn ask(method: Method, kind: Kind, id: &str) -> Ask {
    Ask::new(method, &["operations", kind.resource(), id])
}

/// The job of that id, of whatever kind it is.
fn find(context: &Context, id: &str) -> Result<(Kind, Answer), Error> {
    let mut unknown = None;
    for kind in Kind::ALL {
        match context.api.ask(&ask(Method::Get, kind, id)) {
            Ok(answer) => return Ok((kind, answer)),
            Err(error) if error.exit() == Exit::NotFound => unknown = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(unknown.unwrap_or_else(|| Error::Usage(format!("{id} is no job"))))
}

/// Begins a job, and follows it unless it is to be left alone.
pub(crate) fn begin(
    context: &Context,
    kind: Kind,
    body: Value,
    following: Following,
) -> Result<Option<(Answer, Job)>, Error> {
    let answer = context.api.ask(&Ask::new(Method::Post, &["operations", kind.resource()]).body(body))?;
    let Taken { id, .. } = answer.read()?;
    let Some(id) = id else { return Ok(None) };
    if following.detach {
        context.terminal.answer(&answer.body, || id)?;
        return Ok(None);
    }
    follow(context, kind, &id).map(Some)
}

/// Number of letters or events that a job would be of. Nothing is done.
pub(crate) fn dry_run(context: &Context, kind: Kind, body: &Value) -> Result<(Answer, Taken), Error> {
    let mut body = body.clone();
    body["dryRun"] = true.into();
    let answer = context.api.ask(&Ask::new(Method::Post, &["operations", kind.resource()]).body(body))?;
    let taken = answer.read()?;
    Ok((answer, taken))
}

/// Exit code that a job ends with.
pub(crate) fn exit_of(job: &Job) -> Exit {
    if has_findings(job) { Exit::Findings } else { Exit::Done }
}

/// Follows a job to its end.
pub(crate) fn follow(context: &Context, kind: Kind, id: &str) -> Result<(Answer, Job), Error> {
    let by_itself = format!("goes on by itself: orderctl job follow {id}, orderctl job stop {id}");
    if !context.terminal.json {
        note(&format!("The {} begins within a minute and {by_itself}", kind.name()));
    }
    let mut watch = Watch::new(kind, context.terminal);
    let mut silences = 0;
    loop {
        match look(context, kind, id) {
            Err(error) if error.may_pass() && silences < MAX_SILENCES => silences += 1,
            Err(error) => return Err(error.with_hint(format!("the {} {by_itself}", kind.name()))),
            Ok((answer, job)) => {
                silences = 0;
                watch.at(&job);
                if job.is_over() {
                    return Ok((answer, job));
                }
            }
        }
        sleep(PAUSE);
    }
}

fn look(context: &Context, kind: Kind, id: &str) -> Result<(Answer, Job), Error> {
    let answer = context.api.ask(&ask(Method::Get, kind, id))?;
    let job = answer.read()?;
    Ok((answer, job))
}

/// Shows how far a job is, on standard error: in a bar on a terminal, else in a line for each change.
struct Watch {
    kind: Kind,
    terminal: Terminal,
    bar: ProgressBar,
    said: String,
}

impl Watch {
    fn new(kind: Kind, terminal: Terminal) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // A template that does not parse would leave the plain bar.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_bar} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { kind, terminal, bar, said: String::new() }
    }

    fn at(&mut self, job: &Job) {
        let says = progress(self.kind, job);
        if let Some((done, total)) = done_of(self.kind, job) {
            self.bar.set_length(total);
            self.bar.set_position(done);
        }
        self.bar.set_message(says.clone());
        if self.bar.is_hidden() && !self.terminal.json && says != self.said {
            note(&says);
        }
        self.said = says;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
