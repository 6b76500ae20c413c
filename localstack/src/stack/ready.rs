//! Readiness of the deployed stack: every event source is enabled, and the API answers, where there is one.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::client::api::{Api, ApiError};
use crate::client::endpoint::Endpoint;
use crate::client::event_sources::EventSources;
use crate::client::http::innermost;
use crate::client::outputs::Outputs;
use crate::terminal::progress::Progress;

const LIMIT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(200);

/// Failure of the stack to get ready.
#[derive(Debug, thiserror::Error)]
pub enum ReadyError {
    /// The API's function does not run.
    #[error("GET {url} still answers {status} after {} s", LIMIT.as_secs())]
    Api {
        /// URL that was asked for.
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
        /// Number of those that are not.
        pending: usize,
        /// Number of all.
        all: usize,
    },
    /// The emulator does not list them.
    #[error("the emulator does not list its event sources: {}", innermost(.0))]
    List(#[from] reqwest::Error),
}

/// Waits until the stack works.
pub(crate) async fn wait(endpoint: &Endpoint, outputs: &Outputs, progress: Progress) -> Result<(), ReadyError> {
    let step = progress.step("ready");
    let deadline = Instant::now() + LIMIT;
    step.at("waiting for the event sources");
    let event_sources = wait_for_event_sources(endpoint, outputs, deadline).await?;
    let mut done = format!("{event_sources} event sources are enabled");
    if let Some(url) = outputs.get("ApiUrl") {
        step.at("waiting for the API");
        wait_for_api(url, deadline).await?;
        done.insert_str(0, "the API answers, ");
    }
    step.done(&done);
    Ok(())
}

/// Asks for goods that nobody has: their absence is an answer of the function behind the gateway.
async fn wait_for_api(url: &str, deadline: Instant) -> Result<(), ReadyError> {
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
    let client = EventSources::of(endpoint)?;
    loop {
        let sources = client.of_stack(outputs.iter()).await?;
        let pending = sources.iter().filter(|source| !source.is_enabled()).count();
        if pending == 0 && !sources.is_empty() {
            return Ok(sources.len());
        }
        if Instant::now() > deadline {
            return Err(ReadyError::EventSources { pending, all: sources.len() });
        }
        sleep(POLL).await;
    }
}
