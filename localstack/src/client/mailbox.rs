//! The mails that the emulator has taken instead of sending them.

use reqwest::Client;
use serde_json::Value;

use crate::client::endpoint::Endpoint;
use crate::client::http::http_client;

/// Paths under which the emulators show them: MiniStack, then LocalStack.
const PATHS: [&str; 2] = ["/_ministack/ses/messages", "/_aws/ses"];

/// A mail that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) to: String,
    pub(crate) subject: String,
}

/// Reads the mails as they come. An emulator that does not show them has none.
pub(crate) struct Mailbox {
    http: Client,
    endpoint: Endpoint,
    seen: usize,
}

impl Mailbox {
    pub(crate) fn of(endpoint: &Endpoint) -> reqwest::Result<Self> {
        Ok(Self { http: http_client()?, endpoint: endpoint.clone(), seen: 0 })
    }

    /// The mails that have come since the last call.
    pub(crate) async fn new_mails(&mut self) -> Vec<Mail> {
        let mut mails = self.all().await.unwrap_or_default();
        let new = mails.split_off(self.seen.min(mails.len()));
        self.seen += new.len();
        new
    }

    async fn all(&self) -> Option<Vec<Mail>> {
        for path in PATHS {
            let reply = self.http.get(self.endpoint.join(path)).send().await.ok()?;
            if reply.status().is_success()
                && let Ok(document) = reply.json::<Value>().await
            {
                return Some(mails_in(&document));
            }
        }
        None
    }
}

/// MiniStack lists them by account, LocalStack at once; each names the parts of a mail in a way of its own.
fn mails_in(document: &Value) -> Vec<Mail> {
    let messages: Vec<&Value> = match &document["messages"] {
        Value::Object(accounts) => accounts.values().filter_map(Value::as_array).flatten().collect(),
        Value::Array(messages) => messages.iter().collect(),
        _ => Vec::new(),
    };
    messages.into_iter().filter_map(mail_in).collect()
}

fn mail_in(message: &Value) -> Option<Mail> {
    let to = message.pointer("/To/0").or_else(|| message.pointer("/Destination/ToAddresses/0"))?;
    Some(Mail { to: to.as_str()?.to_owned(), subject: message["Subject"].as_str()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_of_both_emulators_are_understood() {
        let expected = [Mail { to: "ada@example.com".to_owned(), subject: "Your order".to_owned() }];
        for document in [
            serde_json::json!({"messages": {"000000000000": [{"To": ["ada@example.com"], "Subject": "Your order"}]}}),
            serde_json::json!({"messages": [
                {"Destination": {"ToAddresses": ["ada@example.com"]}, "Subject": "Your order"}
            ]}),
        ] {
            assert_eq!(mails_in(&document), expected, "{document}");
        }
        assert_eq!(mails_in(&serde_json::json!({})), []);
    }
}
