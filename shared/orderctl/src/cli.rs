//! The command line.

use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::client::{Api, local_stack};
use crate::commands::customer::CustomerCommand;
use crate::commands::dlq::Dlq;
use crate::commands::events::Events;
use crate::commands::job::JobCommand;
use crate::commands::journal::{Journal, Reconcile, Replay};
use crate::commands::order::{self, OrderCommand, Publish};
use crate::commands::prices::PricesCommand;
use crate::commands::stock::StockCommand;
use crate::commands::webhooks::WebhooksCommand;
use crate::commands::{Context, Ended};
use crate::error::{Error, Exit, exit_codes};
use crate::terminal::Terminal;
use crate::text::bad;

/// Heading of the options that every command has.
const FOR_ALL: &str = "Stack and output";

/// The operator's command for orderflow: it sees which orders are stuck, why and since when, mends, and sends back.
///
/// It needs the API of a stack, by `--api` or `ORDERFLOW_API`, and a token with the scope `operations` in
/// `ORDERFLOW_TOKEN`; or the port of a local stack.
#[derive(Debug, Parser)]
#[command(name = "orderctl", version, about, after_help = exit_codes())]
pub struct Cli {
    #[command(flatten)]
    which: Which,
    /// Print what the API answers, for programs: a JSON document, or one for each line of a list
    #[arg(long, global = true, help_heading = FOR_ALL)]
    json: bool,
    /// Change things without asking
    #[arg(short, long, global = true, help_heading = FOR_ALL)]
    yes: bool,
    #[command(subcommand)]
    command: Command,
}

/// Stack that is meant.
#[derive(Debug, Args)]
#[command(next_help_heading = FOR_ALL)]
struct Which {
    /// URL of the API, the stack's output `ApiUrl` [default: the environment variable `ORDERFLOW_API`]
    #[arg(long, global = true, value_name = "URL")]
    api: Option<String>,
    /// Port of a local stack, which needs no token
    #[arg(long, global = true, conflicts_with = "api")]
    port: Option<u16>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show an order over all services: its steps with their delays, where it waits, its letters; or clear it
    Order(OrderCommand),
    /// Show all orders of a customer, opened, or erase them
    #[command(subcommand)]
    Customer(CustomerCommand),
    /// See dead letters, mend them, and send them back
    #[command(subcommand)]
    Dlq(Dlq),
    /// Write the events of all orders, in the order of the log, one JSON object a line
    Events(Events),
    /// Send events of the journal to one service once more
    Replay(Replay),
    /// Export the record of every event, or verify it
    #[command(subcommand)]
    Journal(Journal),
    /// Find what is missing between services, provider and carrier, and heal it
    Reconcile(Reconcile),
    /// Show, follow or stop a job
    #[command(subcommand)]
    Job(JobCommand),
    /// Show or change the stock of a SKU
    #[command(subcommand)]
    Stock(StockCommand),
    /// Show or set the prices of the price table
    #[command(subcommand)]
    Prices(PricesCommand),
    /// See the webhooks of all owners, switch them off and on, and delete them
    #[command(subcommand)]
    Webhooks(WebhooksCommand),
    /// Place an order
    Publish(Publish),
    /// Show the queues, the letters by state, and the orders that are open or late
    Status,
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Environment of a run: what is not to be written on a command line, where others see it.
#[derive(Clone, Default)]
pub struct Environment {
    /// URL of the API, where the command line has none.
    pub api: Option<String>,
    /// Access token.
    pub token: Option<String>,
}

impl Environment {
    /// The environment variables of this process. One that is empty is none.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where the command reads its environment")]
    pub fn of_process() -> Self {
        let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self { api: read("ORDERFLOW_API"), token: read("ORDERFLOW_TOKEN") }
    }
}

impl Cli {
    /// Does what was asked for, and says on standard error what went wrong.
    #[must_use]
    pub fn run(self, environment: Environment) -> ExitCode {
        let exit = match self.execute(environment) {
            Ok(exit) => exit,
            Err(error) => {
                if error.exit() != Exit::Done {
                    anstream::eprintln!("{} {error}", bad("error:"));
                }
                error.exit()
            }
        };
        ExitCode::from(exit.code())
    }

    fn execute(self, environment: Environment) -> Ended {
        let terminal = Terminal { json: self.json, yes: self.yes };
        if let Command::Completions { shell } = self.command {
            clap_complete::generate(shell, &mut Self::command(), "orderctl", &mut std::io::stdout());
            return Ok(Exit::Done);
        }
        let (url, token) = self.which.stack(environment)?;
        let context = Context { api: Api::at(&url, token)?, terminal };
        match self.command {
            Command::Order(order) => order.run(&context),
            Command::Customer(customer) => customer.run(&context),
            Command::Dlq(dlq) => dlq.run(&context),
            Command::Events(events) => events.run(&context),
            Command::Replay(replay) => replay.run(&context),
            Command::Journal(journal) => journal.run(&context),
            Command::Reconcile(reconcile) => reconcile.run(&context),
            Command::Job(job) => job.run(&context),
            Command::Stock(stock) => stock.run(&context),
            Command::Prices(prices) => prices.run(&context),
            Command::Webhooks(webhooks) => webhooks.run(&context),
            Command::Publish(publish) => publish.run(&context),
            Command::Status => order::show_status(&context),
            Command::Completions { .. } => Ok(Exit::Done),
        }
    }
}

impl Which {
    /// URL of the API of the stack that is meant, and a token for it. A local stack has a token of its own: that of the
    /// environment is for another.
    fn stack(self, environment: Environment) -> Result<(String, Option<String>), Error> {
        if let Some(port) = self.port {
            let (url, token) = local_stack(port)?;
            return Ok((url, Some(token)));
        }
        let nowhere =
            || Error::Usage("which stack? Give --api URL, ORDERFLOW_API, or --port of a local one".to_owned());
        Ok((self.api.or(environment.api).ok_or_else(nowhere)?, environment.token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("orderctl").chain(arguments.split_whitespace()))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_can_be_meant_is_understood_and_nothing_else() {
        for (arguments, is_understood) in [
            ("", false),
            ("status", true),
            ("status --api https://x --port 1", false),
            ("--port 70000 status", false),
            ("order", false),
            ("order ord_1 --json --port 4566", true),
            ("order clear", false),
            ("order clear ord_1", false),
            ("order clear ord_1 --why x", true),
            ("order clear ord_1 --why x --yes --json", true),
            ("order ord_1 clear", false),
            ("customer", false),
            ("customer export", false),
            ("customer export cus_1 --json", true),
            ("customer erase cus_1 --dry-run", true),
            ("customer erase cus_1 -y", true),
            ("dlq redrive", false),
            ("dlq redrive let_1 let_2 --ramp --yes", true),
            ("dlq redrive let_1 --service payment", false),
            ("dlq redrive let_1 --class exhausted", false),
            ("dlq redrive let_1 --all", false),
            ("dlq redrive --service payment --type OrderCreated --class exhausted --reason x --rate 20", true),
            ("dlq redrive --all --ramp --dry-run", true),
            ("dlq redrive --reason x", false),
            ("dlq redrive --service payment --rate 0", false),
            ("dlq redrive --service payment --rate 1001", false),
            ("dlq edit let_1", false),
            ("dlq edit let_1 --why x --file -", true),
            ("dlq drop --why x", false),
            ("dlq drop let_1", false),
            ("dlq drop let_1 let_2 --why x -y", true),
            ("dlq list --state waiting --limit 5", true),
            ("dlq list --state parked", false),
            ("dlq list --class exhausted", true),
            ("dlq redrive --all --class fatal", false),
            ("replay", false),
            ("replay shipping --from 2h --to 2026-11-22T09:00:00Z --order ord_1 --detach", true),
            ("replay shipping --from yesterday", false),
            ("replay shipping", false),
            ("replay shipping --order ord_1", true),
            ("journal export --format jsonl --from 2h -o f --after x", true),
            ("journal export --format parquet --from 2h", false),
            ("journal export", false),
            ("journal verify --from 1d", true),
            ("reconcile --heal --detach --older-than 5m --late-after 2h", true),
            ("reconcile --older-than soon", false),
            ("job follow red_1", true),
            ("job stop", false),
            ("stock set beans 5 --if-match x", true),
            ("stock set beans -5", false),
            ("stock add beans -5", true),
            ("prices get beans", true),
            ("prices set beans 1490 EUR", true),
            ("prices set beans 14.90 EUR", false),
            ("prices set beans 1490", false),
            ("prices import", false),
            ("prices import - --dry-run --json", true),
            ("webhooks", false),
            ("webhooks list --json", true),
            ("webhooks disable", false),
            ("webhooks disable whk_1 --yes", true),
            ("webhooks enable whk_1", true),
            ("webhooks delete whk_1 -y", true),
            ("publish - --key k", true),
            ("completions zsh", true),
            ("completions tcsh", false),
        ] {
            let parsed = parse(arguments);
            assert_eq!(parsed.is_ok(), is_understood, "{arguments}: {:?}", parsed.err().map(|error| error.to_string()));
        }
    }

    #[test]
    fn a_stack_must_be_meant_and_the_command_line_counts_first() {
        let of = |here: Option<&str>, there: Option<&str>| {
            let which = Which { api: here.map(str::to_owned), port: None };
            which.stack(Environment { api: there.map(str::to_owned), token: Some("token".to_owned()) })
        };
        assert_eq!(of(None, None).unwrap_err().exit(), Exit::Usage);
        for (here, there, expected) in [(None, Some("there"), "there"), (Some("here"), Some("there"), "here")] {
            assert_eq!(of(here, there).unwrap(), (expected.to_owned(), Some("token".to_owned())));
        }
    }

    /// Words of a line of a shell, of which some are in quotation marks.
    fn words(line: &str) -> Vec<String> {
        let pieces = line.split('"').enumerate();
        let words = pieces.flat_map(|(index, piece)| {
            let is_quoted = index % 2 == 1;
            if is_quoted { vec![piece] } else { piece.split_whitespace().collect() }
        });
        words.map(str::to_owned).collect()
    }

    #[test]
    fn every_command_of_the_guide_is_understood() {
        let documents = [
            include_str!("../../../docs/operations.md"),
            include_str!("../../../docs/RUNBOOK.md"),
            include_str!("../../../docs/aws.md"),
            include_str!("../../../docs/counts.md"),
            include_str!("../../../README.md"),
        ];
        let lines = documents
            .iter()
            .flat_map(|text| text.lines())
            .filter_map(|line| line.find("orderctl ").map(|at| &line[at..]));
        let commands: Vec<&str> = lines.filter(|line| !line.contains('`')).collect();
        assert!(commands.len() > 20, "{commands:?}");
        for line in commands {
            let command = line.split(['#', '>']).next().unwrap_or_default();
            let parsed = Cli::try_parse_from(words(command));
            assert!(parsed.is_ok(), "{line}: {}", parsed.err().map(|error| error.to_string()).unwrap_or_default());
        }
    }

    #[test]
    fn the_help_has_the_exit_codes() {
        let help = Cli::command().render_help().to_string();
        for (exit, meaning) in Exit::ALL {
            assert!(help.contains(&format!("  {:<3}  {meaning}", exit.code())), "{help}");
        }
    }
}
