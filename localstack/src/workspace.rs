//! Paths of the workspace and its files.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// Rights of the user alone.
const PRIVATE: u32 = 0o700;

/// Makes a folder, and those above it, that nobody but the user may look into: the emulator's log has addresses in it, and
/// whole messages to people. One that is there already becomes such a folder.
pub(crate) fn make_private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(PRIVATE).create(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(PRIVATE))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_folder_is_the_users_alone_even_if_it_was_everybodys() {
        let home = tempfile::tempdir().unwrap();
        let (above, folder) = (home.path().join("a"), home.path().join("a/b"));
        let rights = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        make_private(&folder).unwrap();
        assert_eq!([&*above, &*folder].map(rights), [PRIVATE; 2]);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        make_private(&folder).unwrap();
        assert_eq!(rights(&folder), PRIVATE);
    }
}
