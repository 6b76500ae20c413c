//! Plain HTTP to the emulator: the client, and the one line that is worth telling of an error.

use std::time::Duration;

use reqwest::Client;

/// Longest time for a request: a function's whole time-out, and its start.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Client of plain HTTP that, unlike the default one, sends nothing for this machine to the user's proxy.
pub(crate) fn http_client() -> reqwest::Result<Client> {
    Client::builder().no_proxy().timeout(TIMEOUT).build()
}

/// Message of the last error of a chain. The layers above it only say that a request failed, and to which URL.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
