//! `orderctl events`: all that has happened, from a cursor on.

use std::thread;
use std::time::Duration;

use clap::Args;

use crate::client::Ask;
use crate::commands::{Context, Ended, one_line};
use crate::documents::EventPage;
use crate::error::{Error, Exit};
use crate::terminal::{note, print};
use crate::text::{shown, shown_json};

/// The most events of a page.
const PAGE: u32 = 500;

/// Pause at the end of the log, before it is asked again for what is new.
const PAUSE: Duration = Duration::from_secs(2);

/// Events, as they were published.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Go on behind this cursor, which the command ends with [default: the beginning of the log]
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Only events that match: an event pattern in the syntax of SNS and `EventBridge`, as JSON
    #[arg(long = "match", value_name = "PATTERN")]
    pattern: Option<String>,
    /// Wait at the end of the log for what comes
    #[arg(short, long)]
    follow: bool,
}

impl Events {
    pub(crate) fn run(self, context: &Context) -> Ended {
        let (mut after, mut count) = (self.after.clone(), 0_usize);
        loop {
            let page = self.page(context, after.as_deref()).map_err(|error| match after.as_deref() {
                Some(after) if error.exit() != Exit::Done => error.with_hint(so_far(count, after)),
                _ => error,
            })?;
            let is_end = after.as_deref() == Some(page.next.as_str());
            let lines: String = page.events.iter().map(|event| one_line(&shown_json(event.get())) + "\n").collect();
            if !lines.is_empty() {
                print(&lines)?;
            }
            count += page.events.len();
            if is_end && !self.follow {
                note(&so_far(count, &page.next));
                return Ok(Exit::Done);
            }
            if is_end {
                thread::sleep(PAUSE);
            }
            after = Some(page.next);
        }
    }

    fn page(&self, context: &Context, after: Option<&str>) -> Result<EventPage, Error> {
        let ask = Ask::get(&["events"]).with("limit", Some(PAGE)).with("match", self.pattern.as_ref());
        context.api.ask(&ask.with("after", after))?.read()
    }
}

fn so_far(count: usize, after: &str) -> String {
    format!("{count} events; go on with --after '{}'", shown(after))
}
