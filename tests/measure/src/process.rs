//! A function's process: started, invoked, observed, and ended.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::affinity::Cores;
use crate::runtime_api::{Arrival, RuntimeApi};
use crate::stack::{ACCOUNT, REGION};
use orderflow_tests::to_f64;

/// Recipe for a process: binary and environment.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// Programs before the binary, such as `valgrind` with its options.
    pub(crate) wrapper: Vec<String>,
    pub(crate) binary: PathBuf,
    /// The function's own variables.
    pub(crate) variables: BTreeMap<String, String>,
    /// URL of AWS.
    pub(crate) endpoint: String,
    /// File of its log, which is thrown away where there is none.
    pub(crate) log: Option<PathBuf>,
    pub(crate) cores: Cores,
}

/// A running function that waits for its next invocation.
pub(crate) struct Process {
    name: String,
    child: Child,
    id: u32,
    api: RuntimeApi,
    waiting: Option<oneshot::Sender<Bytes>>,
    log: Option<PathBuf>,
    /// From its start until it asked for its first invocation.
    pub(crate) init: Duration,
}

/// The answer to one invocation.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    /// From the invocation to the answer.
    pub(crate) took: Duration,
}

/// Reason why a function cannot be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// It cannot be started.
    #[error("cannot start {name}: {source}")]
    Start {
        /// Name of the binary.
        name: String,
        /// Error of the system.
        source: std::io::Error,
    },
    /// It ended, or answered nothing for a long time.
    #[error("{name} {how}{log}")]
    Silent {
        /// Name of the binary.
        name: String,
        /// Way in which it went silent.
        how: &'static str,
        /// The end of its log.
        log: String,
    },
    /// Its answer is no success.
    #[error("{name} did not handle an invocation: {answer}{log}")]
    Failed {
        /// Name of the binary.
        name: String,
        /// Its answer.
        answer: String,
        /// The end of its log.
        log: String,
    },
}

type Result<T> = std::result::Result<T, ProcessError>;

/// For how long a function may be silent. Under valgrind everything takes fifty times as long.
const PATIENCE: Duration = Duration::from_mins(2);

/// The functions' timeout on AWS is shorter; under valgrind they need more.
const TIMEOUT: Duration = Duration::from_mins(1);

impl Process {
    /// Starts a function, and waits until it asks for its first invocation.
    pub(crate) async fn start(launch: &Launch) -> Result<Self> {
        let name = name_of(&launch.binary);
        let failed = |source| ProcessError::Start { name: name.clone(), source };
        let api = RuntimeApi::open(TIMEOUT).await.map_err(failed)?;
        let mut command = launch.command(&api).map_err(failed)?;
        let started = Instant::now();
        let child = launch.cores.spawn(|| command.spawn()).map_err(failed)?;
        let id = child.id().unwrap_or_default();
        let (log, init) = (launch.log.clone(), Duration::ZERO);
        let mut process = Self { name, child, id, api, waiting: None, log, init };
        let at = match process.arrival().await? {
            Arrival::Next { at, reply } => {
                process.waiting = Some(reply);
                at
            }
            Arrival::Answer { body, .. } | Arrival::Failure { body } => return Err(process.failed(&body)),
        };
        process.init = at - started;
        Ok(process)
    }

    /// Invokes it, and waits until it asks for the next invocation.
    pub(crate) async fn invoke(&mut self, payload: &Bytes) -> Result<Answer> {
        let answer = self.attempt(payload).await?.map_err(|body| self.failed(&body))?;
        if is_success(&answer.body) { Ok(answer) } else { Err(self.failed(&answer.body)) }
    }

    /// Invokes it as a shard of a stream does: one invocation after the other, by the same records until they are handled, and `most` times.
    /// Answers how many it were.
    pub(crate) async fn invoke_until_handled(&mut self, payload: &Bytes, most: u32) -> Result<u32> {
        let mut invocations = 0;
        loop {
            invocations += 1;
            let body = match self.attempt(payload).await? {
                Ok(answer) if is_success(&answer.body) => return Ok(invocations),
                Ok(Answer { body, .. }) | Err(body) => body,
            };
            if invocations >= most {
                return Err(self.failed(&body));
            }
        }
    }

    /// Invokes it, and waits until it asks for the next invocation: its answer, or what it says of its failure.
    async fn attempt(&mut self, payload: &Bytes) -> Result<std::result::Result<Answer, Bytes>> {
        let invoked = Instant::now();
        let is_sent = self.waiting.take().is_some_and(|waiting| waiting.send(payload.clone()).is_ok());
        if !is_sent {
            return Err(self.silent("is gone"));
        }
        let mut answer = None;
        loop {
            match self.arrival().await? {
                Arrival::Answer { at, body } => answer = Some(Ok(Answer { body, took: at - invoked })),
                Arrival::Failure { body } => answer = Some(Err(body)),
                Arrival::Next { reply, .. } => {
                    self.waiting = Some(reply);
                    return answer.ok_or_else(|| self.silent("asks for more without an answer"));
                }
            }
        }
    }

    /// Ends it as Lambda would, and waits until it is gone: valgrind writes what it has counted when its program ends.
    pub(crate) async fn stop(mut self) {
        let pid = i32::try_from(self.id).ok().and_then(Pid::from_raw);
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }

    /// CPU time of its threads so far, in ms. Exact while it waits.
    pub(crate) fn cpu_ms(&self) -> f64 {
        cpu_ms_of(&self.id.to_string())
    }

    /// Its resident memory, in MB of 1,024² bytes. `smaps_rollup` is exact; `status` may be off by a quarter of one.
    pub(crate) fn resident_mb(&self) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
        let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        to_f64(kb.unwrap_or(0)) / 1024.0
    }

    async fn arrival(&mut self) -> Result<Arrival> {
        let how = tokio::select! {
            biased;
            arrival = timeout(PATIENCE, self.api.arrival()) => match arrival {
                Ok(Some(arrival)) => return Ok(arrival),
                Ok(None) => "has no Runtime API any more",
                Err(_) => "is silent",
            },
            _ = self.child.wait() => "has ended",
        };
        Err(self.silent(how))
    }

    fn silent(&self, how: &'static str) -> ProcessError {
        ProcessError::Silent { name: self.name.clone(), how, log: self.end_of_log() }
    }

    fn failed(&self, answer: &Bytes) -> ProcessError {
        let answer = String::from_utf8_lossy(answer).into_owned();
        ProcessError::Failed { name: self.name.clone(), answer, log: self.end_of_log() }
    }

    fn end_of_log(&self) -> String {
        let log = self.log.as_ref().and_then(|log| fs::read_to_string(log).ok()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(5)..];
        last.iter().fold(String::new(), |text, line| text + "\n  " + line)
    }
}

impl Launch {
    fn command(&self, api: &RuntimeApi) -> std::io::Result<Command> {
        let mut words = self.wrapper.iter().map(PathBuf::from).chain([self.binary.clone()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).env_clear().kill_on_drop(true).stdin(Stdio::null());
        match &self.log {
            None => command.stdout(Stdio::null()).stderr(Stdio::null()),
            Some(path) => {
                let file = File::options().create(true).append(true).open(path)?;
                command.stdout(file.try_clone()?).stderr(file)
            }
        };
        let name = name_of(&self.binary);
        // As Lambda gives them; the keys are those of AWS's documentation.
        for (variable, value) in [
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("LANG", "en_US.UTF-8"),
            ("TZ", ":UTC"),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("AWS_SESSION_TOKEN", &"IQoJb3JpZ2luX2VjEXAMPLETOKEN".repeat(24)),
            ("AWS_LAMBDA_RUNTIME_API", api.address()),
            ("AWS_LAMBDA_FUNCTION_NAME", &name),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/measured"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]0123456789abcdef0123456789abcdef"),
            ("AWS_ACCOUNT_ID", ACCOUNT),
            ("AWS_ENDPOINT_URL", &self.endpoint),
        ] {
            command.env(variable, value);
        }
        command.envs(&self.variables);
        Ok(command)
    }
}

/// CPU time of this program so far, in ms: of the stubs, for the most part.
pub(crate) fn own_cpu_ms() -> f64 {
    cpu_ms_of("self")
}

fn cpu_ms_of(process: &str) -> f64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let of_thread = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("schedstat")).ok();
    let nanoseconds = |text: String| text.split(' ').next()?.parse::<u64>().ok();
    to_f64(threads.filter_map(of_thread).filter_map(nanoseconds).sum()) / 1e6
}

fn name_of(binary: &Path) -> String {
    binary.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Tells an answer that all is handled: no message to be delivered again, no status of an error.
fn is_success(body: &[u8]) -> bool {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else { return false };
    let is_good_status = answer["statusCode"].as_u64().is_none_or(|status| (200..300).contains(&status));
    let is_whole = answer["batchItemFailures"].as_array().is_none_or(Vec::is_empty);
    is_good_status && is_whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_handled_whole_is_a_success() {
        for (body, expected) in [
            (r#"{"batchItemFailures":[]}"#, true),
            (r#"{"batchItemFailures":[{"itemIdentifier":"1"}]}"#, false),
            (r#"{"statusCode":201,"body":"{}"}"#, true),
            (r#"{"statusCode":422,"body":"{}"}"#, false),
            ("null", true),
            ("no JSON", false),
        ] {
            assert_eq!(is_success(body.as_bytes()), expected, "{body}");
        }
    }
}
