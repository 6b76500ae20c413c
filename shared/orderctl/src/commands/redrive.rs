//! `orderctl dlq redrive`: letters go back to their queues, a few at first.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::client::Ask;
use crate::commands::job::{Following, begin, dry_run, exit_of};
use crate::commands::{CLASSES, Context, Ended};
use crate::documents::Groups;
use crate::error::{Error, Exit};
use crate::show::job::{Kind, fate};
use crate::terminal::note;

/// Redrive of the letters that are named, of those of a service, or of all.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["letters", "service", "all"]))]
pub(crate) struct Redrive {
    /// The letters
    #[arg(value_name = "LETTER", conflicts_with_all = ["event_type", "class", "reason"])]
    letters: Vec<String>,
    /// All open letters of this service
    #[arg(long)]
    service: Option<String>,
    /// All open letters of every service, one service after the other; none begins after a relapse
    #[arg(long)]
    all: bool,
    /// Only those with an event of this type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Only those that failed so
    #[arg(long, value_parser = CLASSES)]
    class: Option<String>,
    /// Only those with this reason, but for the numbers and ids in it
    #[arg(long)]
    reason: Option<String>,
    /// Send 1, 2, 5, 10, 20 … letters, each time once those before are handled, and stop at the first relapse
    #[arg(long)]
    ramp: bool,
    /// The most letters in a second
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: Option<u32>,
    /// Say how many letters it would be, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    following: Following,
}

impl Redrive {
    pub(crate) fn run(self, context: &Context) -> Ended {
        let mut bodies = Vec::new();
        let mut total = 0;
        for body in self.bodies(context)? {
            let (answer, taken) = dry_run(context, Kind::Redrive, &body)?;
            let letters = taken.total.unwrap_or_default();
            if self.dry_run {
                let of = name_of(&body);
                context.terminal.answer(&answer.body, || format!("{} of {of} would be sent back.", count(letters)))?;
            }
            if letters > 0 {
                total += letters;
                bodies.push(body);
            }
        }
        if self.dry_run {
            return Ok(Exit::Done);
        }
        if bodies.is_empty() {
            note("There is no such letter to send back.");
            return Ok(Exit::Done);
        }
        let of: Vec<_> = bodies.iter().map(name_of).collect();
        let with_ramp = if self.ramp { " with a ramp" } else { ", all at once" };
        context.terminal.confirm(&format!("Send {} of {} back{with_ramp}?", count(total), of.join(", ")))?;
        self.send(context, bodies)
    }

    /// Requests, one for each service.
    fn bodies(&self, context: &Context) -> Result<Vec<Value>, Error> {
        let mut common = Map::new();
        if self.ramp {
            common.insert("ramp".to_owned(), true.into());
        }
        if let Some(rate) = self.rate {
            common.insert("ratePerSecond".to_owned(), rate.into());
        }
        if !self.letters.is_empty() {
            common.insert("letters".to_owned(), json!(self.letters));
            return Ok(vec![Value::Object(common)]);
        }
        for (name, value) in [("type", &self.event_type), ("class", &self.class), ("reason", &self.reason)] {
            if let Some(value) = value {
                common.insert(name.to_owned(), json!(value));
            }
        }
        let services = match &self.service {
            Some(service) => BTreeSet::from([service.clone()]),
            None => services_with_letters(context)?,
        };
        let body = |service: String| {
            let mut body = common.clone();
            body.insert("service".to_owned(), service.into());
            Value::Object(body)
        };
        Ok(services.into_iter().map(body).collect())
    }

    /// Sends, one service after the other. What some have left to do, nobody else should add to.
    fn send(&self, context: &Context, bodies: Vec<Value>) -> Ended {
        for body in bodies {
            let Some((answer, job)) = begin(context, Kind::Redrive, body, self.following)? else { continue };
            context.terminal.answer(&answer.body, || fate(Kind::Redrive, &job))?;
            let exit = exit_of(&job);
            if exit != Exit::Done {
                return Ok(exit);
            }
        }
        Ok(Exit::Done)
    }
}

fn services_with_letters(context: &Context) -> Result<BTreeSet<String>, Error> {
    let groups: Groups = context.api.ask(&Ask::get(&["operations", "groups"]))?.read()?;
    Ok(groups.groups.into_iter().map(|group| group.service).collect())
}

fn name_of(body: &Value) -> String {
    body["service"].as_str().unwrap_or("those that are named").to_owned()
}

fn count(letters: u64) -> String {
    format!("{letters} {}", if letters == 1 { "letter" } else { "letters" })
}
