//! `orderctl dlq`: dead letters, seen, sent back, mended, dropped.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use serde_json::value::RawValue;

use crate::client::{Answer, Ask, Method};
use crate::commands::redrive::Redrive;
use crate::commands::{CLASSES, Context, Ended, STATES, text_of};
use crate::documents::{Entry, Groups, Letter, LetterPage, WholeLetter};
use crate::error::{Error, Exit};
use crate::moment::Moment;
use crate::show::diff::{diff, pretty};
use crate::show::letter::{ERASED, groups, letters, overtaken, state, whole};
use crate::terminal::{edited, note, print, print_json};
use crate::text::shown;

/// Dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum Dlq {
    /// List letters, the oldest failure first; with --json one letter a line
    List(List),
    /// Show the groups of open letters by service, type, class and reason, the largest first
    Groups,
    /// Show a letter: its reason, its history, its body
    Show {
        /// The letter
        letter: String,
    },
    /// Send letters back to their queues, and follow what becomes of them
    Redrive(Redrive),
    /// Mend the body of a letter, in $EDITOR or by a file
    Edit(Edit),
    /// Decide that nothing is to be done about letters; they stay readable
    Drop(Drop),
}

/// List of letters.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those of this service
    #[arg(long)]
    service: Option<String>,
    /// Only those with an event of this type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Only those that failed so
    #[arg(long, value_parser = CLASSES)]
    class: Option<String>,
    /// Only those in this state
    #[arg(long, value_parser = STATES)]
    state: Option<String>,
    /// Only those of this order
    #[arg(long)]
    order: Option<String>,
    /// Only those with this reason, but for the numbers and ids in it
    #[arg(long)]
    reason: Option<String>,
    /// The most letters
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// Edit of a letter.
#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// The letter
    letter: String,
    /// The new body, or - for standard input [default: what $VISUAL or $EDITOR makes of the old one]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The reason, which stays in the letter's history
    #[arg(long)]
    why: String,
    /// Show the difference, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Decision about letters.
#[derive(Debug, Args)]
pub(crate) struct Drop {
    /// The letters
    #[arg(required = true, value_name = "LETTER")]
    letters: Vec<String>,
    /// The reason, which stays in the letter's history
    #[arg(long)]
    why: String,
    /// Show which letters it would be, and do nothing
    #[arg(long)]
    dry_run: bool,
}

impl Dlq {
    pub(crate) fn run(self, context: &Context) -> Ended {
        match self {
            Self::List(list) => list.run(context),
            Self::Groups => {
                let answer = context.api.ask(&Ask::get(&["operations", "groups"]))?;
                let read: Groups = answer.read()?;
                context.terminal.answer(&answer.body, || groups(&read, Moment::now()))?;
                Ok(Exit::Done)
            }
            Self::Show { letter } => {
                let (answer, letter) = load(context, &letter)?;
                context.terminal.answer(&answer.body, || whole(&letter, Moment::now()))?;
                Ok(Exit::Done)
            }
            Self::Redrive(redrive) => redrive.run(context),
            Self::Edit(edit) => edit.run(context),
            Self::Drop(drop) => drop.run(context),
        }
    }
}

/// Resource of a letter.
fn path(id: &str) -> [&str; 3] {
    ["operations", "letters", id]
}

fn load(context: &Context, id: &str) -> Result<(Answer, WholeLetter), Error> {
    let answer = context.api.ask(&Ask::get(&path(id)))?;
    let letter = answer.read()?;
    Ok((answer, letter))
}

/// The answer to a change of the letter as it was read. Where somebody was faster the error says who.
fn change(context: &Context, ask: Ask, read: &Answer, history: &[Entry], id: &str) -> Result<Answer, Error> {
    let ask = ask.if_match(read.tag().unwrap_or("*"));
    match context.api.ask(&ask) {
        Err(Error::Refused(refusal)) if refusal.status == 412 => {
            let (_, now) = load(context, id)?;
            Err(Error::Overtaken(overtaken(history, &now)))
        }
        result => result,
    }
}

impl List {
    fn run(self, context: &Context) -> Ended {
        let mut after = None;
        let mut found: Vec<Box<RawValue>> = Vec::new();
        loop {
            let page: LetterPage = context.api.ask(&self.page(after.as_ref()))?.read()?;
            found.extend(page.letters);
            after = page.next;
            if found.len() > self.limit || after.is_none() {
                break;
            }
        }
        let is_cut = found.len() > self.limit;
        found.truncate(self.limit);
        if context.terminal.json {
            for letter in &found {
                print_json(letter.get())?;
            }
        } else if found.is_empty() {
            print("There is no such letter.")?;
        } else {
            let read = found.iter().map(|letter| serde_json::from_str(letter.get()));
            let not_understood =
                |source| Error::NotUnderstood { request: "GET /operations/letters".to_owned(), source };
            let read = read.collect::<Result<Vec<Letter>, _>>().map_err(not_understood)?;
            print(&letters(&read, Moment::now()))?;
        }
        if is_cut {
            note(&format!("There are more than --limit {}.", self.limit));
        }
        Ok(Exit::Done)
    }

    fn page(&self, after: Option<&String>) -> Ask {
        Ask::get(&["operations", "letters"])
            .with("service", self.service.as_ref())
            .with("type", self.event_type.as_ref())
            .with("class", self.class.as_ref())
            .with("state", self.state.as_ref())
            .with("order", self.order.as_ref())
            .with("reason", self.reason.as_ref())
            .with("after", after)
    }
}

impl Edit {
    fn run(self, context: &Context) -> Ended {
        let (answer, letter) = load(context, &self.letter)?;
        if letter.erased {
            note(&format!("{} cannot be edited: it is {ERASED}. It can be dropped.", self.letter));
            return Ok(Exit::Conflict);
        }
        let body = match &self.file {
            Some(file) => text_of(file)?,
            None => edited(&pretty(&letter.body))?,
        };
        let Some(difference) = diff(&letter.body, &body) else {
            note("It says the same as before: nothing was changed.");
            return Ok(Exit::Done);
        };
        if context.terminal.json {
            note(&difference);
        } else {
            print(&difference)?;
        }
        if self.dry_run {
            return Ok(Exit::Done);
        }
        let sent = self.send(context, &answer, &letter, &body);
        // A file is still there; what was written in an editor would be gone.
        let sent = sent.map_err(|error| if self.file.is_none() { kept(&body, error) } else { error })?;
        context
            .terminal
            .answer(&sent.body, || format!("{} is mended. Send it back: orderctl dlq redrive {0}", self.letter))?;
        Ok(Exit::Done)
    }

    fn send(&self, context: &Context, read: &Answer, letter: &WholeLetter, body: &str) -> Result<Answer, Error> {
        context.terminal.confirm(&format!("Give {} this body?", self.letter))?;
        let ask = Ask::new(Method::Put, &path(&self.letter)).body(json!({ "body": body, "why": self.why }));
        change(context, ask, read, &letter.history, &self.letter)
    }
}

/// The error, with the place where the text is kept that was not taken.
fn kept(body: &str, error: Error) -> Error {
    let file = tempfile::Builder::new().prefix("orderctl-").suffix(".json").tempfile();
    let kept = file.and_then(|mut file| {
        file.write_all(body.as_bytes())?;
        file.keep().map(|(_, path)| path).map_err(|error| error.error)
    });
    match kept {
        Ok(path) => error.with_hint(format!("your text is kept: --file {}", path.display())),
        Err(_) => error,
    }
}

impl Drop {
    fn run(self, context: &Context) -> Ended {
        let mut read = Vec::new();
        for id in &self.letters {
            read.push(load(context, id)?);
        }
        for (answer, WholeLetter { letter, .. }) in &read {
            let [id, service, reason] = [&letter.id, &letter.service, &letter.reason].map(|text| shown(text));
            note(&format!("{id}  {}  {service}  {reason}", state(&letter.state)));
            if self.dry_run {
                context.terminal.answer(&answer.body, || format!("{id} would be dropped."))?;
            }
        }
        if self.dry_run {
            return Ok(Exit::Done);
        }
        let them = if read.len() == 1 { "this letter".to_owned() } else { format!("these {} letters", read.len()) };
        context.terminal.confirm(&format!("Drop {them}?"))?;
        for (answer, WholeLetter { letter, history, .. }) in &read {
            let ask = Ask::new(Method::Delete, &path(&letter.id)).body(json!({ "why": self.why }));
            let dropped = change(context, ask, answer, history, &letter.id)?;
            context.terminal.answer(&dropped.body, || format!("{} is dropped.", shown(&letter.id)))?;
        }
        Ok(Exit::Done)
    }
}
