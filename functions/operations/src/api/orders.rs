//! Orders over HTTP: one of them over all services, the journal, and where the stack stands.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select, try_join, try_join_all};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, RequestExt, Response};
use onewrite::access::KeySets;
use onewrite::http::{Problem, answer};
use onewrite::personal::Keys;
use onewrite::port::{Clock, Random};
use onewrite::{Failure, FailureKind, Outlook};
use orderflow_events::Time;
use serde_json::value::RawValue;
use tracing::warn;

use super::jobs::MAX_RANGE;
use super::walk::Walk;
use super::{MAX_SEEN, OperationsApi};
use crate::archive::{Range, Recorded};
use crate::attempt::{Attempt, last_attempts};
use crate::domain::{Glimpse, Letter, LetterId, Origin, State, letter_id_of};
use crate::jobs::inquiry::outlooks;
use crate::pages;
use crate::port::{
    Archive, Backlog, Consumers, Depth, Directory, Gauges, JobStore, LetterStore, Logs, Outboxes, PartStore, Queues,
};
use crate::selection::Selection;
use crate::service::{Service, journal_of};
use crate::view::{
    Brief, JournalEntry, JournalPage, LetterCounts, OpenLettersView, OrderCounts, QueueView, StatusView, StreamView,
    Timeline, Waiting,
};

/// Time that the logs are looked into, in milliseconds: the longest back-off that an attempt has by default, four times.
const LOOKED_BACK_MS: i64 = 3_600_000;

/// Letters that are asked for at once by their ids.
const AT_ONCE: usize = 100;

/// Time within which the open letters are counted: of a great many the number is not waited for.
const COUNTED_WITHIN: Duration = Duration::from_secs(3);

impl<S, R, N, W, K> OperationsApi<S, R, N, W, K>
where
    S: Backlog + LetterStore + JobStore + PartStore,
    R: Keys,
    N: Archive + Consumers + Directory + Gauges + Logs + Outboxes + Queues,
    W: Clock + Random,
    K: KeySets,
{
    /// One order: what has happened to it, where it waits, and its letters.
    pub(super) async fn order(&self, id: &str) -> Result<Response<Body>, Problem> {
        let services = self.stack.services().await?;
        let entries = match journal_of(&services) {
            Some(journal) => self.stack.of_subject(journal, id).await?,
            None => Vec::new(),
        };
        let (of_order, is_whole) = self.letters_of(id, &services, &entries).await?;
        if entries.is_empty() && of_order.is_empty() {
            return Err(if is_whole { Problem::not_found("order") } else { not_seen() });
        }
        let mut letters = Vec::new();
        for letter in of_order {
            letters.push(Brief::of(&letter, self.body(&letter).await?));
        }
        let hearing = services.iter().filter(|service| service.hears_facts());
        let waiting = try_join_all(hearing.map(|service| self.waiting(service, id, &entries))).await?.concat();
        Ok(answer(StatusCode::OK, &Timeline::of(id, &services, &entries, waiting, letters)))
    }

    /// Letters of an order, the oldest failure first; and false if there may be more. Those of events in the journal are found by their
    /// ids, however many letters there are. Others, such as of the intake and of relays, are looked for: those that are open or under way
    /// as far as the time goes, of the rest the newest.
    async fn letters_of(
        &self,
        order: &str,
        services: &[Service],
        entries: &[Recorded],
    ) -> Result<(Vec<Letter>, bool), Failure> {
        let hearing = services.iter().filter(|service| service.hears_facts());
        let ids: Vec<LetterId> =
            hearing.flat_map(|service| entries.iter().map(|entry| letter_id_of(&service.name, &entry.text))).collect();
        let selection = Selection { order: Some(order.to_owned()), ..Selection::default() };
        let walk = Walk::new(&self.store, &self.world);
        let begun = [State::Waiting, State::ParkedAgain, State::Sent];
        let (begun, is_whole) = walk.newest(&begun, &selection, usize::MAX).await?;
        let (ended, is_whole_of_ended) = walk.newest(&[State::Handled, State::Dropped], &selection, MAX_SEEN).await?;
        let known = try_join_all(ids.chunks(AT_ONCE).map(|ids| self.store.letters_of(ids))).await?;
        let known = known.into_iter().flatten().flatten();
        // What has changed its state meanwhile may have been seen twice.
        let letters: BTreeMap<String, Letter> =
            begun.into_iter().chain(ended).chain(known).map(|letter| (letter.place(), letter)).collect();
        Ok((letters.into_values().collect(), is_whole && is_whole_of_ended))
    }

    /// Events that a service has not handled.
    async fn waiting(&self, service: &Service, order: &str, entries: &[Recorded]) -> Result<Vec<Waiting>, Failure> {
        let heard = |entry: &&Recorded| entry.glimpse().event_type.is_some_and(|name| service.consumes(&name));
        let heard: Vec<&Recorded> = entries.iter().filter(heard).collect();
        let texts: Vec<&str> = heard.iter().map(|entry| entry.text.as_str()).collect();
        let outlooks = outlooks(&self.stack, &service.function, &texts).await?;
        let is_waited_for = |outlook: &Outlook| match outlook {
            Outlook::Handled { .. } | Outlook::Nothing | Outlook::Unknown => false,
            Outlook::Due | Outlook::Early { .. } | Outlook::Refused { .. } => true,
        };
        let mut attempts =
            if outlooks.iter().any(is_waited_for) { self.attempts(service, order).await } else { HashMap::new() };
        let waiting = heard.into_iter().zip(outlooks).filter_map(|(entry, outlook)| {
            let why = match outlook {
                Outlook::Handled { .. } | Outlook::Nothing | Outlook::Unknown => return None,
                Outlook::Due => None,
                Outlook::Early { reason } | Outlook::Refused { reason } => Some(reason),
            };
            let Glimpse { event_type, id, .. } = entry.glimpse();
            let event = id.unwrap_or_default();
            let (receives, reason, next_attempt) = match attempts.remove(&event) {
                Some(Attempt { receives, reason, next_at }) => (Some(receives), Some(reason), next_at),
                None => (None, None, None),
            };
            let (service, since, why) = (service.name.clone(), entry.at, why.or(reason));
            let event_type = event_type.unwrap_or_default();
            Some(Waiting { service, event, event_type, since, why, person: false, receives, next_attempt })
        });
        Ok(waiting.collect())
    }

    /// The last attempts of a service at an order's events, by their ids, as far as its log of the last hour tells.
    async fn attempts(&self, service: &Service, order: &str) -> HashMap<String, Attempt> {
        let since = Time::from_millis(self.world.now().as_millis() - LOOKED_BACK_MS);
        match self.stack.lines(&service.log_group, order, since).await {
            Ok(lines) => last_attempts(&lines),
            // Where the order waits is known none the less.
            Err(failure) => {
                warn!(service = service.name, reason = failure.reason(), "the log cannot be read");
                HashMap::new()
            }
        }
    }

    /// Events of the journal, those of one order in their order.
    pub(super) async fn journal(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let parameters = request.query_string_parameters();
        let text = |name: &str| parameters.first(name).filter(|text| !text.is_empty()).map(str::to_owned);
        let time = |name: &str| text(name).map(|text| time_of(name, &text)).transpose();
        let (from, to, order, event_type) = (time("from")?, time("to")?, text("order"), text("type"));
        let range = Range { from: from.unwrap_or(Time::from_millis(0)), to: to.unwrap_or_else(|| self.world.now()) };
        let services = self.stack.services().await?;
        let Some(journal) = journal_of(&services) else { return Err(Problem::not_found("journal")) };
        let page = match (&order, from) {
            (Some(order), _) => {
                let mut entries = self.stack.of_subject(journal, order).await?;
                entries.retain(|entry| (range.from..=range.to).contains(&entry.at));
                pages::Page { entries, next: None }
            }
            (None, Some(_)) if range.from.until(range.to) > MAX_RANGE => {
                return Err(Problem::malformed("The range is longer than two years: ask for it in parts."));
            }
            (None, Some(_)) if range.from > range.to => {
                return Err(Problem::malformed("The range ends before it begins."));
            }
            (None, Some(_)) => {
                let page = pages::page(&self.stack, journal, range, text("after").as_deref()).await;
                page.map_err(|failure| match failure.kind() {
                    FailureKind::Permanent => Problem::malformed("The cursor is none of ours."),
                    _ => failure.into(),
                })?
            }
            (None, None) => return Err(Problem::malformed("It needs an order, or the time from which on.")),
        };
        let wanted = |entry: &Recorded| event_type.is_none() || entry.glimpse().event_type == event_type;
        let entries =
            page.entries.into_iter().filter(wanted).filter_map(|Recorded { at, text }| {
                Some(JournalEntry { at, event: RawValue::from_string(text).ok()? })
            });
        Ok(answer(StatusCode::OK, &JournalPage { entries: entries.collect(), next: page.next }))
    }

    /// Orders that have not come to their end, by the indexes of those who know.
    async fn open_orders(&self, services: &[Service]) -> Result<Option<OrderCounts>, Failure> {
        let (now, late_after) = (self.world.now(), self.late_after);
        let late_before = Time::from_millis(now.as_millis() - i64::try_from(late_after.as_millis()).unwrap_or(0));
        let tables = services.iter().filter_map(Service::open_index);
        let counts =
            tables.map(async |table| try_join(self.stack.open(table, now), self.stack.open(table, late_before)).await);
        let counts = try_join_all(counts).await?;
        Ok(counts.into_iter().map(|(open, late)| OrderCounts { open, late }).reduce(OrderCounts::and))
    }

    /// Depth of every queue, and the age of its oldest message.
    async fn queues(&self, services: &[Service]) -> Result<Vec<QueueView>, Failure> {
        let urls = services.iter().map(|service| service.queue_url.as_str());
        let depths = try_join_all(urls.map(|url| self.stack.depth(url))).await?;
        let (mut queues, mut filled) = (Vec::new(), Vec::new());
        for (service, depth) in services.iter().zip(depths) {
            let (name, Depth { visible, hidden }) = (service.name.clone(), depth);
            if !depth.is_empty() {
                filled.push((queues.len(), service.queue_url.as_str()));
            }
            queues.push(QueueView { service: name, visible, hidden, oldest_seconds: depth.is_empty().then_some(0) });
        }
        // Each age that is asked for is paid for.
        if !filled.is_empty() {
            let urls: Vec<&str> = filled.iter().map(|(_, url)| *url).collect();
            match self.stack.oldest(&urls, self.world.now()).await {
                Ok(ages) => {
                    for ((place, _), age) in filled.iter().zip(ages) {
                        queues[*place].oldest_seconds = age.map(|age| age.as_secs());
                    }
                }
                // All the rest is told none the less.
                Err(failure) => warn!(reason = failure.reason(), "the ages of the oldest messages are not known"),
            }
        }
        Ok(queues)
    }

    /// Letters for which somebody has to do something, if they can be counted in time. All the rest is told none the less.
    async fn open_letters(&self) -> Option<Vec<OpenLettersView>> {
        let time_up = pin!(self.world.sleep(COUNTED_WITHIN));
        match select(pin!(self.store.open_letters()), time_up).await {
            Either::Left((Ok(open), _)) => Some(open.into_iter().map(OpenLettersView::from).collect()),
            Either::Left((Err(failure), _)) => {
                warn!(reason = failure.reason(), "the open letters are not counted");
                None
            }
            Either::Right(_) => {
                warn!("the open letters are not counted in time");
                None
            }
        }
    }

    /// Depth of every queue, and the letters by their state, those that are open by service and class.
    pub(super) async fn status(&self) -> Result<Response<Body>, Problem> {
        let services = self.stack.services().await?;
        let queues = self.queues(&services).await?;
        let orders = self.open_orders(&services).await?;
        let (mut letters, mut of_relays) = (LetterCounts::default(), BTreeMap::<String, u32>::new());
        for state in State::ALL {
            let (mut after, mut seen) = (None, 0);
            loop {
                let page = self.store.page(state, after.as_deref()).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.place());
                seen += page.len();
                letters.add(state, page.len());
                for letter in page.iter().filter(|letter| letter.origin == Origin::Relay && state.is_open()) {
                    *of_relays.entry(letter.service.clone()).or_default() += 1;
                }
                if seen >= MAX_SEEN {
                    break;
                }
            }
        }
        let with_relay = services.iter().filter(|service| service.relay.is_some());
        let streams = with_relay.map(|service| StreamView {
            service: service.name.clone(),
            relay_letters: of_relays.get(&service.name).copied().unwrap_or(0),
        });
        let open_letters = self.open_letters().await;
        let streams = streams.collect();
        Ok(answer(StatusCode::OK, &StatusView { queues, letters, open_letters, orders, streams }))
    }
}

/// No such order, as far as anybody has looked.
fn not_seen() -> Problem {
    let detail = "No such order is in the journal, or among the letters that were looked at. There are more: those that were handled or \
        dropped long ago, or so many open ones that there was no time for the oldest. GET /operations/letters lists all.";
    Problem::new(StatusCode::NOT_FOUND, detail)
}

fn time_of(name: &str, text: &str) -> Result<Time, Problem> {
    Time::new(text).map_err(|error| Problem::malformed(format!("The parameter {name} {error}.")))
}
