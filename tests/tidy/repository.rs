//! Text files of the repository.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// Files by their paths from the root, with `/` between names.
pub(crate) struct Repository {
    files: BTreeMap<String, String>,
}

impl Repository {
    /// The repository that this test belongs to, read once. Without what Git ignores, and without the content of what is
    /// no text.
    pub(crate) fn this() -> &'static Self {
        static THIS: OnceLock<Repository> = OnceLock::new();
        THIS.get_or_init(|| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the root of the repository");
            let mut files = BTreeMap::new();
            read(root, "", &[".git".to_owned()], &mut files);
            Self { files }
        })
    }

    /// A repository of these files, to break a rule with.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|&(path, text)| (path.to_owned(), text.to_owned())).collect() }
    }

    /// Paths and texts of all files.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Paths and texts of the files whose names end like this.
    pub(crate) fn ending(&self, end: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(move |(path, _)| path.ends_with(end))
    }

    /// Text of a file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// True of a file and of a folder with files.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.files.contains_key(path)
            || self.files.range(folder.clone()..).next().is_some_and(|(file, _)| file.starts_with(&folder))
    }
}

/// Reads a folder, less what its `.gitignore` and those above it name. The ignored are plain names, with or without a `/`.
fn read(folder: &Path, prefix: &str, ignored: &[String], files: &mut BTreeMap<String, String>) {
    let more = fs::read_to_string(folder.join(".gitignore")).unwrap_or_default();
    let ignored: Vec<String> =
        ignored.iter().cloned().chain(more.lines().map(|line| line.trim_matches('/').to_owned())).collect();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry of a folder");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        if ignored.contains(&name) {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.path().is_dir() {
            read(&entry.path(), &format!("{path}/"), &ignored, files);
        } else {
            let text = String::from_utf8(fs::read(entry.path()).expect("a file")).unwrap_or_default();
            files.insert(path, text);
        }
    }
}

#[test]
fn the_repository_is_read_without_what_git_ignores() {
    let repository = Repository::this();
    assert!(repository.has("tests/tidy/repository.rs") && repository.has("functions"));
    assert!(!repository.has("target") && !repository.has(".git") && !repository.has("functio"));
}
