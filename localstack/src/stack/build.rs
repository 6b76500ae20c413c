//! The functions' binaries, built by cargo.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::emulator::group::ProcessGroup;
use crate::terminal::progress::Progress;
use crate::workspace::{Workspace, cargo};

/// Profile of cargo that the functions are compiled with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Fast to build.
    #[default]
    Debug,
    /// As on AWS; a first build takes minutes.
    Release,
}

/// Failure to build the binaries.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// cargo itself could not be run.
    #[error("cannot run cargo: {0}")]
    Cargo(#[source] io::Error),
    /// The compiler has said why.
    #[error("the build failed: see the compiler's messages above")]
    Failed,
    /// The template names a binary that the workspace does not have.
    #[error("cargo built no binary named {0}, which the template asks for")]
    Absent(String),
}

/// Those of cargo's messages that say where a program is.
#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds the named binaries, all in one call so that what they share is compiled once. Path of each by its name.
pub(crate) async fn build(
    workspace: &Workspace,
    binaries: &BTreeSet<&str>,
    profile: Profile,
    progress: Progress,
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let step = progress.quiet_step("build");
    let mut cargo = Cargo::start(workspace, binaries, profile, progress)?;
    let mut executables = cargo.executables().await?;
    executables.retain(|name, _| binaries.contains(name.as_str()));
    for binary in binaries {
        if !executables.contains_key(*binary) {
            return Err(BuildError::Absent((*binary).to_owned()));
        }
    }
    step.done(&format!("{} programs, {}", binaries.len(), profile.name()));
    Ok(executables)
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

/// A running cargo; dropping it ends it together with its compilers.
struct Cargo {
    child: Child,
    group: Option<ProcessGroup>,
}

impl Cargo {
    fn start(
        workspace: &Workspace,
        binaries: &BTreeSet<&str>,
        profile: Profile,
        progress: Progress,
    ) -> Result<Self, BuildError> {
        // The workspace's root and no package: cargo then chooses the features of dependencies for all members at
        // once, just as in `cargo build`, and compiles none of them twice.
        let mut command = Command::from(cargo(workspace.root()));
        command.args(["build", "--locked", "--message-format", "json-render-diagnostics"]);
        for binary in binaries {
            command.args(["--bin", binary]);
        }
        if profile == Profile::Release {
            command.arg("--release");
        }
        if progress == Progress::Silent {
            command.arg("--quiet");
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(BuildError::Cargo)?;
        let group = child.id().and_then(ProcessGroup::led_by);
        Ok(Self { child, group })
    }

    async fn executables(&mut self) -> Result<BTreeMap<String, PathBuf>, BuildError> {
        let mut executables = BTreeMap::new();
        if let Some(stdout) = self.child.stdout.take() {
            let mut lines = BufReader::new(stdout).lines();
            while let Some(line) = lines.next_line().await.map_err(BuildError::Cargo)? {
                executables.extend(executable_in(&line));
            }
        }
        let status = self.child.wait().await.map_err(BuildError::Cargo)?;
        self.group = None;
        if status.success() { Ok(executables) } else { Err(BuildError::Failed) }
    }
}

impl Drop for Cargo {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            group.stop(|| matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)));
        }
    }
}

fn executable_in(line: &str) -> Option<(String, PathBuf)> {
    let message: Message = serde_json::from_str(line).ok()?;
    Some((message.target?.name, message.executable?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_read_from_cargos_messages() {
        let program =
            r#"{"reason":"compiler-artifact","target":{"name":"relay","kind":["bin"]},"executable":"/t/relay"}"#;
        assert_eq!(executable_in(program), Some(("relay".to_owned(), PathBuf::from("/t/relay"))));
        for other in [
            r#"{"reason":"compiler-artifact","target":{"name":"serde","kind":["lib"]},"executable":null}"#,
            r#"{"reason":"build-finished","success":true}"#,
            "not JSON",
        ] {
            assert_eq!(executable_in(other), None, "{other}");
        }
    }
}
