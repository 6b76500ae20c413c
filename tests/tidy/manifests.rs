//! Manifests of the workspace's crates: all alike, with versions and lints in one place.

use crate::repository::Repository;
use crate::{assert_none, assert_one};

/// Lines that every manifest has.
const LINES: [&str; 5] = [
    "edition.workspace = true",
    "rust-version.workspace = true",
    "license.workspace = true",
    "version.workspace = true",
    "[lints]\nworkspace = true",
];

/// Manifests that are not like the others. Those that are workspaces of their own are left alone.
fn unlike(repository: &Repository) -> Vec<String> {
    let members = repository.ending("/Cargo.toml").filter(|(_, text)| !text.contains("[workspace]"));
    members.flat_map(|(path, text)| missing(path, text).into_iter().chain(own_versions(path, text))).collect()
}

fn missing(path: &str, text: &str) -> Vec<String> {
    let lines = LINES.into_iter().filter(|&line| !text.contains(line)).map(|line| format!("{path}: no {line:?}"));
    let has_description = text.lines().any(|line| line.starts_with("description = \""));
    lines.chain((!has_description).then(|| format!("{path}: no description"))).collect()
}

fn own_versions(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut section = "";
    for line in text.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]")
            && line.contains('=')
            && !["workspace = true", "path = "].iter().any(|inherited| line.contains(inherited))
        {
            faults.push(format!("{path}: the version of {line:?} belongs into the workspace's Cargo.toml"));
        }
    }
    faults
}

#[test]
fn all_crates_are_described_alike() {
    assert_none(&unlike(Repository::this()));
}

#[test]
fn a_manifest_that_is_unlike_the_others_is_found() {
    let right = format!("[package]\ndescription = \"D\"\n{}\n\n[dependencies]\na.workspace = true\n", LINES.join("\n"));
    let unlike = |text: &str| unlike(&Repository::of(&[("a/Cargo.toml", text)]));
    assert_none(&unlike(&right));
    assert_none(&unlike("[package]\n[workspace]\n"));
    assert_one(&unlike(&right.replace("description = \"D\"\n", "")), "no description");
    assert_one(&unlike(&right.replace("[lints]", "[hints]")), "[lints]");
    assert_one(&unlike(&format!("{right}b = \"1\"\n")), "b = ");
}
