//! Event patterns: filters of topics and event sources.

use envelope::{Pattern, parse};
use serde_json::Value;

/// Matches a document with an event pattern. One that is none matches nothing.
#[must_use]
pub fn matches(pattern: &Value, document: &Value) -> bool {
    parse::<Pattern>(pattern).is_ok_and(|pattern| pattern.matches(document))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns_match_what_they_say() {
        let pattern = json!({"eventName": ["INSERT"], "dynamodb": {"NewImage": {"events": {"S": [{"exists": true}]}}}});
        let record = |name: &str, image: Value| json!({"eventName": name, "dynamodb": {"NewImage": image}});
        assert!(matches(&pattern, &record("INSERT", json!({"events": {"S": "[]"}}))));
        assert!(!matches(&pattern, &record("MODIFY", json!({"events": {"S": "[]"}}))));
        assert!(!matches(&pattern, &record("INSERT", json!({"open": {"BOOL": true}}))));
        assert!(!matches(&json!({"n": 2}), &json!({"n": 2})));
    }
}
