//! Files of `shared/events`: those that are made of the types, and those that are committed.

use std::fs;
use std::path::PathBuf;

/// A file that is made of the types.
pub(crate) struct Document {
    /// Path in `shared/events`.
    pub(crate) path: String,
    /// Content.
    pub(crate) text: String,
}

/// Place of a file of `shared/events`.
pub(crate) fn place(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/events")).join(path)
}

/// Content that is committed there, if a file is.
pub(crate) fn committed(path: &str) -> Option<String> {
    fs::read_to_string(place(path)).ok()
}

/// All files of a folder.
pub(crate) fn files_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(place(folder)).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    entries.map(|entry| format!("{folder}/{}", name(entry).to_string_lossy())).collect()
}
