//! `orderctl prices`: the price table.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use crate::client::{Answer, Ask, Method};
use crate::commands::{Context, Ended, text_of};
use crate::documents::{Money, Price};
use crate::error::{Error, Exit};
use crate::price_list::{self, Change, Entry};
use crate::show::price::{changes, faults, money, price};
use crate::text::shown;

/// The prices of the price table.
#[derive(Debug, Subcommand)]
pub(crate) enum PricesCommand {
    /// Show the price of a SKU
    Get {
        /// The goods
        sku: String,
    },
    /// Set the price of one piece
    Set {
        /// The goods
        sku: String,
        /// Whole minor units of the currency, such as 1490 for 14.90 EUR
        amount: u32,
        /// Code of ISO 4217
        currency: String,
        /// Show what it is, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Set all prices of a CSV file with the columns sku, amount (in whole minor units) and currency, or none if a line is wrong
    Import {
        /// The file, `-` for standard input
        file: PathBuf,
        /// Show every fault and what would change, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
}

impl PricesCommand {
    pub(crate) fn run(self, context: &Context) -> Ended {
        match self {
            Self::Get { sku } => {
                let answer = context.api.ask(&Ask::get(&["prices", &sku]))?;
                told(context, &answer)
            }
            Self::Set { sku, amount, currency, dry_run } => {
                set(context, &sku, &Money { amount: amount.into(), currency }, dry_run)
            }
            Self::Import { file, dry_run } => import(context, &file, dry_run),
        }
    }
}

/// The price of a SKU, if it has one.
fn get(context: &Context, sku: &str) -> Result<Option<Price>, Error> {
    match context.api.ask(&Ask::get(&["prices", sku])) {
        Ok(answer) => answer.read().map(Some),
        Err(error) if error.exit() == Exit::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn put(context: &Context, sku: &str, price: &Money) -> Result<Answer, Error> {
    context.api.ask(&Ask::new(Method::Put, &["prices", sku]).body(json!({ "unitPrice": price })))
}

fn set(context: &Context, sku: &str, new: &Money, dry_run: bool) -> Ended {
    let old = get(context, sku)?;
    let text = match &old {
        Some(old) => format!("{} costs {}", shown(sku), money(&old.unit_price)),
        None => format!("{} has no price", shown(sku)),
    };
    if dry_run {
        let document = json!(old).to_string();
        context.terminal.answer(&document, || format!("{text}, and would cost {}.", money(new)))?;
        return Ok(Exit::Done);
    }
    context.terminal.confirm(&format!("{text}. Set it to {}?", money(new)))?;
    told(context, &put(context, sku, new)?)
}

fn told(context: &Context, answer: &Answer) -> Ended {
    let read = answer.read()?;
    context.terminal.answer(&answer.body, || price(&read))?;
    Ok(Exit::Done)
}

fn import(context: &Context, file: &Path, dry_run: bool) -> Ended {
    let (entries, wrong) = price_list::read(&text_of(file)?);
    // A file that is not to be imported as it is costs no request, but where somebody wants to see all that it comes to.
    let changed = if dry_run || wrong.is_empty() { changed(context, entries)? } else { Vec::new() };
    let document = json!({ "faults": wrong, "changes": changed }).to_string();
    let told = |done: bool| {
        let summary = match (changed.len(), done) {
            (0, _) => "No price changes.".to_owned(),
            (count, true) => format!("{count} prices are set."),
            (count, false) => format!("{count} prices would be set."),
        };
        if changed.is_empty() { summary } else { format!("{}\n\n{summary}", changes(&changed)) }
    };
    if !wrong.is_empty() {
        let none = "Nothing is set as long as a line is wrong.";
        context.terminal.answer(&document, || {
            let would = if changed.is_empty() { String::new() } else { format!("{}\n\n", changes(&changed)) };
            format!("{would}{}\n\n{none}", faults(&wrong))
        })?;
        return Ok(Exit::Invalid);
    }
    if !dry_run && !changed.is_empty() {
        let new = changed.iter().filter(|change| change.old.is_none()).count();
        context.terminal.confirm(&format!("Set {} prices, {new} of them of SKUs that have none?", changed.len()))?;
        for (index, change) in changed.iter().enumerate() {
            put(context, &change.sku, &change.new).map_err(|error| {
                error.with_hint(format!("{index} of {} prices are set; import it again for the rest", changed.len()))
            })?;
        }
    }
    context.terminal.answer(&document, || told(!dry_run))?;
    Ok(Exit::Done)
}

/// Entries whose price is not the one of the table.
fn changed(context: &Context, entries: Vec<Entry>) -> Result<Vec<Change>, Error> {
    let mut changed = Vec::new();
    for Entry { line, sku, price } in entries {
        let old = get(context, &sku)?.map(|old| old.unit_price);
        if old.as_ref() != Some(&price) {
            changed.push(Change { line, sku, old, new: price });
        }
    }
    Ok(changed)
}
