//! Whether the deployed stack works: the API answers and every event source is enabled.

use std::time::Duration;

use reqwest::Client;
use reqwest::header::AUTHORIZATION;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::client::api::{Api, ApiError};
use crate::client::endpoint::{Endpoint, authorization};
use crate::client::http::{http_client, innermost};
use crate::client::outputs::Outputs;
use crate::terminal::progress::Progress;

const LIMIT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(200);

/// Why the stack is not ready.
#[derive(Debug, thiserror::Error)]
pub enum ReadyError {
    /// The template has no API.
    #[error("the stack has no output ApiUrl")]
    NoApi,
    /// The API's function does not run.
    #[error("GET {url} still answers {status} after {} s", LIMIT.as_secs())]
    Api {
        /// What was asked for.
        url: String,
        /// The last answer.
        status: u16,
    },
    /// The gateway does not answer at all.
    #[error(transparent)]
    NoAnswer(#[from] ApiError),
    /// Functions that get no events.
    #[error("{pending} of {all} event sources are still not enabled after {} s", LIMIT.as_secs())]
    EventSources {
        /// How many are not.
        pending: usize,
        /// How many there are.
        all: usize,
    },
    /// The emulator does not list them.
    #[error("the emulator does not list its event sources: {}", innermost(.0))]
    List(#[from] reqwest::Error),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EventSources {
    event_source_mappings: Vec<EventSource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EventSource {
    function_arn: String,
    state: String,
}

/// Waits until the stack works.
pub(crate) async fn wait(endpoint: &Endpoint, outputs: &Outputs, progress: Progress) -> Result<(), ReadyError> {
    let step = progress.step("ready");
    let deadline = Instant::now() + LIMIT;
    step.at("waiting for the event sources");
    let event_sources = wait_for_event_sources(endpoint, outputs, deadline).await?;
    step.at("waiting for the API");
    wait_for_api(outputs, deadline).await?;
    step.done(&format!("the API answers, {event_sources} event sources are enabled"));
    Ok(())
}

/// Asks for goods that nobody has: their absence is an answer of the function behind the gateway.
async fn wait_for_api(outputs: &Outputs, deadline: Instant) -> Result<(), ReadyError> {
    let url = outputs.get("ApiUrl").ok_or(ReadyError::NoApi)?;
    let api = Api::at(url)?;
    loop {
        let reply = api.stock("nothing").await?;
        if reply.status < 500 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(ReadyError::Api { url: format!("{url}/inventory/nothing"), status: reply.status });
        }
        sleep(POLL).await;
    }
}

async fn wait_for_event_sources(
    endpoint: &Endpoint,
    outputs: &Outputs,
    deadline: Instant,
) -> Result<usize, ReadyError> {
    let http = http_client()?;
    loop {
        let sources = event_sources(&http, endpoint, outputs).await?;
        let pending = sources.iter().filter(|source| source.state != "Enabled").count();
        if pending == 0 && !sources.is_empty() {
            return Ok(sources.len());
        }
        if Instant::now() > deadline {
            return Err(ReadyError::EventSources { pending, all: sources.len() });
        }
        sleep(POLL).await;
    }
}

/// Those of this stack: an emulator that someone else has started may have others.
async fn event_sources(
    http: &Client,
    endpoint: &Endpoint,
    outputs: &Outputs,
) -> Result<Vec<EventSource>, reqwest::Error> {
    let url = endpoint.join("/2015-03-31/event-source-mappings/");
    let reply = http.get(url).header(AUTHORIZATION, authorization("lambda")).send().await?.error_for_status()?;
    let all: EventSources = reply.json().await?;
    let is_ours = |source: &EventSource| {
        outputs.iter().any(|(name, value)| name.ends_with("FunctionName") && source.function_arn.ends_with(value))
    };
    Ok(all.event_source_mappings.into_iter().filter(is_ours).collect())
}
