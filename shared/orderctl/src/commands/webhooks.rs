//! `orderctl webhooks`: the webhooks of all owners.

use clap::Subcommand;
use serde_json::json;

use crate::client::{Ask, Method};
use crate::commands::{Context, Ended};
use crate::documents::{Webhook, Webhooks};
use crate::error::Exit;
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
                let answer = context.api.ask(&Ask::get(&["webhooks"]).with("all", Some(true)))?;
                let Webhooks { webhooks: all } = answer.read()?;
                context.terminal.answer(&answer.body, || webhooks(&all))?;
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

fn found(context: &Context, webhook: &str) -> Result<Webhook, crate::error::Error> {
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
