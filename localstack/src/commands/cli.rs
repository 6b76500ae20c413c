//! The `cargo local` command line.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use orderflow_events::EventType;
use orderflow_events::scope::OPERATIONS;

use crate::client::endpoint::{Endpoint, STACK};
use crate::client::outputs::Outputs;
use crate::client::token::all_scopes;
use crate::commands::demo;
use crate::commands::error::Error;
use crate::commands::logs::Logs;
use crate::commands::publish::{Check, Draft};
use crate::commands::trace;
use crate::commands::watch::Watch;
use crate::emulator::EmulatorError;
use crate::emulator::collector::Collector;
use crate::emulator::port::PortChoice;
use crate::emulator::state_dir::{StackDir, StateDir};
use crate::scaffold::consumer::Consumer;
use crate::scaffold::name::{EventName, Name};
use crate::scaffold::{self};
use crate::stack::build::Profile;
use crate::stack::error::StackError;
use crate::stack::{Options, Stack};
use crate::terminal::progress::Progress;
use crate::terminal::signals::Signals;
use crate::terminal::style::{bad, faint, strong};
use crate::workspace::Workspace;

/// Lifetime of a token that is printed.
const HOUR: Duration = Duration::from_hours(1);

/// Runs orderflow on this machine: template.yaml, nothing left out, on an emulator of AWS.
///
/// Without a command it does everything: it starts the emulator, builds and deploys the stack, places three sample
/// orders and shows what happens to them, then stays up until Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "cargo local", bin_name = "cargo local", version, about)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// Collect the functions' spans, for `cargo local trace`
    #[arg(long)]
    trace: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the stack alone, and stay until Ctrl-C
    Up(Up),
    /// Show the stack's outputs: URLs, names and ARNs that answer from this machine
    Outputs {
        /// Print one JSON object, name → value
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Print an access token that the stack's API takes, for an hour
    Token {
        /// Subject of the token: whose orders are placed, shown and cancelled
        #[arg(long = "as", value_name = "SUBJECT", default_value = "developer")]
        subject: String,
        /// Scopes with blanks between them [default: all that there are]
        #[arg(long, value_name = "SCOPES")]
        scope: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Publish a CloudEvent to the intake
    Publish {
        /// A file with the event as JSON, or - for standard input
        file: PathBuf,
        /// Publish it even if the intake would not take it
        #[arg(long)]
        unchecked: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Show the events as they happen
    Watch {
        /// One order alone
        order: Option<String>,
        /// Print each event as it was published, one JSON object a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Show an order's trace as a waterfall, of a stack that was started with --trace
    Trace {
        /// The order
        order: String,
        #[command(flatten)]
        which: Which,
    },
    /// Show what the functions have written
    Logs {
        /// One function alone, such as payment or orders-api
        function: Option<String>,
        /// Go on with what is written from now on
        #[arg(short, long)]
        follow: bool,
        /// Print each line as the function wrote it
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Stop the stack, and leave nothing of it running
    Down(Which),
    /// Add a service to the workspace: its crate, its section of the template, its event, its tests
    New {
        #[command(subcommand)]
        what: New,
    },
    /// Take a service that `new` has added back out: every file is as it was before
    Remove {
        /// Its name, such as loyalty
        name: Name,
    },
}

#[derive(Debug, Subcommand)]
enum New {
    /// A service that hears events, once each, and may say something of its own
    Consumer {
        /// Its name, such as loyalty
        name: Name,
        /// Types of events that it hears, with commas between them
        #[arg(long, value_name = "TYPE", value_delimiter = ',', required = true, value_parser = event_type)]
        on: Vec<EventType>,
        /// A new type of events that it publishes
        #[arg(long, value_name = "TYPE")]
        publishes: Option<EventName>,
    },
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
struct Up {
    /// Port of the emulator [default: 4566, or any free port if that is taken]
    #[arg(long)]
    port: Option<u16>,
    /// Return once the stack answers, and let it run
    #[arg(long)]
    detach: bool,
    /// Collect the functions' spans, for `cargo local trace`
    #[arg(long, conflicts_with_all = ["detach", "endpoint"])]
    trace: bool,
    /// Build the functions as for AWS; the first time takes minutes
    #[arg(long)]
    release: bool,
    /// Deploy what `sam build` has made for this machine's processor, by `sam deploy`; nothing is compiled
    #[arg(long, conflicts_with = "release")]
    sam: bool,
    /// Deploy to an emulator that is already running, such as LocalStack, and return
    #[arg(long, value_name = "URL", conflicts_with = "port")]
    endpoint: Option<Endpoint>,
}

#[derive(Debug, Args)]
struct Which {
    /// Port of the stack; needed only if several are running
    #[arg(long)]
    port: Option<u16>,
}

impl Cli {
    /// Does what was asked for, and says on standard error what went wrong.
    pub async fn run(self) -> ExitCode {
        match Box::pin(self.execute()).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(Error::Interrupted) => {
                anstream::eprintln!("interrupted");
                ExitCode::from(130)
            }
            Err(error) if error.is_closed_output() => ExitCode::SUCCESS,
            Err(error) => {
                anstream::eprintln!("{} {error}", bad("error:"));
                ExitCode::FAILURE
            }
        }
    }

    async fn execute(self) -> Result<(), Error> {
        let mut signals = Signals::listen().map_err(Error::Signals)?;
        match self.command {
            None => everything(self.trace, &mut signals).await,
            Some(Command::Up(up)) => up.execute(&mut signals).await,
            Some(Command::Outputs { json, which }) => show_outputs(&which.outputs()?, json),
            Some(Command::Token { subject, scope, which }) => which.show_token(&subject, scope),
            Some(Command::Publish { file, unchecked, which }) => {
                let check = if unchecked { Check::Nothing } else { Check::Contract };
                signals.unless_asked_to_end(publish(file, check, which.outputs()?)).await?
            }
            Some(Command::Watch { order, json, which }) => {
                Ok(Watch { order, json }.run(&which.outputs()?, &mut signals).await?)
            }
            Some(Command::Trace { order, which }) => Ok(trace::show(&order, &which.stack_dir()?.spans())?),
            Some(Command::Logs { function, follow, json, which }) => {
                Ok(Logs { function, follow, json }.run(&which.outputs()?, &mut signals).await?)
            }
            Some(Command::New { what: New::Consumer { name, on, publishes } }) => {
                add(&Consumer { name, on, publishes })
            }
            Some(Command::Remove { name }) => remove(&name),
            Some(Command::Down(which)) => signals.unless_asked_to_end(which.stop()).await?,
        }
    }
}

/// Brings a stack up, with a collector that lasts as long as this program where it is to be `traced`.
async fn bring_up(mut options: Options, traced: bool, signals: &mut Signals) -> Result<Stack, Error> {
    let collector = traced.then(Collector::open).transpose().map_err(Error::Collector)?;
    if let Some(collector) = &collector {
        options.parameters.insert("OtlpEndpoint".to_owned(), collector.endpoint());
    }
    let stack = signals.unless_asked_to_end(Box::pin(Stack::up(&options))).await??;
    if let Some(collector) = &collector {
        collector.keep_in(&stack.spans()).map_err(Error::Collector)?;
    }
    Ok(stack)
}

async fn everything(traced: bool, signals: &mut Signals) -> Result<(), Error> {
    let mut stack = bring_up(Options::default(), traced, signals).await?;
    let order_id = match signals.unless_asked_to_end(demo::run(&stack)).await {
        Ok(Ok(order_id)) => order_id,
        Ok(Err(error)) => {
            // If the emulator has died, that tells more than what came of it.
            stack.check()?;
            return Err(error.into());
        }
        Err(interrupted) => {
            stack.down();
            return Err(interrupted.into());
        }
    };
    invite(&stack, &order_id)?;
    stay(stack, signals).await
}

impl Up {
    async fn execute(self, signals: &mut Signals) -> Result<(), Error> {
        let stack = bring_up(self.options(), self.trace, signals).await?;
        let (port, address) = (stack.port(), address(&stack)?);
        if self.detach || !stack.owns_emulator() {
            stack.detach()?;
            return Ok(writeln!(anstream::stdout(), "{address}\nStop it with: cargo local down --port {port}")?);
        }
        write!(anstream::stdout(), "{address}")?;
        stay(stack, signals).await
    }

    fn options(&self) -> Options {
        Options {
            port: self.port.map_or(PortChoice::UsualOrFree, PortChoice::Given),
            endpoint: self.endpoint.clone(),
            profile: if self.release { Profile::Release } else { Profile::Debug },
            sam: self.sam,
            ..Options::default()
        }
    }
}

/// Keeps the stack until Ctrl-C; an error if it ends by itself.
async fn stay(mut stack: Stack, signals: &mut Signals) -> Result<(), Error> {
    writeln!(anstream::stdout(), "\n{}", faint("Ctrl-C stops the stack."))?;
    tokio::select! {
        () = signals.ask_to_end() => {}
        error = stack.death() => match error {
            // By `cargo local down` in another terminal.
            StackError::Emulator(EmulatorError::Stopped) => {}
            error => return Err(error.into()),
        },
    }
    stack.down();
    Ok(writeln!(anstream::stdout(), "\nThe stack is stopped.")?)
}

impl Which {
    fn stack_dir(&self) -> Result<StackDir, Error> {
        Ok(state_dir().find(self.port)?)
    }

    fn outputs(&self) -> Result<Outputs, Error> {
        Ok(state_dir().find(self.port)?.outputs()?)
    }

    fn show_token(&self, subject: &str, scope: Option<String>) -> Result<(), Error> {
        let stack = state_dir().find(self.port)?;
        let token = stack.token_signer()?.token(subject, &scope.unwrap_or_else(all_scopes), HOUR)?;
        Ok(writeln!(anstream::stdout(), "{token}")?)
    }

    async fn stop(self) -> Result<(), Error> {
        let stack_dir = state_dir().find_to_stop(self.port)?;
        let Some(state) = stack_dir.state() else { return Ok(()) };
        match state.pid {
            Some(pid) => stack_dir.stop_emulator(pid),
            None if !stack_dir.is_running() => stack_dir.remove(),
            // Someone else has started that emulator, and may have other things on it.
            None => {
                let endpoint: Endpoint = state.endpoint.parse()?;
                Stack::delete(&endpoint, STACK, Progress::Shown).await?;
                stack_dir.remove();
            }
        }
        Ok(writeln!(anstream::stdout(), "The stack on port {} is stopped.", stack_dir.port())?)
    }
}

fn event_type(text: &str) -> Result<EventType, String> {
    let all = EventType::ALL.map(EventType::as_str);
    let found = EventType::ALL.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| format!("there are {}", all.join(", ")))
}

fn add(consumer: &Consumer) -> Result<(), Error> {
    let draft = scaffold::add(Workspace::of_this_crate().root(), consumer)?;
    let name = &consumer.name;
    let mut stdout = anstream::stdout().lock();
    writeln!(stdout, "{} is there:", strong(name))?;
    for file in draft.files() {
        writeln!(stdout, "  {}", file.display())?;
    }
    writeln!(stdout, "\n{}", faint("Say what it does in its `react`, and see:"))?;
    Ok(writeln!(stdout, "  cargo test -p orderflow-{name}\n  cargo local")?)
}

fn remove(name: &Name) -> Result<(), Error> {
    scaffold::remove(Workspace::of_this_crate().root(), name)?;
    Ok(writeln!(anstream::stdout(), "{name} is gone.")?)
}

fn state_dir() -> StateDir {
    StateDir::at(Workspace::of_this_crate().local_dir())
}

async fn publish(file: PathBuf, check: Check, outputs: Outputs) -> Result<(), Error> {
    let draft = Draft::read(&file, check)?;
    let said = format!("Published {}.", draft.name());
    draft.publish(&outputs).await?;
    Ok(writeln!(anstream::stdout(), "{said}")?)
}

fn show_outputs(outputs: &Outputs, json: bool) -> Result<(), Error> {
    let mut stdout = anstream::stdout().lock();
    if json {
        return Ok(writeln!(stdout, "{:#}", outputs.to_json())?);
    }
    let width = outputs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in outputs.iter() {
        writeln!(stdout, "{}  {value}", faint(format!("{name:<width$}")))?;
    }
    Ok(())
}

fn address(stack: &Stack) -> Result<String, Error> {
    let line = |name: &str, url: &str| format!("  {name:<8}  {}\n", strong(url));
    let of_stack = ["ApiUrl", "Endpoint"].map(|name| line(name, stack.outputs().get(name).unwrap_or_default()));
    let page = |name, page| Ok::<_, Error>(line(name, &operators_page(stack, page)?));
    Ok(format!("{}{}{}", of_stack.concat(), page("Console", "console")?, page("Board", "board")?))
}

/// Link to a page of operators: `console` or `board`. Its token is in the fragment, which no browser sends anywhere, and lasts an hour.
fn operators_page(stack: &Stack, page: &str) -> Result<String, Error> {
    let api = stack.outputs().get("ApiUrl").unwrap_or_default();
    let token = stack.tokens().token("developer", OPERATIONS, HOUR)?;
    Ok(format!("{api}/{page}#token={token}"))
}

/// Commands to try next.
fn invite(stack: &Stack, order_id: &str) -> Result<(), Error> {
    let api = stack.outputs().get("ApiUrl").unwrap_or_default();
    let json = "-H \"$AUTH\" -H 'Content-Type: application/json'";
    let ideas = [
        ("the page of the first order, in a browser, as its customer sees it", demo::order_page(stack, order_id)?),
        ("all that happened to it", format!("curl -s $API/orders/{order_id} -H \"$AUTH\"")),
        (
            "an order of yours; the same key again makes no second one",
            format!("curl -s $API/orders {json} -H 'Idempotency-Key: mine-1' -d @localstack/examples/order.json"),
        ),
        ("a look at the shelf", "curl -s $API/inventory/coffee-beans-1kg -H \"$AUTH\"".to_owned()),
        (
            "a count of the shelf",
            format!("curl -s -X PUT $API/inventory/coffee-beans-1kg {json} -d '{{\"onHand\": 50}}'"),
        ),
        (
            "an order that another producer publishes; then look at it",
            "cargo local publish localstack/examples/order-created.json\n  curl -s $API/orders/web-17 -H \"$AUTH\""
                .to_owned(),
        ),
        (
            "the events as they happen, and what the functions write",
            "cargo local watch\n  cargo local logs --follow".to_owned(),
        ),
        ("queues, tables, functions", "cargo local outputs".to_owned()),
        ("the operator's page, in a browser: what is stuck, and how to mend it", operators_page(stack, "console")?),
        ("the board: orders and money as they come, for a wall", operators_page(stack, "board")?),
    ];
    let mut stdout = anstream::stdout().lock();
    writeln!(stdout, "\n{}\n\n  API={api}", strong("Try next, in another terminal, here"))?;
    writeln!(stdout, "  AUTH=\"Authorization: Bearer $(cargo local token)\"")?;
    for (what, command) in ideas {
        writeln!(stdout, "\n  {}\n  {command}", faint(format!("# {what}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(arguments: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("cargo local").chain(arguments.split_whitespace()))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_that_exclude_each_other_are_refused() {
        assert!(parse("up --endpoint http://localhost:4566 --port 4567").is_err());
        assert!(parse("up --endpoint http://sqs.us-east-1.amazonaws.com").is_err());
        assert!(parse("up --port 70000").is_err());
        assert!(parse("up --sam --release").is_err());
        assert!(parse("up --port 4567 --detach --release").is_ok());
        assert!(parse("new consumer loyalty").is_err());
        assert!(parse("new consumer Loyalty --on PaymentProcessed").is_err());
        assert!(parse("new consumer loyalty --on PaymentPraised").is_err());
        assert!(parse("new consumer loyalty --on PaymentProcessed,PaymentRefunded --publishes PointsChanged").is_ok());
    }

    #[test]
    fn without_a_command_everything_is_done() {
        assert!(parse("").unwrap().command.is_none());
    }
}
