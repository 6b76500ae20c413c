//! Pages of the journal: slot after slot, so that the events of one order come in their order.

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

/// Slots that one page looks at: an hour without an event costs as much as one with.
const MAX_SLOTS: usize = 64;

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
    for _ in 0..MAX_SLOTS {
        let SlotPage { entries, next } = archive.slot(journal, slot, range, within.as_deref()).await?;
        if let Some(next) = next {
            return Ok(Page { entries, next: Some(format!("{slot}{SEPARATOR}{next}")) });
        }
        let following = slot.next(range.to);
        if !entries.is_empty() || following.is_none() {
            return Ok(Page { entries, next: following.map(|slot| format!("{slot}{SEPARATOR}")) });
        }
        (slot, within) = (following.unwrap_or(slot), None);
    }
    Ok(Page { entries: Vec::new(), next: Some(format!("{slot}{SEPARATOR}")) })
}

fn place(cursor: &str) -> Result<(Slot, Option<String>)> {
    let unknown = || Failure::permanent("the cursor is none of ours");
    let (slot, within) = cursor.split_once(SEPARATOR).ok_or_else(unknown)?;
    let within = Some(within).filter(|within| !within.is_empty()).map(str::to_owned);
    Ok((slot.parse().map_err(|_| unknown())?, within))
}
