//! Faults, each made for real on a stack of its own, and the way of `docs/operations.md` from each to its end, by the real
//! `orderctl` alone.
//!
//! The stack is brought up once, on an emulator of its own, with a proxy between it and its functions, at which a fault is
//! made. A fault is the whole stack's, so one comes after the other. Each ends with every order at its end, no open letter,
//! a reconciliation that finds nothing, and one charge for each order.

#![expect(clippy::expect_used, reason = "all of it is tests, though Clippy does not see any")]

mod bug;
mod faults;
mod killed;
mod off;
mod poison;
mod provider;
mod relay;
mod scene;

use std::path::Path;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use orderflow_local::{Endpoint, Error, Options, PortChoice, Stack};
use orderflow_tests::{Emulator, Gap, free_port};

use crate::faults::Faults;
use crate::scene::{Scene, Stage};

fn main() -> std::process::ExitCode {
    let mut arguments = Arguments::from_args();
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(None)).exit_code();
    }
    let home = tempfile::tempdir().expect("a temporary directory");
    let stage = match runtime().block_on(bring_up(home.path())) {
        Ok(stage) => Arc::new(stage),
        Err(error) => {
            eprintln!("the stack does not come up: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    if stage.emulator.lacks(Gap::Kills) {
        eprintln!("left out: whose a call is cannot be told where functions are no processes of this machine");
        return std::process::ExitCode::SUCCESS;
    }
    arguments.test_threads = Some(1);
    let mut trials = trials(Some(&stage));
    if arguments.filter.is_none() {
        let is_short = |trial: &Trial| SHORT.iter().any(|scene| trial.name().contains(scene));
        match told().as_str() {
            "whole" => {}
            "rest" => trials.retain(|trial| !is_short(trial)),
            _ => {
                eprintln!(
                    "left out: all scenes but {}; ORDERFLOW_RUNBOOK=whole has them, too, or rest alone",
                    SHORT.join(", ")
                );
                trials.retain(is_short);
            }
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Scenes of a run that says nothing else: all of them take eight minutes.
const SHORT: [&str; 2] = ["a_bug_in_one_consumer", "a_consumer_that_was_off"];

/// Scenes that are to run: the `whole`, the `rest` of a short run, or else those.
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment how much to do")]
fn told() -> String {
    std::env::var("ORDERFLOW_RUNBOOK").unwrap_or_default()
}

async fn bring_up(home: &Path) -> Result<Stage, Error> {
    let faults = Faults::default();
    let port = free_port().expect("a free port");
    let detour = Endpoint::local(faults.open(port, runtime()));
    let options = Options { port: PortChoice::Given(port), detour: Some(detour), ..Options::apart(home) };
    let stack = Box::pin(Stack::up(&options)).await?;
    faults.knows_those_of(stack.emulator_pid().expect("an emulator of our own"));
    let emulator = Emulator::of(&stack).await;
    Ok(Stage { stack, emulator, faults })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an async runtime")
}

fn trials(stage: Option<&Arc<Stage>>) -> Vec<Trial> {
    macro_rules! trials {
        ($($module:ident: $($name:ident),* $(,)?;)*) => {
            vec![$($(
                trial(stage, concat!(stringify!($module), "::", stringify!($name)), async |scene: &Scene<'_>| {
                    $module::$name(scene).await;
                }),
            )*)*]
        };
    }
    trials![
        bug: a_bug_in_one_consumer_that_parks_half_of_its_messages;
        provider: a_provider_that_is_down;
        relay:
            a_relay_that_may_not_publish,
            a_relay_whose_rows_are_refused;
        poison: a_flood_of_poison;
        off:
            a_consumer_that_was_off_for_longer_than_its_queue_keeps_messages,
            a_new_consumer_that_catches_up_while_orders_come_in;
        killed: jobs_that_are_killed_in_their_middle;
    ]
}

fn trial(stage: Option<&Arc<Stage>>, name: &str, test: impl AsyncFn(&Scene<'_>) + Send + 'static) -> Trial {
    let stage = stage.cloned();
    Trial::test(name, move || {
        let stage = stage.ok_or_else(|| Failed::from("there is no stack"))?;
        runtime().block_on(async { test(&Scene::on(&stage)).await });
        Ok(())
    })
}
