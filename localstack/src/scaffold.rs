//! `cargo local new` and `cargo local remove`: a service's files, and its lines in the files of all.

pub(crate) mod consumer;
mod draft;
mod generated;
pub(crate) mod name;
pub(crate) mod removal;

use std::path::Path;

use crate::scaffold::consumer::Consumer;
use crate::scaffold::draft::{Draft, DraftError};
use crate::scaffold::generated::GeneratedError;
use crate::scaffold::name::Name;

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

/// Adds a consumer to the workspace, and makes anew what is made of the types and of the template.
///
/// # Errors
///
/// See [`ScaffoldError`].
pub(crate) fn add(root: &Path, consumer: &Consumer) -> Result<Draft, ScaffoldError> {
    let draft = consumer.draft(root)?;
    draft.write()?;
    generated::after_adding(root, &consumer.name)
        .map_err(|source| ScaffoldError::Generated { done: "written", source })?;
    Ok(draft)
}

/// Takes a consumer back out of the workspace: every file is as it was before it came.
///
/// # Errors
///
/// See [`ScaffoldError`].
pub(crate) fn remove(root: &Path, name: &Name) -> Result<Draft, ScaffoldError> {
    let draft = removal::draft(root, name)?;
    draft.write()?;
    generated::after_removing(root).map_err(|source| ScaffoldError::Generated { done: "removed", source })?;
    Ok(draft)
}

#[cfg(test)]
mod tests;
