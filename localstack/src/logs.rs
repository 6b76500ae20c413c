//! `cargo local logs`: what the functions have written, readable at a glance.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::time::Duration;

use anstyle::AnsiColor;
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use crate::Error;
use crate::endpoint::{Endpoint, authorization, http_client};
use crate::error::innermost;
use crate::outputs::Outputs;
use crate::signals::Signals;
use crate::terminal::{bad, faint, styled};

const POLL: Duration = Duration::from_millis(500);

/// What a line begins with; the other members of a log line follow as `name=value`.
const HEAD: [&str; 4] = ["timestamp", "level", "message", "span"];

/// Why the logs cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The emulator does not hand them out.
    #[error("cannot read the logs: {}", innermost(.0))]
    Read(#[from] reqwest::Error),
    /// There is no function of that name.
    #[error("there is no function {wanted}; there are {there}")]
    NoFunction {
        /// What was asked for.
        wanted: String,
        /// What there is.
        there: String,
    },
}

/// What to show.
#[derive(Debug)]
pub(crate) struct Logs {
    /// One function alone.
    pub(crate) function: Option<String>,
    /// Go on with what is written from now on.
    pub(crate) follow: bool,
    /// Each line as the function wrote it.
    pub(crate) json: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Groups {
    log_groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    log_group_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    events: Vec<Written>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(default)]
    event_id: String,
    timestamp: i64,
    message: String,
}

impl Logs {
    /// Shows what there is, and follows it until it is asked to end.
    pub(crate) async fn run(&self, outputs: &Outputs, signals: &mut Signals) -> Result<(), Error> {
        let endpoint: Endpoint = outputs.get("Endpoint").unwrap_or_default().parse()?;
        let service = CloudWatch { http: http_client().map_err(LogsError::from)?, endpoint };
        let groups = self.groups(service.groups().await.map_err(LogsError::from)?)?;
        let mut seen = HashSet::new();
        loop {
            let mut written = service.written(&groups).await.map_err(LogsError::from)?;
            written.retain(|(_, written)| seen.insert((written.event_id.clone(), written.message.clone())));
            written.sort_by_key(|(_, written)| written.timestamp);
            for (function, written) in &written {
                self.show(function, written.message.trim_end())?;
            }
            if !self.follow {
                return Ok(());
            }
            tokio::select! {
                () = signals.ask_to_end() => return Ok(()),
                () = sleep(POLL) => {}
            }
        }
    }

    /// The log groups to read, by the function's name.
    fn groups(&self, all: Vec<String>) -> Result<BTreeMap<String, String>, LogsError> {
        let functions = all.into_iter().filter_map(|group| {
            let name = group.strip_prefix("/aws/lambda/")?;
            let name = name.rsplit('/').next().unwrap_or(name).to_owned();
            Some((name, group))
        });
        let functions: BTreeMap<String, String> = functions.collect();
        let Some(wanted) = &self.function else { return Ok(functions) };
        match functions.get(wanted) {
            Some(group) => Ok(BTreeMap::from([(wanted.clone(), group.clone())])),
            None => Err(LogsError::NoFunction {
                wanted: wanted.clone(),
                there: functions.into_keys().collect::<Vec<_>>().join(", "),
            }),
        }
    }

    fn show(&self, function: &str, message: &str) -> Result<(), Error> {
        let mut stdout = anstream::stdout().lock();
        match serde_json::from_str(message) {
            _ if self.json => writeln!(stdout, "{message}")?,
            Ok(Value::Object(entry)) => writeln!(stdout, "{}", line(function, &entry))?,
            // What Lambda itself says of an invocation is of no interest here, and what dies without JSON is of much.
            _ if ["START ", "END ", "REPORT "].iter().any(|word| message.starts_with(word)) => {}
            _ => writeln!(stdout, "{function:<13} {message}")?,
        }
        Ok(())
    }
}

/// `09:15:02.117  payment        WARN  failed, may pass  reason="…" order_id=ord_1`
fn line(function: &str, entry: &Map<String, Value>) -> String {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let time = text("timestamp").split_once('T').map_or("", |(_, time)| time.trim_end_matches('Z'));
    let level = match text("level") {
        level @ "ERROR" => bad(format!("{level:<5}")),
        level @ "WARN" => styled(AnsiColor::Yellow.on_default(), format!("{level:<5}")),
        level => faint(format!("{level:<5}")),
    };
    let span = entry.get("span").and_then(Value::as_object);
    let fields = entry.iter().filter(|(name, _)| !HEAD.contains(&name.as_str()));
    let ids = span.into_iter().flatten().filter(|(name, _)| ["order_id", "event_type"].contains(&name.as_str()));
    let fields: Vec<String> = fields.chain(ids).map(|(name, value)| format!("{name}={value}")).collect();
    let milliseconds = time.get(..12).unwrap_or(time);
    format!("{}  {function:<13} {level} {}  {}", faint(milliseconds), text("message"), faint(fields.join(" ")))
}

/// `CloudWatch` Logs, as far as it is needed.
struct CloudWatch {
    http: Client,
    endpoint: Endpoint,
}

impl CloudWatch {
    async fn groups(&self) -> Result<Vec<String>, reqwest::Error> {
        let groups: Groups = self.call("DescribeLogGroups", &json!({ "logGroupNamePrefix": "/aws/lambda/" })).await?;
        Ok(groups.log_groups.into_iter().map(|group| group.log_group_name).collect())
    }

    async fn written(&self, groups: &BTreeMap<String, String>) -> Result<Vec<(String, Written)>, reqwest::Error> {
        let mut all = Vec::new();
        for (function, group) in groups {
            let mut token = None;
            loop {
                let mut request = json!({ "logGroupName": group });
                if let Some(token) = &token {
                    request["nextToken"] = json!(token);
                }
                let page: Page = self.call("FilterLogEvents", &request).await?;
                all.extend(page.events.into_iter().map(|written| (function.clone(), written)));
                // An emulator may repeat the last token for ever.
                if page.next_token.is_none() || page.next_token == token {
                    break;
                }
                token = page.next_token;
            }
        }
        Ok(all)
    }

    async fn call<T: DeserializeOwned>(&self, action: &str, body: &Value) -> Result<T, reqwest::Error> {
        let request = self.http.post(self.endpoint.join("/")).header(AUTHORIZATION, authorization("logs"));
        let request = request.header("X-Amz-Target", format!("Logs_20140328.{action}")).body(body.to_string());
        let reply = request.header(CONTENT_TYPE, "application/x-amz-json-1.1").send().await?;
        reply.error_for_status()?.json().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_is_readable_at_a_glance() {
        let entry = json!({
            "timestamp": "2026-11-22T04:15:18.057071Z", "level": "WARN", "message": "failed, may pass",
            "reason": "down", "span": { "order_id": "ord_1", "request_id": "r", "event_type": "InventoryReserved" },
        });
        let plain = anstream::adapter::strip_str(&line("payment", entry.as_object().unwrap())).to_string();
        let expected = "04:15:18.057  payment       WARN  failed, may pass  \
                        reason=\"down\" event_type=\"InventoryReserved\" order_id=\"ord_1\"";
        assert_eq!(plain, expected);
    }

    #[test]
    fn a_function_is_known_by_its_binary() {
        let logs = |function: Option<&str>| Logs { function: function.map(str::to_owned), follow: false, json: false };
        let all = || vec!["/aws/lambda/orderflow/orders".to_owned(), "/aws/lambda/orderflow/relay".to_owned()];
        assert_eq!(logs(None).groups(all()).unwrap().len(), 2);
        let one = logs(Some("relay")).groups(all()).unwrap();
        assert_eq!(one, BTreeMap::from([("relay".to_owned(), "/aws/lambda/orderflow/relay".to_owned())]));
        let error = logs(Some("nothing")).groups(all()).unwrap_err().to_string();
        assert_eq!(error, "there is no function nothing; there are orders, relay");
    }
}
