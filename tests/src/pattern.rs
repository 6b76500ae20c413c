//! Event patterns: filters of topics and event sources.

use serde_json::{Value, json};

/// Matches a document with an event pattern: texts that are equal, and `exists`. Anything else matches nothing.
#[must_use]
pub fn matches(pattern: &Value, document: &Value) -> bool {
    let Some(fields) = pattern.as_object() else { return false };
    fields.iter().all(|(name, pattern)| {
        let field = document.get(name);
        match pattern {
            Value::Array(any) => any.iter().any(|one| match one {
                Value::Object(_) if *one == json!({"exists": true}) => field.is_some(),
                one => field == Some(one),
            }),
            pattern => field.is_some_and(|field| matches(pattern, field)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_they_say() {
        let pattern = json!({"eventName": ["INSERT"], "dynamodb": {"NewImage": {"events": {"S": [{"exists": true}]}}}});
        let record = |name: &str, image: Value| json!({"eventName": name, "dynamodb": {"NewImage": image}});
        assert!(matches(&pattern, &record("INSERT", json!({"events": {"S": "[]"}}))));
        assert!(!matches(&pattern, &record("MODIFY", json!({"events": {"S": "[]"}}))));
        assert!(!matches(&pattern, &record("INSERT", json!({"open": {"BOOL": true}}))));
        assert!(!matches(&json!({"n": [{"numeric": [">", 1]}]}), &json!({"n": 2})));
    }
}
