//! `orderctl webhooks`: the webhooks of all owners.

use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Ask, Method};
use crate::commands::{Context, Ended};
use crate::documents::{Webhook, Webhooks};
use crate::error::{Error, Exit};
use crate::show::webhook::webhooks;
use crate::text::shown;

/// Webhooks, whoever they belong to.
#[derive(Debug, Subcommand)]
pub(crate) enum WebhooksCommand {
    /// List all of them, with their owners and what is the matter with them
    List,
    /// Post nothing to one any more; its owner cannot enable it
    Disable {
        /// The webhook
        webhook: String,
    },
    /// Post to one again, and what it has missed first
    Enable {
        /// The webhook
        webhook: String,
    },
    /// Delete one, for ever
    Delete {
        /// The webhook
        webhook: String,
    },
}

impl WebhooksCommand {
    pub(crate) fn run(self, context: &Context) -> Ended {
        match self {
            Self::List => {
                let all = all(context)?;
                let read = all.iter().map(Webhook::deserialize).collect::<Result<Vec<_>, _>>();
                let not_understood = |source| Error::NotUnderstood { request: "GET /webhooks".to_owned(), source };
                let read = read.map_err(not_understood)?;
                context.terminal.answer(&json!({ "webhooks": all }).to_string(), || webhooks(&read))?;
                Ok(Exit::Done)
            }
            Self::Disable { webhook } => switch(context, &webhook, false),
            Self::Enable { webhook } => switch(context, &webhook, true),
            Self::Delete { webhook } => {
                let found = found(context, &webhook)?;
                context.terminal.confirm(&format!("Delete {}, for ever?", described(&found)))?;
                let answer = context.api.ask(&Ask::new(Method::Delete, &["webhooks", &webhook]))?;
                context.terminal.answer(&answer.body, || format!("{} is deleted.", shown(&webhook)))?;
                Ok(Exit::Done)
            }
        }
    }
}

/// Webhooks of all owners, of all pages.
fn all(context: &Context) -> Result<Vec<Value>, Error> {
    let (mut all, mut after): (Vec<Value>, Option<String>) = (Vec::new(), None);
    loop {
        let ask = Ask::get(&["webhooks"]).with("all", Some(true)).with("after", after.as_ref());
        let Webhooks { webhooks: page, next } = context.api.ask(&ask)?.read()?;
        all.extend(page);
        after = next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

fn found(context: &Context, webhook: &str) -> Result<Webhook, Error> {
    context.api.ask(&Ask::get(&["webhooks", webhook]))?.read()
}

fn described(Webhook { id, url, owner, .. }: &Webhook) -> String {
    let owner = owner.as_ref().map(|owner| format!(" of {}", shown(owner))).unwrap_or_default();
    format!("{}{owner}, to {}", shown(id), shown(url))
}

fn switch(context: &Context, webhook: &str, is_enabled: bool) -> Ended {
    let what = if is_enabled { "Enable" } else { "Disable" };
    context.terminal.confirm(&format!("{what} {}?", described(&found(context, webhook)?)))?;
    let ask = Ask::new(Method::Patch, &["webhooks", webhook]).body(json!({ "enabled": is_enabled })).repeatable();
    let answer = context.api.ask(&ask)?;
    let changed = answer.read()?;
    context.terminal.answer(&answer.body, || webhooks(&[changed]))?;
    Ok(Exit::Done)
}
