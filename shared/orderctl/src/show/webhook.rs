//! Webhooks, each with its owner and what is the matter with it.

use crate::documents::Webhook;
use crate::show::table::{NONE, table};
use crate::text::shown;

/// Webhooks in a table.
pub(crate) fn webhooks(webhooks: &[Webhook]) -> String {
    if webhooks.is_empty() {
        return "There are no webhooks.".to_owned();
    }
    let row = |webhook: &Webhook| {
        let owner = webhook.owner.as_ref().map_or_else(|| NONE.to_owned(), |owner| shown(owner));
        let state = match (&webhook.disabled, &webhook.unable_since, &webhook.failing) {
            (Some(off), ..) if off.by_operator => format!("byOperator {}", off.since),
            (Some(off), ..) => format!("{} {}", shown(&off.reason), off.since),
            (None, Some(since), _) => format!("unable {since}"),
            (None, None, Some(failing)) => format!("failing {}", failing.since),
            (None, None, None) => "well".to_owned(),
        };
        vec![shown(&webhook.id), owner, state, shown(&webhook.url)]
    };
    table(&["WEBHOOK", "OWNER", "STATE AND SINCE", "URL"], &[], webhooks.iter().map(row))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_is_a_row_with_what_is_the_matter() {
        let since = "2026-11-29T09:00:00Z";
        let webhook = |more: serde_json::Value| -> Webhook {
            let mut webhook = json!({ "id": "whk_1", "url": "https://p.example/" });
            webhook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value(webhook).unwrap()
        };
        let all = [
            webhook(json!({ "owner": "ada" })),
            webhook(json!({ "failing": { "since": since } })),
            webhook(json!({ "disabled": { "reason": "dead", "since": since }, "failing": { "since": since } })),
            webhook(json!({ "unableSince": since, "failing": { "since": since } })),
        ];
        let shown = webhooks(&all);
        let states: Vec<&str> = shown.lines().skip(1).map(|line| line[14..].trim()).collect();
        assert!(states[0].starts_with("well"), "{shown}");
        assert!(states[1].starts_with("failing") && states[2].starts_with("dead"), "{shown}");
        assert!(states[3].starts_with("unable"), "{shown}");
        assert_eq!(webhooks(&[]), "There are no webhooks.");
    }
}
