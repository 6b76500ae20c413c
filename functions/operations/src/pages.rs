//! Pages of the journal: slot after slot, so that the events of one order come in their order.

use std::iter::successors;

use futures::future::try_join_all;
use onewrite::{Failure, Result, Slot};

use crate::archive::{Range, Recorded, SlotPage};
use crate::port::Archive;

/// Entries of a range, and where the next ones begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// The entries: those of one order in their order.
    pub entries: Vec<Recorded>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// Between a slot and the cursor within it.
const SEPARATOR: char = '~';

/// Slots that are read at once where there is nothing: an hour without an event costs as much as one with.
const AT_ONCE: usize = 16;

/// Reads after which a page ends, be it empty or not.
const MAX_ROUNDS: usize = 12;

/// The page of the range after that cursor. It may be empty, and not the last.
///
/// # Errors
///
/// The journal cannot be read, or the cursor is none of ours.
pub(crate) async fn page(archive: &impl Archive, journal: &str, range: Range, cursor: Option<&str>) -> Result<Page> {
    let (mut slot, mut within) = match cursor {
        None => (Slot::first(range.from), None),
        Some(cursor) => place(cursor)?,
    };
    // The first by itself: where there is something, it is enough.
    let mut count = 1;
    for _ in 0..MAX_ROUNDS {
        let slots: Vec<Slot> = successors(Some(slot), |slot| slot.next(range.to)).take(count).collect();
        let read = slots.iter().map(|slot| archive.slot(journal, *slot, range, within.as_deref()));
        for (slot, SlotPage { entries, next }) in slots.iter().zip(try_join_all(read).await?) {
            if let Some(next) = next {
                return Ok(Page { entries, next: Some(format!("{slot}{SEPARATOR}{next}")) });
            }
            if !entries.is_empty() {
                let next = slot.next(range.to).map(|slot| format!("{slot}{SEPARATOR}"));
                return Ok(Page { entries, next });
            }
        }
        let Some(following) = slots.last().and_then(|last| last.next(range.to)) else { return Ok(Page::default()) };
        (slot, within, count) = (following, None, AT_ONCE);
    }
    Ok(Page { entries: Vec::new(), next: Some(format!("{slot}{SEPARATOR}")) })
}

fn place(cursor: &str) -> Result<(Slot, Option<String>)> {
    let unknown = || Failure::permanent("the cursor is none of ours");
    let (slot, within) = cursor.split_once(SEPARATOR).ok_or_else(unknown)?;
    let within = Some(within).filter(|within| !within.is_empty()).map(str::to_owned);
    Ok((slot.parse().map_err(|_| unknown())?, within))
}
