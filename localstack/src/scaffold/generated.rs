//! Files that are made of the types and of the template: the lock file, the documents, the budgets.

use std::io;
use std::path::Path;

use crate::scaffold::name::Name;

/// Reason why a file was not made.
#[derive(Debug, thiserror::Error)]
pub enum GeneratedError {
    /// The program cannot be started.
    #[error("`{command}` cannot be started: {source}")]
    Start {
        /// The command.
        command: String,
        /// Error of the system.
        source: io::Error,
    },
    /// It has failed, and has said why.
    #[error("`{0}` has failed: see above, and run it again")]
    Failed(String),
}

/// The lock file with the new crate in it, the code in the form of the others', the documents with the new type, and the
/// budget of the new function.
pub(super) fn after_adding(root: &Path, name: &Name) -> Result<(), GeneratedError> {
    after_removing(root)?;
    // The alias measures release builds.
    let measure = ["run", "--locked", "--quiet", "--bin", "orderflow-measure", "--", "--debug", "--plain"];
    cargo(root, &[&measure[..], &["--only", name.kebab(), "--write-budgets"]].concat())
}

/// The same without the budget, which went with the crate.
pub(super) fn after_removing(root: &Path) -> Result<(), GeneratedError> {
    cargo(root, &["update", "--quiet", "--workspace"])?;
    cargo(root, &["fmt", "--all"])?;
    cargo(root, &["documents"])
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<(), GeneratedError> {
    let command = format!("cargo {}", arguments.join(" "));
    anstream::eprintln!("  {command}");
    let status = crate::workspace::cargo(root).args(arguments).stdout(io::stderr()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(GeneratedError::Failed(command)),
        Err(source) => Err(GeneratedError::Start { command, source }),
    }
}
