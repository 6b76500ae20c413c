//! Everything that can go wrong when a service is added or removed.

use crate::scaffold::draft::DraftError;
use crate::scaffold::generated::GeneratedError;

/// Failure to add or to remove a service. Nothing is changed, but where a program that makes other files has failed.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// A file is not as it must be to be changed.
    #[error(transparent)]
    Draft(#[from] DraftError),
    /// A service or a type of that name is there.
    #[error("{0}")]
    Taken(String),
    /// Others stand on what is to be removed.
    #[error("{name} cannot be removed, for others know it:\n{}", places.join("\n"))]
    InUse {
        /// Name of the service.
        name: String,
        /// File and line of each place.
        places: Vec<String>,
    },
    /// A text cannot be made.
    #[error("a template of a file is wrong: {0}")]
    Text(#[source] askama::Error),
    /// A program that makes files of the others has failed.
    #[error("the files are {done}, and what is made of them is not: {source}")]
    Generated {
        /// Participle of what was done.
        done: &'static str,
        /// Failure of the program.
        source: GeneratedError,
    },
}
