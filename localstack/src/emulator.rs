//! The emulator's process.

pub(crate) mod collector;
pub(crate) mod group;
pub(crate) mod port;
pub(crate) mod program;
pub(crate) mod python;
pub(crate) mod state_dir;

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::client::endpoint::{Endpoint, REGION};
use crate::client::http::http_client;
use crate::emulator::group::ProcessGroup;
use crate::emulator::python::Python;
use crate::emulator::state_dir::{Claim, StackDir};
use crate::terminal::progress::Progress;
use crate::workspace::Workspace;

const START_LIMIT: Duration = Duration::from_secs(30);
const START_POLL: Duration = Duration::from_millis(50);
const LIFE_POLL: Duration = Duration::from_millis(200);

/// Failure of the emulator to start or to go on.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// Its program could not be executed.
    #[error("cannot start the emulator: {0}")]
    Spawn(#[source] io::Error),
    /// It ended by itself.
    #[error("the emulator died: {reason} (log: {})", log.display())]
    Died {
        /// Last line of its log, or its status.
        reason: String,
        /// Its log.
        log: PathBuf,
    },
    /// It started and does not answer.
    #[error("the emulator does not answer after {} s (log: {})", START_LIMIT.as_secs(), log.display())]
    Mute {
        /// Its log.
        log: PathBuf,
    },
    /// `cargo local down`, somewhere else.
    #[error("the stack was stopped")]
    Stopped,
}

/// A running emulator; dropping it ends it and everything that it runs.
#[derive(Debug)]
pub(crate) struct Emulator {
    child: Child,
    group: ProcessGroup,
    /// The emulator ends when this closes, even if this process is killed.
    lifeline: Option<ChildStdin>,
    dir: StackDir,
    endpoint: Endpoint,
    status: Option<ExitStatus>,
    /// It is no longer ours to end, nor is its directory ours to tidy.
    released: bool,
}

impl Emulator {
    /// Starts it and waits until it answers. Its functions send their calls to it, or to the `detour`.
    pub(crate) async fn start(
        workspace: &Workspace,
        python: &Python,
        claim: Claim,
        detour: Option<&Endpoint>,
        progress: Progress,
    ) -> Result<Self, EmulatorError> {
        let step = progress.step("emulator");
        let mut emulator = Self::spawn(workspace, python, claim, detour)?;
        emulator.wait_until_it_answers().await?;
        step.done(&emulator.endpoint.to_string());
        Ok(emulator)
    }

    fn spawn(
        workspace: &Workspace,
        python: &Python,
        claim: Claim,
        detour: Option<&Endpoint>,
    ) -> Result<Self, EmulatorError> {
        let Claim { dir, log } = claim;
        let errors = log.try_clone().map_err(EmulatorError::Spawn)?;
        let endpoint = Endpoint::local(dir.port());
        let mut child = Command::new(python.program())
            .arg(workspace.emulator_program())
            .env_clear()
            .envs(environment(&dir, detour.unwrap_or(&endpoint)))
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(EmulatorError::Spawn)?;
        let lifeline = child.stdin.take();
        let group = ProcessGroup::led_by(child.id()).ok_or_else(|| EmulatorError::Spawn(io::Error::other("no pid")))?;
        Ok(Self { child, group, lifeline, dir, endpoint, status: None, released: false })
    }

    async fn wait_until_it_answers(&mut self) -> Result<(), EmulatorError> {
        let http = http_client().map_err(|error| EmulatorError::Spawn(io::Error::other(error)))?;
        let health = self.endpoint.join("/_localstack/health");
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            self.check()?;
            if http.get(health.clone()).send().await.is_ok_and(|reply| reply.status().is_success()) {
                // Someone else's emulator may have taken the port a moment before; then this one is dead by now.
                return self.check();
            }
            sleep(START_POLL).await;
        }
        Err(EmulatorError::Mute { log: self.dir.log() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// An error if it has ended.
    pub(crate) fn check(&mut self) -> Result<(), EmulatorError> {
        if !self.has_ended() {
            return Ok(());
        }
        Err(EmulatorError::Died { reason: self.reason_of_death(), log: self.dir.log() })
    }

    /// Last words of the emulator, unless it was killed: then it did not know.
    fn reason_of_death(&self) -> String {
        let status = self.status.map_or_else(|| "no status".to_owned(), |status| status.to_string());
        let was_killed = self.status.is_some_and(|status| status.code().is_none());
        if was_killed { status } else { self.dir.last_words().unwrap_or(status) }
    }

    /// Returns once it has ended, with the reason.
    pub(crate) async fn death(&mut self) -> EmulatorError {
        loop {
            if let Err(died) = self.check() {
                if self.dir.is_recorded() {
                    return died;
                }
                // Whoever has stopped it has tidied up, too; by now the directory may be that of another stack.
                self.released = true;
                return EmulatorError::Stopped;
            }
            sleep(LIFE_POLL).await;
        }
    }

    /// Lets it live on when this process ends.
    pub(crate) fn detach(mut self) -> Result<(), EmulatorError> {
        if let Some(mut lifeline) = self.lifeline.take() {
            lifeline.write_all(b"d").map_err(EmulatorError::Spawn)?;
        }
        self.released = true;
        Ok(())
    }

    /// Ends it and removes its log, too, which a dropped emulator leaves.
    pub(crate) fn down(self) {
        let (dir, released) = (self.dir.clone(), self.released);
        drop(self);
        if !released {
            dir.remove();
        }
    }

    fn has_ended(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status.is_some()
    }
}

impl Drop for Emulator {
    /// By force: it keeps nothing that would have to be written first.
    fn drop(&mut self) {
        if !self.released {
            self.dir.forget();
            let group = self.group;
            group.kill(|| self.has_ended());
            self.dir.keep_only_log();
        }
    }
}

/// All that the emulator and its functions see: nothing of the user's own AWS configuration, and the endpoint of the
/// functions, without which their clients would call AWS itself.
fn environment(dir: &StackDir, endpoint: &Endpoint) -> Vec<(&'static str, String)> {
    let port = dir.port().to_string();
    let scratch = dir.scratch().display().to_string();
    let mut variables = vec![
        ("GATEWAY_PORT", port),
        ("BIND_HOST", "127.0.0.1".to_owned()),
        ("MINISTACK_HOST", "127.0.0.1".to_owned()),
        ("MINISTACK_REGION", REGION.to_owned()),
        // Roles and policies count: what a function's role does not allow is refused, as on AWS. The key `test` may do
        // all.
        ("AUTH", "true".to_owned()),
        // It would listen on every address of this machine, whatever BIND_HOST says.
        ("IOT_MTLS_ENABLED", "0".to_owned()),
        ("AWS_ENDPOINT_URL", endpoint.to_string()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("HOME", scratch.clone()),
        ("TMPDIR", scratch),
        ("PYTHONUNBUFFERED", "1".to_owned()),
        ("PYTHONUTF8", "1".to_owned()),
    ];
    variables.extend(inherited("PATH"));
    variables
}

#[expect(clippy::disallowed_methods, reason = "a child's variable is passed on, not read")]
fn inherited(name: &'static str) -> Option<(&'static str, String)> {
    std::env::var(name).ok().map(|value| (name, value))
}
