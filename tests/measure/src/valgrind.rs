//! Instructions that a function executes, counted by valgrind: no neighbour on the machine changes them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::aws::Aws;
use crate::feed::Subject;
use crate::process::{Launch, Process, ProcessError};
use crate::tally::{PerEvent, to_f64};

/// Instructions in user space.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Instructions {
    /// From the first of the process until it asks for an invocation.
    pub(crate) init: f64,
    /// For one event.
    pub(crate) event: f64,
}

/// Valgrind, as it is installed.
#[derive(Clone, Debug)]
pub(crate) struct Valgrind {
    /// `valgrind-3.24.0`
    pub(crate) version: String,
    /// Where it writes what it has counted.
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
    /// The function has made other calls than without valgrind, such as retries of those that took too long.
    #[error("{name} made {found:.2} calls an event under valgrind, not {expected:.2}: its calls timed out")]
    OtherCalls {
        /// Name of the function.
        name: String,
        /// Calls an event under valgrind.
        found: f64,
        /// Calls an event without it.
        expected: f64,
    },
}

/// Events on which the instructions of one are counted, at least.
const EVENTS: u32 = 200;

impl Valgrind {
    /// Valgrind, if it is installed. It writes into `folder`.
    pub(crate) fn find(folder: &Path) -> Option<Self> {
        let output =
            Command::new("valgrind").arg("--version").output().ok().filter(|output| output.status.success())?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Some(Self { version, folder: folder.to_owned() })
    }

    /// Counts a function's instructions: in three processes, one that is not invoked, one that handles the groups before
    /// the measured ones, and one that handles some more. The difference is the events' alone.
    pub(crate) async fn count(
        &self,
        aws: &Aws,
        subject: &Subject,
        launch: &Launch,
        before: usize,
        expected: &PerEvent,
    ) -> Result<Instructions, CountError> {
        let groups = &subject.groups;
        let of_a_group = groups.first().map_or(1, |group| group.iter().map(|one| one.events).sum::<u32>()).max(1);
        let more = usize::try_from(EVENTS.div_ceil(of_a_group)).unwrap_or(1).min(groups.len() - before);
        let (init, ..) = self.run(aws, subject, launch, 0).await?;
        let (short, calls_before, events_before) = self.run(aws, subject, launch, before).await?;
        let (long, calls, events) = self.run(aws, subject, launch, before + more).await?;
        let events = f64::from(events - events_before);
        let found = (calls - calls_before) / events;
        if (found - expected.calls).abs() > 0.01 {
            return Err(CountError::OtherCalls { name: subject.name.clone(), found, expected: expected.calls });
        }
        Ok(Instructions { init: to_f64(init), event: (to_f64(long) - to_f64(short)) / events })
    }

    /// Instructions, calls and events of a process that handles so many groups.
    async fn run(
        &self,
        aws: &Aws,
        subject: &Subject,
        launch: &Launch,
        groups: usize,
    ) -> Result<(u64, f64, u32), CountError> {
        let counts = self.folder.join("callgrind.out");
        let mut launch = launch.clone();
        launch.wrapper = vec![
            "valgrind".to_owned(),
            "--tool=callgrind".to_owned(),
            format!("--callgrind-out-file={}", counts.display()),
        ];
        aws.restore(subject.tables.clone());
        let mut process = Process::start(&launch).await?;
        let (before, mut events) = (aws.tally(), 0);
        for invocation in subject.groups[..groups].iter().flatten() {
            process.invoke(&invocation.payload).await?;
            events += invocation.events;
        }
        let calls = aws.tally().since(&before).per_event(1).calls;
        process.stop().await;
        let read = |error: io::Error| CountError::NoCount(error.to_string());
        let text = fs::read_to_string(&counts).map_err(read)?;
        let _ = fs::remove_file(&counts);
        let total = total(&text).ok_or_else(|| CountError::NoCount("its file has no totals".to_owned()))?;
        Ok((total, calls, events))
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
