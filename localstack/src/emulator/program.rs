//! Programs that are run to their end, and what is told of one that fails.

use std::collections::VecDeque;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const KEPT_LINES: usize = 20;

/// Runs a program to its end; its last lines if it fails.
pub(crate) async fn run(mut command: Command, mut on_line: impl FnMut(&str)) -> Result<(), VecDeque<String>> {
    let name = command.as_std().get_program().display().to_string();
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
    let mut child = started.map_err(|error| VecDeque::from([format!("cannot run {name}: {error}")]))?;
    let lines = collect_lines(&mut child, &mut on_line).await;
    match child.wait().await {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(lines),
        Err(error) => Err(VecDeque::from([error.to_string()])),
    }
}

async fn collect_lines(child: &mut Child, on_line: &mut impl FnMut(&str)) -> VecDeque<String> {
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return VecDeque::new();
    };
    let (mut out, mut err) = (BufReader::new(stdout).lines(), BufReader::new(stderr).lines());
    let (mut out_is_open, mut err_is_open) = (true, true);
    let (mut said, mut complained) = (VecDeque::new(), VecDeque::new());
    while out_is_open || err_is_open {
        let (line, is_open, kept) = tokio::select! {
            line = out.next_line(), if out_is_open => (line, &mut out_is_open, &mut said),
            line = err.next_line(), if err_is_open => (line, &mut err_is_open, &mut complained),
        };
        match line {
            Ok(Some(line)) => {
                on_line(&line);
                keep(kept, line);
            }
            Ok(None) | Err(_) => *is_open = false,
        }
    }
    // Which of the two streams is read first is chance. What stands last should be what the program complained of.
    for line in complained {
        keep(&mut said, line);
    }
    said
}

fn keep(lines: &mut VecDeque<String>, line: String) {
    if lines.len() == KEPT_LINES {
        lines.pop_front();
    }
    lines.push_back(line);
}

/// The last line with an error in it, or else the last one.
pub(crate) fn said_last(lines: &VecDeque<String>) -> String {
    let error = lines.iter().rev().find(|line| line.to_ascii_lowercase().contains("error"));
    error
        .or(lines.back())
        .map_or_else(|| "it said nothing".to_owned(), |line| line.trim().trim_start_matches("ERROR: ").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_told_rather_than_what_follows_it() {
        let lines = ["Collecting h2", "ERROR: no such package", "[notice] a new pip"];
        assert_eq!(said_last(&lines.into_iter().map(str::to_owned).collect()), "no such package");
        assert_eq!(said_last(&VecDeque::from(["Killed".to_owned()])), "Killed");
    }

    #[tokio::test]
    async fn a_failing_program_is_known_by_its_last_lines() {
        let mut command = Command::new("sh");
        command.args(["-c", "seq 30; echo gone wrong >&2; exit 1"]);
        let lines = run(command, |_| ()).await.unwrap_err();
        assert_eq!(lines.len(), KEPT_LINES);
        assert_eq!(lines.back().map(String::as_str), Some("gone wrong"));
        let lines = run(Command::new("no-such-program"), |_| ()).await.unwrap_err();
        assert!(lines[0].starts_with("cannot run no-such-program: "), "{lines:?}");
    }
}
