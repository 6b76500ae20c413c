//! A browser, and packages of Node to drive it with, where they are installed.

use std::env;
use std::path::PathBuf;

/// Names of Chromium, as Debian, others and Google call it.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Program of a browser.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a program is looked for where the shell would")]
pub fn chromium() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let places = env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    places.into_iter().find(|place| place.is_file())
}

/// Folder with the packages of Node, where the gate has installed them: who has no Node runs all tests but a few.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment what there is")]
pub fn node_packages() -> Option<PathBuf> {
    env::var_os("ORDERFLOW_NODE_MODULES").map(PathBuf::from)
}
