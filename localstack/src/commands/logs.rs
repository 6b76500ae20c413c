//! `cargo local logs`: what the functions have written, readable at a glance.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::time::Duration;

use anstyle::AnsiColor;
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use crate::client::endpoint::{Endpoint, STACK, authorization};
use crate::client::http::{http_client, innermost};
use crate::client::outputs::Outputs;
use crate::terminal::signals::Signals;
use crate::terminal::style::{bad, faint, styled};

const POLL: Duration = Duration::from_millis(500);

/// Longest time after a line in which a line of another function may be stored that is older. Who follows reads so much
/// again.
const DISORDER_MS: i64 = 5_000;

/// Members that a line begins with; the others follow as `name=value`.
const HEAD: [&str; 4] = ["timestamp", "level", "message", "span"];

/// Failure to show the logs.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The emulator does not hand them out.
    #[error("cannot read the logs: {}", innermost(.0))]
    Read(#[from] reqwest::Error),
    /// There is no function of that name.
    #[error("there is no function {wanted}; there are {there}")]
    NoFunction {
        /// Name that was asked for.
        wanted: String,
        /// Names that there are.
        there: String,
    },
    /// Standard output is closed.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Choice of what is shown.
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
#[serde(rename_all = "PascalCase")]
struct Functions {
    functions: Vec<Function>,
    next_marker: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Function {
    function_name: String,
    logging_config: Option<Logging>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Logging {
    log_group: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Groups {
    log_groups: Vec<Group>,
    next_token: Option<String>,
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
    pub(crate) async fn run(&self, outputs: &Outputs, signals: &mut Signals) -> Result<(), LogsError> {
        let service = Service { http: http_client()?, endpoint: outputs.endpoint().clone() };
        let groups = self.groups(service.functions().await?, &service.groups().await?)?;
        let (mut seen, mut from_ms) = (HashSet::new(), 0);
        loop {
            let mut written = service.written(&groups, from_ms).await?;
            written.retain(|(_, written)| seen.insert((written.event_id.clone(), written.message.clone())));
            written.sort_by_key(|(_, written)| written.timestamp);
            if let Some((_, newest)) = written.last() {
                from_ms = newest.timestamp.saturating_sub(DISORDER_MS).max(from_ms);
            }
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

    /// The log groups to read, each with its function's binary. A function writes to the group that the template gives
    /// it, or, on LocalStack, to one that is named after the function.
    fn groups(&self, functions: Vec<Function>, all: &[String]) -> Result<Vec<(String, String)>, LogsError> {
        let ours = functions.into_iter().filter_map(|function| {
            let given = function.logging_config?.log_group?;
            let binary = given.strip_prefix(&format!("/aws/lambda/{STACK}/"))?.to_owned();
            Some((binary, [given, format!("/aws/lambda/{}", function.function_name)]))
        });
        let mut ours: BTreeMap<String, [String; 2]> = ours.collect();
        if let Some(wanted) = &self.function {
            if !ours.contains_key(wanted) {
                let there = ours.into_keys().collect::<Vec<_>>().join(", ");
                return Err(LogsError::NoFunction { wanted: wanted.clone(), there });
            }
            ours.retain(|binary, _| binary == wanted);
        }
        let pairs = ours.into_iter().flat_map(|(binary, groups)| groups.map(|group| (binary.clone(), group)));
        Ok(pairs.filter(|(_, group)| all.contains(group)).collect())
    }

    fn show(&self, function: &str, message: &str) -> Result<(), LogsError> {
        let mut stdout = anstream::stdout().lock();
        match serde_json::from_str(message) {
            _ if self.json => writeln!(stdout, "{message}")?,
            // Metrics are not for people to read.
            Ok(Value::Object(entry)) if entry.contains_key("_aws") => {}
            Ok(Value::Object(entry)) => writeln!(stdout, "{}", line(function, &entry))?,
            // The words of Lambda itself on an invocation are of no interest here, and a death without JSON is of much.
            _ if ["START ", "END ", "REPORT "].iter().any(|word| message.starts_with(word)) => {}
            _ => writeln!(stdout, "{function:<15} {message}")?,
        }
        Ok(())
    }
}

/// `09:15:02.117  payment          WARN  failed, may pass  reason="…" subject=ord_1`
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
    let ids = span.into_iter().flatten().filter(|(name, _)| ["subject", "event_type"].contains(&name.as_str()));
    let fields: Vec<String> = fields.chain(ids).map(|(name, value)| format!("{name}={value}")).collect();
    let milliseconds = time.get(..12).unwrap_or(time);
    format!("{}  {function:<15} {level} {}  {}", faint(milliseconds), text("message"), faint(fields.join(" ")))
}

/// Lambda and `CloudWatch` Logs, as far as they are needed.
struct Service {
    http: Client,
    endpoint: Endpoint,
}

impl Service {
    async fn functions(&self) -> Result<Vec<Function>, reqwest::Error> {
        let (mut all, mut marker) = (Vec::new(), String::new());
        loop {
            let mut url = self.endpoint.join("/2015-03-31/functions/");
            if !marker.is_empty() {
                url.query_pairs_mut().append_pair("Marker", &marker);
            }
            let reply = self.http.get(url).header(AUTHORIZATION, authorization("lambda")).send().await?;
            let page: Functions = reply.error_for_status()?.json().await?;
            all.extend(page.functions);
            // On the last page it is missing, or empty.
            marker = page.next_marker.unwrap_or_default();
            if marker.is_empty() {
                return Ok(all);
            }
        }
    }

    async fn groups(&self) -> Result<Vec<String>, reqwest::Error> {
        let (mut all, mut request) = (Vec::new(), json!({ "logGroupNamePrefix": "/aws/lambda/" }));
        loop {
            let page: Groups = self.call("DescribeLogGroups", &request).await?;
            all.extend(page.log_groups.into_iter().map(|group| group.log_group_name));
            match page.next_token {
                Some(token) => request["nextToken"] = json!(token),
                None => return Ok(all),
            }
        }
    }

    /// Lines written from that moment on, in milliseconds since 1970, each with its function's binary.
    async fn written(
        &self,
        groups: &[(String, String)],
        from_ms: i64,
    ) -> Result<Vec<(String, Written)>, reqwest::Error> {
        let mut all = Vec::new();
        for (function, group) in groups {
            let mut token = None;
            loop {
                let mut request = json!({ "logGroupName": group, "startTime": from_ms });
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
            "reason": "down", "span": { "subject": "ord_1", "request_id": "r", "event_type": "InventoryReserved" },
        });
        let plain = anstream::adapter::strip_str(&line("payment", entry.as_object().unwrap())).to_string();
        let expected = "04:15:18.057  payment         WARN  failed, may pass  \
                        reason=\"down\" event_type=\"InventoryReserved\" subject=\"ord_1\"";
        assert_eq!(plain, expected);
    }

    #[test]
    fn a_function_is_known_by_its_binary_wherever_its_logs_are() {
        let logs = |function: Option<&str>| Logs { function: function.map(str::to_owned), follow: false, json: false };
        let functions = || {
            let functions = json!([
                { "FunctionName": "f-1", "LoggingConfig": { "LogGroup": "/aws/lambda/orderflow/orders" } },
                { "FunctionName": "f-2", "LoggingConfig": { "LogGroup": "/aws/lambda/orderflow/relay" } },
                { "FunctionName": "f-3", "LoggingConfig": { "LogGroup": "/aws/lambda/another/relay" } },
                { "FunctionName": "f-4" },
            ]);
            serde_json::from_value(functions).unwrap()
        };
        let all = ["orderflow/orders", "orderflow/relay", "another/relay", "f-2", "f-3", "f-4"];
        let all = all.map(|name| format!("/aws/lambda/{name}"));
        let groups = |function| {
            let groups = logs(function).groups(functions(), &all).unwrap();
            groups.into_iter().map(|(binary, group)| format!("{binary} {group}")).collect::<Vec<_>>()
        };
        let relay = ["relay /aws/lambda/orderflow/relay", "relay /aws/lambda/f-2"];
        assert_eq!(groups(Some("relay")), relay);
        assert_eq!(groups(None), [&["orders /aws/lambda/orderflow/orders"][..], &relay[..]].concat());
        let error = logs(Some("nothing")).groups(functions(), &all).unwrap_err().to_string();
        assert_eq!(error, "there is no function nothing; there are orders, relay");
    }
}
