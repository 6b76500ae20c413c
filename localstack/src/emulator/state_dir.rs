//! Directory of the stacks of this machine: their records, logs and temporary files.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::client::endpoint::Endpoint;
use crate::client::outputs::Outputs;
use crate::client::token::{TokenError, TokenSigner};
use crate::emulator::group::ProcessGroup;
use crate::emulator::port::{PortChoice, PortError, answers};
use crate::workspace::make_private;

const STATE_FILE: &str = "state.json";
const LOG_FILE: &str = "emulator.log";

/// File with the private key of the stack's access tokens.
const TOKEN_KEY_FILE: &str = "token-key.pk8";

/// The directory of all stacks: one directory for each, named by its port.
#[derive(Clone, Debug)]
pub(crate) struct StateDir {
    dir: PathBuf,
}

/// The directory of one stack.
#[derive(Clone, Debug)]
pub(crate) struct StackDir {
    dir: PathBuf,
    port: u16,
}

/// Record of a stack, for other processes to use it or to stop it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The emulator's URL.
    pub(crate) endpoint: String,
    /// The emulator's process, which leads a process group; none if someone else has started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pid: Option<u32>,
    /// The stack's outputs as `CloudFormation` gave them; empty until it is deployed.
    #[serde(default)]
    pub(crate) outputs: BTreeMap<String, String>,
}

/// Failure to find or use a stack's directory.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// The file system refused.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// No stack is there to use.
    #[error("no stack is running: start one with `cargo local up`")]
    NoneRunning,
    /// None of the running stacks is the one that was asked for.
    #[error("no stack is running on port {port}; running: {}", list(running))]
    NotThis {
        /// The port that was asked for.
        port: u16,
        /// The ports with a running stack.
        running: Vec<u16>,
    },
    /// Several are running, and none was named.
    #[error("several stacks are running, on ports {}: choose one with --port", list(running))]
    Several {
        /// The ports with a running stack.
        running: Vec<u16>,
    },
    /// There is no port for a stack.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The key of its tokens is not usable.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The stack has not been deployed yet.
    #[error("the stack on port {0} is still starting, or its deployment failed")]
    StillStarting(u16),
}

fn list(ports: &[u16]) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

impl StateDir {
    pub(crate) fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(crate) fn stack(&self, port: u16) -> StackDir {
        StackDir { dir: self.dir.join(port.to_string()), port }
    }

    /// The stack on `port`, or the only one that runs.
    pub(crate) fn find(&self, port: Option<u16>) -> Result<StackDir, StateDirError> {
        self.choose(port, self.ports(StackDir::is_running))
    }

    /// The same, to stop it: also one that has died may have left something.
    pub(crate) fn find_to_stop(&self, port: Option<u16>) -> Result<StackDir, StateDirError> {
        self.find(port).or_else(|error| self.choose(port, self.ports(StackDir::is_recorded)).map_err(|_| error))
    }

    fn choose(&self, port: Option<u16>, ports: Vec<u16>) -> Result<StackDir, StateDirError> {
        match (port, ports.as_slice()) {
            (_, []) => Err(StateDirError::NoneRunning),
            (Some(port), ports) if ports.contains(&port) => Ok(self.stack(port)),
            (None, [port]) => Ok(self.stack(*port)),
            (Some(port), _) => Err(StateDirError::NotThis { port, running: ports }),
            (None, _) => Err(StateDirError::Several { running: ports }),
        }
    }

    /// The ports of certain stacks, in order.
    fn ports(&self, which: impl Fn(&StackDir) -> bool) -> Vec<u16> {
        let mut ports: Vec<u16> = fs::read_dir(&self.dir)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|port| which(&self.stack(*port)))
            .collect();
        ports.sort_unstable();
        ports
    }
}

/// A directory that is taken before anything listens on its port.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) dir: StackDir,
    /// The emulator's log. Its lock lives as long as any process has the file open: it is how others know that the
    /// emulator lives, where a process id could have been given to someone else.
    pub(crate) log: File,
}

impl StateDir {
    /// Chooses a port and takes its directory, without anything that an earlier stack has left in it.
    pub(crate) fn claim(&self, choice: PortChoice) -> Result<Claim, StateDirError> {
        // Until the emulator listens only the claim tells others that the port is taken.
        let _one_at_a_time = self.lock()?;
        self.tidy();
        let stack = self.stack(choice.choose(|port| self.stack(port).is_claimed())?);
        stack.make_afresh()?;
        let log = stack.open_locked_log()?;
        Ok(Claim { dir: stack, log })
    }

    fn lock(&self) -> Result<File, StateDirError> {
        let path = self.dir.join("lock");
        let failed = |source| StateDirError::Write { path: path.clone(), source };
        make_private(&self.dir).map_err(failed)?;
        let file = File::create(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    /// Removes the logs of stacks that have ended: they were kept for a look, and this is a new start.
    fn tidy(&self) {
        for port in self.ports(|stack| stack.log().exists() && !stack.is_claimed()) {
            self.stack(port).remove();
        }
    }
}

impl StackDir {
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join(LOG_FILE)
    }

    /// The spans that a collector has kept.
    pub(crate) fn spans(&self) -> PathBuf {
        self.dir.join("spans.jsonl")
    }

    /// The emulator's own directory for temporary files.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    fn state_file(&self) -> PathBuf {
        self.dir.join(STATE_FILE)
    }

    fn make_afresh(&self) -> Result<(), StateDirError> {
        self.remove();
        let failed = |source| StateDirError::Write { path: self.scratch(), source };
        make_private(&self.dir).and_then(|()| make_private(&self.scratch())).map_err(failed)
    }

    /// Signer of the stack's access tokens; its key is made the first time.
    pub(crate) fn token_signer(&self) -> Result<TokenSigner, StateDirError> {
        let path = self.dir.join(TOKEN_KEY_FILE);
        let failed = |source| StateDirError::Write { path: path.clone(), source };
        match fs::read(&path) {
            Ok(key) => Ok(TokenSigner::of_key(&key)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_private(&self.dir).map_err(failed)?;
                let key = TokenSigner::new_key()?;
                let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
                file.and_then(|mut file| file.write_all(&key)).map_err(failed)?;
                Ok(TokenSigner::of_key(&key)?)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Removes the directory. What cannot be removed is in nobody's way.
    pub(crate) fn remove(&self) {
        let _left = fs::remove_dir_all(&self.dir);
    }

    /// Removes everything but the log, which tells why a stack failed.
    pub(crate) fn keep_only_log(&self) {
        self.forget();
        let _left = fs::remove_dir_all(self.scratch());
    }

    fn open_locked_log(&self) -> Result<File, StateDirError> {
        let failed = |source| StateDirError::Write { path: self.log(), source };
        let file = File::create(self.log()).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    /// True while an emulator lives here or is about to.
    fn is_claimed(&self) -> bool {
        File::open(self.log()).is_ok_and(|log| matches!(log.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// The log's last line that says anything.
    pub(crate) fn last_words(&self) -> Option<String> {
        let log = fs::read(self.log()).ok()?;
        String::from_utf8_lossy(&log).lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
    }

    /// The recorded state, if there is one that can be read.
    pub(crate) fn state(&self) -> Option<State> {
        serde_json::from_slice(&fs::read(self.state_file()).ok()?).ok()
    }

    /// Written beside the file and moved over it, so that no reader sees half of it.
    pub(crate) fn record(&self, state: &State) -> Result<(), StateDirError> {
        let failed = |source| StateDirError::Write { path: self.state_file(), source };
        make_private(&self.dir).map_err(failed)?;
        let draft = self.dir.join(format!("{STATE_FILE}.new"));
        let text = serde_json::to_vec_pretty(state).map_err(|error| failed(error.into()))?;
        let mut file = File::create(&draft).map_err(failed)?;
        file.write_all(&text).and_then(|()| fs::rename(&draft, self.state_file())).map_err(failed)
    }

    /// Removes the record of a stack: to its own process, too, the sign that someone stops it on purpose.
    pub(crate) fn forget(&self) {
        let _gone = fs::remove_file(self.state_file());
    }

    pub(crate) fn is_recorded(&self) -> bool {
        self.state_file().exists()
    }

    /// True if the stack that is recorded here can be reached.
    pub(crate) fn is_running(&self) -> bool {
        match self.state() {
            Some(State { pid: Some(_), .. }) => self.is_claimed(),
            Some(State { pid: None, endpoint, .. }) => endpoint.parse().is_ok_and(|endpoint: Endpoint| {
                // An emulator on another machine is taken to be up: whoever uses it will see.
                !endpoint.is_this_machine() || answers(endpoint.port())
            }),
            None => false,
        }
    }

    /// The outputs of the stack that runs here.
    pub(crate) fn outputs(&self) -> Result<Outputs, StateDirError> {
        let state = self.state().ok_or(StateDirError::NoneRunning)?;
        let endpoint: Endpoint = state.endpoint.parse().map_err(|_| StateDirError::NoneRunning)?;
        if state.outputs.is_empty() {
            return Err(StateDirError::StillStarting(self.port));
        }
        Ok(Outputs::new(state.outputs, &endpoint))
    }

    /// Ends the emulator of another `cargo local`, and whatever it runs. The record goes first: it tells the other one
    /// that this is on purpose.
    pub(crate) fn stop_emulator(&self, pid: u32) {
        self.forget();
        if let Some(group) = ProcessGroup::led_by(pid)
            // An emulator that was killed leaves its functions in a group without a leader; with one, it is not ours.
            && (self.is_claimed() || !group.has_leader())
        {
            group.kill(|| !self.is_claimed());
        }
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Ports on which nobody listens, the lowest first.
    fn free_ports<const N: usize>() -> [u16; N] {
        // All of them are held at once, so that none comes twice.
        let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let mut ports = listeners.each_ref().map(|listener| listener.local_addr().unwrap().port());
        ports.sort_unstable();
        ports
    }

    fn empty() -> (tempfile::TempDir, StateDir) {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = StateDir::at(dir.path().to_owned());
        (dir, state_dir)
    }

    fn state() -> State {
        State {
            endpoint: "http://127.0.0.1:4700".to_owned(),
            pid: Some(4_000_000),
            outputs: BTreeMap::from([("EventsTopicArn".to_owned(), "arn".to_owned())]),
        }
    }

    /// A stack that seems to run, for as long as the claim lives.
    fn run(state_dir: &StateDir, port: u16) -> Claim {
        let claim = state_dir.claim(PortChoice::Given(port)).unwrap();
        claim.dir.record(&state()).unwrap();
        claim
    }

    #[test]
    fn a_claimed_port_is_taken_before_anything_listens_on_it() {
        let (_dir, state_dir) = empty();
        let [port] = free_ports();
        let claim = state_dir.claim(PortChoice::Given(port)).unwrap();
        assert!(matches!(state_dir.claim(PortChoice::Given(port)), Err(StateDirError::Port(PortError::Taken(_)))));
        drop(claim);
        assert!(state_dir.claim(PortChoice::Given(port)).is_ok());
    }

    #[test]
    fn a_new_start_removes_the_logs_of_the_dead_and_nothing_else() {
        let (_dir, state_dir) = empty();
        let [first, second, third, fourth] = free_ports();
        let dead = state_dir.stack(first);
        drop(run(&state_dir, first));
        let alive = run(&state_dir, second);
        let external = state_dir.stack(third);
        external.record(&State { pid: None, ..state() }).unwrap();
        let _new = run(&state_dir, fourth);
        assert!(!dead.path().exists());
        assert!(alive.dir.path().exists());
        assert!(external.path().exists());
    }

    fn error(result: Result<StackDir, StateDirError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let (_dir, state_dir) = empty();
        state_dir.stack(4700).record(&state()).unwrap();
        assert_eq!(state_dir.stack(4700).state(), Some(state()));
    }

    #[test]
    fn a_stack_is_found_without_its_port_only_if_it_is_the_only_one() {
        let (_dir, state_dir) = empty();
        assert!(error(state_dir.find(None)).starts_with("no stack is running"));
        let [one, other] = free_ports();
        let first = run(&state_dir, one);
        assert_eq!(state_dir.find(None).unwrap().port(), one);
        let _second = run(&state_dir, other);
        assert!(error(state_dir.find(None)).contains(&format!("{one}, {other}")));
        assert_eq!(state_dir.find(Some(other)).unwrap().port(), other);
        assert!(error(state_dir.find(Some(5))).contains(&format!("port 5; running: {one}, {other}")));
        drop(first);
        assert_eq!(state_dir.find(None).unwrap().port(), other);
    }

    #[test]
    fn a_dead_stack_is_not_running_whoever_has_its_process_id_now() {
        let (_dir, state_dir) = empty();
        let [port] = free_ports();
        drop(run(&state_dir, port));
        assert!(state_dir.stack(port).is_recorded());
        assert!(!state_dir.stack(port).is_running());
        assert!(state_dir.find(None).is_err());
        assert_eq!(state_dir.find_to_stop(None).unwrap().port(), port);
    }

    #[test]
    fn a_stack_has_outputs_once_it_is_deployed() {
        let (_dir, state_dir) = empty();
        let stack = state_dir.stack(4700);
        stack.record(&State { outputs: BTreeMap::new(), ..state() }).unwrap();
        assert!(matches!(stack.outputs(), Err(StateDirError::StillStarting(4700))));
        stack.record(&state()).unwrap();
        assert_eq!(stack.outputs().unwrap().get("EventsTopicArn"), Some("arn"));
    }

    #[test]
    fn the_key_of_a_stack_is_made_once_and_is_the_users_alone() {
        let (_dir, state_dir) = empty();
        let stack = state_dir.stack(4700);
        let parameters = stack.token_signer().unwrap().parameters();
        assert_eq!(stack.token_signer().unwrap().parameters(), parameters);
        for (path, mode) in [(stack.path().join(TOKEN_KEY_FILE), 0o600), (stack.path().to_owned(), 0o700)] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
        }
        fs::write(stack.path().join(TOKEN_KEY_FILE), "no key").unwrap();
        assert!(matches!(stack.token_signer(), Err(StateDirError::Token(_))));
    }

    #[test]
    fn the_last_words_are_the_last_line_that_says_anything() {
        let (_dir, state_dir) = empty();
        let stack = state_dir.stack(4700);
        stack.make_afresh().unwrap();
        fs::write(stack.log(), "one\n  two  \n\n").unwrap();
        assert_eq!(stack.last_words().as_deref(), Some("two"));
    }
}
