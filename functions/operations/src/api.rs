//! The HTTP API of operations: letters here, jobs and orders in the modules below.

mod jobs;
mod orders;
mod requests;
mod walk;

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use futures::future::join_all;
use lambda_http::http::{HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Request, RequestExt, Response};
use onewrite::Failure;
use onewrite::access::{Access, Caller, KeySets, NoKeySets};
use onewrite::http::{IfMatch, Problem, answer, if_match, path, read_body};
use onewrite::personal::{KeyRing, Keys};
use onewrite::port::{Clock, Random};
use orderflow_events::scope::OPERATIONS;
use orderflow_events::{Envelope, Event, EventId, Faults, Time};
use serde_json::Value;
use tracing::info;

use self::requests::{Drop, Edit};
use self::walk::Walk;
use crate::console::console;
use crate::domain::{Glimpse, Letter, LetterId, Refused, State};
use crate::message::Message;
use crate::persons::EDITED_FROM;
use crate::port::{
    Archive, Backlog, Consumers, Directory, Gauges, JobStore, LetterStore, Logs, Outboxes, PartStore, Queues, Since,
    Stored,
};
use crate::sealing;
use crate::selection::Selection;
use crate::view::{Brief, Grouping, Groups, Page, Whole};

/// Letters of one page.
const PAGE: usize = 48;

/// Bytes of bodies after which a page ends: Lambda answers with 6 MB at the most, and a message of SQS has up to one.
const MAX_PAGE_BYTES: usize = 1_000_000;

/// Messages of a page that are read at once.
const AT_ONCE: usize = 4;

/// Letters that one page of a list looks at. Of those that are handled or dropped, so many are looked at for an order; and of each
/// state, the status counts so many.
const MAX_SEEN: usize = 20_000;

/// Number of attempts at a letter that others are changing.
const MAX_RACES: u32 = 10;

/// Shows, edits and drops letters, tells of orders, and takes jobs on.
pub struct OperationsApi<S, R, N, W, K = NoKeySets> {
    store: S,
    keys: KeyRing<R, W>,
    stack: N,
    world: W,
    access: Access<K>,
    late_after: Duration,
}

impl<S, R, N, W, K> OperationsApi<S, R, N, W, K>
where
    S: Backlog + LetterStore + JobStore + PartStore,
    R: Keys,
    N: Archive + Consumers + Directory + Gauges + Logs + Outboxes + Queues,
    W: Clock + Random,
    K: KeySets,
{
    /// The API on that store, whose letters those keys open, of that stack, for whom `access` lets in. An order is late when it has
    /// been open for so long.
    pub fn new(store: S, keys: KeyRing<R, W>, stack: N, world: W, access: Access<K>, late_after: Duration) -> Self {
        Self { store, keys, stack, world, access, late_after }
    }

    /// Opens the connection to the table, and fetches the keys of the tokens. Whether it works out shows soon enough.
    pub async fn warm(&self) {
        if let Ok(nothing) = LetterId::new("let_0") {
            let _ = self.store.letter(&nothing).await;
        }
        self.access.warm(self.world.now()).await;
    }

    /// Answers a request.
    pub async fn answer(&self, request: &Request) -> Response<Body> {
        if let Some(page) = console(request) {
            return page;
        }
        self.route(request).await.unwrap_or_else(Response::from)
    }

    async fn route(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let caller = self.access.caller(request, self.world.now()).await?;
        let path = path(request);
        let ["operations", rest @ ..] = path.as_slice() else { return Err(Problem::not_found("resource")) };
        caller.demand(OPERATIONS)?;
        match (request.method(), rest) {
            (&Method::GET, ["letters"]) => self.list(request).await,
            (&Method::GET, ["letters", id]) => self.show(id).await,
            (&Method::PUT, ["letters", id]) => self.edit(request, id, &caller).await,
            (&Method::DELETE, ["letters", id]) => self.discard(request, id, &caller).await,
            (&Method::GET, ["groups"]) => self.groups().await,
            (&Method::POST, ["redrives"]) => self.redrive(request, &caller).await,
            (&Method::GET, ["redrives", id]) => self.redrive_progress(id).await,
            (&Method::DELETE, ["redrives", id]) => self.stop_redrive(id, &caller).await,
            (&Method::POST, ["replays"]) => self.replay(request, &caller).await,
            (&Method::GET, ["replays", id]) => self.replay_progress(id).await,
            (&Method::DELETE, ["replays", id]) => self.stop_replay(id, &caller).await,
            (&Method::POST, ["reconciliations"]) => self.reconcile(request, &caller).await,
            (&Method::GET, ["reconciliations", id]) => self.reconciliation_progress(id).await,
            (&Method::DELETE, ["reconciliations", id]) => self.stop_reconciliation(id, &caller).await,
            (&Method::GET, ["orders", id]) => self.order(id).await,
            (&Method::GET, ["journal"]) => self.journal(request).await,
            (&Method::GET, ["status"]) => self.status().await,
            _ => Err(Problem::not_found("resource")),
        }
    }

    async fn list(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let selection = selection_of(request)?;
        let after = request.query_string_parameters();
        let after = after.first("after").filter(|after| !after.is_empty()).map(str::to_owned);
        let mut letters = Letters::of(&self.store, &selection, after);
        let (mut page, mut bytes) = (Vec::new(), 0);
        while page.len() < PAGE && bytes < MAX_PAGE_BYTES {
            let mut some = Vec::new();
            while some.len() < AT_ONCE {
                let Some(letter) = letters.next().await? else { break };
                some.push(letter);
            }
            if some.is_empty() {
                break;
            }
            for (letter, body) in some.iter().zip(join_all(some.iter().map(|letter| self.body(letter))).await) {
                let body = body?;
                bytes += body.as_ref().map_or(0, String::len);
                page.push(Brief::of(letter, body));
            }
        }
        Ok(answer(StatusCode::OK, &Page { letters: page, next: letters.cursor() }))
    }

    async fn groups(&self) -> Result<Response<Body>, Problem> {
        let (walk, mut grouping) = (Walk::new(&self.store, &self.world), Grouping::default());
        for state in State::ALL.into_iter().filter(|state| state.is_open()) {
            let is_whole = walk.all(state, |letter| {
                grouping.add(&letter);
                ControlFlow::Continue(())
            });
            if !is_whole.await? {
                let detail = "There are too many open letters to be grouped in one request. GET /operations/status counts them \
                    by service and class, and GET /operations/letters lists them page by page.";
                return Err(too_many(detail));
            }
        }
        Ok(answer(StatusCode::OK, &Groups::from(grouping)))
    }

    async fn show(&self, id: &str) -> Result<Response<Body>, Problem> {
        self.shown(&self.load(id).await?).await
    }

    async fn shown(&self, letter: &Letter) -> Result<Response<Body>, Problem> {
        let mut earlier = BTreeMap::new();
        for name in letter.history.iter().filter_map(|entry| entry.replaced.as_ref()) {
            if let Some(message) = self.message_of(letter, name).await? {
                earlier.insert(name.clone(), message.body);
            }
        }
        let message = self.message(letter).await?;
        let mut response = answer(StatusCode::OK, &Whole::of(letter, message, earlier));
        if let Ok(tag) = HeaderValue::from_str(&tag(letter)) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        Ok(response)
    }

    async fn load(&self, id: &str) -> Result<Letter, Problem> {
        let id = LetterId::new(id).map_err(|_| Problem::not_found("letter"))?;
        self.store.letter(&id).await?.ok_or_else(|| Problem::not_found("letter"))
    }

    /// Body of a letter, if anybody can open it.
    async fn body(&self, letter: &Letter) -> Result<Option<String>, Failure> {
        sealing::body(&self.store, &self.keys, letter).await
    }

    /// Message of a letter, if anybody can open it.
    async fn message(&self, letter: &Letter) -> Result<Option<Message>, Failure> {
        self.message_of(letter, &letter.message).await
    }

    async fn message_of(&self, letter: &Letter, name: &str) -> Result<Option<Message>, Failure> {
        sealing::message(&self.store, &self.keys, &letter.id, name).await
    }

    /// Replaces the body of a letter. The new one is another event, and so gets an id of its own: by the old one, which
    /// may be on record as handled, it would be a duplicate. It names the old.
    async fn edit(&self, request: &Request, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        let expected = if_match(request)?;
        if expected == IfMatch::Anything {
            let detail = "An edit needs the header If-Match, with the ETag of the letter that was read.";
            return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, detail));
        }
        let Edit { body, why } = read_body(request)?;
        let letter = self.load(id).await?;
        if !expected.accepts(Some(&tag(&letter))) {
            return Err(changed());
        }
        let mut message = self.message(&letter).await?.ok_or_else(erased)?;
        message.body = self.mended(&letter, &message.body, &body)?;
        let mut edited = letter.edited(&message, &by(caller), why.as_str(), self.world.now()).map_err(refused)?;
        sealing::keep(&self.store, &self.keys, &mut edited, &message, self.world.now()).await?;
        if self.store.put(&edited, Since::Revision(letter.revision)).await? == Stored::Changed
            && self.store.letter(&letter.id).await?.as_ref() != Some(&edited)
        {
            return Err(changed());
        }
        info!(letter = letter.id.as_str(), by = by(caller), "letter edited");
        self.shown(&edited).await
    }

    /// The new body in the place of a letter's old one. What it was made of it names: the old event, and the letter where that has no id.
    fn mended(&self, letter: &Letter, old: &str, body: &str) -> Result<String, Problem> {
        let mut document: Value = serde_json::from_str(body).map_err(|error| {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("The body is not JSON: {error}."))
        })?;
        let is_journal = letter.destination.is_journal;
        // The journal takes types that nobody knows.
        let faults = match Envelope::from_value(&document, Time::from_millis(0)) {
            Ok(_) if is_journal => Faults::default(),
            Err(faults) if is_journal => faults,
            Ok(_) | Err(_) => Event::faults(&document),
        };
        if !faults.is_empty() {
            return Err(Problem::invalid(&faults));
        }
        let old = Glimpse::of(old).id;
        if old.as_deref().is_some_and(|old| document["id"] == *old) {
            let mut random = [0; 10];
            self.world.fill(&mut random);
            let millis = u64::try_from(self.world.now().as_millis()).unwrap_or(0);
            document["id"] = EventId::v7(millis, random).as_str().into();
        }
        document[EDITED_FROM] = old.unwrap_or_else(|| letter.id.to_string()).into();
        Ok(document.to_string())
    }

    async fn discard(&self, request: &Request, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        let expected = if_match(request)?;
        let Drop { why } = read_body(request)?;
        let mut attempted = None;
        for _ in 0..MAX_RACES {
            let letter = self.load(id).await?;
            if attempted.as_ref() == Some(&letter) {
                return self.shown(&letter).await;
            }
            if !expected.accepts(Some(&tag(&letter))) {
                return Err(changed());
            }
            let dropped = letter.dropped(&by(caller), why.as_str(), self.world.now()).map_err(refused)?;
            let Some(dropped) = dropped else { return self.shown(&letter).await };
            if self.store.put(&dropped, Since::Revision(letter.revision)).await? == Stored::Done {
                info!(letter = letter.id.as_str(), by = by(caller), "letter dropped");
                return self.shown(&dropped).await;
            }
            attempted = Some(dropped);
        }
        Err(Failure::transient(format!("a letter lost {MAX_RACES} races")).into())
    }
}

/// Letters of a selection, one after the other, the oldest failure first.
struct Letters<'a, S> {
    store: &'a S,
    selection: &'a Selection,
    after: Option<String>,
    /// Letters of each state that were read, the place of the last of these, and whether it was the last of all.
    read: Vec<(State, VecDeque<Letter>, Option<String>, bool)>,
    seen: usize,
    is_at_end: bool,
}

impl<'a, S: LetterStore> Letters<'a, S> {
    fn of(store: &'a S, selection: &'a Selection, after: Option<String>) -> Self {
        let states = State::ALL.into_iter().filter(|state| selection.state.is_none_or(|wanted| wanted == *state));
        let read = states.map(|state| (state, VecDeque::new(), after.clone(), false)).collect();
        Self { store, selection, after, read, seen: 0, is_at_end: false }
    }

    async fn next(&mut self) -> Result<Option<Letter>, Failure> {
        while self.seen < MAX_SEEN {
            for (state, letters, after, is_at_end) in &mut self.read {
                if letters.is_empty() && !*is_at_end {
                    letters.extend(self.store.page(*state, after.as_deref()).await?);
                    *is_at_end = letters.is_empty();
                    if let Some(last) = letters.back() {
                        *after = Some(last.place());
                    }
                }
            }
            let first = self.read.iter_mut().filter(|(_, letters, ..)| !letters.is_empty());
            let first = first.min_by_key(|(_, letters, ..)| letters.front().map(Letter::place));
            let Some(letter) = first.and_then(|(_, letters, ..)| letters.pop_front()) else {
                self.is_at_end = true;
                return Ok(None);
            };
            self.seen += 1;
            self.after = Some(letter.place());
            if self.selection.has(&letter) {
                return Ok(Some(letter));
            }
        }
        Ok(None)
    }

    /// Place of the last letter that was looked at, unless it is the last of all.
    fn cursor(self) -> Option<String> {
        self.after.filter(|_| !self.is_at_end)
    }
}

fn by(caller: &Caller) -> String {
    caller.subject().map_or_else(|| "anybody".to_owned(), ToString::to_string)
}

fn tag(letter: &Letter) -> String {
    format!("\"{}\"", letter.revision)
}

fn changed() -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "The letter has changed since that ETag.")
        .of_kind("urn:orderflow:problem:letter-changed", "Letter changed")
}

fn refused(refused: Refused) -> Problem {
    Problem::new(StatusCode::CONFLICT, format!("That is not possible: {refused}."))
        .of_kind("urn:orderflow:problem:letter-state", "Not in this state")
}

fn erased() -> Problem {
    Problem::new(StatusCode::CONFLICT, format!("That is not possible: {}. It can be dropped.", sealing::ERASED))
        .of_kind("urn:orderflow:problem:letter-erased", "Letter erased")
}

/// No 503: it does not pass by itself.
fn too_many(detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
        .of_kind("urn:orderflow:problem:too-many-letters", "Too many letters")
}

fn selection_of(request: &Request) -> Result<Selection, Problem> {
    let parameters = request.query_string_parameters();
    let given = |name: &str| parameters.first(name).map(str::to_owned);
    let text = |name: &str| given(name).filter(|text| !text.is_empty());
    Ok(Selection {
        service: text("service"),
        event_type: text("type"),
        class: given("class").map(|class| named(&class, "class")).transpose()?,
        state: given("state").map(|state| named(&state, "state")).transpose()?,
        order: text("order"),
        reason: text("reason"),
    })
}

fn named<T: serde::de::DeserializeOwned>(name: &str, parameter: &str) -> Result<T, Problem> {
    serde_json::from_value(name.into())
        .map_err(|_| Problem::malformed(format!("There is no {parameter} of that name.")))
}

/// JSON Schemas of the requests and the answers, each under its name.
#[cfg(feature = "schema")]
#[must_use]
pub fn schemas() -> Vec<(&'static str, Value)> {
    use orderflow_events::schema::{of_answer, of_request};

    use crate::view::{
        JournalPage, ReconciliationTaken, ReconciliationTold, RedriveTaken, RedriveTold, ReplayTaken, ReplayTold,
        StatusView, Timeline,
    };

    vec![
        ("LetterEdit", of_request::<Edit>()),
        ("LetterDrop", of_request::<Drop>()),
        ("NewRedrive", of_request::<requests::AskedRedrive>()),
        ("NewReplay", of_request::<requests::AskedReplay>()),
        ("NewReconciliation", of_request::<requests::AskedReconciliation>()),
        ("LetterPage", of_answer::<Page>()),
        ("LetterGroups", of_answer::<Groups>()),
        ("Letter", of_answer::<Whole>()),
        ("RedriveTaken", of_answer::<RedriveTaken>()),
        ("ReplayTaken", of_answer::<ReplayTaken>()),
        ("ReconciliationTaken", of_answer::<ReconciliationTaken>()),
        ("Redrive", of_answer::<RedriveTold>()),
        ("Replay", of_answer::<ReplayTold>()),
        ("Reconciliation", of_answer::<ReconciliationTold>()),
        ("Timeline", of_answer::<Timeline>()),
        ("JournalPage", of_answer::<JournalPage>()),
        ("Status", of_answer::<StatusView>()),
    ]
}

#[cfg(test)]
mod tests;
