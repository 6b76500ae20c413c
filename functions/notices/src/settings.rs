//! Settings of the notices.

use onewrite::envelope::reads;
use orderflow_events::{Email, Text};
use orderflow_journal::Shards;
use orderflow_notification::ConfigurationSet;

use crate::domain::Rule;

/// The most rules: each reads the feed by itself.
const MAX_RULES: usize = 20;

/// Settings: the variable `SETTINGS`.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Name of the table that has the pages of the feed.
    pub feed_table_name: Text,
    /// Shards of the feed.
    pub feed_shards: Shards,
    /// Name of the table of the events.
    pub journal_table_name: Text,
    /// Name of the table that has the states of the rules, and the leases of the digests.
    pub notices_table_name: Text,
    /// Sender of the mails: it, or its domain, is a verified identity in SES.
    pub sender_email: Email,
    /// Configuration set of SES that mails are sent by.
    pub configuration_set: ConfigurationSet,
    /// URL of the operator's page, which the digests lead to.
    pub console_url: Text,
    /// The rules.
    pub notices: Vec<Rule>,
}

reads!(Settings {
    feed_table_name: required("feedTableName"),
    feed_shards: required("feedShards"),
    journal_table_name: required("journalTableName"),
    notices_table_name: required("noticesTableName"),
    sender_email: required("senderEmail"),
    configuration_set: required("configurationSet"),
    console_url: required("consoleUrl"),
    notices: list("notices", MAX_RULES),
});

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use orderflow_events::parse;
    use serde_json::{Value, json};

    use super::*;

    fn settings(notices: &Value) -> Value {
        json!({
            "feedTableName": "feed", "feedShards": 4, "journalTableName": "journal", "noticesTableName": "notices",
            "senderEmail": "orders@example.com", "configurationSet": "", "consoleUrl": "https://api.example/dev/console",
            "notices": notices,
        })
    }

    #[test]
    fn each_rule_has_a_pattern_an_address_and_minutes() {
        let rule = json!({ "match": { "type": ["OrderFlagged"] }, "to": "staff@shop.example", "every": 15 });
        let read = parse::<Settings>(&settings(&json!([rule]))).unwrap();
        assert_eq!(read.notices[0].every.0, Duration::from_mins(15));
        let faults = parse::<Settings>(&settings(&json!([
            { "match": { "type": "OrderFlagged" }, "to": "nobody", "every": 0 },
            { "every": 10_081 },
        ])));
        let faults = faults.unwrap_err().to_string();
        for place in [
            "/notices/0/match/type",
            "/notices/0/to",
            "/notices/0/every",
            "/notices/1/match is required",
            "/notices/1/every",
        ] {
            assert!(faults.contains(place), "{place}: {faults}");
        }
    }

    #[test]
    fn there_are_some_rules_and_not_too_many() {
        for notices in [json!([]), json!({}), json!(vec![0; MAX_RULES + 1])] {
            assert!(parse::<Settings>(&settings(&notices)).unwrap_err().to_string().contains("/notices"));
        }
    }
}
