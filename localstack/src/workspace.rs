//! Paths of the workspace and its files.

use std::path::{Path, PathBuf};

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
