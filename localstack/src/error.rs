//! Everything that can go wrong, as one line for a person.

use crate::build::BuildError;
use crate::demo::DemoError;
use crate::deploy::DeployError;
use crate::emulator::EmulatorError;
use crate::endpoint::EndpointError;
use crate::events::EventsError;
use crate::gaps::GapError;
use crate::home::HomeError;
use crate::logs::LogsError;
use crate::package::PackageError;
use crate::port::PortError;
use crate::publish::PublishError;
use crate::python::PythonError;
use crate::ready::ReadyError;
use crate::sam::SamError;
use crate::template::TemplateError;

/// Why the local stack does not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No port to listen on.
    #[error(transparent)]
    Port(#[from] PortError),
    /// No endpoint to deploy to.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// No Python to run the emulator.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// No emulator.
    #[error(transparent)]
    Emulator(#[from] EmulatorError),
    /// No binaries.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// No template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// No code on the emulator.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// No stack.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// No stack, says SAM.
    #[error(transparent)]
    Sam(#[from] SamError),
    /// No stack as the template says it.
    #[error(transparent)]
    Gap(#[from] GapError),
    /// No mail.
    #[error("cannot verify the address that mail is sent from: {0}")]
    Sender(String),
    /// A stack that does not work.
    #[error(transparent)]
    Ready(#[from] ReadyError),
    /// No record of a stack.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// An event that could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Events that could not be followed.
    #[error(transparent)]
    Events(#[from] EventsError),
    /// Logs that could not be shown.
    #[error(transparent)]
    Logs(#[from] LogsError),
    /// An order that did not go as it should.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// The system does not let us know of Ctrl-C.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] std::io::Error),
    /// Ctrl-C before the work was done.
    #[error("interrupted")]
    Interrupted,
    /// Standard output is closed.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// What an error says at the bottom of its chain. The layers above only say that a request failed, and to which URL.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
