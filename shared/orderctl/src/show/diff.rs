//! Differences between two bodies.

use serde_json::Value;
use similar::TextDiff;

use crate::text::{bad, faint, good, shown};

/// Lines around a change that are shown with it.
const CONTEXT: usize = 3;

/// A body as people read it: JSON with line ends, and what is no JSON as it is.
pub(crate) fn pretty(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(document) => format!("{document:#}"),
        Err(_) => body.to_owned(),
    }
}

/// Unified diff of two bodies; none where they say the same.
pub(crate) fn diff(before: &str, after: &str) -> Option<String> {
    let (before, after) = (pretty(before), pretty(after));
    if before == after {
        return None;
    }
    let diff = TextDiff::from_lines(&before, &after);
    let text =
        diff.unified_diff().context_radius(CONTEXT).missing_newline_hint(false).header("before", "after").to_string();
    let coloured = text.lines().map(|line| {
        let safe = shown(line);
        match line.chars().next() {
            Some('-') => bad(&safe),
            Some('+') => good(&safe),
            Some('@') => faint(&safe),
            _ => safe,
        }
    });
    Some(coloured.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn what_says_the_same_is_no_difference() {
        assert_eq!(diff(r#"{"a": 1, "b": 2}"#, r#"{"b":2,"a":1}"#), None);
        assert_eq!(diff("no JSON", "no JSON"), None);
    }

    #[test]
    fn a_difference_is_lines_of_what_is_read() {
        let text = diff(r#"{"id":"x","quantity":"one"}"#, r#"{"id":"x","quantity":1}"#).unwrap();
        assert_eq!(
            strip_str(&text).to_string(),
            "--- before\n+++ after\n@@ -1,4 +1,4 @@\n {\n   \"id\": \"x\",\n-  \"quantity\": \"one\"\n+  \"quantity\": 1\n }"
        );
        assert_ne!(text, strip_str(&text).to_string(), "in colours");
    }
}
