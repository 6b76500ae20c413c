//! Errors and exit codes: they are for programs, and a release keeps them.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use serde::Deserialize;

use crate::text::shown;

/// Exit code of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Failed, which may pass.
    Failed = 1,
    /// A command line that is not understood, or a change that nobody has agreed to.
    Usage = 2,
    /// There is no such thing.
    NotFound = 3,
    /// Somebody was faster, or its state does not allow it.
    Conflict = 4,
    /// No token, or one without the scope.
    NotAllowed = 5,
    /// A job has ended with relapses, or has found something.
    Findings = 6,
    /// The content was refused.
    Invalid = 7,
}

impl Exit {
    /// All of them, each with its meaning.
    pub(crate) const ALL: [(Self, &'static str); 8] = [
        (Self::Done, "done"),
        (Self::Failed, "failed: no answer, or a fault of the stack or of this machine; again later may help"),
        (Self::Usage, "not understood, or a change that nobody has agreed to: say `--yes`"),
        (Self::NotFound, "there is no such letter, order, job or SKU"),
        (Self::Conflict, "somebody was faster, or its state does not allow it"),
        (Self::NotAllowed, "no valid token, or one without the scope"),
        (Self::Findings, "a job ended with letters that were parked again, or has found something"),
        (Self::Invalid, "the content was refused; each fault is shown with its place"),
    ];

    /// Its number.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    /// Exit code of an answer that is no success.
    const fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::NotAllowed,
            404 | 410 => Self::NotFound,
            409 | 412 | 428 => Self::Conflict,
            400 | 413 | 415 | 422 => Self::Invalid,
            _ => Self::Failed,
        }
    }
}

/// Problem that the API has answered with (RFC 9457).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    errors: Vec<Fault>,
}

/// Fault of a body that was sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Fault {
    pointer: String,
    detail: String,
}

/// Refusal by the API.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// The request: method and path.
    pub(crate) request: String,
    /// The HTTP status.
    pub(crate) status: u16,
    problem: Problem,
}

impl Refusal {
    /// Refusal of that status, with that body. One that is no problem document, such as that of a proxy, is its own detail.
    pub(crate) fn new(request: String, status: u16, body: &str) -> Self {
        let foreign = || Problem { detail: body.chars().take(200).collect(), ..Problem::default() };
        Self { request, status, problem: serde_json::from_str(body).unwrap_or_else(|_| foreign()) }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Problem { title, detail, errors } = &self.problem;
        write!(f, "{}: {}", shown(&self.request), self.status)?;
        for text in [title, detail].into_iter().filter(|text| !text.is_empty()) {
            write!(f, ": {}", shown(text))?;
        }
        for Fault { pointer, detail } in errors {
            let place = if pointer.is_empty() { "/" } else { pointer };
            write!(f, "\n  {}  {}", shown(place), shown(detail))?;
        }
        match self.status {
            401 => {
                f.write_str("\n  the environment variable ORDERFLOW_TOKEN must have an access token that is not over")
            }
            403 => f.write_str("\n  the token lacks a scope that this needs"),
            _ => Ok(()),
        }
    }
}

/// Failure of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A command line that cannot be followed.
    #[error("{0}")]
    Usage(String),
    /// Somebody was asked, and does not want it.
    #[error("nothing was changed")]
    Declined,
    /// The API has refused.
    #[error("{0}")]
    Refused(Refusal),
    /// Nothing of the request has left.
    #[error("{request}: not reached: {reason}")]
    Unreachable {
        /// The request: method and URL.
        request: String,
        /// Innermost cause.
        reason: String,
    },
    /// The API has not answered.
    #[error("{request}: no answer: {reason}{}", if *is_change { "\n  it is not known whether it was done" } else { "" })]
    NoAnswer {
        /// The request: method and URL.
        request: String,
        /// Innermost cause.
        reason: String,
        /// True where the request was to change something.
        is_change: bool,
    },
    /// An answer that is no document of the API.
    #[error("{request}: the answer is not understood: {source}")]
    NotUnderstood {
        /// The request: method and path.
        request: String,
        /// Error of the reader.
        source: serde_json::Error,
    },
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// The local stack that was asked for is not there.
    #[error("no local stack: {0}")]
    Local(String),
    /// The system does not do its part.
    #[error("{what}: {source}")]
    System {
        /// The part.
        what: &'static str,
        /// Error of the system.
        source: io::Error,
    },
    /// Somebody else has changed the letter meanwhile.
    #[error("{0}")]
    Overtaken(String),
    /// A failure, and how to go on after it.
    #[error("{source}\n  {hint}")]
    WithHint {
        /// The failure.
        source: Box<Error>,
        /// Advice.
        hint: String,
    },
    /// Nobody reads the output any more.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// The same failure with advice.
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self::WithHint { source: Box::new(self), hint: hint.into() }
    }

    /// True where the same request may be answered in a moment.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::Unreachable { .. } => true,
            Self::Refused(refusal) => matches!(refusal.status, 429 | 502 | 503 | 504),
            Self::Usage(_)
            | Self::Declined
            | Self::NotUnderstood { .. }
            | Self::File { .. }
            | Self::Local(_)
            | Self::System { .. }
            | Self::Overtaken(_)
            | Self::WithHint { .. }
            | Self::Output(_) => false,
        }
    }

    /// Exit code of the run that fails with it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Declined => Exit::Usage,
            Self::Refused(refusal) => Exit::of_status(refusal.status),
            Self::Overtaken(_) => Exit::Conflict,
            Self::WithHint { source, .. } => source.exit(),
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::NotUnderstood { .. }
            | Self::File { .. }
            | Self::Local(_)
            | Self::System { .. }
            | Self::Output(_) => Exit::Failed,
        }
    }
}

/// Table of the exit codes, for the help.
pub(crate) fn exit_codes() -> String {
    let mut text = "Exit codes:\n".to_owned();
    for (exit, meaning) in Exit::ALL {
        let _infallible = writeln!(text, "  {:<3}  {meaning}", exit.code());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_exit_code_of_its_status() {
        for (status, code) in [
            (400, 7),
            (401, 5),
            (403, 5),
            (404, 3),
            (409, 4),
            (412, 4),
            (413, 7),
            (422, 7),
            (428, 4),
            (429, 1),
            (500, 1),
            (503, 1),
            (302, 1),
        ] {
            let error = Error::Refused(Refusal::new(String::new(), status, ""));
            assert_eq!(error.exit().code(), code, "{status}");
            assert_eq!(error.with_hint("again").exit().code(), code, "{status}");
        }
        assert_eq!(Error::Overtaken(String::new()).exit().code(), 4);
        assert_eq!([Error::Usage(String::new()), Error::Declined].map(|error| error.exit().code()), [2, 2]);
        assert_eq!(Error::Output(io::ErrorKind::BrokenPipe.into()).exit().code(), 0);
        assert_eq!(Error::Output(io::ErrorKind::StorageFull.into()).exit().code(), 1);
    }

    #[test]
    fn a_problem_is_shown_with_its_detail_and_every_pointer() {
        let body = r#"{"type":"urn:x","title":"Invalid request","status":422,"detail":"The body has 2 faults: see errors.",
            "errors":[{"pointer":"/data/lines/0/quantity","detail":"must be a number"},{"pointer":"","detail":"odd"}]}"#;
        let refusal = Refusal::new("PUT /operations/letters/let_1".to_owned(), 422, body);
        assert_eq!(
            refusal.to_string(),
            "PUT /operations/letters/let_1: 422: Invalid request: The body has 2 faults: see errors.\n  \
             /data/lines/0/quantity  must be a number\n  /  odd"
        );
        let foreign = Refusal::new("GET /".to_owned(), 502, "<html>\u{1b}[2J");
        assert_eq!(foreign.to_string(), "GET /: 502: <html>\\u{1b}[2J");
    }

    #[test]
    fn the_guide_has_every_exit_code() {
        let guide = include_str!("../../../docs/operations.md");
        for (exit, meaning) in Exit::ALL {
            let row = format!("| {} | {meaning} |", exit.code());
            assert!(guide.contains(&row), "docs/operations.md lacks: {row}");
        }
    }
}
