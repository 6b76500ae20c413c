//! `orderctl`, the real program, on the API of a stack.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;

use serde_json::Value;
use tokio::process::Command;

use crate::patience::LASTING;
use crate::shop::Shop;

/// The program, built once for all tests of a process, as `cargo build` does it.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut cargo = orderflow_local::cargo(workspace);
    cargo.args(["build", "--locked", "--quiet", "--bin", "orderctl", "--message-format", "json-render-diagnostics"]);
    let output = cargo.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "orderctl is not built");
    let messages = String::from_utf8(output.stdout).expect("UTF-8");
    let program = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    program.expect("a program")
});

/// The command in the hands of somebody.
#[derive(Debug)]
pub struct Orderctl {
    api: String,
    token: String,
}

/// Result of a run.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; none where it was killed.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Orderctl {
    /// The command with a token for that subject, with those scopes.
    #[must_use]
    pub fn of(shop: &Shop, subject: &str, scopes: &str) -> Self {
        let token = shop.tokens.token(subject, scopes, LASTING).expect("a token");
        Self { api: shop.output("ApiUrl").to_owned(), token }
    }

    /// The program.
    #[must_use]
    pub fn program() -> &'static Path {
        &PROGRAM
    }

    /// The environment variables by which it is told of the stack and of the token.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, &str); 2] {
        [("ORDERFLOW_API", &self.api), ("ORDERFLOW_TOKEN", &self.token)]
    }

    /// Runs it to its end, without a terminal.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &[]).await
    }

    /// The same with other environment variables.
    pub async fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
        let mut command = Command::new(Self::program());
        command.args(arguments).envs(self.environment()).envs(environment.iter().copied());
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Runs it with `--json`, and answers what it prints: a document for each line.
    pub async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let ran = self.run(&[arguments, &["--json"]].concat()).await;
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}
