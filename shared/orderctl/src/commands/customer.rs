//! `orderctl customer`: all orders of one, and their erasure.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::{Ask, Method};
use crate::commands::{Context, Ended};
use crate::documents::{Erased, ExportPage};
use crate::error::{Error, Exit};
use crate::text::shown;

/// Customers, with the scope `privacy`.
#[derive(Debug, Subcommand)]
pub(crate) enum CustomerCommand {
    /// Print all orders of a customer, opened, as JSON to hand over
    Export {
        /// The customer, by the shop's own id
        customer: String,
    },
    /// Erase a customer, for ever: nobody can tell any more who they were, and their open orders are cancelled
    Erase {
        /// The customer, by the shop's own id
        customer: String,
        /// Show how many orders they have, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
}

impl CustomerCommand {
    pub(crate) fn run(self, context: &Context) -> Ended {
        match self {
            Self::Export { customer } => {
                let export = export(context, &customer)?;
                context.terminal.answer(&export.to_string(), || format!("{export:#}"))?;
                Ok(Exit::Done)
            }
            Self::Erase { customer, dry_run } => erase(context, &customer, dry_run),
        }
    }
}

/// All that is held, of all pages: the first one, with the orders of the others.
fn export(context: &Context, customer: &str) -> Result<Value, Error> {
    let (mut orders, mut after): (Vec<Value>, Option<String>) = (Vec::new(), None);
    loop {
        let ask = Ask::get(&["customers", customer, "export"]).with("after", after.as_ref());
        let ExportPage { customer_id, exported_at, orders: page, next } = context.api.ask(&ask)?.read()?;
        orders.extend(page);
        after = next;
        if after.is_none() {
            return Ok(json!({ "customerId": customer_id, "exportedAt": exported_at, "orders": orders }));
        }
    }
}

fn erase(context: &Context, customer: &str, dry_run: bool) -> Ended {
    if dry_run {
        let export = export(context, customer)?;
        let orders = export["orders"].as_array().map_or(0, Vec::len);
        let document = json!({ "customerId": customer, "orders": orders }).to_string();
        context
            .terminal
            .answer(&document, || format!("{} has {orders} orders, and would be erased.", shown(customer)))?;
        return Ok(Exit::Done);
    }
    let question = "for ever? Nobody can bring them back, and their open orders are cancelled";
    context.terminal.confirm(&format!("Erase {}, {question}.", shown(customer)))?;
    // Erased or not: again it goes on with the rest.
    let ask = Ask::new(Method::Post, &["customers", customer, "erase"]).repeatable();
    let answer = context.api.ask(&ask).map_err(|error| {
        if error.may_pass() { error.with_hint("repeat it: it goes on with the rest".to_owned()) } else { error }
    })?;
    let Erased { customer_id, orders } = answer.read()?;
    let told = || format!("{} is erased. Orders that know them no more: {orders}.", shown(&customer_id));
    context.terminal.answer(&answer.body, told)?;
    Ok(Exit::Done)
}
