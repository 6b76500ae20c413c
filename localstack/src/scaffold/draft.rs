//! Changes of files that are made in memory, and written only if all of them can be made.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Reason why files cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// It cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// It is there already.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// It has no such line.
    #[error("{} has no line {line:?}: put the service's own there by hand, or the line back", path.display())]
    NoLine {
        /// The file.
        path: PathBuf,
        /// Beginning of the line.
        line: String,
    },
}

/// Files as they are to be. Paths are from the root of the workspace.
#[derive(Debug)]
pub(crate) struct Draft {
    root: PathBuf,
    /// Text of each file that is changed; `None` where there is to be none.
    files: BTreeMap<PathBuf, Option<String>>,
}

impl Draft {
    pub(crate) fn of(root: &Path) -> Self {
        Self { root: root.to_owned(), files: BTreeMap::new() }
    }

    /// Files that are changed.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(PathBuf::as_path)
    }

    /// Adds a file that is not there.
    pub(crate) fn create(&mut self, path: impl Into<PathBuf>, text: String) -> Result<(), DraftError> {
        let path = path.into();
        if self.root.join(&path).exists() {
            return Err(DraftError::Exists(path));
        }
        self.files.insert(path, Some(text));
        Ok(())
    }

    /// Removes a file, or every file of a folder; nothing where there is none.
    pub(crate) fn delete(&mut self, path: impl Into<PathBuf>) -> Result<(), DraftError> {
        let path = path.into();
        let found = self.root.join(&path);
        if !found.is_dir() {
            if found.exists() {
                self.files.insert(path, None);
            }
            return Ok(());
        }
        let failed = |source| DraftError::File { path: path.clone(), source };
        for entry in fs::read_dir(&found).map_err(failed)? {
            self.delete(path.join(entry.map_err(failed)?.file_name()))?;
        }
        Ok(())
    }

    /// Changes a file that is there.
    pub(crate) fn edit(&mut self, path: &str, change: impl FnOnce(&mut Lines)) -> Result<(), DraftError> {
        self.try_edit(path, |lines| {
            change(lines);
            Ok(())
        })
    }

    /// Puts a text before the first line that begins so.
    pub(crate) fn insert_before(&mut self, path: &str, line: &str, text: &str) -> Result<(), DraftError> {
        self.try_edit(path, |lines| {
            let place = lines.0.iter().position(|each| each.starts_with(line));
            let place = place.ok_or_else(|| DraftError::NoLine { path: path.into(), line: line.to_owned() })?;
            lines.0.splice(place..place, text.split_inclusive('\n').map(ToOwned::to_owned));
            Ok(())
        })
    }

    fn try_edit(
        &mut self,
        path: &str,
        change: impl FnOnce(&mut Lines) -> Result<(), DraftError>,
    ) -> Result<(), DraftError> {
        let text = match self.files.get(Path::new(path)) {
            Some(Some(text)) => text.clone(),
            _ => fs::read_to_string(self.root.join(path))
                .map_err(|source| DraftError::File { path: path.into(), source })?,
        };
        let mut lines = Lines(text.split_inclusive('\n').map(ToOwned::to_owned).collect());
        change(&mut lines)?;
        let changed = lines.0.concat();
        if changed != text {
            self.files.insert(path.into(), Some(changed));
        }
        Ok(())
    }

    /// Writes all of it. Folders that are empty then are removed.
    pub(crate) fn write(&self) -> Result<(), DraftError> {
        for (path, text) in &self.files {
            let failed = |source| DraftError::File { path: path.clone(), source };
            let place = self.root.join(path);
            let folder = place.parent().unwrap_or(&self.root);
            if let Some(text) = text {
                fs::create_dir_all(folder).map_err(failed)?;
                fs::write(&place, text).map_err(failed)?;
            } else {
                fs::remove_file(&place).map_err(failed)?;
                // It fails at the first folder with something in it.
                let mut folders = folder.ancestors().take_while(|folder| *folder != self.root);
                while folders.next().is_some_and(|folder| fs::remove_dir(folder).is_ok()) {}
            }
        }
        Ok(())
    }
}

/// Lines of a file, each with its end.
#[derive(Debug)]
pub(crate) struct Lines(pub(crate) Vec<String>);

impl Lines {
    /// Adds a line to the last of those that begin so, in the order of the alphabet.
    pub(crate) fn insert_sorted(&mut self, start: &str, line: &str) {
        let place = self.0.iter().rposition(|each| each.starts_with(start) && each.as_str() < line);
        let first = self.0.iter().position(|each| each.starts_with(start)).unwrap_or(self.0.len());
        self.0.insert(place.map_or(first, |place| place + 1), line.to_owned());
    }

    /// Removes the lines that are so.
    pub(crate) fn remove(&mut self, is_one: impl Fn(&str) -> bool) {
        self.0.retain(|line| !is_one(line));
    }

    /// Removes the lines from one up to another, which stays. Nothing where there is no such line.
    pub(crate) fn remove_from(&mut self, is_first: impl Fn(&str) -> bool, is_after: impl Fn(&str) -> bool) {
        let Some(first) = self.0.iter().position(|line| is_first(line)) else { return };
        let count =
            self.0[first + 1..].iter().position(|line| is_after(line)).map_or(self.0.len() - first, |count| count + 1);
        self.0.drain(first..first + count);
    }

    /// Replaces a text in every line.
    pub(crate) fn replace(&mut self, what: &str, with: &str) {
        for line in &mut self.0 {
            if line.contains(what) {
                *line = line.replace(what, with);
            }
        }
    }
}
