//! Sender: posts to one endpoint what it wants of the feed, in rounds, until there is nothing more or it does not answer.
//!
//! One sender works for an endpoint, and for no other: so who hangs holds up nobody but themself. What was posted is on record
//! before the cursor passes it. A crash between the two posts again what was posted; nothing is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use futures::future::try_join_all;
use onewrite::Result;
use onewrite::feed::Cursor;
use onewrite::personal::{KeyRing, Keys};
use onewrite::port::{Clock, Random};
use onewrite::webhook::Secrets;
use orderflow_events::Time;
use orderflow_notification::Mailer;
use serde_json::Value;
use tracing::{error, info, warn};

use crate::domain::{Attempt, Delivery, Endpoint, Round};
use crate::outage::tell;
use crate::port::{Deliveries, Endpoints, Feed, Happened, Receivers};
use crate::record::{change, pause, secrets_of};

/// Events that are posted at once.
const AT_ONCE: usize = 10;

/// Events of a round: of those that wait, and of those that are new.
const OF_A_ROUND: usize = 50;

/// Events that wait at the most. Beyond that nothing new is taken on for an endpoint.
const MAX_WAITING: usize = 100;

/// Time that a round takes at the most: less is not begun with.
pub(crate) const ROUND_TAKES: Duration = Duration::from_secs(40);

/// Time that an attempt, and to note what is left, take at the most: less is not begun with.
const POST_TAKES: Duration = Duration::from_secs(20);

/// Sender for an endpoint.
pub struct Sender<F, S, R, K, M, W> {
    feed: F,
    store: S,
    receivers: R,
    keys: KeyRing<K, W>,
    mailer: M,
    world: W,
}

/// Event that is to be posted.
struct Post {
    delivery: Delivery,
    text: String,
    /// It was never noted among those that wait.
    is_new: bool,
}

/// Events of the feed that are to be posted.
struct Fresh {
    posts: Vec<Post>,
    /// Cursor after all that was looked at.
    cursor: Cursor,
    is_end: bool,
}

impl<F: Feed, S: Endpoints + Deliveries, R: Receivers, K: Keys, M: Mailer, W: Clock + Random + Clone>
    Sender<F, S, R, K, M, W>
{
    /// A sender of that feed to those receivers, with the secrets that `keys` open; owners are told by that mailer.
    pub fn new(feed: F, store: S, receivers: R, keys: K, mailer: M, world: W) -> Self {
        Self { feed, store, receivers, keys: KeyRing::new(keys, world.clone()), mailer, world }
    }

    /// Works for an endpoint, if it is due and nobody else does, as far as there is time; tells its owner of an outage, and clears up
    /// what is left of one that was deleted.
    ///
    /// # Errors
    ///
    /// The feed or the store cannot be reached: the endpoint stays due. Or the secret cannot be opened, and whatever else does not pass by
    /// itself: it is left alone for a while.
    pub async fn run(&self, id: &str, deadline: Time) -> Result<()> {
        let mut name = [0; 12];
        self.world.fill(&mut name);
        let holder = BASE64URL_NOPAD.encode(&name);
        let held = change(&self.store, id, |endpoint| endpoint.hold(&holder, self.world.now(), deadline)).await?;
        let Some(endpoint) = held else { return self.conclude(id, deadline).await };
        let worked = self.work(endpoint, &holder, deadline).await;
        if let Err(failure) = &worked {
            let stays = !failure.kind().is_retryable();
            if stays {
                error!(endpoint = id, reason = failure.reason(), "nobody can work for an endpoint");
            }
            // So that another need not wait for the end of the hold. If this fails as well, they do.
            let release = |endpoint: &mut Endpoint| {
                let is_held = endpoint.is_held_by(&holder);
                // Something may be noted of which the endpoint does not know.
                endpoint.has_waiting |= is_held;
                if is_held && stays {
                    endpoint.give_up(self.world.now());
                }
                endpoint.hold.take_if(|_| is_held).is_some()
            };
            let _ = change(&self.store, id, release).await;
        }
        worked
    }

    /// Does what is left to do for an endpoint that is posted to no more.
    async fn conclude(&self, id: &str, deadline: Time) -> Result<()> {
        let (found, now) = (self.store.get(id).await?, self.world.now());
        match found {
            Some(endpoint) if endpoint.is_to_be_cleared(now) => {
                // The record goes last: until then somebody goes on here.
                self.keys.erase(id).await?;
                self.store.remove(&endpoint).await
            }
            Some(endpoint) if endpoint.is_to_be_told(now) => {
                tell(&self.store, &self.keys, &self.mailer, &self.world, (id, deadline)).await
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn work(&self, mut endpoint: Endpoint, holder: &str, deadline: Time) -> Result<()> {
        let id = endpoint.id.clone();
        loop {
            let round = self.round(&endpoint, deadline).await?;
            let is_idle = round.attempts.is_empty() && round.cursor == round.before.0;
            let is_last = is_idle || self.world.now().after(ROUND_TAKES) >= deadline;
            let advanced = change(&self.store, &id, |endpoint| {
                let now = self.world.now();
                let is_held = endpoint.is_held_by(holder);
                if is_held {
                    endpoint.advance(&round, now);
                    if is_last || endpoint.due.is_none_or(|due| now < due) {
                        endpoint.hold = None;
                    }
                }
                is_held
            });
            match advanced.await? {
                Some(advanced) if advanced.is_held_by(holder) => endpoint = advanced,
                Some(advanced) => {
                    if let Some((reason, _)) = advanced.disabled {
                        warn!(endpoint = id, ?reason, "an endpoint is disabled");
                        return self.conclude(&id, deadline).await;
                    }
                    return Ok(());
                }
                None => return Ok(()),
            }
        }
    }

    async fn round(&self, endpoint: &Endpoint, deadline: Time) -> Result<Round> {
        let now = self.world.now();
        let secrets = secrets_of(&self.keys, endpoint, now).await?;
        let waiting = if endpoint.has_waiting { self.store.waiting(&endpoint.id).await? } else { Vec::new() };
        let (room, of_waiting) = match &endpoint.failing {
            // One of each: so it is no single event by which it is known whether the endpoint takes any. Where order counts
            // what is new may only be noted, and of that there is an end.
            Some(_) => (usize::from(!endpoint.in_order || waiting.len() < MAX_WAITING), 1),
            None => (MAX_WAITING.saturating_sub(waiting.len()).min(OF_A_ROUND), MAX_WAITING),
        };
        let fresh = self.fresh(endpoint, &waiting, room, now).await?;
        let (again, left) = self.again(endpoint, waiting, of_waiting, now).await?;
        let blocked: BTreeSet<&str> = left.iter().map(Delivery::subject).collect();
        // Where order counts an event waits for those of its order; else each goes by itself.
        let mut groups: BTreeMap<String, Vec<Post>> = BTreeMap::new();
        for post in again.into_iter().chain(fresh.posts) {
            let group = if endpoint.in_order { post.delivery.subject() } else { &post.delivery.event_id };
            groups.entry(group.to_owned()).or_default().push(post);
        }
        let (mut groups, mut posted) = (groups.into_iter().peekable(), Vec::new());
        while groups.peek().is_some() {
            let at_once = groups.by_ref().take(AT_ONCE).map(|(group, posts)| {
                let is_blocked = endpoint.in_order && blocked.contains(group.as_str());
                self.post_group(endpoint, &secrets, is_blocked, posts, deadline)
            });
            posted.extend(try_join_all(at_once).await?.into_iter().flatten());
        }
        let attempts: Vec<Attempt> = posted.iter().filter_map(|(attempt, _)| *attempt).collect();
        let is_new = |(attempt, delivery): &&(Option<Attempt>, Delivery)| attempt.is_some() && delivery.attempts == 1;
        let new = u32::try_from(posted.iter().filter(is_new).count()).unwrap_or(u32::MAX);
        let next_at = next_of(endpoint.in_order, left.iter().chain(posted.iter().map(|(_, delivery)| delivery)));
        // Without room nothing new can be taken on before one that waits is taken or given up.
        let is_room_made = posted.iter().any(|(_, delivery)| delivery.next_at.is_none());
        let is_feed_end = fresh.is_end;
        let is_end = is_feed_end || room == 0 && !is_room_made;
        let pause = self.pause(endpoint.failing.as_ref().map_or(0, |failing| failing.rounds));
        let before = (endpoint.cursor.clone(), endpoint.wakes);
        Ok(Round { before, cursor: fresh.cursor, is_feed_end, is_end, attempts, new, next_at, pause })
    }

    /// Posts the events of a group, one after the other. Where order counts, what is behind one that was not taken is only noted,
    /// and so is what there is no time for.
    async fn post_group(
        &self,
        endpoint: &Endpoint,
        secrets: &Secrets,
        mut is_blocked: bool,
        group: Vec<Post>,
        deadline: Time,
    ) -> Result<Vec<(Option<Attempt>, Delivery)>> {
        let mut results = Vec::new();
        for Post { mut delivery, text, is_new } in group {
            let is_time = self.world.now().after(POST_TAKES) < deadline;
            if !is_time || is_blocked && is_new {
                if is_new {
                    self.store.record(&endpoint.id, &delivery, false).await?;
                }
                results.push((None, delivery));
                continue;
            }
            let headers = secrets.headers(&delivery.event_id, self.world.now(), &text);
            let answer = self.receivers.post(&endpoint.url, &headers, &text).await;
            let attempt = delivery.tried(&answer, self.pause(delivery.attempts), self.world.now());
            self.store.record(&endpoint.id, &delivery, !is_new).await?;
            info!(endpoint = endpoint.id, event = delivery.event_id, ?attempt, status = delivery.status, "posted");
            is_blocked |= endpoint.in_order && delivery.next_at.is_some();
            results.push((Some(attempt), delivery));
        }
        Ok(results)
    }

    /// Those of the waiting whose time has come, and those that are left; where order counts, the first of each order alone.
    async fn again(
        &self,
        endpoint: &Endpoint,
        waiting: Vec<Delivery>,
        most: usize,
        now: Time,
    ) -> Result<(Vec<Post>, Vec<Delivery>)> {
        let (mut orders, mut come, mut left) = (BTreeSet::new(), Vec::new(), Vec::new());
        for delivery in waiting {
            let is_first = orders.insert(delivery.subject().to_owned()) || !endpoint.in_order;
            let is_time = endpoint.hurries || delivery.next_at.is_none_or(|at| at <= now);
            let comes = is_first && is_time && come.len() < most;
            if comes { come.push(delivery) } else { left.push(delivery) }
        }
        let keys: Vec<_> = come.iter().map(|delivery| delivery.key.clone()).collect();
        let texts = if keys.is_empty() { Vec::new() } else { self.feed.texts(&keys).await? };
        let mut posts = Vec::new();
        for (delivery, text) in come.into_iter().zip(texts) {
            match text {
                Some(text) => posts.push(Post { delivery, text, is_new: false }),
                None => left.push(delivery),
            }
        }
        Ok((posts, left))
    }

    /// Events of the feed after its cursor that it wants, as many as there is room for.
    async fn fresh(&self, endpoint: &Endpoint, waiting: &[Delivery], room: usize, now: Time) -> Result<Fresh> {
        let mut fresh = Fresh { posts: Vec::new(), cursor: endpoint.cursor.clone(), is_end: false };
        if room == 0 {
            return Ok(fresh);
        }
        let page = self.feed.after(&endpoint.cursor, OF_A_ROUND).await?;
        fresh.is_end = page.is_empty();
        let is_wanted = endpoint.condition();
        let mut places = waiting.iter().map(|it| it.place).max().map_or(0, |place| place + 1)..;
        for Happened { key, text, cursor } in page {
            let event: Value = serde_json::from_str(&text).unwrap_or_default();
            // After a crash before the cursor was moved it waits already.
            if is_wanted(&event, &fresh.cursor, &cursor) && !waiting.iter().any(|it| it.key == key) {
                if fresh.posts.len() == room {
                    break;
                }
                let delivery = Delivery::new(&event, key, places.next().unwrap_or_default(), now);
                fresh.posts.push(Post { delivery, text, is_new: true });
            }
            fresh.cursor = cursor;
        }
        Ok(fresh)
    }

    fn pause(&self, attempts: u32) -> Duration {
        pause(attempts, &self.world)
    }
}

/// Earliest time of another attempt: of all that wait, or, where order counts, of the first of each order.
fn next_of<'a>(in_order: bool, deliveries: impl Iterator<Item = &'a Delivery>) -> Option<Time> {
    let waits = |delivery: &'a Delivery| Some((delivery.place, delivery.subject(), delivery.next_at?));
    let mut waiting: Vec<(u64, &str, Time)> = deliveries.filter_map(waits).collect();
    waiting.sort_unstable();
    let mut orders = BTreeSet::new();
    waiting.into_iter().filter(|(_, order, _)| orders.insert(*order) || !in_order).map(|(.., next_at)| next_at).min()
}
