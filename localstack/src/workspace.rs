//! Paths of the workspace and its files.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The cargo that runs this program, or else the one on the PATH, in that folder, without what it tells of the package that
/// it runs: build scripts look at some of it, and would have cargo compile again what the user's own `cargo build` has
/// compiled, and the other way round.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "cargo tells its children where it is by this variable alone")]
pub fn cargo(folder: &Path) -> Command {
    const OF_PACKAGE: [&str; 5] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    const OF_BUILD: [&str; 3] = ["OUT_DIR", "LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"];
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if OF_PACKAGE.iter().any(|start| text.starts_with(start)) || OF_BUILD.contains(&&*text) {
            command.env_remove(&name);
        }
    }
    command
}

/// The workspace that this crate was compiled in; `cargo` compiles it anew when the workspace moves.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    pub(crate) fn of_this_crate() -> Self {
        let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self { root: crate_dir.parent().unwrap_or(crate_dir).to_owned() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn template(&self) -> PathBuf {
        self.root.join("template.yaml")
    }

    /// Output of `sam build`.
    pub(crate) fn sam_build(&self) -> PathBuf {
        self.root.join(".aws-sam/build")
    }

    /// Everything that the local stack keeps on disk; git ignores it.
    pub(crate) fn local_dir(&self) -> PathBuf {
        self.root.join(".local")
    }

    pub(crate) fn requirements(&self) -> PathBuf {
        self.root.join("localstack/requirements.txt")
    }

    /// The program that runs the emulator.
    pub(crate) fn emulator_program(&self) -> PathBuf {
        self.root.join("localstack/emulator.py")
    }
}
