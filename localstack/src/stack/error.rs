//! Everything that can go wrong with a stack, as one line for a person.

use crate::client::api::ApiError;
use crate::client::bucket::BucketError;
use crate::client::endpoint::EndpointError;
use crate::client::token::TokenError;
use crate::emulator::EmulatorError;
use crate::emulator::port::PortError;
use crate::emulator::python::PythonError;
use crate::emulator::state_dir::StateDirError;
use crate::stack::build::BuildError;
use crate::stack::deploy::DeployError;
use crate::stack::emulator_fixups::FixupError;
use crate::stack::package::PackageError;
use crate::stack::ready::ReadyError;
use crate::stack::sam::SamError;
use crate::stack::template::TemplateError;

/// Failure to bring a stack up or to delete it.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
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
    /// A bucket that cannot be emptied or removed.
    #[error(transparent)]
    Bucket(#[from] BucketError),
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
    Fixup(#[from] FixupError),
    /// No mail.
    #[error("cannot verify the address that mail is sent from: {0}")]
    Sender(String),
    /// A stack that does not work.
    #[error(transparent)]
    Ready(#[from] ReadyError),
    /// No client of its API.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// No token for its API.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// No record of the stack.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
}
