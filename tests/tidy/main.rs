//! House rules, each a test.
//!
//! A rule is a function from the repository to its faults. Its test wants none of the repository as it is, and one of each
//! small repository that breaks it, so that no rule holds by accident.

#![expect(clippy::expect_used, reason = "all of it is tests, though Clippy does not see any")]

mod cargo;
mod circles;
mod comments;
mod features;
mod manifests;
mod markdown;
mod repository;
mod services;
mod text;
mod walls;

/// Fails with all faults, each on a line.
#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Fails unless there is one fault, and it says this.
#[track_caller]
fn assert_one(faults: &[String], expected: &str) {
    assert!(matches!(faults, [fault] if fault.contains(expected)), "not only {expected:?}: {faults:?}");
}
