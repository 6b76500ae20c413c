//! Runner of replays: page after page, so that whoever goes on after a crash begins with the page that was not counted.

use std::time::Duration;

use onewrite::port::Clock;
use onewrite::{Outlook, Result};
use orderflow_events::Time;
use tracing::info;

use crate::archive::Recorded;
use crate::domain::{LetterId, State, letter_id_of};
use crate::jobs::change::change;
use crate::jobs::inquiry::outlooks;
use crate::jobs::job::Job;
use crate::jobs::redrives::sent_at_once;
use crate::jobs::replay::{Phase, Replay, Tally};
use crate::message::Message;
use crate::pages::{self, Page};
use crate::port::{Archive, Consumers, Directory, JobStore, LetterStore, Queues};
use crate::service::{Service, journal_of};

/// Time after which nobody waits for an event any more: longer than the longest back-off.
const SILENCE: Duration = Duration::from_mins(20);

/// Runs replays.
pub(crate) struct ReplayRunner<S, N, W> {
    store: S,
    stack: N,
    world: W,
}

impl<S, N, W> ReplayRunner<S, N, W>
where
    S: LetterStore + JobStore,
    N: Archive + Consumers + Directory + Queues,
    W: Clock,
{
    /// A runner on that store, for that stack.
    pub(crate) fn new(store: S, stack: N, world: W) -> Self {
        Self { store, stack, world }
    }

    /// Takes a replay on by one page. Answers false where it waits for events, or has ended.
    ///
    /// # Errors
    ///
    /// The reason why it does not go on: what was not counted is done once more.
    pub(crate) async fn advance(&self, replay: &Replay) -> Result<bool> {
        let services = self.stack.services().await?;
        let service = services.iter().find(|service| service.name == replay.service);
        let (Some(service), Some(journal)) = (service, journal_of(&services)) else {
            // It was asked for when there was one.
            self.change(replay, Replay::stopped).await?;
            return Ok(false);
        };
        let page = self.page(replay, journal).await?;
        let wanted: Vec<&Recorded> = page.entries.iter().filter(|entry| replay.wanted.has(service, entry)).collect();
        let texts: Vec<&str> = wanted.iter().map(|entry| entry.text.as_str()).collect();
        let outlooks = outlooks(&self.stack, &service.function, &texts).await?;
        let (tally, is_settled) = match replay.phase {
            Phase::Sending => (self.send(replay, service, &texts, &outlooks).await?, true),
            Phase::Following => {
                let tally = self.follow(service, &texts, &outlooks).await?;
                (tally, tally.open == 0 || is_silent(replay, self.world.now()))
            }
            Phase::Over => return Ok(false),
        };
        if !is_settled {
            self.change(replay, |replay| Some(replay.waiting(self.world.now()))).await?;
            return Ok(false);
        }
        let cursor = &replay.cursor;
        let after = |known: &Replay| {
            // Whoever has lost the job for a while may bring a page that was counted.
            let is_same = known.phase == replay.phase && known.cursor == *cursor;
            is_same.then(|| known.after(tally, page.next.clone()))
        };
        let changed = self.change(replay, after).await?;
        Ok(changed.is_some_and(|replay| replay.phase != Phase::Over))
    }

    async fn change(&self, replay: &Replay, to: impl Fn(&Replay) -> Option<Replay>) -> Result<Option<Replay>> {
        change(&self.store, replay.head.id.as_str(), to).await
    }

    /// The page of the phase. All events of one order are one page.
    async fn page(&self, replay: &Replay, journal: &str) -> Result<Page> {
        match &replay.wanted.order {
            Some(order) => {
                let range = replay.wanted.range();
                let mut entries = self.stack.of_subject(journal, order).await?;
                entries.retain(|entry| (range.from..=range.to).contains(&entry.at));
                Ok(Page { entries, next: None })
            }
            None => pages::page(&self.stack, journal, replay.wanted.range(), replay.cursor.as_deref()).await,
        }
    }

    async fn send(&self, replay: &Replay, service: &Service, texts: &[&str], outlooks: &[Outlook]) -> Result<Tally> {
        let (mut tally, mut due) = (Tally::default(), Vec::new());
        for (text, outlook) in texts.iter().zip(outlooks) {
            tally.total += 1;
            match outlook {
                Outlook::Handled { .. } | Outlook::Nothing => {}
                Outlook::Refused { .. } => tally.refused += 1,
                Outlook::Due | Outlook::Early { .. } | Outlook::Unknown => {
                    due.push(Message { body: (*text).to_owned(), ..Message::default() });
                }
            }
        }
        for some in due.chunks(sent_at_once(replay.rate_per_second)) {
            let sent = self.stack.send(&service.queue_url, some).await?;
            sent.into_iter().collect::<Result<()>>()?;
            tally.sent += u32::try_from(some.len()).unwrap_or(u32::MAX);
            if let Some(rate) = replay.rate_per_second {
                self.world.sleep(Duration::from_secs(some.len() as u64) / rate.max(1)).await;
            }
        }
        if tally.sent > 0 {
            info!(replay = replay.head.id.as_str(), sent = tally.sent, "events sent once more");
        }
        Ok(tally)
    }

    async fn follow(&self, service: &Service, texts: &[&str], outlooks: &[Outlook]) -> Result<Tally> {
        let mut tally = Tally::default();
        for (text, outlook) in texts.iter().zip(outlooks) {
            match outlook {
                Outlook::Handled { .. } | Outlook::Nothing => tally.handled += 1,
                // It was not sent; or was, and is a letter by now.
                Outlook::Refused { .. } => {}
                Outlook::Due | Outlook::Early { .. } | Outlook::Unknown => {
                    if is_parked(&self.store, &letter_id_of(&service.name, text)).await? {
                        tally.parked += 1;
                    } else {
                        tally.open += 1;
                    }
                }
            }
        }
        Ok(tally)
    }
}

async fn is_parked(store: &impl LetterStore, id: &LetterId) -> Result<bool> {
    let letter = store.letter(id).await?;
    Ok(letter.is_some_and(|letter| match letter.state {
        State::Waiting | State::ParkedAgain | State::Dropped => true,
        State::Sent | State::Handled => false,
    }))
}

fn is_silent(replay: &Replay, now: Time) -> bool {
    replay.waiting_since.is_some_and(|since| since.until(now) > SILENCE)
}
