//! Endpoints, deliveries, receivers and workers in memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use onewrite::feed::Cursor;
use onewrite::memory::Paced;
use onewrite::webhook::{Answer, Unanswered};
use onewrite::{Failure, Result};

use crate::domain::Delivery;
use crate::domain::Endpoint;
use crate::port::{Deliveries, Endpoints, Feed, Happened, Place, Receivers, Roster, Workers};

/// Endpoints and deliveries in memory.
#[derive(Debug, Default)]
pub struct MemoryWebhooks {
    endpoints: RefCell<BTreeMap<String, Endpoint>>,
    removed: RefCell<BTreeMap<String, Endpoint>>,
    place: RefCell<Option<Place>>,
    waiting: RefCell<BTreeMap<(String, String), Delivery>>,
    ended: RefCell<BTreeMap<(String, String), Delivery>>,
}

impl Endpoints for MemoryWebhooks {
    async fn roster(&self) -> Result<Roster> {
        let endpoints = self.endpoints.borrow().values().cloned().collect();
        Ok(Roster { endpoints, place: self.place.borrow().clone() })
    }

    async fn get(&self, id: &str) -> Result<Option<Endpoint>> {
        Ok(self.endpoints.borrow().get(id).cloned())
    }

    async fn put(&self, endpoint: &Endpoint) -> Result<bool> {
        let mut endpoints = self.endpoints.borrow_mut();
        let is_next = endpoints.get(&endpoint.id).map_or(0, |known| known.revision) == endpoint.revision;
        if is_next {
            let next = Endpoint { revision: endpoint.revision + 1, ..endpoint.clone() };
            endpoints.insert(endpoint.id.clone(), next);
        }
        Ok(is_next)
    }

    async fn remove(&self, endpoint: &Endpoint) -> Result<()> {
        self.waiting.borrow_mut().retain(|(of, _), _| *of != endpoint.id);
        self.removed.borrow_mut().insert(endpoint.id.clone(), endpoint.clone());
        self.endpoints.borrow_mut().remove(&endpoint.id);
        Ok(())
    }

    async fn removed(&self, id: &str) -> Result<Option<Endpoint>> {
        Ok(self.removed.borrow().get(id).cloned())
    }

    async fn put_place(&self, place: &Place) -> Result<bool> {
        let mut known = self.place.borrow_mut();
        let is_next = known.as_ref().map_or(0, |known| known.revision) == place.revision;
        if is_next {
            *known = Some(Place { revision: place.revision + 1, ..place.clone() });
        }
        Ok(is_next)
    }
}

impl Deliveries for MemoryWebhooks {
    async fn record(&self, endpoint: &str, delivery: &Delivery, was_waiting: bool) -> Result<()> {
        let key = (endpoint.to_owned(), delivery.event_id.clone());
        if delivery.next_at.is_some() {
            self.waiting.borrow_mut().insert(key, delivery.clone());
            return Ok(());
        }
        self.ended.borrow_mut().insert(key.clone(), delivery.clone());
        if was_waiting {
            self.waiting.borrow_mut().remove(&key);
        }
        Ok(())
    }

    async fn waiting(&self, endpoint: &str) -> Result<Vec<Delivery>> {
        let waiting = self.waiting.borrow();
        let mut of_endpoint: Vec<_> =
            waiting.iter().filter(|((of, _), _)| of == endpoint).map(|(_, delivery)| delivery.clone()).collect();
        of_endpoint.sort_by_key(|delivery| delivery.place);
        Ok(of_endpoint)
    }

    async fn ended(&self, endpoint: &str, before: Option<&str>, most: usize) -> Result<Vec<Delivery>> {
        let ended = self.ended.borrow();
        let of_endpoint = ended.iter().rev().filter(|((of, _), _)| of == endpoint);
        let before = of_endpoint.filter(|((_, event), _)| before.is_none_or(|before| event.as_str() < before));
        Ok(before.map(|(_, delivery)| delivery.clone()).take(most).collect())
    }
}

/// Receivers in memory: what was posted to each URL, and what each answers.
#[derive(Debug, Default)]
pub struct MemoryReceivers {
    posts: RefCell<Vec<Posted>>,
    answers: RefCell<BTreeMap<String, VecDeque<Result<u16, Unanswered>>>>,
    refused: RefCell<BTreeSet<String>>,
}

/// Message that was posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// URL that it was posted to.
    pub url: String,
    /// Headers of Standard Webhooks.
    pub headers: Vec<(&'static str, String)>,
    /// The event.
    pub body: String,
}

impl MemoryReceivers {
    /// From now on the receiver of that URL answers so, once each, and the last for ever.
    pub fn answer(&self, url: &str, answers: impl IntoIterator<Item = Result<u16, Unanswered>>) {
        self.answers.borrow_mut().insert(url.to_owned(), answers.into_iter().collect());
    }

    /// From now on no receiver takes what has that text in it: each answers 422.
    pub fn refuse(&self, text: &str) {
        self.refused.borrow_mut().insert(text.to_owned());
    }

    /// All that was posted, in its order.
    #[must_use]
    pub fn posts(&self) -> Vec<Posted> {
        self.posts.borrow().clone()
    }
}

impl Receivers for MemoryReceivers {
    async fn post(&self, url: &str, headers: &[(&'static str, String)], body: &str) -> Result<Answer, Unanswered> {
        let posted = Posted { url: url.to_owned(), headers: headers.to_vec(), body: body.to_owned() };
        self.posts.borrow_mut().push(posted);
        if self.refused.borrow().iter().any(|text| body.contains(text)) {
            return Ok(Answer { status: 422, beginning: String::new() });
        }
        let mut answers = self.answers.borrow_mut();
        let answer = answers
            .get_mut(url)
            .and_then(|answers| if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() });
        answer.unwrap_or(Ok(200)).map(|status| Answer { status, beginning: String::new() })
    }
}

/// Workers in memory: who is to work, in the order in which that was said.
#[derive(Debug, Default)]
pub struct MemoryWorkers {
    started: RefCell<Vec<String>>,
}

impl MemoryWorkers {
    /// Those who are to work, each once; from now on nobody is.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.started.borrow_mut())
    }
}

impl Workers for MemoryWorkers {
    async fn start(&self, endpoint: &str) -> Result<()> {
        self.started.borrow_mut().push(endpoint.to_owned());
        Ok(())
    }
}

fn timed_out() -> Failure {
    Failure::transient("timed out")
}

impl<T: Endpoints> Endpoints for Paced<'_, T> {
    async fn roster(&self) -> Result<Roster> {
        self.pace.pause("before roster").await;
        self.port.roster().await
    }

    async fn get(&self, id: &str) -> Result<Option<Endpoint>> {
        self.pace.pause("before get").await;
        self.port.get(id).await
    }

    async fn put(&self, endpoint: &Endpoint) -> Result<bool> {
        self.pace.call("put endpoint", self.port.put(endpoint), timed_out).await
    }

    async fn remove(&self, endpoint: &Endpoint) -> Result<()> {
        self.pace.call("remove endpoint", self.port.remove(endpoint), timed_out).await
    }

    async fn removed(&self, id: &str) -> Result<Option<Endpoint>> {
        self.pace.pause("before removed").await;
        self.port.removed(id).await
    }

    async fn put_place(&self, place: &Place) -> Result<bool> {
        self.pace.call("put place", self.port.put_place(place), timed_out).await
    }
}

impl<T: Deliveries> Deliveries for Paced<'_, T> {
    async fn record(&self, endpoint: &str, delivery: &Delivery, was_waiting: bool) -> Result<()> {
        self.pace.call("record", self.port.record(endpoint, delivery, was_waiting), timed_out).await
    }

    async fn waiting(&self, endpoint: &str) -> Result<Vec<Delivery>> {
        self.pace.pause("before waiting").await;
        self.port.waiting(endpoint).await
    }

    async fn ended(&self, endpoint: &str, before: Option<&str>, most: usize) -> Result<Vec<Delivery>> {
        self.pace.pause("before ended").await;
        self.port.ended(endpoint, before, most).await
    }
}

impl<T: Feed> Feed for Paced<'_, T> {
    async fn after(&self, cursor: &Cursor, most: usize) -> Result<Vec<Happened>> {
        self.pace.pause("before after").await;
        self.port.after(cursor, most).await
    }

    async fn end(&self) -> Result<Cursor> {
        self.pace.pause("before end").await;
        self.port.end().await
    }

    async fn texts(&self, keys: &[(String, String)]) -> Result<Vec<Option<String>>> {
        self.pace.pause("before texts").await;
        self.port.texts(keys).await
    }
}

impl<T: Receivers> Receivers for Paced<'_, T> {
    async fn post(&self, url: &str, headers: &[(&'static str, String)], body: &str) -> Result<Answer, Unanswered> {
        self.pace.call("post", self.port.post(url, headers, body), || Unanswered::TooSlow).await
    }
}

impl<T: Workers> Workers for Paced<'_, T> {
    async fn start(&self, endpoint: &str) -> Result<()> {
        self.pace.call("start", self.port.start(endpoint), timed_out).await
    }
}
