//! The HTTP API of the feed: all that has happened, for those who pull.

use std::str::FromStr;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, RequestExt, Response};
use onewrite::Result;
use onewrite::access::{Access, KeySets, NoKeySets};
use onewrite::envelope::{Pattern, parse};
use onewrite::feed::{Cursor, FeedLog, read};
use onewrite::http::{Problem, answer, path};
use onewrite::port::Clock;
use orderflow_events::scope::EVENTS_READ;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::port::{Events, MAX_READ};

/// Events of a page where the request does not say, and the most that it may ask for.
const LIMIT: (usize, usize) = (100, 500);

/// Events after which a page ends, however few of them match.
const MAX_LOOKED_AT: usize = 1_000;

/// Bytes of events after which a page ends: Lambda takes 6 MB of an answer.
const MAX_BYTES: usize = 4_000_000;

/// Reads the feed for others.
pub struct FeedApi<L, E, C, K = NoKeySets> {
    feed: L,
    shards: u8,
    events: E,
    clock: C,
    access: Access<K>,
}

/// A page of the feed.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct EventPage {
    /// The events as they were published, in the order of the log: those that match, if the request has a pattern.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<serde_json::Map<String, Value>>"))]
    events: Vec<Box<RawValue>>,
    /// Cursor after all that was looked at: the parameter `after` of the next request. Once it stays the same, this was the end of the
    /// log for now.
    next: String,
}

impl<L: FeedLog, E: Events, C: Clock, K: KeySets> FeedApi<L, E, C, K> {
    /// The API of a feed of so many shards and of the events in it, for whom `access` lets in.
    pub fn new(feed: L, shards: u8, events: E, clock: C, access: Access<K>) -> Self {
        Self { feed, shards, events, clock, access }
    }

    /// Opens the connection to the table, and fetches the keys of the tokens. Whether it works out shows soon enough.
    pub async fn warm(&self) {
        let _ = self.feed.head(0).await;
        self.access.warm(self.clock.now()).await;
    }

    /// Answers a request.
    pub async fn answer(&self, request: &Request) -> Response<Body> {
        self.route(request).await.unwrap_or_else(Response::from)
    }

    async fn route(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let caller = self.access.caller(request, self.clock.now()).await?;
        match (request.method(), path(request).as_slice()) {
            (&Method::GET, ["events"]) => {
                caller.demand(EVENTS_READ)?;
                self.page(request).await
            }
            _ => Err(Problem::not_found("resource")),
        }
    }

    async fn page(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let parameters = request.query_string_parameters();
        let text = |name: &str| parameters.first(name).filter(|text| !text.is_empty());
        let limit = text("limit").map(limit_of).transpose()?.unwrap_or(LIMIT.0);
        let pattern = text("match").map(pattern_of).transpose()?;
        let mut cursor = text("after").map(cursor_of).transpose()?.unwrap_or_default();
        let (mut events, mut looked_at, mut bytes) = (Vec::new(), 0, 0);
        'page: while looked_at < MAX_LOOKED_AT {
            let listed = read(&self.feed, self.shards, &cursor, MAX_READ).await?;
            let keys: Vec<_> = listed.iter().map(|listed| listed.key.clone()).collect();
            if keys.is_empty() {
                break;
            }
            for (text, listed) in self.events.texts(&keys).await?.into_iter().zip(listed) {
                // What is listed is on record; were it not, it must not be passed.
                let Some(text) = text else { break 'page };
                let is_wanted = pattern.as_ref().is_none_or(|pattern| matches(pattern, &text));
                if is_wanted && bytes > 0 && bytes + text.len() > MAX_BYTES {
                    break 'page;
                }
                (cursor, looked_at) = (listed.cursor, looked_at + 1);
                if is_wanted && let Ok(event) = RawValue::from_string(text) {
                    bytes += event.get().len();
                    events.push(event);
                }
                if events.len() == limit {
                    break 'page;
                }
            }
        }
        Ok(answer(StatusCode::OK, &EventPage { events, next: cursor.to_string() }))
    }
}

fn matches(pattern: &Pattern, text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|event| pattern.matches(&event))
}

fn limit_of(text: &str) -> Result<usize, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=LIMIT.1).contains(limit));
    limit.ok_or_else(|| Problem::malformed(format!("The parameter limit must be a number from 1 to {}.", LIMIT.1)))
}

fn cursor_of(text: &str) -> Result<Cursor, Problem> {
    Cursor::from_str(text).map_err(|_| Problem::malformed("The parameter after must be a cursor that a page has had."))
}

fn pattern_of(text: &str) -> Result<Pattern, Problem> {
    let document = serde_json::from_str::<Value>(text);
    let document =
        document.map_err(|error| Problem::malformed(format!("The parameter match is not JSON: {error}.")))?;
    parse(&document).map_err(|faults| {
        let detail = "The parameter match is no event pattern: see errors, whose places are in it.";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
            .of_kind("urn:onewrite:problem:pattern", "Not an event pattern")
            .with_errors(faults.as_slice().to_vec())
    })
}

/// JSON Schema of a page, under its name.
#[cfg(feature = "schema")]
#[must_use]
pub fn schemas() -> [(&'static str, Value); 1] {
    [("EventPage", orderflow_events::schema::of_answer::<EventPage>())]
}

#[cfg(test)]
mod tests;
