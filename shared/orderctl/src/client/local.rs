//! Local stack: `cargo local` knows where its API is, and makes a token for it.

use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use serde::Deserialize;

use crate::error::Error;

/// The workspace that this crate was compiled in.
const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The program behind `cargo local`.
const PROGRAM: &str = "orderflow-local";

/// Outputs of the stack, as far as they are of use.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Outputs {
    api_url: String,
}

/// URL of the API of the local stack on that port, and a token that it takes.
pub(crate) fn local_stack(port: u16) -> Result<(String, String), Error> {
    let (outputs, token) = thread::scope(|scope| {
        let token = scope.spawn(|| ask(port, &["token"]));
        (ask(port, &["outputs", "--json"]), token.join())
    });
    let token = token.map_err(|_| Error::Local("cargo local cannot be asked for a token".to_owned()))??;
    let outputs: Outputs = serde_json::from_str(&outputs?).map_err(|error| Error::Local(error.to_string()))?;
    Ok((outputs.api_url, token.trim().to_owned()))
}

fn ask(port: u16, arguments: &[&str]) -> Result<String, Error> {
    let mut command = cargo_local();
    command.args(arguments).args(["--port", &port.to_string()]);
    let failed = |source| Error::Local(format!("cargo local cannot be asked: {source}"));
    let Output { status, stdout, stderr } = command.output().map_err(failed)?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("cargo local has failed");
    Err(Error::Local(last.trim_start_matches("error: ").to_owned()))
}

/// The program as cargo has put it beside this one, for `cargo run`: it answers at once, where cargo would first see whether
/// all is built. A program that was installed asks cargo.
fn cargo_local() -> Command {
    let this = std::env::current_exe().ok();
    let beside = this.as_deref().and_then(Path::parent).map(|folder| folder.join(PROGRAM));
    if let Some(program) = beside.filter(|program| program.is_file()) {
        return Command::new(program);
    }
    let mut command = Command::new("cargo");
    command.args(["--quiet", "local"]).current_dir(WORKSPACE);
    command
}
