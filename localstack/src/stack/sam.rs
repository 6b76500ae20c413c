//! Output of `sam build`, deployed as to AWS: by `sam deploy`, with the answers of `samconfig.toml`.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::client::endpoint::{Endpoint, REGION};
use crate::emulator::program::run;
use crate::terminal::progress::Progress;
use crate::workspace::Workspace;

/// Offset in the header of an ELF file of the processor that it is for.
const MACHINE_OFFSET: usize = 18;

/// Failure to deploy what SAM has built.
#[derive(Debug, thiserror::Error)]
pub enum SamError {
    /// There is nothing to deploy.
    #[error("cannot read {}: {source}. Run `sam build --parameter-overrides Architecture={HOST}` first", path.display())]
    NotBuilt {
        /// File that is not there.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// This machine cannot run it.
    #[error(
        "{} is for another processor than this machine's. Run `sam build --parameter-overrides Architecture={HOST}`",
        path.display()
    )]
    Foreign {
        /// The program.
        path: PathBuf,
    },
    /// SAM is not there, or has said why.
    #[error("sam deploy: {0}")]
    Deploy(String),
}

/// This machine's processor in the words of Lambda.
pub(crate) const HOST: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

/// The same in the words of ELF.
const HOST_MACHINE: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };

/// The output of `sam build`.
#[derive(Clone, Debug)]
pub(crate) struct SamBuild {
    workspace: Workspace,
}

impl SamBuild {
    /// Output of `sam build` in `.aws-sam/build`, where every program has to be one that this machine can run.
    pub(crate) fn of(workspace: &Workspace) -> Result<Self, SamError> {
        let dir = workspace.sam_build();
        let template = dir.join("template.yaml");
        File::open(&template).map_err(|source| SamError::NotBuilt { path: template, source })?;
        check_programs_in(&dir)?;
        Ok(Self { workspace: workspace.clone() })
    }

    /// Lets SAM deploy it.
    pub(crate) async fn deploy(
        &self,
        endpoint: &Endpoint,
        name: &str,
        parameters: &BTreeMap<String, String>,
        progress: Progress,
    ) -> Result<(), SamError> {
        let step = progress.step("sam");
        step.at("sam deploy");
        let overrides = parameters.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        // Without a template's name SAM takes what it has built, and the samconfig.toml beside the template of that.
        let mut sam = Command::new("sam");
        sam.current_dir(self.workspace.root())
            .args(["deploy", "--no-confirm-changeset", "--no-progressbar"])
            .args(["--stack-name", name, "--region", REGION, "--parameter-overrides"])
            .args(overrides);
        for name in own_configuration() {
            sam.env_remove(name);
        }
        sam.envs(configuration(endpoint));
        run(sam, |_| ()).await.map_err(|lines| SamError::Deploy(complaint(lines)))?;
        step.done(&format!("stack {name}, deployed by sam deploy"));
        Ok(())
    }
}

/// A value as SAM reads it: one with quotes in it, such as JSON, is a text in quotes.
fn quoted(value: &str) -> String {
    if value.contains('"') { format!("\"{}\"", value.replace('"', "\\\"")) } else { value.to_owned() }
}

/// Checks every `bootstrap` of a directory. A function has one of its own, and a nested stack a directory of functions.
fn check_programs_in(dir: &Path) -> Result<(), SamError> {
    let not_built = |source| SamError::NotBuilt { path: dir.to_owned(), source };
    for entry in fs::read_dir(dir).map_err(not_built)? {
        let path = entry.map_err(not_built)?.path();
        if path.is_dir() {
            check_programs_in(&path)?;
        } else if path.ends_with("bootstrap") {
            check_program(&path)?;
        }
    }
    Ok(())
}

fn check_program(path: &Path) -> Result<(), SamError> {
    let mut header = [0; MACHINE_OFFSET + 2];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.map_err(|source| SamError::NotBuilt { path: path.to_owned(), source })?;
    let machine = u16::from_le_bytes([header[MACHINE_OFFSET], header[MACHINE_OFFSET + 1]]);
    if machine == HOST_MACHINE { Ok(()) } else { Err(SamError::Foreign { path: path.to_owned() }) }
}

/// Complaint of SAM, which may go on for several lines.
fn complaint(lines: VecDeque<String>) -> String {
    let said: Vec<String> = lines.into_iter().filter(|line| !line.trim().is_empty()).collect();
    let start = said.iter().rposition(|line| line.starts_with("Error"));
    said[start.unwrap_or_else(|| said.len().saturating_sub(1))..].join(" ")
}

/// The user's own configuration of AWS, as far as the environment has it.
fn own_configuration() -> impl Iterator<Item = String> {
    let all = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    all.filter(|name| name.starts_with("AWS_"))
}

/// An emulator and nothing else: no profile, no credentials but these, and no proxy on the way.
fn configuration(endpoint: &Endpoint) -> [(&'static str, String); 7] {
    [
        ("AWS_ENDPOINT_URL", endpoint.to_string()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ("NO_PROXY", "*".to_owned()),
        ("SAM_CLI_TELEMETRY", "0".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_to_be_for_this_processor() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bootstrap");
        assert!(matches!(check_program(&path), Err(SamError::NotBuilt { .. })));
        std::fs::copy(std::env::current_exe().unwrap(), &path).unwrap();
        assert!(check_program(&path).is_ok());
        let mut program = std::fs::read(&path).unwrap();
        program[MACHINE_OFFSET] ^= 1;
        std::fs::write(&path, program).unwrap();
        assert!(matches!(check_program(&path), Err(SamError::Foreign { .. })));
    }

    #[test]
    fn all_of_the_complaint_is_told() {
        let told = |lines: &[&str]| complaint(lines.iter().map(|&line| line.to_owned()).collect());
        let lines = ["Uploading", "Error: Unable to upload artifact F.", "", "S3 Bucket not specified."];
        assert_eq!(told(&lines), "Error: Unable to upload artifact F. S3 Bucket not specified.");
        assert_eq!(told(&["cannot run sam: No such file or directory"]), "cannot run sam: No such file or directory");
    }

    #[test]
    fn a_value_with_quotes_is_a_text_in_quotes() {
        assert_eq!(quoted("http://shop.localhost"), "http://shop.localhost");
        assert_eq!(quoted(r#"{"type":["A b"]}"#), r#""{\"type\":[\"A b\"]}""#);
    }

    #[test]
    fn the_remedy_names_this_machines_processor() {
        let error = SamError::Foreign { path: "bootstrap".into() }.to_string();
        assert!(error.ends_with(&format!("Architecture={HOST}`")), "{error}");
    }
}
