//! `orderctl order`, `publish` and `status`: one order, a word about it, a new one, and all of them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Ask, Method};
use crate::commands::{Context, Ended, text_of};
use crate::documents::{Order, Placed, Status};
use crate::error::{Error, Exit};
use crate::moment::Moment;
use crate::show::order::order;
use crate::show::status::status;
use crate::text::shown;

/// Header of an answer that was given before.
const REPLAYED: &str = "idempotent-replayed";

/// One order.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct OrderCommand {
    /// The order
    #[arg(required = true)]
    order: Option<String>,
    #[command(subcommand)]
    word: Option<Word>,
}

/// Word about an order.
#[derive(Debug, Subcommand)]
enum Word {
    /// Say that an order which was flagged may be shipped
    Clear {
        /// The order
        order: String,
        /// The reason, for those who look into it later
        #[arg(long)]
        why: String,
    },
}

/// New order.
#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// A file with the order as JSON, as `POST /orders` takes it, or - for standard input
    file: PathBuf,
    /// Idempotency key: the same key with the same order is the same order [default: a new one]
    #[arg(long)]
    key: Option<String>,
    /// Say what would be sent, and do nothing
    #[arg(long)]
    dry_run: bool,
}

impl OrderCommand {
    pub(crate) fn run(self, context: &Context) -> Ended {
        match (self.word, self.order) {
            (Some(Word::Clear { order, why }), _) => clear(context, &order, &why),
            (None, Some(order)) => show(context, &order),
            (None, None) => Err(Error::Usage("which order?".to_owned())),
        }
    }
}

/// Says that an order may be shipped.
fn clear(context: &Context, id: &str, why: &str) -> Ended {
    context.terminal.confirm(&format!("Clear {}, so that it is shipped once it is paid?", shown(id)))?;
    let ask = Ask::new(Method::Post, &["operations", "orders", id, "clear"]).body(json!({ "why": why }));
    let answer = context.api.ask(&ask)?;
    context.terminal.answer(&answer.body, || format!("{} is cleared.", shown(id)))?;
    Ok(Exit::Done)
}

/// Shows an order over all services.
fn show(context: &Context, id: &str) -> Ended {
    let answer = context.api.ask(&Ask::get(&["operations", "orders", id]))?;
    let read: Order = answer.read()?;
    context.terminal.answer(&answer.body, || order(&read, Moment::now()))?;
    Ok(Exit::Done)
}

/// Shows the state of the stack.
pub(crate) fn show_status(context: &Context) -> Ended {
    let answer = context.api.ask(&Ask::get(&["operations", "status"]))?;
    let read: Status = answer.read()?;
    context.terminal.answer(&answer.body, || status(&read))?;
    Ok(Exit::Done)
}

impl Publish {
    pub(crate) fn run(self, context: &Context) -> Ended {
        let text = text_of(&self.file)?;
        let no_json = |error| Error::Usage(format!("{} is not JSON: {error}", self.file.display()));
        let order: Value = serde_json::from_str(&text).map_err(no_json)?;
        let key = self.key.unwrap_or_else(|| Uuid::now_v7().to_string());
        if self.dry_run {
            context
                .terminal
                .answer(&order.to_string(), || format!("POST /orders, Idempotency-Key: {key}\n{order:#}"))?;
            return Ok(Exit::Done);
        }
        context.terminal.confirm("Place this order?")?;
        let ask = Ask::new(Method::Post, &["orders"]).body(order).idempotency_key(&key);
        // Placed or not: with the key it is placed once.
        let with_key = |error: Error| {
            if error.may_pass() { error.with_hint(format!("repeat it with --key {key}")) } else { error }
        };
        let answer = context.api.ask(&ask).map_err(with_key)?;
        let Placed { order_id, status } = answer.read()?;
        let again = if answer.header(REPLAYED).is_some() { ", as before by this key" } else { "" };
        context.terminal.answer(&answer.body, || format!("{} is {}{again}.", shown(&order_id), shown(&status)))?;
        Ok(Exit::Done)
    }
}
