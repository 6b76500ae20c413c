//! `orderctl stock`: the goods on the shelf.

use clap::Subcommand;
use serde_json::json;

use crate::client::{Answer, Ask, Method};
use crate::commands::{Context, Ended};
use crate::documents::Stock;
use crate::error::{Error, Exit};
use crate::show::stock::stock;
use crate::text::shown;

/// Attempts at a change that reservations get in the way of.
const MAX_RACES: u32 = 10;

/// The stock of a SKU.
#[derive(Debug, Subcommand)]
pub(crate) enum StockCommand {
    /// Show it
    Get {
        /// The goods
        sku: String,
    },
    /// Count it: so many pieces are on the shelf, those that are reserved included
    Set {
        /// The goods
        sku: String,
        /// Number of pieces
        on_hand: u32,
        /// Only where it has not changed since this `ETag`
        #[arg(long, value_name = "ETAG")]
        if_match: Option<String>,
        /// Show what it is, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Add pieces to what is on the shelf, or take some away
    Add {
        /// The goods
        sku: String,
        /// Number of pieces, such as 12 or -3
        #[arg(allow_negative_numbers = true)]
        pieces: i32,
        /// Show what it is, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
}

impl StockCommand {
    pub(crate) fn run(self, context: &Context) -> Ended {
        match self {
            Self::Get { sku } => {
                let (answer, read) = get(context, &sku)?;
                told(context, &answer, &read)
            }
            Self::Set { sku, on_hand, if_match, dry_run } => {
                set(context, &sku, i64::from(on_hand), if_match.as_deref(), dry_run)
            }
            Self::Add { sku, pieces, dry_run } => add(context, &sku, i64::from(pieces), dry_run),
        }
    }
}

fn get(context: &Context, sku: &str) -> Result<(Answer, Stock), Error> {
    let answer = context.api.ask(&Ask::get(&["inventory", sku]))?;
    let read = answer.read()?;
    Ok((answer, read))
}

fn put(context: &Context, sku: &str, on_hand: i64, if_match: Option<&str>) -> Result<Answer, Error> {
    let ask = Ask::new(Method::Put, &["inventory", sku]).body(json!({ "onHand": on_hand }));
    context.api.ask(&if_match.into_iter().fold(ask, Ask::if_match))
}

fn set(context: &Context, sku: &str, on_hand: i64, if_match: Option<&str>, dry_run: bool) -> Ended {
    let (document, text) = match get(context, sku) {
        Ok((answer, read)) => (answer.body, has(&read)),
        Err(error) if error.exit() == Exit::NotFound => ("null".to_owned(), format!("{} is not known", shown(sku))),
        Err(error) => return Err(error),
    };
    if dry_run {
        context.terminal.answer(&document, || format!("{text}, and would have {on_hand}."))?;
        return Ok(Exit::Done);
    }
    context.terminal.confirm(&format!("{text}. Set it to {on_hand}?"))?;
    let answer = put(context, sku, on_hand, if_match)?;
    told(context, &answer, &answer.read()?)
}

fn has(stock: &Stock) -> String {
    format!("{} has {} on hand", shown(&stock.sku), stock.on_hand)
}

/// A count is absolute, so a change is one of the stock that it was reckoned from, and of no other.
fn add(context: &Context, sku: &str, pieces: i64, dry_run: bool) -> Ended {
    let mut race = 0;
    loop {
        let (answer, read) = get(context, sku)?;
        let on_hand = read.on_hand + pieces;
        let text = has(&read);
        if dry_run {
            context.terminal.answer(&answer.body, || format!("{text}, and would have {on_hand}."))?;
            return Ok(Exit::Done);
        }
        if race == 0 {
            context.terminal.confirm(&format!("{text}. Make it {on_hand}?"))?;
        }
        match put(context, sku, on_hand, answer.tag()) {
            Err(Error::Refused(refusal)) if refusal.status == 412 && race < MAX_RACES => race += 1,
            result => {
                let answer = result?;
                return told(context, &answer, &answer.read()?);
            }
        }
    }
}

fn told(context: &Context, answer: &Answer, read: &Stock) -> Ended {
    context.terminal.answer(&answer.body, || stock(read))?;
    Ok(Exit::Done)
}
