//! The commands, each a few requests to the API.

use std::fs;
use std::io::{Read, stdin};
use std::path::Path;

use crate::client::Api;
use crate::error::{Error, Exit};
use crate::terminal::Terminal;

pub(crate) mod customer;
pub(crate) mod dlq;
pub(crate) mod events;
pub(crate) mod job;
pub(crate) mod journal;
pub(crate) mod order;
pub(crate) mod prices;
pub(crate) mod redrive;
pub(crate) mod stock;
pub(crate) mod webhooks;

/// Classes of failures, as the API names them.
const CLASSES: [&str; 3] = ["permanent", "exhausted", "none"];

/// States of letters, as the API names them.
const STATES: [&str; 5] = ["waiting", "sent", "handled", "parkedAgain", "dropped"];

/// API of one stack, and the terminal: all that a command works with.
pub(crate) struct Context {
    pub(crate) api: Api,
    pub(crate) terminal: Terminal,
}

/// Result of a command that has not failed.
pub(crate) type Ended = Result<Exit, Error>;

/// Text of a file, or of standard input where it is `-`.
fn text_of(path: &Path) -> Result<String, Error> {
    let read = || {
        let mut text = String::new();
        if path == Path::new("-") {
            stdin().read_to_string(&mut text)?;
        } else {
            text = fs::read_to_string(path)?;
        }
        Ok(text)
    };
    read().map_err(|source| Error::File { path: path.to_owned(), source })
}

/// JSON without line ends. Within its strings there are none.
fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}
