//! Instructions that a function executes, counted by valgrind: no neighbour on the machine changes them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::aws::Aws;
use crate::feed::Subject;
use crate::process::{Launch, Process, ProcessError};
use crate::rounds;
use orderflow_tests::to_f64;

/// Instructions in user space.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Instructions {
    /// From the first of the process until it asks for an invocation.
    pub(crate) init: f64,
    /// For one event; `None` of a function that was only started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<f64>,
}

/// Valgrind, as it is installed.
#[derive(Clone, Debug)]
pub(crate) struct Valgrind {
    /// `valgrind-3.24.0`
    pub(crate) version: String,
    /// Folder of the files that it writes.
    folder: PathBuf,
}

/// Reason why instructions were not counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CountError {
    /// The function does not work under valgrind.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Valgrind has left no count.
    #[error("valgrind has counted nothing: {0}")]
    NoCount(String),
    /// The function has made other calls than without valgrind.
    #[error("{0} made other calls than without valgrind, where all takes fifty times as long: its calls timed out")]
    OtherCalls(String),
}

/// Calls that a function makes when nothing disturbs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Undisturbed {
    /// Before its first invocation.
    pub(crate) init: u64,
    /// For one event; `None` of a function that is only started.
    pub(crate) event: Option<f64>,
}

/// One process under valgrind.
struct Run {
    instructions: u64,
    calls: u64,
    events: u32,
}

/// Events on which the instructions of one are counted, at least.
const EVENTS: u32 = 200;

/// Most processes that are started for one count. On a busy machine the calls of most of them time out.
const ATTEMPTS: u32 = 10;

impl Valgrind {
    /// Valgrind, if it is installed. It writes into `folder`.
    pub(crate) fn find(folder: &Path) -> Option<Self> {
        let output =
            Command::new("valgrind").arg("--version").output().ok().filter(|output| output.status.success())?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Some(Self { version, folder: folder.to_owned() })
    }

    /// Counts a function's instructions: in three processes, one that is not invoked, one that handles the `before` first
    /// groups, and one that handles some more. The difference is the events' alone. Of a function that is only started the first
    /// is all.
    pub(crate) async fn count(
        &self,
        aws: &Aws,
        subject: &Subject,
        launch: &Launch,
        before: usize,
        undisturbed: Undisturbed,
    ) -> Result<Instructions, CountError> {
        let init = to_f64(self.run(aws, subject, launch, 0, undisturbed).await?.instructions);
        let Some(calls) = undisturbed.event else { return Ok(Instructions { init, event: None }) };
        let more = rounds::groups_of(subject, EVENTS).min(subject.groups.len().saturating_sub(before));
        let short = self.run(aws, subject, launch, before, undisturbed).await?;
        let long = self.run(aws, subject, launch, before + more, undisturbed).await?;
        let events = f64::from(long.events - short.events);
        if (to_f64(long.calls - short.calls) / events - calls).abs() > 0.01 {
            return Err(CountError::OtherCalls(subject.name.clone()));
        }
        let event = (to_f64(long.instructions) - to_f64(short.instructions)) / events;
        Ok(Instructions { init, event: Some(event) })
    }

    /// A process that handles so many groups, none of whose calls timed out.
    async fn run(
        &self,
        aws: &Aws,
        subject: &Subject,
        launch: &Launch,
        groups: usize,
        undisturbed: Undisturbed,
    ) -> Result<Run, CountError> {
        for _ in 0..ATTEMPTS {
            if let Some(run) = self.attempt(aws, subject, launch, groups, undisturbed).await? {
                return Ok(run);
            }
        }
        Err(CountError::OtherCalls(subject.name.clone()))
    }

    async fn attempt(
        &self,
        aws: &Aws,
        subject: &Subject,
        launch: &Launch,
        groups: usize,
        undisturbed: Undisturbed,
    ) -> Result<Option<Run>, CountError> {
        let counts = self.folder.join("callgrind.out");
        let mut launch = launch.clone();
        let out_file = format!("--callgrind-out-file={}", counts.display());
        launch.wrapper = ["valgrind", "--tool=callgrind", &out_file].map(str::to_owned).into();
        aws.restore(subject.tables.clone());
        let begin = aws.tally();
        let mut process = Process::start(&launch).await?;
        let start = aws.tally();
        let mut events = 0;
        for invocation in subject.groups[..groups].iter().flatten() {
            process.invoke(&invocation.payload).await?;
            events += invocation.events;
        }
        let end = aws.tally();
        process.stop().await;
        let read = |error: io::Error| CountError::NoCount(error.to_string());
        let text = fs::read_to_string(&counts).map_err(read)?;
        fs::remove_file(&counts).map_err(read)?;
        let instructions = total(&text).ok_or_else(|| CountError::NoCount("its file has no totals".to_owned()))?;
        let is_undisturbed = start.since(&begin).total() == undisturbed.init && end.since(&begin).retries == 0;
        Ok(is_undisturbed.then(|| Run { instructions, calls: end.since(&start).total(), events }))
    }
}

/// Instructions in a file of callgrind: the first column of its totals, if its first event is an instruction read.
fn total(text: &str) -> Option<u64> {
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let first_event = line("events:")?.split_whitespace().next()?;
    let total = line("totals:").or_else(|| line("summary:"))?.split_whitespace().next()?.parse();
    (first_event == "Ir").then_some(total.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# callgrind format\nversion: 1\ncreator: callgrind-3.19.0\npid: 4711\ncmd:  ./bootstrap\npart: 1\n\n\n\
        desc: I1 cache: \ndesc: Timerange: Basic block 0 - 1180405\ndesc: Trigger: Program termination\n\n\
        positions: line\nevents: Ir\nsummary: 5560123\n\n\nob=(1) /lib/ld-linux.so\nfl=(1) ???\nfn=(1) 0x1\n0 12\n\ntotals: 5560124\n";

    #[test]
    fn instructions_are_the_total_of_the_file() {
        assert_eq!(total(FILE), Some(5_560_124));
        assert_eq!(total(&FILE.replace("totals: 5560124\n", "")), Some(5_560_123));
    }

    #[test]
    fn a_file_of_something_else_has_no_instructions() {
        assert_eq!(total(&FILE.replace("events: Ir", "events: Ge Ir")), None);
        assert_eq!(total("events: Ir\n"), None);
        assert_eq!(total(""), None);
    }
}
