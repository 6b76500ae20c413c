//! Jobs over HTTP: redrives, replays and reconciliations are taken on, told of, and stopped.

use std::ops::ControlFlow;
use std::time::Duration;

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use onewrite::Failure;
use onewrite::access::{Caller, KeySets};
use onewrite::envelope::{Invalid, derive_id};
use onewrite::http::{Problem, answer, read_body};
use onewrite::personal::Keys;
use onewrite::port::{Clock, Random};
use orderflow_events::{Faults, Node, Time};
use serde_json::Value;
use tracing::info;

use super::requests::{NewReconciliation, NewRedrive, NewReplay, Which};
use super::walk::Walk;
use super::{OperationsApi, by, erased, too_many};
use crate::archive::{Range, Recorded};
use crate::domain::{Letter, LetterId, State};
use crate::jobs::change::change;
use crate::jobs::job::{Head, Job};
use crate::jobs::reconciliation::{Reconciliation, ReconciliationId};
use crate::jobs::redrive::{MAX_LETTERS, Redrive, RedriveId};
use crate::jobs::replay::{Replay, ReplayId, Wanted};
use crate::pages;
use crate::port::{
    Archive, Backlog, Consumers, Directory, Gauges, JobStore, LetterStore, Logs, Outboxes, PART, PartStore, Queues,
    Since,
};
use crate::sealing;
use crate::selection::{Selection, is_sendable};
use crate::service::{Service, journal_of};
use crate::view::{ReconciliationTaken, ReconciliationTold, RedriveTaken, RedriveTold, ReplayTaken, ReplayTold};

/// Range of a reconciliation that does not say when it begins.
const DEFAULT_RANGE: Duration = Duration::from_hours(24);

/// Longest range of a replay, or of a reconciliation: each hour of it is eight requests, be it empty or not.
pub(super) const MAX_RANGE: Duration = Duration::from_hours(2 * 366 * 24);

/// Messages that are opened at once: they may be large.
const OPENED_AT_ONCE: usize = 25;

/// Time that a dry run counts for: what it has counted by then is told.
const COUNTED_WITHIN: Duration = Duration::from_secs(2);

impl<S, R, N, W, K> OperationsApi<S, R, N, W, K>
where
    S: Backlog + LetterStore + JobStore + PartStore,
    R: Keys,
    N: Archive + Consumers + Directory + Gauges + Logs + Outboxes + Queues,
    W: Clock + Random,
    K: KeySets,
{
    pub(super) async fn redrive(&self, request: &Request, caller: &Caller) -> Result<Response<Body>, Problem> {
        let NewRedrive { letters, ramp, rate_per_second, dry_run } = read_body(request)?;
        let ids = match letters {
            Which::These(ids) => self.these(ids).await?,
            Which::All(selection) => self.all(&selection).await?,
        };
        let total = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        if dry_run {
            return Ok(answer(StatusCode::OK, &RedriveTaken { id: None, total }));
        }
        let id: RedriveId = self.new_id("red_", RedriveId::new)?;
        for (part, ids) in (0..).zip(ids.chunks(PART)) {
            self.store.keep_part(&id, part, ids).await?;
        }
        let redrive = Redrive::new(id.clone(), &by(caller), self.world.now(), total, ramp, rate_per_second);
        self.store.put_job(&redrive, Since::New).await?;
        info!(redrive = id.as_str(), total, by = redrive.head.by, "redrive taken on");
        Ok(answer(StatusCode::ACCEPTED, &RedriveTaken { id: Some(id), total }))
    }

    /// The letters that were named, each of which must be one that can be sent back.
    async fn these(&self, ids: Vec<LetterId>) -> Result<Vec<LetterId>, Problem> {
        let document = Value::Null;
        let root = Node::root(&document);
        let mut faults = Faults::default();
        let mut sealed = Vec::new();
        for (index, letter) in self.store.letters_of(&ids).await?.into_iter().enumerate() {
            match letter.filter(is_sendable) {
                Some(letter) if letter.is_sealed => sealed.push(letter),
                Some(_) => {}
                None => {
                    let index = index.to_string();
                    faults.add(&root.field("letters").field(&index), "is no letter that can be sent back now");
                }
            }
        }
        let mut is_erased = false;
        for sealed in sealed.chunks(OPENED_AT_ONCE) {
            let sealed: Vec<&Letter> = sealed.iter().collect();
            for message in sealing::messages(&self.store, &self.keys, &sealed).await? {
                is_erased |= message?.is_none();
            }
        }
        match (faults.is_empty(), is_erased) {
            (true, false) => Ok(ids),
            (true, true) => Err(erased()),
            (false, _) => Err(Problem::invalid(&faults)),
        }
    }

    /// The letters of a selection that can be sent back, the oldest failure first, as far as one redrive takes them. All that are open
    /// are looked at, or it is refused: of what is hidden behind others nobody would know.
    async fn all(&self, selection: &Selection) -> Result<Vec<LetterId>, Problem> {
        let (walk, mut all) = (Walk::new(&self.store, &self.world), Vec::new());
        for state in State::ALL.into_iter().filter(|state| state.is_open()) {
            let mut found = 0;
            let is_whole = walk.all(state, |letter| {
                if selection.has(&letter) && is_sendable(&letter) {
                    found += 1;
                    all.push((letter.place(), letter.id));
                }
                if found < MAX_LETTERS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            if !is_whole.await? {
                let detail = "There are too many open letters to be looked at in one request. Nothing was begun. Name the letters \
                    instead, as GET /operations/letters lists them page by page, or drop first what nobody needs.";
                return Err(too_many(detail));
            }
        }
        all.sort();
        Ok(all.into_iter().take(MAX_LETTERS).map(|(_, id)| id).collect())
    }

    pub(super) async fn redrive_progress(&self, id: &str) -> Result<Response<Body>, Problem> {
        Ok(answer(StatusCode::OK, &RedriveTold::of(&self.load_redrive(id).await?)))
    }

    pub(super) async fn stop_redrive(&self, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        let redrive = self.load_redrive(id).await?;
        let stopped = change(&self.store, redrive.head.id.as_str(), Redrive::stopped).await?;
        info!(redrive = id, by = by(caller), "redrive stopped");
        Ok(answer(StatusCode::OK, &RedriveTold::of(&stopped.unwrap_or(redrive))))
    }

    async fn load_redrive(&self, id: &str) -> Result<Redrive, Problem> {
        let id = RedriveId::new(id).map_err(|_| Problem::not_found("redrive"))?;
        self.store.job(id.as_str()).await?.ok_or_else(|| Problem::not_found("redrive"))
    }

    pub(super) async fn replay(&self, request: &Request, caller: &Caller) -> Result<Response<Body>, Problem> {
        let NewReplay { service, order, event_type, from, to, rate_per_second, dry_run } = read_body(request)?;
        let services = self.stack.services().await?;
        let known = services.iter().find(|known| known.hears_facts() && known.name == service);
        let Some(known) = known else { return Err(fault("service", "is no service that hears facts")) };
        if order.is_none() && from.is_none() {
            return Err(fault("from", "is required where no order is named"));
        }
        let now = self.world.now();
        let wanted =
            Wanted { order, event_type, from: from.unwrap_or(Time::from_millis(0)), to: to.unwrap_or(now).min(now) };
        if wanted.order.is_none() && wanted.from.until(wanted.to) > MAX_RANGE {
            return Err(fault("from", "is more than two years before the end: replay in parts"));
        }
        if wanted.from > wanted.to {
            return Err(fault("from", "is after the end"));
        }
        if dry_run {
            let total = Some(self.count(&services, known, &wanted).await?);
            return Ok(answer(StatusCode::OK, &ReplayTaken { id: None, total }));
        }
        let head = Head::new(self.new_id("rep_", ReplayId::new)?, &by(caller), now);
        let replay = Replay::new(head, service, wanted, rate_per_second);
        self.store.put_job(&replay, Since::New).await?;
        info!(replay = replay.head.id.as_str(), service = replay.service, by = replay.head.by, "replay taken on");
        Ok(answer(StatusCode::ACCEPTED, &ReplayTaken { id: Some(replay.head.id), total: None }))
    }

    /// Number of the events that a replay would look at, as far as one request counts.
    async fn count(&self, services: &[Service], service: &Service, wanted: &Wanted) -> Result<u32, Failure> {
        let Some(journal) = journal_of(services) else { return Ok(0) };
        let (mut count, mut cursor, begun_at) = (0, None, self.world.now());
        while begun_at.until(self.world.now()) < COUNTED_WITHIN {
            let (entries, next) = if let Some(order) = &wanted.order {
                (self.stack.of_subject(journal, order).await?, None)
            } else {
                let page = pages::page(&self.stack, journal, wanted.range(), cursor.as_deref()).await?;
                (page.entries, page.next)
            };
            let is_counted = |entry: &&Recorded| wanted.has(service, entry);
            count += u32::try_from(entries.iter().filter(is_counted).count()).unwrap_or(u32::MAX);
            if next.is_none() {
                break;
            }
            cursor = next;
        }
        Ok(count)
    }

    pub(super) async fn replay_progress(&self, id: &str) -> Result<Response<Body>, Problem> {
        Ok(answer(StatusCode::OK, &ReplayTold::of(&self.load_replay(id).await?)))
    }

    pub(super) async fn stop_replay(&self, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        let replay = self.load_replay(id).await?;
        let stopped = change(&self.store, replay.head.id.as_str(), Replay::stopped).await?;
        info!(replay = id, by = by(caller), "replay stopped");
        Ok(answer(StatusCode::OK, &ReplayTold::of(&stopped.unwrap_or(replay))))
    }

    async fn load_replay(&self, id: &str) -> Result<Replay, Problem> {
        let id = ReplayId::new(id).map_err(|_| Problem::not_found("replay"))?;
        self.store.job(id.as_str()).await?.ok_or_else(|| Problem::not_found("replay"))
    }

    pub(super) async fn reconcile(&self, request: &Request, caller: &Caller) -> Result<Response<Body>, Problem> {
        let NewReconciliation { heal, from, older_than, late_after } = read_body(request)?;
        let services = self.stack.services().await?;
        let outboxes: Vec<String> =
            services.iter().filter(|service| service.outbox().is_some()).map(|service| service.name.clone()).collect();
        let now = self.world.now();
        let before = |duration: Duration| {
            Time::from_millis(now.as_millis() - i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
        };
        let from = from.unwrap_or_else(|| before(DEFAULT_RANGE));
        if from.until(now) > MAX_RANGE {
            return Err(fault("from", "is more than two years ago: reconcile in parts"));
        }
        let to = before(older_than);
        if from > to {
            return Err(fault("from", "is younger than what is left alone: begin earlier, or leave less alone"));
        }
        let head = Head::new(self.new_id("rec_", ReconciliationId::new)?, &by(caller), now);
        let late_before = before(late_after.unwrap_or(self.late_after));
        let job = Reconciliation::new(head, heal, Range { from, to }, late_before, &outboxes);
        self.store.put_job(&job, Since::New).await?;
        info!(reconciliation = job.head.id.as_str(), heal, by = job.head.by, "reconciliation taken on");
        Ok(answer(StatusCode::ACCEPTED, &ReconciliationTaken { id: job.head.id }))
    }

    pub(super) async fn reconciliation_progress(&self, id: &str) -> Result<Response<Body>, Problem> {
        Ok(answer(StatusCode::OK, &ReconciliationTold::of(&self.load_reconciliation(id).await?)))
    }

    pub(super) async fn stop_reconciliation(&self, id: &str, caller: &Caller) -> Result<Response<Body>, Problem> {
        let job = self.load_reconciliation(id).await?;
        let stopped = change(&self.store, job.head.id.as_str(), Reconciliation::stopped).await?;
        info!(reconciliation = id, by = by(caller), "reconciliation stopped");
        Ok(answer(StatusCode::OK, &ReconciliationTold::of(&stopped.unwrap_or(job))))
    }

    async fn load_reconciliation(&self, id: &str) -> Result<Reconciliation, Problem> {
        let id = ReconciliationId::new(id).map_err(|_| Problem::not_found("reconciliation"))?;
        self.store.job(id.as_str()).await?.ok_or_else(|| Problem::not_found("reconciliation"))
    }

    fn new_id<I>(&self, prefix: &str, new: impl Fn(String) -> Result<I, Invalid>) -> Result<I, Failure> {
        let mut drawn = [0; 16];
        self.world.fill(&mut drawn);
        let id = derive_id(prefix, &[&format!("{:032x}", u128::from_be_bytes(drawn))]);
        new(id).map_err(|error| Failure::permanent(format!("an id that was made {error}")))
    }
}

fn fault(field: &str, what: &'static str) -> Problem {
    let document = Value::Null;
    let mut faults = Faults::default();
    faults.add(&Node::root(&document).field(field), what);
    Problem::invalid(&faults)
}
