//! Everything that can go wrong with a command, as one line for a person.

use std::io;

use crate::client::endpoint::EndpointError;
use crate::client::events::EventsError;
use crate::client::token::TokenError;
use crate::commands::demo::DemoError;
use crate::commands::logs::LogsError;
use crate::commands::publish::PublishError;
use crate::commands::trace::TraceError;
use crate::commands::watch::WatchError;
use crate::emulator::state_dir::StateDirError;
use crate::scaffold::error::ScaffoldError;
use crate::stack::error::StackError;
use crate::terminal::signals::Interrupted;

/// Failure of a command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No stack.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// No record of a stack.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// No endpoint in the record of a stack.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A token that could not be made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// An event that could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Events that could not be followed.
    #[error(transparent)]
    Events(#[from] EventsError),
    /// Events that could not be shown.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// No collector of spans.
    #[error("cannot collect spans: {0}")]
    Collector(#[source] io::Error),
    /// A trace that could not be shown.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// Logs that could not be shown.
    #[error(transparent)]
    Logs(#[from] LogsError),
    /// An order that did not go as it should.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// A service that could not be added or removed.
    #[error(transparent)]
    Scaffold(#[from] ScaffoldError),
    /// The system does not let us know of Ctrl-C.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
    /// Ctrl-C before the work was done.
    #[error("interrupted")]
    Interrupted,
    /// Standard output is closed.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

impl From<Interrupted> for Error {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

impl Error {
    /// True of a closed pipe: whoever reads standard output has had enough of it, as `head` has.
    pub(crate) fn is_closed_output(&self) -> bool {
        let (Self::Output(error) | Self::Watch(WatchError::Output(error)) | Self::Logs(LogsError::Output(error))) =
            self
        else {
            return false;
        };
        error.kind() == io::ErrorKind::BrokenPipe
    }
}
