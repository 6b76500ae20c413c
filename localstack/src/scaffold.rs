//! `cargo local new` and `cargo local remove`: a service's files, and its lines in the files of all.

pub(crate) mod consumer;
mod draft;
pub(crate) mod error;
mod generated;
pub(crate) mod name;
pub(crate) mod removal;

use std::path::Path;

use crate::scaffold::consumer::Consumer;
use crate::scaffold::draft::Draft;
use crate::scaffold::error::ScaffoldError;
use crate::scaffold::name::Name;

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
