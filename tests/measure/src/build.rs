//! The binaries to be measured, built as `sam build` builds them.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The workspace that this program was compiled in.
const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Package of the floor, which is built with the functions and never deployed.
const FLOOR: &str = "orderflow-floor";

/// Reason why there are no binaries.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// cargo itself could not be run.
    #[error("cannot run cargo: {0}")]
    Cargo(#[from] io::Error),
    /// cargo's description of the workspace is not understood.
    #[error("cannot read what cargo says of the workspace: {0}")]
    Metadata(String),
    /// The compiler has said why.
    #[error("the build failed: see the compiler's messages above")]
    Failed,
}

/// Builds the functions and the floor; the folder of the binaries.
///
/// Release binaries are of the packages that `sam build` takes, so that their dependencies have no feature that only a
/// tool asks for. Debug binaries are of the whole workspace, as those of the tests.
pub(crate) fn build(is_debug: bool) -> Result<PathBuf, BuildError> {
    let metadata = metadata()?;
    let mut command = cargo();
    command.args(["build", "--workspace"]);
    if is_debug {
        for binary in binaries(&metadata) {
            command.args(["--bin", binary]);
        }
    } else {
        command.args(["--release", "--bins"]);
        for package in excluded(&metadata).filter(|package| *package != FLOOR) {
            command.args(["--exclude", package]);
        }
    }
    if !command.status()?.success() {
        return Err(BuildError::Failed);
    }
    let target = metadata["target_directory"].as_str().unwrap_or("target");
    Ok(Path::new(target).join(if is_debug { "debug" } else { "release" }))
}

/// The template beside which binaries were built: of their checkout, else of this one.
pub(crate) fn template_of(bin_dir: &Path) -> PathBuf {
    let bin_dir = bin_dir.canonicalize().unwrap_or_else(|_| bin_dir.to_owned());
    let mut templates = bin_dir.ancestors().map(|folder| folder.join("template.yaml"));
    templates.find(|template| template.exists()).unwrap_or_else(|| Path::new(WORKSPACE).join("template.yaml"))
}

fn metadata() -> Result<Value, BuildError> {
    let output = cargo().args(["metadata", "--no-deps", "--format-version", "1"]).stderr(Stdio::inherit()).output()?;
    serde_json::from_slice(&output.stdout).map_err(|error| BuildError::Metadata(error.to_string()))
}

/// Packages that `sam build` leaves out.
fn excluded(metadata: &Value) -> impl Iterator<Item = &str> {
    metadata["metadata"]["lambda"]["build"]["exclude"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Binaries of all packages that `sam build` takes, and the floor.
fn binaries(metadata: &Value) -> Vec<&str> {
    let left_out: Vec<&str> = excluded(metadata).filter(|package| *package != FLOOR).collect();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let packages = packages.filter(|package| package["name"].as_str().is_some_and(|name| !left_out.contains(&name)));
    let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let binaries =
        targets.filter(|target| target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "bin")));
    binaries.filter_map(|target| target["name"].as_str()).collect()
}

fn cargo() -> Command {
    let mut command = orderflow_local::cargo(Path::new(WORKSPACE));
    command.stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_and_the_floor_are_built_and_no_tool() {
        let metadata = metadata().unwrap();
        let binaries = binaries(&metadata);
        for function in ["orders-api", "payment", "relay", "floor"] {
            assert!(binaries.contains(&function), "{binaries:?}");
        }
        for tool in ["orderflow-measure", "orderflow-local", "orderflow-chaos", "orderflow-bill"] {
            assert!(!binaries.contains(&tool), "{binaries:?}");
        }
    }

    #[test]
    fn binaries_have_the_template_of_their_checkout() {
        let folder = tempfile::tempdir().unwrap();
        let release = folder.path().join("target/release");
        std::fs::create_dir_all(&release).unwrap();
        let ours = Path::new(WORKSPACE).join("template.yaml");
        assert_eq!(template_of(&release), ours);
        let theirs = folder.path().canonicalize().unwrap().join("template.yaml");
        std::fs::write(&theirs, "").unwrap();
        assert_eq!(template_of(&release), theirs);
    }
}
