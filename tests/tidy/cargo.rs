//! Answers of Cargo about this workspace.

use std::process::Command;
use std::str::FromStr as _;

use serde_json::Value as Json;

/// Output of a command of Cargo, which changes nothing and fetches nothing.
pub(crate) fn cargo(arguments: &[&str]) -> String {
    let answer =
        Command::new(env!("CARGO")).args(arguments).args(["--locked", "--offline"]).output().expect("cargo runs");
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).expect("UTF-8")
}

/// Members of the workspace, with their targets and what their manifests say.
pub(crate) fn metadata() -> Json {
    Json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).expect("metadata")
}
