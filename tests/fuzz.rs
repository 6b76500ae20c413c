//! The fuzzers' targets, with nothing but what they begin with: that they compile, hold, and get as far as they should.

#![expect(clippy::expect_used, reason = "all of it is tests, though Clippy does not see any")]

use std::fs;
use std::path::Path;

#[expect(unreachable_pub, reason = "the fuzzers' own programs reach it")]
#[path = "fuzz/src/lib.rs"]
mod targets;

fn files(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).expect("the folder is there");
    let files = entries.map(|entry| fs::read_to_string(entry.expect("it can be listed").path()).expect("a text"));
    let files: Vec<String> = files.collect();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

/// Each file is taken, and not without its end.
fn check(folder: &str, target: fn(&str) -> bool) {
    for text in files(folder) {
        assert!(target(&text), "{text}");
        assert!(!target(text.trim_end().trim_end_matches('}')), "{text}");
    }
}

#[test]
fn envelope() {
    check("../shared/events/golden", targets::envelope);
}

#[test]
fn payload() {
    check("../shared/events/golden", targets::payload);
}

#[test]
fn notification() {
    check("../shared/events/golden", targets::notification);
    check("fuzz/seeds/notification", targets::notification);
}

#[test]
fn http_body() {
    check("fuzz/seeds/http_body", |text| targets::http_body(text.as_bytes()));
}
